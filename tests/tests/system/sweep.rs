//! Submitting a sweep and following it to its end.

use std::time::Duration;

use cultivar_spec::wire::{SweepView, TrialDetail, TrialPage};
use cultivar_spec::{Outcome, TrialState};
use cultivar_tests::stack::Stack;
use cultivar_tests::wait;
use serde_json::{Value, json};

/// A small full fine-tuning run with a checkpoint at every epoch.
pub fn fine_tuning(epochs: u32, seeds: &[u64]) -> Value {
    json!({
        "name": "kills",
        "base": {
            "data": {"dataset": "emoji-part"},
            "optimizer": {"kind": "adamw", "lr": 1e-3},
            "fit": {"epochs": epochs, "batch_size": 32, "resolution": 64},
        },
        "seeds": seeds,
    })
}

pub async fn submit(stack: &Stack, sweep: &Value) -> SweepView {
    stack.post("/api/v1/sweeps", sweep).await
}

pub async fn trials(stack: &Stack, sweep: &SweepView) -> Vec<TrialDetail> {
    let page: TrialPage = stack
        .get(&format!("/api/v1/trials?sweep={}", sweep.id))
        .await;
    let mut details = Vec::new();
    for trial in page.trials {
        details.push(stack.get(&format!("/api/v1/trials/{}", trial.id)).await);
    }
    details
}

/// Waits until every trial is settled.
pub async fn finished(stack: &Stack, sweep: &SweepView) -> Vec<TrialDetail> {
    wait::until("the sweep's end", Duration::from_secs(900), || async {
        let detail: Value = stack.get(&format!("/api/v1/sweeps/{}", sweep.id)).await;
        (detail["sweep"]["finished"] == json!(true)).then_some(())
    })
    .await;
    trials(stack, sweep).await
}

/// Waits until some trial of the sweep trains in the middle of an epoch after its first checkpoint.
pub async fn training_past_a_checkpoint(stack: &Stack, sweep: &SweepView) -> TrialDetail {
    wait::until(
        "a trial past its first checkpoint",
        Duration::from_secs(600),
        || async {
            trials(stack, sweep).await.into_iter().find(|trial| {
                let progress = trial.trial.progress.as_ref();
                let checkpointed = trial
                    .attempts
                    .iter()
                    .any(|attempt| attempt.checkpoint_step.is_some());
                trial.trial.state == TrialState::Running
                    && checkpointed
                    && progress.is_some_and(|p| {
                        p.phase == "training" && p.epoch >= 1 && p.epoch < p.n_epochs
                    })
            })
        },
    )
    .await
}

/// The invariants every settled sweep satisfies.
pub fn check_settled(trials: &[TrialDetail], expected: usize) {
    assert_eq!(trials.len(), expected, "a trial came or went");
    for trial in trials {
        let id = trial.trial.id;
        assert_eq!(
            trial.trial.state,
            TrialState::Completed,
            "{id}: {:?}",
            trial.trial.error
        );
        let accepted = trial
            .attempts
            .iter()
            .filter(|a| a.outcome == Some(Outcome::Completed))
            .count();
        assert_eq!(accepted, 1, "{id} has {accepted} accepted results");
        assert!(
            trial.attempts.iter().all(|a| a.outcome.is_some()),
            "{id} has an open attempt"
        );
        assert!(
            trial.model.is_some() && trial.predictions.is_some(),
            "{id} lacks its artifacts"
        );
        assert!(
            trial.trial.metrics.contains_key("val_top1"),
            "{id} has no accuracy"
        );
    }
}
