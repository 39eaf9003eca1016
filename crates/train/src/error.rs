//! What can go wrong in a job, and which outcome that is.

use std::path::Path;

use cultivar_spec::Outcome;

use crate::data::DataError;
use crate::models::UnknownBackbone;
use crate::optim::StateError;
use crate::params::LoadError;
use crate::weights::FileError;

/// A job cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    #[error("weights: {0}")]
    Weights(#[from] LoadError),
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] StateError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: {source}")]
    Io {
        path: String,
        source: std::io::Error,
    },
    #[error("the manifest is not readable: {0}")]
    Manifest(serde_json::Error),
    #[error("the dataset has no {0} images")]
    EmptySplit(&'static str),
    #[error("{0}")]
    Torch(String),
    #[error("the training loss became {loss} by step {step}; {checkpoint}")]
    Diverged {
        loss: f64,
        step: u64,
        checkpoint: String,
    },
}

impl TrainError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }

    /// Who is to blame: the spec and data, the machine, or nobody we know.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Data(DataError::Io { .. })
            | Self::File(FileError::Io { .. })
            | Self::Io { .. } => Outcome::WorkerFault,
            Self::Data(_)
            | Self::Backbone(_)
            | Self::Weights(_)
            | Self::Manifest(_)
            | Self::EmptySplit(_) => Outcome::BadInput,
            Self::Checkpoint(_) | Self::File(FileError::Format { .. }) => Outcome::BadInput,
            Self::Diverged { .. } => Outcome::Diverged,
            Self::Torch(message) if is_out_of_memory(message) => Outcome::OutOfMemory,
            Self::Torch(_) => Outcome::Crashed,
        }
    }
}

impl From<tch::TchError> for TrainError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error.to_string())
    }
}

/// How libtorch says that memory ran out, on the device and on the host.
pub(crate) fn is_out_of_memory(message: &str) -> bool {
    [
        "out of memory",
        "can't allocate memory",
        "DefaultCPUAllocator: not enough memory",
    ]
    .iter()
    .any(|said| message.contains(said))
}
