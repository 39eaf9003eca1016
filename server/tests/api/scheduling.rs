//! Sweeps with a scheduler: trials that wait for others, stop early, go on, and are copied.

use std::collections::BTreeMap;

use cultivar_search::scheduler::{self, Action, Decision, Event, History};
use cultivar_server::service::search::objective;
use cultivar_server::store;
use cultivar_spec::wire::{Job, Lease};
use cultivar_spec::{SweepId, TrialSpec};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fixtures::{Worker, complete, tell, trial_spec};
use crate::harness::{App, Database, eventually, run_async, with_app};
use crate::search::check_replays;

const N_EPOCHS: u32 = 9;

/// A sweep over `n` learning rates: the higher, the better.
fn sweep(scheduler: Value, n: u32) -> Value {
    let mut base = trial_spec(0);
    base["fit"]["epochs"] = json!(N_EPOCHS);
    let lrs: Vec<f64> = (1..=n).map(|n| f64::from(n) / 100.0).collect();
    json!({
        "name": "scheduled", "base": base, "scheduler": scheduler,
        "space": {"optimizer": {"kind": "sgd", "lr": {"choice": lrs}}},
    })
}

fn spec(lease: &Lease) -> &TrialSpec {
    match &lease.job {
        Job::Train { spec, .. } => spec,
        Job::Evaluate { .. } => panic!("nobody asked for an evaluation"),
    }
}

/// What a trial of this learning rate has come to after an epoch.
fn value(lr: f64, epoch: u32) -> f64 {
    lr + 0.001 * f64::from(epoch)
}

fn epochs_done(lease: &Lease) -> u32 {
    match &lease.job {
        Job::Train { resume, .. } => resume.as_ref().map_or(0, |checkpoint| checkpoint.epoch),
        Job::Evaluate { .. } => 0,
    }
}

/// Reports an epoch and answers with the order.
async fn report(app: &App, lease: &Lease, epoch: u32, value: impl Into<Value>) -> String {
    let point =
        json!({"metric": "val_top1", "step": epoch * 10, "epoch": epoch, "value": value.into()});
    let loss = json!({"metric": "val_loss", "step": epoch * 10, "epoch": epoch, "value": 0.5});
    let (status, body) = tell(app, lease, "metrics", json!({"points": [loss, point]})).await;
    assert_eq!(status, StatusCode::OK, "{body:#}");
    body["order"].as_str().unwrap().to_owned()
}

async fn finish(app: &App, lease: &Lease, outcome: &str) {
    let (status, body) = tell(app, lease, "finish", json!({"outcome": outcome})).await;
    assert_eq!(status, StatusCode::OK, "{body:#}");
}

/// Gives way with a checkpoint.
async fn give_way(app: &App, lease: &Lease, epoch: u32) {
    let sha256 = app
        .upload(format!("checkpoint of {} at {epoch}", lease.trial).as_bytes())
        .await;
    let body = json!({"sha256": sha256, "epoch": epoch, "step": epoch * 10});
    let (status, _) = tell(app, lease, "checkpoint", body).await;
    assert_eq!(status, StatusCode::OK);
    finish(app, lease, "yielded").await;
}

/// Trains a lease until its end or an order; returns the epochs trained.
async fn train(app: &App, lease: &Lease) -> u32 {
    let lr = spec(lease).optimizer.lr();
    let first = epochs_done(lease);
    for epoch in first + 1..=N_EPOCHS {
        let order = report(app, lease, epoch, value(lr, epoch)).await;
        match order.as_str() {
            "continue" => {}
            "yield" => {
                give_way(app, lease, epoch).await;
                return epoch - first;
            }
            "prune" => {
                finish(app, lease, "pruned").await;
                return epoch - first;
            }
            other => panic!("nobody asked for {other}"),
        }
    }
    complete(app, lease, 9).await;
    N_EPOCHS - first
}

/// Trains whatever comes until the sweep is finished; returns the epochs trained.
async fn work(app: &App, id: &str) -> u32 {
    let worker = Worker::new();
    let mut n_epochs = 0;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while app.get(&format!("/api/v1/sweeps/{id}")).await["sweep"]["finished"] != true {
        match worker.claim(app, 1).await.pop() {
            Some(lease) => n_epochs += train(app, &lease).await,
            None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
        assert!(tokio::time::Instant::now() < deadline, "it never ends");
    }
    n_epochs
}

/// Claims `n` trials, oldest first, one by one: a trial whose row somebody has locked at the moment is skipped by a claim.
async fn claim_all(app: &App, worker: &Worker, n: usize) -> Vec<Lease> {
    let mut leases = Vec::with_capacity(n);
    while leases.len() < n {
        leases.push(worker.claim_one(app).await);
    }
    leases.sort_by_key(|lease| lease.trial);
    leases
}

async fn submit(app: &App, spec: &Value) -> String {
    let made = app.post_ok("/api/v1/sweeps", spec).await;
    made["id"].as_str().unwrap().to_owned()
}

async fn counts(app: &App, id: &str) -> Value {
    app.get(&format!("/api/v1/sweeps/{id}")).await["sweep"]["counts"].clone()
}

/// Asks the scheduler again for every decision in its log; answers with how many there are.
async fn check_replay(app: &App, id: &str) -> usize {
    let id: SweepId = serde_json::from_value(json!(id)).unwrap();
    let detail = store::sweep::detail(&app.state.pool, id).await.unwrap();
    let spec = detail.unwrap().spec;
    let mut steps: BTreeMap<u64, (Vec<Event>, Vec<Decision>)> = BTreeMap::new();
    for line in store::schedule::log(&app.state.pool, id, 0).await.unwrap() {
        let step = steps.entry(line.step).or_default();
        match line.event {
            Event::Decided { decision } => step.1.push(decision),
            event => {
                assert!(
                    step.1.is_empty(),
                    "what was new comes before what was decided"
                );
                step.0.push(event);
            }
        }
    }
    let steps: Vec<_> = steps.into_values().collect();
    let scheduler = scheduler::build(&spec, N_EPOCHS).unwrap();
    let history = History::new(objective(&spec).direction);
    assert_eq!(scheduler::replay(&*scheduler, history, &steps), Ok(()));
    steps.iter().map(|(_, decisions)| decisions.len()).sum()
}

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
fn a_sampler_learns_from_what_its_scheduler_forecasts() {
    with_app(30.0, async |app| {
        app.register().await;
        let mut spec = sweep(json!({"kind": "asha", "eta": 3.0}), 2);
        spec["space"] = json!({"optimizer": {"kind": "sgd", "lr": {"log_uniform": [0.001, 1.0]}}});
        spec["sampler"] = json!({"kind": "tpe", "n_startup": 4});
        spec["budget"] = json!({"configs": 16});
        let id = submit(&app, &spec).await;
        work(&app, &id).await;
        let overlays = check_replays(&app, &id).await;
        assert!(check_replay(&app, &id).await > 16);
        // The scheduler knows where in the space each trial lies.
        let sweep: SweepId = serde_json::from_value(json!(id)).unwrap();
        let log = store::schedule::log(&app.state.pool, sweep, 0).await;
        let joined = log
            .unwrap()
            .into_iter()
            .filter_map(|line| match line.event {
                Event::Joined { point, .. } => Some(point),
                _ => None,
            });
        assert_eq!(joined.collect::<Vec<_>>(), overlays);
        // While most wait, the sampler hears of more than the few that have ended.
        let n_told = app
            .count("SELECT coalesce(max(cardinality(forecasts)), 0)::bigint FROM proposal")
            .await;
        assert!(n_told > 8, "{n_told}");
        app
    });
}

#[test]
fn a_population_copies_its_best_at_changed_hyperparameters() {
    with_app(30.0, async |app| {
        app.register().await;
        let scheduler =
            json!({"kind": "pbt", "interval": 3, "quantile": 0.25, "factor": 2.0, "resample": 0.0});
        let mut spec = sweep(scheduler, 2);
        spec["space"] = json!({"optimizer": {"kind": "sgd", "lr": {"log_uniform": [0.001, 1.0]}}});
        spec["sampler"] = json!({"kind": "random"});
        spec["budget"] = json!({"configs": 4});
        let id = submit(&app, &spec).await;
        let worker = Worker::new();
        let leases = claim_all(&app, &worker, 4).await;
        for (lease, value) in leases.iter().zip([0.4, 0.1, 0.3, 0.2]) {
            report(&app, lease, 2, value).await;
            assert_eq!(report(&app, lease, 3, value).await, "yield");
            give_way(&app, lease, 3).await;
        }
        let (best, worst) = (&leases[0], &leases[1]);
        let mut resumed: BTreeMap<_, Lease> = BTreeMap::new();
        while resumed.len() < 4 {
            let lease = worker.claim_one(&app).await;
            resumed.insert(lease.trial, lease);
        }
        let parts = |trial| match &resumed[trial].job {
            Job::Train {
                spec,
                resume,
                resume_spec,
                ..
            } => (spec, resume.as_ref().unwrap().sha256, *resume_spec),
            Job::Evaluate { .. } => panic!("it trains"),
        };
        let (best_spec, best_checkpoint, none) = parts(&best.trial);
        assert_eq!((&**best_spec, none), (self::spec(best), None));
        let (copied, checkpoint, of_spec) = parts(&worst.trial);
        assert_eq!(checkpoint, best_checkpoint);
        let canonical = cultivar_spec::canonical_json(self::spec(best));
        assert_eq!(
            of_spec,
            Some(cultivar_spec::Sha256Digest::of(canonical.as_bytes()))
        );
        let ratio = copied.optimizer.lr() / best_spec.optimizer.lr();
        assert!(
            (ratio - 2.0).abs() < 1e-4 || (ratio - 0.5).abs() < 1e-4,
            "{ratio}"
        );
        for other in [&leases[2], &leases[3]] {
            assert_eq!(
                &**parts(&other.trial).0,
                self::spec(other),
                "it goes on as it was"
            );
        }
        // It is a seed of no configuration, and its own checkpoint is its own again.
        let view = app.trial(&worst.trial.to_string()).await;
        let canonical = cultivar_spec::config_id(copied);
        assert_ne!(view["trial"]["config_id"], json!(canonical));
        let lease = &resumed[&worst.trial];
        report(&app, lease, 6, 0.5).await;
        give_way(&app, lease, 6).await;
        let foreign = "SELECT count(*) FROM trial WHERE checkpoint_spec IS NOT NULL";
        assert_eq!(app.count(foreign).await, 0);
        check_replay(&app, &id).await;
        app
    });
}

#[test]
fn what_somebody_paused_and_what_its_scheduler_holds_are_two_things() {
    with_app(30.0, async |app| {
        app.register().await;
        let scheduler = json!({"kind": "successive_halving", "eta": 2.0});
        let id = submit(&app, &sweep(scheduler, 3)).await;
        let worker = Worker::new();
        let leases = claim_all(&app, &worker, 3).await;
        assert_eq!(report(&app, &leases[0], 1, 0.1).await, "yield");
        give_way(&app, &leases[0], 1).await;
        // Lost on the way, a trial that is to wait waits.
        assert_eq!(report(&app, &leases[1], 1, 0.3).await, "yield");
        finish(&app, &leases[1], "preempted").await;
        assert_eq!(counts(&app, &id).await, json!({"paused": 2, "running": 1}));

        app.post_ok(&format!("/api/v1/sweeps/{id}/pause"), &json!({}))
            .await;
        assert_eq!(worker.beat(&app, &[&leases[2]]).await, ["yield"]);
        give_way(&app, &leases[2], 0).await;
        app.post_ok(&format!("/api/v1/sweeps/{id}/resume"), &json!({}))
            .await;
        let trial = leases[0].trial;
        app.post_ok(&format!("/api/v1/trials/{trial}/resume"), &json!({}))
            .await;
        assert_eq!(counts(&app, &id).await, json!({"paused": 2, "queued": 1}));
        let last = worker.claim_one(&app).await;
        assert_eq!(last.trial, leases[2].trial);
        // Its report decides the rung: one of three goes on, the others are over.
        assert_eq!(report(&app, &last, 1, 0.2).await, "prune");
        finish(&app, &last, "pruned").await;
        eventually("the rung is decided", || async {
            counts(&app, &id).await == json!({"pruned": 2, "queued": 1})
        })
        .await;
        assert_eq!(worker.claim_one(&app).await.trial, leases[1].trial);
        app
    });
}

#[test]
fn four_replicas_decide_once_and_a_new_one_goes_on_where_they_stopped() {
    run_async(async {
        let database = Database::create().await;
        let mut apps = Vec::new();
        for _ in 0..4 {
            apps.push(App::start(database.clone(), 30.0).await);
        }
        apps[0].register().await;
        let spec = sweep(json!({"kind": "asha", "eta": 2.0}), 24);
        let id = submit(&apps[0], &spec).await;
        let worker = Worker::new();
        let leases = claim_all(&apps[0], &worker, 12).await;
        let reports = leases.iter().enumerate().map(|(n, lease)| {
            let app = &apps[n % 4];
            async move {
                let lr = self::spec(lease).optimizer.lr();
                report(app, lease, 1, value(lr, 1)).await;
            }
        });
        futures::future::join_all(reports).await;
        eventually("all twelve are judged", || async {
            let judged = "SELECT count(DISTINCT trial) FROM schedule_event WHERE kind = 'decided'";
            apps[0].count(judged).await == 12
        })
        .await;
        let doubled = "SELECT count(*) FROM (SELECT 1 FROM schedule_event WHERE kind = 'decided'
                       GROUP BY trial, epoch, detail HAVING count(*) > 1) AS twice";
        assert_eq!(apps[0].count(doubled).await, 0);
        check_replay(&apps[0], &id).await;
        // Each goes on or gives way as the last answer says.
        let held: Vec<&Lease> = leases.iter().collect();
        let orders = worker.beat(&apps[1], &held).await;
        for (lease, order) in leases.iter().zip(orders) {
            match order.as_str() {
                "yield" => give_way(&apps[0], lease, 1).await,
                _ => finish(&apps[0], lease, "preempted").await,
            }
        }
        let first = apps.remove(0);
        for app in apps {
            app.stop().await;
        }
        let home = first.home.path().to_owned();
        // A server that has seen nothing of it reads the log.
        let late = App::start_at(database.clone(), 30.0, &home).await;
        first.stop().await;
        work(&late, &id).await;
        let decided = check_replay(&late, &id).await;
        assert!(decided >= 24, "{decided}");
        let counts = counts(&late, &id).await;
        let n: u64 = ["completed", "pruned"]
            .iter()
            .filter_map(|state| counts[*state].as_u64())
            .sum();
        assert_eq!(n, 24, "{counts}");
        assert!(counts["completed"].as_u64().unwrap() >= 1);
        late.stop().await;
        database.drop().await;
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
        let refused = async |spec: Value| {
            let (status, body) = app.post("/api/v1/sweeps", &spec).await;
            assert_eq!(status.as_u16(), 422, "{body:#}");
            body["violations"][0]["pointer"]
                .as_str()
                .unwrap()
                .to_owned()
        };
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
