//! `cultivar dataset`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use cultivar_dataset::import::{self, Imported, Options};
use cultivar_dataset::openemoji;
use cultivar_dataset::progress::Progress;
use cultivar_dataset::version::{self, Version};
use cultivar_spec::wire::DatasetView;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::numbers::{ago, bytes, count, counted};
use crate::session::{Global, Session};
use crate::table::{
    self,
    Column::{Number, Text},
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Import a folder of images and register it
    ///
    /// Layouts: CLASS/image, SPLIT/CLASS/image, images listed in metadata.csv (file_name, label, group,
    /// split), Parquet files in the Hugging Face convention, the devkit of Stanford Cars, or what `dataset import`
    /// wrote. Splits that are missing are carved from train, stratified and without cutting a group.
    Add(Import),
    /// Import a folder of images into another folder, for runs without a server
    Import {
        #[command(flatten)]
        import: Import,
        /// The folder to make
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// List datasets
    Ls,
    /// Build the image folder of a dataset that comes in packages
    Build {
        /// Which dataset
        dataset: Buildable,
        /// The node_modules folder that holds its packages
        #[arg(long, value_name = "DIR")]
        packages: PathBuf,
        /// The folder to make
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// What to import, and how.
#[derive(Args, Debug)]
pub struct Import {
    /// The folder
    path: PathBuf,
    /// Name that specs refer to [default: the card's, else the folder's]
    #[arg(long)]
    name: Option<String>,
    /// Title that people read [default: the card's]
    #[arg(long)]
    title: Option<String>,
    /// Leave broken images out instead of refusing the folder
    #[arg(long)]
    skip_broken: bool,
    /// How the folder is read [default: as it looks]
    #[arg(long, value_enum)]
    importer: Option<Importer>,
    /// Carve a test split from train where the folder has none
    #[arg(long)]
    carve_test: bool,
    /// Which carved split
    #[arg(long, default_value_t)]
    split_seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Importer {
    /// Class folders or a metadata table
    ImageFolder,
    /// Parquet files with an image and a label column
    Parquet,
    /// The devkit of Stanford Cars, old or new layout
    StanfordCars,
}

impl From<Importer> for import::Importer {
    fn from(importer: Importer) -> Self {
        match importer {
            Importer::ImageFolder => Self::ImageFolder,
            Importer::Parquet => Self::Parquet,
            Importer::StanfordCars => Self::StanfordCars,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Buildable {
    /// Every emoji as four vendors draw it, classed by what it shows
    OpenEmoji,
}

/// Building needs no server; the rest connects.
pub async fn run(command: Command, global: &Global) -> anyhow::Result<()> {
    match command {
        Command::Build {
            dataset: Buildable::OpenEmoji,
            packages,
            out,
        } => build_open_emoji(packages, out, global.json).await,
        Command::Ls => {
            let session = global.connect()?;
            let datasets = session.client.datasets().await?;
            session.print(&datasets, |datasets| list(datasets))
        }
        Command::Add(import) => add(&global.connect()?, import).await,
        Command::Import { import, out } => {
            let imported = import_into(import, out.clone()).await?;
            version::write_manifest(&out, &imported)?;
            let version = imported.manifest.version();
            if global.json {
                println!(
                    "{}",
                    json!({"name": imported.manifest.name, "version": version})
                );
            } else {
                println!(
                    "{}: {} (version {})",
                    out.display(),
                    imported.manifest.name,
                    &version.to_string()[..12]
                );
            }
            Ok(())
        }
    }
}

async fn build_open_emoji(packages: PathBuf, out: PathBuf, as_json: bool) -> anyhow::Result<()> {
    let shown = out.display().to_string();
    let built = tokio::task::spawn_blocking(move || {
        let bar = Bar::new();
        openemoji::build(&packages, &out, &mut |progress| bar.show(progress))
    })
    .await??;
    if as_json {
        println!(
            "{}",
            json!({
                "n_images": built.n_images,
                "n_classes": built.n_classes,
                "n_groups": built.n_groups,
                "n_missing": built.missing.len(),
            })
        );
        return Ok(());
    }
    println!(
        "{shown}: {} of {} emoji in {} classes",
        counted(built.n_images as u64, "drawing"),
        count(built.n_groups as u64),
        built.n_classes,
    );
    if !built.missing.is_empty() {
        let n_missing = built.missing.len() as u64;
        println!(
            "{} missing, where a vendor has not drawn an emoji",
            counted(n_missing, "drawing")
        );
    }
    println!("Next: cultivar dataset add {shown}");
    Ok(())
}

async fn add(session: &Session, import: Import) -> anyhow::Result<()> {
    if version::is_version(&import.path) {
        let Version {
            manifest, files, ..
        } = version::open(&import.path)?;
        let imported = Imported {
            manifest,
            files,
            warnings: Vec::new(),
            broken: Vec::new(),
        };
        return register(session, &imported).await;
    }
    let scratch = Scratch::make()?;
    let imported = import_into(import, scratch.0.clone()).await?;
    register(session, &imported).await
}

async fn register(session: &Session, imported: &Imported) -> anyhow::Result<()> {
    upload(session, imported).await?;
    let dataset = session.client.register_dataset(&imported.manifest).await?;
    let n_broken = imported.broken.len() as u64;
    session.print(&dataset, |dataset| added(dataset, n_broken))
}

/// Imports into `out`, with a bar, and tells what was odd.
async fn import_into(import: Import, out: PathBuf) -> anyhow::Result<Imported> {
    if !import.path.is_dir() {
        bail!("{} is not a folder", import.path.display());
    }
    let options = Options {
        out_dir: out,
        importer: import.importer.map(Into::into),
        name: import.name,
        skip_broken: import.skip_broken,
        carve_test: import.carve_test,
        split_seed: import.split_seed,
    };
    let from = import.path;
    let mut imported = tokio::task::spawn_blocking(move || {
        let bar = Bar::new();
        import::dataset(&from, &options, &mut |progress| bar.show(progress))
    })
    .await??;
    if let Some(title) = import.title {
        imported.manifest.title = title;
    }
    for warning in &imported.warnings {
        eprintln!("note: {}", warning.brief());
    }
    Ok(imported)
}

async fn upload(session: &Session, imported: &Imported) -> anyhow::Result<()> {
    let n_bytes: u64 = imported
        .manifest
        .files
        .iter()
        .map(|file| file.n_bytes)
        .sum();
    let bar = ProgressBar::new(n_bytes);
    bar.set_style(
        ProgressStyle::with_template(
            "uploading {bar:24} {bytes}/{total_bytes} {binary_bytes_per_sec}",
        )
        .expect("the template is valid"),
    );
    for (file, path) in imported.manifest.files.iter().zip(&imported.files) {
        let before = bar.position();
        session
            .client
            .upload_file(file.sha256, path, |done| bar.set_position(before + done))
            .await?;
        bar.set_position(before + file.n_bytes);
    }
    bar.finish_and_clear();
    Ok(())
}

fn added(dataset: &DatasetView, n_broken: u64) -> String {
    let DatasetView {
        name,
        version,
        n_classes,
        n_train,
        n_val,
        n_test,
        n_groups,
        ..
    } = dataset;
    let short = &version.to_string()[..12];
    let mut text = format!(
        "{name} (version {short}): {} classes, {} in {}\n{} train, {} val, {} test",
        count(*n_classes),
        counted(n_train + n_val + n_test, "image"),
        counted(*n_groups, "group"),
        count(*n_train),
        count(*n_val),
        count(*n_test),
    );
    if n_broken > 0 {
        text.push_str(&format!("\n{} left out", counted(n_broken, "broken image")));
    }
    text
}

fn list(datasets: &[DatasetView]) -> String {
    if datasets.is_empty() {
        return "no datasets yet: cultivar dataset add FOLDER".into();
    }
    let mut table = table::new(&[
        Text("Name"),
        Number("Classes"),
        Number("Train"),
        Number("Val"),
        Number("Test"),
        Number("Groups"),
        Number("Size"),
        Text("Licences"),
        Text("Version"),
        Text("Added"),
    ]);
    let now = chrono::Utc::now();
    for dataset in datasets {
        let mut licences: Vec<&str> = dataset
            .sources
            .iter()
            .map(|source| source.licence.as_str())
            .filter(|licence| !licence.is_empty())
            .collect();
        licences.sort_unstable();
        licences.dedup();
        table.add_row([
            dataset.name.clone(),
            count(dataset.n_classes),
            count(dataset.n_train),
            count(dataset.n_val),
            count(dataset.n_test),
            count(dataset.n_groups),
            bytes(dataset.n_bytes),
            licences.join(", "),
            dataset.version.to_string()[..12].to_owned(),
            ago(dataset.created_at, now),
        ]);
    }
    table::render(&table)
}

/// A bar that changes its name with the stage; hidden by itself where nobody looks.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(1);
        bar.set_style(
            ProgressStyle::with_template("{msg} {bar:24} {pos}/{len}")
                .expect("the template is valid"),
        );
        Self(bar)
    }

    fn show(&self, progress: Progress) {
        self.0.set_message(progress.stage.name());
        self.0.set_length(progress.total);
        self.0.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A folder for the Parquet files between import and upload; removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> anyhow::Result<Self> {
        let name = format!("cultivar-import-{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "{} is left behind", self.0.display());
        }
    }
}
