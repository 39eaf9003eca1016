//! Hyperband (Li et al. 2018): brackets that trade the number of trials against the length of the first rung, so that no
//! guess is needed how early a comparison tells the truth. Paper: "Hyperband: A Novel Bandit-Based Approach to
//! Hyperparameter Optimization", JMLR 18, algorithm 1. Bracket s = s_max ... 0 begins `ceil((s_max + 1) / (s + 1) * eta^s)`
//! trials, which are first compared at the s-th rung from the end. Trials join the brackets in turn, s_max first, and
//! after the last it begins again: one cycle.
//!
//! Where we differ: the rungs are those of [`super::asha`], counted from the first and `eta` times as far each; the paper counts
//! from the end, `R * eta^-s` of R epochs, and where R is no power of `eta` that many times the first rung, its own first one
//! lies up to `eta` times as far. Nobody waits for a bracket to fill: trials are promoted as ASHA promotes them, and since
//! the brackets share their rungs, among all that have reached one (asynchronous Hyperband, section 3.3 of "A System for
//! Massively Parallel Hyperparameter Tuning", MLSys 2020). And bracket 0, which compares nobody before the end, begins no
//! trials: it takes as many of those that wait, the best forecast first, and trains them to their ends. One bracket
//! in `s_max + 1` would be random search otherwise.

/// Who is first compared where.
pub(super) struct Brackets {
    /// Epochs, ascending; those of all brackets.
    pub rungs: Vec<u32>,
    /// Trials of a cycle that are first compared at each rung.
    n_entering: Vec<u32>,
    /// Waiting trials that a cycle trains to their ends.
    n_final: u32,
}

impl Brackets {
    /// All are first compared at the first rung.
    pub fn single(rungs: Vec<u32>) -> Self {
        Self {
            rungs,
            n_entering: vec![1],
            n_final: 0,
        }
    }

    /// One bracket for each rung and one for the end.
    pub fn of_hyperband(rungs: Vec<u32>, eta: f64) -> Self {
        let s_max = rungs.len() as u32;
        let n_trials = |s: u32| {
            let exact = f64::from(s_max + 1) / f64::from(s + 1) * eta.powi(s as i32);
            (exact - 1e-9).ceil() as u32
        };
        Self {
            n_entering: (1..=s_max).rev().map(n_trials).collect(),
            n_final: n_trials(0),
            rungs,
        }
    }

    fn n_cycle(&self) -> u32 {
        self.n_entering.iter().sum::<u32>().max(1)
    }

    /// The number of the rung at which a trial is first compared.
    pub fn first_rung(&self, trial: u32) -> usize {
        let place = trial % self.n_cycle();
        let mut end = 0;
        let is_before_end = |n_entering: &u32| {
            end += n_entering;
            place < end
        };
        self.n_entering.iter().position(is_before_end).unwrap_or(0)
    }

    /// How many of so many trials are first compared at each rung.
    pub fn n_entering(&self, n_trials: u64) -> impl Iterator<Item = u64> {
        let n_cycle = u64::from(self.n_cycle());
        let (n_cycles, mut left) = (n_trials / n_cycle, n_trials % n_cycle);
        self.n_entering.iter().map(move |n_entering| {
            let n_last = left.min(u64::from(*n_entering));
            left -= n_last;
            n_cycles * u64::from(*n_entering) + n_last
        })
    }

    /// How many waiting trials are trained to their ends once so many have begun: those of whole cycles.
    pub fn n_final(&self, n_begun: u64) -> u64 {
        n_begun / u64::from(self.n_cycle()) * u64::from(self.n_final)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 1 of the paper: R = 81, eta = 3.
    #[test]
    fn brackets_are_those_of_the_paper() {
        let built = Brackets::of_hyperband(vec![1, 3, 9, 27], 3.0);
        assert_eq!((built.n_entering, built.n_final), (vec![81, 34, 15, 8], 5));
    }

    #[test]
    fn trials_join_the_brackets_in_turn() {
        let built = Brackets::of_hyperband(vec![2, 5, 15], 3.0);
        assert_eq!(
            (&built.n_entering[..], built.n_final),
            (&[27, 12, 6][..], 4)
        );
        let first: Vec<usize> = [0, 26, 27, 38, 39, 44, 45]
            .map(|n| built.first_rung(n))
            .into();
        assert_eq!(first, [0, 0, 1, 1, 2, 2, 0]);
        assert_eq!(
            [0, 44, 45, 89, 90].map(|n| built.n_final(n)),
            [0, 0, 4, 4, 8]
        );
        let entering = |n| built.n_entering(n).collect::<Vec<u64>>();
        assert_eq!(entering(30), [27, 3, 0]);
        assert_eq!(entering(45 * 3 + 44), [108, 48, 23]);
    }

    #[test]
    fn trials_that_are_compared_nowhere_are_all_begun() {
        let built = Brackets::of_hyperband(Vec::new(), 3.0);
        assert_eq!((built.first_rung(0), built.first_rung(7)), (0, 0));
        assert_eq!(built.n_entering(7).count(), 0);
    }
}
