//! Who may call what: every operation of the description has a rule here, and every rule is tried with
//! every scope.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, answer, with_app, with_config};

/// Scopes that an operation admits.
type Rule = &'static [&'static str];

const ANYBODY: Rule = &["anonymous", "viewer", "submitter", "worker", "admin"];
const TOKEN: Rule = &["viewer", "submitter", "worker", "admin"];
const READER: Rule = &["viewer", "submitter", "admin"];
const SUBMITTER: Rule = &["submitter", "admin"];
const LEASE_HOLDER: Rule = &["worker", "admin"];
const BLOB_WRITER: Rule = &["submitter", "worker", "admin"];
const ADMIN: Rule = &["admin"];

const RULES: &[(&str, &str, Rule)] = &[
    ("get", "/api/v1/artifacts/{sha256}", TOKEN),
    ("head", "/api/v1/artifacts/{sha256}", TOKEN),
    ("put", "/api/v1/artifacts/{sha256}", BLOB_WRITER),
    ("get", "/api/v1/artifacts/{sha256}/upload", BLOB_WRITER),
    ("get", "/api/v1/audit", ADMIN),
    ("post", "/api/v1/compare", READER),
    ("get", "/api/v1/datasets", READER),
    ("post", "/api/v1/datasets", SUBMITTER),
    ("get", "/api/v1/datasets/{name}", READER),
    ("get", "/api/v1/events", READER),
    ("post", "/api/v1/heartbeats", LEASE_HOLDER),
    ("get", "/api/v1/leaderboard", READER),
    ("post", "/api/v1/leases", LEASE_HOLDER),
    ("post", "/api/v1/leases/{id}/checkpoint", LEASE_HOLDER),
    ("post", "/api/v1/leases/{id}/complete", LEASE_HOLDER),
    ("post", "/api/v1/leases/{id}/finish", LEASE_HOLDER),
    ("post", "/api/v1/leases/{id}/logs", LEASE_HOLDER),
    ("post", "/api/v1/leases/{id}/metrics", LEASE_HOLDER),
    ("post", "/api/v1/leases/{id}/report", LEASE_HOLDER),
    ("post", "/api/v1/leases/{id}/should_stop", LEASE_HOLDER),
    ("post", "/api/v1/race", READER),
    ("get", "/api/v1/session", TOKEN),
    ("post", "/api/v1/session", ANYBODY),
    ("delete", "/api/v1/session", TOKEN),
    ("post", "/api/v1/session/links", ADMIN),
    ("get", "/api/v1/sota", READER),
    ("post", "/api/v1/sota", SUBMITTER),
    ("get", "/api/v1/sweeps", READER),
    ("post", "/api/v1/sweeps", SUBMITTER),
    ("post", "/api/v1/sweeps/estimate", READER),
    ("post", "/api/v1/sweeps/preview", READER),
    ("get", "/api/v1/sweeps/{id}", READER),
    ("post", "/api/v1/sweeps/{id}/ask", LEASE_HOLDER),
    ("post", "/api/v1/sweeps/{id}/cancel", SUBMITTER),
    ("get", "/api/v1/sweeps/{id}/importance", READER),
    ("get", "/api/v1/sweeps/{id}/recommendation", READER),
    ("get", "/api/v1/sweeps/{id}/pareto", READER),
    ("post", "/api/v1/sweeps/{id}/pause", SUBMITTER),
    ("put", "/api/v1/sweeps/{id}/queueing", SUBMITTER),
    ("post", "/api/v1/sweeps/{id}/resume", SUBMITTER),
    ("post", "/api/v1/sweeps/{id}/retry", SUBMITTER),
    ("get", "/api/v1/tokens", ADMIN),
    ("post", "/api/v1/tokens", ADMIN),
    ("delete", "/api/v1/tokens/{id}", ADMIN),
    ("post", "/api/v1/tokens/{id}/rotate", ADMIN),
    ("get", "/api/v1/transfer", READER),
    ("get", "/api/v1/trials", READER),
    ("post", "/api/v1/trials", SUBMITTER),
    ("get", "/api/v1/trials/{id}", READER),
    ("post", "/api/v1/trials/{id}/cancel", SUBMITTER),
    ("post", "/api/v1/trials/{id}/evaluate", SUBMITTER),
    ("get", "/api/v1/trials/{id}/logs", READER),
    ("post", "/api/v1/trials/{id}/pause", SUBMITTER),
    ("post", "/api/v1/trials/{id}/resume", SUBMITTER),
    ("post", "/api/v1/trials/{id}/retry", SUBMITTER),
    ("get", "/api/v1/trials/{id}/metrics", READER),
    ("get", "/api/v1/trials/{id}/series", READER),
    ("get", "/api/v1/weights", READER),
    ("post", "/api/v1/weights", SUBMITTER),
    ("get", "/api/v1/workers", READER),
    ("post", "/api/v1/workers/enroll", ANYBODY),
    ("post", "/api/v1/workers/enrolments", ADMIN),
    ("post", "/api/v1/workers/{id}/release", ADMIN),
];

/// Every operation that the description names.
fn described() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(&cultivar_server::openapi::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| (method.clone(), path.clone()))
    });
    operations.collect()
}

#[test]
fn every_operation_has_a_rule() {
    let ruled: BTreeSet<_> = RULES
        .iter()
        .map(|(method, path, _)| (method.to_string(), path.to_string()))
        .collect();
    let described = described();
    let without: Vec<_> = described.difference(&ruled).collect();
    assert!(without.is_empty(), "say who may call {without:?}");
    let gone: Vec<_> = ruled.difference(&described).collect();
    assert!(gone.is_empty(), "rules for what is no operation: {gone:?}");
}

/// Calls an operation with ids that mean nothing and an empty document.
async fn call(app: &App, method: &str, path: &str, token: Option<&str>) -> StatusCode {
    let id = uuid::Uuid::new_v4().to_string();
    let path = path
        .replace("{sha256}", &"0".repeat(64))
        .replace("{name}", "nothing")
        .replace("{id}", &id);
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
    let has_body = method == Method::POST || method == Method::PUT;
    let mut request = app.anonymous(method, &path);
    if has_body {
        request = request.json(&json!({}));
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    // The stream of events has no end; its head is enough.
    request.send().await.unwrap().status()
}

#[test]
fn every_scope_is_tried_on_every_operation() {
    // So many refusals in a row would count as guessing.
    let unlimited = |config: &mut cultivar_server::Config| config.rate_scale = 0.0;
    with_config(30.0, unlimited, async |app| {
        let mut tokens = vec![("anonymous", None)];
        for scope in ["viewer", "submitter", "worker", "admin"] {
            let new = json!({"name": scope, "scope": scope});
            let made = app.post_ok("/api/v1/tokens", &new).await;
            let token = made["token"].as_str().unwrap().to_owned();
            tokens.push((scope, Some(token)));
        }
        for (method, path, admits) in RULES {
            for (scope, token) in &tokens {
                let status = call(&app, method, path, token.as_deref()).await;
                let what = format!("{method} {path} by {scope}: {status}");
                // What is open to anybody says itself that a login token is no login token.
                let is_open = admits.contains(&"anonymous");
                match (admits.contains(scope), *scope) {
                    (true, _) if is_open => assert_eq!(status, 422, "{what}"),
                    (true, _) => assert!(
                        status != 401 && status != 403 && !status.is_server_error(),
                        "{what}"
                    ),
                    (false, "anonymous") => assert_eq!(status, 401, "{what}"),
                    (false, _) => assert_eq!(status, 403, "{what}"),
                }
            }
        }
        app
    });
}

#[test]
fn what_is_refused_is_refused_in_the_same_words() {
    with_app(30.0, async |app| {
        let id = uuid::Uuid::new_v4();
        let asked = [
            (Method::PATCH, "/api/v1/trials".to_owned(), 405),
            (Method::DELETE, format!("/api/v1/trials/{id}"), 405),
            (Method::GET, "/api/v1/nothing".to_owned(), 404),
            (Method::GET, "/api/v1/trials/7".to_owned(), 400),
            (Method::GET, "/api/v1/trials?limit=x".to_owned(), 400),
        ];
        for (method, path, expect) in asked {
            let (status, body) = answer(app.request(method.clone(), &path)).await;
            assert_eq!(status, expect, "{method} {path}");
            assert!(
                body["error"].is_string() && body["code"].is_string(),
                "{method} {path}: {body}"
            );
        }
        app
    });
}
