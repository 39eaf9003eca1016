//! A run without a server is the same run.

use std::fs;
use std::process::Command;
use std::time::Duration;

use cultivar_spec::wire::{TrialDetail, TrialView};
use cultivar_tests::process::program;
use cultivar_tests::stack::{self, Stack};
use cultivar_tests::wait;
use serde_json::{Value, json};

/// The same spec, images and weights give the same configuration and the same metrics with and without a server.
#[tokio::test]
async fn with_and_without_a_server_is_one_configuration() {
    let mut stack = Stack::start().await;
    stack.register_demo_data();
    let worker = stack.worker();
    let spec = json!({
        "data": {"dataset": "emoji-part"},
        "optimizer": {"kind": "adamw", "lr": 1e-3},
        "fit": {"epochs": 1, "batch_size": 32, "resolution": 64, "seed": 1},
    });
    let submitted: TrialView = stack.post("/api/v1/trials", &json!({"spec": spec})).await;
    let path = format!("/api/v1/trials/{}", submitted.id);
    let with: TrialDetail = wait::until("the trial's end", Duration::from_secs(900), || async {
        let detail: TrialDetail = stack.get(&path).await;
        detail.trial.state.is_terminal().then_some(detail)
    })
    .await;
    drop(worker);

    let file = stack.home.path().join("spec.yaml");
    fs::write(&file, spec.to_string()).unwrap();
    let output = Command::new(program("cultivar-worker"))
        .arg("train")
        .arg(&file)
        .arg("--data")
        .arg(stack.home.path().join("emoji-part"))
        .arg("--weights")
        .arg(stack::weights())
        .arg("--out")
        .arg(stack.home.path().join("run"))
        .arg("--json")
        .env("CULTIVAR_HOME", stack.home.path().join("local-home"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let without: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(without["config_id"], json!(with.trial.config_id));
    let resolved = fs::read(stack.home.path().join("run/spec.json")).unwrap();
    let resolved: Value = serde_json::from_slice(&resolved).unwrap();
    assert_eq!(resolved, serde_json::to_value(&with.spec).unwrap());
    for metric in ["train_loss", "val_loss", "val_top1"] {
        assert_eq!(
            without["metrics"][metric],
            json!(with.trial.metrics[metric]),
            "{metric}"
        );
    }

    // The two models are one: exported or not, they predict the same.
    let id = submitted.id.to_string();
    let exported = stack.home.path().join("exported.safetensors");
    let exported = exported.to_str().expect("a UTF-8 path");
    let answer = stack.cli_json(&["export", &id, "--out", exported]);
    let snippet = answer["snippet"].as_str().expect("Python");
    assert!(snippet.contains("timm.create_model"), "{snippet}");
    let traced = stack.home.path().join("traced.pt");
    let traced = traced.to_str().expect("a UTF-8 path");
    let answer = stack.cli_json(&["export", &id, "--format", "torchscript", "--out", traced]);
    let error = answer["max_error"].as_f64().expect("a number");
    assert!(error <= 1e-4, "{answer}");
    let notes: Value =
        serde_json::from_slice(&fs::read(format!("{traced}.json")).unwrap()).unwrap();
    assert_eq!(notes["trial"], json!(id));
    let folder = stack.home.path().join("hub");
    stack.cli_json(&[
        "export",
        &id,
        "--format",
        "hub",
        "--out",
        folder.to_str().unwrap(),
    ]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let config: Value = serde_json::from_str(&read("config.json")).unwrap();
    assert_eq!(
        config["label_names"].as_array().unwrap().len(),
        config["num_classes"]
    );
    assert!(read("preprocessor_config.json").contains("shortest_edge"));
    assert!(
        read("README.md").contains("| val_top1 |"),
        "{}",
        read("README.md")
    );
    assert!(folder.join("model.safetensors").exists());
    let local = stack.home.path().join("run/model.safetensors");
    let local = local.to_str().expect("a UTF-8 path");
    let table = predictions(&stack, &id);
    assert_eq!(predictions(&stack, exported), table);
    assert_eq!(predictions(&stack, local), table);
    stack.stop().await;
}

fn predictions(stack: &Stack, model: &str) -> String {
    let folder = stack.home.path().join("emoji-part");
    let output = stack
        .cli()
        .args(["predict", model, "--top", "2"])
        .arg(&folder)
        .output()
        .expect("cultivar runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{model}: {said}");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        table.starts_with("file,class_1,probability_1,class_2,"),
        "{table}"
    );
    assert!(table.lines().count() > 100, "{table}");
    table
}
