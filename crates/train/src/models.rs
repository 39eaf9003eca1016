//! Networks: a trunk that turns images into features, and a linear classifier on top.
//!
//! Parameter names are timm's, so that its checkpoints load unchanged and ours load there.

mod efficientnet;
mod layers;
mod pass;
#[cfg(test)]
mod tests;

use cultivar_spec::trial::Backbone;
use tch::{Device, Tensor, no_grad};

use crate::params::ParamStore;
use crate::rng::StepRng;
use layers::{Linear, Maker};
use pass::{Norm, Pass};

/// How a network is run.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// Running statistics, nothing dropped, no gradients.
    Eval,
    /// Running statistics, nothing dropped; gradients reach the head only.
    Frozen,
    /// Batch statistics, which also move the running ones; dropout and drop path drawn from `rng`.
    Train { rng: &'a StepRng },
}

/// No such network.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("no backbone is called {0:?}; those there are: {1}")]
    UnknownBackbone(String, String),
}

/// The part of a network below the classifier.
trait Trunk: Send {
    /// `images`: `[N, 3, H, W]` f32. Returns `[N, F]`, pooled.
    fn features(&self, images: &Tensor, pass: &Pass) -> Tensor;
    /// F.
    fn n_features(&self) -> i64;
    /// Each block's probability of being dropped.
    fn drop_path_rates(&self) -> &[f64];
}

/// A network for single-label classification.
pub struct Model {
    pub params: ParamStore,
    trunk: Box<dyn Trunk>,
    classifier: Linear,
    dropout: f64,
    /// The factor of the cosines that are the logits, instead of a linear layer's products.
    cosine_scale: Option<f64>,
}

/// Builds a backbone with a fresh classifier; every weight is drawn from `seed`.
///
/// # Errors
/// The backbone's name is not one that can be built.
pub fn build(
    backbone: &Backbone,
    n_classes: i64,
    seed: u64,
    device: Device,
) -> Result<Model, BuildError> {
    let arch = efficientnet::find(&backbone.name).ok_or_else(|| {
        BuildError::UnknownBackbone(backbone.name.clone(), efficientnet::names().join(", "))
    })?;
    let mut params = ParamStore::new(device);
    let mut maker = Maker::new(&mut params, seed);
    let (trunk, classifier) = efficientnet::build(arch, backbone, n_classes, &mut maker);
    Ok(Model {
        params,
        trunk: Box::new(trunk),
        classifier,
        dropout: backbone.dropout,
        cosine_scale: None,
    })
}

impl Model {
    /// Logits before the softmax: `[N, n_classes]` f32.
    ///
    /// `images`: `[N, 3, H, W]` f32, normalised as the weights were trained, on the model's device.
    pub fn forward(&self, images: &Tensor, mode: Mode<'_>) -> Tensor {
        self.head(&self.features(images, mode), mode)
    }

    /// Pooled features before dropout and classifier: `[N, n_features]` f32.
    ///
    /// `images` as in [`forward`](Self::forward). Under [`Mode::Train`], BatchNorm's running
    /// statistics move.
    pub fn features(&self, images: &Tensor, mode: Mode<'_>) -> Tensor {
        let running = Pass::new(Norm::Running);
        match mode {
            Mode::Eval | Mode::Frozen => no_grad(|| self.trunk.features(images, &running)),
            Mode::Train { rng } => {
                let pass = Pass::new(Norm::Batch).with_drop_path(
                    self.trunk.drop_path_rates(),
                    images.size()[0],
                    images.device(),
                    rng,
                );
                self.trunk.features(images, &pass)
            }
        }
    }

    /// Logits of pooled features `[N, n_features]`: dropout (under [`Mode::Train`] only), then the
    /// classifier.
    pub fn head(&self, features: &Tensor, mode: Mode<'_>) -> Tensor {
        match mode {
            Mode::Eval => no_grad(|| self.classify(features)),
            Mode::Frozen => self.classify(features),
            Mode::Train { rng } if self.dropout > 0.0 => {
                let kept = pass::dropout_mask(self.dropout, features, rng);
                self.classify(&(features * kept))
            }
            Mode::Train { .. } => self.classify(features),
        }
    }

    /// Makes the logits `scale` times the cosines between features and the classifier's weights, as ArcFace
    /// has them.
    pub fn use_cosine_head(&mut self, scale: f64) {
        self.cosine_scale = Some(scale);
    }

    fn classify(&self, features: &Tensor) -> Tensor {
        match self.cosine_scale {
            Some(scale) => self.classifier.cosines(features) * scale,
            None => self.classifier.forward(features),
        }
    }

    /// Length of a pooled feature.
    pub fn n_features(&self) -> i64 {
        self.trunk.n_features()
    }

    /// Replaces BatchNorm's running statistics by the plain average over `batches`, images as in
    /// [`forward`](Self::forward). For weights whose statistics do not describe their activations:
    /// random ones, or those of a network whose nonlinearity was swapped. Without a batch nothing
    /// changes.
    ///
    /// Like PyTorch's BatchNorm with `momentum=None`, the average weighs batches equally, so the
    /// last one should not be much smaller than the others.
    pub fn recalibrate_bn(&self, batches: impl IntoIterator<Item = Tensor>) {
        no_grad(|| {
            for (idx, images) in batches.into_iter().enumerate() {
                let share = 1.0 / (idx + 1) as f64;
                let _ = self
                    .trunk
                    .features(&images, &Pass::new(Norm::Cumulative { share }));
            }
        });
    }
}
