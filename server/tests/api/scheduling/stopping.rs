//! Trials that wait for others, stop early and go on.

use super::*;

#[test]
fn halving_trains_the_best_to_the_end_and_keeps_what_the_others_came_to() {
    with_app(30.0, async |app| {
        app.register().await;
        let scheduler = json!({"kind": "successive_halving", "eta": 3.0});
        let id = submit(&app, &sweep(scheduler, 9)).await;
        let n_epochs = work(&app, &id).await;
        // Nine to epoch 1, three to 3, one to 9.
        assert_eq!(n_epochs, 9 + 3 * 2 + 6);
        assert_eq!(
            counts(&app, &id).await,
            json!({"completed": 1, "pruned": 8})
        );
        // Eight waited for the last, then two for the third.
        assert_eq!(check_replay(&app, &id).await, 8 + 9 + 2 + 3);

        let page = app.get(&format!("/api/v1/trials?sweep={id}")).await;
        for trial in page["trials"].as_array().unwrap() {
            let top1 = trial["metrics"]["val_top1"].as_f64().unwrap();
            let lr = trial["label"]
                .as_str()
                .unwrap()
                .split('=')
                .next_back()
                .unwrap();
            let lr: f64 = lr.parse().unwrap();
            let expect = match (lr * 100.0).round() as u32 {
                9 => 0.9,
                7 | 8 => value(lr, 3),
                _ => value(lr, 1),
            };
            assert!((top1 - expect).abs() < 1e-9, "{trial:#}");
            assert_eq!(trial["error"], Value::Null);
        }
        // A configuration that was not trained to its end is not ranked.
        let board = app.get("/api/v1/leaderboard?dataset=mini").await;
        assert_eq!(board["rows"].as_array().unwrap().len(), 1);
        assert_eq!(board["rows"][0]["lr"], 0.09);
        app
    });
}

#[test]
fn a_promoted_trial_goes_on_from_its_checkpoint_before_fresh_ones() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = submit(&app, &sweep(json!({"kind": "asha", "eta": 2.0}), 9)).await;
        let worker = Worker::new();
        let first = worker.claim_one(&app).await;
        assert_eq!(report(&app, &first, 1, 0.1).await, "yield");
        give_way(&app, &first, 1).await;
        let second = worker.claim_one(&app).await;
        assert_eq!(
            epochs_done(&second),
            0,
            "one of one is not yet the better half"
        );
        // The second is the better half of two: it goes on at once, and nobody else does.
        assert_eq!(report(&app, &second, 1, 0.2).await, "continue");
        let third = worker.claim_one(&app).await;
        assert_eq!(report(&app, &third, 1, 0.05).await, "yield");
        give_way(&app, &third, 1).await;
        let fourth = worker.claim_one(&app).await;
        assert_eq!(report(&app, &fourth, 1, "NaN").await, "yield");
        give_way(&app, &fourth, 1).await;
        // Two of four go on now; the first is the second best.
        let promoted = worker.claim_one(&app).await;
        assert_eq!((promoted.trial, epochs_done(&promoted)), (first.trial, 1));
        assert_eq!(report(&app, &promoted, 2, 0.15).await, "yield");
        assert_eq!(
            worker.beat(&app, &[&promoted, &second]).await,
            ["yield", "continue"]
        );
        // Said again, late and out of order, it changes nothing.
        let before = app.count("SELECT count(*) FROM schedule_event").await;
        assert_eq!(report(&app, &promoted, 1, 0.9).await, "yield");
        assert_eq!(report(&app, &promoted, 2, 0.9).await, "yield");
        assert_eq!(
            app.count("SELECT count(*) FROM schedule_event").await,
            before
        );
        check_replay(&app, &id).await;
        app
    });
}

#[test]
fn a_running_trial_hears_that_it_is_pruned_from_any_answer() {
    with_app(30.0, async |app| {
        app.register().await;
        let rule = json!({"kind": "median_stop", "min_epochs": 2, "min_trials": 2});
        let id = submit(&app, &sweep(rule, 4)).await;
        let worker = Worker::new();
        let leases = claim_all(&app, &worker, 4).await;
        for (lease, value) in leases.iter().zip([0.1, 0.5, 0.5, 0.5]) {
            for epoch in 1..=2 {
                let order = report(&app, lease, epoch, value).await;
                assert_eq!(order, "continue");
            }
        }
        // The slowest had come first: it is judged when enough others have come as far.
        let held: Vec<&Lease> = leases.iter().collect();
        let expect = ["prune", "continue", "continue", "continue"];
        eventually("the heartbeat says prune", || async {
            worker.beat(&app, &held).await == expect
        })
        .await;
        let (_, body) = tell(
            &app,
            &leases[0],
            "logs",
            json!({"first_line": 0, "lines": ["a"]}),
        )
        .await;
        assert_eq!(body["order"], "prune");
        // The machine went away before it obeyed: there is nothing left to do for it.
        finish(&app, &leases[0], "preempted").await;
        let trial = app.trial(&leases[0].trial.to_string()).await;
        assert_eq!(trial["trial"]["state"], "pruned");
        assert_eq!(
            trial["trial"]["metrics"],
            json!({"val_top1": 0.1, "val_loss": 0.5})
        );
        for lease in &leases[1..] {
            complete(&app, lease, 5).await;
        }
        assert_eq!(
            counts(&app, &id).await,
            json!({"completed": 3, "pruned": 1})
        );
        check_replay(&app, &id).await;
        app
    });
}

#[test]
fn what_an_attempt_says_after_its_end_is_no_word_of_its_trial() {
    with_app(30.0, async |app| {
        app.register().await;
        submit(&app, &sweep(json!({"kind": "median_stop"}), 2)).await;
        let first = Worker::new().claim_one(&app).await;
        assert_eq!(report(&app, &first, 1, 0.1).await, "continue");
        finish(&app, &first, "preempted").await;
        let second = Worker::new().claim_one(&app).await;
        assert_eq!(second.trial, first.trial);
        let heard = async || {
            sqlx::query_scalar::<_, f64>("SELECT value FROM epoch_report WHERE epoch = 2")
                .fetch_optional(&app.state.pool)
                .await
                .unwrap()
        };
        assert_eq!(report(&app, &first, 2, 0.9).await, "unknown");
        assert_eq!(heard().await, None);
        assert_eq!(report(&app, &second, 2, 0.2).await, "continue");
        assert_eq!(heard().await, Some(0.2));
        app
    });
}

#[test]
fn a_loss_is_halved_by_the_lowest() {
    with_app(30.0, async |app| {
        app.register().await;
        let mut spec = sweep(json!({"kind": "successive_halving", "eta": 2.0}), 2);
        spec["base"]["objective"] = json!({"metric": "val_loss", "direction": "minimize"});
        let id = submit(&app, &spec).await;
        let worker = Worker::new();
        let leases = claim_all(&app, &worker, 2).await;
        let mut orders = Vec::new();
        for (lease, loss) in leases.iter().zip([0.2, 0.9]) {
            let point = json!({"metric": "val_loss", "step": 10, "epoch": 1, "value": loss});
            let (_, body) = tell(&app, lease, "metrics", json!({"points": [point]})).await;
            orders.push(body["order"].clone());
        }
        assert_eq!(orders, ["yield", "prune"]);
        let log = store::schedule::log(
            &app.state.pool,
            serde_json::from_value(json!(id)).unwrap(),
            0,
        );
        let promoted = log.await.unwrap().into_iter().any(|line| {
            matches!(&line.event, Event::Decided { decision } if decision.action == Action::Promote {} && decision.trial == 0)
        });
        assert!(promoted);
        app
    });
}

#[test]
fn a_scheduler_that_cannot_serve_is_refused() {
    with_app(30.0, async |app| {
        app.register().await;
        let refused = async |spec: Value| app.post_refused("/api/v1/sweeps", &spec).await;
        for (scheduler, pointer) in [
            (json!({"kind": "asha", "eta": 1.0}), "/scheduler/eta"),
            (
                json!({"kind": "asha", "min_epochs": 9}),
                "/scheduler/min_epochs",
            ),
            (json!({"kind": "asha", "grace": 1}), "/scheduler/grace"),
            (json!({"kind": "shaa"}), "/scheduler/kind"),
            (
                json!({"kind": "pbt", "quantile": 0.6}),
                "/scheduler/quantile",
            ),
            (
                json!({"kind": "curve_stop", "confidence": 1.0}),
                "/scheduler/confidence",
            ),
        ] {
            assert_eq!(refused(sweep(scheduler, 3)).await, pointer);
        }
        let mut lengths = sweep(json!({"kind": "median_stop"}), 3);
        lengths["space"]["fit"] = json!({"epochs": {"choice": [3, 9]}});
        assert_eq!(refused(lengths.clone()).await, "/scheduler/kind");
        lengths["space"] = json!({"choice": [{"fit": {"epochs": 3}}, {"fit": {"epochs": 9}}]});
        assert_eq!(refused(lengths).await, "/scheduler/kind");
        assert_eq!(app.count("SELECT count(*) FROM sweep").await, 0);
        app
    });
}
