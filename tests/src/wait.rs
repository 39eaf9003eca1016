//! Waiting for a condition, with a deadline and a reason.

use std::future::Future;
use std::time::{Duration, Instant};

/// Asks `probe` until it answers `Some`.
///
/// # Panics
/// When `deadline` passes first, saying what was waited for.
pub async fn until<T, F, Fut>(what: &str, deadline: Duration, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            started.elapsed() < deadline,
            "waited {deadline:?} in vain for {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
