//! Sweeps.

use cultivar_spec::wire::{SweepDetail, SweepPreview, SweepView};
use cultivar_spec::{SweepId, SweepSpec};
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

    /// Cancels every unsettled trial of a sweep.
    pub async fn cancel_sweep(&self, id: SweepId) -> Result<SweepView, Error> {
        let path = ["sweeps", &id.to_string(), "cancel"];
        self.post(&path, &json!({}), Repeat::Harmless).await
    }
}
