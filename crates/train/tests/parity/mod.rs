//! The numbers against PyTorch's and timm's. `bench/parity/generate.py` makes the fixtures.

mod augment;
mod averages;
mod formula;
mod losses;
mod metrics;
mod models;
mod optimizers;
mod pointwise;
mod schedules;
mod scripted;
mod table;

pub use models::pretrained_file;
pub use scripted::module_spec;

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tch::{Kind, Tensor};

#[derive(serde::Deserialize)]
struct Fixture<T> {
    cases: T,
}

/// A file of `tests/fixtures`, or a freshly made one of that name in `CULTIVAR_PARITY_FIXTURES`.
fn fixture_file(name: &str) -> PathBuf {
    let folder = std::env::var_os("CULTIVAR_PARITY_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
        PathBuf::from,
    );
    folder.join(name)
}

/// The cases of `NAME.json`.
fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let text = fs::read_to_string(fixture_file(&format!("{name}.json")))
        .expect("the fixture is in the repository");
    serde_json::from_str::<Fixture<T>>(&text)
        .expect("the fixture is as generate.py writes it")
        .cases
}

/// The numbers of a tensor, row-major.
fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.detach().to_kind(Kind::Double).contiguous().view(-1);
    Vec::try_from(flat).expect("f64 are f64")
}

/// Asserts |ours - theirs| <= `absolute` + `relative` |theirs| for each pair.
///
/// `what` is "piece: detail", or the piece alone: `make parity` prints a row for each piece, with the worst of its
/// details.
#[track_caller]
fn assert_close(what: &str, ours: &[f64], theirs: &[f64], absolute: f64, relative: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let mut row = table::Row::new(what, std::panic::Location::caller(), absolute, relative);
    let mut worst = None;
    for (idx, (a, b)) in ours.iter().zip(theirs).enumerate() {
        // Written so that NaN fails.
        let error = (a - b).abs();
        let close = error <= absolute + relative * b.abs();
        row.add(error, close);
        if !close && worst.is_none() {
            worst = Some(format!("{what}, number {idx}: {a}, the reference has {b}"));
        }
    }
    row.write();
    assert!(worst.is_none(), "{}", worst.unwrap_or_default());
}

/// Asserts that one error, of whatever measure, lies within a bound. `what` as in [`assert_close`].
#[track_caller]
fn assert_within(what: &str, error: f64, bound: f64) {
    assert_close(what, &[error], &[0.0], bound, 0.0);
}
