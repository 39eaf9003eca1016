//! Every option of a spec does something: a row for each of them, and none forgotten.
//!
//! A row trains a few steps twice, with the option's neutral setting and with another, and wants other weights; where
//! only evaluation has to do with it, other predictions. Options are found in the spec's schema and named by the
//! pointer to them, with the kind of what they belong to in it: `/optimizer/sgd/momentum`.

mod images;
mod learning;
mod row;
mod run;
mod schema;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use cultivar_spec::predictions::LOGITS;
use cultivar_spec::trainer::JobResult;
use cultivar_spec::{TrialSpec, check};
use serde_json::{Value, json};
use tch::Tensor;

use crate::parity::pretrained_file;
use crate::train::mini::{Mini, complete, lay_over, raw, tensors};
use images::augment_rows;
use learning::{loss_rows, optimizer_rows, schedule_rows};
use row::{Row, Sees};
use run::{network_rows, run_rows};
use schema::options;

/// Options that change no weights here, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("/task", "what is trained by whom"),
    ("/objective", "ranks epochs and trials: options.rs"),
    ("/data/dataset", "names the images"),
    ("/data/version", "names the images"),
    ("/data/split_seed", "splits at import"),
    ("/backbone/weights_sha256", "names the weights"),
    ("/loss/bce/metric/arc_face", "is refused"),
    ("/loss/probe/metric/arc_face", "is refused"),
    ("/loss/probe/metric/none", "is refused"),
    ("/fit/precision=auto", "is f32 on the CPU: options.rs"),
    ("/fit/precision=f32", "is the neutral one"),
    ("/fit/precision=tf32", "needs a GPU"),
    ("/fit/precision=f16", "needs a GPU"),
    ("/fit/deterministic", "the CPU always repeats: options.rs"),
    ("/fit/eval_weights", "which weights are shipped: options.rs"),
    ("/fit/select", "which epoch is shipped: options.rs"),
];

/// Trains specs that are changes to one small run, each once.
struct Trainer {
    mini: Mini,
    done: RefCell<HashMap<String, Trained>>,
}

#[derive(Clone)]
struct Trained {
    weights: BTreeMap<String, Vec<u8>>,
    logits: Vec<u8>,
}

impl Trainer {
    fn new() -> Self {
        Self {
            mini: Mini::new(),
            done: RefCell::default(),
        }
    }

    /// Three steps of twelve images an epoch, one epoch, at a rate that moves all weights.
    fn spec(changes: &Value) -> TrialSpec {
        let mut document = raw(json!({
            "augment": {"crop": {"kind": "center"}, "flip": {"horizontal": 0.0}},
            "optimizer": {"kind": "adamw"},
            "schedule": {"kind": "constant"},
            "fit": {"epochs": 1, "resolution": 32},
        }));
        // Another kind has other fields.
        let kind = |document: &Value, part| document.pointer(&format!("/{part}/kind")).cloned();
        for part in ["optimizer", "schedule"] {
            if kind(changes, part).is_some_and(|wanted| kind(&document, part) != Some(wanted)) {
                document[part] = json!({});
            }
        }
        lay_over(&mut document, changes.clone());
        check::trial(&document).unwrap_or_else(|violations| panic!("{changes}: {violations}"))
    }

    fn train(&self, changes: &Value) -> Trained {
        let key = changes.to_string();
        if let Some(trained) = self.done.borrow().get(&key) {
            return trained.clone();
        }
        let spec = Self::spec(changes);
        let mut job = self.mini.job("run", &spec);
        if changes.pointer("/backbone/weights") == Some(&json!("pretrained")) {
            job.weights = Some(pretrained_file());
        }
        let (result, _) = complete(&job);
        let trained = Trained::of(&result);
        self.done.borrow_mut().insert(key, trained.clone());
        trained
    }

    /// Whether the two runs of a row came to the same.
    fn is_silent(&self, row: &Row) -> bool {
        let (one, other) = (self.train(&row.neutral), self.train(&row.changed));
        match row.sees {
            Sees::Weights => one.weights == other.weights,
            Sees::Predictions => one.logits == other.logits,
        }
    }
}

impl Trained {
    fn of(result: &JobResult) -> Self {
        let bytes = |tensor: &Tensor| {
            let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
            tensor.copy_data_u8(&mut bytes, tensor.numel());
            bytes
        };
        let model = tensors(result.model.as_ref().expect("a model"));
        let predictions = result.predictions.as_ref();
        Self {
            weights: model
                .iter()
                .map(|(name, tensor)| (name.clone(), bytes(tensor)))
                .collect(),
            logits: predictions.map_or_else(Vec::new, |path| bytes(&tensors(path)[LOGITS])),
        }
    }
}

fn check_rows(rows: &[Row]) {
    let trainer = Trainer::new();
    let silent: Vec<String> = rows
        .iter()
        .filter(|row| trainer.is_silent(row))
        .map(|row| format!("{}: {} and {}", row.option, row.neutral, row.changed))
        .collect();
    assert!(silent.is_empty(), "options that do nothing: {silent:#?}");
}

#[test]
fn every_option_of_an_optimizer_moves_the_weights() {
    check_rows(&optimizer_rows());
}

#[test]
fn every_option_of_a_schedule_moves_the_weights() {
    check_rows(&schedule_rows());
}

#[test]
fn every_option_of_augmentation_moves_the_weights() {
    check_rows(&augment_rows());
}

#[test]
fn every_option_of_a_loss_moves_the_weights() {
    check_rows(&loss_rows());
}

#[test]
fn every_option_of_the_network_moves_the_weights() {
    check_rows(&network_rows());
}

#[test]
fn every_option_of_the_run_moves_the_weights() {
    check_rows(&run_rows());
}

#[test]
fn no_option_is_forgotten() {
    // Generated from the types, and compared with them where the server is tested.
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
    let api = fs::read_to_string(api).expect("the API's description");
    let api: Value = serde_json::from_str(&api).expect("it is JSON");
    let mut found = BTreeSet::new();
    options(
        &api,
        &api["components"]["schemas"]["TrialSpec"],
        "",
        &mut found,
    );
    let is_elsewhere = |option: &String| {
        ELSEWHERE.iter().any(|(prefix, _)| {
            let rest = option.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '=']))
        })
    };
    found.retain(|option| !is_elsewhere(option));
    // A part that may be missing counts as its contents, where the default has it.
    found.retain(|option| !["/augment", "/input/interpolation"].contains(&option.as_str()));
    let tables = [
        optimizer_rows(),
        schedule_rows(),
        augment_rows(),
        loss_rows(),
        network_rows(),
        run_rows(),
    ];
    let rows: BTreeSet<String> = tables.into_iter().flatten().map(|row| row.option).collect();
    let forgotten: Vec<_> = found.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&found).collect();
    assert!(
        forgotten.is_empty(),
        "options without a row: {forgotten:#?}"
    );
    assert!(unknown.is_empty(), "rows of no option: {unknown:#?}");
}
