//! The files that datasets come in, told apart by how they begin: Parquet, a manifest, or a MAT-file with its compressed
//! variables. They are read or refused, and our own Parquet files and manifests come back the same.
#![no_main]

use std::fs;
use std::path::Path;

use cultivar_dataset::import::{self, Importer, Options, mat};
use cultivar_dataset::parquet::{self, ParquetError, Row};
use cultivar_fuzz::again;
use cultivar_spec::check;
use cultivar_spec::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"PAR1") {
        let dir = tempfile::tempdir().expect("a folder for the file");
        read_parquet(bytes, dir.path());
    } else if bytes.starts_with(b"{") {
        read_manifest(bytes);
    } else {
        // Every length is checked against what is there.
        let _ = mat::read(bytes);
    }
});

fn read_manifest(bytes: &[u8]) {
    let Ok(raw) = serde_json::from_slice(bytes) else {
        return;
    };
    if let Ok(manifest) = check::document::<Manifest>(&raw) {
        again(&manifest, check::document);
        manifest.version();
    }
}

fn read_parquet(bytes: &[u8], dir: &Path) {
    let folder = dir.join("folder");
    fs::create_dir(&folder).expect("it is ours");
    let path = folder.join("train.parquet");
    fs::write(&path, bytes).expect("it is ours");
    // Somebody else's file, with whatever columns.
    let options = Options {
        out_dir: dir.join("out"),
        importer: Some(Importer::Parquet),
        ..Options::default()
    };
    let _ = import::dataset(&folder, &options, &mut |_| {});

    // A file of ours.
    let Ok(rows) = rows(&path) else { return };
    let classes = parquet::read_classes(&path).unwrap_or_default();
    let copy = dir.join("copy.parquet");
    let n_rows = parquet::write::<ParquetError>(&copy, &classes, rows.iter().cloned().map(Ok))
        .expect("what was read can be written");
    assert_eq!(n_rows, rows.len());
    assert!(self::rows(&copy).expect("what was written can be read") == rows);
    let mut n_images = 0;
    parquet::read_images::<ParquetError>(&copy, |idx, image| {
        assert!(image == rows[idx].bytes);
        n_images += 1;
        Ok(())
    })
    .expect("what was written can be read");
    assert_eq!(n_images, rows.len());
}

fn rows(path: &Path) -> Result<Vec<Row>, ParquetError> {
    let mut rows = Vec::new();
    parquet::read_rows(path, |_, row| {
        rows.push(row);
        Ok::<_, ParquetError>(())
    })?;
    Ok(rows)
}
