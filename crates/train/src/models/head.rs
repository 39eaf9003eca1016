//! The classifier: pooled features to logits.

use cultivar_spec::trial::Backbone;
use tch::{Tensor, no_grad};

use super::Mode;
use super::layers::Linear;
use super::maker::{Init, Maker};
use super::pass::dropout_mask;
use crate::activation::Nonlinearity;

/// How a family ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadShape {
    /// timm's name of the last linear layer.
    pub name: &'static str,
    /// What its weights start as, from the lengths of its input and output.
    pub init: fn(n_in: i64, n_out: i64) -> Init,
    /// Of the hidden layer, where a spec asks for one.
    pub activation: Nonlinearity,
}

/// PyTorch's linear layer, but for the bias, which starts at zero here.
pub(super) fn by_fan_in(n_in: i64, _n_out: i64) -> Init {
    Init::Uniform {
        range: 1.0 / (n_in as f64).sqrt(),
    }
}

/// Normal with the spread of BERT and of the vision transformers.
pub(super) fn narrow(_n_in: i64, _n_out: i64) -> Init {
    Init::Normal { std: 0.02 }
}

/// A linear layer; before it, optionally, a hidden one with a nonlinearity; dropout (see [`dropout_mask`]) in front of
/// the last, as timm's `drop_rate`.
pub(super) struct Head {
    hidden: Option<(Linear, Nonlinearity)>,
    last: Linear,
    dropout: f64,
    /// The factor of the cosines that are the logits, instead of a linear layer's products.
    cosine_scale: Option<f64>,
}

impl Head {
    pub fn new(
        shape: HeadShape,
        n_features: i64,
        n_classes: i64,
        backbone: &Backbone,
        maker: &mut Maker<'_>,
    ) -> Self {
        maker.start_head();
        let mut n_in = n_features;
        let hidden = backbone.head.hidden.map(|n_hidden| {
            let n_hidden = i64::from(n_hidden);
            // timm has no such layer, so the name is ours.
            let layer = maker.linear("head_hidden", n_in, n_hidden, by_fan_in(n_in, n_hidden));
            n_in = n_hidden;
            (layer, shape.activation)
        });
        Self {
            hidden,
            last: maker.linear(shape.name, n_in, n_classes, (shape.init)(n_in, n_classes)),
            dropout: backbone.dropout,
            cosine_scale: None,
        }
    }

    /// Makes the logits `scale` times the cosines between the last layer's inputs and weights.
    pub fn use_cosines(&mut self, scale: f64) {
        self.cosine_scale = Some(scale);
    }

    /// `features`: `[N, n_features]`. Returns `[N, n_classes]`.
    pub fn forward(&self, features: &Tensor, mode: Mode<'_>) -> Tensor {
        match mode {
            Mode::Eval => no_grad(|| self.last(&self.hidden(features))),
            Mode::Frozen => self.last(&self.hidden(features)),
            Mode::Train { rng } | Mode::Again { rng } => {
                let hidden = self.hidden(features);
                if self.dropout > 0.0 {
                    let kept = dropout_mask(self.dropout, &hidden, rng);
                    self.last(&(hidden * kept))
                } else {
                    self.last(&hidden)
                }
            }
        }
    }

    fn last(&self, x: &Tensor) -> Tensor {
        match self.cosine_scale {
            Some(scale) => self.last.cosines(x) * scale,
            None => self.last.forward(x),
        }
    }

    fn hidden(&self, features: &Tensor) -> Tensor {
        match &self.hidden {
            Some((layer, activation)) => activation.apply(layer.forward(features)),
            None => features.shallow_clone(),
        }
    }
}
