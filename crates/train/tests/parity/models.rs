//! Every backbone against timm's: logits, a training step, names, shapes and layers.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};

use cultivar_spec::trial::{Activation, Backbone};
use cultivar_train::models::{self, Mode, Model};
use cultivar_train::params::{LoadPolicy, channels_last};
use cultivar_train::rng::StepRng;
use cultivar_train::weights;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Reduction, Tensor};

use super::{assert_close, fixture, formula, values};

fn backbone(name: &str, activation: Activation) -> Backbone {
    Backbone {
        name: name.into(),
        activation,
        ..Backbone::default()
    }
}

fn build(name: &str, activation: Activation, n_classes: i64) -> Model {
    models::build(&backbone(name, activation), n_classes, 0, Device::Cpu).expect("there is one")
}

/// The converted ImageNet weights: `CULTIVAR_WEIGHTS`, or where `make setup` puts them.
pub fn pretrained_file() -> PathBuf {
    let path = match env::var_os("CULTIVAR_WEIGHTS") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../.cultivar/weights/efficientnet_lite0.safetensors"),
    };
    assert!(
        path.exists(),
        "{} is missing: `make test` fetches it, or point CULTIVAR_WEIGHTS at one",
        path.display()
    );
    path
}

#[derive(Deserialize)]
struct Pretrained {
    side: i64,
    logits: Vec<Vec<f64>>,
}

#[test]
fn pretrained_logits_are_timms() {
    let mut model = build("efficientnet_lite0", Activation::Native, 1000);
    let file = weights::read(&pretrained_file()).expect("the file is safetensors");
    let report = model
        .params
        .load(&file.tensors, LoadPolicy::HeadIfFits)
        .expect("the file fits the model");
    assert_eq!(
        (report.skipped.len(), report.made.len()),
        (0, 0),
        "{report:?}"
    );
    model.params.flatten();
    for case in fixture::<Vec<Pretrained>>("pretrained") {
        let images = formula::images(case.side as u64, case.logits.len() as i64, case.side);
        let logits = model.forward(&images, Mode::Eval);
        let what = format!("logits at {} px", case.side);
        assert_close(&what, &values(&logits), &case.logits.concat(), 1e-4, 0.0);
    }
}

/// What timm computes in f64 from formula weights.
#[derive(Deserialize)]
struct Step {
    backbone: String,
    activation: Activation,
    sides: Vec<i64>,
    labels: Vec<i64>,
    /// For each side, of the first two images.
    eval_logits: Vec<Vec<f64>>,
    loss: f64,
    /// timm's own f32 gradients are near its f64 ones.
    is_smooth: bool,
    /// Norm and signed sum, in the order of the state dict.
    grads: Vec<[f64; 2]>,
    buffers: Vec<[f64; 2]>,
}

/// What `models.fill` of the Python side gives tensor `idx` of a state dict.
fn filled(idx: usize, name: &str, shape: &[i64]) -> Tensor {
    let (low, high) = match shape {
        [_, rest @ ..] if !rest.is_empty() => {
            let fan_in: i64 = rest.iter().product();
            let bound = (6.0 / fan_in as f64).sqrt();
            (-bound, bound)
        }
        _ if name.ends_with(".weight") || name.ends_with(".running_var") => (0.5, 1.5),
        _ => (-0.1, 0.1),
    };
    formula::tensor(idx as u64, shape, low, high)
}

/// timm's order: parameters and buffers layer by layer.
fn state_dict_order(model: &Model) -> Vec<(String, Vec<i64>)> {
    let params = model.params.params().iter();
    let mut order = Vec::new();
    let buffers: HashMap<&str, Vec<i64>> = model
        .params
        .buffers()
        .iter()
        .map(|buffer| (buffer.name.as_str(), buffer.tensor.size()))
        .collect();
    for param in params {
        order.push((param.name.clone(), param.tensor.size()));
        if let Some(layer) = param.name.strip_suffix(".bias") {
            for field in ["running_mean", "running_var"] {
                let name = format!("{layer}.{field}");
                if let Some(size) = buffers.get(name.as_str()) {
                    order.push((name, size.clone()));
                }
            }
        }
    }
    order
}

/// `make parity`'s row of a check: both sides in units of `scale`.
fn assert_near(what: &str, ours: &[f64], theirs: &[f64], scale: f64, bound: f64) {
    let scaled = |values: &[f64]| -> Vec<f64> { values.iter().map(|x| x / scale).collect() };
    assert_close(what, &scaled(ours), &scaled(theirs), bound, 0.0);
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}

/// What `models.calibrate` of the Python side does.
fn calibrate(model: &Model, images: Tensor) {
    model.recalibrate_bn([images]);
    let order = state_dict_order(model);
    let buffers = model.params.buffers();
    for (buffer_idx, buffer) in buffers.iter().enumerate() {
        let idx = order.iter().position(|(name, _)| *name == buffer.name);
        let key = 500_000 + idx.expect("it is in the state dict") as u64;
        let size = buffer.tensor.size();
        let mut statistic = buffer.tensor.shallow_clone();
        let _ = match buffer.name.ends_with("running_mean") {
            true => {
                // The variance comes next, and is still the batch's.
                let mut variance = buffers[buffer_idx + 1].tensor.shallow_clone();
                let floor = variance.mean(None::<Kind>) * 0.3;
                let _ = variance.clamp_min_tensor_(&floor);
                let shift = formula::tensor(key, &size, -0.05, 0.05) * variance.sqrt();
                statistic.g_add_(&shift)
            }
            false => statistic.g_mul_(&formula::tensor(key, &size, 0.8, 1.25)),
        };
    }
}

fn check_step(case: &Step, kind: Kind, bound: f64) {
    let what = format!("{}, {:?}, {kind:?}", case.backbone, case.activation).to_lowercase();
    let mut model = build(&case.backbone, case.activation, 7);
    model.params.to_kind(kind);
    let order = state_dict_order(&model);
    let tensors: HashMap<String, Tensor> = order
        .iter()
        .enumerate()
        .map(|(idx, (name, size))| (name.clone(), filled(idx, name, size)))
        .collect();
    model
        .params
        .load(&tensors, LoadPolicy::Exact)
        .expect("every tensor is there");
    let images = |side| {
        let images = formula::images(9, case.labels.len() as i64, side);
        channels_last(&images.to_kind(kind))
    };
    calibrate(&model, images(case.sides[0]));
    model.params.flatten();
    for (&side, theirs) in case.sides.iter().zip(&case.eval_logits) {
        let logits = model.forward(&images(side), Mode::Eval).narrow(0, 0, 2);
        assert_near(
            &format!("{what}: logits at {side} px"),
            &values(&logits),
            theirs,
            norm(theirs.iter().copied()),
            bound,
        );
    }

    let rng = StepRng { seed: 0, step: 0 };
    let logits = model.forward(&images(case.sides[0]), Mode::Train { rng: &rng });
    // Ours works in f32, whatever it is given.
    let labels = Tensor::from_slice(&case.labels);
    let loss = logits.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Mean, -100, 0.1);
    loss.backward();
    assert_near(
        &format!("{what}: loss"),
        &values(&loss),
        &[case.loss],
        case.loss,
        bound,
    );

    let params: HashMap<&str, &Tensor> = model
        .params
        .params()
        .iter()
        .map(|param| (param.name.as_str(), &param.tensor))
        .collect();
    let buffers: HashMap<&str, &Tensor> = model
        .params
        .buffers()
        .iter()
        .map(|buffer| (buffer.name.as_str(), &buffer.tensor))
        .collect();
    assert_eq!(
        (params.len(), buffers.len()),
        (case.grads.len(), case.buffers.len()),
        "{what}"
    );
    // A gradient that nearly cancels is only as good as the sums it comes from.
    let floor = 0.01 * norm(case.grads.iter().map(|[norm, _]| *norm));
    let (mut grads, mut moved) = (case.grads.iter(), case.buffers.iter());
    for (idx, (name, _)) in order.iter().enumerate() {
        let (ours, theirs, floor) = match params.get(name.as_str()) {
            Some(param) => (param.grad(), grads.next(), floor),
            None => (buffers[name.as_str()].shallow_clone(), moved.next(), 0.0),
        };
        let theirs = theirs.expect("the counts agree");
        let found = [
            ours.to_kind(Kind::Double).norm().double_value(&[]),
            formula::projections(idx, &ours)[0],
        ];
        if kind == Kind::Float && !case.is_smooth {
            continue;
        }
        // A change of a tensor changes its signed sum by about as much as its norm.
        assert_near(
            &format!("{what}: {name}"),
            &found,
            theirs,
            theirs[0] + floor,
            bound,
        );
    }
}

/// Whatever timm computes for the backbones whose names begin so.
#[track_caller]
fn check_family(n_cases: usize, prefixes: &[&str]) {
    let cases: Vec<Step> = fixture("training_steps");
    let of_family: Vec<&Step> = cases
        .iter()
        .filter(|case| {
            prefixes
                .iter()
                .any(|prefix| case.backbone.starts_with(prefix))
        })
        .collect();
    assert_eq!(of_family.len(), n_cases);
    for case in of_family {
        check_step(case, Kind::Double, 1e-9);
        check_step(case, Kind::Float, 1e-4);
    }
}

#[test]
fn an_efficientnet_lite_step_is_timms() {
    check_family(3, &["efficientnet_lite"]);
}

#[test]
fn an_efficientnet_step_is_timms() {
    check_family(4, &["efficientnet_b", "tf_efficientnet_b"]);
}

#[test]
fn an_efficientnet_v2_step_is_timms() {
    check_family(2, &["efficientnetv2", "tf_efficientnetv2"]);
}

#[test]
fn a_resnet_step_is_timms() {
    check_family(4, &["resnet"]);
}

#[test]
fn a_convnext_step_is_timms() {
    check_family(2, &["convnext"]);
}

#[test]
fn a_vision_transformer_step_is_timms() {
    check_family(3, &["vit"]);
}

#[derive(Deserialize)]
struct Names {
    backbone: String,
    n_tensors: usize,
    n_scalars: usize,
    n_features: i64,
    tensors: String,
    depths: String,
    /// Under a rate of 0.3, those that are not 0.
    drop_path: Vec<f64>,
}

fn sha256(lines: impl Iterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    lines.for_each(|line| hash.update(line + "\n"));
    hex::encode(hash.finalize())
}

#[test]
fn every_backbone_has_timms_names_shapes_and_layers() {
    let cases: Vec<Names> = fixture("parameter_names");
    let known = cultivar_spec::backbones::BACKBONES;
    assert_eq!(cases.len(), known.len());
    for (case, info) in cases.iter().zip(known) {
        assert_eq!(case.backbone, info.name);
        let what = info.name;
        let backbone = Backbone {
            drop_path: 0.3,
            ..backbone(info.name, Activation::Native)
        };
        let model = models::outline(&backbone, 1000).expect("there is one");
        let order = state_dict_order(&model);
        let n_scalars = model.params.n_scalars();
        assert_eq!(order.len(), case.n_tensors, "{what}");
        assert_eq!(n_scalars, case.n_scalars, "{what}");
        assert_eq!(model.n_features(), case.n_features, "{what}");
        let tensors = order.iter().map(|(name, size)| format!("{name} {size:?}"));
        assert_eq!(sha256(tensors), case.tensors, "{what}");
        let params = model.params.params().iter();
        let depths = params.map(|param| format!("{} {}", param.name, param.depth));
        assert_eq!(sha256(depths), case.depths, "{what}: layers");
        let rates = model.drop_path_rates().iter().copied();
        let rates: Vec<f64> = rates.filter(|&rate| rate > 0.0).collect();
        // timm computes some of them in f32.
        assert_close(
            &format!("{what}: drop path"),
            &rates,
            &case.drop_path,
            1e-7,
            0.0,
        );

        assert_eq!(i64::from(info.n_features), case.n_features, "{what}");
        let params_m = n_scalars as f64 / 1e6;
        assert!(
            (info.params_m - params_m).abs() < 0.006,
            "{what}: {params_m}"
        );
    }
}
