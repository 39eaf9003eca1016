//! Search and statistics. Pure: history in, suggestion out; randomness and time are passed in.

pub mod budget;
pub mod importance;
pub mod pareto;
pub mod racing;
pub mod sampler;
pub mod scheduler;
pub mod space;
pub mod stats;
