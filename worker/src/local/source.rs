//! The images of a local run.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use cultivar_dataset::import::{self, Options};
use cultivar_dataset::version::{self, Version};

use super::screen::Screen;

/// Where imported folders are kept, below the data folder.
const KEPT: &str = "local/datasets";

/// The version in `dir`: as it lies there, or imported and kept until a file of the folder changes.
///
/// # Errors
/// The folder is no dataset, or the data folder cannot be written.
pub fn open(
    dir: &Path,
    home: &Path,
    name: Option<String>,
    screen: &mut Screen,
) -> anyhow::Result<Version> {
    if !dir.is_dir() {
        bail!("{} is not a folder", dir.display());
    }
    if version::is_version(dir) {
        return Ok(version::open(dir)?);
    }
    let mut options = Options {
        name,
        ..Options::default()
    };
    let kept = home.join(KEPT);
    fs::create_dir_all(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
    let key = import::fingerprint(dir, &options)?.to_string();
    let folder = kept.join(&key);
    if version::is_version(&folder) {
        return Ok(version::open(&folder)?);
    }
    let part = kept.join(format!("{key}.{}.part", std::process::id()));
    options.out_dir = part.clone();
    let done = import(dir, &options, screen).and_then(|()| {
        match fs::rename(&part, &folder) {
            // Somebody else imported the same folder meanwhile.
            Err(_) if version::is_version(&folder) => Ok(()),
            renamed => renamed.with_context(|| format!("cannot make {}", folder.display())),
        }
    });
    let _ = fs::remove_dir_all(&part);
    done?;
    Ok(version::open(&folder)?)
}

fn import(dir: &Path, options: &Options, screen: &mut Screen) -> anyhow::Result<()> {
    let imported = import::dataset(dir, options, &mut |progress| {
        screen.moving(&format!(
            "{} {}/{}",
            progress.stage.name(),
            progress.done,
            progress.total
        ));
    })?;
    for warning in &imported.warnings {
        screen.say(&format!("note: {}", warning.brief()));
    }
    version::write_manifest(&options.out_dir, &imported)?;
    Ok(())
}
