//! The published description of the API.

use aide::axum::ApiRouter;
use aide::openapi::{ApiKeyLocation, OpenApi, SecurityScheme};
use aide::transform::TransformOpenApi;
use axum::{Json, Router};
use cultivar_spec::canonical_json;
use cultivar_spec::wire::ErrorBody;

use crate::routes;
use crate::state::AppState;

/// Makes the router and writes down what it answers to.
pub fn describe(router: ApiRouter<AppState>) -> (Router<AppState>, OpenApi) {
    let mut api = OpenApi::default();
    let router = router.finish_api_with(&mut api, front_matter);
    (router, api)
}

fn front_matter(api: TransformOpenApi<'_>) -> TransformOpenApi<'_> {
    let bearer = SecurityScheme::Http {
        scheme: "bearer".into(),
        bearer_format: Some("cvt_ and 48 characters".into()),
        description: None,
        extensions: Default::default(),
    };
    let cookie = SecurityScheme::ApiKey {
        location: ApiKeyLocation::Cookie,
        name: "cultivar_session_PORT".into(),
        description: Some(
            "What the page gets for its one-time login token; under TLS it is __Host-cultivar_session"
                .into(),
        ),
        extensions: Default::default(),
    };
    api.title("Cultivar")
        .version(env!("CARGO_PKG_VERSION"))
        .description(
            "Finds the best way to fine-tune a pretrained vision model on your small dataset.",
        )
        .security_scheme("bearer", bearer)
        .security_scheme("session", cookie)
        .security_requirement("bearer")
        .security_requirement("session")
        .default_response::<Json<ErrorBody>>()
}

/// The checked-in `openapi.json`: sorted, so that it changes only when the API does.
pub fn document() -> String {
    let (_, api) = describe(routes::api());
    let sorted: serde_json::Value =
        serde_json::from_str(&canonical_json(&api)).expect("canonical JSON is JSON");
    let mut text = serde_json::to_string_pretty(&sorted).expect("a value serializes");
    text.push('\n');
    text
}
