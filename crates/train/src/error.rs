//! What can go wrong in a job, and which outcome that is.

use std::any::Any;
use std::io;
use std::path::Path;

use cultivar_spec::Outcome;

use crate::control::Stopped;
use crate::data::DataError;
use crate::data::sampler::TooFewClasses;
use crate::models::BuildError;
use crate::optim::OptimError;
use crate::params::LoadError;
use crate::precision::PrecisionError;
use crate::weights::WeightsError;
use cultivar_dataset::parquet::ParquetError;

/// A job cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrainError {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("{0}")]
    Data(DataError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("{path}: {source}")]
    Load { path: String, source: LoadError },
    #[error(transparent)]
    Optim(#[from] OptimError),
    #[error("{}", chain(.0))]
    Weights(#[from] WeightsError),
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{path} is not a manifest: {source}")]
    Manifest {
        path: String,
        source: serde_json::Error,
    },
    #[error(transparent)]
    Sampler(#[from] TooFewClasses),
    #[error("the dataset has no {0} images")]
    EmptySplit(&'static str),
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    #[error("the spec asks for {0} weights and the job names no file of them")]
    NoWeights(String),
    #[error(
        "the {what} became {value} by step {step}; a lower learning rate or a warm-up may help"
    )]
    Diverged {
        what: &'static str,
        value: f64,
        step: u64,
    },
    #[error("{said}: {advice}")]
    OutOfMemory { said: String, advice: String },
    /// What libtorch, or a bug of ours, said when it gave up.
    #[error("{0}")]
    Panic(String),
}

impl TrainError {
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }

    /// tch's functions panic with what libtorch said; its first line says what happened, the
    /// others where in C++.
    pub fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("the trainer panicked without a word");
        // A TchError's debug form escapes its line breaks.
        let line = text.split("\\n").next().unwrap_or(text);
        Self::Panic(line.lines().next().unwrap_or(line).to_owned())
    }

    /// Who is to blame: the spec or the data, the machine, or nobody we know.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Stopped(Stopped(why)) | Self::Data(DataError::Stopped(Stopped(why))) => {
                why.outcome()
            }
            Self::Data(DataError::Io { .. } | DataError::Parquet(ParquetError::Io { .. }))
            | Self::Io { .. }
            | Self::Weights(WeightsError::Read(..) | WeightsError::Write(..)) => {
                Outcome::WorkerFault
            }
            Self::Data(_)
            | Self::Build(_)
            | Self::Load { .. }
            | Self::Manifest { .. }
            | Self::Sampler(_)
            | Self::EmptySplit(_)
            | Self::Precision(_)
            | Self::NoWeights(_)
            | Self::Weights(_) => Outcome::BadInput,
            Self::Diverged { .. } => Outcome::Diverged,
            Self::OutOfMemory { .. } => Outcome::OutOfMemory,
            Self::Optim(_) => Outcome::Crashed,
            Self::Panic(message) => blame(message),
        }
    }
}

impl From<DataError> for TrainError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

fn blame(message: &str) -> Outcome {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&[
        "out of memory",
        "can't allocate memory",
        "not enough memory",
        // cuBLAS and cuDNN on a full device.
        "ALLOC_FAILED",
    ]) {
        Outcome::OutOfMemory
    } else if says(&["CUDA error", "CUDA driver", "cuDNN error", "CUBLAS_STATUS"]) {
        Outcome::WorkerFault
    } else {
        Outcome::Crashed
    }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(panic: &str, message: &str, outcome: Outcome) {
        let error = TrainError::of_panic(&panic.to_owned());
        assert_eq!(error.to_string(), message);
        assert_eq!(error.outcome(), outcome);
    }

    #[test]
    fn a_panic_says_whose_fault_it_was() {
        check(
            r#"called `Result::unwrap()` on an `Err` value: Torch("CUDA out of memory. Tried to allocate 2 GiB\nframe #0: c10")"#,
            r#"called `Result::unwrap()` on an `Err` value: Torch("CUDA out of memory. Tried to allocate 2 GiB"#,
            Outcome::OutOfMemory,
        );
        check(
            "CUDA error: an illegal memory access",
            "CUDA error: an illegal memory access",
            Outcome::WorkerFault,
        );
        check(
            "index out of bounds",
            "index out of bounds",
            Outcome::Crashed,
        );
    }
}
