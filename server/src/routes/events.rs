//! `/api/v1/events`: server-sent events for pages that stay open.

use std::convert::Infallible;
use std::time::Duration;

use aide::OperationOutput;
use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, SchemaObject};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cultivar_spec::wire::Event;
use futures::StreamExt;
use schemars::JsonSchema;
use uuid::Uuid;

use crate::auth::Reader;
use crate::error::ApiError;
use crate::live::{self, Position};
use crate::openapi;
use crate::state::AppState;
use crate::store;

/// How often a stream looks whether its token is still good.
const CHECK_EVERY: Duration = Duration::from_secs(5);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code)]
struct Resumed {
    /// The `id` of the last event that was seen.
    #[serde(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/events",
        get_with(stream, |op| {
            openapi::reads::<Resumed>(op)
                .summary("What happens, as it happens; resumes after Last-Event-ID")
                .tag("events")
        }),
    )
}

/// A `text/event-stream` whose `data` lines are [`Event`]s.
struct EventStream(Response);

async fn stream(
    Reader(principal): Reader,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<EventStream, ApiError> {
    let after = match headers.get(LAST_EVENT_ID) {
        None => None,
        Some(value) => {
            let text = value.to_str().unwrap_or_default();
            let position = text.parse::<Position>();
            Some(
                position
                    .map_err(|e| ApiError::Malformed(format!("Last-Event-ID {text:?}: {e}")))?,
            )
        }
    };
    let events = live::follow(&state, after)
        .await?
        .take_until(Box::pin(token_ends(state.clone(), principal.token_id)))
        .map(|item| Ok::<_, Infallible>(item.to_sse()));
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let no_buffering = [("x-accel-buffering", "no"), ("cache-control", "no-store")];
    let response = (no_buffering, Sse::new(events).keep_alive(keep_alive)).into_response();
    Ok(EventStream(response))
}

/// Returns once the token is revoked or has run out.
async fn token_ends(state: AppState, token: Uuid) {
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        // A database that is away says nothing about the token.
        if let Ok(false) = store::token::is_valid(&state.pool, token).await {
            return;
        }
    }
}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for EventStream {
    type Inner = Event;

    fn inferred_responses(
        ctx: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<u16>, aide::openapi::Response)> {
        let media = MediaType {
            schema: Some(SchemaObject {
                json_schema: ctx.schema.subschema_for::<Event>(),
                example: None,
                external_docs: None,
            }),
            ..MediaType::default()
        };
        let response = aide::openapi::Response {
            description: "Events; each data line is one of these, the id resumes the stream".into(),
            content: [("text/event-stream".to_owned(), media)]
                .into_iter()
                .collect(),
            ..aide::openapi::Response::default()
        };
        vec![(Some(200), response)]
    }
}
