//! The user Postgres runs as: the caller, or somebody unprivileged when the caller is root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::Error;
use crate::error::IoContext;

/// Who runs the cluster's programs and owns its files.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
    pub name: String,
    /// The caller is somebody else (root), so programs switch to this account and files are given to it.
    pub switch: bool,
}

impl Account {
    /// For the caller, as whom Postgres runs unless that is root. Root runs an existing folder as its
    /// owner, a new one as `postgres`, or as `nobody` where there is no such user.
    pub fn for_folder(folder: &Path) -> Result<Self, Error> {
        let uid = rustix::process::geteuid().as_raw();
        let owner = fs::metadata(folder)
            .ok()
            .map(|meta| (meta.uid(), meta.gid()));
        if uid != 0 {
            return match owner {
                Some((owner, _)) if owner != uid => Err(Error::OtherOwner {
                    folder: folder.to_owned(),
                    owner,
                }),
                _ => Ok(Self {
                    uid,
                    gid: rustix::process::getegid().as_raw(),
                    name: format!("uid {uid}"),
                    switch: false,
                }),
            };
        }
        match owner {
            Some((uid, gid)) if uid != 0 => Ok(Self {
                uid,
                gid,
                name: format!("uid {uid}"),
                switch: true,
            }),
            _ => ["postgres", "nobody"]
                .into_iter()
                .find_map(Self::lookup)
                .ok_or(Error::NoAccount),
        }
    }

    /// Asks `id`, which knows every name service and not only /etc/passwd.
    fn lookup(name: &str) -> Option<Self> {
        let ask = |flag: &str| -> Option<u32> {
            let output = Command::new("id").args([flag, name]).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        Some(Self {
            uid: ask("-u")?,
            gid: ask("-g")?,
            name: name.to_owned(),
            switch: true,
        })
    }

    /// Makes `command` run as this account. Setting the uid also drops root's supplementary groups.
    pub fn run_as<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Makes a folder of this account's own, closed to everybody else.
    pub fn make_private_folder(&self, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(folder).at("could not be made", folder)?;
        self.own(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .at("could not be closed to other users", folder)
    }

    /// Gives a file or folder to this account.
    pub fn own(&self, path: &Path) -> Result<(), Error> {
        if !self.switch {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .at("could not be given to the user Postgres runs as", path)
    }

    /// Checks that this account can walk down to `folder`, whose own permissions are not looked at.
    ///
    /// # Errors
    /// Names the topmost parent that is closed to it.
    pub fn check_reachable(&self, folder: &Path) -> Result<(), Error> {
        if !self.switch {
            return Ok(());
        }
        let mut parents: Vec<&Path> = folder.ancestors().skip(1).collect();
        parents.reverse();
        for parent in parents {
            let meta = fs::metadata(parent).at("could not be read", parent)?;
            let may_enter = match meta.mode() {
                mode if meta.uid() == self.uid => mode & 0o100,
                mode if meta.gid() == self.gid => mode & 0o010,
                mode => mode & 0o001,
            };
            if may_enter == 0 {
                return Err(Error::Unreachable {
                    folder: parent.to_owned(),
                    user: self.name.clone(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody() -> Account {
        Account {
            uid: 4242,
            gid: 4242,
            name: "somebody".into(),
            switch: true,
        }
    }

    #[test]
    fn a_closed_parent_is_named() {
        let root = tempfile::tempdir().unwrap();
        let closed = root.path().join("closed");
        let folder = closed.join("open/pg");
        fs::create_dir_all(&folder).unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
        };
        mode(root.path(), 0o755);
        mode(&closed, 0o755);
        somebody().check_reachable(&folder).unwrap();

        mode(&closed, 0o700);
        match somebody().check_reachable(&folder) {
            Err(Error::Unreachable { folder, user }) => {
                assert_eq!(folder, closed);
                assert_eq!(user, "somebody");
            }
            other => panic!("{other:?}"),
        }
    }
}
