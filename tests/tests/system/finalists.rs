//! Finalists: a race on fresh seeds, then winner and baseline on test, and nothing trained or opened twice.

use cultivar_spec::wire::TrialPage;
use cultivar_tests::stack::Stack;
use serde_json::{Value, json};

use super::sweep::{finished, submit};

#[tokio::test(flavor = "multi_thread")]
async fn the_best_of_a_sweep_race_and_the_winner_is_opened_on_test() {
    let mut stack = Stack::start().await;
    stack.register_demo_data();
    let _worker = stack.worker();
    let heads = json!({
        "name": "heads",
        "base": {
            "data": {"dataset": "emoji-part"}, "adaptation": {"mode": "head_only"},
            "optimizer": {"kind": "adamw"}, "fit": {"epochs": 4, "batch_size": 64, "resolution": 32},
        },
        // The last hardly moves the head, and does not race.
        "space": {"optimizer": {"lr": {"choice": [0.003, 0.01, 1e-7]}}},
        "sampler": {"kind": "grid"},
    });
    let sweep = submit(&stack, &heads).await;
    finished(&stack, &sweep).await;
    let id = sweep.id.to_string();
    let finalists = [
        "finalists",
        &id,
        "--top",
        "2",
        "--runs",
        "4",
        "--seeds",
        "2",
    ];

    let looked = stack.cli_json(&[&finalists[..], &["--no-run"]].concat());
    let owed = looked["race"]["standing"]["next"].as_array();
    assert_eq!(owed.map(Vec::len), Some(2), "{looked}");

    let report = stack.cli_json(&finalists);
    let first: TrialPage = stack.get("/api/v1/trials").await;
    // Two racers with two seeds; finalist and baseline with two each.
    assert_eq!(first.trials.len(), 3 + 4 + 4, "{report}");
    for arm in report["race"]["arms"].as_array().expect("arms") {
        assert_eq!(arm["values"].as_array().map(Vec::len), Some(2), "{arm}");
    }
    let arms = report["on_test"]["compared"]["arms"].as_array();
    let arms = arms.expect("both were opened on test");
    assert_eq!(
        (&arms[0]["name"], &arms[1]["name"]),
        (&json!("baseline"), &json!("finalist"))
    );
    assert!(arms.iter().all(|arm| arm["top1"]["n"] == 2), "{report}");
    assert_eq!(report["on_test"]["n_test_accesses"], 4);

    for more in [&[][..], &["--no-run"][..]] {
        let again: Value = stack.cli_json(&[&finalists[..], more].concat());
        assert_eq!(again, report);
    }
    let second: TrialPage = stack.get("/api/v1/trials").await;
    assert_eq!(
        second.trials.len(),
        first.trials.len(),
        "runs were trained again"
    );
    stack.stop().await;
}
