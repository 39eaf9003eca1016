//! `cultivar up` with stand-ins for server and worker, which record what is done to them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

const SERVER: &str = r#"#!/bin/sh
echo $$ > "$CULTIVAR_HOME/server.pid"
echo "$DATABASE_URL" > "$CULTIVAR_HOME/database-url"
echo cvt_admin > "$CULTIVAR_HOME/admin-token"
echo cvt_secret > "$CULTIVAR_HOME/worker-token"
trap 'echo server >> "$CULTIVAR_HOME/order"; exit 0' TERM
echo 'CULTIVAR_READY {"url": "http://127.0.0.1:1", "login_url": "http://127.0.0.1:1/#login=abc"}'
while :; do sleep 0.05; done
"#;

const WORKER: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo 'cultivar-worker 0'; exit; fi
echo "$1 $CULTIVAR_TOKEN $CULTIVAR_URL ${DATABASE_URL:-none}" > "$CULTIVAR_HOME/worker.args"
trap 'echo worker >> "$CULTIVAR_HOME/order"; exit 0' TERM
echo $$ > "$CULTIVAR_HOME/worker.pid"
while :; do sleep 0.05; done
"#;

struct Stage {
    folder: TempDir,
}

impl Stage {
    fn new(server: &str, worker: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("up")
            .tempdir_in("/tmp")
            .unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (name, text) in [("server", server), ("worker", worker)] {
            let path = folder.path().join(format!("cultivar-{name}"));
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir_all(folder.path().join("home")).unwrap();
        Self { folder }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cultivar"));
        command
            .args(args)
            .env("CULTIVAR_HOME", self.home())
            .env(
                "CULTIVAR_SERVER_BIN",
                self.folder.path().join("cultivar-server"),
            )
            .env(
                "CULTIVAR_WORKER_BIN",
                self.folder.path().join("cultivar-worker"),
            )
            .env("DATABASE_URL", "postgres:///somewhere")
            .env_remove("CULTIVAR_LISTEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn up(&self) -> Child {
        self.command(&["up"]).spawn().unwrap()
    }

    fn read(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.home().join(name)).ok()?;
        // Written, and not only opened.
        text.ends_with('\n').then(|| text.trim_end().to_owned())
    }

    fn await_file(&self, name: &str) -> String {
        wait_for(name, || self.read(name))
    }
}

fn wait_for<T>(what: &str, probe: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "never saw {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

/// Gone, or a zombie that nobody reaps.
fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    let state = stat.map(|stat| stat.rsplit(") ").next().unwrap_or_default().to_owned());
    state.is_ok_and(|state| state.starts_with('Z')) || test_kill_process(pid).is_err()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn ctrl_c_ends_workers_before_the_server() {
    let stage = Stage::new(SERVER, WORKER);
    let up = stage.up();
    stage.await_file("worker.pid");
    assert_eq!(
        stage.await_file("worker.args"),
        "run cvt_secret http://127.0.0.1:1 none"
    );
    assert_eq!(stage.await_file("database-url"), "postgres:///somewhere");
    signal(&up, Signal::INT);
    let output = up.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(stage.await_file("order"), "worker\nserver");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("http://127.0.0.1:1/#login=abc"), "{told}");
}

#[test]
fn children_do_not_outlive_it() {
    let stage = Stage::new(SERVER, WORKER);
    let mut up = stage.up();
    let children = ["worker.pid", "server.pid"].map(|file| pid(&stage.await_file(file)));
    up.kill().unwrap();
    up.wait().unwrap();
    for child in children {
        wait_for("the end of a child", || is_gone(child).then_some(()));
    }
}

#[test]
fn a_worker_that_dies_is_started_again() {
    let stage = Stage::new(SERVER, WORKER);
    let up = stage.up();
    let first = stage.await_file("worker.pid");
    kill_process(pid(&first), Signal::KILL).unwrap();
    wait_for("another worker", || {
        stage.read("worker.pid").filter(|pid| *pid != first)
    });
    signal(&up, Signal::TERM);
    let output = up.wait_with_output().unwrap();
    let said = said(&output);
    assert!(
        said.contains("worker-0 ended (signal: 9 (SIGKILL)): see "),
        "{said}"
    );
    assert!(said.contains("worker-0 starts again in 1 s"), "{said}");
}

#[test]
fn a_server_that_cannot_start_says_why_in_one_line() {
    let server = "#!/bin/sh\necho 'cultivar-server: cannot listen on 127.0.0.1:7878: Address already in use' >&2\nexit 1\n";
    let stage = Stage::new(server, WORKER);
    let output = stage.up().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output),
        "cultivar: server: cannot listen on 127.0.0.1:7878: Address already in use\n"
    );
    assert_eq!(stage.read("worker.pid"), None);
}

#[test]
fn a_missing_libtorch_is_found_before_anything_starts() {
    let worker = "#!/bin/sh\necho \"$0: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file\" >&2\nexit 127\n";
    let stage = Stage::new(SERVER, worker);
    let output = stage.up().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("libtorch_cpu.so: run `make setup`"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(stage.read("server.pid"), None);
}

#[test]
fn two_on_one_folder_do_not_fight_and_down_ends_the_first() {
    let stage = Stage::new(SERVER, WORKER);
    let up = stage.up();
    stage.await_file("worker.pid");
    let second = stage.up().wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        said(&second).contains("already runs on this data folder"),
        "{}",
        said(&second)
    );

    let down = stage.command(&["down"]).output().unwrap();
    assert!(down.status.success(), "{}", said(&down));
    let output = up.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let again = stage.command(&["down"]).output().unwrap();
    let told = String::from_utf8_lossy(&again.stdout);
    assert!(told.contains("nothing was running"), "{told}");
}

#[test]
fn without_a_database_url_it_brings_postgres_and_adopts_it_after_a_kill() {
    let stage = Stage::new(SERVER, WORKER);
    let postmaster = stage.home().join("pg/data/postmaster.pid");
    let own = |args: &[&str]| {
        let mut command = stage.command(args);
        command.env_remove("DATABASE_URL");
        command.spawn().unwrap()
    };
    let mut up = own(&["up"]);
    stage.await_file("worker.pid");
    let url = stage.await_file("database-url");
    assert!(url.starts_with("postgres:///cultivar?host=/"), "{url}");
    up.kill().unwrap();
    up.wait().unwrap();
    assert!(postmaster.exists(), "Postgres outlives a killed owner");

    fs::remove_file(stage.home().join("worker.pid")).unwrap();
    let up = own(&["up", "--json"]);
    stage.await_file("worker.pid");
    signal(&up, Signal::TERM);
    let output = up.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        told.contains("\"login_url\":\"http://127.0.0.1:1/#login=abc\""),
        "{told}"
    );
    assert!(!postmaster.exists(), "Postgres is stopped with its owner");
}
