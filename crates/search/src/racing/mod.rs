//! Racing: of the best few configurations, which gets how many more seeds (after Maron and Moore 1994,
//! "Hoeffding races").
//!
//! Every racer still in gets one seed a round. One that the leader is shown to beat drops out for good; the race
//! ends when one is left or the budget is used up. The bound holds at every look ([`evidence`]), so that the
//! probability of a wrong winner is at most 1 - confidence, over all racers (each of the others
//! has an equal part of it). A mean is never compared with a single run: nothing drops before two seeds.
//!
//! The state of a race is a function of its scores: what was dropped is found again by replaying the
//! rounds, so late and re-ordered results change nothing.

mod evidence;

use self::evidence::{Summary, log_evidence};

/// How far a race goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Of the winner, in (0, 1): 0.95 lets one winner in twenty be wrong at most.
    pub confidence: f64,
    /// Runs of all racers together.
    pub max_runs: usize,
}

/// How a race stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// The racers that are owed their next seed.
    Running { next: Vec<usize> },
    /// Every other racer is shown to be worse.
    Separated { winner: usize },
    /// The budget is used up; the others that are not shown to be worse than the leader.
    Undecided { leader: usize, rivals: Vec<usize> },
}

/// Stands of a race by each racer's scores, larger is better, in the order of its seeds; a run without a
/// score (it failed) is NaN and puts its racer out. `None` with no racer.
pub fn standing(scores: &[Vec<f64>], rules: &Rules) -> Option<Standing> {
    let threshold = (scores.len().saturating_sub(1).max(1) as f64 / (1.0 - rules.confidence)).ln();
    let mut racing: Vec<usize> = (0..scores.len()).collect();
    let n_runs: usize = scores.iter().map(Vec::len).sum();
    let mut n_seeds = 0;
    loop {
        n_seeds += 1;
        let finished = |idx: &usize| scores[*idx].len() >= n_seeds;
        let owed: Vec<usize> = racing
            .iter()
            .copied()
            .filter(|idx| !finished(idx))
            .collect();
        if !owed.is_empty() {
            if racing.len() > 1 && n_runs + owed.len() <= rules.max_runs {
                return Some(Standing::Running { next: owed });
            }
            // The last round is only compared where all have run it.
            return conclude(scores, &racing, n_seeds - 1);
        }
        let is_scored = |idx: &usize| scores[*idx][n_seeds - 1].is_finite();
        racing.retain(is_scored);
        if racing.len() <= 1 {
            return conclude(scores, &racing, n_seeds);
        }
        drop_beaten(scores, &mut racing, n_seeds, threshold);
        if racing.len() == 1 {
            return conclude(scores, &racing, n_seeds);
        }
    }
}

/// Drops the racers that the leader beats after `n_seeds` rounds.
fn drop_beaten(scores: &[Vec<f64>], racing: &mut Vec<usize>, n_seeds: usize, threshold: f64) {
    // Whoever ran at all tells how much seeds vary, those that dropped out included.
    let runs = |idx: usize| {
        let scored = scores[idx].iter().take(n_seeds).copied();
        scored
            .take_while(|score| score.is_finite())
            .collect::<Vec<f64>>()
    };
    let (mut within, mut df) = (0.0, 0.0);
    for runs in (0..scores.len()).map(runs).filter(|runs| runs.len() > 1) {
        let mean = runs.iter().sum::<f64>() / runs.len() as f64;
        within += runs.iter().map(|score| (score - mean).powi(2)).sum::<f64>();
        df += runs.len() as f64 - 1.0;
    }
    let summary = |idx: usize| Summary {
        mean: mean(scores, idx, n_seeds),
        n: n_seeds as f64,
    };
    let best = leader(scores, racing, n_seeds);
    let variance = within / f64::max(df, 1.0);
    racing.retain(|&idx| {
        idx == best || log_evidence(summary(best), summary(idx), variance, df) < threshold
    });
}

fn conclude(scores: &[Vec<f64>], racing: &[usize], n_seeds: usize) -> Option<Standing> {
    match racing {
        [] => None,
        [winner] => Some(Standing::Separated { winner: *winner }),
        _ => {
            let leader = leader(scores, racing, n_seeds);
            Some(Standing::Undecided {
                leader,
                rivals: racing
                    .iter()
                    .copied()
                    .filter(|&idx| idx != leader)
                    .collect(),
            })
        }
    }
}

/// The best mean; of equals the first.
fn leader(scores: &[Vec<f64>], racing: &[usize], n_seeds: usize) -> usize {
    let better = |a: usize, b: usize| match mean(scores, b, n_seeds) > mean(scores, a, n_seeds) {
        true => b,
        false => a,
    };
    racing.iter().copied().reduce(better).unwrap_or(0)
}

fn mean(scores: &[Vec<f64>], idx: usize, n_seeds: usize) -> f64 {
    scores[idx][..n_seeds].iter().sum::<f64>() / n_seeds as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        confidence: 0.95,
        max_runs: 60,
    };

    fn spread_about(mean: f64, n: usize) -> Vec<f64> {
        (0..n)
            .map(|i| mean + 0.01 * ((i * 5 % 7) as f64 - 3.0) / 2.0)
            .collect()
    }

    #[test]
    fn everybody_runs_until_told_apart_and_losers_drop_out() {
        assert_eq!(standing(&[], &RULES), None);
        let fresh = vec![Vec::new(); 3];
        assert_eq!(
            standing(&fresh, &RULES),
            Some(Standing::Running {
                next: vec![0, 1, 2]
            })
        );
        // One seed each: no comparison, whatever the gap.
        let one = vec![vec![0.1], vec![0.9], vec![0.5]];
        assert_eq!(
            standing(&one, &RULES),
            Some(Standing::Running {
                next: vec![0, 1, 2]
            })
        );
        let apart = [0.80, 0.80, 0.60]
            .map(|mean| spread_about(mean, 7))
            .to_vec();
        assert_eq!(
            standing(&apart, &RULES),
            Some(Standing::Running { next: vec![0, 1] })
        );
        let won = [0.80, 0.70, 0.60]
            .map(|mean| spread_about(mean, 7))
            .to_vec();
        assert_eq!(
            standing(&won, &RULES),
            Some(Standing::Separated { winner: 0 })
        );
    }

    #[test]
    fn a_loser_stays_out_and_late_results_change_nothing() {
        let mut scores = [0.80, 0.795, 0.60]
            .map(|mean| spread_about(mean, 7))
            .to_vec();
        let before = standing(&scores, &RULES);
        // Seeds of the loser that were still under way, and lucky.
        scores[2].extend([0.99, 0.99]);
        assert_eq!(standing(&scores, &RULES), before);
        scores[1].push(0.8);
        assert_eq!(
            standing(&scores, &RULES),
            Some(Standing::Running { next: vec![0] })
        );
    }

    #[test]
    fn the_budget_ends_a_race_without_a_winner() {
        let scores = [0.80, 0.80].map(|mean| spread_about(mean, 7)).to_vec();
        let rules = Rules {
            max_runs: 15,
            ..RULES
        };
        assert_eq!(
            standing(&scores, &rules),
            Some(Standing::Undecided {
                leader: 0,
                rivals: vec![1]
            })
        );
    }

    #[test]
    fn who_fails_is_out() {
        let scores = vec![vec![0.8, 0.81], vec![0.9, f64::NAN], vec![0.79, 0.8]];
        assert_eq!(
            standing(&scores, &RULES),
            Some(Standing::Running { next: vec![0, 2] })
        );
        let alone = vec![vec![0.8], vec![f64::NAN]];
        assert_eq!(
            standing(&alone, &RULES),
            Some(Standing::Separated { winner: 0 })
        );
    }
}
