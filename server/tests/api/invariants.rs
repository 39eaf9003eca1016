//! I1 and I2 under many workers at once, on two replicas.

use std::collections::HashSet;
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::json;

use crate::fixtures::{Worker, completed, tell, trial_spec};
use crate::harness::{App, with_app};

const N_WORKERS: usize = 8;
const N_TRIALS: i64 = 200;

#[test]
fn concurrent_workers_lose_no_trial_and_count_none_twice() {
    with_app(30.0, async |app| {
        app.register().await;
        let seeds: Vec<_> = (0..N_TRIALS).collect();
        let sweep = json!({"name": "many", "base": trial_spec(0), "seeds": seeds});
        app.post_ok("/api/v1/sweeps", &sweep).await;
        let other = App::start(app.database.clone(), 30.0).await;
        let replicas = Arc::new([app, other]);

        let mut tasks = Vec::new();
        for n in 0..N_WORKERS {
            let replicas = replicas.clone();
            tasks.push(tokio::spawn(async move { drain(&replicas, n).await }));
        }
        let mut seen = HashSet::new();
        for task in tasks {
            for trial in task.await.unwrap() {
                assert!(seen.insert(trial), "trial {trial} was completed twice");
            }
        }
        let [app, other] = Arc::into_inner(replicas).unwrap();
        other.stop().await;
        assert_eq!(seen.len() as i64, N_TRIALS);
        assert_eq!(
            app.count("SELECT count(*) FROM trial WHERE state = 'completed'")
                .await,
            N_TRIALS
        );
        assert_eq!(app.count("SELECT count(*) FROM prediction").await, N_TRIALS);
        assert_eq!(
            app.count("SELECT count(*) FROM attempt").await,
            N_TRIALS
                + app
                    .count("SELECT count(*) FROM attempt WHERE outcome = 'preempted'")
                    .await
        );
        assert_eq!(app.count("SELECT count(*) FROM trial_queue").await, 0);
        app
    });
}

/// Claims and finishes until nothing is left, preempting now and then; returns what it completed.
async fn drain(replicas: &[App; 2], n: usize) -> Vec<cultivar_spec::TrialId> {
    // Artifacts lie where they were uploaded, so everything but claims goes to the first replica.
    let app = &replicas[0];
    let worker = Worker::new();
    let mut done = Vec::new();
    let mut n_leases = n;
    loop {
        let leases = match n_leases % 2 {
            0 => worker.claim(app, 3).await,
            _ => app.claim_at(&replicas[1], &worker).await,
        };
        if leases.is_empty()
            && app
                .count("SELECT count(*) FROM trial WHERE state <> 'completed'")
                .await
                == 0
        {
            return done;
        }
        for lease in leases {
            n_leases += 1;
            let preempt = n_leases.is_multiple_of(7);
            let finish = match preempt {
                true => json!({"outcome": "preempted"}),
                false => completed(app, &lease, 5).await,
            };
            let (status, body) = tell(app, &lease, "finish", finish).await;
            assert_eq!(status, StatusCode::OK, "{body:#}");
            if !preempt {
                done.push(lease.trial);
            }
        }
        n_leases += 1;
    }
}

impl App {
    /// A claim through another replica of the same database.
    async fn claim_at(&self, other: &App, worker: &Worker) -> Vec<cultivar_spec::wire::Lease> {
        // The other replica's blob folder lacks the manifest, as no two replicas share a test's folder.
        let version = crate::fixtures::manifest().version();
        let name = version.to_string();
        let from = self.home.path().join("blobs").join(&name[..2]).join(&name);
        let to = other.home.path().join("blobs").join(&name[..2]).join(&name);
        if !to.exists() {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        }
        worker.claim(other, 3).await
    }
}

/// Clients that hang up; `CULTIVAR_TEST_HANG_UPS` asks for more.
fn n_hang_ups() -> u64 {
    let asked = std::env::var("CULTIVAR_TEST_HANG_UPS");
    asked.map_or(400, |n| n.parse().expect("a number of clients"))
}

#[test]
fn clients_that_hang_up_in_mid_request_leave_whole_transactions_and_a_healthy_pool() {
    const WAVE: u64 = 40;
    with_app(600.0, async |app| {
        app.register().await;
        let worker = Worker::new();
        let send = |n: u64, patience_us: u64| {
            let (path, body) = match n % 4 {
                0 => (
                    "leases",
                    json!({"worker": worker.identity, "request": uuid::Uuid::new_v4(), "max": 1}),
                ),
                1 => (
                    "heartbeats",
                    json!({"worker": worker.identity, "leases": []}),
                ),
                _ => ("trials", json!({"spec": trial_spec(n)})),
            };
            let request = app.request(reqwest::Method::POST, &format!("/api/v1/{path}"));
            let patience = std::time::Duration::from_micros(patience_us * (n % 60) / 60);
            request.json(&body).timeout(patience).send()
        };
        let n_clients = n_hang_ups();
        let (mut n_cut, mut n_answered_trials) = (0, 0);
        // The longest patience follows the machine, so that some clients hear their answer and many are gone in the midst.
        let mut patience_us = 30_000;
        for start in (0..n_clients).step_by(WAVE as usize) {
            let wave = start..(start + WAVE).min(n_clients);
            let answers = wave.clone().map(|n| send(n, patience_us));
            let answers = futures::future::join_all(answers).await;
            let is_cut: Vec<_> = answers.iter().map(|answer| answer.is_err()).collect();
            let n_of_wave = is_cut.iter().filter(|is_cut| **is_cut).count() as u64;
            let trials = wave
                .zip(&is_cut)
                .filter(|(n, is_cut)| n % 4 > 1 && !**is_cut);
            n_answered_trials += trials.count() as i64;
            n_cut += n_of_wave;
            match 10 * n_of_wave / WAVE {
                0..4 => patience_us /= 2,
                4..8 => {}
                _ => patience_us *= 2,
            }
        }

        crate::harness::eventually("no request is under way", || async {
            let open = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
            app.count(open).await == 0
        })
        .await;
        let n_stored = app.count("SELECT count(*) FROM trial").await;
        let n_in_the_midst = n_stored - n_answered_trials;
        println!(
            "{n_cut} of {n_clients} clients hung up before their answer; of those that queued a trial {n_in_the_midst} after it was stored"
        );
        assert!(
            n_cut > n_clients / 10 && n_in_the_midst > n_clients as i64 / 40,
            "{n_cut} of {n_clients} hung up, {n_in_the_midst} in the midst: the test tests nothing"
        );

        crate::harness::eventually("no transaction stays open", || async {
            let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
            app.count(open).await == 0
        })
        .await;
        // As many at once as there are connections, and more.
        let healthy = futures::future::join_all((0..50).map(|n| app.submit(1_000_000 + n))).await;
        assert_eq!(healthy.len(), 50);
        let (size, most) = (
            app.state.pool.size(),
            app.state.pool.options().get_max_connections(),
        );
        assert!(size <= most, "{size} connections of at most {most}");
        let n_trials = app.count("SELECT count(*) FROM trial").await;
        let n_jobs = app.count("SELECT count(*) FROM trial_queue").await;
        let n_running = app
            .count("SELECT count(*) FROM attempt WHERE outcome IS NULL")
            .await;
        assert_eq!(
            n_trials,
            n_jobs + n_running,
            "a trial and its job are stored together or not at all"
        );
        assert_eq!(
            n_running,
            app.count("SELECT count(*) FROM trial WHERE state = 'running'")
                .await
        );
        app
    });
}
