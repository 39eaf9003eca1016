//! A TorchScript backbone against PyTorch. `bench/parity/scripted.py` makes module and numbers.

use std::path::PathBuf;

use cultivar_spec::{Sha256Digest, TrialSpec};
use cultivar_train::Device;
use cultivar_train::models::{self, Mode, Model};
use cultivar_train::params::channels_last;
use cultivar_train::rng::StepRng;
use serde_json::json;
use tch::Kind;

use super::{assert_close, fixture, fixture_file, formula, values};
use crate::train::mini::spec;

#[derive(serde::Deserialize)]
struct Case {
    side: i64,
    n: i64,
    eval: Vec<f64>,
    train: Vec<f64>,
    conv1_grad: Vec<f64>,
    running_mean: Vec<f64>,
}

/// A spec whose backbone is a module.
pub fn module_spec(name: &str) -> (TrialSpec, PathBuf) {
    let path = fixture_file(name);
    let content = std::fs::read(&path).expect("the fixture is in the repository");
    let sha256 = Sha256Digest::of(&content).to_string();
    let backbone =
        json!({"name": "torchscript", "weights": format!("file:{name}"), "weights_sha256": sha256});
    (spec(json!({"backbone": backbone})), path)
}

fn open(name: &str) -> Result<Model, models::BuildError> {
    let (spec, path) = module_spec(name);
    models::of_spec(&spec, 3, Device::Cpu, Some(&path))
}

#[test]
fn a_module_computes_as_pytorch_does() {
    let case: Case = fixture("scripted");
    let mut model = open("backbone.pt").expect("it is a backbone");
    let images = channels_last(&formula::images(9, case.n, case.side).to_kind(Kind::Float));
    let evaluated = model.features(&images, Mode::Eval);
    let what = "TorchScript backbone";
    assert_close(
        &format!("{what}: evaluation"),
        &values(&evaluated),
        &case.eval,
        1e-6,
        1e-5,
    );
    // Its parameters lie in the flat buffers from here on, and it computes with them there.
    model.params.flatten();
    let rng = StepRng { seed: 0, step: 0 };
    let trained = model.features(&images, Mode::Train { rng: &rng });
    assert_close(
        &format!("{what}: training"),
        &values(&trained),
        &case.train,
        1e-6,
        1e-5,
    );
    trained.square().sum(Kind::Float).backward();
    let params = model.params.params();
    let conv1 = params.iter().find(|param| param.name == "conv1.weight");
    let grad = conv1.expect("the module has it").tensor.grad();
    assert_close(
        &format!("{what}: gradient"),
        &values(&grad),
        &case.conv1_grad,
        1e-5,
        1e-4,
    );
    let mean = |model: &Model| {
        let buffers = model.params.buffers();
        let found = buffers
            .iter()
            .find(|buffer| buffer.name == "bn2.running_mean");
        values(&found.expect("the module has it").tensor)
    };
    assert_close(
        &format!("{what}: running mean"),
        &mean(&model),
        &case.running_mean,
        1e-6,
        1e-5,
    );
    // A second look at the same images moves nothing.
    let before = mean(&model);
    let again = model.features(&images, Mode::Again { rng: &rng });
    assert_close(
        &format!("{what}: second look"),
        &values(&again),
        &case.train,
        1e-6,
        1e-5,
    );
    assert_eq!(mean(&model), before);
}

#[test]
fn what_no_checkpoint_would_hold_is_refused() {
    let error = open("plain.pt").err().expect("it has buffers of its own");
    assert!(
        error.to_string().contains("tools/torchscript_backbone.py"),
        "{error}"
    );
    let error = open("scripted.json").err().expect("it is no module");
    assert!(error.to_string().contains("scripted.json"), "{error}");
    let (spec, _) = module_spec("backbone.pt");
    let error = models::of_spec(&spec, 3, Device::Cpu, None)
        .err()
        .expect("no file was given");
    assert!(error.to_string().contains("not at hand"), "{error}");
}
