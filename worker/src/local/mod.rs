//! Without a server: `cultivar-worker train SPEC --data DIR` and `cultivar-worker predict MODEL IMAGES...`.
//!
//! The same trainer, the same resolution of the spec, and the same files as with a server, in a folder of one's
//! own. The trainer runs in this process: nobody is there to start another where it dies.
//!
//! | module | what it does |
//! | --- | --- |
//! | `source` | the images: imported once, kept under the data folder |
//! | `resolve` | the spec: checked, and pinned to the data and the weights at hand |
//! | `folder` | what a run leaves behind, and goes on from |
//! | `screen` | one line an epoch, and a moving one on a terminal |
//! | `predict` | a trained model over images |
//! | `export` | a trained model as TorchScript |
//! | `preview` | a picture of what the network will see |

pub mod export;
mod folder;
pub mod predict;
pub mod preview;
mod resolve;
mod screen;
mod source;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use cultivar_spec::backbones::TORCHSCRIPT;
use cultivar_spec::trainer::{JobFiles, JobResult, StopWhy, TrainJob};
use cultivar_spec::{Outcome, config_id};
use cultivar_train::Control;
use tokio::signal::unix::{SignalKind, signal};

use crate::home;
use crate::options::TrainOptions;
use folder::{Report, RunFolder};
use screen::Screen;

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// The only job of this process.
const TAG: &str = "local";

/// Trains one spec to its end, or until Ctrl-C.
///
/// # Errors
/// The spec, the data or the weights are not right, the folder cannot be written, or training failed.
pub fn main(options: &TrainOptions) -> anyhow::Result<ExitCode> {
    let home = match &options.home {
        Some(home) => std::path::absolute(home)?,
        None => home::default()?,
    };
    let (device, info) = cultivar_train::device();
    let mut screen = Screen::new(options.json);
    let control = Arc::new(Control::new());
    let interrupted = stop_on_signals(control.clone())?;

    let raw = resolve::read(&options.spec, &options.changes)?;
    let source = source::open(
        &options.data,
        &home,
        resolve::dataset_named(&raw),
        &mut screen,
    )?;
    let weights = options.weights.as_deref().map(resolve::WeightsFile::read);
    let weights = weights.transpose()?;
    let spec = resolve::resolve(raw, &source.manifest, weights.as_ref())
        .with_context(|| options.spec.display().to_string())?;

    let name = format!(
        "run-{}-seed{}",
        &config_id(&spec).to_string()[..8],
        spec.fit.seed
    );
    let out = options.out.clone().unwrap_or_else(|| name.into());
    let mut folder = RunFolder::open(&std::path::absolute(out)?, &spec, options.resume)?;
    let file = weights.map(|file| file.path);
    let (module, weights) = match spec.backbone.name == TORCHSCRIPT {
        true => (file, None),
        false => (None, file),
    };
    let job = TrainJob {
        tag: TAG.into(),
        files: JobFiles {
            manifest: source.manifest_file,
            data: source.files,
            // A worker's, if there is one: what it decoded is not decoded again.
            cache_dir: home.join("worker").join("cache"),
            module,
            work_dir: folder.path().to_owned(),
        },
        weights,
        resume: folder.checkpoint()?,
        resume_spec: None,
        spec,
    };
    screen.say(&format!(
        "{} on {} ({} threads): {}",
        job.spec.backbone.name,
        info.name,
        info.n_threads,
        folder.path().display()
    ));
    let mut failed = Ok(());
    let result = cultivar_train::train(&job, device, &control, &mut |event| {
        screen.hear(&event);
        if let Err(error) = folder.hear(&event) {
            // What is measured and cannot be written down is not worth the time.
            control.stop(TAG, StopWhy::Preempt);
            failed = Err(error);
        }
    });
    screen.close();
    failed?;
    let report = Report::of(&job.spec, &source.manifest, &result);
    folder.finish(&report, &result)?;
    match result.outcome {
        Outcome::Completed => {
            match options.json {
                true => println!("{}", serde_json::to_string_pretty(&report)?),
                false => println!("{}", completed(&result, &folder)),
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Preempted if interrupted.load(Ordering::Relaxed) => {
            eprintln!(
                "stopped at step {}; go on with --resume --out {}",
                result.step,
                folder.path().display()
            );
            Ok(ExitCode::from(INTERRUPTED))
        }
        outcome => {
            let why = result.error.as_deref().unwrap_or("no reason was given");
            bail!("{}: {why}", outcome.name())
        }
    }
}

fn completed(result: &JobResult, folder: &RunFolder) -> String {
    let percent = |name: &str| {
        let value = result.metrics.get(name)?;
        Some(format!("{}%", cultivar_spec::words::percent(*value)))
    };
    let mut text = format!(
        "completed in {}",
        cultivar_spec::words::clock(result.cost.seconds)
    );
    if let Some(top1) = percent("val_top1") {
        text.push_str(&format!(": val {top1}"));
    }
    format!("{text}\n{}", folder.path().join(folder::MODEL).display())
}

/// The first signal asks the run for a checkpoint, the second ends the process. Answers with whether there was one.
fn stop_on_signals(control: Arc<Control>) -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    // Handlers are in place before the first step, so that no signal is lost.
    let (mut int, mut term) = runtime.block_on(async {
        let int = signal(SignalKind::interrupt())?;
        Ok::<_, std::io::Error>((int, signal(SignalKind::terminate())?))
    })?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            runtime.block_on(async {
                for _ in 0..2 {
                    tokio::select! {
                        _ = int.recv() => {}
                        _ = term.recv() => {}
                    }
                    if flag.swap(true, Ordering::Relaxed) {
                        std::process::exit(INTERRUPTED.into());
                    }
                    eprintln!("stopping at the next step; once more to stop at once");
                    control.stop(TAG, StopWhy::Preempt);
                }
            });
        })
        .context("cannot start a thread")?;
    Ok(interrupted)
}
