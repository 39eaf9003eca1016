//! The command lines of servers and workers.

use std::path::Path;
use std::process::Command;

use cultivar_tests::process::program;

/// A server on a free port.
pub fn server(database: &str, home: &Path, lease_s: f64, heartbeat_s: f64) -> Command {
    let mut command = Command::new(program("cultivar-server"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .args(["--lease-s", &lease_s.to_string()])
        .args(["--heartbeat-s", &heartbeat_s.to_string()])
        .args(["--rate-limit", "0"])
        .env("DATABASE_URL", database)
        .env("CULTIVAR_HOME", home)
        .env("NO_COLOR", "1")
        .env_remove("CULTIVAR_LISTEN");
    command
}

/// A worker that trains `n_slots` trials at once.
pub fn worker(name: &str, n_slots: usize, url: &str, token: &str, home: &Path) -> Command {
    let mut command = Command::new(program("cultivar-worker"));
    command
        .args(["run", "--name", name, "--slots", &n_slots.to_string()])
        .env("CULTIVAR_URL", url)
        .env("CULTIVAR_TOKEN", token)
        .env("CULTIVAR_HOME", home);
    command
}

/// The address in a server's ready line.
pub fn address_of(log: &str) -> Option<String> {
    let line = log
        .lines()
        .find(|line| line.starts_with("CULTIVAR_READY "))?;
    let ready: serde_json::Value =
        serde_json::from_str(line.trim_start_matches("CULTIVAR_READY ")).ok()?;
    Some(
        ready["url"]
            .as_str()?
            .trim_start_matches("http://")
            .to_owned(),
    )
}
