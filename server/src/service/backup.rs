//! Backup and restore: one moment of the database, and every blob it names.
//!
//! | in the folder | |
//! | --- | --- |
//! | `backup.json` | what there is, with its hashes; written last, so a folder without it is no backup |
//! | `database/TABLE.copy` | rows as COPY writes them, which any version of Postgres reads; every other time in `database-2` |
//! | `blobs/` | as in a server's home, each under its SHA-256 |
//!
//! The tables are read in one transaction. Blobs never change, and none is collected while a backup
//! runs, so that they can be copied after it. A second backup to the same folder copies only new blobs, and leaves the first
//! one whole until it is whole itself.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use cultivar_spec::Sha256Digest;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio_util::io::ReaderStream;

use crate::blobs::{Blobs, PutError};
use crate::state;
use crate::store::artifact;
use crate::store::dump::{self, Table};

const FORMAT: u32 = 1;
const INVENTORY: &str = "backup.json";
/// Where tables stand: not where those of the backup before do.
const TABLES: [&str; 2] = ["database", "database-2"];
const CHUNK: usize = 1 << 20;
/// Longer than any disk stands still.
const IDLE: std::time::Duration = std::time::Duration::from_secs(600);

/// What to do about a blob that is not what it was: in a server's home, and in a backup.
const MEND: &str = "copy it from a backup, or remove what is there and upload its content again";
const FROM_ANOTHER: &str = "copy it from another backup";

/// `backup.json`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    format: u32,
    pub created_at: DateTime<Utc>,
    server_version: String,
    /// The newest migration.
    schema_version: i64,
    /// The folder of the tables.
    #[serde(default = "first_folder")]
    folder: String,
    tables: Vec<TableFile>,
    blobs: Vec<BlobFile>,
}

fn first_folder() -> String {
    TABLES[0].into()
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    name: String,
    columns: Vec<String>,
    n_rows: u64,
    sha256: Sha256Digest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BlobFile {
    sha256: Sha256Digest,
    n_bytes: u64,
}

impl Inventory {
    /// `12 tables with 3456 rows, 78 blobs with 9 bytes`.
    pub fn summary(&self) -> String {
        let n_rows: u64 = self.tables.iter().map(|table| table.n_rows).sum();
        let n_bytes: u64 = self.blobs.iter().map(|blob| blob.n_bytes).sum();
        format!(
            "{} tables with {n_rows} rows, {} blobs with {n_bytes} bytes",
            self.tables.len(),
            self.blobs.len()
        )
    }
}

/// Writes a backup to `folder`, which is empty, missing, or an earlier backup.
///
/// # Errors
/// The database or a blob cannot be read, a blob is damaged, or the folder cannot be written.
pub async fn backup(database_url: &str, blobs: &Path, folder: &Path) -> anyhow::Result<Inventory> {
    let blobs = Blobs::open(blobs.to_owned()).await?;
    let mut conn = connect(database_url).await?;
    let tables = prepare(folder).await?;
    let kept = Blobs::open(folder.join("blobs")).await?;
    dump::hold_blobs(&mut conn).await?;
    dump::begin_snapshot(&mut conn).await?;
    let schema_version = dump::schema_version(&mut conn).await?;
    let schema_version =
        schema_version.context("the database is empty: there is nothing to keep")?;
    let mut inventory = Inventory {
        format: FORMAT,
        created_at: Utc::now(),
        server_version: env!("CARGO_PKG_VERSION").into(),
        schema_version,
        folder: tables.into(),
        tables: Vec::new(),
        blobs: Vec::new(),
    };
    for table in dump::tables(&mut conn).await? {
        let file = write_table(&mut conn, &table, &folder.join(tables))
            .await
            .with_context(|| format!("cannot keep the table {}", table.name))?;
        inventory.tables.push(file);
    }
    for (sha256, n_bytes) in artifact::all(&mut conn).await? {
        inventory.blobs.push(BlobFile { sha256, n_bytes });
    }
    dump::end_snapshot(&mut conn).await?;

    for blob in &inventory.blobs {
        if kept.size(&blob.sha256).await? != Some(blob.n_bytes) {
            copy_blob(&blobs, &kept, blob, MEND).await?;
        }
    }
    write_inventory(folder, &inventory).await?;
    // From here on this is the backup, and what only the one before names is of no use.
    for other in TABLES.iter().filter(|other| **other != tables) {
        remove_folder(&folder.join(other)).await?;
    }
    drop_strangers(&kept, &inventory).await?;
    conn.close().await.ok();
    Ok(inventory)
}

/// Verifies a backup and puts it into an empty database and a blob folder.
///
/// # Errors
/// The backup is incomplete or damaged, of a later version, or the database holds data; then nothing was changed
/// but for blobs that were added.
pub async fn restore(database_url: &str, blobs: &Path, folder: &Path) -> anyhow::Result<Inventory> {
    let inventory = read_inventory(folder).await?;
    let inventory = inventory.with_context(|| {
        format!(
            "{} is no finished backup: it has no {INVENTORY}",
            folder.display()
        )
    })?;
    ensure!(
        inventory.format == FORMAT,
        "this backup has format {}, and format {FORMAT} is read",
        inventory.format
    );
    ensure!(
        inventory.schema_version <= state::newest_schema(),
        "this backup was made by a later server: restore it with version {} or later",
        inventory.server_version
    );
    ensure!(
        TABLES.contains(&inventory.folder.as_str()),
        "{:?} is no folder of ours",
        inventory.folder
    );
    let tables_at = folder.join(&inventory.folder);
    for table in &inventory.tables {
        verify_table(&tables_at, table).await?;
    }
    let kept = Blobs::open(folder.join("blobs")).await?;
    let blobs = Blobs::open(blobs.to_owned()).await?;
    for blob in &inventory.blobs {
        copy_blob(&kept, &blobs, blob, FROM_ANOTHER).await?;
    }

    let mut conn = connect(database_url).await?;
    if let Some(version) = dump::schema_version(&mut conn).await?
        && version > inventory.schema_version
    {
        bail!(
            "the database has schema {version} already, later than the backup's {}: give an empty one",
            inventory.schema_version
        );
    }
    state::migrate_to(&mut conn, inventory.schema_version).await?;
    let tables = dump::tables(&mut conn).await?;
    let mut tx = conn.begin().await?;
    if let Some(name) = dump::occupied(&mut tx, &tables).await? {
        bail!("the database holds data (table {name}): a backup is restored into an empty one");
    }
    for file in &inventory.tables {
        read_table(&mut tx, file, &tables_at)
            .await
            .with_context(|| format!("cannot restore the table {}", file.name))?;
    }
    dump::advance_identities(&mut tx).await?;
    tx.commit().await?;
    conn.close().await.ok();
    Ok(inventory)
}

async fn connect(database_url: &str) -> anyhow::Result<PgConnection> {
    let options = state::connect_options(database_url)?;
    PgConnection::connect_with(&options)
        .await
        .context("cannot reach the database")
}

/// What a folder says it holds, if it says so.
async fn read_inventory(folder: &Path) -> anyhow::Result<Option<Inventory>> {
    let path = folder.join(INVENTORY);
    let at = || format!("{} cannot be read", path.display());
    match fs::read(&path).await {
        Ok(text) => serde_json::from_slice(&text).map(Some).with_context(at),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(at),
    }
}

/// Makes the folder, for its owner's eyes only, and in it an empty one for the tables, whose name it returns. An earlier backup
/// stays as it is.
async fn prepare(folder: &Path) -> anyhow::Result<&'static str> {
    use std::os::unix::fs::PermissionsExt;
    let at = || format!("cannot write to {}", folder.display());
    fs::create_dir_all(folder).await.with_context(at)?;
    let mut entries = fs::read_dir(folder).await.with_context(at)?;
    while let Some(entry) = entries.next_entry().await.with_context(at)? {
        let name = entry.file_name();
        let mut ours = [INVENTORY, "blobs"].into_iter().chain(TABLES);
        ensure!(
            ours.any(|ours| name == *ours),
            "{} holds {}, which is of no backup: give an empty folder",
            folder.display(),
            name.display()
        );
    }
    fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
        .await
        .with_context(at)?;
    let earlier = read_inventory(folder).await?;
    let is_free = |name: &&&str| {
        earlier
            .as_ref()
            .is_none_or(|earlier| earlier.folder != **name)
    };
    let tables = TABLES.iter().find(is_free).expect("one of two is free");
    let path = folder.join(tables);
    remove_folder(&path).await?;
    fs::create_dir(&path).await.with_context(at)?;
    Ok(tables)
}

/// Removes a folder where there is one.
async fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

async fn write_table(
    conn: &mut PgConnection,
    table: &Table,
    folder: &Path,
) -> anyhow::Result<TableFile> {
    let file = File::create_new(table_path(folder, &table.name)).await?;
    let mut writer = BufWriter::with_capacity(CHUNK, file);
    let mut hash = Sha256::new();
    let mut n_rows = 0;
    let mut rows = dump::copy_out(conn, table).await?;
    while let Some(chunk) = rows.try_next().await? {
        hash.update(&chunk);
        // A newline inside a value is written as two characters.
        n_rows += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        writer.write_all(&chunk).await?;
    }
    drop(rows);
    writer.flush().await?;
    writer.into_inner().sync_all().await?;
    Ok(TableFile {
        name: table.name.clone(),
        columns: table.columns.clone(),
        n_rows,
        sha256: Sha256Digest(hash.finalize().into()),
    })
}

fn table_path(folder: &Path, name: &str) -> std::path::PathBuf {
    folder.join(format!("{name}.copy"))
}

async fn open_table(folder: &Path, name: &str) -> anyhow::Result<ReaderStream<File>> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    ensure!(name.chars().all(is_plain), "{name:?} is no table of ours");
    let path = table_path(folder, name);
    let file = File::open(&path)
        .await
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(ReaderStream::with_capacity(file, CHUNK))
}

async fn verify_table(folder: &Path, table: &TableFile) -> anyhow::Result<()> {
    let mut chunks = open_table(folder, &table.name).await?;
    let mut hash = Sha256::new();
    while let Some(chunk) = chunks.next().await {
        hash.update(&chunk?);
    }
    ensure!(
        Sha256Digest(hash.finalize().into()) == table.sha256,
        "the backup is damaged: {} is not what was written",
        table_path(folder, &table.name).display()
    );
    Ok(())
}

async fn read_table(
    conn: &mut PgConnection,
    file: &TableFile,
    folder: &Path,
) -> anyhow::Result<()> {
    let table = Table {
        name: file.name.clone(),
        columns: file.columns.clone(),
    };
    let chunks = open_table(folder, &file.name).await?;
    let n_rows = dump::copy_in(conn, &table, chunks).await?;
    ensure!(
        n_rows == file.n_rows,
        "{n_rows} rows came of {}",
        file.n_rows
    );
    Ok(())
}

/// Copies a blob, whose content is hashed on the way. `remedy`: what to do where it is not what it was.
async fn copy_blob(from: &Blobs, to: &Blobs, blob: &BlobFile, remedy: &str) -> anyhow::Result<()> {
    let at = from.path(&blob.sha256);
    let at = at.display();
    let file = match from.open_blob(&blob.sha256).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("{at} is missing: {remedy}"),
        opened => opened.with_context(|| format!("{at} cannot be read"))?.0,
    };
    let chunks = ReaderStream::with_capacity(file, CHUNK);
    let staged = match to.stage(&blob.sha256, chunks, IDLE).await {
        Err(PutError::Mismatch { .. }) => bail!("{at} is damaged: {remedy}"),
        staged => staged.with_context(|| format!("{at} cannot be copied"))?,
    };
    to.publish(&staged).await?;
    Ok(())
}

/// Removes blobs of earlier backups that are named no longer.
async fn drop_strangers(kept: &Blobs, inventory: &Inventory) -> anyhow::Result<()> {
    let named: HashSet<_> = inventory.blobs.iter().map(|blob| blob.sha256).collect();
    for digest in kept.older_than(std::time::Duration::ZERO).await? {
        if !named.contains(&digest) {
            kept.remove(&digest).await?;
        }
    }
    kept.clear_incoming(std::time::Duration::ZERO).await?;
    Ok(())
}

async fn write_inventory(folder: &Path, inventory: &Inventory) -> anyhow::Result<()> {
    let tables = folder.join(&inventory.folder);
    let temporary = tables.join(INVENTORY);
    let mut file = File::create(&temporary).await?;
    file.write_all(&serde_json::to_vec_pretty(inventory)?)
        .await?;
    file.sync_all().await?;
    File::open(tables).await?.sync_all().await?;
    fs::rename(&temporary, folder.join(INVENTORY)).await?;
    File::open(folder).await?.sync_all().await?;
    Ok(())
}
