//! The numbers against PyTorch's and timm's. `bench/parity/generate.py` makes the fixtures.

mod formula;
mod models;
mod optimizers;
mod pointwise;
mod schedules;

pub use models::pretrained_file;

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use tch::{Kind, Tensor};

#[derive(serde::Deserialize)]
struct Fixture<T> {
    cases: T,
}

/// The cases of `tests/fixtures/NAME.json`.
fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.json"));
    let text = fs::read_to_string(&path).expect("the fixture is in the repository");
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
fn assert_close(what: &str, ours: &[f64], theirs: &[f64], absolute: f64, relative: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (idx, (a, b)) in ours.iter().zip(theirs).enumerate() {
        // Written so that NaN fails.
        let close = (a - b).abs() <= absolute + relative * b.abs();
        assert!(close, "{what}, number {idx}: {a}, the reference has {b}");
    }
}
