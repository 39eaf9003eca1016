//! A job from its files to its result.

mod epoch_loss;
mod evaluation;
mod inputs;
mod latency;
mod pass;
mod report;
mod run;
mod session;
mod snapshot;
mod validation;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cultivar_spec::Outcome;
use cultivar_spec::trainer::{EvaluateJob, FromTrainer, JobResult, TrainJob};
use cultivar_spec::trial::Fit;
use tch::Device;

use crate::control::Control;
use crate::error::TrainError;
use crate::memory;
use report::Reporter;
use session::Session;

/// Trains one spec and says how it went; never panics.
///
/// Everything said on the way goes through `events`, from this thread; the final `Done` is the caller's
/// to send. `control` is asked for orders to `job.tag` before every step. After an outcome of
/// `worker_fault` the device may be unusable: the process should end.
pub fn train(
    job: &TrainJob,
    device: Device,
    control: &Control,
    events: &mut dyn FnMut(FromTrainer),
) -> JobResult {
    let mut reporter = Reporter::new(&job.tag, device, control, events);
    guarded(&mut reporter, &job.spec.fit, |reporter| {
        let session = Session::open(&job.spec, &job.files, device)?;
        run::train(&session, job, reporter)
    })
}

/// Predicts a split with a trained model, and scores it. As [`train`] in every other respect.
pub fn evaluate(
    job: &EvaluateJob,
    device: Device,
    control: &Control,
    events: &mut dyn FnMut(FromTrainer),
) -> JobResult {
    let mut reporter = Reporter::new(&job.tag, device, control, events);
    guarded(&mut reporter, &job.spec.fit, |reporter| {
        let session = Session::open(&job.spec, &job.files, device)?;
        evaluation::evaluate(&session, job, reporter)
    })
}

/// Runs a job. Errors, orders to stop and panics of libtorch become its outcome.
fn guarded<'a>(
    reporter: &mut Reporter<'a>,
    fit: &Fit,
    job: impl FnOnce(&mut Reporter<'a>) -> Result<JobResult, TrainError>,
) -> JobResult {
    // What a panic leaves half done is the model, which nobody sees again.
    let ended = catch_unwind(AssertUnwindSafe(|| job(reporter)));
    memory::give_back();
    let error = match ended {
        Ok(Ok(result)) => return result,
        Ok(Err(error)) => error,
        Err(panic) => TrainError::of_panic(&*panic),
    };
    let outcome = error.outcome();
    let said = match outcome {
        Outcome::Cancelled | Outcome::Preempted | Outcome::Yielded | Outcome::Pruned => None,
        Outcome::OutOfMemory if matches!(error, TrainError::Panic(_)) => Some(format!(
            "{error} (at batch size {} and resolution {}: a smaller one may fit)",
            fit.batch_size, fit.resolution
        )),
        Outcome::Diverged => Some(match reporter.last_checkpoint() {
            Some(step) => format!("{error}; the last good checkpoint is of step {step}"),
            None => format!("{error}; no checkpoint was written before"),
        }),
        _ => Some(error.to_string()),
    };
    JobResult {
        error: said,
        ..reporter.result(outcome)
    }
}
