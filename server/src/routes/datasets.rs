//! `/api/v1/datasets`.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::manifest::Manifest;
use cultivar_spec::wire::{DatasetDetail, DatasetView};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{Reader, Submitter};
use crate::error::ApiError;
use crate::extract::{At, Body, Created};
use crate::service;
use crate::state::AppState;
use crate::store;

#[derive(Deserialize, JsonSchema)]
struct ByName {
    name: String,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/api/v1/datasets",
            get_with(list, |op| {
                op.summary("Datasets, each in its newest version")
                    .tag("datasets")
            })
            .post_with(register, |op| {
                op.summary("Register a dataset version; its files are uploaded before")
                    .tag("datasets")
            }),
        )
        .api_route(
            "/api/v1/datasets/{name}",
            get_with(show, |op| {
                op.summary("The newest version of a dataset with its manifest")
                    .tag("datasets")
            }),
        )
}

async fn list(
    _: Reader,
    State(state): State<AppState>,
) -> Result<Json<Vec<DatasetView>>, ApiError> {
    Ok(Json(store::dataset::list(&state.pool).await?))
}

async fn register(
    _: Submitter,
    State(state): State<AppState>,
    Body(manifest): Body<Manifest>,
) -> Result<Created<DatasetView>, ApiError> {
    service::datasets::register(&state, manifest)
        .await
        .map(Created)
}

async fn show(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ByName>,
) -> Result<Json<DatasetDetail>, ApiError> {
    service::datasets::detail(&state, &path.name)
        .await
        .map(Json)
}
