//! Where `initdb`, `postgres` and `pg_ctl` are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// The oldest major version Cultivar's schema runs on.
pub const OLDEST_MAJOR: u32 = 15;

/// One installed version of Postgres.
#[derive(Clone, Debug, PartialEq)]
pub struct Binaries {
    /// The folder of `initdb`, `postgres` and `pg_ctl`.
    pub bin: PathBuf,
    pub major: u32,
}

impl Binaries {
    /// Finds the programs: `chosen` if given, else `CULTIVAR_PG_BIN`, else the newest of Debian's
    /// folders, else what `PATH` or `pg_config` lead to. An installed version that made an existing
    /// data folder (`made_by`) goes before a newer one.
    ///
    /// # Errors
    /// Nothing suitable is installed; the message says what to install.
    pub fn find(chosen: Option<&Path>, made_by: Option<u32>) -> Result<Self, Error> {
        let chosen = chosen
            .map(Path::to_owned)
            .or_else(|| env::var_os("CULTIVAR_PG_BIN").map(PathBuf::from));
        if let Some(bin) = chosen {
            let found = Self::in_folder(&bin).ok_or_else(|| Error::NoBinaries {
                looked: bin.display().to_string(),
            })?;
            return if found.major < OLDEST_MAJOR {
                Err(Error::TooOld {
                    bin,
                    found: found.major,
                })
            } else {
                Ok(found)
            };
        }
        let installed: Vec<Self> = debian_folders()
            .into_iter()
            .chain(on_path())
            .chain(pg_config_folder())
            .filter_map(|bin| Self::in_folder(&bin))
            .filter(|found| found.major >= OLDEST_MAJOR)
            .collect();
        best(installed, made_by).ok_or_else(|| Error::NoBinaries {
            looked: "/usr/lib/postgresql/*/bin, PATH, pg_config".into(),
        })
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    fn in_folder(bin: &Path) -> Option<Self> {
        let complete = ["initdb", "pg_ctl"]
            .iter()
            .all(|name| bin.join(name).is_file());
        let output = Command::new(bin.join("postgres")).arg("--version").output();
        let said = String::from_utf8(output.ok()?.stdout).ok()?;
        complete.then_some(Self {
            bin: bin.to_owned(),
            major: major_of(&said)?,
        })
    }
}

/// The first with the wanted major version, else the newest; the earlier of equals.
fn best(installed: Vec<Binaries>, made_by: Option<u32>) -> Option<Binaries> {
    let rank = |found: &Binaries| (Some(found.major) == made_by, found.major);
    installed.into_iter().rev().max_by_key(rank)
}

/// `postgres (PostgreSQL) 15.18 (Debian ...)` -> 15. Also reads `17beta1` and `18devel`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn debian_folders() -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect()
}

fn on_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|folder| folder.join("initdb").is_file())
        .collect()
}

fn pg_config_folder() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bin: &str, major: u32) -> Binaries {
        Binaries {
            bin: bin.into(),
            major,
        }
    }

    #[test]
    fn versions_as_postgres_prints_them() {
        let check = |said: &str, expect| assert_eq!(major_of(said), expect, "{said}");
        check(
            "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
            Some(15),
        );
        check("postgres (PostgreSQL) 18devel\n", Some(18));
        check("bash 5.2", None);
    }

    #[test]
    fn the_version_that_made_the_data_goes_before_the_newest() {
        let installed = || vec![at("a", 15), at("b", 17), at("c", 16), at("d", 17)];
        assert_eq!(best(installed(), None), Some(at("b", 17)));
        assert_eq!(best(installed(), Some(16)), Some(at("c", 16)));
        assert_eq!(best(installed(), Some(14)), Some(at("b", 17)));
        assert_eq!(best(Vec::new(), None), None);
    }

    #[test]
    fn an_empty_folder_is_refused_with_the_remedy() {
        let empty = tempfile::tempdir().unwrap();
        let error = Binaries::find(Some(empty.path()), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("apt-get install postgresql"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
