//! Every bad line of input: 422 with every pointer, and nothing queued.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures::{Worker, tell};
use crate::harness::{App, answer, with_app};

/// Submits a bad trial and a sweep over it, and expects exactly these pointers of both.
pub async fn refused(app: &App, spec: Value, pointers: &[&str]) {
    let sweep = json!({"name": "s", "base": spec});
    for (path, body, prefix) in [
        ("/api/v1/trials", json!({"spec": spec}), "/spec"),
        ("/api/v1/sweeps", sweep.clone(), "/base"),
        ("/api/v1/sweeps/preview", sweep, "/base"),
    ] {
        let (status, answer) = app.post(path, &body).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path} {spec}: {answer:#}"
        );
        assert_eq!(answer["code"], "invalid");
        let violations = answer["violations"].as_array().unwrap();
        let mut found: Vec<_> = violations
            .iter()
            .map(|v| v["pointer"].as_str().unwrap())
            .collect();
        let mut expect: Vec<_> = pointers
            .iter()
            .map(|pointer| format!("{prefix}{pointer}"))
            .collect();
        found.sort_unstable();
        expect.sort_unstable();
        assert_eq!(found, expect, "{path} {spec}: {answer:#}");
        assert!(
            violations
                .iter()
                .all(|v| !v["expected"].as_str().unwrap().is_empty())
        );
    }
    for sql in [
        "SELECT count(*) FROM trial",
        "SELECT count(*) FROM trial_queue",
        "SELECT count(*) FROM sweep",
    ] {
        assert_eq!(app.count(sql).await, 0, "nothing is queued");
    }
}

#[test]
fn a_bad_spec_is_refused_with_every_pointer() {
    with_app(30.0, async |app| {
        app.register().await;
        let data = json!({"dataset": "mini"});
        refused(
            &app,
            json!({"data": data, "optimiser": {}}),
            &["/optimiser"],
        )
        .await;
        refused(
            &app,
            json!({"data": data, "fit": {"epochs": "ten"}}),
            &["/fit/epochs"],
        )
        .await;
        refused(
            &app,
            json!({"data": data, "fit": {"batch_size": 0}, "optimizer": {"kind": "sgd", "lr": -1.0}}),
            &["/fit/batch_size", "/optimizer/lr"],
        )
        .await;
        refused(
            &app,
            json!({"data": data, "backbone": {"name": "resnet9000"}}),
            &["/backbone/name"],
        )
        .await;
        refused(
            &app,
            json!({"data": data, "adaptation": {"mode": "head_only"}, "augment": {"mix": {"kind": "cutmix"}}}),
            &["/augment/crop", "/augment/flip/horizontal", "/augment/mix"],
        )
        .await;
        app
    });
}

#[test]
fn the_mistakes_of_a_large_document_are_told_in_few_words() {
    with_app(30.0, async |app| {
        let compare = "/api/v1/compare";
        let fields = (0..5_000).map(|n| (format!("field_{n}"), json!(n)));
        let fields = Value::Object(fields.collect());
        let (status, body) = app.post(compare, &fields).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["violations"].as_array().unwrap().len(), 100);

        let cut = format!("{}…", "é".repeat(250));
        for (metric, shown) in [
            (json!("é".repeat(100_000)), cut.as_str()),
            (json!(vec![0; 10_000]), "a list of 10000 items"),
            (fields, "an object of 5000 fields"),
        ] {
            let asked = json!({"dataset": "mini", "metric": metric, "arms": []});
            let request = app.request(Method::POST, compare).json(&asked);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
            let text = response.text().await.unwrap();
            assert!(text.len() < 20_000, "{} bytes", text.len());
            let body: Value = serde_json::from_str(&text).unwrap();
            let violations = body["violations"].as_array().unwrap();
            let of_metric = violations.iter().find(|v| v["pointer"] == "/metric");
            assert_eq!(of_metric.unwrap()["value"], shown);
        }
        app
    });
}

#[test]
fn names_that_mean_nothing_here_are_refused() {
    with_app(30.0, async |app| {
        app.register().await;
        refused(
            &app,
            json!({"data": {"dataset": "nope"}}),
            &["/data/dataset"],
        )
        .await;
        let version = "0".repeat(64);
        refused(
            &app,
            json!({"data": {"dataset": "mini", "version": version}}),
            &["/data/version"],
        )
        .await;
        let spec = |backbone: Value| json!({"data": {"dataset": "mini"}, "backbone": backbone});
        refused(
            &app,
            spec(json!({"name": "efficientnet_lite1"})),
            &["/backbone/weights"],
        )
        .await;
        refused(
            &app,
            spec(json!({"weights": format!("artifact:{version}")})),
            &["/backbone/weights"],
        )
        .await;
        let trial = uuid::Uuid::new_v4();
        refused(
            &app,
            spec(json!({"weights": format!("trial:{trial}")})),
            &["/backbone/weights"],
        )
        .await;
        let both = json!({"data": {"dataset": "nope"}, "backbone": {"name": "efficientnet_lite1"}});
        refused(&app, both, &["/backbone/weights", "/data/dataset"]).await;
        let (_, body) = app
            .post(
                "/api/v1/trials",
                &json!({"spec": {"data": {"dataset": "nope"}}}),
            )
            .await;
        assert!(
            body["violations"][0]["expected"]
                .as_str()
                .unwrap()
                .contains("mini"),
            "{body:#}"
        );
        app
    });
}

#[test]
fn what_is_no_json_document_is_refused() {
    with_app(30.0, async |app| {
        let post = |body: &'static str, content_type: &'static str| {
            let request = app.request(Method::POST, "/api/v1/trials");
            answer(request.header("content-type", content_type).body(body))
        };
        assert_eq!(
            post("{", "application/json").await.0,
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            post("{}", "text/plain").await.0,
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
        assert_eq!(
            post("[]", "application/json").await.0,
            StatusCode::UNPROCESSABLE_ENTITY
        );
        let (status, body) = app
            .post(
                "/api/v1/sweeps",
                &json!({"name": "x", "sampler": {"kind": "magic"}}),
            )
            .await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["violations"][0]["pointer"], "/sampler/kind");
        let long = "x".repeat(65 << 20);
        let (status, body) = app.post("/api/v1/trials", &json!({"spec": long})).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::PAYLOAD_TOO_LARGE, Some("too_large"))
        );
        app
    });
}

#[test]
fn texts_with_a_nul_are_refused_where_they_are_stored_and_mended_in_reports() {
    with_app(30.0, async |app| {
        app.register().await;
        app.submit(0).await;
        let worker = Worker::new();
        let lease = worker.claim_one(&app).await;
        let identity = |name: &str| {
            let mut identity = serde_json::to_value(&worker.identity).unwrap();
            identity["name"] = name.into();
            identity
        };
        let claim = |name: &str, label: &str| {
            let request = uuid::Uuid::new_v4();
            json!({"worker": identity(name), "request": request, "max": 1, "labels": ["a", label]})
        };
        let sweep = json!({"name": "e", "base": {"task": {"kind": "external"}, "objective": {"metric": "value"}}});
        let sweep = app.post_ok("/api/v1/sweeps", &sweep).await;
        let ask = format!("/api/v1/sweeps/{}/ask", sweep["id"].as_str().unwrap());
        let metrics = format!("/api/v1/leases/{}/metrics", lease.id);
        let point = json!({"metric": "lo\0ss", "step": 1, "epoch": 1.0, "value": 0.5});
        for (path, body, pointer) in [
            ("/api/v1/leases", claim("w", "b\0"), "/labels/1"),
            ("/api/v1/leases", claim("\0w", "b"), "/worker/name"),
            (
                "/api/v1/heartbeats",
                json!({"worker": identity("\0"), "leases": []}),
                "/worker/name",
            ),
            (&ask, json!({"worker": "a\0"}), "/worker"),
            (&metrics, json!({"points": [point]}), "/points/0/metric"),
            (
                "/api/v1/tokens",
                json!({"name": "a\0b", "scope": "viewer"}),
                "/name",
            ),
            (
                "/api/v1/sweeps",
                json!({"name": "s", "space": {"a\0b/c": {"fixed": 1}}}),
                "/space/a\u{fffd}b~1c",
            ),
        ] {
            let (status, answer) = app.post(path, &body).await;
            assert_eq!(
                status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{path}: {answer:#}"
            );
            assert_eq!(answer["violations"][0]["pointer"], pointer, "{path}");
        }
        // What is six characters in JSON need not be a NUL.
        let named = json!({"name": r"a\u0000b", "scope": "viewer"});
        app.post_ok("/api/v1/tokens", &named).await;
        for (what, body) in [
            ("logs", json!({"first_line": 0, "lines": ["a\0b"]})),
            (
                "finish",
                json!({"outcome": "crashed", "step": 0, "error": "c\0d"}),
            ),
        ] {
            let (status, answer) = tell(&app, &lease, what, body).await;
            assert_eq!(status, StatusCode::OK, "{what}: {answer:#}");
        }
        let mended = "SELECT (SELECT count(*) FROM attempt WHERE error = 'c\u{fffd}d')";
        assert_eq!(app.count(mended).await, 1);
        app
    });
}

#[test]
fn a_scheduler_whose_rungs_hardly_grow_is_refused() {
    with_app(30.0, async |app| {
        app.register().await;
        for kind in ["successive_halving", "asha", "hyperband"] {
            let scheduler = json!({"kind": kind, "eta": 1.0 + f64::EPSILON});
            let sweep =
                json!({"name": "s", "base": {"data": {"dataset": "mini"}}, "scheduler": scheduler});
            for path in ["/api/v1/sweeps/estimate", "/api/v1/sweeps"] {
                let (status, answer) = app.post(path, &sweep).await;
                assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:#}");
                assert_eq!(answer["violations"][0]["pointer"], "/scheduler/eta");
            }
            let mut least = sweep.clone();
            least["scheduler"]["eta"] = 1.1.into();
            least["base"]["fit"] = json!({"epochs": 10_000});
            let (status, answer) = app.post("/api/v1/sweeps/estimate", &least).await;
            assert_eq!(status, StatusCode::OK, "{answer:#}");
        }
        app
    });
}

#[test]
fn a_manifest_that_does_not_add_up_is_refused() {
    with_app(30.0, async |app| {
        let mut manifest = crate::fixtures::manifest();
        manifest.images[3].label = 9;
        manifest.files[0].n_rows = 29;
        manifest.images[0].group = Some("g".into());
        manifest.images[29].group = Some("g".into());
        let (status, body) = app.post("/api/v1/datasets", &manifest).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        let pointers: Vec<_> = body["violations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["pointer"].as_str().unwrap())
            .collect();
        assert_eq!(
            pointers,
            [
                "/images/3/label",
                "/images/29/split",
                "/files",
                "/files/0/sha256"
            ]
        );
        assert_eq!(app.get("/api/v1/datasets").await, json!([]));
        app
    });
}

#[test]
fn counts_that_the_database_has_no_place_for_are_refused() {
    with_app(30.0, async |app| {
        app.register().await;
        app.submit(0).await;
        let lease = Worker::new().claim_one(&app).await;
        let point = json!({"metric": "loss", "step": u64::MAX, "epoch": 1.0, "value": 0.5});
        let sha256 = "0".repeat(64);
        for (what, body, pointer) in [
            ("metrics", json!({"points": [point]}), "/points/0/step"),
            (
                "logs",
                json!({"first_line": i64::MAX, "lines": ["a"]}),
                "/first_line",
            ),
            (
                "finish",
                json!({"outcome": "crashed", "step": u64::MAX}),
                "/step",
            ),
            (
                "checkpoint",
                json!({"sha256": sha256, "epoch": 1, "step": u64::MAX}),
                "/step",
            ),
        ] {
            let (status, answer) = tell(&app, &lease, what, body).await;
            assert_eq!(
                status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{what}: {answer:#}"
            );
            assert_eq!(answer["violations"][0]["pointer"], pointer, "{what}");
        }
        app
    });
}
