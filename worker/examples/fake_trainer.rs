//! A trainer that only pretends, for the tests of the supervisor. The dataset's name says how it behaves.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cultivar_spec::Outcome;
use cultivar_spec::trainer::{Cost, FromTrainer, JobResult, ToTrainer, TrainJob};
use cultivar_spec::wire::{DeviceInfo, MetricPoint, Progress};
use cultivar_worker::frame;
use rustix::process::{Signal, getpid, kill_process};

const TICK: Duration = Duration::from_millis(20);

fn main() {
    let (sender, orders) = mpsc::channel();
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Ok(Some(order)) = frame::read(&mut input) {
            if sender.send(order).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    say(&FromTrainer::Ready {
        device: DeviceInfo {
            kind: "cpu".into(),
            name: "pretended".into(),
            n_threads: 1,
            memory_bytes: None,
        },
    });
    while let Ok(order) = orders.recv() {
        if let ToTrainer::Train { jobs } = order {
            for job in jobs {
                let result = train(&job, &orders);
                say(&FromTrainer::Done {
                    tag: job.tag,
                    result,
                });
            }
        }
    }
}

fn train(job: &TrainJob, orders: &Receiver<ToTrainer>) -> JobResult {
    let secret = std::env::vars().find(|(name, _)| name.contains("TOKEN"));
    if let Some((name, _)) = secret {
        eprintln!("the trainer sees {name}");
        std::process::exit(9);
    }
    match job.spec.data.dataset.as_str() {
        "completes" => complete(job),
        "dies" => {
            progress(job, 1);
            eprintln!("about to die");
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
            unreachable!("SIGKILL is not survived")
        }
        "babbles" => {
            println!("this is no frame, it is a long line of text");
            idle(orders)
        }
        "hangs" => {
            progress(job, 1);
            idle(orders)
        }
        "hangs up" => {
            progress(job, 1);
            let nowhere = fs::File::create("/dev/null").expect("every machine has it");
            rustix::stdio::dup2_stdout(&nowhere).expect("a standard output");
            idle(orders)
        }
        "endless" => endless(job, orders),
        "stops slowly" => stop_slowly(job, orders),
        "faults" => ended(Outcome::WorkerFault, 0),
        "works" => work(job, orders),
        other => panic!("no behaviour is called {other:?}"),
    }
}

fn complete(job: &TrainJob) -> JobResult {
    assert!(job.files.manifest.exists() && job.files.data.iter().all(|file| file.exists()));
    progress(job, 1);
    say(&FromTrainer::Metrics {
        tag: job.tag.clone(),
        points: vec![point("train_loss", 1, 2.5), point("val_loss", 1, f64::NAN)],
    });
    checkpoint(job, 1, "checkpoint at step 1");
    let mut result = ended(Outcome::Completed, 2);
    result.metrics = [
        ("val_top1".to_owned(), 0.5),
        ("val_loss".to_owned(), f64::NAN),
    ]
    .into();
    result.model = Some(write(&job.files.work_dir, "model", "the model"));
    result.predictions = Some(write(&job.files.work_dir, "predictions", "the predictions"));
    result
}

fn endless(job: &TrainJob, orders: &Receiver<ToTrainer>) -> JobResult {
    let mut step = 0;
    loop {
        step += 1;
        progress(job, step);
        eprintln!("step {step}");
        match orders.recv_timeout(TICK) {
            Ok(ToTrainer::Stop { tag, why }) if tag == job.tag => {
                if why.checkpoints() {
                    checkpoint(job, step, &format!("checkpoint at step {step}"));
                }
                return ended(why.outcome(), step);
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::process::exit(0),
        }
    }
}

/// Takes a while to stop, and says as its step how often it was told to.
fn stop_slowly(job: &TrainJob, orders: &Receiver<ToTrainer>) -> JobResult {
    progress(job, 1);
    let (mut n_told, mut told) = (0, None);
    loop {
        match orders.recv_timeout(TICK) {
            Ok(ToTrainer::Stop { tag, why }) if tag == job.tag => {
                n_told += 1;
                told.get_or_insert((why, Instant::now()));
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::process::exit(0),
        }
        match told {
            Some((why, at)) if at.elapsed() > 20 * TICK => return ended(why.outcome(), n_told),
            _ => {}
        }
    }
}

/// Comes to a model that is a function of the seed, however often it is interrupted. Some seeds kill their trainer,
/// some diverge.
fn work(job: &TrainJob, orders: &Receiver<ToTrainer>) -> JobResult {
    let seed = job.spec.fit.seed;
    let (mut step, mut state) = match &job.resume {
        Some(path) => resumed(path),
        None => (0, seed),
    };
    let n_steps = 6 + seed % 10;
    while step < n_steps {
        step += 1;
        state = (state ^ step)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(17);
        progress(job, step);
        say(&FromTrainer::Metrics {
            tag: job.tag.clone(),
            points: vec![point("train_loss", step, 1.0 / step as f64)],
        });
        match seed % 40 {
            5 => kill_process(getpid(), Signal::KILL).expect("a process may kill itself"),
            7 => return ended(Outcome::Diverged, step),
            _ => {}
        }
        let text = format!("{step} {state}");
        match orders.recv_timeout(TICK) {
            Ok(ToTrainer::Stop { tag, why }) if tag == job.tag => {
                if why.checkpoints() {
                    checkpoint(job, step, &text);
                }
                return ended(why.outcome(), step);
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::process::exit(0),
        }
        if step.is_multiple_of(3) {
            checkpoint(job, step, &text);
        }
    }
    let mut result = ended(Outcome::Completed, step);
    let text = format!("seed {seed} state {state}");
    result.model = Some(write(&job.files.work_dir, "model", &text));
    // Tells this attempt's result from that of any other.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nonce = now.map_or(0, |now| now.subsec_nanos());
    result.metrics = [("nonce".to_owned(), f64::from(nonce))].into();
    result
}

/// Step and state of a checkpoint.
fn resumed(path: &Path) -> (u64, u64) {
    let text = fs::read_to_string(path).expect("the checkpoint was downloaded");
    let (step, state) = text.split_once(' ').expect("a step and a state");
    let number = |text: &str| text.parse().expect("a number");
    (number(step), number(state))
}

fn idle(orders: &Receiver<ToTrainer>) -> ! {
    while orders.recv().is_ok() {}
    std::process::exit(0)
}

fn progress(job: &TrainJob, step: u64) {
    let progress = Progress {
        phase: "training".into(),
        epoch: 0,
        n_epochs: 1,
        step,
        n_steps: 1000,
        train_loss: Some(2.5),
        val_top1: None,
        images_per_s: None,
        eta_s: None,
    };
    let tag = job.tag.clone();
    say(&FromTrainer::Progress { tag, progress });
}

fn point(metric: &str, step: u64, value: f64) -> MetricPoint {
    MetricPoint {
        metric: metric.into(),
        step,
        epoch: 1.0,
        value,
    }
}

fn checkpoint(job: &TrainJob, step: u64, text: &str) {
    say(&FromTrainer::Checkpoint {
        tag: job.tag.clone(),
        path: write(&job.files.work_dir, "checkpoint", text),
        epoch: 0,
        step,
    });
}

/// As the real one does: under another name first, so that the old file keeps its content.
fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    let unfinished = folder.join("unfinished");
    fs::write(&unfinished, text).expect("the work folder is there");
    fs::rename(&unfinished, &path).expect("both are in one folder");
    path
}

fn ended(outcome: Outcome, step: u64) -> JobResult {
    JobResult {
        outcome,
        error: None,
        step,
        metrics: Default::default(),
        model: None,
        predictions: None,
        cost: Cost::default(),
    }
}

fn say(event: &FromTrainer) {
    let frame = frame::encode(event).expect("events are small");
    let mut output = io::stdout().lock();
    output
        .write_all(&frame)
        .and_then(|()| output.flush())
        .unwrap_or_else(|_| std::process::exit(0));
}
