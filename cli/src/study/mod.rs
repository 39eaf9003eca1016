//! What studies share: matched runs are planned, those that exist are recognised, the rest is trained, and the
//! test split is opened for finalists. `cultivar transfer`, `cultivar ablate`, `cultivar tune` and `cultivar finalists` say which runs.

pub mod plan;
pub mod recipe;
pub mod runner;
