//! Learning rate and momentum as pure functions of the step.

use std::f64::consts::PI;

use cultivar_spec::trial::Schedule;

/// Momentum (or beta1) at the ends and at the peak of one cycle: PyTorch's defaults.
const MOMENTUM_MAX: f64 = 0.95;
const MOMENTUM_MIN: f64 = 0.85;

/// The learning rate of batch `step` of `n_steps` (counted from 0), as a factor of the peak.
///
/// * Warm-up: `step / n_warmup` (Goyal et al. 2017, <https://arxiv.org/abs/1706.02677>), as timm's and Hugging Face's, so
///   the very first batch has rate 0. Its length is rounded to whole steps. What follows, except for `step` and
///   `multi_step`, counts from its end.
/// * `cosine`: Loshchilov and Hutter 2017, <https://arxiv.org/abs/1608.03983>: final + (peak - final) (1 + cos(pi t)) / 2
///   over each cycle, as `CosineAnnealingLR` and timm's `CosineLRScheduler`. The final value belongs to step
///   `n_steps`, which is the first one not run. The cycles fill what the warm-up leaves, so a boundary may fall
///   between two steps; timm's and torch's are given whole lengths and may be cut short instead.
/// * `flat_cosine`: Wright and Demeure 2021, <https://arxiv.org/abs/2106.13731>: the peak for the first f of n steps, then
///   final + (peak - final) (1 + cos(pi (step - f) / (n - f))) / 2, as fastai's `fit_flat_cos`, which has no warm-up
///   and by default ends at 1e-5 of the peak, where ours ends at 0. The flat part is rounded to whole steps.
/// * `step`, `multi_step`: Szegedy et al. 2015, <https://arxiv.org/abs/1409.4842>, drop every few epochs, He et al. 2016,
///   <https://arxiv.org/abs/1512.03385>, at milestones: gamma^k, k drops done, as timm's `StepLRScheduler` and torch's
///   `StepLR` and `MultiStepLR`, in shares of the run (warm-up included) rounded to whole steps.
/// * `polynomial`: the "poly" policy of Liu et al. 2015 (ParseNet), <https://arxiv.org/abs/1506.04579>, and Chen et al. 2018
///   (DeepLab), <https://arxiv.org/abs/1606.00915>, who use a power of 0.9: final + (1 - final) (1 - t)^power, as
///   torch's `PolynomialLR` and timm's `PolyLRScheduler`.
/// * `one_cycle`: Smith and Topin 2018, <https://arxiv.org/abs/1708.07120>, with the conventions of
///   `torch.optim.lr_scheduler.OneCycleLR` (two phases, cosine): it peaks at step
///   `pct_start * n_steps - 1` and ends at step `n_steps - 1`. Where that first phase has no length PyTorch divides
///   by zero; here the run starts at the peak.
pub fn lr_factor(schedule: &Schedule, step: u64, n_steps: u64) -> f64 {
    let n_warmup = whole(schedule.warmup_fraction(), n_steps);
    if step < n_warmup {
        return step as f64 / n_warmup as f64;
    }
    let (after, n_after) = (step - n_warmup, (n_steps - n_warmup).max(1));
    let share = after as f64 / n_after as f64;
    match *schedule {
        Schedule::Cosine {
            final_fraction,
            cycles,
            cycle_mult,
            cycle_decay,
            ..
        } => {
            let (cycle, share) = cycle_at(after, n_after, cycles, cycle_mult);
            let peak = cycle_decay.powf(cycle.into());
            cosine(peak, peak.min(final_fraction), share)
        }
        Schedule::FlatCosine {
            flat_fraction,
            final_fraction,
            ..
        } => {
            let n_flat = whole(flat_fraction, n_after);
            let falling = after.saturating_sub(n_flat) as f64;
            cosine(
                1.0,
                final_fraction,
                falling / (n_after - n_flat).max(1) as f64,
            )
        }
        Schedule::Step { every, gamma, .. } => {
            let n_drops = step / whole(every, n_steps).max(1);
            gamma.powf(n_drops as f64)
        }
        Schedule::MultiStep {
            ref milestones,
            gamma,
            ..
        } => {
            let past = milestones
                .iter()
                .filter(|&&milestone| step >= whole(milestone, n_steps));
            gamma.powf(past.count() as f64)
        }
        Schedule::Polynomial {
            power,
            final_fraction,
            ..
        } => final_fraction + (1.0 - final_fraction) * (1.0 - share).powf(power),
        Schedule::OneCycle {
            pct_start,
            div,
            final_div,
            ..
        } => {
            let start = 1.0 / div;
            one_cycle([start, 1.0, start / final_div], pct_start, step, n_steps)
        }
        Schedule::Constant { .. } => 1.0,
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

/// A share of `n` in whole steps.
fn whole(share: f64, n: u64) -> u64 {
    (share * n as f64).round() as u64
}

/// Which of `n_cycles` cycles step `after` of `n` falls into, and how far into it as a share. Each is `mult` times as
/// long as the last.
fn cycle_at(after: u64, n: u64, n_cycles: u32, mult: f64) -> (u32, f64) {
    let length_of = |cycle: u32| mult.powf(cycle.into());
    let total: f64 = (0..n_cycles).map(length_of).sum();
    let mut start = 0.0;
    for cycle in 0..n_cycles {
        let length = n as f64 * length_of(cycle) / total;
        let into = after as f64 - start;
        // The last cycle has what is left: the sum of the lengths may miss n by a rounding.
        if into < length || cycle + 1 == n_cycles {
            return (cycle, (into / length).min(1.0));
        }
        start += length;
    }
    (0, 0.0)
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
    fn cycles_fill_the_run() {
        // Lengths 10, 20 and 40.
        let starts = [(0, 0), (9, 0), (10, 1), (29, 1), (30, 2), (69, 2)];
        for (step, cycle) in starts {
            assert_eq!(cycle_at(step, 70, 3, 2.0).0, cycle, "step {step}");
        }
        assert_eq!(cycle_at(20, 70, 3, 2.0).1, 0.5);
        let (cycle, share) = cycle_at(1, 2, 3, 1.0);
        assert!(cycle == 1 && (share - 0.5).abs() < 1e-12);
    }
}
