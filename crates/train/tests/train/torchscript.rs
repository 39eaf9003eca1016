//! A model as TorchScript gives the model's logits, whatever its head and whatever the batch.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use cultivar_spec::model_file;
use cultivar_train::{Device, models, torchscript, weights};
use serde_json::{Value, json};
use tch::{CModule, Kind, Tensor};

use crate::train::mini::spec;

/// A model file of fresh weights.
fn write_model(path: &Path, changes: Value) -> models::Model {
    let spec = spec(changes);
    let classes = ["disc", "square", "ring"].map(str::to_owned);
    let model = models::of_spec(&spec, 3, Device::Cpu, None).expect("there is one");
    let metadata: HashMap<String, String> =
        model_file::metadata(&spec, &classes).into_iter().collect();
    weights::write(path, &model.params.named(), &metadata).expect("it is written");
    model
}

#[test]
fn every_family_and_head_agrees_for_any_batch() {
    let folder = tempfile::tempdir().expect("a folder");
    for changes in [
        json!({"backbone": {"name": "efficientnet_lite0", "activation": "mish"}}),
        json!({"backbone": {"name": "tf_efficientnet_b0"}, "fit": {"eval_resolution": 47}}),
        json!({"backbone": {"name": "resnet18", "head": {"hidden": 16}, "dropout": 0.5}}),
        json!({"backbone": {"name": "convnext_tiny"}}),
        json!({"backbone": {"name": "vit_tiny_patch16_224"}, "fit": {"eval_resolution": 48}}),
        json!({"loss": {"kind": "cross_entropy", "metric": {"kind": "arc_face"}}}),
    ] {
        let (from, to) = (folder.path().join("model"), folder.path().join("traced.pt"));
        let model = write_model(&from, changes.clone());
        let error =
            torchscript::export(&from, &to).unwrap_or_else(|error| panic!("{changes}: {error}"));
        assert!(error <= torchscript::BOUND, "{changes}: {error}");
        let traced = CModule::load(&to).expect("it is TorchScript");
        let side = changes.pointer("/fit/eval_resolution");
        let side = side.and_then(Value::as_i64).unwrap_or(32);
        for n in [1, 3] {
            let n_scalars = n * 3 * side * side;
            let images = Tensor::linspace(-2.0, 2.0, n_scalars, (Kind::Float, Device::Cpu))
                .view([n, 3, side, side]);
            let ours = model.forward(&images, models::Mode::Eval);
            let theirs = traced.forward_ts(&[images]).expect("logits");
            assert_eq!(theirs.size(), [n, 3]);
            let error = (ours - theirs).abs().max().double_value(&[]);
            assert!(
                error <= torchscript::BOUND,
                "{changes}, {n} images: {error}"
            );
        }
    }
}

#[test]
fn what_cannot_be_exported_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("model"), folder.path().join("traced.pt"));
    fs::write(&from, "no model").expect("it is written");
    let error = torchscript::export(&from, &to).expect_err("it is no model");
    assert!(
        error.to_string().contains("not a safetensors file"),
        "{error}"
    );
    // Weights that are no numbers agree with nothing.
    let spec = spec(json!({}));
    let model = models::of_spec(&spec, 3, Device::Cpu, None).expect("there is one");
    let mut named = model.params.named();
    let _ = named[0].1.fill_(f64::NAN);
    let classes = ["disc", "square", "ring"].map(str::to_owned);
    let metadata = model_file::metadata(&spec, &classes).into_iter().collect();
    weights::write(&from, &named, &metadata).expect("it is written");
    let error = torchscript::export(&from, &to).expect_err("NaN is not equal");
    assert!(
        error.to_string().contains("away from the model's"),
        "{error}"
    );
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 1, "the model alone");
}
