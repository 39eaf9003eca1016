//! Rows of the table that `make parity` prints, one JSON object a line in the file `CULTIVAR_PARITY_ROWS`.

use std::fs::OpenOptions;
use std::io::Write;
use std::panic::Location;

use serde::Serialize;

#[derive(Serialize)]
pub struct Row {
    /// File of the check, which is the family of the piece.
    family: String,
    what: String,
    n: usize,
    /// Largest |ours - theirs|.
    error: f64,
    absolute: f64,
    relative: f64,
    holds: bool,
}

impl Row {
    pub fn new(what: &str, check: &Location<'_>, absolute: f64, relative: f64) -> Self {
        let file = check.file().rsplit('/').next().unwrap_or_default();
        Self {
            family: file.trim_end_matches(".rs").to_owned(),
            what: what.to_owned(),
            n: 0,
            error: 0.0,
            absolute,
            relative,
            holds: true,
        }
    }

    /// Takes in a pair that differs by `error`.
    pub fn add(&mut self, error: f64, holds: bool) {
        self.n += 1;
        if error > self.error || error.is_nan() {
            self.error = error;
        }
        self.holds &= holds;
    }

    /// Adds itself to the file, if somebody wants the table.
    pub fn write(&self) {
        let Some(path) = std::env::var_os("CULTIVAR_PARITY_ROWS") else {
            return;
        };
        let mut line = serde_json::to_string(self).expect("a row is JSON");
        line.push('\n');
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("the file opens");
        file.write_all(line.as_bytes()).expect("a row is written");
    }
}
