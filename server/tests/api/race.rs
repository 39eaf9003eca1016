//! `POST /api/v1/race`. How a race is decided is tested in `cultivar_search`.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixtures::{Worker, complete, tell, trial_spec};
use crate::harness::{App, with_app};

const PATH: &str = "/api/v1/race";

/// A trial of a configuration, queued.
async fn queued(app: &App, lr: f64, seed: u64, more: Value) -> String {
    let mut spec = trial_spec(seed);
    spec["optimizer"] = json!({"kind": "adamw", "lr": lr});
    let fields = more.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    let made = app.post_ok("/api/v1/trials", &json!({"spec": spec})).await;
    made["id"].as_str().unwrap().to_owned()
}

/// Completed trials of a configuration, a seed each, with so many of ten images right.
async fn arm(app: &App, lr: f64, n_right: &[usize]) -> Vec<String> {
    let worker = Worker::new();
    let mut trials = Vec::new();
    for (seed, n_right) in n_right.iter().enumerate() {
        trials.push(queued(app, lr, seed as u64, json!({})).await);
        complete(app, &worker.claim_one(app).await, *n_right).await;
    }
    trials
}

fn body(arms: &[(&str, &[String])], max_runs: u32) -> Value {
    let arms = arms.iter();
    let arms: Vec<Value> = arms
        .map(|(name, trials)| json!({"name": name, "trials": trials}))
        .collect();
    json!({"arms": arms, "confidence": 0.95, "max_runs": max_runs})
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

async fn standing(app: &App, arms: &[(&str, &[String])], max_runs: u32) -> Value {
    let answer = app.post_ok(PATH, &body(arms, max_runs)).await;
    answer["standing"].clone()
}

#[test]
fn a_race_runs_until_the_best_is_told_apart_or_the_runs_are_used_up() {
    with_app(30.0, async |app| {
        app.register().await;
        let good = arm(&app, 0.01, &[9, 8, 9, 8, 9]).await;
        let bad = arm(&app, 0.02, &[2, 1, 2, 1, 2]).await;
        let alike = arm(&app, 0.03, &[8, 9, 8, 9, 8]).await;

        let answer = app
            .post_ok(PATH, &body(&[("good", &good[..1]), ("new", &[])], 60))
            .await;
        let expect = json!({
            "standing": {"kind": "running", "next": ["new"]},
            "arms": [{"name": "good", "values": [0.9]}, {"name": "new", "values": []}],
        });
        assert_eq!(answer, expect);
        let apart = [("good", &good[..]), ("bad", &bad[..])];
        let expect = json!({"kind": "separated", "winner": "good"});
        assert_eq!(standing(&app, &apart, 60).await, expect);

        let even = [("good", &good[..]), ("alike", &alike[..])];
        let expect = json!({"kind": "running", "next": ["good", "alike"]});
        assert_eq!(standing(&app, &even, 60).await, expect);
        let expect = json!({"kind": "undecided", "leader": "good", "rivals": ["alike"]});
        assert_eq!(standing(&app, &even, 10).await, expect);
        // The loser is not owed what the others are.
        let three = [("bad", &bad[..]), even[0], even[1]];
        let expect = json!({"kind": "running", "next": ["good", "alike"]});
        assert_eq!(standing(&app, &three, 60).await, expect);
        app
    });
}

#[test]
fn a_smaller_loss_wins() {
    with_app(30.0, async |app| {
        app.register().await;
        let worker = Worker::new();
        let by_loss = json!({"objective": {"metric": "val_loss", "direction": "minimize"}});
        let mut arms = [Vec::new(), Vec::new()];
        for seed in 0..4 {
            for (idx, loss) in [2.0, 0.5].into_iter().enumerate() {
                let lr = 0.01 * (idx + 1) as f64;
                arms[idx].push(queued(&app, lr, seed, by_loss.clone()).await);
                let lease = worker.claim_one(&app).await;
                let mut finish = crate::fixtures::completed(&app, &lease, 5).await;
                finish["metrics"]["val_loss"] = json!(loss + 0.01 * seed as f64);
                let (status, body) = tell(&app, &lease, "finish", finish).await;
                assert_eq!(status, StatusCode::OK, "{body:#}");
            }
        }
        let arms = [("large", &arms[0][..]), ("small", &arms[1][..])];
        let answer = app.post_ok(PATH, &body(&arms, 60)).await;
        let expect = json!({"kind": "separated", "winner": "small"});
        assert_eq!(answer["standing"], expect);
        assert_eq!(answer["arms"][0]["values"][0], 2.0, "as it was measured");
        app
    });
}

#[test]
fn who_fails_is_out_and_who_is_under_way_is_waited_for() {
    with_app(30.0, async |app| {
        app.register().await;
        let good = arm(&app, 0.01, &[9, 8, 9]).await;
        let mut other = arm(&app, 0.02, &[8, 9]).await;
        other.push(queued(&app, 0.02, 2, json!({})).await);
        let arms = [("good", &good[..]), ("other", &other[..])];
        let answer = app.post_ok(PATH, &body(&arms, 60)).await;
        let expect = json!({"kind": "running", "next": ["other"]});
        assert_eq!(answer["standing"], expect, "a queued run is still owed");
        assert_eq!(answer["arms"][1]["values"], json!([0.8, 0.9]));

        let path = format!("/api/v1/trials/{}/cancel", other[2]);
        app.post_ok(&path, &json!({})).await;
        let answer = app.post_ok(PATH, &body(&arms, 60)).await;
        let expect = json!({"kind": "separated", "winner": "good"});
        assert_eq!(answer["standing"], expect);
        assert_eq!(answer["arms"][1]["values"], json!([0.8, 0.9, null]));
        let failed = [("other", &other[2..])];
        let expect = json!({"kind": "all_failed"});
        assert_eq!(standing(&app, &failed, 60).await, expect);
        app
    });
}

#[test]
fn what_cannot_race_is_named() {
    with_app(30.0, async |app| {
        app.register().await;
        let first = arm(&app, 0.01, &[9, 8]).await;
        let other = arm(&app, 0.02, &[7]).await;
        let refused = async |body: Value, pointer: &str, part: &str| {
            let (status, answer) = app.post(PATH, &body).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:#}");
            let violations = answer["violations"].as_array().unwrap();
            assert_eq!(violations.len(), 1, "{answer:#}");
            assert_eq!(violations[0]["pointer"], pointer, "{answer:#}");
            let expected = violations[0]["expected"].as_str().unwrap();
            assert!(
                expected.contains(part),
                "{expected:?} does not say {part:?}"
            );
        };
        let two = |b: &[String]| body(&[("a", &first), ("b", b)], 60);

        refused(body(&[], 60), "/arms", "").await;
        let many: Vec<(String, Vec<String>)> = (0..101).map(|n| (n.to_string(), vec![])).collect();
        let many: Vec<(&str, &[String])> = many
            .iter()
            .map(|(name, none)| (&name[..], &none[..]))
            .collect();
        refused(body(&many, 60), "/arms", "100").await;
        refused(with(two(&other), "max_runs", json!(0)), "/max_runs", "1").await;
        refused(
            with(two(&other), "max_runs", json!(10_001)),
            "/max_runs",
            "10000",
        )
        .await;
        refused(
            with(two(&other), "confidence", json!(0.49)),
            "/confidence",
            "0.5",
        )
        .await;
        refused(
            with(two(&other), "confidence", json!(1.0)),
            "/confidence",
            "1",
        )
        .await;

        let nobody = [uuid::Uuid::new_v4().to_string()];
        refused(two(&nobody), "/arms/1/trials/0", "of this server").await;
        refused(two(&first[..1]), "/arms/1/trials/0", "in one arm").await;
        let twice = [other[0].clone(), other[0].clone()];
        refused(two(&twice), "/arms/1/trials/1", "in one arm").await;
        let one_name = body(&[("a", &first), ("a", &other)], 60);
        refused(one_name, "/arms/1/name", "of its own").await;
        let mixed = body(
            &[
                ("a", &first[..1]),
                ("b", &[other[0].clone(), first[1].clone()]),
            ],
            60,
        );
        refused(mixed, "/arms/1/trials/1", "configuration").await;
        let again = [other[0].clone(), queued(&app, 0.02, 0, json!({})).await];
        refused(two(&again), "/arms/1/trials/1", "seed 0").await;

        let by_loss = json!({"objective": {"metric": "val_loss", "direction": "minimize"}});
        let by_loss = [queued(&app, 0.02, 5, by_loss).await];
        let said = "by val_top1 (maximize) on mini";
        refused(two(&by_loss), "/arms/1/trials/0", said).await;
        refused(
            two(&by_loss),
            "/arms/1/trials/0",
            "by val_loss (minimize) on mini",
        )
        .await;
        let mut manifest = crate::fixtures::manifest();
        manifest.name = "other".into();
        app.post_ok("/api/v1/datasets", &manifest).await;
        let elsewhere = [queued(&app, 0.02, 0, json!({"data": {"dataset": "other"}})).await];
        refused(two(&elsewhere), "/arms/1/trials/0", "on mini").await;
        refused(two(&elsewhere), "/arms/1/trials/0", "on other").await;
        app
    });
}
