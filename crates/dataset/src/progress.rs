//! How far a long job is, for whoever draws the bar.

/// Called now and then by long jobs, always from the calling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub stage: Stage,
    /// Images done and to do in this stage.
    pub done: u64,
    pub total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Images are drawn or converted.
    Draw,
    /// Images are decoded and hashed.
    Check,
    /// Parquet files are written.
    Write,
}

impl Stage {
    /// What is going on, for a progress line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draw => "drawing images",
            Self::Check => "checking images",
            Self::Write => "writing parquet",
        }
    }
}
