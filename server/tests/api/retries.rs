//! What follows each outcome, and what is queued again because somebody asks for it.

use cultivar_server::service::lifecycle;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures::{Worker, complete, tell};
use crate::harness::{App, answer, eventually, with_app};
use crate::queueing::{counts, submit};

/// The first trial of the only sweep.
async fn first_trial(app: &App) -> String {
    let page = app.get("/api/v1/trials").await;
    page["trials"][0]["id"].as_str().unwrap().to_owned()
}

/// Ends an attempt with `outcome` and expects the trial in `state`.
fn check(outcome: &'static str, state: &'static str) {
    with_app(30.0, async move |app| {
        app.register().await;
        let id = app.submit(1).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        let (status, body) = tell(
            &app,
            &lease,
            "finish",
            json!({"outcome": outcome, "error": "because\u{0}"}),
        )
        .await;
        assert_eq!(status, StatusCode::OK, "{body:#}");
        let trial = app.trial(&id).await;
        assert_eq!(trial["trial"]["state"], state);
        assert_eq!(trial["trial"]["error"], "because\u{fffd}");
        assert_eq!(
            app.count("SELECT count(*) FROM trial_queue").await,
            i64::from(state == "queued")
        );
        app
    });
}

#[test]
fn a_diverged_trial_fails() {
    check("diverged", "failed");
}

#[test]
fn a_preempted_trial_waits_for_the_next_worker() {
    check("preempted", "queued");
}

#[test]
fn a_trial_that_yields_unasked_waits_for_the_next_worker() {
    check("yielded", "queued");
}

#[test]
fn crashes_back_off_until_the_budget_is_spent_and_spare_the_siblings() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = app.submit(1).await;
        let worker = Worker::new();
        for n_crashes in 1..=4 {
            // The backoff itself is tested where it is computed.
            sqlx::query("UPDATE trial_queue SET available_at = now()")
                .execute(&app.state.pool)
                .await
                .unwrap();
            let lease = worker.claim_one(&app).await;
            tell(
                &app,
                &lease,
                "finish",
                json!({"outcome": "crashed", "error": "signal 11"}),
            )
            .await;
            let expect = if n_crashes <= 3 { "queued" } else { "failed" };
            assert_eq!(
                app.trial(&id).await["trial"]["state"],
                expect,
                "after {n_crashes}"
            );
            if n_crashes <= 3 {
                // However long this took: what waits for a second at least has not waited long enough.
                app.sql(
                    "UPDATE trial_queue SET available_at = 'infinity'
                     WHERE available_at >= (SELECT max(ended_at) + interval '1 s' FROM attempt)",
                )
                .await;
                assert!(worker.claim(&app, 1).await.is_empty(), "it backs off");
            }
        }
        let sibling = app.submit(2).await;
        assert_eq!(worker.claim_one(&app).await.trial.to_string(), sibling);
        app
    });
}

#[test]
fn trials_that_crash_together_are_not_tried_again_together() {
    const N: u32 = 8;
    /// By how much of itself a wait is drawn out at most.
    const JITTER: f64 = 0.25;
    with_app(600.0, async |app| {
        app.register().await;
        submit(&app, "s", N as usize, json!({})).await;
        let worker = Worker::new();
        for wait_s in [1.0, 2.0, 4.0] {
            sqlx::query("UPDATE trial_queue SET available_at = now()")
                .execute(&app.state.pool)
                .await
                .unwrap();
            let leases = worker.claim(&app, N).await;
            assert_eq!(leases.len(), N as usize);
            let crashed = json!({"outcome": "crashed", "error": "signal 11"});
            let told = leases
                .iter()
                .map(|lease| tell(&app, lease, "finish", crashed.clone()));
            for (status, body) in futures::future::join_all(told).await {
                assert_eq!(status, StatusCode::OK, "{body:#}");
            }
            // An attempt ends and its trial is queued in one transaction, whose time is one.
            let mut waits_s: Vec<f64> = sqlx::query_scalar(
                "SELECT extract(epoch FROM q.available_at - max(a.ended_at))::float8
                 FROM trial_queue q JOIN attempt a ON a.trial_id = q.trial_id GROUP BY q.seq",
            )
            .fetch_all(&app.state.pool)
            .await
            .unwrap();
            assert_eq!(waits_s.len(), N as usize);
            // The database counts in microseconds.
            let allowed = wait_s - 1e-5..=wait_s * (1.0 + JITTER) + 1e-5;
            assert!(
                waits_s.iter().all(|wait_s| allowed.contains(wait_s)),
                "{waits_s:?} are not all in {allowed:?}"
            );
            waits_s.sort_by(f64::total_cmp);
            waits_s.dedup();
            assert!(
                waits_s.len() > N as usize / 2,
                "many of {N} wait alike: {waits_s:?}"
            );
        }
        app
    });
}

/// A pause that came in between would leave the trial queued for ever, or let it run.
#[test]
fn an_ending_waits_for_whoever_changes_its_sweep() {
    with_app(30.0, async |app| {
        app.register().await;
        let sweep = submit(&app, "s", 1, json!({})).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        let mut pausing = app.state.pool.begin().await.unwrap();
        sqlx::query("SELECT FROM sweep FOR UPDATE")
            .execute(&mut *pausing)
            .await
            .unwrap();
        let path = format!("/api/v1/leases/{}/finish", lease.id);
        let request = app.request(Method::POST, &path);
        let request = request.json(&json!({"outcome": "preempted"}));
        let mut finish = tokio::spawn(async move {
            loop {
                let said = answer(request.try_clone().unwrap()).await;
                // It waits for two seconds at most, and a busy machine may take longer to notice that it does.
                if said.0 != StatusCode::SERVICE_UNAVAILABLE {
                    return said;
                }
            }
        });
        let waits = eventually("the finish waits for the sweep", async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
            app.count(waiting).await == 1
        });
        tokio::select! {
            answered = &mut finish => panic!("it did not wait: {answered:?}"),
            () = waits => {}
        }
        sqlx::query("UPDATE sweep SET paused_at = now()")
            .execute(&mut *pausing)
            .await
            .unwrap();
        pausing.commit().await.unwrap();

        let (status, body) = finish.await.unwrap();
        assert_eq!(status, StatusCode::OK, "{body:#}");
        assert_eq!(counts(&app, &sweep).await, json!({"queued": 1}));
        assert_eq!(app.count("SELECT count(*) FROM trial_queue").await, 0);
        app.post_ok(&format!("/api/v1/sweeps/{sweep}/resume"), &json!({}))
            .await;
        assert_eq!(worker.claim_one(&app).await.trial, lease.trial);
        app
    });
}

#[test]
fn a_retried_trial_waits_until_its_sweep_has_room() {
    with_app(30.0, async |app| {
        app.register().await;
        submit(&app, "s", 2, json!({"parallel": 1})).await;
        let worker = Worker::new();
        let failed = worker.claim_one(&app).await;
        tell(&app, &failed, "finish", json!({"outcome": "diverged"})).await;
        let running = worker.claim_one(&app).await;
        let path = format!("/api/v1/trials/{}/retry", failed.trial);
        assert_eq!(app.post_ok(&path, &json!({})).await["state"], "queued");
        assert!(worker.claim(&app, 5).await.is_empty());
        complete(&app, &running, 5).await;
        assert_eq!(worker.claim_one(&app).await.trial, failed.trial);
        app
    });
}

#[test]
fn a_resumed_trial_waits_until_the_time_of_its_sweep_has_come() {
    with_app(30.0, async |app| {
        app.register().await;
        let later = chrono::Utc::now() + chrono::Duration::hours(1);
        let sweep = submit(&app, "s", 1, json!({"start_after": later})).await;
        let id = first_trial(&app).await;
        for (verb, state) in [("pause", "paused"), ("resume", "queued")] {
            app.post_ok(&format!("/api/v1/trials/{id}/{verb}"), &json!({}))
                .await;
            assert_eq!(counts(&app, &sweep).await, json!({state: 1}));
        }
        assert!(Worker::new().claim(&app, 5).await.is_empty());
        app
    });
}

#[test]
fn one_trial_of_a_sweep_that_was_paused_and_cancelled_goes_on_alone() {
    with_app(30.0, async |app| {
        app.register().await;
        let sweep = submit(&app, "s", 2, json!({})).await;
        for verb in ["pause", "cancel"] {
            app.post_ok(&format!("/api/v1/sweeps/{sweep}/{verb}"), &json!({}))
                .await;
        }
        let id = first_trial(&app).await;
        app.post_ok(&format!("/api/v1/trials/{id}/retry"), &json!({}))
            .await;
        let worker = Worker::new();
        assert_eq!(worker.claim_one(&app).await.trial.to_string(), id);
        assert_eq!(
            counts(&app, &sweep).await,
            json!({"running": 1, "cancelled": 1})
        );
        app
    });
}

#[test]
fn a_sweep_that_is_retried_after_its_deadline_has_none() {
    with_app(30.0, async |app| {
        app.register().await;
        let later = chrono::Utc::now() + chrono::Duration::hours(1);
        let sweep = submit(&app, "s", 2, json!({"deadline": later})).await;
        sqlx::query("UPDATE sweep SET deadline = now()")
            .execute(&app.state.pool)
            .await
            .unwrap();
        eventually("its deadline has passed", async || {
            counts(&app, &sweep).await == json!({"cancelled": 2})
        })
        .await;
        let retried = app
            .post_ok(&format!("/api/v1/sweeps/{sweep}/retry"), &json!({}))
            .await;
        assert_eq!(retried["queueing"]["deadline"], Value::Null);
        lifecycle::end_overdue(&app.state).await.unwrap();
        assert_eq!(Worker::new().claim(&app, 5).await.len(), 2);
        app
    });
}
