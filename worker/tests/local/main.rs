//! `cultivar-worker train`: runs without a server.

use std::fs;
use std::io::{BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image::{ImageFormat, Rgb, RgbImage};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Images of two classes, a spec, and a data folder.
struct Bench(TempDir);

impl Bench {
    /// A run long enough to be interrupted in its middle.
    fn new(epochs: u32) -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        for (class, tint) in [("dark", 40), ("light", 200)] {
            for idx in 0..24_u8 {
                let path = this.path("shades").join(class).join(format!("{idx}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, png(tint + idx)).unwrap();
            }
        }
        let spec = json!({
            "backbone": {"weights": "random", "dropout": 0.2, "drop_path": 0.1},
            "optimizer": {"kind": "adamw", "lr": 1e-3},
            "augment": {"mix": {"kind": "cutmix", "prob": 0.5}},
            "fit": {"epochs": epochs, "batch_size": 12, "resolution": 32, "seed": 3},
        });
        fs::write(this.path("spec.yaml"), spec.to_string()).unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn train(&self, out: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cultivar-worker"));
        command
            .arg("train")
            .arg(self.path("spec.yaml"))
            .arg("--data")
            .arg(self.path("shades"))
            .arg("--out")
            .arg(self.path(out))
            .args(args)
            .env("CULTIVAR_HOME", self.path("home"))
            .env("CULTIVAR_THREADS", "1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, out: &str, args: &[&str]) -> Output {
        self.train(out, args).output().expect("the worker starts")
    }

    /// Interrupts a run once it has said something. The exit code is 0 where it was over by then, and else 130.
    fn interrupt(&self, out: &str, after: &str) -> Option<i32> {
        let mut child = self.train(out, &[]).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        for line in lines.map_while(Result::ok) {
            if line.starts_with(after) {
                kill_process(Pid::from_child(&child), Signal::INT).unwrap();
            }
            said.push(line);
        }
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 130)), "{code:?}: {said:#?}");
        code
    }

    /// The tensors of a run's model; the metadata before them come in any order.
    fn tensors(&self, run: &str) -> Vec<u8> {
        let bytes = self.read(&format!("{run}/model.safetensors"));
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        bytes[8 + header as usize..].to_vec()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn png(tint: u8) -> Vec<u8> {
    let image = RgbImage::from_fn(40, 36, |x, y| Rgb([tint, x as u8, y as u8]));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

#[test]
fn a_run_shows_every_epoch_and_leaves_its_results() {
    let bench = Bench::new(3);
    let output = bench.run("out", &[]);
    succeeds(&output);
    let said = stderr(&output);
    for epoch in ["epoch 1/3", "epoch 2/3", "epoch 3/3"] {
        let lines = said.lines().filter(|line| line.starts_with(epoch));
        assert_eq!(lines.count(), 1, "{epoch} in {said}");
    }
    assert!(!said.contains('\r'), "nobody looks: no line moves");
    assert!(said.contains("step 12/12  loss "), "{said}");

    let metrics: Value = serde_json::from_slice(&bench.read("out/metrics.json")).unwrap();
    assert_eq!(metrics["outcome"], "completed");
    assert!(
        metrics["metrics"]["val_top1"].as_f64().is_some(),
        "{metrics}"
    );
    let spec: Value = serde_json::from_slice(&bench.read("out/spec.json")).unwrap();
    assert_eq!(spec["data"]["dataset"], "shades");
    assert_eq!(spec["data"]["version"], metrics["dataset_version"]);
    assert_eq!(spec["input"]["crop_pct"], 0.875);
    assert!(bench.path("out/predictions-val.safetensors").exists());
    let series = String::from_utf8(bench.read("out/series.jsonl")).unwrap();
    let top1 = series.lines().filter(|line| line.contains("val_top1"));
    assert_eq!(top1.count(), 3);

    // The same folder again is not imported again, and another spec is another run.
    let again = bench.run("again", &["--json"]);
    succeeds(&again);
    assert_eq!(stderr(&again), "");
    let report: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(report["config_id"], metrics["config_id"]);
    assert!(bench.tensors("again") == bench.tensors("out"));
    let kept = fs::read_dir(bench.path("home/local/datasets")).unwrap();
    assert_eq!(kept.count(), 1);
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_weights() {
    let bench = Bench::new(12);
    succeeds(&bench.run("whole", &[]));

    // A busy machine may keep us waiting until the run is over.
    while bench.interrupt("broken", "epoch 4/12") == Some(0) {
        fs::remove_dir_all(bench.path("broken")).unwrap();
    }
    assert!(!bench.path("broken/model.safetensors").exists());

    let refused = bench.run("broken", &[]);
    assert!(
        stderr(&refused).contains("go on with --resume"),
        "{}",
        stderr(&refused)
    );
    let refused = bench.run("broken", &["--resume", "--set", "fit.epochs=13"]);
    assert!(
        stderr(&refused).contains("of another spec"),
        "{}",
        stderr(&refused)
    );

    let resumed = bench.run("broken", &["--resume"]);
    succeeds(&resumed);
    assert!(
        !stderr(&resumed).contains("epoch 3/12"),
        "{}",
        stderr(&resumed)
    );
    assert!(
        bench.tensors("broken") == bench.tensors("whole"),
        "other weights"
    );
    // Every epoch once, whichever process measured it.
    let losses = |run: &str| -> Vec<Value> {
        let text = String::from_utf8(bench.read(&format!("{run}/series.jsonl"))).unwrap();
        let points = text.lines().map(|line| serde_json::from_str(line).unwrap());
        points
            .filter(|point: &Value| point["metric"] == "train_loss")
            .collect()
    };
    assert_eq!(losses("broken"), losses("whole"));
}

#[test]
fn every_mistake_of_a_spec_is_named_with_its_pointer() {
    let bench = Bench::new(1);
    let check = |args: &[&str], parts: &[&str]| {
        let output = bench.run("none", args);
        assert_eq!(output.status.code(), Some(1));
        for part in parts {
            assert!(
                stderr(&output).contains(part),
                "{} lacks {part}",
                stderr(&output)
            );
        }
        assert!(!bench.path("none").exists(), "a refused run leaves nothing");
    };
    check(
        &["--set", "optimizer.lr=-1", "--set", "fit.epoch=3"],
        &["/optimizer/lr", "/fit/epoch"],
    );
    check(
        &["--set", "backbone.weights=pretrained"],
        &["/backbone/weights", "--weights FILE"],
    );
    check(&["--set", "data.version=1"], &["/data/version"]);
    let other: &Path = &bench.path("nowhere");
    let output = Command::new(env!("CARGO_BIN_EXE_cultivar-worker"))
        .arg("train")
        .arg(bench.path("spec.yaml"))
        .arg("--data")
        .arg(other)
        .env("CULTIVAR_HOME", bench.path("home"))
        .output()
        .unwrap();
    assert!(
        stderr(&output).contains("nowhere is not a folder"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let bench = Bench::new(1);
    let problem = |args: &[&str]| -> Value {
        let output = bench.run("none", &[&["--json"], args].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        serde_json::from_slice(&output.stderr)
            .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
    };
    let refused = problem(&["--set", "optimizer.lr=-1", "--set", "fit.epoch=3"]);
    let pointers: Vec<&Value> = refused["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| &violation["pointer"])
        .collect();
    assert_eq!(pointers.len(), 2, "{refused}");
    assert!(pointers.contains(&&json!("/optimizer/lr")), "{refused}");
    assert!(pointers.contains(&&json!("/fit/epoch")), "{refused}");
    let said = refused["error"].as_str().unwrap();
    assert!(said.ends_with("spec.yaml: 2 fields are wrong"), "{said}");

    // Every step multiplies the weights by -999.
    let absurd = r#"optimizer={"kind": "sgd", "lr": 100, "weight_decay": 10}"#;
    let diverged = problem(&["--set", absurd, "--set", "fit.epochs=40"]);
    let said = diverged["error"].as_str().unwrap();
    assert!(said.starts_with("diverged: the "), "{said}");
    assert_eq!(diverged["violations"], json!([]));
}

#[test]
fn a_trained_model_predicts_a_folder() {
    let bench = Bench::new(1);
    succeeds(&bench.run("out", &[]));
    fs::write(bench.path("shades/dark/broken.png"), "no image").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cultivar-worker"))
        .arg("predict")
        .arg(bench.path("out/model.safetensors"))
        .arg(bench.path("shades"))
        .env("CULTIVAR_THREADS", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("dark/broken.png cannot be read"),
        "{}",
        stderr(&output)
    );
    let table = String::from_utf8(output.stdout).unwrap();
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("file,class_1,probability_1,class_2,probability_2")
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 48);
    for row in &rows {
        let sum: f64 = row[2].parse::<f64>().unwrap() + row[4].parse::<f64>().unwrap();
        assert!((sum - 1.0).abs() < 1e-4, "{row:?}");
    }
}
