//! Filling a model from named tensors, and saying what was and was not filled.

use std::collections::{HashMap, HashSet};

use cultivar_spec::trainer::LoadedWeights;
use tch::{Tensor, no_grad};

use super::{Group, ParamStore};

/// Which differences between a file and a model are excused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadPolicy {
    /// None: the file is of this very model.
    Exact,
    /// The head is left as it is where the file has none or one of another shape: a pretrained
    /// checkpoint.
    HeadIfFits,
    /// The head is left as it is: another trial's backbone.
    BackboneOnly,
}

/// What became of every name, in the model's order (`skipped`: sorted).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Taken from the file.
    pub loaded: Vec<String>,
    /// In the file, not taken.
    pub skipped: Vec<String>,
    /// Left at its fresh initial value.
    pub made: Vec<String>,
}

/// Names in a note: enough to recognise a head or a wrong file by.
const N_NOTED: usize = 20;

impl LoadReport {
    /// What is kept of it with the result.
    pub fn note(&self) -> LoadedWeights {
        let is_counter = |name: &&String| name.ends_with("num_batches_tracked");
        let skipped: Vec<&String> = self.skipped.iter().filter(|n| !is_counter(n)).collect();
        LoadedWeights {
            n_loaded: self.loaded.len() as u32,
            n_skipped: skipped.len() as u32,
            skipped: skipped.into_iter().take(N_NOTED).cloned().collect(),
            n_made: self.made.len() as u32,
            made: self.made.iter().take(N_NOTED).cloned().collect(),
        }
    }
}

/// The file does not fit the model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the weights lack {name}, which the model has")]
    Missing { name: String },
    #[error("{name} is {found:?} in the weights, the model wants {wanted:?}")]
    Shape {
        name: String,
        found: Vec<i64>,
        wanted: Vec<i64>,
    },
}

pub(super) fn load(
    store: &mut ParamStore,
    tensors: &HashMap<String, Tensor>,
    policy: LoadPolicy,
) -> Result<LoadReport, LoadError> {
    let head_fits = store
        .slots()
        .filter(|slot| slot.group == Group::Head)
        .all(|slot| tensors.get(slot.name).map(Tensor::size) == Some(slot.tensor.size()));
    let keep_head = match policy {
        LoadPolicy::Exact => false,
        LoadPolicy::HeadIfFits => !head_fits,
        LoadPolicy::BackboneOnly => true,
    };

    let mut report = LoadReport::default();
    let mut copies = Vec::new();
    for slot in store.slots() {
        if keep_head && slot.group == Group::Head {
            report.made.push(slot.name.to_owned());
            continue;
        }
        let source = tensors.get(slot.name).ok_or_else(|| LoadError::Missing {
            name: slot.name.to_owned(),
        })?;
        if source.size() != slot.tensor.size() {
            return Err(LoadError::Shape {
                name: slot.name.to_owned(),
                found: source.size(),
                wanted: slot.tensor.size(),
            });
        }
        report.loaded.push(slot.name.to_owned());
        copies.push((slot.tensor.shallow_clone(), source));
    }
    let loaded: HashSet<&String> = report.loaded.iter().collect();
    let mut skipped: Vec<String> = tensors
        .keys()
        .filter(|name| !loaded.contains(name))
        .cloned()
        .collect();
    skipped.sort();
    report.skipped = skipped;

    no_grad(|| {
        for (mut target, source) in copies {
            target.copy_(source);
        }
    });
    Ok(report)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::super::ParamKind;
    use super::*;

    fn zeros(shape: &[i64]) -> Tensor {
        Tensor::zeros(shape, (Kind::Float, Device::Cpu))
    }

    fn store() -> ParamStore {
        let mut store = ParamStore::new(Device::Cpu);
        let mut add = |name: &str, group, shape: &[i64]| {
            let _ = store.add_param(name.into(), ParamKind::Weight, group, 0, &zeros(shape));
        };
        add("stem.weight", Group::Backbone, &[2, 3]);
        add("classifier.weight", Group::Head, &[4, 2]);
        add("classifier.bias", Group::Head, &[4]);
        let _ = store.add_buffer("stem.mean".into(), &zeros(&[2]));
        store
    }

    /// Ones under these names and shapes.
    fn file(entries: &[(&str, &[i64])]) -> HashMap<String, Tensor> {
        let ones = |shape: &&[i64]| zeros(shape).ones_like();
        entries
            .iter()
            .map(|(name, shape)| ((*name).to_owned(), ones(shape)))
            .collect()
    }

    const STEM: (&str, &[i64]) = ("stem.weight", &[2, 3]);
    const MEAN: (&str, &[i64]) = ("stem.mean", &[2]);

    #[track_caller]
    fn check(entries: &[(&str, &[i64])], policy: LoadPolicy, expect: Result<[&[&str]; 3], &str>) {
        let mut store = store();
        let outcome = store.load(&file(entries), policy);
        let sums: HashMap<String, f64> = store
            .named()
            .into_iter()
            .map(|(name, values)| (name, values.sum(Kind::Double).double_value(&[])))
            .collect();
        match (outcome, expect) {
            (Ok(report), Ok([loaded, skipped, made])) => {
                assert_eq!(report.loaded, loaded);
                assert_eq!(report.skipped, skipped);
                assert_eq!(report.made, made);
                for (name, sum) in sums {
                    assert_eq!(sum > 0.0, loaded.contains(&name.as_str()), "{name}");
                }
            }
            (Err(error), Err(message)) => {
                assert_eq!(error.to_string(), message);
                assert!(
                    sums.values().all(|&sum| sum == 0.0),
                    "something was changed"
                );
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
    }

    #[test]
    fn a_head_of_another_shape_is_made_anew() {
        let entries: &[(&str, &[i64])] = &[
            STEM,
            MEAN,
            ("classifier.weight", &[1000, 2]),
            ("classifier.bias", &[1000]),
            ("stem.num_batches_tracked", &[]),
        ];
        let head: &[&str] = &["classifier.weight", "classifier.bias"];
        let skipped: &[&str] = &[
            "classifier.bias",
            "classifier.weight",
            "stem.num_batches_tracked",
        ];
        let trunk: &[&str] = &["stem.weight", "stem.mean"];
        check(entries, LoadPolicy::HeadIfFits, Ok([trunk, skipped, head]));
        check(
            entries,
            LoadPolicy::Exact,
            Err("classifier.weight is [1000, 2] in the weights, the model wants [4, 2]"),
        );
    }

    #[test]
    fn the_note_counts_all_and_names_the_first() {
        let names = |prefix: &str, n: usize| -> Vec<String> {
            (0..n).map(|idx| format!("{prefix}{idx}")).collect()
        };
        let mut report = LoadReport {
            loaded: names("loaded", 300),
            skipped: names("skipped", 2),
            made: names("made", 30),
        };
        report.skipped.push("bn1.num_batches_tracked".into());
        let note = report.note();
        assert_eq!((note.n_loaded, note.n_skipped, note.n_made), (300, 2, 30));
        assert_eq!(note.skipped, ["skipped0", "skipped1"]);
        assert_eq!((note.made.len(), note.made[0].as_str()), (20, "made0"));
    }

    #[test]
    fn a_head_that_fits_is_taken_unless_the_backbone_alone_is_wanted() {
        let entries: &[(&str, &[i64])] = &[
            STEM,
            MEAN,
            ("classifier.weight", &[4, 2]),
            ("classifier.bias", &[4]),
        ];
        let all: &[&str] = &[
            "stem.weight",
            "classifier.weight",
            "classifier.bias",
            "stem.mean",
        ];
        check(entries, LoadPolicy::HeadIfFits, Ok([all, &[], &[]]));
        check(entries, LoadPolicy::Exact, Ok([all, &[], &[]]));
        check(
            entries,
            LoadPolicy::BackboneOnly,
            Ok([
                &["stem.weight", "stem.mean"],
                &["classifier.bias", "classifier.weight"],
                &["classifier.weight", "classifier.bias"],
            ]),
        );
    }

    #[test]
    fn a_backbone_that_does_not_fit_is_named() {
        for policy in [
            LoadPolicy::HeadIfFits,
            LoadPolicy::BackboneOnly,
            LoadPolicy::Exact,
        ] {
            check(
                &[
                    STEM,
                    ("classifier.weight", &[4, 2]),
                    ("classifier.bias", &[4]),
                ],
                policy,
                Err("the weights lack stem.mean, which the model has"),
            );
            check(
                &[("stem.weight", &[2, 5]), MEAN],
                policy,
                Err("stem.weight is [2, 5] in the weights, the model wants [2, 3]"),
            );
        }
    }
}
