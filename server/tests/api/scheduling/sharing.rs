//! What trials get from each other, schedulers tell samplers, and replicas decide together.

use super::*;

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
        assert_eq!((&**best_spec, none), (super::spec(best), None));
        let (copied, checkpoint, of_spec) = parts(&worst.trial);
        assert_eq!(checkpoint, best_checkpoint);
        let canonical = cultivar_spec::canonical_json(super::spec(best));
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
                super::spec(other),
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
fn what_a_clone_comes_to_is_no_result_of_what_it_was() {
    with_app(30.0, async |app| {
        app.register().await;
        let mut spec = sweep(json!({"kind": "pbt", "interval": 3, "quantile": 0.25}), 2);
        spec["space"] = json!({"optimizer": {"kind": "sgd", "lr": {"log_uniform": [0.001, 1.0]}}});
        spec["sampler"] = json!({"kind": "tpe"});
        spec["budget"] = json!({"configs": 4});
        let id = submit(&app, &spec).await;
        let worker = Worker::new();
        let mut leases = Vec::new();
        while leases.len() < 4 {
            leases.push(worker.claim_one(&app).await);
        }
        for (lease, value) in leases.iter().zip([0.4, 0.1, 0.3, 0.2]) {
            assert_eq!(report(&app, lease, 3, value).await, "yield");
            give_way(&app, lease, 3).await;
        }
        let mut resumed: BTreeMap<_, Lease> = BTreeMap::new();
        while resumed.len() < 4 {
            let lease = worker.claim_one(&app).await;
            resumed.insert(lease.trial, lease);
        }
        for lease in resumed.values() {
            finish(&app, lease, "pruned").await;
        }
        let importance = app.get(&format!("/api/v1/sweeps/{id}/importance")).await;
        assert_eq!(
            importance["n_results"], 3,
            "the worst went on from the best"
        );
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
                let lr = super::spec(lease).optimizer.lr();
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
