//! The life of a trial: states, the outcomes of its attempts, and the one function that owns the
//! transitions between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    Queued,
    Running,
    /// Waiting for its scheduler.
    Paused,
    Completed,
    Pruned,
    Failed,
    Cancelled,
}

impl TrialState {
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Completed,
        Self::Pruned,
        Self::Failed,
        Self::Cancelled,
    ];

    /// No attempt will follow.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Pruned | Self::Failed | Self::Cancelled
        )
    }

    /// As on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Completed,
    Pruned,
    Cancelled,
    /// Gave way to its scheduler at a checkpoint.
    Yielded,
    /// The worker was told to go: SIGTERM, spot.
    Preempted,
    /// The lease ran out.
    Lost,
    /// No step for too long.
    Stalled,
    OutOfMemory,
    /// NaN or infinite loss.
    Diverged,
    /// The trainer died: signal, abort, panic.
    Crashed,
    /// Disk, driver, libtorch: the machine's fault.
    WorkerFault,
    /// The spec or the data cannot be trained.
    BadInput,
}

impl Outcome {
    pub const ALL: [Self; 12] = [
        Self::Completed,
        Self::Pruned,
        Self::Cancelled,
        Self::Yielded,
        Self::Preempted,
        Self::Lost,
        Self::Stalled,
        Self::OutOfMemory,
        Self::Diverged,
        Self::Crashed,
        Self::WorkerFault,
        Self::BadInput,
    ];

    /// As on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Pruned => "pruned",
            Self::Cancelled => "cancelled",
            Self::Yielded => "yielded",
            Self::Preempted => "preempted",
            Self::Lost => "lost",
            Self::Stalled => "stalled",
            Self::OutOfMemory => "out_of_memory",
            Self::Diverged => "diverged",
            Self::Crashed => "crashed",
            Self::WorkerFault => "worker_fault",
            Self::BadInput => "bad_input",
        }
    }

    /// The inverse of [`Outcome::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// What a trial does after an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Settled for good.
    Terminal(TrialState),
    /// Back to the queue after a wait.
    Requeue { delay_s: f64 },
    /// Waits for its scheduler.
    Pause,
}

/// How often a trial has ended each way since its checkpoint last moved forward
/// (`without_progress`), and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Earlier attempts that ended with this same outcome.
    pub same_outcome: u32,
    /// Earlier attempts in a row, whatever their outcome, that left no newer checkpoint; 0 where this one did.
    pub without_progress: u32,
}

/// Attempts a trial may burn without a newer checkpoint before even costless outcomes end it.
pub const MAX_WITHOUT_PROGRESS: u32 = 20;
/// Crashes a trial survives.
pub const MAX_CRASHES: u32 = 3;
/// Stalls a trial survives.
pub const MAX_STALLS: u32 = 2;
/// The longest wait before a retry.
pub const MAX_BACKOFF_S: f64 = 60.0;

/// Owns every transition out of `running`. `tally` counts the attempts before this one.
pub fn next(outcome: Outcome, tally: Tally) -> Next {
    let retry_within = |budget: u32| {
        if tally.same_outcome < budget {
            Next::Requeue {
                delay_s: backoff_s(tally.same_outcome),
            }
        } else {
            Next::Terminal(TrialState::Failed)
        }
    };
    match outcome {
        Outcome::Completed => Next::Terminal(TrialState::Completed),
        Outcome::Pruned => Next::Terminal(TrialState::Pruned),
        Outcome::Cancelled => Next::Terminal(TrialState::Cancelled),
        Outcome::Yielded => Next::Pause,
        Outcome::Preempted | Outcome::Lost if tally.without_progress < MAX_WITHOUT_PROGRESS => {
            Next::Requeue { delay_s: 0.0 }
        }
        // The worker pays for its own faults; the wait lets another worker take the trial.
        Outcome::WorkerFault if tally.without_progress < MAX_WITHOUT_PROGRESS => Next::Requeue {
            delay_s: backoff_s(tally.same_outcome),
        },
        Outcome::Preempted | Outcome::Lost | Outcome::WorkerFault => {
            Next::Terminal(TrialState::Failed)
        }
        Outcome::Crashed => retry_within(MAX_CRASHES),
        Outcome::Stalled => retry_within(MAX_STALLS),
        Outcome::OutOfMemory | Outcome::Diverged | Outcome::BadInput => {
            Next::Terminal(TrialState::Failed)
        }
    }
}

/// 1 s, 2 s, 4 s ... up to [`MAX_BACKOFF_S`]. The server adds jitter.
fn backoff_s(n_before: u32) -> f64 {
    f64::from(2_u32.saturating_pow(n_before)).min(MAX_BACKOFF_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome, same_outcome: u32, without_progress: u32, expect: Next) {
        assert_eq!(
            next(
                outcome,
                Tally {
                    same_outcome,
                    without_progress
                }
            ),
            expect,
            "{outcome:?}"
        );
    }

    #[test]
    fn costless_outcomes_requeue_while_there_is_progress() {
        check(Outcome::Preempted, 1000, 0, Next::Requeue { delay_s: 0.0 });
        check(
            Outcome::Lost,
            1000,
            MAX_WITHOUT_PROGRESS - 1,
            Next::Requeue { delay_s: 0.0 },
        );
        check(
            Outcome::Lost,
            0,
            MAX_WITHOUT_PROGRESS,
            Next::Terminal(TrialState::Failed),
        );
    }

    #[test]
    fn crashes_have_a_budget_and_back_off() {
        check(Outcome::Crashed, 0, 0, Next::Requeue { delay_s: 1.0 });
        check(Outcome::Crashed, 2, 2, Next::Requeue { delay_s: 4.0 });
        check(
            Outcome::Crashed,
            MAX_CRASHES,
            3,
            Next::Terminal(TrialState::Failed),
        );
    }

    #[test]
    fn nothing_retries_what_cannot_get_better() {
        for outcome in [Outcome::Diverged, Outcome::BadInput, Outcome::OutOfMemory] {
            check(outcome, 0, 0, Next::Terminal(TrialState::Failed));
        }
    }

    #[test]
    fn names_round_trip() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
        for state in TrialState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
