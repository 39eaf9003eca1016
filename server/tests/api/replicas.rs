//! What several replicas of one database do together is what one does.

use serde_json::{Value, json};

use crate::fixtures::{Worker, complete};
use crate::harness::{App, Database, run_async};
use crate::search::{accuracy, check_replays, next, sweep};

const N_CONFIGS: u32 = 8;

/// What a sampler proposes where each trial is claimed and ended at the next replica in turn: an ending wakes the feeder of the
/// replica that it comes to, which proposes before the others look.
///
/// One trial is in flight at a time, so that each proposal has seen what came of all before it: histories are alike.
async fn proposed_in_turn(n_replicas: usize, sampler: &Value) -> Vec<Value> {
    let database = Database::create().await;
    let first = App::start(database.clone(), 600.0).await;
    first.register().await;
    let mut replicas = vec![first];
    while replicas.len() < n_replicas {
        let home = replicas[0].home.path();
        let another = App::start_at(database.clone(), 600.0, home).await;
        replicas.push(another);
    }
    let mut spec = sweep(sampler.clone(), N_CONFIGS);
    spec["queueing"] = json!({"parallel": 1});
    let made = replicas[0].post_ok("/api/v1/sweeps", &spec).await;
    let id = made["id"].as_str().unwrap();
    let worker = Worker::new();
    for replica in replicas.iter().cycle() {
        let Some(lease) = next(replica, id, &worker).await else {
            break;
        };
        complete(replica, &lease, accuracy(&lease)).await;
    }
    let proposed = check_replays(&replicas[0], id).await;
    assert_eq!(proposed.len(), N_CONFIGS as usize);
    let with_pending = "SELECT count(*) FROM proposal WHERE position('\\x00'::bytea IN seen) > 0";
    assert_eq!(replicas[0].count(with_pending).await, 0);
    for replica in replicas {
        replica.stop().await;
    }
    database.drop().await;
    proposed
}

fn check(sampler: Value) {
    run_async(async {
        let by_one = proposed_in_turn(1, &sampler).await;
        assert_eq!(proposed_in_turn(4, &sampler).await, by_one);
    });
}

#[test]
fn a_parzen_estimator_proposes_alike_from_one_replica_and_from_four() {
    check(json!({"kind": "tpe", "n_startup": 3}));
}

#[test]
fn a_gaussian_process_proposes_alike_from_one_replica_and_from_four() {
    check(json!({"kind": "gp", "n_startup": 3}));
}
