//! The published description of the API.

use aide::axum::ApiRouter;
use aide::generate::{GenContext, in_context};
use aide::openapi::{ApiKeyLocation, OpenApi, Operation, SecurityScheme};
use aide::operation::{ParamLocation, add_parameters, parameters_from_schema};
use aide::transform::{TransformOpenApi, TransformOperation};
use axum::{Json, Router};
use cultivar_spec::canonical_json;
use cultivar_spec::wire::ErrorBody;
use schemars::JsonSchema;

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

/// Documents the fields of `H` as headers that an operation reads.
pub fn add_headers<H: JsonSchema>(ctx: &mut GenContext, operation: &mut Operation) {
    let schema = ctx.schema.subschema_for::<H>();
    let parameters = parameters_from_schema(ctx, schema, ParamLocation::Header);
    add_parameters(ctx, operation, parameters);
}

/// The same, where a route is described.
pub fn reads<H: JsonSchema>(mut op: TransformOperation<'_>) -> TransformOperation<'_> {
    in_context(|ctx| add_headers::<H>(ctx, op.inner_mut()));
    op
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
