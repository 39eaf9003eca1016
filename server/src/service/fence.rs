//! The fence: what the holder of a lease may still write (I3).

use cultivar_spec::wire::{Event, JobKind};
use cultivar_spec::{LeaseId, Outcome, TrialState};
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::store;
use crate::store::attempt::{Busy, Held};

/// How a lease stands. The trial stays locked, so it stands so until the transaction ends.
pub enum Standing {
    /// It holds the trial; all it writes counts.
    Active(Held),
    /// Its own finish was accepted; nothing more counts.
    Finished(Held),
    /// The trial went on without it.
    Superseded(Held),
}

/// Locks the trial behind a lease and says how the lease stands.
///
/// # Errors
/// There is no such lease.
pub async fn enter(
    conn: &mut PgConnection,
    lease: LeaseId,
    metrics: &Metrics,
) -> Result<Standing, ApiError> {
    let held = store::attempt::lock(conn, &[lease], Busy::Wait).await?;
    let held = held.into_iter().next();
    let held = held.ok_or_else(|| ApiError::no_such("lease", lease))?;
    stand(conn, held, metrics).await
}

/// How a locked lease stands. One that ran out, and that nobody has taken over, is taken up again: its holder is here, and its
/// work need not be done twice.
///
/// # Errors
/// The database is out of reach.
pub async fn stand(
    conn: &mut PgConnection,
    mut held: Held,
    metrics: &Metrics,
) -> Result<Standing, ApiError> {
    match held.outcome {
        None => Ok(Standing::Active(held)),
        Some(_) if cfg!(feature = "broken-fence") => Ok(Standing::Active(held)),
        Some(_) if held.finish.is_some() => Ok(Standing::Finished(held)),
        Some(Outcome::Lost) if held.epoch == held.last_epoch && waits(conn, &held).await? => {
            revive(conn, &held).await?;
            metrics.revived_leases.inc();
            held.outcome = None;
            if held.job == JobKind::Train {
                held.state = TrialState::Running;
            }
            Ok(Standing::Active(held))
        }
        Some(_) => Ok(Standing::Superseded(held)),
    }
}

/// Whether the job waits in the queue for a next attempt.
async fn waits(conn: &mut PgConnection, held: &Held) -> Result<bool, ApiError> {
    Ok(match (held.job, held.split) {
        (JobKind::Evaluate, Some(split)) => {
            let evaluation = store::evaluation::find(conn, held.trial, split).await?;
            evaluation.is_some_and(|evaluation| evaluation.state == TrialState::Queued)
        }
        _ => held.state == TrialState::Queued,
    })
}

async fn revive(conn: &mut PgConnection, held: &Held) -> Result<(), ApiError> {
    store::queue::remove(conn, held.trial, held.job, held.split).await?;
    store::attempt::revive(conn, held.lease).await?;
    match (held.job, held.split) {
        (JobKind::Evaluate, Some(split)) => {
            store::evaluation::set_state(conn, held.trial, split, TrialState::Running, None)
                .await?;
        }
        _ => {
            store::trial::set_state(conn, held.trial, TrialState::Running, None).await?;
            let event = Event::Trial {
                trial: held.trial,
                sweep: held.sweep,
                dataset: held.dataset.clone(),
                state: TrialState::Running,
            };
            store::event::append(conn, &[event]).await?;
        }
    }
    Ok(())
}
