//! The trial spec: one training run, fully described. See `docs/spec.md`.
//!
//! Every field has a default, every enum is tagged and every object refuses fields it does not
//! know. A raw spec goes through [`crate::check`] once; later code never checks it again.

mod augment;
mod fit;
mod loss;
mod model;
mod optim;
mod phase;
mod schedule;
mod task;

pub use augment::*;
pub use fit::*;
pub use loss::*;
pub use model::*;
pub use optim::*;
pub use phase::*;
pub use schedule::*;
pub use task::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One training run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrialSpec {
    pub task: Task,
    pub objective: Objective,
    pub data: Data,
    pub backbone: Backbone,
    pub input: Input,
    pub adaptation: Adaptation,
    pub optimizer: Optimizer,
    pub schedule: Schedule,
    /// Left out: none under `head_only`, else random resized crop and horizontal flip.
    pub augment: Option<Augment>,
    pub loss: Loss,
    pub fit: Fit,
}

impl TrialSpec {
    /// A small valid spec, for examples and tests.
    pub fn example() -> Self {
        let mut spec = Self::default();
        spec.data.dataset = "open-emoji".into();
        spec
    }

    /// The augmentation in force: what was written, or the default of the adaptation mode.
    pub fn augment(&self) -> Augment {
        match (&self.augment, &self.adaptation) {
            (Some(augment), _) => augment.clone(),
            (None, Adaptation::HeadOnly { .. }) => Augment::none(),
            (None, Adaptation::Full { .. } | Adaptation::Gradual { .. }) => Augment::standard(),
        }
    }

    /// Somebody else's code trains it.
    pub fn is_external(&self) -> bool {
        matches!(self.task, Task::External { .. })
    }

    /// Writes out every default that depends on another field.
    pub fn write_out_defaults(&mut self) {
        if self.is_external() {
            return;
        }
        self.augment = Some(self.augment());
        self.fit.eval_resolution.get_or_insert(self.fit.resolution);
        self.fit.eval_weights = Some(self.fit.eval_weights());
    }
}
