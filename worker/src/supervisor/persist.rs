//! Saying something to the server until it has heard: results outlive a server that is away, up to the
//! loss of the lease.

use std::time::Duration;

use cultivar_client::{Backoff, Error};
use cultivar_spec::wire::Order;
use tokio::time::Instant;

use super::leases::Hold;

const MAX_WAIT: Duration = Duration::from_secs(5);
/// How long a server may answer nothing but that something is wrong with it.
const MAX_FAULT: Duration = Duration::from_secs(600);

/// The server will not hear it.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    #[error("the trial went on without this lease")]
    Lost,
    #[error(transparent)]
    Refused(#[from] Error),
}

/// Repeats a call until it is answered, for as long as the lease is not lost. A fault of the server's, such as a full disk, may
/// be mended meanwhile, and is waited out for a time.
///
/// # Errors
/// The lease is lost, or the answer is a refusal that trying again does not mend.
pub async fn persist<T, F>(hold: &Hold, call: impl Fn() -> F) -> Result<T, Undelivered>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut backoff = Backoff::new(MAX_WAIT);
    let mut fault_since = None;
    loop {
        if hold.is_lost() {
            return Err(Undelivered::Lost);
        }
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if error.is_superseded() {
            hold.obey(Order::Unknown);
            return Err(Undelivered::Lost);
        }
        if error.is_server_fault() {
            let since = *fault_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= MAX_FAULT {
                return Err(error.into());
            }
            tracing::warn!(%error, "the server is in trouble: trying again");
        } else if error.is_transient() {
            fault_since = None;
        } else {
            return Err(error.into());
        }
        tracing::debug!(%error, "saying it again later");
        let wait = backoff.next(&mut rand::rng());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = hold.lost() => {}
        }
    }
}

/// As [`persist`], and gives up a call under way when the lease is lost: for files, which take long.
///
/// # Errors
/// As [`persist`].
pub async fn persist_file<T, F>(hold: &Hold, call: impl Fn() -> F) -> Result<T, Undelivered>
where
    F: Future<Output = Result<T, Error>>,
{
    tokio::select! {
        done = persist(hold, call) => done,
        () = hold.lost() => Err(Undelivered::Lost),
    }
}
