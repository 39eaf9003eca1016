//! What is trained at which epoch, and how: a pure function of the spec, beside the schedule.
//!
//! Where what is trained changes, the flat buffers are laid out anew and the optimizer starts afresh: the
//! moments of parameters that stood still would say nothing about them.
//!
//! * Gradual unfreezing: Howard and Ruder 2018 (ULMFiT), <https://arxiv.org/abs/1801.06146>, section 3.3: the head
//!   first, then with every epoch one layer more, from the head down. Differences: the epochs are the spec's; a unit is
//!   a run of the backbone's layers, cut into groups of like length; the optimizer starts afresh at each unfreezing,
//!   while the schedule runs on. The paper's lower rates for lower layers are `layer_decay`.
//! * Progressive resolution: Tan and Le 2021 (EfficientNetV2), <https://arxiv.org/abs/2104.00298>, section 4: small
//!   images first, larger ones later, in stages of one run of optimizer and schedule. Differences: each phase states its
//!   size, which the paper interpolates; augmentation and dropout stay as they are, where the paper has them
//!   grow with the images.
//! * FixRes: Touvron et al. 2019, <https://arxiv.org/abs/1906.06423>: a last phase that trains `head_and_last_norm` on
//!   evaluation's views at evaluation's resolution, with that norm's statistics moving. Where a network has no BatchNorm its
//!   last LayerNorm is trained instead.

use std::ops::Range;

use cultivar_spec::TrialSpec;
use cultivar_spec::trial::{Adaptation, PhaseTrains, PhaseViews, phase_epochs};

use crate::models::Trained;

/// How an epoch is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    pub trained: Trained,
    /// Side of the training crop in pixels.
    pub resolution: u32,
    pub views: PhaseViews,
    /// Learning rates over the spec's.
    pub lr_mult: f64,
    /// The epochs that the schedule runs over: neighbouring phases that train the same share one.
    pub schedule: Range<u32>,
}

/// The stage of an epoch, counted from 0.
pub fn stage_at(spec: &TrialSpec, epoch: u32) -> Stage {
    let whole = |trained| Stage {
        trained,
        resolution: spec.fit.resolution,
        views: PhaseViews::Augmented,
        lr_mult: 1.0,
        schedule: 0..spec.fit.epochs,
    };
    match &spec.adaptation {
        Adaptation::HeadOnly {} => whole(Trained::Head),
        Adaptation::Gradual {
            unfreeze_epochs, ..
        } => whole(Trained::Groups {
            n_open: unfreeze_epochs.iter().filter(|&&at| at <= epoch).count() as u32,
            n_groups: unfreeze_epochs.len() as u32,
        }),
        Adaptation::Full { .. } if spec.fit.phases.is_empty() => whole(Trained::All),
        Adaptation::Full { .. } => of_phase(spec, epoch),
    }
}

fn of_phase(spec: &TrialSpec, epoch: u32) -> Stage {
    let phases = &spec.fit.phases;
    // Where each phase begins, and where the last one ends.
    let mut bounds = vec![0];
    for n_epochs in phase_epochs(phases, spec.fit.epochs) {
        bounds.push(bounds.last().copied().unwrap_or(0) + n_epochs);
    }
    let is_past = |end: &&u32| **end <= epoch;
    let idx = bounds[1..].iter().filter(is_past).count();
    let idx = idx.min(phases.len() - 1);
    let phase = &phases[idx];

    let same = |other: usize| phases[other].train == phase.train;
    let first = (0..idx)
        .rev()
        .take_while(|&i| same(i))
        .last()
        .unwrap_or(idx);
    let last = (idx..phases.len())
        .take_while(|&i| same(i))
        .last()
        .unwrap_or(idx);
    let eval_resolution = spec.fit.eval_resolution.unwrap_or(spec.fit.resolution);
    Stage {
        trained: match phase.train {
            PhaseTrains::All => Trained::All,
            PhaseTrains::Head => Trained::Head,
            PhaseTrains::HeadAndLastNorm => Trained::HeadAndLastNorm,
        },
        resolution: match phase.views {
            PhaseViews::Augmented => phase.resolution.unwrap_or(spec.fit.resolution),
            PhaseViews::Evaluation => eval_resolution,
        },
        views: phase.views,
        lr_mult: phase.lr_mult,
        schedule: bounds[first]..bounds[last + 1],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(adaptation: Value, phases: Value) -> TrialSpec {
        let raw = json!({
            "data": {"dataset": "d"},
            "adaptation": adaptation,
            "fit": {"epochs": 10, "resolution": 96, "eval_resolution": 128, "phases": phases},
        });
        cultivar_spec::check::trial(&raw).expect("it is valid")
    }

    #[test]
    fn freeze_full_and_fix_res_follow_each_other() {
        let spec = spec(
            json!({"mode": "full"}),
            json!([
                {"share": 0.1, "train": "head", "lr_mult": 10.0},
                {"share": 0.4, "resolution": 64},
                {"share": 0.4},
                {"share": 0.1, "train": "head_and_last_norm", "views": "evaluation", "lr_mult": 0.1},
            ]),
        );
        let check = |epochs: Range<u32>, trained, resolution, lr_mult, schedule: Range<u32>| {
            for epoch in epochs {
                let stage = stage_at(&spec, epoch);
                assert_eq!(stage.trained, trained, "epoch {epoch}");
                assert_eq!(stage.resolution, resolution, "epoch {epoch}");
                assert_eq!(stage.lr_mult, lr_mult, "epoch {epoch}");
                assert_eq!(stage.schedule, schedule, "epoch {epoch}");
                let sees_evaluation = stage.views == PhaseViews::Evaluation;
                assert_eq!(sees_evaluation, epoch == 9, "epoch {epoch}");
            }
        };
        check(0..1, Trained::Head, 96, 10.0, 0..1);
        check(1..5, Trained::All, 64, 1.0, 1..9);
        check(5..9, Trained::All, 96, 1.0, 1..9);
        check(9..10, Trained::HeadAndLastNorm, 128, 0.1, 9..10);
    }

    #[test]
    fn groups_open_at_their_epochs() {
        let spec = spec(
            json!({"mode": "gradual", "unfreeze_epochs": [1, 3, 3]}),
            json!([]),
        );
        let n_open: Vec<u32> = (0..5)
            .map(|epoch| match stage_at(&spec, epoch).trained {
                Trained::Groups {
                    n_open,
                    n_groups: 3,
                } => n_open,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(n_open, [0, 1, 1, 3, 3]);
        assert_eq!(stage_at(&spec, 4).schedule, 0..10);
    }

    #[test]
    fn without_phases_a_run_is_one_stage() {
        let full = spec(json!({"mode": "full"}), json!([]));
        assert_eq!(stage_at(&full, 0), stage_at(&full, 9));
        assert_eq!(stage_at(&full, 3).trained, Trained::All);
    }
}
