//! Schedulers: which trials of a sweep stop before their end. One algorithm a file, and one question to all of them:
//! given everything that happened so far, what is to be done now?
//!
//! The answer is a function of the [`History`]. There is no clock in it, and every draw derives from (seed, trial,
//! epoch), so that decisions are replayed from the log of what was seen, and it does not matter which replica of a
//! server decides. Reports may come late, twice, out of order or not at all. Values are turned so that larger is
//! better where they enter the history, and what is not a number is the worst there is.

mod asha;
mod curve_fit;
mod curve_stop;
mod explore;
mod extra_trees;
mod features;
mod forecast;
mod history;
mod hyperband;
mod median_stop;
mod none;
mod pbt;
mod rungs;
mod share;
mod successive_halving;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod simulation;

use cultivar_spec::scheduler::Scheduler as Spec;
use cultivar_spec::space::Node;
use cultivar_spec::{SweepSpec, Violation, Violations};
use serde_json::{Value, json};

use forecast::Forecaster;
use hyperband::Brackets;

pub use explore::point_of;
pub use history::{Action, Curve, Decision, End, Event, History, Status};
pub use share::share;

/// What decides over the trials of a sweep.
pub trait Scheduler: Send + Sync {
    /// What is to be done now. Asked again after its decisions were taken in, it has nothing to add, or more that
    /// follows from them.
    fn decide(&self, history: &History) -> Vec<Decision>;

    /// What trials will come to, by number, in the objective's own sign: `None` for those that have not reached the first
    /// rung or have come to it. Infinitely bad where a value was not finite. Without trials that went to their ends it is
    /// what all will have come to by the furthest rung that can be forecast. Empty if this scheduler does not forecast.
    fn forecasts(&self, _history: &History) -> Vec<Option<f64>> {
        Vec::new()
    }
}

/// The scheduler of a sweep whose trials are `n_epochs` long. `space` matters to ASHA and Hyperband,
/// which forecast from configurations, and to population based training.
///
/// # Errors
/// As for [`check`].
pub fn build(sweep: &SweepSpec, n_epochs: u32) -> Result<Box<dyn Scheduler>, Violations> {
    check(sweep, n_epochs)?;
    let rungs = rungs::of(&sweep.scheduler, n_epochs);
    Ok(match sweep.scheduler {
        Spec::None {} => Box::new(none::None),
        Spec::MedianStop {
            min_epochs,
            min_trials,
        } => Box::new(median_stop::MedianStop {
            min_epochs,
            min_trials,
            n_epochs,
        }),
        Spec::SuccessiveHalving { eta, cohort, .. } => {
            Box::new(successive_halving::SuccessiveHalving { rungs, eta, cohort })
        }
        Spec::Asha { eta, .. } => Box::new(asha::Asha {
            brackets: Brackets::single(rungs),
            eta,
            n_epochs,
            forecaster: Forecaster::new(sweep, n_epochs)?,
        }),
        Spec::Hyperband { eta, .. } => Box::new(asha::Asha {
            brackets: Brackets::of_hyperband(rungs, eta),
            eta,
            n_epochs,
            forecaster: Forecaster::new(sweep, n_epochs)?,
        }),
        Spec::Pbt {
            interval,
            quantile,
            factor,
            resample,
            seed,
        } => Box::new(pbt::Pbt {
            interval,
            n_epochs,
            quantile,
            explore: explore::Explore {
                space: Node::parse(&sweep.space)?,
                forbid: sweep
                    .forbid
                    .iter()
                    .map(Node::parse)
                    .collect::<Result<_, _>>()?,
                factor,
                resample,
            },
            seed,
        }),
        Spec::CurveStop {
            min_epochs,
            confidence,
        } => Box::new(curve_stop::CurveStop {
            min_epochs,
            n_epochs,
            confidence,
        }),
    })
}

/// Whether a scheduler can serve a sweep whose trials are `n_epochs` long.
///
/// # Errors
/// What is wrong with it, with pointers into the sweep.
pub fn check(sweep: &SweepSpec, n_epochs: u32) -> Result<(), Violations> {
    let mut found = Vec::new();
    let first = match &sweep.scheduler {
        Spec::None {} => None,
        Spec::Pbt { interval, .. } => Some(("/scheduler/interval", *interval)),
        Spec::MedianStop { min_epochs, .. } | Spec::CurveStop { min_epochs, .. } => {
            Some(("/scheduler/min_epochs", *min_epochs))
        }
        Spec::SuccessiveHalving { min_epochs, .. }
        | Spec::Asha { min_epochs, .. }
        | Spec::Hyperband { min_epochs, .. } => {
            Some(("/scheduler/min_epochs", min_epochs.unwrap_or(1)))
        }
    };
    if let Some((pointer, first)) = first.filter(|(_, first)| *first >= n_epochs) {
        let expected = format!("less than the {n_epochs} epochs of a trial");
        found.push(Violation::new(pointer, first, expected));
    }
    if first.is_some() && varies(&sweep.space, "fit", "epochs") {
        found.push(Violation::new(
            "/space/fit/epochs",
            sweep.space["fit"]["epochs"].clone(),
            format!(
                "one number of epochs for all: {} compares trials after as many",
                sweep.scheduler.kind()
            ),
        ));
    }
    if let Spec::Pbt { .. } = sweep.scheduler {
        explore::check(&sweep.space, &mut found);
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(Violations(found)),
    }
}

/// Whether a space may give `part.field` several values.
fn varies(space: &Value, part: &str, field: &str) -> bool {
    space.get(part).is_some_and(|part| {
        let given = part.get(field);
        given.is_some_and(|given| given.is_object() && *given != json!({"fixed": given["fixed"]}))
    })
}

/// Asks until there is nothing more to decide, and takes every decision in. Returns them in order.
pub fn step(scheduler: &dyn Scheduler, history: &mut History) -> Vec<Decision> {
    let mut all = Vec::new();
    loop {
        let mut decisions = scheduler.decide(history);
        // Of a trial that is over there is nothing to decide, whatever the algorithm says.
        decisions.retain(|decision| {
            let curve = history.curves().get(decision.trial as usize);
            curve.is_some_and(Curve::is_live)
        });
        if decisions.is_empty() {
            return all;
        }
        for decision in &decisions {
            history.apply(&Event::Decided {
                decision: decision.clone(),
            });
        }
        all.append(&mut decisions);
    }
}

/// A log of steps, each with what was new and what was decided, holds what the scheduler would decide again.
///
/// # Errors
/// The number of the first step that holds something else.
pub fn replay(
    scheduler: &dyn Scheduler,
    mut history: History,
    steps: &[(Vec<Event>, Vec<Decision>)],
) -> Result<(), usize> {
    for (number, (news, decisions)) in steps.iter().enumerate() {
        for event in news {
            history.apply(event);
        }
        if step(scheduler, &mut history) != *decisions {
            return Err(number);
        }
    }
    Ok(())
}
