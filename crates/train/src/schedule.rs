//! Learning-rate schedules: pure functions of the step, stepped every batch.
//!
//! `one_cycle` follows `torch.optim.lr_scheduler.OneCycleLR` (two phases, cosine annealing), `cosine`
//! is linear warm-up into SGDR's half cosine (Loshchilov and Hutter 2017).

use std::f64::consts::PI;

use cultivar_spec::trial::Schedule;

/// Momentum of `one_cycle` at the ends and in the middle.
const MOMENTUM_HIGH: f64 = 0.95;
const MOMENTUM_LOW: f64 = 0.85;

/// The factor on the peak learning rate at `step` of `n_steps`, in [0, 1].
pub fn lr_factor(schedule: &Schedule, step: u64, n_steps: u64) -> f64 {
    match *schedule {
        Schedule::Cosine {
            warmup_fraction,
            final_fraction,
        } => {
            let n_warmup = (warmup_fraction * n_steps as f64).round() as u64;
            if step < n_warmup {
                return (step + 1) as f64 / n_warmup as f64;
            }
            let progress = (step - n_warmup) as f64 / (n_steps - n_warmup).max(1) as f64;
            final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + (PI * progress).cos())
        }
        Schedule::OneCycle {
            pct_start,
            div,
            final_div,
            ..
        } => {
            let start = 1.0 / div;
            one_cycle(pct_start, step, n_steps, [start, 1.0, start / final_div])
        }
        Schedule::Constant { warmup_fraction } => {
            let n_warmup = (warmup_fraction * n_steps as f64).round() as u64;
            if step < n_warmup {
                (step + 1) as f64 / n_warmup as f64
            } else {
                1.0
            }
        }
    }
}

/// The momentum (beta1 for Adam's family) at `step`, where the schedule moves it.
pub fn momentum(schedule: &Schedule, step: u64, n_steps: u64) -> Option<f64> {
    match *schedule {
        Schedule::OneCycle {
            pct_start,
            cycle_momentum: true,
            ..
        } => Some(one_cycle(
            pct_start,
            step,
            n_steps,
            [MOMENTUM_HIGH, MOMENTUM_LOW, MOMENTUM_HIGH],
        )),
        _ => None,
    }
}

/// Cosine from `values[0]` to `values[1]` over the first phase, on to `values[2]` over the second.
fn one_cycle(pct_start: f64, step: u64, n_steps: u64, values: [f64; 3]) -> f64 {
    let end_of_rise = pct_start * n_steps as f64 - 1.0;
    let last = n_steps as f64 - 1.0;
    let step = step as f64;
    let anneal =
        |from: f64, to: f64, share: f64| to + (from - to) * 0.5 * (1.0 + (PI * share).cos());
    if step <= end_of_rise && end_of_rise > 0.0 {
        anneal(values[0], values[1], step / end_of_rise)
    } else {
        let end_of_rise = end_of_rise.max(0.0);
        anneal(
            values[1],
            values[2],
            (step - end_of_rise) / (last - end_of_rise).max(f64::MIN_POSITIVE),
        )
    }
}
