//! `kill -9` in mid-step: the attempt ends with the right outcome, the trial goes on from its
//! checkpoint, and every trial has exactly one accepted result.

use std::time::Duration;

use cultivar_spec::Outcome;
use cultivar_spec::wire::TrialDetail;
use cultivar_tests::process::children_of;
use cultivar_tests::stack::Stack;
use cultivar_tests::wait;
use rustix::process::{Signal, kill_process};

use crate::system::sweep::{
    check_settled, fine_tuning, finished, submit, training_past_a_checkpoint,
};

/// The killed trial's attempt has `outcome`, and its successor started at a step above 0.
fn check_resumed(trials: &[TrialDetail], killed: &TrialDetail, outcome: Outcome) {
    let trial = trials
        .iter()
        .find(|trial| trial.trial.id == killed.trial.id)
        .expect("the killed trial");
    // A busy machine may have cost it a lease before its first checkpoint, too.
    let resumed = trial
        .attempts
        .windows(2)
        .any(|pair| pair[0].outcome == Some(outcome) && pair[1].resumed_from_step > 0);
    assert!(
        resumed,
        "no attempt ended {outcome:?} and was gone on with: {:#?}",
        trial.attempts
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_loses_its_lease_and_nothing_else() {
    let mut stack = Stack::start().await;
    stack.register_demo_data();
    let worker = stack.worker();
    let sweep = submit(&stack, &fine_tuning(6, &[0, 1])).await;
    let killed = training_past_a_checkpoint(&stack, &sweep).await;

    let trainers = children_of(worker.pid());
    assert!(!trainers.is_empty(), "the worker has no trainer");
    worker.signal(Signal::KILL);
    // A trainer whose parent is gone must not go on burning the device.
    wait::until(
        "the orphaned trainer's end",
        Duration::from_secs(60),
        || async {
            trainers
                .iter()
                .all(|pid| rustix::process::test_kill_process(*pid).is_err())
                .then_some(())
        },
    )
    .await;

    let _successor = stack.worker();
    let trials = finished(&stack, &sweep).await;
    check_settled(&trials, 2);
    check_resumed(&trials, &killed, Outcome::Lost);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_trainer_is_a_crash_that_the_worker_survives() {
    let mut stack = Stack::start().await;
    stack.register_demo_data();
    let mut worker = stack.worker();
    let sweep = submit(&stack, &fine_tuning(6, &[0, 1])).await;
    let killed = training_past_a_checkpoint(&stack, &sweep).await;

    for trainer in children_of(worker.pid()) {
        kill_process(trainer, Signal::KILL).expect("a trainer to kill");
    }
    let trials = finished(&stack, &sweep).await;
    check_settled(&trials, 2);
    check_resumed(&trials, &killed, Outcome::Crashed);
    assert!(
        worker.ended().is_none(),
        "the worker went down with its trainer"
    );
    stack.stop().await;
}
