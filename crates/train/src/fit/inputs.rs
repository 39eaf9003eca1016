//! What the trained part of the network sees: augmented images, or cached features of a frozen backbone.

use std::collections::HashMap;

use cultivar_spec::trial::{Adaptation, Augment, Mix};
use tch::{Device, Kind, Tensor};

use super::report::Reporter;
use super::session::Session;
use crate::augment::cutmix;
use crate::features::{FeatureKey, features, needs_recalibration};
use crate::loss::MixedLabels;
use crate::models::{Mode, Model};
use crate::params::Group;
use crate::{TrainError, weights};

/// Images of one forward pass without gradients.
const EVAL_BATCH: usize = 128;

/// Where a batch comes from.
pub(super) enum Inputs {
    /// Every image is rendered anew each time.
    Images(Augment),
    /// `[n_images, n_features]`: computed once, for every image of the manifest.
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

/// Builds the model, loads its weights, and prepares what it will see.
pub(super) fn prepare(
    session: &Session<'_>,
    weights_file: Option<&std::path::Path>,
    reporter: &mut Reporter<'_>,
) -> Result<(Model, Inputs), TrainError> {
    let spec = session.spec;
    let mut model = build(session, weights_file)?;
    match spec.adaptation {
        Adaptation::Full { .. } => Ok((model, Inputs::Images(spec.augment()))),
        Adaptation::HeadOnly {} => {
            reporter.phase("features");
            model.params.freeze(Group::Backbone);
            let key = FeatureKey::new(
                session.manifest.version(),
                &spec.backbone,
                spec.fit.seed,
                session.preprocess,
                &session.train,
            );
            let n_images = session.manifest.images.len();
            let found = features(
                &key,
                &session.files.cache_dir,
                &mut model,
                n_images,
                |model| {
                    if needs_recalibration(&spec.backbone) {
                        let batches = session
                            .train
                            .chunks(EVAL_BATCH)
                            .filter(|chunk| chunk.len() > 1);
                        model
                            .recalibrate_batch_norm(batches.map(|chunk| session.evaluation(chunk)));
                    }
                    let all: Vec<i64> = (0..n_images as i64).collect();
                    Ok(over_batches(&all, |chunk| {
                        reporter.alive();
                        model.features(&session.evaluation(chunk), Mode::Eval)
                    }))
                },
            )?;
            Ok((model, Inputs::Features(found)))
        }
    }
}

/// A model of the spec's shape, with the weights of a file if one is given.
pub(super) fn build(
    session: &Session<'_>,
    weights_file: Option<&std::path::Path>,
) -> Result<Model, TrainError> {
    let spec = session.spec;
    let n_classes = session.manifest.classes.len() as i64;
    let mut model = crate::models::build(&spec.backbone, n_classes, spec.fit.seed, session.device)?;
    if let Some(path) = weights_file {
        let (tensors, _): (HashMap<_, _>, _) = weights::read(path)?;
        let report = model.params.load(&tensors)?;
        tracing::info!(
            loaded = report.loaded.len(),
            skipped = report.skipped.len(),
            fresh = report.fresh.len(),
            "weights loaded from {}",
            path.display()
        );
    }
    Ok(model)
}

impl Session<'_> {
    /// The evaluation view of some images.
    pub fn evaluation(&self, indices: &[i64]) -> Tensor {
        self.preprocess.evaluation(&self.pixels.gather(indices))
    }

    fn labels(&self, indices: &[i64]) -> Tensor {
        crate::predict::labels_of(&self.manifest, indices).to_device(self.device)
    }
}

impl Inputs {
    /// The training batch of a step.
    pub fn batch(&self, session: &Session<'_>, indices: &[i64], step: u64) -> Batch {
        let labels = session.labels(indices);
        let (x, mixed) = match self {
            Self::Features(features) => (select(features, indices), None),
            Self::Images(augment) => {
                let draw = (session.spec.fit.seed, step);
                let pixels = session.pixels.gather(indices);
                let resolution = session.spec.fit.resolution;
                let images = session.preprocess.training(
                    &pixels,
                    &augment.crop,
                    &augment.flip,
                    resolution,
                    draw,
                );
                let mixed = match augment.mix {
                    Mix::None {} => None,
                    Mix::Cutmix { alpha, prob } => cutmix(&images, &labels, alpha, prob, draw),
                };
                (images, mixed)
            }
        };
        Batch { x, labels, mixed }
    }

    /// Logits of a training batch, with gradients.
    pub fn logits(&self, model: &Model, x: &Tensor, mode: Mode) -> Tensor {
        match self {
            Self::Images(_) => model.forward(x, mode),
            Self::Features(_) => model.head(x, mode),
        }
    }

    /// Logits of some images as evaluation sees them: `[N, n_classes]` f32 on the CPU.
    pub fn predict(
        &self,
        session: &Session<'_>,
        model: &Model,
        indices: &[i64],
        reporter: &mut Reporter<'_>,
    ) -> Tensor {
        let logits = over_batches(indices, |chunk| {
            reporter.alive();
            match self {
                Self::Features(features) => model.head(&select(features, chunk), Mode::Eval),
                Self::Images(_) => model.forward(&session.evaluation(chunk), Mode::Eval),
            }
        });
        logits.to_device(Device::Cpu)
    }
}

fn select(features: &Tensor, indices: &[i64]) -> Tensor {
    features.index_select(0, &Tensor::from_slice(indices).to_device(features.device()))
}

/// Rows of all chunks, one below the other, without gradients.
fn over_batches(indices: &[i64], mut of_chunk: impl FnMut(&[i64]) -> Tensor) -> Tensor {
    let rows: Vec<Tensor> = tch::no_grad(|| {
        indices
            .chunks(EVAL_BATCH)
            .map(|chunk| of_chunk(chunk))
            .collect()
    });
    Tensor::cat(&rows, 0).to_kind(Kind::Float)
}
