//! `cultivar-worker serve`: what it answers is what `cultivar-worker predict` writes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cultivar_tests::process::{Process, program};
use cultivar_tests::stack::{self, demo_data, http_client};
use futures::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The images of one class and source, a few of them.
fn images() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![demo_data().join("images/noto")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of images") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    let step = found.len() / 24;
    found.into_iter().step_by(step).take(24).collect()
}

fn worker(home: &Path) -> Command {
    let mut command = Command::new(program("cultivar-worker"));
    command.env("CULTIVAR_HOME", home);
    command
}

/// A model that has seen every image once.
fn trained(home: &Path) -> PathBuf {
    let subset = home.join("emoji-part");
    stack::copy_demo_data(&subset);
    let spec = home.join("spec.yaml");
    let text = json!({
        "optimizer": {"kind": "adamw", "lr": 1e-3},
        "fit": {"epochs": 1, "batch_size": 32, "resolution": 64, "seed": 1},
    });
    std::fs::write(&spec, text.to_string()).expect("the spec is written");
    let out = home.join("run");
    let output = worker(home)
        .arg("train")
        .arg(spec)
        .arg("--data")
        .arg(subset)
        .arg("--weights")
        .arg(stack::weights())
        .arg("--out")
        .arg(&out)
        .output()
        .expect("cultivar-worker runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    out.join("model.safetensors")
}

/// Rows of `predict`: the class and its probability, the likeliest first.
fn predicted(home: &Path, model: &Path, images: &[PathBuf]) -> Vec<Vec<(String, f64)>> {
    let output = worker(home)
        .args(["predict", "--top", "3"])
        .arg(model)
        .args(images)
        .output()
        .expect("cultivar-worker runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    let rows = table.lines().skip(1).zip(images);
    let row = |(line, image): (&str, &PathBuf)| {
        let cells: Vec<_> = line.split(',').collect();
        assert_eq!(cells[0], image.display().to_string());
        let pairs = cells[1..].chunks(2);
        let pair = |pair: &[&str]| (pair[0].to_owned(), pair[1].parse().expect("a number"));
        pairs.map(pair).collect()
    };
    rows.map(row).collect()
}

/// Posts an image and reads its predictions.
async fn asked(http: &reqwest::Client, url: &str, image: &Path) -> Vec<(String, f64)> {
    let body = std::fs::read(image).expect("an image");
    let request = http
        .post(format!("{url}/v1/predict?top=3"))
        .header("content-type", "image/png");
    let response = request.body(body).send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("a body");
    assert!(status.is_success(), "{status}: {text}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let predictions = answer["predictions"].as_array().expect("predictions");
    let one = |one: &Value| {
        let class = one["class"].as_str().expect("a class");
        (
            class.to_owned(),
            one["probability"].as_f64().expect("a number"),
        )
    };
    predictions.iter().map(one).collect()
}

#[tokio::test]
async fn concurrent_requests_get_the_predictions_of_the_command_line() {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let model = trained(home);
    let images = images();
    let expect = predicted(home, &model, &images);
    assert_eq!(expect.len(), images.len());

    let mut command = worker(home);
    command
        .arg("serve")
        .arg(&model)
        .args(["--listen", "127.0.0.1:0"])
        .args(["--max-batch", "8", "--max-wait-ms", "50"]);
    let mut service = Process::start(&mut command, &home.join("serve.log"));
    let line = service
        .line_with("CULTIVAR_READY ", Duration::from_secs(60))
        .await;
    let ready = line.trim_start_matches("CULTIVAR_READY ");
    let ready: Value = serde_json::from_str(ready).expect("JSON after the marker");
    let url = ready["url"].as_str().expect("a url");

    let http = http_client();
    let answers = join_all(images.iter().map(|image| asked(&http, url, image))).await;
    for ((answer, expect), image) in answers.iter().zip(&expect).zip(&images) {
        let at = image.display();
        assert_eq!(answer.len(), 3, "{at}");
        for (found, wanted) in answer.iter().zip(expect) {
            assert_eq!(found.0, wanted.0, "{at}: {answer:?}, want {expect:?}");
            assert!(
                (found.1 - wanted.1).abs() <= 1e-5,
                "{at}: {found:?}, want {wanted:?}"
            );
        }
    }

    let get = async |path: &str| {
        let response = http.get(format!("{url}{path}")).send().await;
        response.expect("an answer").text().await.expect("a body")
    };
    let card: Value = serde_json::from_str(&get("/v1/model").await).expect("JSON");
    assert_eq!(card["architecture"], "efficientnet_lite0");
    assert_eq!(card["preprocessing"]["input_size"], json!([3, 64, 64]));
    let metrics = get("/metrics").await;
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.and_then(|value| value.parse::<f64>().ok())
    };
    assert_eq!(value("cultivar_serve_batch_images_sum"), Some(24.0));
    let n_batches = value("cultivar_serve_batch_images_count").expect("batches");
    assert!(
        n_batches < 24.0,
        "no image was predicted with another:\n{metrics}"
    );

    // What was begun before the signal is answered after it.
    let address = url.trim_start_matches("http://");
    let mut begun = TcpStream::connect(address).await.expect("a connection");
    let body = std::fs::read(&images[0]).expect("an image");
    let head = format!(
        "POST /v1/predict?top=3 HTTP/1.1\r\nhost: {address}\r\nexpect: 100-continue\r\n\
         content-type: image/png\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    begun.write_all(head.as_bytes()).await.expect("it reads");
    let mut line = [0; 25];
    begun.read_exact(&mut line).await.expect("it answers");
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    service.signal(Signal::TERM);
    service.line_with("stopping", Duration::from_secs(60)).await;
    begun.write_all(&body).await.expect("it reads on");
    let mut answer = String::new();
    begun.read_to_string(&mut answer).await.expect("an end");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(&expect[0][0].0), "{answer}");
    let status = service.end(Duration::from_secs(60)).await;
    assert!(status.success(), "{status}: {}", service.log());
}
