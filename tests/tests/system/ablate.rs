//! An ablation: matched arms, fresh seeds, the test split, and nothing trained twice.

use cultivar_spec::wire::TrialPage;
use cultivar_tests::stack::Stack;
use serde_json::Value;

const RECIPE: &str = "
base:
  adaptation: {mode: head_only}
  optimizer: {kind: adamw}
  loss: {kind: cross_entropy, smoothing: 0.0}
  fit: {epochs: 4, batch_size: 64, resolution: 64}
methods:
  smoothing: {loss: {kind: cross_entropy, smoothing: 0.1}}
  # Hardly moves the head: an arm that must be seen to hurt.
  crawl: {schedule: {kind: one_cycle}, optimizer: {kind: adamw, weight_decay: 1.0}, backbone: {dropout: 0.9}}
lrs: [0.0003, 0.003]
";

#[tokio::test(flavor = "multi_thread")]
async fn arms_are_matched_and_nothing_is_trained_twice() {
    let mut stack = Stack::start().await;
    stack.register_demo_data();
    let _worker = stack.worker();
    let file = stack.home.path().join("recipe.yaml");
    std::fs::write(&file, RECIPE).expect("the recipe is written");
    let file = file.to_str().expect("a UTF-8 path");
    let ablate = ["ablate", "emoji-part", "--recipe", file];

    let report = stack.cli_json(&ablate);
    let first: TrialPage = stack.get("/api/v1/trials").await;
    // Four arms: two rates with the selection seed, five fresh seeds at the one chosen.
    assert_eq!(first.trials.len(), 4 * (2 + 5));
    assert_eq!(report["metric"], "test_top1");
    let arms = report["arms"].as_array().expect("arms");
    let names: Vec<&str> = arms.iter().filter_map(|arm| arm["name"].as_str()).collect();
    assert_eq!(names, ["baseline", "+ crawl", "+ smoothing", "combination"]);
    for arm in arms {
        assert_eq!(arm["trials"].as_array().map(Vec::len), Some(5), "{arm}");
        assert_eq!(arm["top1"]["n"], 5);
    }
    assert_eq!(arms[0]["vs_baseline"], Value::Null);
    for arm in &arms[1..] {
        let gap = &arm["vs_baseline"];
        let [low, mean, high] = ["low", "difference", "high"].map(|name| gap[name].as_f64());
        assert!(low < mean && mean < high, "{gap}");
    }

    let again = stack.cli_json(&ablate);
    let second: TrialPage = stack.get("/api/v1/trials").await;
    assert_eq!(
        second.trials.len(),
        first.trials.len(),
        "runs were trained again"
    );
    assert_eq!(again, report);
    let board: Value = stack.get("/api/v1/leaderboard?dataset=emoji-part").await;
    assert_eq!(
        board["n_test_accesses"], 20,
        "each finalist opened test once"
    );
    stack.stop().await;
}
