//! A transfer study uses the runs that are there.

use cultivar_spec::wire::TrialPage;
use cultivar_tests::stack::Stack;

const STUDY: &str = "
base:
  optimizer: {kind: adamw, lr: 0.002}
  fit: {epochs: 1, batch_size: 64, resolution: 32}
lrs: [0.002]
epochs: [1]
seeds: [0, 1]
heads: {lrs: [0.01], epochs: [1]}
";

#[tokio::test(flavor = "multi_thread")]
async fn asked_twice_a_study_trains_nothing_twice() {
    let mut stack = Stack::start().await;
    stack.register_demo_data();
    let _worker = stack.worker();
    let file = stack.home.path().join("study.yaml");
    std::fs::write(&file, STUDY).expect("the study is written");
    let study = ["transfer", "emoji-part", "--base"];
    let study = [&study[..], &[file.to_str().expect("a UTF-8 path")]].concat();

    stack.cli_json(&study);
    let first: TrialPage = stack.get("/api/v1/trials").await;
    // Both arms and both heads, each with two seeds.
    assert_eq!(first.trials.len(), 8);

    let report = stack.cli_json(&study);
    let second: TrialPage = stack.get("/api/v1/trials").await;
    assert_eq!(second.trials.len(), 8, "runs were trained again");
    assert_eq!(
        report["studies"][0]["pretrained"][0]["trials"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    stack.stop().await;
}
