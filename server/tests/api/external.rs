//! Sweeps whose trials somebody else's code trains: ask, report, should_stop, complete.

use std::path::Path;
use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures::{Worker, trial_spec};
use crate::harness::{App, answer, eventually, with_app};

fn sweep(configs: u32) -> Value {
    json!({
        "name": "external", "sampler": {"kind": "random"}, "budget": {"configs": configs},
        "base": {"task": {"kind": "external", "params": {"fixed": "f"}}, "objective": {"metric": "value"}, "fit": {"epochs": 9}},
        "space": {"task": {"params": {"x": {"uniform": [0.0, 1.0]}}}},
    })
}

async fn submit(app: &App, spec: &Value) -> String {
    let made = app.post_ok("/api/v1/sweeps", spec).await;
    made["id"].as_str().unwrap().to_owned()
}

async fn ask(app: &App, sweep: &str) -> Value {
    let path = format!("/api/v1/sweeps/{sweep}/ask");
    app.post_ok(&path, &json!({"wait_s": 20.0})).await
}

/// Posts to the lease of a trial that was asked for.
async fn tell(app: &App, asked: &Value, what: &str, body: Value) -> (StatusCode, Value) {
    let lease = asked["lease"].as_str().expect("there is a trial");
    app.post(&format!("/api/v1/leases/{lease}/{what}"), &body)
        .await
}

async fn told(app: &App, asked: &Value, what: &str, body: Value) -> Value {
    let (status, body) = tell(app, asked, what, body).await;
    assert_eq!(status, StatusCode::OK, "{what}: {body:#}");
    body
}

async fn show(app: &App, sweep: &str) -> Value {
    app.get(&format!("/api/v1/sweeps/{sweep}")).await["sweep"].clone()
}

#[test]
fn trials_are_asked_for_reported_and_completed() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = submit(&app, &sweep(2)).await;
        // They are for nobody else.
        assert!(Worker::new().claim(&app, 9).await.is_empty());
        let first = ask(&app, &id).await;
        let x = first["params"]["x"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&x));
        assert_eq!(first["params"]["fixed"], "f");
        assert_eq!((&first["seed"], &first["epochs"]), (&json!(0), &json!(9)));
        // Attempts tell of it, as they do of any lease.
        let written = app.count("SELECT count(*) FROM audit WHERE action LIKE '%/ask'");
        assert_eq!(written.await, 0);
        let said = told(&app, &first, "report", json!({"epoch": 1, "value": 0.5})).await;
        assert_eq!(said, json!({"stop": false, "order": "continue"}));
        told(&app, &first, "report", json!({"epoch": 1, "value": 0.7})).await;
        told(&app, &first, "report", json!({"epoch": 2, "value": "NaN"})).await;
        let trial = first["trial"].as_str().unwrap();
        let series = app
            .get(&format!("/api/v1/trials/{trial}/series?metric=value"))
            .await;
        let values: Vec<&Value> = series["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| &point["value"])
            .collect();
        assert_eq!(values, [&json!(0.5), &json!("NaN")]);

        let (status, body) = tell(&app, &first, "complete", json!({"value": "NaN"})).await;
        assert_eq!(
            (status.as_u16(), &body["violations"][0]["pointer"]),
            (422, &json!("/value"))
        );
        let last = json!({"value": 0.9, "metrics": {"loss": 0.1}, "seconds": 2.0});
        for _ in 0..2 {
            told(&app, &first, "complete", last.clone()).await;
        }
        let (status, _) = tell(&app, &first, "complete", json!({"outcome": "crashed"})).await;
        assert_eq!(status, StatusCode::CONFLICT);
        let detail = app.trial(trial).await;
        assert_eq!(detail["trial"]["state"], "completed");
        assert_eq!(
            detail["trial"]["metrics"],
            json!({"value": 0.9, "loss": 0.1})
        );

        let second = ask(&app, &id).await;
        told(
            &app,
            &second,
            "complete",
            json!({"outcome": "diverged", "error": "no number"}),
        )
        .await;
        let none = ask(&app, &id).await;
        assert_eq!(
            (&none["lease"], &none["finished"]),
            (&Value::Null, &json!(true))
        );
        assert_eq!(
            show(&app, &id).await["counts"],
            json!({"completed": 1, "failed": 1})
        );
        // The leaderboards of datasets know nothing of it.
        assert_eq!(
            app.get("/api/v1/leaderboard?dataset=mini").await["rows"],
            json!([])
        );
        app
    });
}

#[test]
fn an_ask_sent_again_is_the_same_trial() {
    with_app(30.0, async |app| {
        let id = submit(&app, &sweep(3)).await;
        let path = format!("/api/v1/sweeps/{id}/ask");
        let keyed = async |key: &str| {
            let request = app.request(Method::POST, &path).json(&json!({}));
            answer(request.header("Idempotency-Key", key)).await.1["trial"].clone()
        };
        let (first, again, other) = (keyed("a").await, keyed("a").await, keyed("b").await);
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(
            show(&app, &id).await["counts"],
            json!({"running": 2, "queued": 1})
        );
        app
    });
}

#[test]
fn who_falls_silent_loses_the_trial_and_who_reports_keeps_it() {
    with_app(1.0, async |app| {
        let id = submit(&app, &sweep(1)).await;
        let first = ask(&app, &id).await;
        for epoch in 1..=4 {
            tokio::time::sleep(std::time::Duration::from_millis(400)).await;
            let said = match epoch % 2 {
                0 => told(&app, &first, "should_stop", json!({})).await,
                _ => {
                    told(
                        &app,
                        &first,
                        "report",
                        json!({"epoch": epoch, "value": 0.1}),
                    )
                    .await
                }
            };
            assert_eq!(said["stop"], false);
        }
        let second = ask(&app, &id).await;
        assert_eq!(second["trial"], first["trial"]);
        assert_ne!(second["lease"], first["lease"]);
        for (what, body) in [
            ("report", json!({"epoch": 9, "value": 1.0})),
            ("should_stop", json!({})),
            ("complete", json!({"value": 1.0})),
        ] {
            let (status, body) = tell(&app, &first, what, body).await;
            assert_eq!(status, StatusCode::CONFLICT, "{what}: {body:#}");
        }
        told(&app, &second, "complete", json!({"value": 0.3})).await;
        let detail = app.trial(second["trial"].as_str().unwrap()).await;
        assert_eq!(detail["trial"]["metrics"], json!({"value": 0.3}));
        app
    });
}

#[test]
fn schedulers_and_samplers_serve_it_as_any_other() {
    with_app(30.0, async |app| {
        let mut spec = sweep(8);
        spec["scheduler"] = json!({"kind": "asha", "min_epochs": 1, "eta": 2.0});
        spec["sampler"] = json!({"kind": "tpe", "n_startup": 3});
        let id = submit(&app, &spec).await;
        let mut n_epochs = 0;
        loop {
            let asked = ask(&app, &id).await;
            if asked["finished"] == true {
                break;
            }
            if asked["lease"].is_null() {
                continue;
            }
            let x = asked["params"]["x"].as_f64().unwrap();
            let mut outcome = json!({"value": x});
            for epoch in 1..=9 {
                n_epochs += 1;
                let said = told(&app, &asked, "report", json!({"epoch": epoch, "value": x})).await;
                if said["stop"] == true {
                    outcome = match said["order"].as_str().unwrap() {
                        "yield" => json!({"outcome": "yielded"}),
                        _ => json!({"outcome": "pruned"}),
                    };
                    break;
                }
            }
            told(&app, &asked, "complete", outcome).await;
        }
        let counts = show(&app, &id).await["counts"].clone();
        let (n_completed, n_pruned) = (counts["completed"].as_u64(), counts["pruned"].as_u64());
        assert_eq!(n_completed.unwrap() + n_pruned.unwrap(), 8, "{counts}");
        assert!(n_epochs < 8 * 9, "{n_epochs}");
        let scored = "SELECT count(*) FROM trial WHERE objective IS NOT NULL";
        assert_eq!(app.count(scored).await, 8);
        app
    });
}

/// Workers that are idle cannot train it: a sampler that learns is not hurried for their sake.
#[test]
fn one_is_proposed_at_a_time_however_many_workers_are_idle() {
    with_app(30.0, async |app| {
        app.register().await;
        for _ in 0..6 {
            assert!(Worker::new().claim(&app, 1).await.is_empty());
        }
        let mut spec = sweep(12);
        spec["sampler"] = json!({"kind": "tpe"});
        let id = submit(&app, &spec).await;
        let first = ask(&app, &id).await;
        assert!(first["lease"].is_string());
        let n_trials = app.count("SELECT count(*) FROM trial").await;
        assert!(n_trials <= 2, "{n_trials} were proposed before any result");
        app
    });
}

#[test]
fn what_is_not_meant_is_refused() {
    with_app(30.0, async |app| {
        app.register().await;
        let refused = async |spec: Value| app.post_refused("/api/v1/sweeps", &spec).await;
        let mut sgd = sweep(1);
        sgd["base"]["optimizer"] = json!({"kind": "sgd", "lr": 0.1});
        assert_eq!(refused(sgd).await, "/base/optimizer");
        let mut top1 = sweep(1);
        top1["base"]["objective"] = json!({"metric": "val_top1"});
        assert_eq!(refused(top1).await, "/base/objective/metric");
        let mut pbt = sweep(4);
        pbt["scheduler"] = json!({"kind": "pbt"});
        assert_eq!(refused(pbt).await, "/space/task");
        let mut value = json!({"name": "v", "base": trial_spec(0)});
        value["base"]["objective"] = json!({"metric": "value"});
        assert_eq!(refused(value).await, "/base/objective/metric");

        let single = json!({"spec": sweep(1)["base"]});
        let (status, _) = app.post("/api/v1/trials", &single).await;
        assert_eq!(status.as_u16(), 422);

        let own = submit(&app, &json!({"name": "own", "base": trial_spec(0)})).await;
        let (status, _) = app
            .post(&format!("/api/v1/sweeps/{own}/ask"), &json!({}))
            .await;
        assert_eq!(status, StatusCode::CONFLICT);
        let lease = Worker::new().claim_one(&app).await;
        let asked = json!({"lease": lease.id});
        let (status, _) = tell(&app, &asked, "report", json!({"epoch": 1, "value": 1.0})).await;
        assert_eq!(status, StatusCode::CONFLICT);
        let asked = ask(&app, &submit(&app, &sweep(1)).await).await;
        // It has no machine that could be put aside for it.
        let (status, body) =
            tell(&app, &asked, "complete", json!({"outcome": "worker_fault"})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body:#}");
        told(
            &app,
            &asked,
            "complete",
            json!({"outcome": "crashed", "error": "out of disk"}),
        )
        .await;
        let unknown = json!({"lease": cultivar_spec::LeaseId::new()});
        for (what, body) in [
            ("report", json!({"epoch": 1, "value": 1.0})),
            ("should_stop", json!({})),
            ("complete", json!({"value": 1.0})),
        ] {
            let (status, body) = tell(&app, &unknown, what, body).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{what}: {body:#}");
        }
        app
    });
}

/// A block of docs/external.md.
fn block(language: &str, marker: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/external.md");
    let text = std::fs::read_to_string(path).unwrap();
    let opening = format!("```{language}\n");
    let blocks = text
        .split(&opening)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default());
    let mut found = blocks.filter(|block| block.contains(marker));
    found.next().expect("the block is there").to_owned()
}

/// Runs a program against the server, with `extra` on Python's path.
async fn run(app: &App, program: &str, args: [String; 2], extra: &Path) -> String {
    let mut command = Command::new(program);
    command
        .args(args)
        .env("CULTIVAR_URL", &app.url)
        .env("CULTIVAR_TOKEN", &app.admin)
        .env("PYTHONPATH", extra);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// Stands in for scikit-learn, which is no part of the test set-up: the lines are the document's, the model is not.
fn write_sklearn(folder: &Path) {
    let package = folder.join("sklearn");
    std::fs::create_dir(&package).unwrap();
    for (file, text) in [
        ("__init__.py", ""),
        (
            "datasets.py",
            "def load_digits(return_X_y):\n    return [[0.0]], [0]\n",
        ),
        (
            "svm.py",
            "class SVC:\n    def __init__(self, C, gamma):\n        self.C, self.gamma = C, gamma\n",
        ),
        (
            "model_selection.py",
            "class Mean(float):\n    def mean(self):\n        return float(self)\n\n\
             def cross_val_score(model, images, labels, cv):\n    return Mean(1.0 / (1.0 + model.C + model.gamma))\n",
        ),
    ] {
        std::fs::write(package.join(file), text).unwrap();
    }
}

#[test]
fn the_lines_of_the_document_work_as_they_stand() {
    with_app(30.0, async |app| {
        let folder = tempfile::tempdir().unwrap();
        write_sklearn(folder.path());
        let python = ["-c".to_owned(), block("python", "SVC")];
        let said = run(&app, "python3", python, folder.path()).await;
        assert_eq!(said.lines().count(), 12, "{said}");
        let shell = ["-euc".to_owned(), block("sh", "curl")];
        run(&app, "bash", shell, folder.path()).await;
        let completed = "SELECT count(*) FROM trial WHERE state = 'completed'";
        assert_eq!(app.count(completed).await, 12 + 5);
        eventually("both sweeps are finished", || async {
            let sweeps = app.get("/api/v1/sweeps").await;
            sweeps
                .as_array()
                .unwrap()
                .iter()
                .all(|sweep| sweep["finished"] == true)
        })
        .await;
        app
    });
}

#[test]
fn a_cost_may_be_reported_as_a_metric() {
    with_app(30.0, async |app| {
        app.register().await;
        let id = submit(&app, &sweep(1)).await;
        let asked = ask(&app, &id).await;
        let last = json!({"value": 0.9, "metrics": {"seconds": 12.5}});
        told(&app, &asked, "complete", last).await;
        let report = app
            .get(&format!("/api/v1/sweeps/{id}/pareto?against=seconds"))
            .await;
        assert_eq!(report["configs"][0]["values"], json!([0.9, 12.5]));
        app
    });
}
