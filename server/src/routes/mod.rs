//! The HTTP API, one file a resource. Handlers extract, call and respond; nothing else.

mod artifacts;
mod audit;
mod compare;
mod datasets;
mod events;
mod external;
mod health;
mod leaderboard;
mod leases;
mod race;
mod session;
mod sota;
mod sweeps;
mod tokens;
mod transfer;
mod trials;
mod weights;
mod workers;

use aide::axum::ApiRouter;

pub use trials::{LogFilter, TrialFilter};

use crate::state::AppState;

/// Every documented route.
pub fn api() -> ApiRouter<AppState> {
    ApiRouter::new()
        .merge(artifacts::router())
        .merge(audit::router())
        .merge(compare::router())
        .merge(datasets::router())
        .merge(events::router())
        .merge(external::router())
        .merge(health::router())
        .merge(leaderboard::router())
        .merge(leases::router())
        .merge(race::router())
        .merge(session::router())
        .merge(sota::router())
        .merge(sweeps::router())
        .merge(tokens::router())
        .merge(transfer::router())
        .merge(trials::router())
        .merge(weights::router())
        .merge(workers::router())
}
