//! Networks: a trunk that turns images into features, and a linear classifier on top.
//!
//! Parameter names are timm's, so that its checkpoints load unchanged and ours load there.

mod convnext;
mod efficientnet;
mod head;
mod layers;
mod maker;
mod pass;
mod resnet;
mod scripted;
#[cfg(test)]
mod tests;
mod vit;

use std::path::Path;

use cultivar_spec::TrialSpec;
use cultivar_spec::backbones::{BACKBONES, TORCHSCRIPT};
use cultivar_spec::trial::{Backbone, MetricLoss};
use tch::{Device, Tensor, no_grad};

use crate::params::{Group, Param, ParamKind, ParamStore};
use crate::rng::StepRng;
use head::{Head, HeadShape};
use maker::Maker;
use pass::{Norm, Pass, Scope};

/// How a network is run.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// Running statistics, nothing dropped, no gradients.
    Eval,
    /// Running statistics, nothing dropped; gradients reach the head only.
    Frozen,
    /// What [`Model::train_only`] left in training (at first everything) uses batch statistics, which also
    /// move the running ones; dropout and drop path are drawn from `rng`.
    Train { rng: &'a StepRng },
    /// As `Train`, with the same draws, but the running statistics stay: a second look at the same images.
    Again { rng: &'a StepRng },
}

/// How much of a network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trained {
    Head,
    /// The head and the scale, shift and statistics of the normalisation nearest to it.
    HeadAndLastNorm,
    /// The head, and of the backbone's layers (cut by depth into `n_groups` like runs) the last
    /// `n_open` runs.
    Groups {
        n_open: u32,
        n_groups: u32,
    },
    All,
}

/// No such network.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("no backbone is called {0:?}; those there are: {1}")]
    UnknownBackbone(String, String),
    #[error(
        "the backbone is a TorchScript module, and its file is not at hand: this model can be run where it was trained"
    )]
    NoModule,
    #[error("{0}: {1}")]
    Module(String, String),
}

/// The part of a network below the classifier. A family is a file that builds one.
trait Trunk: Send {
    /// `images`: `[N, 3, H, W]` f32. Returns `[N, F]`, pooled.
    fn features(&self, images: &Tensor, pass: &Pass) -> Tensor;
    /// F.
    fn n_features(&self) -> i64;
    /// Each residual branch's probability of being dropped.
    fn drop_path_rates(&self) -> &[f64];
    /// How the family ends.
    fn head(&self) -> HeadShape;
    /// Name of the normalisation nearest to the head.
    fn last_norm(&self) -> &str;
}

/// A network for single-label classification.
pub struct Model {
    pub params: ParamStore,
    scope: Scope,
    drops_paths: bool,
    trunk: Box<dyn Trunk>,
    head: Head,
}

/// The network of a spec, with the head its loss asks for and fresh weights; those of a TorchScript backbone are
/// the ones in its `module`.
///
/// # Errors
/// The backbone's name is not one that can be built, or its module cannot be used.
pub fn of_spec(
    spec: &TrialSpec,
    n_classes: i64,
    device: Device,
    module: Option<&Path>,
) -> Result<Model, BuildError> {
    let (backbone, seed) = (&spec.backbone, spec.fit.seed);
    let mut model = match backbone.name == TORCHSCRIPT {
        true => {
            let path = module.ok_or(BuildError::NoModule)?;
            let trunk = |maker: &mut Maker<'_>| scripted::build(path, spec.fit.resolution, maker);
            assemble(ParamStore::new(device), backbone, n_classes, seed, trunk)?
        }
        false => build(backbone, n_classes, seed, device)?,
    };
    if let MetricLoss::ArcFace { scale, .. } = *spec.loss.metric() {
        model.head.use_cosines(scale);
    }
    Ok(model)
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
    let params = ParamStore::new(device);
    assemble(params, backbone, n_classes, seed, |maker| {
        family(backbone, maker)
    })
}

/// The names and shapes of a network: its tensors take no memory, and it cannot be run.
///
/// # Errors
/// The backbone's name is not one that can be built.
pub fn outline(backbone: &Backbone, n_classes: i64) -> Result<Model, BuildError> {
    let params = ParamStore::outline();
    assemble(params, backbone, n_classes, 0, |maker| {
        family(backbone, maker)
    })
}

/// The member of some family that has the backbone's name.
fn family(backbone: &Backbone, maker: &mut Maker<'_>) -> Result<Box<dyn Trunk>, BuildError> {
    let families = [
        efficientnet::build,
        resnet::build,
        convnext::build,
        vit::build,
    ];
    let trunk = families.iter().find_map(|build| build(backbone, maker));
    trunk.ok_or_else(|| {
        let names: Vec<&str> = BACKBONES.iter().map(|known| known.name).collect();
        BuildError::UnknownBackbone(backbone.name.clone(), names.join(", "))
    })
}

fn assemble(
    mut params: ParamStore,
    backbone: &Backbone,
    n_classes: i64,
    seed: u64,
    trunk: impl FnOnce(&mut Maker<'_>) -> Result<Box<dyn Trunk>, BuildError>,
) -> Result<Model, BuildError> {
    let mut maker = Maker::new(&mut params, seed);
    let trunk = trunk(&mut maker)?;
    let head = Head::new(
        trunk.head(),
        trunk.n_features(),
        n_classes,
        backbone,
        &mut maker,
    );
    Ok(Model {
        params,
        scope: Scope::ALL,
        drops_paths: true,
        trunk,
        head,
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
        match mode {
            Mode::Eval | Mode::Frozen => {
                let pass = Pass::new(Norm::Running, Scope::ALL);
                no_grad(|| self.trunk.features(images, &pass))
            }
            Mode::Train { rng } | Mode::Again { rng } => {
                let norm = match mode {
                    Mode::Again { .. } => Norm::Cumulative { share: 0.0 },
                    _ => Norm::Batch,
                };
                let mut pass = Pass::new(norm, self.scope).seeded(rng);
                if self.drops_paths {
                    let rates = self.trunk.drop_path_rates();
                    pass = pass.with_drop_path(rates, images.size()[0], images.device(), rng);
                }
                self.trunk.features(images, &pass)
            }
        }
    }

    /// Logits of pooled features `[N, n_features]`: dropout (under [`Mode::Train`] only), then the
    /// classifier.
    pub fn head(&self, features: &Tensor, mode: Mode<'_>) -> Tensor {
        self.head.forward(features, mode)
    }

    /// Trains a part of the network from here on, and freezes the rest: its parameters, and BatchNorm's
    /// statistics, which are then the running ones. Where nothing of the backbone but its last norm is
    /// trained, nothing of it is dropped either. `freeze_bn` freezes every BatchNorm: statistics, scale and
    /// shift.
    ///
    /// The parameters have to be flattened anew.
    pub fn train_only(&mut self, trained: Trained, freeze_bn: bool) {
        let last_norm = format!("{}.", self.trunk.last_norm());
        let first_open = match trained {
            Trained::All => 0,
            Trained::Groups { n_open, n_groups } => self.first_open(n_open, n_groups),
            Trained::Head | Trained::HeadAndLastNorm => u32::MAX,
        };
        let trains = |param: &Param| {
            let is_last_norm =
                trained == Trained::HeadAndLastNorm && param.name.starts_with(&last_norm);
            let is_open = param.depth >= first_open || is_last_norm;
            let is_frozen_bn = freeze_bn && param.kind == ParamKind::BatchNorm;
            param.group == Group::Head || is_open && !is_frozen_bn
        };
        self.params.train_only(trains);
        self.scope = match trained {
            _ if freeze_bn => Scope::NONE,
            Trained::HeadAndLastNorm => Scope::Last,
            _ => Scope::From(first_open),
        };
        self.drops_paths = matches!(trained, Trained::All | Trained::Groups { .. });
    }

    /// Whether a training pass may take BatchNorm's statistics from its images, which then depend on each other.
    pub fn takes_batch_statistics(&self) -> bool {
        self.scope != Scope::NONE && !self.params.buffers().is_empty()
    }

    /// The depth at which the last `n_open` of `n_groups` like runs of the backbone's layers begin.
    fn first_open(&self, n_open: u32, n_groups: u32) -> u32 {
        let backbone = self.params.params().iter();
        let depths = backbone.filter(|param| param.group == Group::Backbone);
        let n_depths = 1 + depths.map(|param| param.depth).max().unwrap_or(0);
        match n_open {
            0 => u32::MAX,
            _ => n_depths * n_groups.saturating_sub(n_open) / n_groups,
        }
    }

    /// Length of a pooled feature.
    pub fn n_features(&self) -> i64 {
        self.trunk.n_features()
    }

    /// The probability at which each residual branch is dropped in training, from the stem up.
    pub fn drop_path_rates(&self) -> &[f64] {
        self.trunk.drop_path_rates()
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
                    .features(&images, &Pass::new(Norm::Cumulative { share }, Scope::ALL));
            }
        });
    }
}
