//! `/api/v1/sota`: published results.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::wire::SotaEntry;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{Reader, Submitter};
use crate::error::ApiError;
use crate::extract::{Body, Created, Params};
use crate::state::AppState;
use crate::store;

#[derive(Deserialize, JsonSchema)]
struct Query {
    /// Results of this dataset only.
    dataset: Option<String>,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/sota",
        get_with(list, |op| {
            op.summary("Published results, best first").tag("ranking")
        })
        .post_with(post, |op| {
            op.summary("Register a published result, or correct one")
                .tag("ranking")
        }),
    )
}

async fn list(
    _: Reader,
    State(state): State<AppState>,
    Params(query): Params<Query>,
) -> Result<Json<Vec<SotaEntry>>, ApiError> {
    Ok(Json(
        store::sota::list(&state.pool, query.dataset.as_deref()).await?,
    ))
}

async fn post(
    _: Submitter,
    State(state): State<AppState>,
    Body(entry): Body<SotaEntry>,
) -> Result<Created<SotaEntry>, ApiError> {
    store::sota::post(&state.pool, &entry).await?;
    Ok(Created(entry))
}
