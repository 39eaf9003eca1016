//! A recorded table of trials as an objective: the Rust half of the harness.
//!
//! The Python half is `bench/search/table.py`, which says what the files hold; both draw the same noise, so
//! that trial `t` of seed `s` sees the same repetition of a cell whichever sampler asks for it.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Cells of a finite space, each with the values of several training seeds; larger is better.
pub struct Table {
    pub name: String,
    /// As a sweep states it.
    pub space: Value,
    cell_of_overlay: HashMap<String, usize>,
    values: Vec<Vec<f64>>,
    means: Vec<f64>,
    best: f64,
    worst: f64,
}

#[derive(Deserialize)]
struct Raw {
    name: String,
    direction: String,
    space: Map<String, Value>,
    /// Of a table over a plain grid, whose `space` lists the levels: row-major over `space`.
    values: Option<Vec<Vec<f64>>>,
    /// Of any other table, whose `space` is a sweep's.
    cells: Option<Vec<Cell>>,
}

#[derive(Deserialize)]
struct Cell {
    overlay: Value,
    values: Vec<f64>,
}

impl Table {
    fn read(path: &Path) -> Result<Self> {
        let raw: Raw = serde_json::from_reader(GzDecoder::new(File::open(path)?))?;
        let (space, overlays, mut values) = match (raw.values, raw.cells) {
            (Some(values), None) => {
                let sweep_space =
                    (raw.space.iter()).map(|(k, v)| (k.clone(), serde_json::json!({"choice": v})));
                (sweep_space.collect(), grid(&raw.space)?, values)
            }
            (None, Some(cells)) => {
                let (overlays, values) = cells.into_iter().map(|c| (c.overlay, c.values)).unzip();
                (raw.space, overlays, values)
            }
            _ => bail!("a table holds either values or cells"),
        };
        if overlays.len() != values.len() || values.iter().any(Vec::is_empty) {
            bail!("every cell of the space needs its values");
        }
        if raw.direction == "minimize" {
            values.iter_mut().flatten().for_each(|value| *value *= -1.0);
        }
        let means: Vec<f64> = values
            .iter()
            .map(|cell| cell.iter().sum::<f64>() / cell.len() as f64)
            .collect();
        let overlays = overlays.iter().enumerate();
        Ok(Self {
            name: raw.name,
            space: Value::Object(space),
            cell_of_overlay: overlays.map(|(idx, o)| (o.to_string(), idx)).collect(),
            values,
            best: means.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            worst: means.iter().copied().fold(f64::INFINITY, f64::min),
            means,
        })
    }

    /// The cell that a sampler proposed.
    pub fn cell(&self, overlay: &Value) -> Result<usize> {
        let cell = self.cell_of_overlay.get(&overlay.to_string()).copied();
        cell.with_context(|| format!("{}: no cell {overlay}", self.name))
    }

    /// What trial number `trial` of the run `seed` observes.
    pub fn draw(&self, cell: usize, seed: u64, trial: u32) -> f64 {
        let values = &self.values[cell];
        values[(splitmix64((seed << 32) ^ u64::from(trial)) % values.len() as u64) as usize]
    }

    /// Normalised regret of a cell's mean, in [0, 1].
    pub fn regret(&self, cell: usize) -> f64 {
        (self.best - self.means[cell]) / (self.best - self.worst)
    }
}

/// Every table of some folders, by file name.
pub fn tables(folders: &[PathBuf]) -> Result<Vec<Table>> {
    let mut paths = Vec::new();
    for folder in folders {
        paths.extend(packed(folder)?);
    }
    let read = |path: &PathBuf| {
        Table::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// The gzipped JSON files of a folder, by name.
pub fn packed(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("no folder {}", folder.display()))?
        .collect::<std::io::Result<Vec<_>>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".json.gz"))
        .collect();
    paths.sort();
    Ok(paths)
}

/// Overlays of the grid of `levels`, the last parameter running fastest.
fn grid(levels: &Map<String, Value>) -> Result<Vec<Value>> {
    let mut overlays = vec![Map::new()];
    for (name, values) in levels {
        let values = values.as_array().context("levels are a list")?;
        overlays = overlays
            .iter()
            .flat_map(|overlay| {
                values.iter().map(|value| {
                    let mut next = overlay.clone();
                    next.insert(name.clone(), value.clone());
                    next
                })
            })
            .collect();
    }
    Ok(overlays.into_iter().map(Value::Object).collect())
}

/// One output of SplitMix64 (Steele, Lea and Flood 2014) for the state `x`.
fn splitmix64(x: u64) -> u64 {
    let mut x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
