//! What a reader must know to read the leaderboard right, in sentences.

use cultivar_search::stats::{binomial, ranking};
use cultivar_spec::wire::{DatasetView, LeaderboardRow, Selection, SotaEntry, SotaMetric};

use super::ranking::RankBy;

/// Seeds below which a row is called thin.
const FEW_SEEDS: usize = 3;

/// The notes of a table, the most important first. `rows`: all of them, shown or not.
pub(super) fn write(
    rows: &[LeaderboardRow],
    by: RankBy,
    n_thinned: u64,
    sota: &[SotaEntry],
    dataset: &DatasetView,
    n_test_accesses: u64,
) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(top) = rows.first() else {
        notes.push(format!("no trial on {} has completed yet", dataset.name));
        return notes;
    };
    notes.extend(lead(rows));
    if top.selected {
        let split = match by {
            RankBy::Val => "validation",
            RankBy::Test => "test",
        };
        let n_compared = rows.iter().filter(|row| row.vs_top.is_some()).count() + 1;
        notes.push(format!(
            "the top row was picked as the best of {} on the same {split} images, which flatters its number; \
             only fresh seeds and untouched images would tell by how much",
            counted(n_compared, "configuration")
        ));
    }
    notes.extend(seeds(rows));
    notes.extend(thinned(n_thinned));
    notes.extend(published(top, sota, dataset));
    if n_test_accesses > 0 {
        notes.push(format!(
            "the test split was opened {}",
            times(n_test_accesses)
        ));
    }
    notes
}

/// How much of the table the top row is told apart from.
fn lead(rows: &[LeaderboardRow]) -> Option<String> {
    let (top, others) = rows.split_first()?;
    let compared: Vec<_> = others
        .iter()
        .filter_map(|row| Some((row.trials.len().min(top.trials.len()), row.vs_top?)))
        .collect();
    let n = compared.len();
    if n == 0 {
        return None;
    }
    let n_separated = |repeated: bool| {
        let separated = compared.iter().filter(|(_, c)| ranking::is_separated(c));
        separated
            .filter(|(n_seeds, _)| (*n_seeds > 1) == repeated)
            .count()
    };
    let (single, repeated) = (n_separated(false), n_separated(true));
    let of = |k: usize| match (k, n) {
        (_, 1) => "the other row".to_owned(),
        (0, _) => format!("any of the {n} other rows"),
        (k, _) if k == n => format!("all {n} other rows"),
        (k, _) => format!("{k} of the {n} other rows"),
    };
    let verdict = if repeated == 0 {
        "not shown to be better"
    } else {
        "better"
    };
    let mut note = format!(
        "the top row is {verdict} than {} (95%: tests over groups and seeds, Holm over {} of rows)",
        of(repeated),
        counted(ranking::n_pairs(n + 1), "pair"),
    );
    if single > 0 {
        note += &format!(
            "; on these images it is ahead of {} by more than chance, but with a single seed on either side the seed \
             may be why",
            if single == n {
                of(n)
            } else {
                format!("{single} more")
            }
        );
    }
    Some(note)
}

fn seeds(rows: &[LeaderboardRow]) -> Option<String> {
    let n_single = rows.iter().filter(|row| row.trials.len() == 1).count();
    let n_few = rows
        .iter()
        .filter(|row| row.trials.len() < FEW_SEEDS)
        .count();
    if n_single > 0 {
        let verb = if n_single == 1 { "has" } else { "have" };
        let interval = match n_single == rows.len() {
            true => "the interval then holds the choice of images, not that of seeds",
            false => "its interval takes seeds to vary as they do in the other rows",
        };
        Some(format!(
            "{n_single} of {} {verb} a single seed: {interval}",
            counted(rows.len(), "row")
        ))
    } else if n_few > 0 {
        let verb = if n_few == 1 { "has" } else { "have" };
        Some(format!(
            "{n_few} of {} {verb} only two seeds: their intervals lean on how seeds vary in the other rows",
            counted(rows.len(), "row")
        ))
    } else {
        None
    }
}

/// That some means are of the seeds that a scheduler let live.
fn thinned(n: u64) -> Option<String> {
    let verb = if n == 1 { "has" } else { "have" };
    (n > 0).then(|| {
        format!(
            "{} {verb} seeds that a scheduler stopped: the mean is then of those that it let live, which flatters it",
            counted(n as usize, "configuration")
        )
    })
}

/// How the top row stands to published results, and how far their protocols match.
fn published(top: &LeaderboardRow, sota: &[SotaEntry], dataset: &DatasetView) -> Vec<String> {
    let mut notes = Vec::new();
    if sota.is_empty() {
        notes.push(format!(
            "no published results are registered for {}",
            dataset.name
        ));
        return notes;
    }
    let of_top1: Vec<&SotaEntry> = sota
        .iter()
        .filter(|e| e.metric == SotaMetric::Top1)
        .collect();
    let best = of_top1
        .iter()
        .copied()
        .max_by(|a, b| a.value.total_cmp(&b.value));
    match (top.test_top1, best) {
        (None, _) => notes.push(
            "published results are test accuracies and the top row was not evaluated on test: not comparable".into(),
        ),
        (Some(_), None) => {}
        (Some(ours), Some(best)) => {
            let gap = binomial::gap_to_published(&ours, best.value, best.std, dataset.n_test as usize);
            let verdict = if ours.n < 2 {
                "a single seed, so no claim"
            } else if gap.low > 0.0 {
                "above it"
            } else if gap.high < 0.0 {
                "below it"
            } else {
                "not told apart from it"
            };
            notes.push(format!(
                "on test, the top row is {:+.1} points [{:+.1}, {:+.1}] from the best published top-1 ({}, {:.1}%): {verdict}",
                100.0 * gap.difference,
                100.0 * gap.low,
                100.0 * gap.high,
                best.method,
                100.0 * best.value
            ));
        }
    }
    let mut count = |n: usize, what: &str| {
        if n > 0 {
            notes.push(format!(
                "{n} of {} {what}",
                counted(sota.len(), "published result")
            ));
        }
    };
    count(
        sota.len() - of_top1.len(),
        "averaged over classes, a different metric than top-1",
    );
    let on_test = sota.iter().filter(|e| e.selection == Selection::BestOnTest);
    count(on_test.count(), "picked the best epoch on the test split");
    let more = sota
        .iter()
        .filter(|e| !["", "none", "ImageNet-1k"].contains(&e.extra_data.as_str()));
    count(more.count(), "used more data than ImageNet-1k");
    notes
}

fn counted(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

fn times(n: u64) -> String {
    if n == 1 {
        "once".into()
    } else {
        format!("{n} times")
    }
}
