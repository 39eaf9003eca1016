//! Whether a killed trial came to what it comes to undisturbed, and what the kill cost.

use cultivar_spec::Sha256Digest;

/// Head-only trials store a checkpoint at the first end of an epoch this long after the last. Where a trial is, we hear up to
/// two seconds late.
const HEAD_ONLY_INTERVAL_S: f64 = 10.0;
const HEARD_LATE_S: f64 = 2.0;

/// One configuration and seed, trained undisturbed and killed once.
#[derive(Clone, Debug)]
pub struct Pair {
    pub name: &'static str,
    pub is_head_only: bool,
    pub seed: u64,
    pub n_steps: u64,
    pub n_epochs: u64,
    /// The step it was to be killed at, or soon after.
    pub planned: u64,
    /// Outcomes of its attempts.
    pub outcomes: Vec<String>,
    /// The last step that was heard of before the kill.
    pub killed_at: u64,
    /// The last checkpoint stored before it.
    pub stored: Option<u64>,
    /// What the server says that the next attempt began with.
    pub resumed_from: u64,
    /// What it did begin with, by the images it trained on.
    pub began_at: u64,
    /// Between the step that it went back to and the kill.
    pub redone_s: f64,
    pub undisturbed: Digests,
    pub resumed: Digests,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Digests {
    pub weights: Sha256Digest,
    pub predictions: Sha256Digest,
}

impl Pair {
    fn redone(&self) -> u64 {
        self.killed_at.saturating_sub(self.began_at)
    }

    /// Steps between two checkpoints; none where time decides.
    fn interval(&self) -> Option<u64> {
        (!self.is_head_only).then(|| self.n_steps / self.n_epochs.max(1))
    }

    /// Everything that is not as it must be.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut unless = |fine: bool, what: String| {
            if !fine {
                wrong.push(format!("{}, seed {}: {what}", self.name, self.seed));
            }
        };
        unless(
            self.outcomes == ["crashed", "completed"],
            format!(
                "its attempts ended {:?}: it was not killed once",
                self.outcomes
            ),
        );
        unless(
            self.killed_at >= self.planned,
            format!("killed at step {}, before {}", self.killed_at, self.planned),
        );
        unless(self.began_at > 0, "it started over".into());
        unless(
            self.began_at == self.resumed_from && self.stored == Some(self.resumed_from),
            format!(
                "the last checkpoint is of step {:?}, the server resumed it from {}, its trainer began at {}",
                self.stored, self.resumed_from, self.began_at
            ),
        );
        let within = match self.interval() {
            Some(interval) => self.redone() <= interval,
            None => self.redone_s <= HEAD_ONLY_INTERVAL_S + HEARD_LATE_S,
        };
        unless(
            within,
            format!("more than one interval was redone: {}", self.cost()),
        );
        unless(
            self.undisturbed.weights == self.resumed.weights,
            "its weights are others than those of the undisturbed one".into(),
        );
        unless(
            self.undisturbed.predictions == self.resumed.predictions,
            "its predictions are others than those of the undisturbed one".into(),
        );
        wrong
    }

    fn cost(&self) -> String {
        match self.interval() {
            Some(interval) => format!("{} of {interval} steps", self.redone()),
            None => format!(
                "{} steps, {:.1} of {HEAD_ONLY_INTERVAL_S} s",
                self.redone(),
                self.redone_s
            ),
        }
    }
}

/// A line a pair.
pub fn table(pairs: &[Pair]) -> String {
    let mut text = format!(
        "{:<37} {:>10} {:>7} {:>7} {:>7} {:>7}  {:<26} {}\n",
        "trial",
        "seed",
        "steps",
        "planned",
        "killed",
        "resumed",
        "redone",
        "SHA-256 of the weights"
    );
    for pair in pairs {
        let (whole, resumed) = (
            short(&pair.undisturbed.weights),
            short(&pair.resumed.weights),
        );
        let sign = if whole == resumed { "=" } else { "IS NOT" };
        text += &format!(
            "{:<37} {:>10} {:>7} {:>7} {:>7} {:>7}  {:<26} {whole} {sign} {resumed}\n",
            pair.name,
            pair.seed,
            pair.n_steps,
            pair.planned,
            pair.killed_at,
            pair.began_at,
            pair.cost()
        );
    }
    text
}

fn short(digest: &Sha256Digest) -> String {
    digest.to_string()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Pair {
        let digests = Digests {
            weights: Sha256Digest::of(b"weights"),
            predictions: Sha256Digest::of(b"predictions"),
        };
        Pair {
            name: "AdamW",
            is_head_only: false,
            seed: 3,
            n_steps: 60,
            n_epochs: 4,
            planned: 36,
            outcomes: ["crashed", "completed"].map(str::to_owned).to_vec(),
            killed_at: 38,
            stored: Some(30),
            resumed_from: 30,
            began_at: 30,
            redone_s: 2.0,
            undisturbed: digests,
            resumed: digests,
        }
    }

    fn check(change: impl FnOnce(&mut Pair), expect: &[&str]) {
        let mut pair = pair();
        change(&mut pair);
        let wrong = pair.wrong();
        assert_eq!(wrong.len(), expect.len(), "{wrong:?}");
        for (wrong, expect) in wrong.iter().zip(expect) {
            assert!(wrong.contains(expect), "{wrong:?}");
        }
    }

    #[test]
    fn a_kill_costs_an_interval_at_most_and_changes_nothing() {
        check(|_| {}, &[]);
        check(|pair| pair.killed_at = 45, &[]);
        check(|pair| pair.killed_at = 46, &["16 of 15 steps"]);
        check(|pair| pair.killed_at = 35, &["before 36"]);
        check(
            |pair| pair.began_at = 0,
            &["started over", "its trainer began at 0", "38 of 15"],
        );
        check(|pair| pair.stored = Some(15), &["Some(15)"]);
        check(|pair| pair.outcomes.truncate(1), &["not killed once"]);
        let other = Sha256Digest::of(b"others");
        check(|pair| pair.resumed.weights = other, &["its weights"]);
        check(
            |pair| pair.resumed.predictions = other,
            &["its predictions"],
        );
    }

    #[test]
    fn time_bounds_what_a_head_only_trial_redoes() {
        let head_only =
            |redone_s| move |pair: &mut Pair| (pair.is_head_only, pair.redone_s) = (true, redone_s);
        check(head_only(11.0), &[]);
        check(head_only(14.0), &["8 steps, 14.0 of 10 s"]);
    }
}
