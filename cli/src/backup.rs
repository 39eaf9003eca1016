//! `cultivar backup` and `cultivar restore`: the server's own, on the database that is in force here.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use cultivar_localpg::{Cluster, Config};
use tokio::process::Command;

use crate::home::Home;
use crate::up::{self, Guarded};

/// Write database and artifacts to a folder
///
/// The folder is empty, missing, or an earlier backup, which is brought up to date. What runs goes on.
#[derive(Args, Debug)]
pub struct Backup {
    folder: PathBuf,
}

/// Verify a backup and put it into an empty database and data folder
#[derive(Args, Debug)]
pub struct Restore {
    folder: PathBuf,
}

/// # Errors
/// The database cannot be reached or the server's program fails; it says why itself.
pub async fn backup(args: &Backup, home: &Home) -> anyhow::Result<()> {
    let folder = absolute(&args.folder)?;
    // A private cluster that runs is somebody else's to stop.
    let running = match named_database() {
        Some(url) => Some(url),
        None => Cluster::running_url(&Config::new(home.postgres(), up::DATABASE)),
    };
    match running {
        Some(url) => server("backup", &folder, home, &url).await,
        None if !home.postgres().exists() => bail!(
            "there is nothing to keep in {}, and DATABASE_URL is not set",
            home.path().display()
        ),
        None => with_cluster("backup", &folder, home).await,
    }
}

/// # Errors
/// The private cluster is in use, or the server's program fails; it says why itself.
pub async fn restore(args: &Restore, home: &Home) -> anyhow::Result<()> {
    let folder = absolute(&args.folder)?;
    match named_database() {
        Some(url) => server("restore", &folder, home, &url).await,
        None => with_cluster("restore", &folder, home).await,
    }
}

fn named_database() -> Option<String> {
    env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())
}

fn absolute(folder: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(folder).with_context(|| format!("{} is no folder", folder.display()))
}

/// With the private cluster, started for the occasion.
async fn with_cluster(what: &str, folder: &Path, home: &Home) -> anyhow::Result<()> {
    std::fs::create_dir_all(home.path())
        .with_context(|| format!("cannot make {}", home.path().display()))?;
    let (cluster, url) = up::database(home).await?;
    let done = server(what, folder, home, &url).await;
    Guarded(cluster).stop().await?;
    done
}

async fn server(what: &str, folder: &Path, home: &Home, url: &str) -> anyhow::Result<()> {
    let program = up::find_program("cultivar-server", "CULTIVAR_SERVER_BIN")?;
    let status = Command::new(&program)
        .arg(what)
        .arg(folder)
        .env("DATABASE_URL", url)
        .env("CULTIVAR_HOME", home.path())
        .status()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        bail!("the {what} did not succeed");
    }
    Ok(())
}
