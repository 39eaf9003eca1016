//! Live events: none skipped, none twice, resumed where the page left off.

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::{Worker, complete, tell};
use crate::harness::{App, with_app};

/// An open page.
struct Page {
    text: String,
    body: std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<axum::body::Bytes>> + Send>>,
}

#[derive(Debug)]
struct Received {
    id: Option<String>,
    name: String,
    data: Value,
}

impl Page {
    async fn open(app: &App, last_event_id: Option<&str>) -> Self {
        let mut request = app.request(Method::GET, "/api/v1/events");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            text: String::new(),
            body: Box::pin(response.bytes_stream()),
        }
    }

    async fn next(&mut self) -> Received {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(|v| v.trim().to_owned())
                };
                if let Some(data) = field("data:") {
                    return Received {
                        id: field("id:"),
                        name: field("event:").unwrap(),
                        data: serde_json::from_str(&data).unwrap(),
                    };
                }
                continue;
            }
            let wait = tokio::time::timeout(std::time::Duration::from_secs(60), self.body.next());
            let chunk = wait
                .await
                .expect("an event arrives")
                .expect("the stream is open")
                .unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next `n` events of trials: which trial, its state, and the event's id.
    async fn trials(&mut self, n: usize) -> Vec<[String; 3]> {
        let mut trials = Vec::new();
        while trials.len() < n {
            let event = self.next().await;
            if event.name == "trial" {
                let field = |name: &str| event.data[name].as_str().unwrap().to_owned();
                trials.push([field("trial"), field("state"), event.id.unwrap()]);
            }
        }
        trials
    }

    /// The next `n` states of trials, with the id of the last.
    async fn states(&mut self, n: usize) -> (Vec<String>, String) {
        let mut last = String::new();
        let trials = self.trials(n).await;
        let states = trials.into_iter().map(|[_, state, id]| {
            last = id;
            state
        });
        (states.collect(), last)
    }
}

fn progress(step: u64) -> Value {
    json!({"phase": "training", "epoch": 0, "n_epochs": 2, "step": step, "n_steps": 20,
        "train_loss": 1.0, "val_top1": null, "images_per_s": null, "eta_s": null})
}

#[test]
fn a_page_sees_a_trial_live_and_resumes_after_its_last_event() {
    with_app(30.0, async |app| {
        app.register().await;
        let mut page = Page::open(&app, None).await;
        app.submit(1).await;
        let lease = Worker::new().claim_one(&app).await;
        let (states, last) = page.states(2).await;
        assert_eq!(states, ["queued", "running"]);
        tell(&app, &lease, "metrics", json!({"progress": progress(5)})).await;
        let event = page.next().await;
        assert_eq!(
            (event.name.as_str(), &event.data["progress"]["step"]),
            ("progress", &json!(5))
        );
        assert_eq!(event.id, None, "progress is no place to resume from");
        drop(page);

        complete(&app, &lease, 5).await;
        app.submit(2).await;
        let mut resumed = Page::open(&app, Some(&last)).await;
        assert_eq!(
            resumed.states(2).await.0,
            ["completed", "queued"],
            "what happened meanwhile comes first, once"
        );
        app.submit(3).await;
        assert_eq!(resumed.states(1).await.0, ["queued"]);
        app
    });
}

#[test]
fn a_page_hears_of_what_other_replicas_do_and_resumes_at_any() {
    with_app(30.0, async |app| {
        app.register().await;
        let other = App::start_at(app.database.clone(), 30.0, app.home.path()).await;
        let mut page = Page::open(&app, None).await;
        let id = other.submit(1).await;
        let lease = Worker::new().claim_one(&other).await;
        let mut heard = page.trials(2).await;
        tell(&other, &lease, "metrics", json!({"progress": progress(7)})).await;
        let event = page.next().await;
        assert_eq!(
            (event.name.as_str(), &event.data["progress"]["step"]),
            ("progress", &json!(7))
        );
        complete(&other, &lease, 5).await;
        heard.extend(page.trials(1).await);
        drop(page);
        let states = heard.iter().map(|[trial, state, _]| {
            assert_eq!(*trial, id);
            state.as_str()
        });
        let states: Vec<_> = states.collect();
        assert_eq!(states, ["queued", "running", "completed"]);

        // The ids are the database's: another replica goes on where this one left off.
        let next = app.submit(2).await;
        let [_, _, first] = &heard[0];
        let mut resumed = Page::open(&other, Some(first)).await;
        assert_eq!(resumed.trials(2).await, heard[1..]);
        let queued = |id: String, event: &[String; 3]| {
            assert_eq!(event[..2], [id, "queued".into()]);
        };
        queued(next, &resumed.trials(1).await[0]);
        // From here on the page is live, and what happens happens elsewhere.
        let last = app.submit(3).await;
        queued(last, &resumed.trials(1).await[0]);
        drop(resumed);
        other.stop().await;
        app
    });
}

#[test]
fn an_open_page_does_not_hold_up_shutdown() {
    with_app(30.0, async |app| {
        let _page = Page::open(&app, None).await;
        let start = std::time::Instant::now();
        let database = app.database.clone();
        app.stop().await;
        assert!(start.elapsed().as_secs_f64() < 5.0);
        App::start(database, 30.0).await
    });
}

#[test]
fn a_wrong_last_event_id_is_refused() {
    with_app(30.0, async |app| {
        let request = app
            .request(Method::GET, "/api/v1/events")
            .header("last-event-id", "yesterday");
        assert_eq!(crate::harness::answer(request).await.0, 400);
        app
    });
}
