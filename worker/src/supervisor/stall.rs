//! When a silent trainer counts as hung.

use std::time::{Duration, Instant};

/// However fast its steps were, a trainer may be silent this long.
const LEAST: Duration = Duration::from_secs(300);
/// Step times remembered.
const WINDOW: usize = 64;

/// Watches the time between signs of life.
#[derive(Debug)]
pub struct StallWatch {
    last_sign: Instant,
    last_step: Option<(u64, Instant)>,
    step_s: Vec<f64>,
}

impl StallWatch {
    pub fn new(now: Instant) -> Self {
        Self {
            last_sign: now,
            last_step: None,
            step_s: Vec::new(),
        }
    }

    /// The trainer said something.
    pub fn sign(&mut self, now: Instant) {
        self.last_sign = now;
    }

    /// The trainer finished `step`.
    pub fn step(&mut self, step: u64, now: Instant) {
        self.sign(now);
        if let Some((before, at)) = self.last_step.filter(|(before, _)| *before < step) {
            if self.step_s.len() == WINDOW {
                self.step_s.remove(0);
            }
            self.step_s
                .push((now - at).as_secs_f64() / (step - before) as f64);
        }
        self.last_step = Some((step, now));
    }

    /// When patience ends: 20 median steps, but at least five minutes after the last sign of life.
    pub fn deadline(&self) -> Instant {
        let mut sorted = self.step_s.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
        self.last_sign + LEAST.max(Duration::from_secs_f64(20.0 * median))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_steps_earn_more_patience() {
        let start = Instant::now();
        let mut watch = StallWatch::new(start);
        assert_eq!(watch.deadline(), start + LEAST);
        for step in 1..=5 {
            watch.step(step, start + Duration::from_secs(60 * step));
        }
        let last = start + Duration::from_secs(300);
        assert_eq!(watch.deadline(), last + Duration::from_secs(1200));
    }
}
