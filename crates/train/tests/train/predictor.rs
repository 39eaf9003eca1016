//! A model on images of no dataset predicts what it predicts on the same images in one.

use bytes::Bytes;
use cultivar_dataset::decode::decode_rgb;
use cultivar_dataset::parquet::{ParquetError, read_images};
use cultivar_spec::Outcome;
use cultivar_spec::manifest::Split;
use cultivar_train::{Control, Device, Predictor, evaluate};
use serde_json::json;
use tch::Kind;

use crate::train::mini::{Mini, complete, spec, tensors};

#[test]
fn a_predictor_agrees_with_an_evaluation() {
    let mini = Mini::new();
    // Smaller than the images, so that they are shrunk on the way; and a crop that leaves a margin.
    let spec = spec(json!({
        "backbone": {"activation": "mish"},
        "input": {"crop_pct": 0.8, "tta": "flip"},
        "fit": {"epochs": 2, "resolution": 24, "eval_resolution": 16},
    }));
    let (result, _) = complete(&mini.job("run", &spec));
    let model = result.model.expect("a model");
    let job = mini.evaluation("test", &spec, &model, Split::Test);
    let evaluated = evaluate(&job, Device::Cpu, &Control::new(), &mut |_| {});
    assert_eq!(
        evaluated.outcome,
        Outcome::Completed,
        "{:?}",
        evaluated.error
    );
    let wanted = &tensors(&evaluated.predictions.expect("predictions"))["logits"];
    let wanted = wanted.to_kind(Kind::Double).softmax(-1, Kind::Double);

    let mut encoded: Vec<Bytes> = Vec::new();
    read_images(&mini.path("data.parquet"), |_, bytes| {
        encoded.push(bytes);
        Ok::<_, ParquetError>(())
    })
    .unwrap();
    let indices = mini.manifest.indices(Split::Test);
    let images = indices
        .iter()
        .map(|&idx| decode_rgb(&encoded[idx]).unwrap());
    let predictor = Predictor::open(&model, Device::Cpu).unwrap();
    assert_eq!(predictor.classes(), mini.manifest.classes);
    let found = predictor.top(images.collect(), 3);
    assert_eq!(found.len(), indices.len());
    for (row, top) in found.iter().enumerate() {
        assert!(top.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{top:?}");
        for &(class, probability) in top {
            let wanted = wanted.double_value(&[row as i64, class as i64]);
            assert!(
                (probability - wanted).abs() < 1e-5,
                "image {row}, class {class}"
            );
        }
    }
}

#[test]
fn a_file_that_says_nothing_of_itself_is_refused() {
    let mini = Mini::new();
    let path = mini.path("bare.safetensors");
    let tensors = [("weight".to_owned(), tch::Tensor::from(1.0_f32))];
    cultivar_train::weights::write(&path, &tensors, &Default::default()).unwrap();
    let error = Predictor::open(&path, Device::Cpu).err().expect("refused");
    assert!(
        error.to_string().contains("says nothing of its spec"),
        "{error}"
    );
}
