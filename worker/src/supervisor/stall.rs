//! When silence means that a trainer hangs.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A trainer may be silent for this many of its own steps.
const STEPS: u32 = 20;
/// Paces remembered; the median of the last ones adapts to a change of phase.
const WINDOW: usize = 31;

/// Learns a job's pace and says when it has been silent for too long. Time comes in.
#[derive(Debug)]
pub struct StallWatch {
    min: Duration,
    heard: Instant,
    last_step: Option<(u64, Instant)>,
    /// Seconds a step, newest last.
    paces: VecDeque<Duration>,
}

impl StallWatch {
    /// Silence below `min` is never a stall.
    pub fn new(min: Duration, now: Instant) -> Self {
        Self {
            min,
            heard: now,
            last_step: None,
            paces: VecDeque::new(),
        }
    }

    /// The trainer said something.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The trainer said which step it is at.
    pub fn stepped(&mut self, step: u64, now: Instant) {
        self.heard(now);
        match self.last_step {
            Some((last, at)) if step > last => {
                let n_steps = u32::try_from(step - last).unwrap_or(u32::MAX);
                self.paces.push_back((now - at) / n_steps);
                if self.paces.len() > WINDOW {
                    self.paces.pop_front();
                }
                self.last_step = Some((step, now));
            }
            Some((last, _)) if step == last => {}
            _ => self.last_step = Some((step, now)),
        }
    }

    /// The longest silence allowed: `min` or 20 median steps.
    pub fn limit(&self) -> Duration {
        let mut paces: Vec<_> = self.paces.iter().copied().collect();
        paces.sort_unstable();
        let median = paces.get(paces.len() / 2).copied().unwrap_or_default();
        self.min.max(median * STEPS)
    }

    /// When the silence will have been too long.
    pub fn deadline(&self) -> Instant {
        self.heard + self.limit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn quick_steps_leave_the_minimum() {
        let start = Instant::now();
        let mut watch = StallWatch::new(300 * SECOND, start);
        assert_eq!(watch.deadline(), start + 300 * SECOND);
        for idx in 0..100 {
            watch.stepped(u64::from(idx) * 10, start + idx * SECOND);
        }
        assert_eq!(watch.limit(), 300 * SECOND);
        assert_eq!(watch.deadline(), start + 399 * SECOND);
    }

    #[test]
    fn slow_steps_earn_patience_and_one_pause_does_not() {
        let start = Instant::now();
        let mut watch = StallWatch::new(300 * SECOND, start);
        for idx in 0..5 {
            watch.stepped(u64::from(idx), start + 60 * idx * SECOND);
        }
        assert_eq!(watch.limit(), 1200 * SECOND);
        // Validation: no step for an hour, then the old pace.
        watch.stepped(5, start + 3600 * SECOND);
        assert_eq!(watch.limit(), 1200 * SECOND);
    }

    #[test]
    fn any_word_is_a_sign_of_life() {
        let start = Instant::now();
        let mut watch = StallWatch::new(SECOND, start);
        watch.heard(start + 5 * SECOND);
        assert_eq!(watch.deadline(), start + 6 * SECOND);
        // A trainer that starts over counts from its new step.
        watch.stepped(50, start + 6 * SECOND);
        watch.stepped(10, start + 7 * SECOND);
        watch.stepped(11, start + 8 * SECOND);
        assert_eq!(watch.limit(), 20 * SECOND);
    }
}
