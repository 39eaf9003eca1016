//! What a sweep will take, and what it has taken.

use serde_json::{Value, json};

use crate::fixtures::{Worker, complete, trial_spec};
use crate::harness::with_app;

#[test]
fn an_estimate_comes_from_what_was_measured_and_says_what_was_not() {
    with_app(30.0, async |app| {
        app.register().await;
        let sweep = json!({
            "name": "s", "base": trial_spec(0), "seeds": [0, 1],
            "space": {"optimizer": {"kind": "sgd", "lr": {"choice": [0.1, 0.2, 0.3]}}},
        });
        let none = app.post_ok("/api/v1/sweeps/estimate", &sweep).await;
        assert_eq!(
            (&none["n_trials"], &none["training_s"], &none["n_measured"]),
            (&json!(6), &Value::Null, &json!(0))
        );
        assert_eq!(
            none["unmeasured"],
            json!(["efficientnet_lite0 head_only at 224 px"])
        );

        // Each takes 1.5 s for 20 images, as the fixture's worker says.
        let worker = Worker::new();
        for seed in 0..5 {
            app.submit(seed).await;
            let lease = worker.claim_one(&app).await;
            complete(&app, &lease, 5).await;
        }
        let known = app.post_ok("/api/v1/sweeps/estimate", &sweep).await;
        let at = |pointer: &str| known.pointer(pointer).unwrap().as_f64().unwrap();
        assert_eq!(
            (&known["n_measured"], &known["n_workers"]),
            (&json!(5), &json!(1))
        );
        let exact = 6.0 * 1.5;
        assert!(
            at("/training_s/low") < exact && exact < at("/training_s/high"),
            "{known:#}"
        );
        assert!(
            (at("/training_s/expected") / exact - 1.0).abs() < 0.05,
            "{known:#}"
        );
        assert!(at("/finish_s/low") <= at("/training_s/low"));
        // Half as many images, half the time; the scheduler's share is known ahead.
        let mut halved = sweep.clone();
        halved["scheduler"] = json!({"kind": "successive_halving", "eta": 2.0});
        let halved = app.post_ok("/api/v1/sweeps/estimate", &halved).await;
        let share = halved["training_s"]["expected"].as_f64().unwrap() / at("/training_s/expected");
        assert!((share - (6.0 + 3.0) / 12.0).abs() < 1e-9, "{share}");
        let mut full = sweep.clone();
        full["base"]["adaptation"] = json!({"mode": "full"});
        let full = app.post_ok("/api/v1/sweeps/estimate", &full).await;
        assert_eq!(full["training_s"], Value::Null);
        assert_eq!(app.count("SELECT count(*) FROM sweep").await, 0);
        app
    });
}

#[test]
fn a_sweep_says_what_it_has_cost_and_what_is_left() {
    with_app(30.0, async |app| {
        app.register().await;
        let sweep = json!({"name": "s", "base": trial_spec(0), "seeds": [0, 1, 2, 3]});
        let made = app.post_ok("/api/v1/sweeps", &sweep).await;
        let path = format!("/api/v1/sweeps/{}", made["id"].as_str().unwrap());
        let fresh = app.get(&path).await["budget"].clone();
        assert_eq!(
            fresh,
            json!({"spent_s": 0.0, "left_s": null, "finish_s": null})
        );
        let worker = Worker::new();
        for _ in 0..2 {
            let lease = worker.claim_one(&app).await;
            complete(&app, &lease, 5).await;
        }
        app.sql("UPDATE attempt SET claimed_at = ended_at - interval '200 ms'")
            .await;
        let _running = worker.claim_one(&app).await;
        let budget = app.get(&path).await["budget"].clone();
        let at = |pointer: &str| budget.pointer(pointer).unwrap().as_f64().unwrap();
        assert!(at("/spent_s") > 0.39, "{budget:#}");
        // Two of four are left, and one worker is at it.
        assert!(
            at("/left_s/low") < 0.4 && at("/left_s/high") > 0.4,
            "{budget:#}"
        );
        assert!(at("/finish_s/expected") > 0.0);
        app
    });
}
