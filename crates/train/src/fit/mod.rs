//! A job from its files to its result.

mod inputs;
mod report;
mod run;
mod session;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cultivar_spec::Outcome;
use cultivar_spec::trainer::{Cost, EvaluateJob, FromTrainer, JobResult, TrainJob};
use tch::Device;

use crate::{Control, TrainError};
use report::Reporter;
use session::Session;

/// Trains one spec. Every event but the final `Done`, which the caller sends, goes through `events`.
pub fn train(
    job: &TrainJob,
    device: Device,
    control: &Control,
    events: &mut dyn FnMut(FromTrainer),
) -> JobResult {
    let mut reporter = Reporter::new(&job.tag, control, events);
    guarded(&mut reporter, |reporter| {
        let session = Session::open(&job.spec, &job.files, device, reporter)?;
        run::train(session, job, reporter)
    })
}

/// Predicts a split with a trained model.
pub fn evaluate(
    job: &EvaluateJob,
    device: Device,
    control: &Control,
    events: &mut dyn FnMut(FromTrainer),
) -> JobResult {
    let mut reporter = Reporter::new(&job.tag, control, events);
    guarded(&mut reporter, |reporter| {
        let session = Session::open(&job.spec, &job.files, device, reporter)?;
        run::evaluate(session, job, reporter)
    })
}

/// Runs a job; errors and libtorch's panics become its outcome.
fn guarded<'a>(
    reporter: &mut Reporter<'a>,
    job: impl FnOnce(&mut Reporter<'a>) -> Result<JobResult, TrainError>,
) -> JobResult {
    let result = catch_unwind(AssertUnwindSafe(|| job(reporter)));
    let error = match result {
        Ok(Ok(result)) => return result,
        Ok(Err(error)) => error,
        Err(panic) => {
            let message = panic.downcast_ref::<String>().cloned();
            let message =
                message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            TrainError::Torch(message.unwrap_or_else(|| "the trainer panicked".into()))
        }
    };
    failed(error.outcome(), &error, reporter.step())
}

fn failed(outcome: Outcome, error: &TrainError, step: u64) -> JobResult {
    JobResult {
        outcome,
        error: Some(error.to_string()),
        step,
        metrics: Default::default(),
        model: None,
        predictions: None,
        cost: Cost::default(),
    }
}
