use cultivar_spec::trial::{Adaptation, Augment, Weights};
use cultivar_spec::{Sha256Digest, TrialId, TrialSpec, config_id};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

const N_GROUPS: usize = 100;
/// Images of each group.
const SIZES: [u32; N_GROUPS] = [3; N_GROUPS];

/// A run of which every group's first images are right, `percent` of all.
struct Run {
    weights: Weights,
    head_only: bool,
    epochs: u32,
    lr: f64,
    seed: u64,
    val_percent: usize,
    test_percent: Option<usize>,
}

const FULL: Run = Run {
    weights: Weights::Pretrained,
    head_only: false,
    epochs: 2,
    lr: 1e-3,
    seed: 0,
    val_percent: 50,
    test_percent: None,
};

fn run(weights: Weights, epochs: u32, seed: u64, val_percent: usize) -> Run {
    Run {
        weights,
        epochs,
        seed,
        val_percent,
        ..FULL
    }
}

/// Each run gets its easiest groups right.
fn counts(percent: usize) -> Vec<u32> {
    (0..N_GROUPS)
        .map(|group| if group < percent { 3 } else { 0 })
        .collect()
}

impl Run {
    fn trial(&self) -> TransferTrial {
        let mut spec = TrialSpec::example();
        spec.backbone.weights = self.weights.clone();
        if self.weights == Weights::Pretrained {
            spec.backbone.weights_sha256 = Some(Sha256Digest::of(b"weights"));
            spec.input.mean = Some([0.5; 3]);
        }
        if self.head_only {
            spec.adaptation = Adaptation::HeadOnly {};
            spec.augment = Some(Augment::none());
        }
        spec.optimizer.set_lr(self.lr);
        spec.fit.epochs = self.epochs;
        spec.fit.seed = self.seed;
        spec.write_out_defaults();
        TransferTrial {
            id: TrialId::new(),
            config_id: config_id(&spec),
            spec,
            val: Some(counts(self.val_percent)),
            test: self.test_percent.map(counts),
        }
    }
}

fn report_of(runs: &[Run]) -> TransferReport {
    let trials: Vec<TransferTrial> = runs.iter().map(Run::trial).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let sizes = SplitSizes {
        val: &SIZES,
        test: &SIZES,
    };
    report("open-emoji", &trials, sizes, &mut rng, 500)
}

fn only_study(report: &TransferReport) -> &TransferStudy {
    assert_eq!(report.studies.len(), 1, "{:?}", report.notes);
    &report.studies[0]
}

fn has_note(report: &TransferReport, part: &str) {
    assert!(
        report.notes.iter().any(|note| note.contains(part)),
        "{part:?} in {:?}",
        report.notes
    );
}

use Weights::{Pretrained, Random};

#[test]
fn two_epochs_are_a_difference_and_no_asymptote() {
    let report = report_of(&[
        run(Pretrained, 2, 0, 60),
        run(Pretrained, 2, 1, 62),
        run(Random, 2, 0, 20),
        run(Random, 2, 1, 22),
    ]);
    let study = only_study(&report);
    let asymptote = study.asymptote.as_ref().unwrap();
    assert_eq!((asymptote.epochs, asymptote.converged), (2, false));
    assert!((asymptote.difference.mean - 0.4).abs() < 1e-12);
    assert!(asymptote.difference.low > 0.15 && asymptote.difference.n == 2);
    let slope = study.slope.as_ref().unwrap();
    assert_eq!(
        (slope.ratio, slope.at_least, slope.reached),
        (1.0, true, true)
    );
    assert!(study.start.is_none());
    assert_eq!(study.metric, "val_top1");
    has_note(&report, "difference at 2 epochs");
    has_note(&report, "start: no matched linear heads");
    has_note(&report, "only one learning rate");
}

#[test]
fn a_negative_transfer_is_printed_as_it_is() {
    let report = report_of(&[run(Pretrained, 4, 0, 30), run(Random, 4, 0, 70)]);
    let study = only_study(&report);
    let difference = study.asymptote.as_ref().unwrap().difference;
    assert!((difference.mean + 0.4).abs() < 1e-12 && difference.high < 0.0);
    let slope = study.slope.as_ref().unwrap();
    assert!(!slope.reached && !slope.at_least && slope.low == 0.0);
    has_note(
        &report,
        "did not reach the random arm's best within 4 epochs",
    );
    has_note(&report, "single seed");
}

#[test]
fn equal_arms_differ_by_zero() {
    let report = report_of(&[run(Pretrained, 4, 0, 50), run(Random, 4, 0, 50)]);
    let difference = only_study(&report).asymptote.as_ref().unwrap().difference;
    assert!(difference.mean == 0.0 && difference.low < 0.0 && difference.high > 0.0);
}

#[test]
fn slope_and_asymptote_of_whole_curves() {
    let curve = |weights: Weights, percents: [usize; 4]| {
        let budget = move |(doublings, percent): (usize, usize)| {
            [0, 1].map(|seed| {
                run(
                    weights.clone(),
                    1 << doublings,
                    seed,
                    percent + seed as usize,
                )
            })
        };
        percents.into_iter().enumerate().flat_map(budget)
    };
    let runs: Vec<Run> = curve(Pretrained, [30, 60, 80, 80])
        .chain(curve(Random, [10, 20, 50, 50]))
        .collect();
    let report = report_of(&runs);
    let study = only_study(&report);
    let slope = study.slope.as_ref().unwrap();
    // The random arm is at its best after 4 epochs; pretrained passes it after 2.
    assert_eq!(
        (slope.ratio, slope.at_least, slope.reached),
        (2.0, false, true)
    );
    assert!(slope.low <= 2.0 && slope.high >= 2.0);
    let asymptote = study.asymptote.as_ref().unwrap();
    assert_eq!((asymptote.epochs, asymptote.converged), (8, true));
    assert_eq!(
        study
            .pretrained
            .iter()
            .map(|arm| arm.epochs)
            .collect::<Vec<_>>(),
        [1, 2, 4, 8]
    );
}

#[test]
fn each_arm_takes_its_own_lr_by_the_seeds_all_lrs_share() {
    let with_lr = |weights, lr, seed, val_percent| Run {
        weights,
        lr,
        seed,
        val_percent,
        ..FULL
    };
    let report = report_of(&[
        with_lr(Pretrained, 1e-4, 0, 60),
        with_lr(Pretrained, 1e-3, 0, 55),
        // A lucky seed the other rate did not run must not decide.
        with_lr(Pretrained, 1e-3, 1, 90),
        with_lr(Random, 1e-4, 0, 20),
        with_lr(Random, 1e-3, 0, 35),
        with_lr(Random, 1e-2, 0, 10),
    ]);
    let study = only_study(&report);
    assert_eq!(study.pretrained[0].lr, 1e-4);
    assert_eq!(study.random[0].lr, 1e-3);
    assert_eq!(study.random[0].lrs_tried, [1e-4, 1e-3, 1e-2]);
    has_note(
        &report,
        "pretrained weights: the best learning rate at 2 epochs is the smallest or largest tried",
    );
    assert!(
        !report
            .notes
            .iter()
            .any(|note| note.starts_with("random weights: the best"))
    );
}

#[test]
fn test_predictions_count_where_both_arms_have_them() {
    let tested = |weights, val, test| Run {
        test_percent: Some(test),
        ..run(weights, 2, 0, val)
    };
    let report = report_of(&[tested(Pretrained, 60, 50), tested(Random, 20, 25)]);
    let study = only_study(&report);
    assert_eq!(study.metric, "test_top1");
    assert!((study.asymptote.as_ref().unwrap().difference.mean - 0.25).abs() < 1e-12);
    assert!(study.random[0].test_top1.is_some());
    // One arm without: back to validation.
    let report = report_of(&[tested(Pretrained, 60, 50), run(Random, 2, 0, 20)]);
    assert_eq!(only_study(&report).metric, "val_top1");
}

#[test]
fn the_start_is_the_best_matched_pair_of_heads() {
    let head = |weights, lr, val_percent| Run {
        head_only: true,
        weights,
        lr,
        epochs: 20,
        val_percent,
        ..FULL
    };
    let report = report_of(&[
        run(Pretrained, 2, 0, 60),
        run(Random, 2, 0, 20),
        head(Pretrained, 1e-3, 40),
        head(Pretrained, 1e-2, 45),
        head(Random, 1e-3, 12),
        head(Random, 1e-2, 8),
    ]);
    let start = only_study(&report).start.unwrap();
    assert!((start.mean - 0.33).abs() < 1e-12, "{start:?}");
    has_note(&report, "start: linear heads after 20 epochs");
}

#[test]
fn unmatched_runs_are_counted_and_not_compared() {
    let mut other = run(Random, 2, 0, 20).trial();
    other.spec.loss = cultivar_spec::trial::Loss::CrossEntropy {
        smoothing: 0.1,
        metric: cultivar_spec::trial::MetricLoss::None {},
    };
    let mut external = run(Pretrained, 2, 0, 99).trial();
    external.spec.backbone.weights = Weights::Trial(TrialId::new());
    let trials = [run(Pretrained, 2, 0, 60).trial(), other, external];
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let sizes = SplitSizes {
        val: &SIZES,
        test: &SIZES,
    };
    let report = report("open-emoji", &trials, sizes, &mut rng, 100);
    assert!(report.studies.is_empty());
    has_note(&report, "no study");
    has_note(
        &report,
        "1 full fine-tuning run has no counterpart with random weights",
    );
    has_note(
        &report,
        "1 full fine-tuning run has no counterpart with pretrained weights",
    );
}
