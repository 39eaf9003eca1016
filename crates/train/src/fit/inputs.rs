//! What the trained part of the network sees: augmented images, or features of a frozen backbone.

use std::cell::RefCell;
use std::path::Path;

use cultivar_spec::backbones::TORCHSCRIPT;
use cultivar_spec::manifest::Split;
use cultivar_spec::trial::{Adaptation, Augment, Loss, PhaseViews, Weights};
use tch::{Device, Kind, Tensor, no_grad};

use super::report::Reporter;
use super::session::{Session, indices};
use crate::augment::mix::{MixedLabels, mix};
use crate::control::Stopped;
use crate::data::Watch;
use crate::data::resident::Pixels;
use crate::error::TrainError;
use crate::features::{FeatureKey, features, needs_recalibration};
use crate::loss::Outputs;
use crate::loss::metric::unit;
use crate::models::{self, Mode, Model};
use crate::params::{LoadPolicy, LoadReport};
use crate::phases::{Stage, stage_at};
use crate::rng::StepRng;
use crate::weights;

/// Images of one forward pass without gradients.
const EVAL_BATCH: usize = 128;

/// Where batches come from.
#[expect(
    clippy::large_enum_variant,
    reason = "a run has one of these, and never moves it"
)]
pub(super) enum Inputs {
    /// Every image is rendered anew each time.
    Images {
        /// What random crops are taken from.
        training: Pixels,
        /// What evaluation crops are taken from.
        evaluation: Pixels,
        augment: Augment,
    },
    /// `[n_images, n_features]` f32 on the device, for every image of the manifest.
    Features(Tensor),
}

/// A training batch on the device.
pub(super) struct Batch {
    /// `[N, 3, R, R]`, or `[N, n_features]`.
    pub x: Tensor,
    /// `[N]` i64.
    pub labels: Tensor,
    pub mixed: Option<MixedLabels>,
}

impl Batch {
    /// Some images of this batch, one after another, as a view.
    pub fn part(&self, start: i64, len: i64) -> Self {
        let rows = |tensor: &Tensor| tensor.narrow(0, start, len);
        Self {
            x: rows(&self.x),
            labels: rows(&self.labels),
            mixed: self.mixed.as_ref().map(|mixed| MixedLabels {
                labels: rows(&mixed.labels),
                lambda: mixed.lambda,
            }),
        }
    }
}

/// A fresh model of the spec's shape.
///
/// # Errors
/// Nobody can build the backbone.
pub(super) fn fresh_model(session: &Session<'_>) -> Result<Model, TrainError> {
    let spec = session.spec;
    let n_classes = session.manifest.classes.len() as i64;
    let module = session.files.module.as_deref();
    Ok(models::of_spec(spec, n_classes, session.device, module)?)
}

/// Fills a model from a weights file, and says what it took.
///
/// # Errors
/// The file cannot be read or does not fit.
pub(super) fn load(
    model: &mut Model,
    path: &Path,
    policy: LoadPolicy,
) -> Result<LoadReport, TrainError> {
    let file = weights::read(path)?;
    let report = model
        .params
        .load(&file.tensors, policy)
        .map_err(|source| TrainError::Load {
            path: path.display().to_string(),
            source,
        })?;
    tracing::info!(
        "{}: {} tensors loaded, {} left out, {} of the model fresh",
        path.display(),
        report.loaded.len(),
        report.skipped.len(),
        report.made.len()
    );
    Ok(report)
}

/// The model with the weights the spec asks for, and what it will be trained on.
///
/// # Errors
/// Weights or images cannot be read, a cache cannot be written, or the job is told to stop.
pub(super) fn prepare(
    session: &Session<'_>,
    weights_file: Option<&Path>,
    reporter: &mut Reporter<'_>,
) -> Result<(Model, Inputs), TrainError> {
    let spec = session.spec;
    let mut model = fresh_model(session)?;
    match (&spec.backbone.weights, weights_file) {
        (Weights::Random, _) => {}
        // They came with the module.
        _ if spec.backbone.name == TORCHSCRIPT => {}
        // The head is a fresh one even where the file's would fit: its classes are others.
        (_, Some(path)) => {
            let report = load(&mut model, path, LoadPolicy::BackboneOnly)?;
            reporter.loaded(report.note());
        }
        (weights, None) => return Err(TrainError::NoWeights(weights.to_string())),
    }
    let freeze_bn = spec.adaptation.freeze_bn();
    model.train_only(stage_at(spec, 0).trained, freeze_bn);
    model.params.decay_rates(spec.adaptation.layer_decay());
    let inputs = match spec.adaptation {
        Adaptation::Full { .. } | Adaptation::Gradual { .. } => Inputs::Images {
            training: session.training_pixels(reporter)?,
            evaluation: session.evaluation_pixels(reporter)?,
            augment: spec.augment(),
        },
        Adaptation::HeadOnly {} => {
            Inputs::Features(frozen_features(session, &mut model, reporter)?)
        }
    };
    Ok((model, inputs))
}

fn frozen_features(
    session: &Session<'_>,
    model: &mut Model,
    reporter: &mut Reporter<'_>,
) -> Result<Tensor, TrainError> {
    let spec = session.spec;
    let key = FeatureKey::new(
        session.evaluation_key(),
        &spec.backbone,
        spec.fit.seed,
        session.preprocess,
    );
    let n_images = session.manifest.images.len();
    reporter.phase("features");
    // The cache is opened only where the features are not there yet, and both need the reporter.
    let reporter = RefCell::new(reporter);
    features(
        &key,
        &session.files.cache_dir,
        model,
        n_images,
        &mut |done, total| reporter.borrow_mut().pulse(done, total),
        |model, watch| {
            let pixels = session.evaluation_pixels(&mut reporter.borrow_mut())?;
            reporter.borrow_mut().phase("features");
            if needs_recalibration(&spec.backbone) {
                recalibrate(session, &pixels, model, watch)?;
            }
            let all: Vec<i64> = (0..n_images as i64).collect();
            let of_chunk =
                |chunk: &[i64]| model.features(&session.evaluation(&pixels, chunk), Mode::Eval);
            Ok(over_batches(&all, of_chunk, watch)?)
        },
    )
}

/// Gives BatchNorm the statistics of the training images as evaluation sees them.
fn recalibrate(
    session: &Session<'_>,
    pixels: &Pixels,
    model: &Model,
    watch: &mut Watch<'_>,
) -> Result<(), Stopped> {
    let train = indices(&session.manifest, Split::Train);
    // Batches weigh the same, so a small last one is left out.
    let n_batches = ((train.len() + EVAL_BATCH / 2) / EVAL_BATCH).max(1);
    let mut going_on = Ok(());
    let batches = train.chunks(EVAL_BATCH).take(n_batches).map_while(|chunk| {
        going_on = watch(0, train.len());
        let go_on = going_on.is_ok();
        go_on.then(|| session.evaluation(pixels, chunk))
    });
    model.recalibrate_bn(batches);
    going_on
}

impl Inputs {
    /// The training batch of a step, as its stage sees the images.
    pub fn batch(
        &self,
        session: &Session<'_>,
        stage: &Stage,
        indices: &[i64],
        step: &StepRng,
    ) -> Batch {
        let labels = session.labels(indices);
        let (x, mixed) = match self {
            Self::Features(features) => (rows(features, indices), None),
            Self::Images { evaluation, .. } if stage.views == PhaseViews::Evaluation => {
                (session.evaluation(evaluation, indices), None)
            }
            Self::Images {
                training, augment, ..
            } => {
                let preprocess = session.preprocess.at(stage.resolution);
                let images = preprocess.training(&training.gather(indices), augment, step);
                let mixed = mix(&images, &labels, &augment.mix, step);
                (images, mixed)
            }
        };
        Batch { x, labels, mixed }
    }

    /// What the network makes of a training batch, with gradients as the loss wants them. `mode`: one that trains.
    pub fn outputs(&self, model: &Model, x: &Tensor, loss: &Loss, mode: Mode<'_>) -> Outputs {
        let embedding = match self {
            Self::Images { .. } => model.features(x, mode),
            Self::Features(_) => x.shallow_clone(),
        };
        let logits = match loss {
            Loss::Probe { .. } => model.head(&embedding.detach(), mode),
            _ => model.head(&embedding, mode),
        };
        Outputs { logits, embedding }
    }

    /// Logits of some images as evaluation sees them: `[N, n_classes]` f32 on the CPU.
    ///
    /// # Errors
    /// `watch` gives up.
    pub fn predict(
        &self,
        session: &Session<'_>,
        model: &Model,
        indices: &[i64],
        watch: &mut Watch<'_>,
    ) -> Result<Tensor, Stopped> {
        match self {
            Self::Features(features) => {
                Ok(on_host(model.head(&rows(features, indices), Mode::Eval)))
            }
            Self::Images { evaluation, .. } => predict(session, model, evaluation, indices, watch),
        }
    }

    /// Unit embeddings of some images, seen in the evaluation crop: `[N, n_features]` f32 on the device.
    ///
    /// # Errors
    /// `watch` gives up.
    pub fn embed(
        &self,
        session: &Session<'_>,
        model: &Model,
        indices: &[i64],
        watch: &mut Watch<'_>,
    ) -> Result<Tensor, Stopped> {
        match self {
            Self::Features(features) => Ok(unit(&rows(features, indices))),
            Self::Images { evaluation, .. } => over_batches(
                indices,
                |chunk| unit(&model.features(&session.evaluation(evaluation, chunk), Mode::Eval)),
                watch,
            ),
        }
    }

    /// The smallest batch that can be trained on: BatchNorm's batch statistics need two images.
    pub fn min_batch(&self) -> usize {
        match self {
            Self::Images { .. } => 2,
            Self::Features(_) => 1,
        }
    }
}

/// Logits of some images as evaluation sees them: `[N, n_classes]` f32 on the CPU.
///
/// # Errors
/// `watch` gives up.
pub(super) fn predict(
    session: &Session<'_>,
    model: &Model,
    pixels: &Pixels,
    indices: &[i64],
    watch: &mut Watch<'_>,
) -> Result<Tensor, Stopped> {
    let of_chunk = |chunk: &[i64]| {
        let preprocess = &session.preprocess;
        preprocess.mean_over_views(&pixels.gather(chunk), |images| {
            model.forward(images, Mode::Eval)
        })
    };
    Ok(on_host(over_batches(indices, of_chunk, watch)?))
}

fn on_host(logits: Tensor) -> Tensor {
    logits.to_device(Device::Cpu).to_kind(Kind::Float)
}

fn rows(features: &Tensor, indices: &[i64]) -> Tensor {
    features.index_select(0, &Tensor::from_slice(indices).to_device(features.device()))
}

/// The results of all chunks, one below the other, without gradients.
fn over_batches(
    indices: &[i64],
    mut of_chunk: impl FnMut(&[i64]) -> Tensor,
    watch: &mut Watch<'_>,
) -> Result<Tensor, Stopped> {
    let mut results = Vec::with_capacity(indices.len().div_ceil(EVAL_BATCH));
    for (idx, chunk) in indices.chunks(EVAL_BATCH).enumerate() {
        watch(idx * EVAL_BATCH, indices.len())?;
        results.push(no_grad(|| of_chunk(chunk)));
    }
    Ok(Tensor::cat(&results, 0))
}
