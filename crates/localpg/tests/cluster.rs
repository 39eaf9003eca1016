//! With real Postgres. Where the tests run as root, one of them runs all of them again as `nobody`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cultivar_localpg::{Cluster, Config, Error, Origin};
use tempfile::TempDir;

/// A folder every user can walk to.
fn home() -> TempDir {
    let home = tempfile::Builder::new()
        .prefix("pg")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    home
}

fn config(home: &TempDir) -> Config {
    Config {
        fsync: false,
        ..Config::new(home.path().join("pg"), "cultivar")
    }
}

fn sql(cluster: &Cluster, statement: &str) -> String {
    let output = Command::new(cluster.binaries().bin.join("psql"))
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement])
        .arg(cluster.url("cultivar"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn url_host(url: &str) -> &str {
    let (_, host) = url.split_once("?host=").unwrap();
    host.split('&').next().unwrap()
}

fn postmaster_pid(folder: &Path) -> Option<u32> {
    let text = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    text.lines().next()?.parse().ok()
}

fn kill_9(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "never saw: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn data_outlives_a_clean_stop() {
    let home = home();
    let cluster = Cluster::start(&config(&home)).unwrap();
    assert_eq!(cluster.origin(), Origin::Made);
    sql(&cluster, "CREATE TABLE kept AS SELECT 42 AS answer");
    assert_eq!(sql(&cluster, "SHOW listen_addresses"), "");
    assert_eq!(sql(&cluster, "SHOW server_encoding"), "UTF8");
    cluster.stop().unwrap();
    assert_eq!(postmaster_pid(&config(&home).folder), None);

    let cluster = Cluster::start(&config(&home)).unwrap();
    assert_eq!(cluster.origin(), Origin::Started);
    assert_eq!(sql(&cluster, "SELECT answer FROM kept"), "42");
}

#[test]
fn fsync_is_on_unless_a_test_says_otherwise() {
    let home = home();
    let durable = Config::new(home.path().join("pg"), "cultivar");
    let cluster = Cluster::start(&durable).unwrap();
    assert_eq!(sql(&cluster, "SHOW fsync"), "on");
    assert_eq!(sql(&cluster, "SHOW data_checksums"), "on");
    cluster.stop().unwrap();
    let cluster = Cluster::start(&config(&home)).unwrap();
    assert_eq!(sql(&cluster, "SHOW fsync"), "off");
}

#[test]
fn a_killed_postmaster_is_recovered_from() {
    let home = home();
    let cluster = Cluster::start(&config(&home)).unwrap();
    sql(&cluster, "CREATE TABLE kept AS SELECT 42 AS answer");
    kill_9(postmaster_pid(&config(&home).folder).unwrap());
    drop(cluster);
    let cluster = Cluster::start(&config(&home)).unwrap();
    assert_eq!(cluster.origin(), Origin::Started);
    assert_eq!(sql(&cluster, "SELECT answer FROM kept"), "42");
}

#[test]
fn a_pid_file_that_names_a_stranger_is_ignored() {
    let home = home();
    Cluster::start(&config(&home)).unwrap().stop().unwrap();
    let folder = config(&home).folder;
    let stranger = std::process::id();
    let left_over = format!(
        "{stranger}\n{}\n1\n5432\n/nowhere\n\n 1 1\nready\n",
        folder.display()
    );
    fs::write(folder.join("data/postmaster.pid"), left_over).unwrap();
    fs::write(
        folder.join("run/.s.PGSQL.5432.lock"),
        format!("{stranger}\n"),
    )
    .unwrap();
    let cluster = Cluster::start(&config(&home)).unwrap();
    assert_eq!(cluster.origin(), Origin::Started);
}

/// The other half of `an_orphan_is_adopted`: starts a cluster and waits to be killed.
#[test]
#[ignore = "run by another test"]
fn owner_to_be_killed() {
    let folder = PathBuf::from(std::env::var_os("OWNED_FOLDER").unwrap());
    let config = Config {
        fsync: false,
        ..Config::new(folder.clone(), "cultivar")
    };
    let _cluster = Cluster::start(&config).unwrap();
    fs::write(folder.with_extension("started"), "").unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn an_orphan_is_adopted() {
    let home = home();
    let folder = config(&home).folder;
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner_to_be_killed", "--ignored"])
        .env("OWNED_FOLDER", &folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the owner's cluster", || {
        folder.with_extension("started").exists()
    });
    let pid = postmaster_pid(&folder);

    match Cluster::start(&config(&home)) {
        Err(Error::Locked { pid, .. }) => assert_eq!(pid, owner.id().to_string()),
        other => panic!("two owners: {other:?}"),
    }

    owner.kill().unwrap();
    owner.wait().unwrap();
    let cluster = Cluster::adopt(&config(&home)).unwrap().unwrap();
    assert_eq!(cluster.origin(), Origin::Adopted);
    assert_eq!(postmaster_pid(&folder), pid);
    assert_eq!(sql(&cluster, "SELECT 1"), "1");
    cluster.stop().unwrap();
    assert_eq!(postmaster_pid(&folder), None);
    assert!(Cluster::adopt(&config(&home)).unwrap().is_none());
}

#[test]
fn data_of_another_major_version_is_refused_with_a_sentence() {
    let home = home();
    Cluster::start(&config(&home)).unwrap().stop().unwrap();
    let version = config(&home).folder.join("data/PG_VERSION");
    fs::write(&version, "11\n").unwrap();
    let error = Cluster::start(&config(&home)).unwrap_err();
    assert!(matches!(error, Error::OtherMajor { .. }), "{error:?}");
    let said = error.to_string();
    assert!(
        said.contains("made by PostgreSQL 11") && said.contains("postgresql-11"),
        "{said}"
    );
}

#[test]
fn strange_files_are_not_overwritten() {
    let home = home();
    let data = config(&home).folder.join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("thesis.txt"), "years of work").unwrap();
    let error = Cluster::start(&config(&home)).unwrap_err();
    assert!(matches!(error, Error::NotACluster { .. }), "{error:?}");
    assert!(data.join("thesis.txt").exists());
}

#[test]
fn a_path_too_long_for_a_socket_still_works() {
    let home = home();
    let long = home.path().join("long/".repeat(30));
    fs::create_dir_all(&long).unwrap();
    let config = Config {
        fsync: false,
        ..Config::new(long.join("pg"), "cultivar")
    };
    let cluster = Cluster::start(&config).unwrap();
    assert_eq!(sql(&cluster, "SELECT 1"), "1");
    let url = cluster.url("cultivar");
    cluster.stop().unwrap();
    let socket_folder = url_host(&url);
    assert!(
        socket_folder.starts_with("/tmp/cultivar-"),
        "{socket_folder}"
    );
    // Kept by the cluster, which will want it again.
    fs::remove_dir(socket_folder).unwrap();
}

#[test]
fn an_odd_folder_name_still_works() {
    let home = home();
    let config = Config {
        fsync: false,
        ..Config::new(home.path().join("it's a \"b\" & $HOME"), "cultivar")
    };
    let cluster = Cluster::start(&config).unwrap();
    assert_eq!(sql(&cluster, "SELECT 1"), "1");
}

#[test]
fn root_runs_it_as_somebody_else() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = home();
    let cluster = Cluster::start(&config(&home)).unwrap();
    let data = fs::metadata(config(&home).folder.join("data")).unwrap();
    assert_ne!(data.uid(), 0);
    assert_eq!(data.mode() & 0o777, 0o700);
    assert_eq!(sql(&cluster, "SELECT 1"), "1");
    cluster.stop().unwrap();

    // A parent closed to that user.
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    match Cluster::start(&config(&home)) {
        Err(Error::Unreachable { folder, .. }) => {
            assert_eq!(folder, fs::canonicalize(home.path()).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_runs_without_root() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--test-threads", "2"])
        .uid(65534)
        .gid(65534)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
