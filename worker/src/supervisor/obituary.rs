//! Why a trainer died, in a sentence.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a trainer ended.
#[derive(Clone, Debug)]
pub struct Obituary {
    /// For example: `trainer died from signal 9 (SIGKILL)`.
    pub cause: String,
    /// The last lines it wrote to its log.
    pub last_lines: Vec<String>,
}

impl Obituary {
    /// The cause with the last thing said, which is often the reason.
    pub fn summary(&self) -> String {
        match self
            .last_lines
            .iter()
            .rev()
            .find(|line| !line.trim().is_empty())
        {
            Some(line) => format!("{}; its last words: {}", self.cause, line.trim()),
            None => self.cause.clone(),
        }
    }
}

/// Words an exit. `rss_bytes` is the memory it was last seen with, of `total_bytes` there are.
pub fn cause(status: ExitStatus, rss_bytes: u64, total_bytes: Option<u64>) -> String {
    let Some(signal) = status.signal() else {
        let code = status.code().unwrap_or(-1);
        return format!("trainer exited with code {code}");
    };
    let mut text = match signal_name(signal) {
        Some(name) => format!("trainer died from signal {signal} ({name})"),
        None => format!("trainer died from signal {signal}"),
    };
    let is_kill = signal == rustix::process::Signal::KILL.as_raw();
    if is_kill && total_bytes.is_some_and(|total| rss_bytes >= total / 2) {
        let gib = rss_bytes as f64 / f64::from(1 << 30);
        text.push_str(&format!(
            "; it used {gib:.1} GiB, so this may be the kernel's out-of-memory killer"
        ));
    }
    text
}

fn signal_name(signal: i32) -> Option<&'static str> {
    use rustix::process::Signal;
    let names = [
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::ILL, "SIGILL"),
        (Signal::FPE, "SIGFPE"),
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::HUP, "SIGHUP"),
        (Signal::XCPU, "SIGXCPU"),
    ];
    let found = names.iter().find(|(known, _)| known.as_raw() == signal);
    found.map(|(_, name)| *name)
}

/// The memory of a process that is in RAM, in bytes.
pub fn rss_bytes(pid: u32) -> Option<u64> {
    field_kib(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// What there is to use: the machine's memory, or the container's share of it.
pub fn total_bytes() -> Option<u64> {
    let machine = field_kib("/proc/meminfo", "MemTotal:")?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max");
    let limit: Option<u64> = limit.ok().and_then(|text| text.trim().parse().ok());
    Some(limit.map_or(machine, |limit| limit.min(machine)))
}

/// What is free of it.
pub fn free_bytes() -> Option<u64> {
    let machine = field_kib("/proc/meminfo", "MemAvailable:")?;
    let number = |file: &str| -> Option<u64> {
        let text = std::fs::read_to_string(file).ok()?;
        text.trim().parse().ok()
    };
    let limit = number("/sys/fs/cgroup/memory.max");
    let used = number("/sys/fs/cgroup/memory.current");
    // Files that were read are counted as used, and given back to whoever needs memory.
    let cached = std::fs::read_to_string("/sys/fs/cgroup/memory.stat")
        .map_or(0, |text| inactive_file(&text));
    let left = limit
        .zip(used)
        .map(|(limit, used)| limit.saturating_sub(used.saturating_sub(cached)));
    Some(left.map_or(machine, |left| left.min(machine)))
}

/// Bytes of a control group's cache that nobody used lately.
fn inactive_file(stat: &str) -> u64 {
    let value = |line: &str| line.strip_prefix("inactive_file ")?.trim().parse().ok();
    stat.lines().find_map(value).unwrap_or(0)
}

fn field_kib(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_not_taken_memory() {
        let stat = "anon 7\nfile 900\nactive_file 100\ninactive_file 800\n";
        assert_eq!(inactive_file(stat), 800);
        assert_eq!(inactive_file("anon 7\n"), 0);
    }

    fn check(raw: i32, rss_bytes: u64, expect: &str) {
        let status = ExitStatus::from_raw(raw);
        assert_eq!(cause(status, rss_bytes, Some(8 << 30)), expect);
    }

    #[test]
    fn deaths_are_told_apart() {
        check(9, 0, "trainer died from signal 9 (SIGKILL)");
        check(6, 7 << 30, "trainer died from signal 6 (SIGABRT)");
        check(40, 0, "trainer died from signal 40");
        check(3 << 8, 0, "trainer exited with code 3");
        check(
            9,
            7 << 30,
            "trainer died from signal 9 (SIGKILL); it used 7.0 GiB, so this may be the kernel's out-of-memory killer",
        );
    }

    #[test]
    fn this_process_uses_some_of_the_memory() {
        let rss = rss_bytes(std::process::id()).unwrap();
        assert!(rss > 0 && rss < total_bytes().unwrap());
    }

    #[test]
    fn the_last_words_are_the_last_that_say_something() {
        let obituary = Obituary {
            cause: "trainer exited with code 1".into(),
            last_lines: vec!["terminate called".into(), "  ".into()],
        };
        assert_eq!(
            obituary.summary(),
            "trainer exited with code 1; its last words: terminate called"
        );
    }
}
