//! Learning rate and momentum as pure functions of the step.

use std::f64::consts::PI;

use cultivar_spec::trial::Schedule;

/// Momentum (or beta1) at the ends and at the peak of one cycle: PyTorch's defaults.
const MOMENTUM_MAX: f64 = 0.95;
const MOMENTUM_MIN: f64 = 0.85;

/// The learning rate of batch `step` of `n_steps` (counted from 0), as a factor of the peak.
///
/// * `one_cycle`: Smith and Topin 2018, <https://arxiv.org/abs/1708.07120>, with the conventions of
///   `torch.optim.lr_scheduler.OneCycleLR` (two phases, cosine): it peaks at step
///   `pct_start * n_steps - 1` and ends at step `n_steps - 1`. Where that first phase has no length PyTorch divides
///   by zero; here the run starts at the peak.
/// * `cosine`: Loshchilov and Hutter 2017, <https://arxiv.org/abs/1608.03983>, without restarts, as
///   `CosineAnnealingLR` over the steps after the warm-up: the final value belongs to step `n_steps`,
///   which is the first one not run.
/// * Warm-up: `step / n_warmup`, as timm's and Hugging Face's, so the very first batch has rate 0.
pub fn lr_factor(schedule: &Schedule, step: u64, n_steps: u64) -> f64 {
    match *schedule {
        Schedule::Cosine {
            warmup_fraction,
            final_fraction,
        } => match warmup(warmup_fraction, step, n_steps) {
            Progress::WarmingUp(factor) => factor,
            Progress::After(share) => cosine(1.0, final_fraction, share),
        },
        Schedule::Constant { warmup_fraction } => match warmup(warmup_fraction, step, n_steps) {
            Progress::WarmingUp(factor) => factor,
            Progress::After(_) => 1.0,
        },
        Schedule::OneCycle {
            pct_start,
            div,
            final_div,
            ..
        } => {
            let start = 1.0 / div;
            one_cycle([start, 1.0, start / final_div], pct_start, step, n_steps)
        }
    }
}

/// The momentum (SGD) or beta1 (Adam and its kin) of batch `step`, where the schedule moves it.
pub fn momentum(schedule: &Schedule, step: u64, n_steps: u64) -> Option<f64> {
    match *schedule {
        Schedule::OneCycle {
            pct_start,
            cycle_momentum: true,
            ..
        } => {
            let stations = [MOMENTUM_MAX, MOMENTUM_MIN, MOMENTUM_MAX];
            Some(one_cycle(stations, pct_start, step, n_steps))
        }
        _ => None,
    }
}

enum Progress {
    /// The factor.
    WarmingUp(f64),
    /// Share of the remaining steps that is done.
    After(f64),
}

fn warmup(fraction: f64, step: u64, n_steps: u64) -> Progress {
    let n_warmup = (fraction * n_steps as f64).round() as u64;
    if step < n_warmup {
        Progress::WarmingUp(step as f64 / n_warmup as f64)
    } else {
        Progress::After((step - n_warmup) as f64 / (n_steps - n_warmup).max(1) as f64)
    }
}

/// From the first station to the second at the peak, then to the third.
fn one_cycle([start, peak, end]: [f64; 3], pct_start: f64, step: u64, n_steps: u64) -> f64 {
    let step = step as f64;
    let peak_step = pct_start * n_steps as f64 - 1.0;
    let last_step = n_steps as f64 - 1.0;
    if step > peak_step {
        cosine(peak, end, (step - peak_step) / (last_step - peak_step))
    } else if peak_step > 0.0 {
        cosine(start, peak, step / peak_step)
    } else {
        peak
    }
}

/// Half a cosine from `from` (at `share` 0) to `to` (at 1).
fn cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) / 2.0 * ((PI * share).cos() + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_starts_at_zero_and_hands_over_at_the_peak() {
        let constant = Schedule::Constant {
            warmup_fraction: 0.1,
        };
        let factors: Vec<f64> = (0..40).map(|step| lr_factor(&constant, step, 40)).collect();
        assert_eq!(factors[..5], [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert!(factors[4..].iter().all(|&factor| factor == 1.0));
    }

    #[test]
    fn runs_of_any_length_have_finite_rates() {
        let schedules = [
            Schedule::default(),
            Schedule::Constant {
                warmup_fraction: 0.9,
            },
            one_cycle_spec(0.3),
            one_cycle_spec(0.01),
            one_cycle_spec(0.99),
            one_cycle_spec(0.5),
        ];
        for schedule in schedules {
            for n_steps in 1..60 {
                for step in 0..n_steps {
                    let factor = lr_factor(&schedule, step, n_steps);
                    assert!(
                        (0.0..=1.0).contains(&factor),
                        "{schedule:?} {step}/{n_steps}"
                    );
                    if let Some(momentum) = momentum(&schedule, step, n_steps) {
                        assert!((MOMENTUM_MIN..=MOMENTUM_MAX).contains(&momentum));
                    }
                }
            }
        }
    }

    fn one_cycle_spec(pct_start: f64) -> Schedule {
        Schedule::OneCycle {
            pct_start,
            div: 25.0,
            final_div: 1e4,
            cycle_momentum: true,
        }
    }
}
