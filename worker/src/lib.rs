//! The worker daemon: a *supervisor* that speaks to the server, and a warm *trainer* child process per
//! slot that speaks to libtorch.
//!
//! The two exchange frames over a pair of pipes ([`frame`], `cultivar_spec::trainer`). A trainer may
//! abort, leak or hang; the supervisor sees it, says why, and starts another. [`local`] trains without a server, and
//! [`serve`] predicts over HTTP what is sent to it.

pub mod frame;
mod home;
pub mod local;
pub mod options;
pub mod serve;
pub mod supervisor;
pub mod trainer;
