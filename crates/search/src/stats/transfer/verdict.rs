//! Start, slope and asymptote of one study.

use cultivar_spec::wire::{Asymptote, Estimate, Slope};
use rand::Rng;

use super::SplitSizes;
use super::arm::{Budget, On, budgets};
use super::family::Family;
use crate::stats::{Correct, bootstrap, interval};

/// A budget whose doubling added less than this was long enough: one point.
const CONVERGED_GAIN: f64 = 0.01;

/// Pretrained minus random at the longest budget both have run, and the split it is read on: test
/// where all those runs have it.
pub(super) fn asymptote(
    pretrained: &[Budget],
    random: &[Budget],
    sizes: SplitSizes,
    notes: &mut Vec<String>,
) -> (Option<Asymptote>, On) {
    let Some((a, b)) = longest_common(pretrained, random) else {
        notes.push("asymptote: no budget was run with both pretrained and random weights".into());
        return (None, On::Val);
    };
    let (difference, on) = difference(a, b, sizes);
    let epochs = a.epochs;
    let converged =
        converged(pretrained, epochs, on, sizes).zip(converged(random, epochs, on, sizes));
    match converged {
        Some((true, true)) => {}
        Some(_) => notes.push(format!(
            "asymptote: doubling the budget to {epochs} epochs still added a point or more, so this is a difference at {epochs} epochs"
        )),
        None => notes.push(format!(
            "asymptote: {epochs} epochs were not compared with half as many in both arms, so this is a difference at {epochs} epochs"
        )),
    }
    let asymptote = Asymptote {
        epochs,
        difference,
        converged: converged == Some((true, true)),
    };
    (Some(asymptote), on)
}

/// How many times fewer epochs pretrained weights need to reach the random arm's best.
pub(super) fn slope(
    pretrained: &[Budget],
    random: &[Budget],
    sizes: SplitSizes,
    on: On,
    rng: &mut impl Rng,
    n_resamples: usize,
    notes: &mut Vec<String>,
) -> Option<Slope> {
    let correct = |on: On| -> Option<Vec<Correct>> {
        let all = pretrained.iter().chain(random);
        all.map(|budget| budget.correct(on, sizes)).collect()
    };
    let arms = match correct(on) {
        Some(arms) => arms,
        None => {
            notes.push(
                "slope: read on validation, since not every budget was evaluated on test".into(),
            );
            correct(On::Val)?
        }
    };
    let epochs = |budgets: &[Budget]| -> Vec<u32> { budgets.iter().map(|b| b.epochs).collect() };
    let (pretrained, random) = (epochs(pretrained), epochs(random));
    let means: Vec<f64> = arms.iter().map(Correct::mean).collect();
    let found = first_to_reach(&pretrained, &random, &means);
    let mut ratios: Vec<f64> = bootstrap::joint_means(&arms, rng, n_resamples)
        .iter()
        // A budget that is never reached may be any ratio down to none.
        .map(|means| first_to_reach(&pretrained, &random, means).map_or(0.0, |reach| reach.ratio))
        .collect();
    let (low, high) = bootstrap::percentiles(&mut ratios);
    let longest = *pretrained.last()?;
    Some(match found {
        Some(reach) => {
            if reach.at_least {
                notes.push(format!(
                    "slope: the smallest pretrained budget run, {}, already reaches the random arm's best, so the ratio is at least this",
                    counted(pretrained[0])
                ));
            }
            Slope {
                ratio: reach.ratio,
                // Resamples straddle the observed step; the interval always holds it.
                low: low.min(reach.ratio),
                high: high.max(reach.ratio),
                at_least: reach.at_least,
                reached: true,
            }
        }
        None => {
            let best = random[best_budget(&means[pretrained.len()..])];
            notes.push(format!(
                "slope: pretrained weights did not reach the random arm's best within {}, so the ratio is below this",
                counted(longest)
            ));
            let ratio = f64::from(best) / f64::from(longest);
            Slope {
                ratio,
                low: 0.0,
                high: high.max(ratio),
                at_least: false,
                reached: false,
            }
        }
    })
}

struct Reach {
    ratio: f64,
    at_least: bool,
}

/// `means`: of the pretrained budgets, then of the random ones.
fn first_to_reach(pretrained: &[u32], random: &[u32], means: &[f64]) -> Option<Reach> {
    let (of_pretrained, of_random) = means.split_at(pretrained.len());
    let best = best_budget(of_random);
    let first = of_pretrained
        .iter()
        .position(|mean| *mean >= of_random[best])?;
    Some(Reach {
        ratio: f64::from(random[best]) / f64::from(pretrained[first]),
        at_least: first == 0,
    })
}

/// The shortest budget of the highest mean.
fn best_budget(means: &[f64]) -> usize {
    (0..means.len())
        .reduce(|best, idx| if means[idx] > means[best] { idx } else { best })
        .unwrap_or(0)
}

/// Linear heads on the frozen backbone, pretrained minus random, on the same images.
///
/// Of several matched families of heads (optimizer, schedule, smoothing), the one whose two arms do
/// best on average: a head as good as was found, without favouring either arm.
pub(super) fn start(
    full: &Family,
    heads: &[Family],
    sizes: SplitSizes,
    on: On,
    notes: &mut Vec<String>,
) -> Option<Estimate> {
    let best = heads
        .iter()
        .filter(|heads| full.starts_with(heads))
        .filter_map(|heads| {
            let arms = (
                budgets(&heads.pretrained, sizes),
                budgets(&heads.random, sizes),
            );
            let (a, b) = longest_common(&arms.0, &arms.1)?;
            let score = a.val_mean(sizes) + b.val_mean(sizes);
            let epochs = a.epochs;
            Some((score, epochs, arms))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let Some((_, epochs, (pretrained, random))) = best else {
        notes.push(format!(
            "start: no matched linear heads on frozen pretrained and random features at {} px",
            full.spec.fit.resolution
        ));
        return None;
    };
    let (a, b) = longest_common(&pretrained, &random)?;
    let (difference, read_on) = difference(a, b, sizes);
    if read_on != on {
        notes.push(format!(
            "start: read on {}, unlike the rest of this study",
            read_on.metric()
        ));
    }
    let enough = [&pretrained, &random]
        .into_iter()
        .all(|arm| converged(arm, epochs, read_on, sizes) == Some(true));
    if !enough {
        notes.push(format!(
            "start: linear heads after {}; that a longer fit would change nothing was not shown",
            counted(epochs)
        ));
    }
    Some(difference)
}

/// The longest budget both arms have.
fn longest_common<'b, 'a>(
    a: &'b [Budget<'a>],
    b: &'b [Budget<'a>],
) -> Option<(&'b Budget<'a>, &'b Budget<'a>)> {
    let same = |x: &'b Budget<'a>| Some((x, b.iter().find(|y| y.epochs == x.epochs)?));
    a.iter().rev().find_map(same)
}

/// `a` minus `b`, on test where both have it.
fn difference<'a>(a: &Budget<'a>, b: &Budget<'a>, sizes: SplitSizes<'a>) -> (Estimate, On) {
    let on = |on: On| a.correct(on, sizes).zip(b.correct(on, sizes));
    match on(On::Test) {
        Some((a, b)) => (interval::difference(&a, &b), On::Test),
        None => {
            let (a, b) = on(On::Val).expect("families hold trials with validation predictions");
            (interval::difference(&a, &b), On::Val)
        }
    }
}

/// Whether the step to `epochs` from half of it or less added under a point. `None` if nothing that
/// short was run. Read on `on` where both budgets have it, else on validation.
fn converged<'a>(
    budgets: &[Budget<'a>],
    epochs: u32,
    on: On,
    sizes: SplitSizes<'a>,
) -> Option<bool> {
    let long = budgets.iter().find(|budget| budget.epochs == epochs)?;
    let half = budgets
        .iter()
        .rev()
        .find(|budget| budget.epochs <= epochs / 2)?;
    let means = |on: On| {
        Some((
            long.correct(on, sizes)?.mean(),
            half.correct(on, sizes)?.mean(),
        ))
    };
    let (long, half) = means(on).or_else(|| means(On::Val))?;
    Some(long - half < CONVERGED_GAIN)
}

fn counted(epochs: u32) -> String {
    match epochs {
        1 => "1 epoch".into(),
        n => format!("{n} epochs"),
    }
}
