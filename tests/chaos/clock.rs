//! Wall clocks that are wrong: a process starts with libfaketime before its C library. Its monotonic clock stays
//! true, and so do the times of its files, as after a jump of the machine's clock.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use rustix::process::Pid;

/// Of this many minutes a clock is right.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);
const SHARED_MEMORY: &str = "/dev/shm";

/// The library, the one for programs of several threads.
///
/// # Errors
/// It is not installed where distributions put it.
pub fn library() -> anyhow::Result<PathBuf> {
    let multiarch = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let folders = ["/usr/lib64", "/usr/local/lib", "/usr/lib"].map(PathBuf::from);
    folders
        .into_iter()
        .chain(multiarch.map(|entry| entry.path()))
        .map(|folder| folder.join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .context("libfaketime is missing (Debian/Ubuntu: apt-get install libfaketime)")
}

/// Lets a program start `hours` ahead, or behind.
pub fn shift(command: &mut Command, library: &PathBuf, hours: i64) {
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME", format!("{hours:+}h"))
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1");
}

/// What libfaketime leaves of a process that was killed.
pub fn clean_up(pid: Pid) {
    let pid = pid.as_raw_nonzero();
    for name in [
        format!("faketime_shm_{pid}"),
        format!("sem.faketime_sem_{pid}"),
    ] {
        // One whose clock was right has left nothing.
        let _ = fs::remove_file(PathBuf::from(SHARED_MEMORY).join(name));
    }
}

/// Whether a log that has just begun is dated as `hours` say; none before its first dated line.
pub fn is_shown(log: &str, hours: i64) -> Option<bool> {
    let mut words = log.split_whitespace();
    let dated = words.find_map(|word| DateTime::parse_from_rfc3339(word).ok())?;
    let off = dated.to_utc() - (Utc::now() + TimeDelta::hours(hours));
    Some(off.abs() < TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_shows_the_clock_it_was_written_by() {
        assert_eq!(is_shown("READY {}\n", 5), None);
        let log = format!("{} INFO starts\n", Utc::now().to_rfc3339());
        assert_eq!(is_shown(&log, 0), Some(true));
        assert_eq!(is_shown(&log, -30), Some(false));
    }
}
