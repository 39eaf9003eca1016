//! Crops and resizes against Pillow: `bench/parity/resample.py`.

use std::path::Path;

use cultivar_spec::trial::Interpolation;
use cultivar_train::augment::crop::{View, evaluation_views};
use cultivar_train::augment::resample::{Normalisation, render};
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
}

/// Levels as they are.
const RAW: Normalisation = Normalisation {
    mean: [0.0; 3],
    std: [1.0 / 255.0; 3],
};

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
            (None, Some(crop_pct)) => evaluation_views(&[size], case.resolution, crop_pct)[0],
            _ => panic!("case {idx} has neither crop nor crop_pct, or both"),
        };
        let batch = PixelBatch {
            pixels: frame.shallow_clone(),
            sizes: vec![size],
        };
        let mut seen = render(&batch, &[view], case.resolution, case.filter, RAW);
        if view.flip[1] {
            seen = seen.flip([3]);
        }
        let wanted = file.tensors[&format!("case{idx}")].permute([2, 0, 1]);
        let error = (seen.squeeze().round() - wanted.to_kind(Kind::Float)).abs();
        let worst = error.max().double_value(&[]);
        let mean = error.mean(Kind::Double).double_value(&[]);
        assert!(
            worst <= 1.0 && mean < 0.1,
            "case {idx}: worst {worst}, mean {mean}"
        );
    }
}
