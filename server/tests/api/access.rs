//! Tokens, scopes, the login, the browser's session.

use std::os::unix::fs::PermissionsExt;

use cultivar_client::Client;
use cultivar_spec::{Secret, SecretKind};
use reqwest::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures::Worker;
use crate::harness::{App, answer, with_app};

async fn token(app: &App, scope: &str) -> (String, String) {
    let made = app
        .post_ok("/api/v1/tokens", &json!({"name": scope, "scope": scope}))
        .await;
    (
        made["id"].as_str().unwrap().to_owned(),
        made["token"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn without_a_valid_token_nothing_is_answered() {
    with_app(30.0, async |app| {
        let never = Secret::new(SecretKind::Access, [1; 32]);
        for bearer in [None, Some("nonsense"), Some(never.reveal())] {
            let mut request = app.anonymous(Method::GET, "/api/v1/trials");
            if let Some(bearer) = bearer {
                request = request.bearer_auth(bearer);
            }
            let (status, body) = answer(request).await;
            assert_eq!(
                (status, body["code"].as_str()),
                (StatusCode::UNAUTHORIZED, Some("unauthorized"))
            );
        }
        for path in [
            "/healthz",
            "/readyz",
            "/metrics",
            "/api/openapi.json",
            "/",
            "/trials/42",
        ] {
            let response = app.anonymous(Method::GET, path).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let policy = response.headers()["content-security-policy"]
                .to_str()
                .unwrap();
            assert!(
                policy.contains("script-src 'self';") && !policy.contains("unsafe"),
                "{policy}"
            );
        }
        for path in ["/api/v1/nothing", "/assets/nothing.js"] {
            assert_eq!(
                answer(app.anonymous(Method::GET, path)).await.0,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        app
    });
}

#[test]
fn a_token_ends_when_it_is_revoked_or_runs_out() {
    with_app(30.0, async |app| {
        let status = async |secret: &str| {
            answer(
                app.anonymous(Method::GET, "/api/v1/trials")
                    .bearer_auth(secret),
            )
            .await
            .0
        };
        let (id, secret) = token(&app, "viewer").await;
        assert_eq!(status(&secret).await, StatusCode::OK);
        let path = format!("/api/v1/tokens/{id}");
        assert_eq!(
            answer(app.request(Method::DELETE, &path)).await.0,
            StatusCode::NO_CONTENT
        );
        assert_eq!(status(&secret).await, StatusCode::UNAUTHORIZED);

        let (id, secret) = token(&app, "viewer").await;
        sqlx::query("UPDATE token SET expires_at = now() WHERE id = $1::uuid")
            .bind(&id)
            .execute(&app.state.pool)
            .await
            .unwrap();
        assert_eq!(status(&secret).await, StatusCode::UNAUTHORIZED);
        let listed = app.get("/api/v1/tokens").await.to_string();
        assert!(listed.contains(&id) && !listed.contains("cvt_"), "{listed}");
        app
    });
}

#[test]
fn the_admin_token_is_private_and_its_secret_is_stored_nowhere_else() {
    with_app(30.0, async |app| {
        let metadata = std::fs::metadata(app.state.config.admin_token_file()).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let (_, secret) = token(&app, "viewer").await;
        let tables = app
            .count("SELECT count(*) FROM token t WHERE t::text LIKE '%cvt!_%' ESCAPE '!'")
            .await;
        assert_eq!(tables, 0);
        let kept: Vec<Value> = sqlx::query_scalar("SELECT response FROM idempotency")
            .fetch_all(&app.state.pool)
            .await
            .unwrap();
        assert!(
            kept.iter()
                .all(|response| !response.to_string().contains(&secret))
        );

        let before = app.admin.clone();
        let again = App::start(app.database.clone(), 30.0).await;
        assert_ne!(again.admin, before, "another home has another token");
        again.stop().await;
        cultivar_server::service::tokens::ensure_local(&app.state)
            .await
            .unwrap();
        let after = std::fs::read_to_string(app.state.config.admin_token_file()).unwrap();
        assert_eq!(after.trim(), before, "a token that works is kept");
        app
    });
}

#[test]
fn the_token_for_workers_of_this_machine_is_private_and_opens_little() {
    with_app(30.0, async |app| {
        let file = app.state.config.worker_token_file();
        let metadata = std::fs::metadata(&file).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let before = std::fs::read_to_string(&file).unwrap();
        let by_worker = |method, path| app.anonymous(method, path).bearer_auth(before.trim());
        let session = answer(by_worker(Method::GET, "/api/v1/session")).await.1;
        assert_eq!(session["scope"], "worker");
        let request = uuid::Uuid::new_v4();
        let claim = json!({"worker": Worker::new().identity, "request": request, "max": 1});
        let claimed = answer(by_worker(Method::POST, "/api/v1/leases").json(&claim)).await;
        assert_eq!(claimed.0, StatusCode::OK, "{}", claimed.1);
        let listed = answer(by_worker(Method::GET, "/api/v1/tokens")).await.0;
        assert_eq!(listed, StatusCode::FORBIDDEN);

        cultivar_server::service::tokens::ensure_local(&app.state)
            .await
            .unwrap();
        let after = std::fs::read_to_string(&file).unwrap();
        assert_eq!(after, before, "a token that works is kept");
        app
    });
}

#[test]
fn a_login_link_works_once_and_its_cookie_only_from_our_own_page() {
    with_app(30.0, async |app| {
        let login = cultivar_server::service::tokens::new_login(&app.state)
            .await
            .unwrap();
        let login = json!({"login_token": login.reveal()});
        let post = || app.anonymous(Method::POST, "/api/v1/session").json(&login);
        let foreign = answer(post().header(ORIGIN, "http://evil.example")).await.0;
        assert_eq!(foreign, StatusCode::FORBIDDEN);
        let response = post().header(ORIGIN, &app.url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        assert!(
            cookie.starts_with(&app.state.config.session_cookie()),
            "{cookie}"
        );
        assert_eq!(
            answer(post()).await.0,
            StatusCode::UNAUTHORIZED,
            "it was used"
        );

        let pair = cookie.split(';').next().unwrap();
        let session = answer(
            app.anonymous(Method::GET, "/api/v1/session")
                .header(COOKIE, pair),
        )
        .await;
        assert_eq!(
            (session.0, session.1["scope"].as_str()),
            (StatusCode::OK, Some("admin"))
        );
        let write = || {
            let request = app
                .anonymous(Method::POST, "/api/v1/tokens")
                .header(COOKIE, pair);
            request.json(&json!({"name": "x", "scope": "viewer"}))
        };
        assert_eq!(answer(write()).await.0, StatusCode::FORBIDDEN, "no origin");
        assert_eq!(
            answer(write().header(ORIGIN, "http://evil.example"))
                .await
                .0,
            StatusCode::FORBIDDEN
        );
        assert_eq!(
            answer(write().header(ORIGIN, &app.url)).await.0,
            StatusCode::CREATED
        );

        let bearer = answer(app.request(Method::DELETE, "/api/v1/session")).await;
        assert_eq!(bearer.0, StatusCode::CONFLICT, "a token is no session");
        let logout = app.anonymous(Method::DELETE, "/api/v1/session");
        let logout = logout.header(COOKIE, pair).header(ORIGIN, &app.url);
        let response = logout.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let cleared = response.headers()[SET_COOKIE].to_str().unwrap();
        assert!(
            cleared.contains("=; ") && cleared.contains("Max-Age=0"),
            "{cleared}"
        );
        let again = app.anonymous(Method::GET, "/api/v1/session");
        assert_eq!(
            answer(again.header(COOKIE, pair)).await.0,
            StatusCode::UNAUTHORIZED
        );
        app
    });
}

#[test]
fn an_admin_makes_links_that_log_a_browser_in_once() {
    with_app(30.0, async |app| {
        let links = "/api/v1/session/links";
        for scope in ["viewer", "submitter"] {
            let (_, secret) = token(&app, scope).await;
            let request = app.anonymous(Method::POST, links).bearer_auth(secret);
            assert_eq!(answer(request).await.0, StatusCode::FORBIDDEN, "{scope}");
        }
        let client = Client::new(&app.url, app.admin.clone()).unwrap();
        let link = client.create_login_link().await.unwrap();
        let (page, login) = link.url.split_once("/#login=").unwrap();
        assert_eq!(page, app.url);
        assert!(link.expires_at > chrono::Utc::now());
        let post = |login: &str| {
            let request = app.anonymous(Method::POST, "/api/v1/session");
            let request = request.header(ORIGIN, &app.url);
            request.json(&json!({"login_token": login}))
        };
        let response = post(login).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
        let pair = cookie.split(';').next().unwrap();
        let session = app.anonymous(Method::GET, "/api/v1/session");
        let session = answer(session.header(COOKIE, pair)).await;
        assert_eq!(
            (session.0, session.1["scope"].as_str()),
            (StatusCode::OK, Some("admin"))
        );
        let (again, body) = answer(post(login)).await;
        assert_eq!(again, StatusCode::UNAUTHORIZED, "it was used");
        let error = body["error"].as_str().unwrap();
        assert!(error.contains("cultivar login-url"), "{error}");

        // The log tells the token's id, by which a link is taken back before it is used.
        let (status, link) = answer(app.request(Method::POST, links)).await;
        assert_eq!(status, StatusCode::OK, "{link}");
        let url = link["url"].as_str().unwrap();
        let (_, login) = url.split_once("/#login=").unwrap();
        let audit = app.get("/api/v1/audit").await;
        let entry = &audit["entries"][0];
        assert_eq!(entry["action"], "POST /api/v1/session/links");
        assert_eq!(entry["status"], 200);
        assert!(!audit.to_string().contains("cvl_"), "{audit}");
        let path = format!("/api/v1/tokens/{}", entry["target"].as_str().unwrap());
        let revoked = answer(app.request(Method::DELETE, &path)).await.0;
        assert_eq!(revoked, StatusCode::NO_CONTENT);
        assert_eq!(answer(post(login)).await.0, StatusCode::UNAUTHORIZED);
        app
    });
}

#[test]
fn a_foreign_host_name_is_not_answered() {
    with_app(30.0, async |app| {
        let request = app
            .anonymous(Method::GET, "/healthz")
            .header(HOST, "evil.example");
        assert_eq!(answer(request).await.0, StatusCode::FORBIDDEN);
        app
    });
}
