//! Which trials may be compared: same spec but for weights, learning rate, epochs and seed.

use std::collections::BTreeMap;

use cultivar_spec::trial::{Activation, Adaptation, Input, Weights};
use cultivar_spec::{TrialSpec, canonical_json};

use super::TransferTrial;

/// Matched trials of both arms.
pub(super) struct Family<'a> {
    /// The spec of one of them.
    pub spec: &'a TrialSpec,
    pub pretrained: Vec<&'a TransferTrial>,
    pub random: Vec<&'a TransferTrial>,
}

/// All trials, sorted into families that have both arms.
pub(super) struct Sorted<'a> {
    /// Of full fine-tuning, most trials first.
    pub full: Vec<Family<'a>>,
    /// Of linear heads on frozen features.
    pub heads: Vec<Family<'a>>,
    /// Pretrained full fine-tuning runs nothing random is matched with.
    pub n_without_random: usize,
    /// Random full fine-tuning runs nothing pretrained is matched with.
    pub n_without_pretrained: usize,
}

/// Sorts trials that have validation predictions into families.
pub(super) fn sort(trials: &[TransferTrial]) -> Sorted<'_> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for trial in trials.iter().filter(|trial| trial.val.is_some()) {
        let pretrained = match &trial.spec.backbone.weights {
            Weights::Pretrained => true,
            Weights::Random => false,
            Weights::Artifact(_) | Weights::Trial(_) | Weights::File(_) => continue,
        };
        let family = families.entry(key(&trial.spec)).or_insert_with(|| Family {
            spec: &trial.spec,
            pretrained: Vec::new(),
            random: Vec::new(),
        });
        if pretrained {
            family.pretrained.push(trial);
        } else {
            family.random.push(trial);
        }
    }
    let mut sorted = Sorted {
        full: Vec::new(),
        heads: Vec::new(),
        n_without_random: 0,
        n_without_pretrained: 0,
    };
    for family in families.into_values() {
        let matched = !family.pretrained.is_empty() && !family.random.is_empty();
        match family.spec.adaptation {
            Adaptation::HeadOnly {} if matched => sorted.heads.push(family),
            _ if matched => sorted.full.push(family),
            Adaptation::Full { .. } | Adaptation::Gradual { .. } => {
                sorted.n_without_random += family.pretrained.len();
                sorted.n_without_pretrained += family.random.len();
            }
            Adaptation::HeadOnly {} => {}
        }
    }
    sorted
        .full
        .sort_by_key(|family| std::cmp::Reverse(family.n_trials()));
    sorted
}

/// Equal for trials of one family. The input convention belongs to the checkpoint, and so goes with
/// the weights.
fn key(spec: &TrialSpec) -> String {
    let mut shared = spec.clone();
    shared.backbone.weights = Weights::Pretrained;
    shared.backbone.weights_sha256 = None;
    shared.input = Input::default();
    shared.optimizer.set_lr(1.0);
    shared.fit.epochs = 1;
    shared.fit.seed = 0;
    canonical_json(&shared)
}

impl Family<'_> {
    pub fn n_trials(&self) -> usize {
        self.pretrained.len() + self.random.len()
    }

    /// Whether linear heads of `heads` start where the full runs of this family start: the same
    /// network on the same images at the same resolution.
    pub fn starts_with(&self, heads: &Family) -> bool {
        let (a, b) = (self.spec, heads.spec);
        a.data == b.data
            && a.backbone.name == b.backbone.name
            && a.backbone.activation == b.backbone.activation
            && a.fit.resolution == b.fit.resolution
            && a.fit.eval_resolution == b.fit.eval_resolution
    }

    /// What all runs share, in a few words.
    pub fn label(&self) -> String {
        let spec = self.spec;
        let mut words = vec![format!("{} px", spec.fit.resolution)];
        if spec.backbone.activation != Activation::Native {
            let name = serde_json::to_value(spec.backbone.activation);
            words.extend(name.ok().and_then(|name| name.as_str().map(str::to_owned)));
        }
        words.push(spec.optimizer.kind().into());
        words.push(spec.schedule.kind().into());
        let augment = spec.augment();
        let methods = [
            augment.policy.kind(),
            augment.mix.kind(),
            spec.loss.kind(),
            spec.loss.metric().kind(),
        ];
        let usual = ["none", "cross_entropy"];
        words.extend(
            methods
                .into_iter()
                .filter(|method| !usual.contains(method))
                .map(str::to_owned),
        );
        if spec.loss.smoothing() > 0.0 {
            words.push(format!("smoothing {}", spec.loss.smoothing()));
        }
        if spec.data.train_fraction < 1.0 {
            words.push(format!("{}% of train", spec.data.train_fraction * 100.0));
        }
        words.join(", ")
    }
}
