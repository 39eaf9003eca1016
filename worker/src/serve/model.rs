//! The model that is served: its thread, and what it says of itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::Context;
use cultivar_spec::TrialSpec;
use cultivar_spec::model_file::{self, Preprocessing};
use cultivar_train::data::cache::Shrink;
use cultivar_train::{Predictor, weights};
use image::RgbImage;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use super::batcher::Batcher;
use super::metrics::Metrics;

/// Pixels that are on the device together: images of a batch lie in equal frames, so one that is high and one that is
/// wide would make every frame huge.
const MAX_FRAME_BYTES: u64 = 256 << 20;

/// What is asked of the model.
pub struct Question {
    /// Shrunk already, by [`Opened::shrink`].
    pub image: RgbImage,
    /// Classes wanted, 1 or more.
    pub n_top: usize,
}

/// Indices of classes with their probabilities, the likeliest first.
pub type Answer = Vec<(usize, f64)>;

/// A model that is ready.
pub struct Opened {
    pub card: Card,
    /// What an image goes through before it is asked about.
    pub shrink: Shrink,
}

/// What a model file says of itself.
#[derive(Debug, Serialize)]
pub struct Card {
    pub architecture: String,
    /// In the order of the logits.
    pub classes: Vec<String>,
    pub preprocessing: Preprocessing,
    pub dataset: String,
    /// Written by `cultivar export`, as are the metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Value>,
}

/// Opens a model on a thread of its own, which answers until the batcher's queue is gone.
///
/// # Errors
/// The file is no model of ours, or it cannot predict.
pub async fn start(
    path: PathBuf,
    batcher: Batcher<Question, Answer>,
    metrics: Arc<Metrics>,
) -> anyhow::Result<(Opened, JoinHandle<()>)> {
    let (tell, told) = oneshot::channel();
    let body = move || {
        // Its threads belong to the thread that asks for them.
        let opened = open(&path).and_then(|(predictor, opened)| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .context("cannot start the model's runtime")?;
            Ok((predictor, runtime, opened))
        });
        match opened {
            Err(error) => drop(tell.send(Err(error))),
            Ok((predictor, runtime, opened)) => {
                drop(tell.send(Ok(opened)));
                let compute = |questions| answers(&predictor, &metrics, questions);
                runtime.block_on(batcher.run(sleep_until, compute));
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("model".into())
        .spawn(body)
        .context("cannot start a thread")?;
    let opened = told.await.context("the model cannot predict")??;
    Ok((opened, thread))
}

fn open(path: &Path) -> anyhow::Result<(Predictor, Opened)> {
    let (device, info) = cultivar_train::device();
    let predictor = Predictor::open(path, device)?;
    let card = Card::read(path, predictor.classes())?;
    // The first pass sets libtorch up, and shows that there can be one.
    let side = card.preprocessing.input_size[1];
    predictor.top(vec![RgbImage::new(side, side)], 1);
    tracing::info!(
        device = info.name,
        threads = info.n_threads,
        "the model is ready"
    );
    let shrink = predictor.shrink();
    Ok((predictor, Opened { card, shrink }))
}

impl Card {
    fn read(path: &Path, classes: &[String]) -> anyhow::Result<Self> {
        let metadata = weights::metadata(path)?;
        let lacks = || format!("{} does not say its spec", path.display());
        let spec = metadata.get(model_file::SPEC).with_context(lacks)?;
        let spec: TrialSpec = serde_json::from_str(spec).with_context(lacks)?;
        Ok(Self {
            classes: classes.to_vec(),
            preprocessing: Preprocessing::of(&spec),
            trial: metadata.get("trial").cloned(),
            metrics: metadata
                .get("metrics")
                .and_then(|metrics| serde_json::from_str(metrics).ok()),
            architecture: spec.backbone.name,
            dataset: spec.data.dataset,
        })
    }
}

/// Answers a batch in one pass, if its frames fit.
fn answers(predictor: &Predictor, metrics: &Metrics, questions: Vec<Question>) -> Vec<Answer> {
    let start = Instant::now();
    metrics.batch_images.observe(questions.len() as f64);
    let (images, n_tops): (Vec<_>, Vec<_>) = questions
        .into_iter()
        .map(|question| (question.image, question.n_top))
        .unzip();
    let sizes: Vec<_> = images.iter().map(RgbImage::dimensions).collect();
    let k = n_tops.iter().copied().max().unwrap_or(1);
    let mut images = images.into_iter();
    let mut answers = Vec::with_capacity(n_tops.len());
    for n_images in parts(&sizes, MAX_FRAME_BYTES) {
        answers.extend(predictor.top(images.by_ref().take(n_images).collect(), k));
    }
    for (answer, n_top) in answers.iter_mut().zip(n_tops) {
        answer.truncate(n_top);
    }
    metrics.batch_seconds.observe(start.elapsed().as_secs_f64());
    answers
}

/// Cuts images of these widths and heights into runs whose frames take `max_bytes` at most, or are of one image. Answers
/// with the length of each run.
fn parts(sizes: &[(u32, u32)], max_bytes: u64) -> Vec<usize> {
    let mut parts: Vec<usize> = Vec::new();
    let mut frame = (0, 0);
    for &(width, height) in sizes {
        let grown = (width.max(frame.0), height.max(frame.1));
        let n_bytes = |n: usize| 3 * u64::from(grown.0) * u64::from(grown.1) * n as u64;
        match parts.last_mut() {
            Some(n_images) if n_bytes(*n_images + 1) <= max_bytes => {
                *n_images += 1;
                frame = grown;
            }
            _ => {
                parts.push(1);
                frame = (width, height);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_go_together_while_their_frames_are_small() {
        let check = |sizes: &[(u32, u32)], expect: &[usize]| {
            assert_eq!(parts(sizes, 3 * 1_000), expect, "{sizes:?}");
        };
        check(&[], &[]);
        check(&[(10, 20), (20, 10)], &[2]);
        check(&[(10, 20), (20, 10), (10, 10)], &[2, 1]);
        // One wide, one high: a frame of both would be a thousand times as large.
        check(&[(900, 1), (1, 900), (1, 1)], &[1, 1, 1]);
        check(&[(2_000, 2), (1, 1), (1, 1)], &[1, 2]);
    }
}
