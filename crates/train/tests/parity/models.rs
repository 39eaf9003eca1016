//! EfficientNet-Lite against timm's.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};

use cultivar_spec::trial::{Activation, Backbone};
use cultivar_train::loss::cross_entropy;
use cultivar_train::models::{self, Mode, Model};
use cultivar_train::params::LoadPolicy;
use cultivar_train::rng::StepRng;
use cultivar_train::weights;
use serde::Deserialize;
use tch::{Device, Tensor};

use super::{assert_close, fixture, formula, values};

fn build(name: &str, activation: Activation, n_classes: i64) -> Model {
    let backbone = Backbone {
        name: name.into(),
        activation,
        ..Backbone::default()
    };
    models::build(&backbone, n_classes, 0, Device::Cpu).expect("the family has it")
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

#[derive(Deserialize)]
struct RandomWeights {
    backbone: String,
    activation: Activation,
    labels: Vec<i64>,
    eval_logits: Vec<Vec<f64>>,
    loss: f64,
    grads: Vec<Projected>,
    buffers: Vec<Projected>,
}

/// A tensor by its norm and its sums under random signs.
#[derive(Deserialize)]
struct Projected {
    name: String,
    norm: f64,
    projections: Vec<f64>,
}

impl Projected {
    fn check(&self, name_idx: usize, ours: &Tensor, bound: f64) {
        assert_close(
            &self.name,
            &formula::projections(name_idx, ours),
            &self.projections,
            bound,
            0.0,
        );
    }
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
    let mut order: Vec<(String, Vec<i64>)> = Vec::new();
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

fn check_random_weights(case: &RandomWeights) {
    let mut model = build(&case.backbone, case.activation, 7);
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
    model.params.flatten();
    let images = formula::images(9, 8, 65);
    let logits = model.forward(&images, Mode::Eval);
    let reference = case.eval_logits.concat();
    assert_close("logits", &values(&logits), &reference, 1e-4, 1e-4);

    let rng = StepRng { seed: 0, step: 0 };
    let logits = model.forward(&images, Mode::Train { rng: &rng });
    let loss = cross_entropy(&logits, &Tensor::from_slice(&case.labels), None, 0.1);
    loss.backward();
    assert_close("loss", &values(&loss), &[case.loss], 1e-5, 1e-5);
    let idx_of = |name: &str| {
        order
            .iter()
            .position(|(other, _)| other == name)
            .expect("the model has what timm's has")
    };
    let params: HashMap<&str, &Tensor> = model
        .params
        .params()
        .iter()
        .map(|param| (param.name.as_str(), &param.tensor))
        .collect();
    assert_eq!(params.len(), case.grads.len());
    // In f32 a gradient that nearly cancels is only as good as the sums it comes from.
    let squares = case.grads.iter().map(|grad| grad.norm * grad.norm);
    let of_all = squares.sum::<f64>().sqrt();
    for grad in &case.grads {
        let ours = params[grad.name.as_str()].grad();
        let bound = GRADIENT_TOLERANCE * (grad.norm + 0.01 * of_all);
        grad.check(idx_of(&grad.name), &ours, bound);
    }
    let buffers: HashMap<&str, &Tensor> = model
        .params
        .buffers()
        .iter()
        .map(|buffer| (buffer.name.as_str(), &buffer.tensor))
        .collect();
    assert_eq!(buffers.len(), case.buffers.len());
    for buffer in &case.buffers {
        buffer.check(
            idx_of(&buffer.name),
            buffers[buffer.name.as_str()],
            1e-5 * buffer.norm,
        );
    }
}

/// Of the norm of a parameter's gradient, and a hundredth of it of all gradients' norm.
const GRADIENT_TOLERANCE: f64 = 1e-4;

#[test]
fn a_training_step_is_timms() {
    let cases: Vec<RandomWeights> = fixture("random_weights");
    assert_eq!(cases.len(), 3);
    cases.iter().for_each(check_random_weights);
}

#[derive(Deserialize)]
struct Names {
    backbone: String,
    n_tensors: usize,
    weights: Vec<(String, Vec<i64>)>,
}

#[test]
fn the_whole_family_has_timms_names_and_shapes() {
    for case in fixture::<Vec<Names>>("parameter_names") {
        let model = build(&case.backbone, Activation::Native, 1000);
        let order = state_dict_order(&model);
        assert_eq!(order.len(), case.n_tensors, "{}", case.backbone);
        let weights: Vec<(String, Vec<i64>)> = order
            .into_iter()
            .filter(|(_, size)| size.len() > 1)
            .collect();
        assert_eq!(weights, case.weights, "{}", case.backbone);
    }
}

#[test]
fn the_spec_lists_what_can_be_built() {
    for info in cultivar_spec::backbones::BACKBONES {
        let model = build(info.name, Activation::Native, 1000);
        assert_eq!(
            model.n_features(),
            i64::from(info.n_features),
            "{}",
            info.name
        );
        let params_m = model.params.n_scalars() as f64 / 1e6;
        assert!(
            (params_m - info.params_m).abs() < 0.01,
            "{}: {params_m} M",
            info.name
        );
    }
}
