//! One `cultivar up` a data folder, and how another command finds it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

/// Held while `cultivar up` runs; given back when dropped, or by the kernel.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// # Errors
    /// Another `cultivar up` holds it.
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        let mut file = open(path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = holder(&mut file)?;
            bail!(
                "`cultivar up` already runs on this data folder (process {holder}): use it, or end it with `cultivar down`"
            );
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

/// Asks a running `cultivar up` to end and waits until it has. Answers whether there was one.
///
/// # Errors
/// It may not be signalled, or does not end in time.
pub async fn stop_holder(path: &Path, patience: Duration) -> anyhow::Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    let mut file = open(path)?;
    let is_free = |file: &File| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
    if is_free(&file) {
        return Ok(false);
    }
    let pid = holder(&mut file)?;
    let process = pid.parse().ok().and_then(Pid::from_raw);
    let process = process.with_context(|| format!("{} names no process", path.display()))?;
    kill_process(process, Signal::TERM)
        .with_context(|| format!("cannot stop process {pid}, which runs `cultivar up`"))?;
    let gone = async {
        while !is_free(&file) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(patience, gone)
        .await
        .with_context(|| format!("process {pid}, which runs `cultivar up`, does not end"))?;
    Ok(true)
}

fn open(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

fn holder(file: &mut File) -> anyhow::Result<String> {
    let mut pid = String::new();
    file.read_to_string(&mut pid)?;
    Ok(pid.trim().to_owned())
}
