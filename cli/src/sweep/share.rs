//! How a sweep shares the workers, from the command line.

use clap::Args;
use cultivar_spec::SweepId;
use cultivar_spec::queueing::Queueing;

/// What to change; the rest stays as it is.
#[derive(Args, Debug)]
pub struct Share {
    /// The sweep
    pub id: SweepId,
    /// Sweeps of a higher priority go first: -100 to 100
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Share of the workers among sweeps of one priority: 0.01 to 100
    #[arg(long)]
    weight: Option<f64>,
    /// Most trials at once; 0 for no limit
    #[arg(long, value_name = "N")]
    parallel: Option<u32>,
    /// When what is left is cancelled, such as 2026-12-01T08:00:00Z
    #[arg(long, value_name = "TIME")]
    deadline: Option<chrono::DateTime<chrono::Utc>>,
}

impl Share {
    pub fn change(&self, queueing: &mut Queueing) {
        queueing.priority = self.priority.unwrap_or(queueing.priority);
        queueing.weight = self.weight.unwrap_or(queueing.weight);
        queueing.deadline = self.deadline.or(queueing.deadline);
        if let Some(parallel) = self.parallel {
            queueing.parallel = (parallel > 0).then_some(parallel);
        }
    }
}
