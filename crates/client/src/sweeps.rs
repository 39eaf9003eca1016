//! Sweeps.

use cultivar_spec::queueing::Queueing;
use cultivar_spec::sweep::CostMetric;
use cultivar_spec::wire::{
    ImportanceReport, ParetoReport, PauseSweep, Recommendation, SweepDetail, SweepEstimate,
    SweepPreview, SweepView,
};
use cultivar_spec::{SweepId, SweepSpec};
use reqwest::Method;
use serde_json::json;

use crate::http::Repeat;
use crate::{Client, Error};

/// `/api/v1/sweeps`. Each fails as any call may; see [`Error`].
impl Client {
    /// Sweeps, newest first.
    pub async fn sweeps(&self) -> Result<Vec<SweepView>, Error> {
        self.get(&["sweeps"], &[]).await
    }

    pub async fn sweep(&self, id: SweepId) -> Result<SweepDetail, Error> {
        self.get(&["sweeps", &id.to_string()], &[]).await
    }

    /// Draws a sweep's trials and queues them.
    pub async fn submit_sweep(&self, spec: &SweepSpec) -> Result<SweepView, Error> {
        self.create(&["sweeps"], spec).await
    }

    /// What a sweep would draw; queues nothing.
    pub async fn preview_sweep(&self, spec: &SweepSpec) -> Result<SweepPreview, Error> {
        self.post(&["sweeps", "preview"], spec, Repeat::Harmless)
            .await
    }

    /// What a sweep would take; queues nothing.
    pub async fn estimate_sweep(&self, spec: &SweepSpec) -> Result<SweepEstimate, Error> {
        self.post(&["sweeps", "estimate"], spec, Repeat::Harmless)
            .await
    }

    /// Which of its parameters matter, by its results so far.
    pub async fn recommendation(&self, id: SweepId) -> Result<Recommendation, Error> {
        self.get(&["sweeps", &id.to_string(), "recommendation"], &[])
            .await
    }

    pub async fn importance(&self, id: SweepId) -> Result<ImportanceReport, Error> {
        self.get(&["sweeps", &id.to_string(), "importance"], &[])
            .await
    }

    /// Its configurations by the objective and costs at once; `against` takes the place of what the sweep says.
    pub async fn pareto(
        &self,
        id: SweepId,
        against: Option<CostMetric>,
    ) -> Result<ParetoReport, Error> {
        let query: Vec<(&str, String)> = (against.iter())
            .map(|cost| ("against", cost.name().to_owned()))
            .collect();
        self.get(&["sweeps", &id.to_string(), "pareto"], &query)
            .await
    }

    /// Begins no more trials; running ones give way with a checkpoint, or run to their end where `drain` is set.
    pub async fn pause_sweep(&self, id: SweepId, pause: PauseSweep) -> Result<SweepView, Error> {
        let path = ["sweeps", &id.to_string(), "pause"];
        self.post(&path, &pause, Repeat::Harmless).await
    }

    /// Lets a paused sweep go on.
    pub async fn resume_sweep(&self, id: SweepId) -> Result<SweepView, Error> {
        let path = ["sweeps", &id.to_string(), "resume"];
        self.post(&path, &json!({}), Repeat::Harmless).await
    }

    /// Queues a sweep's failed and cancelled trials again.
    pub async fn retry_sweep(&self, id: SweepId) -> Result<SweepView, Error> {
        let path = ["sweeps", &id.to_string(), "retry"];
        self.post(&path, &json!({}), Repeat::Harmless).await
    }

    /// Replaces a sweep's share of the workers.
    pub async fn requeue_sweep(
        &self,
        id: SweepId,
        queueing: &Queueing,
    ) -> Result<SweepView, Error> {
        let path = ["sweeps", &id.to_string(), "queueing"];
        let call = self.body_call(Method::PUT, &path, queueing, Repeat::Harmless);
        self.json(&call).await
    }

    /// Cancels every unsettled trial of a sweep.
    pub async fn cancel_sweep(&self, id: SweepId) -> Result<SweepView, Error> {
        let path = ["sweeps", &id.to_string(), "cancel"];
        self.post(&path, &json!({}), Repeat::Harmless).await
    }
}
