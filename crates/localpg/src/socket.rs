//! A folder for the Unix socket whose path is short enough for the kernel.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Error;
use crate::account::Account;
use crate::error::IoContext;

/// `sun_path` holds 108 bytes on Linux and 104 elsewhere, the final NUL included; clients add to it.
const MAX_PATH_BYTES: usize = 100;
const SOCKET_FILE: &str = "/.s.PGSQL.5432";

/// Chooses and makes the socket folder: `run` inside the cluster's folder or, where that path does not
/// serve, a folder named by a hash of it in the runtime folder or /tmp. Mode 0700, the account's own:
/// entering it is the only password there is.
///
/// # Errors
/// Somebody else made a folder of that name in /tmp first.
pub(crate) fn make_folder(cluster: &Path, account: &Account) -> Result<PathBuf, Error> {
    // Another account could not enter the caller's runtime folder.
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| !account.switch && folder.is_dir());
    let folder = choose_folder(cluster, runtime.as_deref());
    let made = fs::DirBuilder::new().mode(0o700).create(&folder);
    match made {
        Ok(()) => account.own(&folder)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).at("could not be made", &folder),
    }
    // Not followed: a link in /tmp may lead anywhere.
    let meta = fs::symlink_metadata(&folder).at("could not be read", &folder)?;
    let ours = meta.is_dir() && meta.uid() == account.uid && meta.mode() & 0o777 == 0o700;
    if ours {
        Ok(folder)
    } else {
        Err(Error::UnsafeSocketFolder {
            folder,
            uid: account.uid,
        })
    }
}

fn choose_folder(cluster: &Path, runtime: Option<&Path>) -> PathBuf {
    let inside = cluster.join("run");
    let hash = hex::encode(Sha256::digest(cluster.as_os_str().as_encoded_bytes()));
    let named = format!("cultivar-{}", &hash[..16]);
    let in_runtime = runtime.map(|runtime| runtime.join(&named));
    let in_tmp = Path::new("/tmp").join(&named);
    [Some(inside), in_runtime]
        .into_iter()
        .flatten()
        .find(|folder| serves(folder))
        .unwrap_or(in_tmp)
}

/// Short enough, and without a comma, at which libpq would part it into several hosts.
fn serves(folder: &Path) -> bool {
    let path = folder.as_os_str().as_encoded_bytes();
    path.len() + SOCKET_FILE.len() < MAX_PATH_BYTES && !path.contains(&b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_moves_to_a_short_folder() {
        let long = PathBuf::from(format!("/data/{}", "x".repeat(90)));
        let check = |cluster: &Path, runtime: Option<&str>, expect: &str| {
            let folder = choose_folder(cluster, runtime.map(Path::new));
            let folder = folder.to_str().unwrap();
            assert!(folder.starts_with(expect), "{folder} for {cluster:?}");
            assert!(folder.len() + SOCKET_FILE.len() < MAX_PATH_BYTES);
        };
        check(Path::new("/data/pg"), Some("/run/user/1"), "/data/pg/run");
        check(&long, Some("/run/user/1"), "/run/user/1/cultivar-");
        check(&long, Some(long.to_str().unwrap()), "/tmp/cultivar-");
        check(&long, None, "/tmp/cultivar-");
        check(Path::new("/data,old/pg"), None, "/tmp/cultivar-");
    }

    #[test]
    fn two_clusters_have_two_folders() {
        let long =
            |tail: &str| choose_folder(Path::new(&"/y".repeat(60)).join(tail).as_path(), None);
        assert_ne!(long("a"), long("b"));
    }
}
