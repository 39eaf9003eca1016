//! `/api/v1/audit`.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::TokenId;
use cultivar_spec::wire::AuditPage;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::Admin;
use crate::error::ApiError;
use crate::extract::Params;
use crate::state::AppState;
use crate::store;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct AuditQuery {
    /// `next_cursor` of the page before.
    cursor: Option<u64>,
    /// What this token did.
    token: Option<TokenId>,
    /// Entries a page, at most 1000; 100 if left out.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/audit",
        get_with(list, |op| {
            op.summary("Who did what to which id, from where; newest first")
                .tag("access")
        }),
    )
}

async fn list(
    _: Admin,
    State(state): State<AppState>,
    Params(query): Params<AuditQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    let limit = query.limit.unwrap_or(100).clamp(1, 1000);
    let entries = store::audit::page(&state.pool, query.cursor, query.token, limit).await?;
    let is_full = entries.len() == limit as usize;
    let next_cursor = entries.last().filter(|_| is_full).map(|entry| entry.id);
    Ok(Json(AuditPage {
        entries,
        next_cursor,
    }))
}
