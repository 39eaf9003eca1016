//! `/api/v1/leaderboard`.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use aide::openapi::MediaType;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cultivar_spec::Sha256Digest;
use cultivar_spec::wire::Leaderboard;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::Reader;
use crate::error::ApiError;
use crate::extract::Params;
use crate::service::ranking::{self, RankBy};
use crate::service::ranking_text;
use crate::state::AppState;

/// Rows shown unless asked otherwise.
const DEFAULT_LIMIT: usize = 200;

const CSV: &str = "text/csv; charset=utf-8";
const MARKDOWN: &str = "text/markdown; charset=utf-8";

#[derive(Deserialize, JsonSchema)]
struct Query {
    /// Name of a registered dataset.
    dataset: String,
    /// A version of it; the newest if left out.
    version: Option<Sha256Digest>,
    /// `val_top1` (the default), or `test_top1` where every row shown was evaluated on test.
    #[schemars(extend("enum" = ["val_top1", "test_top1"]))]
    metric: Option<String>,
    /// `json` (the default), `csv` or `md`.
    #[schemars(extend("enum" = ["json", "csv", "md"]))]
    format: Option<String>,
    /// Rows shown, 200 unless said otherwise. With `test_top1`, the rows are this many best by validation, and
    /// all that were trained on validation images too and evaluated.
    #[schemars(range(min = 1))]
    limit: Option<usize>,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/leaderboard",
        get_with(show, |op| {
            op.summary("Configurations of a dataset, best first, beside published results")
                .tag("ranking")
                .response_with::<200, Json<Leaderboard>, _>(|mut response| {
                    for kind in [CSV, MARKDOWN] {
                        let content = &mut response.inner().content;
                        content.insert(kind.to_owned(), MediaType::default());
                    }
                    response
                })
        }),
    )
}

async fn show(
    _: Reader,
    State(state): State<AppState>,
    Params(query): Params<Query>,
) -> Result<Response, ApiError> {
    let format = query.format.as_deref().unwrap_or("json");
    if !["json", "csv", "md"].contains(&format) {
        return Err(ApiError::violation("/format", format, "json, csv or md"));
    }
    if query.limit == Some(0) {
        return Err(ApiError::violation("/limit", 0, "at least 1"));
    }
    let asked = ranking::Query {
        dataset: query.dataset,
        version: query.version,
        by: RankBy::parse(query.metric.as_deref().unwrap_or("val_top1"))?,
        limit: query.limit.unwrap_or(DEFAULT_LIMIT),
    };
    let board = ranking::leaderboard(&state, &asked).await?;
    let text =
        |kind: &'static str, text: String| ([(header::CONTENT_TYPE, kind)], text).into_response();
    Ok(match format {
        "csv" => text(
            CSV,
            ranking_text::csv(&board).map_err(|e| ApiError::Internal(e.into()))?,
        ),
        "md" => text(MARKDOWN, ranking_text::markdown(&board)),
        _ => Json(board).into_response(),
    })
}
