//! A tuning: probes, the best fine-tuned, backbones without weights named, and nothing trained twice.

use cultivar_spec::wire::TrialPage;
use cultivar_tests::stack::Stack;
use serde_json::json;

const RECIPE: &str = "
backbones: {efficientnet_lite0: {}, resnet50: {}}
probe:
  base: {adaptation: {mode: head_only}, fit: {epochs: 4, batch_size: 64, resolution: 32}}
  lrs: [0.003, 0.01]
finetune:
  base: {fit: {epochs: 1, batch_size: 64, resolution: 32}}
  lrs: [0.002]
seeds: [0, 1]
";

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_probed_is_tuned_and_the_rest_is_named() {
    let mut stack = Stack::start().await;
    stack.register_demo_data();
    let _worker = stack.worker();
    let file = stack.home.path().join("recipe.yaml");
    std::fs::write(&file, RECIPE).expect("the recipe is written");
    let file = file.to_str().expect("a UTF-8 path");
    let tune = ["tune", "emoji-part", "--recipe", file];

    let report = stack.cli_json(&tune);
    let first: TrialPage = stack.get("/api/v1/trials").await;
    // Two probes, the better one's other seed, and two seeds at the only rate of fine-tuning.
    assert_eq!(first.trials.len(), 5);
    assert_eq!(report["left_out"], json!(["resnet50"]));
    assert_eq!(report["missing"], json!([]));
    assert_eq!(report["metric"], "val_top1");
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["backbone"], "efficientnet_lite0");
    assert_eq!(rows[0]["tuned"]["val_top1"]["n"], 2);
    assert!(rows[0]["seconds"].as_f64() > Some(0.0));
    let [low, gain, high] = ["low", "difference", "high"].map(|name| report["gain"][name].as_f64());
    assert!(low < gain && gain < high, "{report}");

    let on_test = stack.cli_json(&[&tune[..], &["--test"]].concat());
    let second: TrialPage = stack.get("/api/v1/trials").await;
    assert_eq!(second.trials.len(), 5, "runs were trained again");
    assert_eq!(on_test["metric"], "test_top1");
    assert_eq!(on_test["rows"][0]["tuned"]["test_top1"]["n"], 2);
    let board: serde_json::Value = stack.get("/api/v1/leaderboard?dataset=emoji-part").await;
    assert_eq!(
        board["n_test_accesses"], 4,
        "both seeds of both arms opened test once"
    );

    let looked = stack.cli_json(&[&tune[..], &["--no-run"]].concat());
    assert_eq!(looked, report);
    stack.stop().await;
}
