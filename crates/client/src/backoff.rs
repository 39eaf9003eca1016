//! Waits between tries: longer each time, and never in step with other clients.

use std::time::Duration;

use rand::Rng;

const FIRST: Duration = Duration::from_millis(100);

/// 0.1 s, 0.2 s, 0.4 s ... up to a maximum, each shortened at random by up to a half.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    /// Waits of at most `max`.
    pub fn new(max: Duration) -> Self {
        Self {
            next: FIRST.min(max),
            max,
        }
    }

    /// The wait before the next try.
    pub fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.max);
        full.mul_f64(rng.random_range(0.5..=1.0))
    }

    /// After a success: the next trouble starts from the shortest wait.
    pub fn reset(&mut self) {
        *self = Self::new(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum_and_vary() {
        let mut rng = rand::rng();
        let mut backoff = Backoff::new(Duration::from_secs(1));
        for full_ms in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next(&mut rng).as_secs_f64() * 1e3;
            assert!(
                (f64::from(full_ms) / 2.0..=f64::from(full_ms)).contains(&wait),
                "{wait} of {full_ms}"
            );
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= FIRST);
    }
}
