//! Whole jobs on a TorchScript backbone.

use cultivar_spec::Outcome;
use cultivar_spec::manifest::Split;
use cultivar_spec::trainer::{FromTrainer, StopWhy, TrainJob};
use cultivar_spec::trial::Adaptation;
use cultivar_train::{Control, Device, evaluate};

use crate::parity::module_spec;
use crate::train::mini::{Mini, complete, tensors};
use crate::train::resume::{assert_same, stopped};

/// A job whose backbone is the fixtures' module.
fn job(mini: &Mini, tag: &str, adaptation: Adaptation) -> TrainJob {
    let (mut spec, module) = module_spec("backbone.pt");
    spec.adaptation = adaptation;
    let mut job = mini.job(tag, &spec);
    job.files.module = Some(module);
    job
}

#[test]
fn a_module_is_trained_resumed_and_evaluated() {
    let mini = Mini::new();
    let (whole, said) = complete(&job(&mini, "whole", Adaptation::default()));
    let losses = said.series("train_loss");
    assert!(losses.last() < losses.first(), "{losses:?}");
    let path = whole.model.clone().expect("a model");
    let trained = tensors(&path);
    // Its statistics have moved with its weights, and both are in the file.
    assert!(trained["bn2.running_mean"].abs().max().double_value(&[]) > 0.0);

    let (_, said) = stopped(
        &job(&mini, "stopped", Adaptation::default()),
        StopWhy::Preempt,
        |event| matches!(event, FromTrainer::Checkpoint { epoch: 1, .. }),
    );
    let mut resumed = job(&mini, "resumed", Adaptation::default());
    resumed.resume = said.checkpoints.last().map(|(path, ..)| path.clone());
    let (again, _) = complete(&resumed);
    assert!(again.cost.images < whole.cost.images);
    assert_same(&again, &whole);

    let mut evaluation = mini.evaluation("evaluation", &resumed.spec, &path, Split::Val);
    evaluation.files.module = resumed.files.module.clone();
    let result = evaluate(&evaluation, Device::Cpu, &Control::new(), &mut |_| {});
    assert_eq!(result.outcome, Outcome::Completed, "{:?}", result.error);
    assert_eq!(result.metrics["val_top1"], whole.metrics["val_top1"]);
}

#[test]
fn a_head_is_trained_on_a_modules_features() {
    let mini = Mini::new();
    let (result, _) = complete(&job(&mini, "head", Adaptation::HeadOnly {}));
    let before = {
        let (_, module) = module_spec("backbone.pt");
        tch::CModule::load(module).expect("it is a module")
    };
    let trained = tensors(&result.model.expect("a model"));
    for (name, tensor) in before.named_parameters().expect("it has some") {
        assert!(trained[&name].equal(&tensor), "{name} was frozen");
    }
}
