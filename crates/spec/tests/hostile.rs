//! Texts that nobody means well by: whatever comes in, a parser answers, and what it takes it also takes when it is
//! written out again. New texts at every run; `CULTIVAR_FUZZ_CASES` asks for more of them.

use std::fmt::Debug;

use cultivar_spec::secret::{Secret, SecretKind};
use cultivar_spec::wire::{Claim, Heartbeat, MetricBatch};
use cultivar_spec::{SweepSpec, TrialSpec, Violations, check, document};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// One change of a text.
#[derive(Clone, Debug)]
enum Edit {
    Insert {
        at: Index,
        bytes: Vec<u8>,
    },
    Remove {
        at: Index,
        n: usize,
    },
    /// A piece comes again somewhere else.
    Copy {
        from: Index,
        n: usize,
        to: Index,
    },
}

fn edit() -> impl Strategy<Value = Edit> {
    const ODD: [&str; 20] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u0000",
        "-",
        "1e999",
        "-1",
        "18446744073709551616",
        "NaN",
        ".inf",
        "null",
        "true",
        "*a",
        "&a",
        "\n  ",
        "!!binary ",
    ];
    let bytes = prop_oneof![
        select(ODD.to_vec()).prop_map(|odd| odd.as_bytes().to_vec()),
        vec(any::<u8>(), 1..4),
    ];
    prop_oneof![
        3 => (any::<Index>(), bytes).prop_map(|(at, bytes)| Edit::Insert { at, bytes }),
        2 => (any::<Index>(), 1..8_usize).prop_map(|(at, n)| Edit::Remove { at, n }),
        1 => (any::<Index>(), 1..40_usize, any::<Index>()).prop_map(|(from, n, to)| Edit::Copy { from, n, to }),
    ]
}

fn apply(text: &str, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for edit in edits {
        let len = bytes.len();
        let place = |at: &Index| at.index(len + 1);
        match edit {
            Edit::Insert { at, bytes: new } => {
                let at = place(at);
                bytes.splice(at..at, new.iter().copied());
            }
            Edit::Remove { at, n } => {
                let at = place(at);
                bytes.drain(at..(at + n).min(len));
            }
            Edit::Copy { from, n, to } => {
                let from = place(from);
                let piece = bytes[from..(from + n).min(len)].to_vec();
                let to = place(to);
                bytes.splice(to..to, piece);
            }
        }
    }
    bytes
}

/// Feeds changed forms of `texts` to `read`, and fails where it panics or says that something is wrong.
fn hostile(texts: &[String], read: impl Fn(&[u8]) -> Result<(), String>) {
    let cases = std::env::var("CULTIVAR_FUZZ_CASES");
    let mut runner = TestRunner::new(Config {
        cases: cases.map_or(1500, |n| n.parse().expect("a number of cases")),
        failure_persistence: None,
        ..Config::default()
    });
    let inputs = (select(texts.to_vec()), vec(edit(), 0..6));
    let result = runner.run(&inputs, |(text, edits)| {
        let bytes = apply(&text, &edits);
        read(&bytes).map_err(|error| {
            TestCaseError::fail(format!("{:?}: {error}", String::from_utf8_lossy(&bytes)))
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// What is taken is taken again as it is written out, and means the same.
fn again<T: serde::Serialize + PartialEq + Debug>(
    raw: &Value,
    read: impl Fn(&Value) -> Result<T, Violations>,
) -> Result<(), String> {
    let Ok(taken) = read(raw) else { return Ok(()) };
    let written = serde_json::to_value(&taken).map_err(|error| error.to_string())?;
    match read(&written) {
        Ok(same) if same == taken => Ok(()),
        Ok(other) => Err(format!("{taken:?} was read again as {other:?}")),
        Err(refused) => Err(format!(
            "{written} is refused when it comes again: {refused:?}"
        )),
    }
}

fn yaml(bytes: &[u8]) -> Option<Value> {
    document::parse(&String::from_utf8_lossy(bytes)).ok()
}

#[test]
fn a_trial_spec_of_any_text_is_taken_or_refused() {
    let full = check::trial(&json!({"data": {"dataset": "d"}})).unwrap();
    let texts = [
        "data: {dataset: d}\nbackbone: {name: efficientnet_lite0, weights: pretrained}\nadaptation: {mode: full}\noptimizer: {kind: sgd, lr: 0.1, momentum: 0.9}\nfit: {epochs: 3, seed: 7, batch_size: 32}\n".to_owned(),
        serde_json::to_string(&full).unwrap(),
    ];
    hostile(&texts, |bytes| match yaml(bytes) {
        Some(raw) => again::<TrialSpec>(&raw, check::trial),
        None => Ok(()),
    });
}

#[test]
fn a_sweep_of_any_text_is_taken_or_refused() {
    let texts = [
        "name: s\nbase: {data: {dataset: d}}\nspace:\n  optimizer: {lr: {log_uniform: [1.0e-4, 0.1]}}\n  fit: {epochs: {choice: [1, 2]}, batch_size: {int: [8, 64]}}\nsampler: {kind: random, seed: 1}\nbudget: {configs: 9}\nseeds: [0, 1]\nqueueing: {priority: 3, needs: {device: cuda, memory_bytes: 9, labels: [lab]}}\n".to_owned(),
    ];
    hostile(&texts, |bytes| match yaml(bytes) {
        Some(raw) => again::<SweepSpec>(&raw, check::sweep),
        None => Ok(()),
    });
}

#[test]
fn what_workers_send_is_taken_or_refused() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let worker = json!({"id": id, "boot": id, "name": "w", "device": {"kind": "cpu", "name": "c"}, "version": "0"});
    let texts = [
        json!({"points": [{"metric": "train_loss", "step": 1, "epoch": 0.5, "value": "NaN"}], "progress": null}),
        json!({"worker": worker, "request": id, "max": 1, "wait_s": 2.5, "labels": ["lab"], "memory_bytes": 9}),
        json!({"worker": worker, "leases": [id]}),
    ];
    let texts = texts.map(|text| text.to_string());
    hostile(&texts, |bytes| {
        if let Ok(raw) = serde_json::from_slice::<Value>(bytes) {
            let _ = check::document::<MetricBatch>(&raw);
            let _ = check::document::<Claim>(&raw);
            let _ = check::document::<Heartbeat>(&raw);
        }
        Ok(())
    });
}

#[test]
fn no_changed_token_is_a_token() {
    let kinds = [SecretKind::Access, SecretKind::Session];
    let texts = kinds.map(|kind| Secret::new(kind, [7; 32]).reveal().to_owned());
    hostile(&texts, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let is_known = texts.iter().any(|known| *known == text);
        for kind in SecretKind::ALL {
            // The odds of a checksum that fits by chance are one to 2^32.
            if Secret::parse(kind, &text).is_ok() && !is_known {
                return Err("a changed token passes its checksum".into());
            }
        }
        Ok(())
    });
}
