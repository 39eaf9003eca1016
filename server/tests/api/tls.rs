//! TLS: the typed client connects, and browsers get the stricter cookie.

use cultivar_client::Client;
use cultivar_server::config::TlsFiles;
use reqwest::header::{ORIGIN, SET_COOKIE, STRICT_TRANSPORT_SECURITY};
use reqwest::{Certificate, StatusCode};
use serde_json::json;

use crate::harness::with_config;

#[test]
fn the_typed_client_connects_by_tls_and_trusts_only_whom_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let files = TlsFiles {
        cert: dir.path().join("cert.pem"),
        key: dir.path().join("key.pem"),
    };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let cert = files.cert.clone();
    let adjust = |config: &mut cultivar_server::Config| config.tls = Some(files);
    with_config(30.0, adjust, async move |app| {
        assert!(app.url.starts_with("https://127.0.0.1:"), "{}", app.url);
        let trusting = Client::with_ca(&app.url, app.admin.clone(), Some(&cert)).unwrap();
        let session = trusting.session().await.unwrap();
        assert_eq!(session.scope, cultivar_spec::wire::Scope::Admin);
        let wary = Client::new(&app.url, app.admin.clone()).unwrap();
        let error = wary
            .with_patience(std::time::Duration::ZERO)
            .session()
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
        let plain = app.url.replace("https://", "http://");
        assert!(reqwest::get(plain).await.is_err(), "it speaks TLS only");

        let pem = std::fs::read(&cert).unwrap();
        let browser = reqwest::Client::builder()
            .tls_certs_only([Certificate::from_pem(&pem).unwrap()])
            .build()
            .unwrap();
        let login = cultivar_server::service::tokens::new_login(&app.state)
            .await
            .unwrap();
        let post = |origin: &str| {
            let request = browser.post(format!("{}/api/v1/session", app.url));
            let request = request.header(ORIGIN, origin);
            request.json(&json!({"login_token": login.reveal()})).send()
        };
        let foreign = post(&app.url.replace("https://", "http://")).await.unwrap();
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN, "another scheme");
        let response = post(&app.url).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers().contains_key(STRICT_TRANSPORT_SECURITY));
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
        assert!(
            cookie.starts_with("__Host-cultivar_session=cvs_"),
            "{cookie}"
        );
        for part in ["; Secure", "; Path=/;", "; HttpOnly", "; SameSite=Strict"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
        app
    });
}
