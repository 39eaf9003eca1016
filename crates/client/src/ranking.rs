//! The leaderboard, published results, and what pretraining brought.

use cultivar_spec::wire::{
    Compare, CompareReport, Leaderboard, Race, RaceReport, SotaEntry, TransferReport,
};

use crate::http::Repeat;
use crate::{Client, Error};

/// `/api/v1/leaderboard`, `/api/v1/sota`, `/api/v1/transfer`, `/api/v1/compare`, `/api/v1/race`. Each fails as any call may; see [`Error`].
impl Client {
    /// Configurations of a dataset, best first; ranked by `val_top1` unless said otherwise.
    pub async fn leaderboard(
        &self,
        dataset: &str,
        metric: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Leaderboard, Error> {
        let mut query = ranked(dataset, metric);
        query.extend(limit.map(|limit| ("limit", limit.to_string())));
        self.get(&["leaderboard"], &query).await
    }

    /// The leaderboard as the server words it: `csv` or `md`.
    pub async fn leaderboard_text(
        &self,
        dataset: &str,
        metric: Option<&str>,
        format: &str,
        limit: Option<usize>,
    ) -> Result<String, Error> {
        let mut query = ranked(dataset, metric);
        query.push(("format", format.to_owned()));
        query.extend(limit.map(|limit| ("limit", limit.to_string())));
        self.get_text(&["leaderboard"], &query).await
    }

    /// Published results, of one dataset or of all.
    pub async fn sota(&self, dataset: Option<&str>) -> Result<Vec<SotaEntry>, Error> {
        let query = dataset.map(|name| ("dataset", name.to_owned()));
        self.get(&["sota"], query.as_slice()).await
    }

    /// Registers a published result, or corrects one.
    pub async fn add_sota(&self, entry: &SotaEntry) -> Result<SotaEntry, Error> {
        self.create(&["sota"], entry).await
    }

    /// Differences between arms of trials and the first of them.
    pub async fn compare(&self, asked: &Compare) -> Result<CompareReport, Error> {
        self.post(&["compare"], asked, Repeat::Harmless).await
    }

    /// How a race between arms of trials stands.
    pub async fn race(&self, asked: &Race) -> Result<RaceReport, Error> {
        self.post(&["race"], asked, Repeat::Harmless).await
    }

    /// Pretrained against random weights: start, slope and asymptote.
    pub async fn transfer(&self, dataset: &str) -> Result<TransferReport, Error> {
        self.get(&["transfer"], &[("dataset", dataset.to_owned())])
            .await
    }
}

fn ranked(dataset: &str, metric: Option<&str>) -> Vec<(&'static str, String)> {
    let mut query = vec![("dataset", dataset.to_owned())];
    query.extend(metric.map(|metric| ("metric", metric.to_owned())));
    query
}
