//! Sweeps that weigh their objective against costs, and sweeps that learn from others.

use cultivar_search::sampler::PastState;
use cultivar_server::service::learnt;
use cultivar_server::service::search::past;
use cultivar_server::store;
use cultivar_spec::wire::{Job, Lease};
use cultivar_spec::{SweepId, SweepSpec, TrialSpec};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures::{Worker, completed, tell, trial_spec};
use crate::harness::{App, answer, with_app};

fn spec_of(lease: &Lease) -> &TrialSpec {
    let Job::Train { spec, .. } = &lease.job else {
        panic!("a fresh trial is trained");
    };
    spec
}

/// Trains every trial of a sweep, one at a time: `n_right` of ten images right, in so many milliseconds each.
async fn train(app: &App, id: &str, outcome: impl Fn(&TrialSpec) -> (usize, Option<f64>)) {
    let worker = Worker::new();
    loop {
        let sweep = app.get(&format!("/api/v1/sweeps/{id}")).await["sweep"].clone();
        if sweep["finished"] == true {
            return;
        }
        for lease in worker.claim(app, 1).await {
            let (n_right, latency_ms) = outcome(spec_of(&lease));
            let mut finish = completed(app, &lease, n_right).await;
            finish["cost"]["latency_ms"] = json!(latency_ms);
            let (status, body) = tell(app, &lease, "finish", finish).await;
            assert_eq!(status, StatusCode::OK, "{body:#}");
        }
    }
}

async fn submit(app: &App, sweep: &Value) -> String {
    let made = app.post_ok("/api/v1/sweeps", sweep).await;
    made["id"].as_str().unwrap().to_owned()
}

async fn refusal(app: &App, path: &str) -> (StatusCode, Value) {
    answer(app.request(Method::GET, path)).await
}

#[test]
fn a_sweep_shows_its_best_compromises() {
    with_app(30.0, async |app| {
        app.register().await;
        let sweep = json!({
            "name": "s", "base": trial_spec(0), "sampler": {"kind": "grid"},
            "space": {"optimizer": {"kind": "sgd", "lr": {"choice": [0.1, 0.2, 0.3, 0.4, 0.5]}}},
        });
        let id = submit(&app, &sweep).await;
        let path = format!("/api/v1/sweeps/{id}/pareto?against=latency_ms");
        let empty = app.get(&path).await;
        assert_eq!(empty["configs"], json!([]));
        assert_eq!(empty["hypervolume"], json!(null));
        // Accurate and slow, in between, worse than that in both, quick and poor, and one of unknown latency.
        train(&app, &id, |spec| {
            match (10.0 * spec.optimizer.lr()).round() as usize {
                1 => (9, Some(40.0)),
                2 => (8, Some(20.0)),
                3 => (7, Some(30.0)),
                4 => (5, Some(10.0)),
                _ => (9, None),
            }
        })
        .await;
        let report = app.get(&path).await;
        let rows: Vec<(u64, f64, f64)> = report["configs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|config| {
                let value = |idx: usize| config["values"][idx].as_f64().unwrap();
                (config["rank"].as_u64().unwrap(), value(0), value(1))
            })
            .collect();
        assert_eq!(
            rows,
            [
                (0, 0.9, 40.0),
                (0, 0.8, 20.0),
                (0, 0.5, 10.0),
                (1, 0.7, 30.0)
            ]
        );
        assert_eq!(report["n_left_out"], 1);
        assert_eq!(
            report["objectives"][1],
            json!({"metric": "latency_ms", "direction": "minimize", "best": 10.0, "worst": 40.0})
        );
        // Of the box of 0.4 by 30 ms, all left of 0.8 and above 20 ms: 0.3 by 20.
        let share = report["hypervolume"].as_f64().unwrap();
        assert!((share - 0.5).abs() < 1e-9, "{share}");

        let (status, body) = refusal(&app, &format!("/api/v1/sweeps/{id}/pareto")).await;
        assert_eq!(status.as_u16(), 422);
        assert_eq!(body["violations"][0]["pointer"], "/against");
        let nobody = format!("/api/v1/sweeps/{}/pareto?against=seconds", SweepId::new());
        assert_eq!(refusal(&app, &nobody).await.0, StatusCode::NOT_FOUND);
        app
    });
}

fn search(kind: &str, name: &str) -> Value {
    json!({
        "name": name, "base": trial_spec(0), "sampler": {"kind": kind}, "budget": {"configs": 12},
        "space": {"optimizer": {"kind": "sgd", "lr": {"log_uniform": [0.0001, 1.0]}}},
    })
}

/// Best at a rate of 0.01, and the quicker the larger the rate.
fn by_rate(spec: &TrialSpec) -> (usize, Option<f64>) {
    let log = spec.optimizer.lr().log10();
    (
        (9.0 - 4.0 * (log + 2.0).abs()).max(0.0) as usize,
        Some(10.0 - 3.0 * log),
    )
}

async fn rates(app: &App, id: &str) -> Vec<f64> {
    let rows = sqlx::query_scalar(
        "SELECT overlay FROM proposal WHERE sweep_id = $1::uuid ORDER BY number",
    )
    .bind(id)
    .fetch_all(&app.state.pool)
    .await
    .unwrap();
    let rate = |overlay: Value| overlay["optimizer"]["lr"].as_f64().unwrap();
    rows.into_iter().map(rate).collect()
}

#[test]
fn a_search_weighs_its_objective_against_a_cost() {
    with_app(30.0, async |app| {
        app.register().await;
        let mut both = search("tpe", "both");
        both["against"] = json!(["latency_ms"]);
        let id = submit(&app, &both).await;
        train(&app, &id, by_rate).await;
        let spec: SweepSpec = serde_json::from_value(both).unwrap();
        let id: SweepId = serde_json::from_value(json!(id)).unwrap();
        let outcomes = store::proposal::results(&app.state.pool, id, &[]).await;
        let past = past(&spec, &outcomes.unwrap());
        assert_eq!(past.len(), 12);
        for past in past {
            let PastState::Scored { values, .. } = past.state else {
                panic!("all have completed");
            };
            // Larger is better: the quicker, that is, the larger the rate.
            let log = past.overlay["optimizer"]["lr"].as_f64().unwrap().log10();
            let expected = -(10.0 - 3.0 * log).ln();
            assert!((values[1] - expected).abs() < 1e-9, "{values:?} at {log}");
        }
        app
    });
}

#[test]
fn a_search_begins_where_others_have_been() {
    with_app(30.0, async |app| {
        app.register().await;
        let source = submit(&app, &search("random", "source")).await;
        train(&app, &source, by_rate).await;
        let mut learner = search("tpe", "learner");
        learner["learn_from"] = json!([source]);
        let mut distances = Vec::new();
        for sweep in [search("tpe", "from nothing"), learner.clone()] {
            let id = submit(&app, &sweep).await;
            train(&app, &id, by_rate).await;
            let first = rates(&app, &id).await.into_iter().take(6);
            distances.push(first.map(|lr| (lr.log10() + 2.0).abs()).sum::<f64>() / 6.0);
        }
        assert!(
            distances[1] < 0.7 * distances[0],
            "decades from the best rate: {distances:?}"
        );

        // What had been achieved when the sweep was made, and nothing since.
        let id = submit(&app, &learner).await;
        let spec: SweepSpec = serde_json::from_value(learner.clone()).unwrap();
        let mut conn = app.state.pool.acquire().await.unwrap();
        let id: SweepId = serde_json::from_value(json!(id)).unwrap();
        let before = learnt::past(&mut conn, id, &spec).await.unwrap();
        assert_eq!(before.len(), 12);
        sqlx::query(
            "UPDATE trial SET finished_at = now() WHERE sweep_id = $1::uuid AND proposal IS NULL",
        )
        .bind(&source)
        .execute(&app.state.pool)
        .await
        .unwrap();
        assert!(learnt::past(&mut conn, id, &spec).await.unwrap().is_empty());
        app
    });
}

#[test]
fn who_cannot_learn_is_told_so() {
    with_app(30.0, async |app| {
        app.register().await;
        let refused = async |changed: Value| {
            let mut sweep = search("tpe", "s");
            for (field, value) in changed.as_object().unwrap() {
                sweep[field] = value.clone();
            }
            let (status, body) = app.post("/api/v1/sweeps", &sweep).await;
            assert_eq!(status.as_u16(), 422, "{body:#}");
            body["violations"][0]["pointer"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let nobody = SweepId::new();
        assert_eq!(
            refused(json!({"learn_from": [nobody]})).await,
            "/learn_from/0"
        );
        assert_eq!(refused(json!({"against": ["watts"]})).await, "/against/0");
        assert_eq!(
            refused(json!({"against": ["seconds", "seconds"]})).await,
            "/against"
        );
        let other = submit(&app, &search("random", "other")).await;
        let deaf = json!({"learn_from": [other], "sampler": {"kind": "random"}});
        assert_eq!(refused(deaf).await, "/sampler/kind");
        app
    });
}
