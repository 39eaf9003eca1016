//! Crops and resizes against Pillow, five crops against torchvision: `bench/parity/resample.py`.

use std::path::Path;

use cultivar_spec::trial::Interpolation;
use cultivar_train::augment::crop::{Spot, View, evaluation_views};
use cultivar_train::augment::resample::resample;
use cultivar_train::data::resident::PixelBatch;
use cultivar_train::weights;
use serde::Deserialize;
use tch::Kind;

#[derive(Deserialize)]
struct Case {
    filter: Interpolation,
    resolution: u32,
    /// Top, left, height, width of a crop before the resize.
    crop: Option<[f64; 4]>,
    /// Of a crop after it.
    crop_pct: Option<f64>,
    /// Where that crop lies.
    #[serde(default)]
    spot: Option<String>,
}

#[test]
fn every_view_is_within_a_level_of_pillows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/resample.safetensors");
    let file = weights::read(&path).expect("the fixture");
    let cases: Vec<Case> = serde_json::from_str(&file.metadata["cases"]).expect("its cases");
    let picture = &file.tensors["picture"];
    let size = (picture.size()[0] as u32, picture.size()[1] as u32);
    // A frame larger than the image, as in a batch with larger ones, and full of another colour.
    let mut frame = tch::Tensor::full([1, 70, 50, 3], 200, (Kind::Uint8, tch::Device::Cpu));
    frame
        .narrow(1, 0, size.0.into())
        .narrow(2, 0, size.1.into())
        .copy_(&picture.unsqueeze(0));
    frame = frame.contiguous();

    for (idx, case) in cases.iter().enumerate() {
        let view = match (case.crop, case.crop_pct) {
            (Some([top, left, height, width]), None) => View {
                start: [top, left],
                size: [height, width],
                low: [top, left],
                high: [top + height, left + width],
                flip: [false, idx % 2 == 1],
            },
            (None, Some(crop_pct)) => {
                let spot = match case.spot.as_deref() {
                    None | Some("center") => Spot::Center,
                    Some("top_left") => Spot::TopLeft,
                    Some("top_right") => Spot::TopRight,
                    Some("bottom_left") => Spot::BottomLeft,
                    Some("bottom_right") => Spot::BottomRight,
                    Some(other) => panic!("no spot is called {other}"),
                };
                evaluation_views(&[size], case.resolution, crop_pct, spot)[0]
            }
            _ => panic!("case {idx} has neither crop nor crop_pct, or both"),
        };
        let wanted = file.tensors[&format!("case{idx}")]
            .permute([2, 0, 1])
            .to_kind(Kind::Float);
        // Pillow runs first whichever pass it finds cheaper; only where the bicubic filter
        // overshoots and is clipped between the passes does that show. Here columns come first, so
        // the other order is the transposed picture's.
        let mut turned = view;
        for pair in [
            &mut turned.start,
            &mut turned.size,
            &mut turned.low,
            &mut turned.high,
        ] {
            pair.swap(0, 1);
        }
        turned.flip.swap(0, 1);
        let columns_first = seen(&frame, size, view, case).squeeze();
        let rows_first = seen(
            &frame.transpose(1, 2).contiguous(),
            (size.1, size.0),
            turned,
            case,
        )
        .squeeze()
        .transpose(1, 2);
        let errors = [columns_first, rows_first].map(|seen| {
            let error = (seen.round() - &wanted).abs();
            let mean = error.mean(Kind::Double).double_value(&[]);
            (error.max().double_value(&[]), mean)
        });
        // Pillow rounds between the passes and this does not: half a level each way at most.
        assert!(
            errors
                .iter()
                .any(|(worst, mean)| *worst <= 1.0 && *mean < 0.25),
            "case {idx}: (worst, mean) by order of the passes: {errors:?}"
        );
    }
}

/// A view in levels and unflipped.
fn seen(frame: &tch::Tensor, size: (u32, u32), view: View, case: &Case) -> tch::Tensor {
    let batch = PixelBatch {
        pixels: frame.shallow_clone(),
        sizes: vec![size],
    };
    let seen = resample(&batch, &[view], case.resolution, case.filter);
    let seen = if view.flip[0] { seen.flip([2]) } else { seen };
    if view.flip[1] { seen.flip([3]) } else { seen }
}
