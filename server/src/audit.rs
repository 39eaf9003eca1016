//! The layer that writes down who did what to which id, from where.
//!
//! Everything that changes something is recorded, refusals included, but for what came too often and for what
//! workers do all the time: leases and artifacts, of which attempts tell. The record is written before the answer
//! goes out, in a task of its own with the handler: a client that hangs up cannot have the one without the other.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cultivar_spec::secret::redact;

use crate::error::ApiError;
use crate::limits::Class;
use crate::state::AppState;
use crate::store;
use crate::store::audit::NewRow;
use crate::visit::Visit;

/// Put into a response by whoever made something: its id.
#[derive(Clone, Debug)]
pub struct MadeId(pub String);

/// Questions whose answers change nothing.
const ASKED_BY_POST: [&str; 4] = [
    "/api/v1/sweeps/estimate",
    "/api/v1/sweeps/preview",
    "/api/v1/compare",
    "/api/v1/race",
];

/// Runs the handler and records it.
pub async fn record(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let visit = request.extensions().get::<Visit>().cloned();
    let Some(visit) = visit.filter(is_recorded) else {
        return next.run(request).await;
    };
    let in_path = id_in_path(visit.route.as_deref(), request.uri().path());
    let span = tracing::Span::current();
    let task = async move {
        let response = next.run(request).await;
        let caller = visit.caller.get();
        // Of strangers only what they do at the door is of interest.
        if caller.is_none() && visit.class != Class::Door {
            return response;
        }
        // Nothing happened, and whoever is told to slow down shall not fill a log that nobody can empty.
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            return response;
        }
        let made = response.extensions().get::<MadeId>();
        let row = NewRow {
            caller: caller.map(|caller| (caller.token_id, caller.scope)),
            action: format!(
                "{} {}",
                visit.method,
                visit.route.as_deref().unwrap_or_default()
            ),
            target: in_path.or_else(|| made.map(|id| id.0.clone())),
            status: response.status().as_u16(),
            ip: visit.ip,
            request_id: visit.id,
        };
        if let Err(error) = store::audit::insert(&state.pool, &row).await {
            tracing::error!(
                %error, action = row.action, target = row.target, status = row.status, ip = %row.ip,
                caller = ?row.caller, "an act could not be written to the audit log"
            );
        }
        response
    };
    match tokio::spawn(tracing::Instrument::instrument(task, span)).await {
        Ok(response) => response,
        Err(error) => ApiError::Internal(anyhow::Error::from(error)).into_response(),
    }
}

fn is_recorded(visit: &Visit) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS];
    let is_write = !reads.iter().any(|method| method.as_str() == visit.method);
    let is_class = match visit.class {
        Class::Door | Class::Access | Class::Write | Class::Costly | Class::Manifest => true,
        Class::Page | Class::Read | Class::Lease | Class::Blob => false,
    };
    let asks_only = visit
        .route
        .as_deref()
        .is_some_and(|route| ASKED_BY_POST.contains(&route));
    is_write && is_class && !asks_only
}

/// What stands where the route has its first parameter.
fn id_in_path(route: Option<&str>, path: &str) -> Option<String> {
    let (_, id) = route?
        .split('/')
        .zip(path.split('/'))
        .find(|(pattern, _)| pattern.starts_with('{'))?;
    let short: String = id.chars().take(200).collect();
    Some(redact(&short).into_owned())
}

#[cfg(test)]
mod tests {
    use super::id_in_path;

    #[test]
    fn the_id_is_found_where_the_route_says() {
        let check = |route, path, expect: Option<&str>| {
            assert_eq!(id_in_path(Some(route), path).as_deref(), expect)
        };
        check(
            "/api/v1/trials/{id}/cancel",
            "/api/v1/trials/7/cancel",
            Some("7"),
        );
        check("/api/v1/trials", "/api/v1/trials", None);
    }
}
