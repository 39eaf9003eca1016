//! One builder at a time for what all trainers of a machine share.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::{DataError, Watch};

/// How often a waiting job shows that it is alive and looks for orders.
const PULSE: Duration = Duration::from_millis(500);

/// Takes the exclusive lock of the file at `path`, making the file if need be. The lock falls with the
/// returned handle, or with the process. While another process holds it, `watch` is called now and then.
///
/// # Errors
/// The file cannot be opened or locked, or `watch` gives up.
pub(crate) fn lock(path: &Path, watch: &mut Watch<'_>) -> Result<File, DataError> {
    let failed = |source| DataError::io(path, source);
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let (sender, locked) = mpsc::channel();
    // If the wait below is given up, this thread still gets the lock some time, and drops it at once.
    thread::spawn(move || {
        let outcome = file.lock().map(|()| file);
        let _ = sender.send(outcome);
    });
    loop {
        match locked.recv_timeout(PULSE) {
            Ok(outcome) => return outcome.map_err(failed),
            Err(RecvTimeoutError::Timeout) => watch(0, 0)?,
            Err(RecvTimeoutError::Disconnected) => {
                unreachable!("the thread sends before it ends")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cultivar_spec::trainer::StopWhy;

    use super::*;
    use crate::control::Stopped;

    #[test]
    fn a_held_lock_is_waited_for_and_the_wait_can_be_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path, &mut |_, _| Ok(())).unwrap();
        let given_up = lock(&path, &mut |_, _| Err(Stopped(StopWhy::Cancel)));
        assert!(matches!(given_up, Err(DataError::Stopped(_))));
        let mut held = Some(held);
        let taken = lock(&path, &mut |_, _| {
            held.take();
            Ok(())
        });
        assert!(taken.is_ok());
        assert!(held.is_none(), "the lock was had while another held it");
    }
}
