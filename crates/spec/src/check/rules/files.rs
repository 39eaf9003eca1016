//! Weights from a folder of the worker's, and backbones that are such a file.

use super::Rules;
use crate::TrialSpec;
use crate::backbones::TORCHSCRIPT;
use crate::trial::{Activation, Adaptation, PhaseTrains, Weights};

pub(super) fn files(spec: &TrialSpec, rules: &mut Rules) {
    let backbone = &spec.backbone;
    let is_file = matches!(backbone.weights, Weights::File(_));
    rules.rule(
        !is_file || backbone.weights_sha256.is_some(),
        "/backbone/weights_sha256",
        &backbone.weights_sha256,
        "the SHA-256 of the file: the server does not see it, and the worker refuses another",
    );
    if backbone.name != TORCHSCRIPT {
        return;
    }
    rules.rule(
        is_file,
        "/backbone/weights",
        &backbone.weights,
        "file:NAME, the TorchScript module",
    );
    let closed = "a TorchScript module is not looked into";
    rules.rule(
        backbone.activation == Activation::Native,
        "/backbone/activation",
        &backbone.activation,
        format!("native: {closed}"),
    );
    rules.rule(
        backbone.drop_path == 0.0,
        "/backbone/drop_path",
        &backbone.drop_path,
        format!("0: {closed}"),
    );
    rules.rule(
        spec.adaptation.layer_decay() == 1.0,
        "/adaptation/layer_decay",
        &spec.adaptation.layer_decay(),
        format!("1: {closed}"),
    );
    rules.rule(
        !matches!(spec.adaptation, Adaptation::Gradual { .. }),
        "/adaptation/mode",
        &"gradual",
        format!("full or head_only: {closed}"),
    );
    for (idx, phase) in spec.fit.phases.iter().enumerate() {
        rules.rule(
            phase.train != PhaseTrains::HeadAndLastNorm,
            &format!("/fit/phases/{idx}/train"),
            &phase.train,
            format!("all or head: {closed}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::check::testing::check;

    #[test]
    fn a_file_is_named_with_its_content() {
        check(
            json!({"backbone": {"weights": "file:mine.safetensors"}}),
            &[("/backbone/weights_sha256", "SHA-256 of the file")],
        );
        for outside in [
            "file:/etc/passwd",
            "file:../a",
            "file:a/../b",
            "file:",
            "file:.hidden",
        ] {
            check(
                json!({"backbone": {"weights": outside}}),
                &[("/backbone/weights", "file:NAME")],
            );
        }
    }

    #[test]
    fn nothing_inside_a_module_is_changed() {
        let sha256 = "0".repeat(64);
        let module =
            json!({"name": "torchscript", "weights": "file:a.pt", "weights_sha256": sha256});
        check(json!({"backbone": module}), &[]);
        check(
            json!({"backbone": {"name": "torchscript"}}),
            &[("/backbone/weights", "file:NAME")],
        );
        let mut changed = module.clone();
        changed["activation"] = json!("mish");
        changed["drop_path"] = json!(0.1);
        check(
            json!({"backbone": changed, "adaptation": {"mode": "full", "layer_decay": 0.8}}),
            &[
                ("/backbone/activation", "native"),
                ("/backbone/drop_path", "0"),
                ("/adaptation/layer_decay", "1"),
            ],
        );
    }
}
