//! Which runs a tuning needs, and what they say. Pure: what is already there comes in, specs and rankings come out.

use cultivar_spec::{TrialId, TrialSpec, TrialState};

use super::recipe::{Candidate, Tuning};
use crate::study::plan::{Known, best, find};

/// The first stage: every candidate's probe at each of its rates.
pub fn probes(tuning: &Tuning) -> Vec<TrialSpec> {
    let candidates = tuning.candidates.iter();
    candidates.flat_map(|one| probes_of(tuning, one)).collect()
}

/// The second stage, once the probes have run: the best backbones, fine-tuned at each rate with the first seed.
pub fn rates(tuning: &Tuning, known: &[Known]) -> Vec<TrialSpec> {
    let top = top(tuning, known).into_iter();
    top.flat_map(|probed| rates_of(tuning, probed.candidate))
        .collect()
}

/// The third, once those have run: the seeds, at the rates that validation chose for each backbone, of its probe too, so that
/// several runs are held against several.
pub fn seeds(tuning: &Tuning, known: &[Known]) -> Vec<TrialSpec> {
    let top = top(tuning, known).into_iter();
    top.flat_map(|probed| {
        let mut specs = probe_seeds_of(tuning, probed.candidate, known);
        specs.extend(seeds_of(tuning, probed.candidate, known));
        specs
    })
    .collect()
}

/// A candidate whose probe has a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed<'a> {
    pub candidate: &'a Candidate,
    /// At the rate that validation chose, with the first seed.
    pub trial: TrialId,
    /// That one, and those that completed with the other seeds.
    pub trials: Vec<TrialId>,
    pub lr: f64,
    pub val_top1: f64,
}

/// The candidates whose probe has a result, best first; equals by name.
pub fn ranked<'a>(tuning: &'a Tuning, known: &[Known]) -> Vec<Probed<'a>> {
    let probed = |candidate: &'a Candidate| {
        let run = best(probes_of(tuning, candidate), known)?;
        let specs = probe_seeds_of(tuning, candidate, known);
        let runs = specs.iter().filter_map(|spec| find(spec, known));
        let runs = runs.filter(|run| run.state == TrialState::Completed);
        Some(Probed {
            candidate,
            trial: run.id,
            trials: runs.map(|run| run.id).collect(),
            lr: run.spec.optimizer.lr(),
            val_top1: run.val_top1?,
        })
    };
    let mut ranked: Vec<Probed<'a>> = tuning.candidates.iter().filter_map(probed).collect();
    ranked.sort_by(|a, b| b.val_top1.total_cmp(&a.val_top1));
    ranked
}

/// A fine-tuned backbone: its completed runs at the rate that validation chose.
#[derive(Clone, Debug, PartialEq)]
pub struct Finalist<'a> {
    pub probed: Probed<'a>,
    /// In the order of the seeds; never empty.
    pub trials: Vec<TrialId>,
    pub lr: f64,
    /// Mean over the seeds.
    pub val_top1: f64,
}

/// The backbones that were fine-tuned, best first; equals as their probes rank them.
pub fn finalists<'a>(tuning: &'a Tuning, known: &[Known]) -> Vec<Finalist<'a>> {
    let finalist = |probed: Probed<'a>| {
        let specs = seeds_of(tuning, probed.candidate, known);
        let lr = specs.first()?.optimizer.lr();
        let runs = specs.iter().filter_map(|spec| find(spec, known));
        let runs = runs.filter(|run| run.state == TrialState::Completed);
        let (trials, scores): (Vec<TrialId>, Vec<f64>) =
            runs.filter_map(|run| Some((run.id, run.val_top1?))).unzip();
        (!trials.is_empty()).then(|| Finalist {
            probed,
            lr,
            val_top1: scores.iter().sum::<f64>() / trials.len() as f64,
            trials,
        })
    };
    let mut found: Vec<Finalist<'a>> = top(tuning, known)
        .into_iter()
        .filter_map(finalist)
        .collect();
    found.sort_by(|a, b| b.val_top1.total_cmp(&a.val_top1));
    found
}

/// What training a candidate took in all, probes and every rate and seed included.
pub fn seconds(tuning: &Tuning, candidate: &Candidate, known: &[Known]) -> f64 {
    let mut specs = probes_of(tuning, candidate);
    specs.extend(rates_of(tuning, candidate));
    let mut seeds = probe_seeds_of(tuning, candidate, known);
    seeds.extend(seeds_of(tuning, candidate, known));
    for spec in seeds {
        if !specs.contains(&spec) {
            specs.push(spec);
        }
    }
    let runs = specs.iter().filter_map(|spec| find(spec, known));
    runs.filter_map(|run| run.seconds).sum()
}

fn top<'a>(tuning: &'a Tuning, known: &[Known]) -> Vec<Probed<'a>> {
    let mut ranked = ranked(tuning, known);
    ranked.truncate(tuning.top);
    ranked
}

fn probes_of(tuning: &Tuning, candidate: &Candidate) -> Vec<TrialSpec> {
    let lrs = tuning.probe_lrs.iter();
    lrs.map(|&lr| run(&candidate.probe, lr, tuning.seeds[0]))
        .collect()
}

fn rates_of(tuning: &Tuning, candidate: &Candidate) -> Vec<TrialSpec> {
    let lrs = tuning.lrs.iter();
    lrs.map(|&lr| run(&candidate.tuned, lr, tuning.seeds[0]))
        .collect()
}

/// None while no rate has a result.
fn seeds_of(tuning: &Tuning, candidate: &Candidate, known: &[Known]) -> Vec<TrialSpec> {
    let rates = rates_of(tuning, candidate);
    repeated(tuning, &candidate.tuned, best(rates, known))
}

fn probe_seeds_of(tuning: &Tuning, candidate: &Candidate, known: &[Known]) -> Vec<TrialSpec> {
    let probes = probes_of(tuning, candidate);
    repeated(tuning, &candidate.probe, best(probes, known))
}

/// Every seed at the rate of the run that was chosen.
fn repeated(tuning: &Tuning, base: &TrialSpec, chosen: Option<&Known>) -> Vec<TrialSpec> {
    let Some(chosen) = chosen else {
        return Vec::new();
    };
    let lr = chosen.spec.optimizer.lr();
    let seeds = tuning.seeds.iter();
    seeds.map(|&seed| run(base, lr, seed)).collect()
}

fn run(base: &TrialSpec, lr: f64, seed: u64) -> TrialSpec {
    let mut spec = base.clone();
    spec.optimizer.set_lr(lr);
    spec.fit.seed = seed;
    spec
}

#[cfg(test)]
mod tests {
    use cultivar_spec::trial::Adaptation;

    use super::*;
    use crate::study::plan::missing;
    use crate::study::plan::testing::{assert_drawn, completed};
    use crate::tune::recipe::example;

    /// Every probe done: the transformer's is the best, then ResNet's, then EfficientNet's, each at its middle rate.
    fn after_the_probes(tuning: &Tuning) -> Vec<Known> {
        let score = |spec: &TrialSpec| {
            let of_backbone = match spec.backbone.name.as_str() {
                "vit_base_patch14_dinov2" => 0.8,
                "resnet50" => 0.7,
                _ => 0.6,
            };
            let is_middle = spec.optimizer.lr() == tuning.probe_lrs[1];
            of_backbone - if is_middle { 0.0 } else { 0.05 }
        };
        let probes = probes(tuning);
        probes
            .iter()
            .map(|spec| completed(spec, score(spec)))
            .collect()
    }

    fn names(specs: &[TrialSpec]) -> Vec<(&str, f64, u64)> {
        let specs = specs.iter();
        specs
            .map(|spec| {
                (
                    spec.backbone.name.as_str(),
                    spec.optimizer.lr(),
                    spec.fit.seed,
                )
            })
            .collect()
    }

    #[test]
    fn the_best_probes_are_fine_tuned_each_at_its_own_rate() {
        let tuning = example();
        assert_eq!(probes(&tuning).len(), 3 * 3);
        assert_eq!(rates(&tuning, &[]), []);
        let mut known = after_the_probes(&tuning);
        let ranking = ranked(&tuning, &known);
        let order: Vec<&str> = ranking
            .iter()
            .map(|probed| probed.candidate.backbone.as_str())
            .collect();
        assert_eq!(
            order,
            ["vit_base_patch14_dinov2", "resnet50", "efficientnet_lite0"]
        );
        assert_eq!((ranking[0].lr, ranking[0].val_top1), (4e-3, 0.8));

        let (vit, resnet) = ("vit_base_patch14_dinov2", "resnet50");
        let second = rates(&tuning, &known);
        let wanted = [
            (vit, 2e-4, 0),
            (vit, 1e-3, 0),
            (resnet, 2e-4, 0),
            (resnet, 1e-3, 0),
        ];
        assert_eq!(names(&second), wanted);
        assert_eq!(finalists(&tuning, &known), []);
        // The transformer likes the smaller rate, ResNet the larger one, and passes it.
        known.extend(second.iter().map(|spec| {
            let likes = (spec.backbone.name == vit) == (spec.optimizer.lr() < 5e-4);
            let loses = if spec.backbone.name == vit { 0.1 } else { 0.0 };
            completed(spec, if likes { 0.9 - loses } else { 0.5 })
        }));
        let third = missing(seeds(&tuning, &known), &known);
        let wanted = [
            (vit, 4e-3, 1),
            (vit, 2e-4, 1),
            (resnet, 4e-3, 1),
            (resnet, 1e-3, 1),
        ];
        assert_eq!(names(&third), wanted);

        known.extend([completed(&third[2], 0.7), completed(&third[3], 0.8)]);
        let found = finalists(&tuning, &known);
        assert_eq!(found[0].probed.candidate.backbone, resnet);
        assert_eq!((found[0].trials.len(), found[1].trials.len()), (2, 1));
        let probes = |finalist: &Finalist<'_>| finalist.probed.trials.len();
        assert_eq!((probes(&found[0]), probes(&found[1])), (2, 1));
        assert!((found[0].val_top1 - 0.85).abs() < 1e-12);
        // Three probes, two rates, one further seed of the best of each.
        assert_eq!(seconds(&tuning, found[0].probed.candidate, &known), 70.0);
    }

    #[test]
    fn the_server_makes_of_the_sweeps_what_was_planned() {
        let tuning = example();
        let known = after_the_probes(&tuning);
        let base = &tuning.candidates[0].tuned;
        for planned in [probes(&tuning), rates(&tuning, &known)] {
            assert_drawn(base, &planned);
        }
    }

    #[test]
    fn a_backbone_whose_probe_failed_is_not_ranked() {
        let tuning = example();
        let mut known = after_the_probes(&tuning);
        for run in &mut known {
            if run.spec.backbone.name == "resnet50" {
                run.state = TrialState::Failed;
                run.val_top1 = None;
            }
        }
        assert_eq!(ranked(&tuning, &known).len(), 2);
        let specs = rates(&tuning, &known);
        assert!(
            specs
                .iter()
                .all(|spec| spec.adaptation != (Adaptation::HeadOnly {}))
        );
        assert_eq!(specs.len(), 4, "the third takes its place");
    }
}
