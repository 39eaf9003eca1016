//! Who is running in a data folder: the postmaster that `postmaster.pid` names, and orphans.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// A running postmaster, as its `postmaster.pid` describes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Postmaster {
    pub pid: u32,
    pub socket_folder: PathBuf,
    pub ready: bool,
}

/// The live postmaster of `data`; none when the pid file is absent or left over. A pid alone proves
/// nothing, since another process may have it by now, so its working folder must be `data`.
pub(crate) fn running(data: &Path) -> Option<Postmaster> {
    let data = fs::canonicalize(data).ok()?;
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let postmaster = parse(&text)?;
    lives_in(postmaster.pid, &data).then_some(postmaster)
}

/// Lines: pid, data folder, start time, port, socket folder, TCP address, shared memory key, status.
fn parse(text: &str) -> Option<Postmaster> {
    let lines: Vec<&str> = text.lines().collect();
    Some(Postmaster {
        pid: lines.first()?.trim().parse().ok()?,
        socket_folder: PathBuf::from(lines.get(4).copied().unwrap_or_default()),
        ready: lines.get(7).is_some_and(|status| status.trim() == "ready"),
    })
}

/// Backends that outlived their postmaster (kill -9). Until they are gone their shared memory
/// keeps a new postmaster from starting.
pub(crate) fn orphans(data: &Path) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| is_postgres_in(pid, data))
        .collect()
}

/// SIGQUIT: leave at once. With the postmaster dead, crash recovery follows in any case.
pub(crate) fn quit_at_once(pid: u32) {
    if let Some(pid) = raw(pid) {
        // It may have left by itself meanwhile.
        let _ = kill_process(pid, Signal::QUIT);
    }
}

fn lives_in(pid: u32, data: &Path) -> bool {
    if Path::new("/proc/self/cwd").exists() {
        is_postgres_in(pid, data)
    } else {
        raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
    }
}

fn is_postgres_in(pid: u32, data: &Path) -> bool {
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
    let postgres = link("exe").is_some_and(|exe| {
        // An upgraded package leaves "postgres (deleted)".
        exe.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("postgres"))
    });
    postgres && link("cwd").is_some_and(|cwd| cwd == data)
}

fn raw(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "4711\n/data\n1700000000\n5432\n/run/pg\n\n  5432001    32768\nready   \n";

    #[test]
    fn a_pid_file_as_postgres_writes_it() {
        let expect = Postmaster {
            pid: 4711,
            socket_folder: "/run/pg".into(),
            ready: true,
        };
        assert_eq!(parse(FILE), Some(expect.clone()));
        let starting = FILE.replace("ready   ", "starting");
        assert_eq!(parse(&starting).map(|p| p.ready), Some(false));
        assert_eq!(parse("").map(|p| p.pid), None);
    }

    #[test]
    fn a_pid_that_is_somebody_else_is_left_over() {
        let data = tempfile::tempdir().unwrap();
        let file = FILE.replace("4711", &std::process::id().to_string());
        fs::write(data.path().join("postmaster.pid"), file).unwrap();
        assert_eq!(running(data.path()), None);
    }
}
