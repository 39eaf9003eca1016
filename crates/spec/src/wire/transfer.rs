use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::Estimate;
use crate::{Sha256Digest, TrialId};

/// `GET /api/v1/transfer?dataset=`: the three benefits of transfer, from matched arms.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TransferReport {
    pub dataset: String,
    /// Matched families of trials, most trials first: same spec but for weights, lr, epochs and seed.
    pub studies: Vec<TransferStudy>,
    /// What is missing for a verdict, in sentences.
    pub notes: Vec<String>,
}

/// One family of full fine-tuning runs, pretrained against random.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TransferStudy {
    pub backbone: String,
    /// What all runs share, in a few words.
    pub label: String,
    /// `val_top1`, or `test_top1` where every chosen run was evaluated on test.
    pub metric: String,
    pub pretrained: Vec<TransferArm>,
    pub random: Vec<TransferArm>,
    /// Converged linear head on the frozen backbone, pretrained minus random.
    pub start: Option<Estimate>,
    /// Epochs the random arm's best took over the epochs at which pretrained reaches it.
    pub slope: Option<Slope>,
    /// Pretrained minus random at the longest budget both have.
    pub asymptote: Option<Asymptote>,
}

/// One arm at one budget, at the lr that validation chose.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TransferArm {
    pub config_id: Sha256Digest,
    pub epochs: u32,
    pub lr: f64,
    /// Learning rates tried at this budget.
    pub lrs_tried: Vec<f64>,
    pub trials: Vec<TrialId>,
    pub val_top1: Estimate,
    pub test_top1: Option<Estimate>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Slope {
    /// Epochs of the random arm's best budget over those of the smallest pretrained budget that reaches it.
    pub ratio: f64,
    /// 95% interval over resampled groups and seeds. Budgets are discrete, so it moves in steps.
    pub low: f64,
    pub high: f64,
    /// The smallest budget run already reached it: the true ratio may be larger.
    pub at_least: bool,
    /// False: never reached within the budgets run, and the true ratio is below `ratio`.
    pub reached: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Asymptote {
    pub epochs: u32,
    pub difference: Estimate,
    /// Doubling the budget added under one point in both arms. Otherwise only a "difference at N epochs".
    pub converged: bool,
}
