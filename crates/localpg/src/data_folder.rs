//! The data folder: made once, by one version of Postgres, and read only by that one.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::account::Account;
use crate::cluster::SUPERUSER;
use crate::error::IoContext;
use crate::{Binaries, Error};

/// The major version that made `data`, as its `PG_VERSION` says; none where there is no such folder yet.
///
/// # Errors
/// There are files, but not a cluster's.
pub(crate) fn made_by(data: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let holds_files = fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
            if holds_files {
                return Err(Error::NotACluster {
                    data: data.to_owned(),
                });
            }
            Ok(None)
        }
        Err(error) => Err(error).at("could not be read", data.join("PG_VERSION")),
    }
}

/// Makes `data` with an empty database in it. It appears under its name only when it is complete,
/// so that an interrupted attempt is simply repeated.
pub(crate) fn init(
    data: &Path,
    database: &str,
    fsync: bool,
    binaries: &Binaries,
    account: &Account,
) -> Result<(), Error> {
    let unfinished = data.with_extension("unfinished");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).at("could not be removed", unfinished);
        }
        _ => {}
    }
    let mut initdb = crate::cluster::command(binaries, account, "initdb");
    initdb.arg("--pgdata").arg(&unfinished).args([
        "--username",
        SUPERUSER,
        "--encoding=UTF8",
        "--locale=C",
        "--auth-local=trust",
        "--auth-host=reject",
        "--data-checksums",
    ]);
    if !fsync {
        initdb.arg("--no-sync");
    }
    finish(initdb, "initdb")?;
    create_database(&unfinished, database, fsync, binaries, account)?;
    // Absent, or empty: a folder somebody prepared.
    let _ = fs::remove_dir(data);
    fs::rename(&unfinished, data).at("could not be put in place", data)
}

/// In single-user mode, which needs neither a running server nor the client programs.
fn create_database(
    data: &Path,
    database: &str,
    fsync: bool,
    binaries: &Binaries,
    account: &Account,
) -> Result<(), Error> {
    let mut single = crate::cluster::command(binaries, account, "postgres");
    single.arg("--single").arg("-D").arg(data);
    single.args(["-c", "exit_on_error=on"]);
    if !fsync {
        single.args(["-c", "fsync=off"]);
    }
    single.arg("postgres");
    let quoted = database.replace('"', "\"\"");
    let statement = format!("CREATE DATABASE \"{quoted}\"\n");
    let input = data.with_extension("sql");
    fs::write(&input, statement).at("could not be written", &input)?;
    single.stdin(Stdio::from(
        fs::File::open(&input).at("could not be read", &input)?,
    ));
    let done = finish(single, "postgres --single");
    fs::remove_file(&input).at("could not be removed", &input)?;
    done
}

/// Runs a program to its end; what it said goes into the error.
pub(crate) fn finish(mut command: Command, program: &str) -> Result<(), Error> {
    let output = command
        .output()
        .at("could not be started", command.get_program())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    Err(Error::Program {
        program: program.to_owned(),
        said: match said.as_slice() {
            [] => format!("no message, {}", output.status),
            lines => lines.join("; "),
        },
    })
}
