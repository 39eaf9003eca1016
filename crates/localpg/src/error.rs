use std::io;
use std::path::PathBuf;

use crate::OLDEST_MAJOR;

/// Why the private cluster could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "no PostgreSQL {OLDEST_MAJOR} or newer found (looked in {looked}): \
         run `apt-get install postgresql` (where that is an older one, `postgresql-{OLDEST_MAJOR}` from the PostgreSQL project's apt repository), or set CULTIVAR_PG_BIN to the folder that holds initdb, or DATABASE_URL to a running server"
    )]
    NoBinaries { looked: String },
    #[error(
        "PostgreSQL in {} is version {found}: {OLDEST_MAJOR} or newer is wanted", bin.display()
    )]
    TooOld { bin: PathBuf, found: u32 },
    #[error(
        "the data folder {} was made by PostgreSQL {made_by}, and PostgreSQL {found} in {} cannot read it: \
         run `apt-get install postgresql-{made_by}`, or move the folder away to start empty",
        data.display(), bin.display()
    )]
    OtherMajor {
        data: PathBuf,
        made_by: String,
        found: u32,
        bin: PathBuf,
    },
    #[error("{} is in use by process {pid}: stop that one first, or choose another data folder", folder.display())]
    Locked { folder: PathBuf, pid: String },
    #[error(
        "PostgreSQL does not run as root, and {} is closed to the user {user} it would run as: \
         choose a data folder outside it, or run `chmod o+x {}`",
        folder.display(), folder.display()
    )]
    Unreachable { folder: PathBuf, user: String },
    #[error("{} belongs to another user (uid {owner}): run as that user or as root, or choose another data folder", folder.display())]
    OtherOwner { folder: PathBuf, owner: u32 },
    #[error(
        "PostgreSQL does not run as root, and this machine has neither a user `postgres` nor a user `nobody` to run it as"
    )]
    NoAccount,
    #[error("the socket folder {} must be a folder of uid {uid} with mode 0700: remove it and try again", folder.display())]
    UnsafeSocketFolder { folder: PathBuf, uid: u32 },
    #[error("{} is not a data folder that PostgreSQL finished making: move it away and try again", data.display())]
    NotACluster { data: PathBuf },
    #[error("{program} failed: {said}")]
    Program { program: String, said: String },
    #[error("{} {what}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// Puts a path and what was tried beside an I/O error.
pub(crate) trait IoContext<T> {
    fn at(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            what,
            path: path.into(),
            source,
        })
    }
}
