//! Trials.

use cultivar_spec::wire::{
    EvaluationView, LOG_CURSOR, MetricSummaries, MetricSummary, NewEvaluation, NewTrial, Series,
    TrialDetail, TrialPage, TrialView,
};
use cultivar_spec::{SweepId, TrialId, TrialState};
use serde_json::json;

use crate::http::Repeat;
use crate::{Client, Error};

/// Rows a page when every page is wanted: the most the server gives.
const PAGE: u32 = 1000;

/// Which trials to list. All conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct TrialFilter {
    pub sweep: Option<SweepId>,
    pub state: Option<TrialState>,
    pub dataset: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows a page, at most 1000.
    pub limit: Option<u32>,
}

/// Which log lines to read. All conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Lines that hold this text, whatever the case.
    pub q: Option<String>,
    /// Lines after the one with this cursor.
    pub after: Option<String>,
}

/// Log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    pub text: String,
    /// Where the last of them stands, for `after`.
    pub cursor: Option<String>,
}

/// `/api/v1/trials`. Each fails as any call may; see [`Error`].
impl Client {
    /// A page of trials, oldest first.
    pub async fn trials(&self, filter: &TrialFilter) -> Result<TrialPage, Error> {
        let fields = [
            ("sweep", filter.sweep.map(|id| id.to_string())),
            ("state", filter.state.map(|state| state.name().to_owned())),
            ("dataset", filter.dataset.clone()),
            ("cursor", filter.cursor.clone()),
            ("limit", filter.limit.map(|limit| limit.to_string())),
        ];
        let given = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        self.get(&["trials"], &given.collect::<Vec<_>>()).await
    }

    /// Every trial that `filter` lets through, from all pages.
    pub async fn all_trials(&self, filter: &TrialFilter) -> Result<Vec<TrialView>, Error> {
        let mut filter = filter.clone();
        filter.limit.get_or_insert(PAGE);
        let mut trials = Vec::new();
        loop {
            let page = self.trials(&filter).await?;
            trials.extend(page.trials);
            match page.next_cursor {
                Some(cursor) => filter.cursor = Some(cursor),
                None => return Ok(trials),
            }
        }
    }

    /// A trial with its spec, attempts and evaluations.
    pub async fn trial(&self, id: TrialId) -> Result<TrialDetail, Error> {
        self.get(&["trials", &id.to_string()], &[]).await
    }

    /// Queues one trial.
    pub async fn submit_trial(&self, new: &NewTrial) -> Result<TrialView, Error> {
        self.create(&["trials"], new).await
    }

    pub async fn cancel_trial(&self, id: TrialId) -> Result<TrialView, Error> {
        let path = ["trials", &id.to_string(), "cancel"];
        self.post(&path, &json!({}), Repeat::Harmless).await
    }

    /// Takes a trial out of the queue, or asks a running one to give way with a checkpoint.
    pub async fn pause_trial(&self, id: TrialId) -> Result<TrialView, Error> {
        let path = ["trials", &id.to_string(), "pause"];
        self.post(&path, &json!({}), Repeat::Harmless).await
    }

    /// Lets a paused trial go on.
    pub async fn resume_trial(&self, id: TrialId) -> Result<TrialView, Error> {
        let path = ["trials", &id.to_string(), "resume"];
        self.post(&path, &json!({}), Repeat::Harmless).await
    }

    /// Queues a failed or cancelled trial again.
    pub async fn retry_trial(&self, id: TrialId) -> Result<TrialView, Error> {
        let path = ["trials", &id.to_string(), "retry"];
        // The second would find it queued and be refused.
        self.post(&path, &json!({}), Repeat::Harmful).await
    }

    /// Asks for predictions on a held-out split.
    pub async fn evaluate(
        &self,
        id: TrialId,
        new: &NewEvaluation,
    ) -> Result<EvaluationView, Error> {
        self.create(&["trials", &id.to_string(), "evaluate"], new)
            .await
    }

    /// A metric over the run, thinned to about `points` points.
    pub async fn series(
        &self,
        id: TrialId,
        metric: &str,
        points: Option<u32>,
    ) -> Result<Series, Error> {
        let mut query = vec![("metric", metric.to_owned())];
        query.extend(points.map(|points| ("points", points.to_string())));
        self.get(&["trials", &id.to_string(), "series"], &query)
            .await
    }

    /// Of every metric the last, the lowest and the highest value over the run.
    pub async fn metric_summaries(&self, id: TrialId) -> Result<Vec<MetricSummary>, Error> {
        let path = ["trials", &id.to_string(), "metrics"];
        let summaries: MetricSummaries = self.get(&path, &[]).await?;
        Ok(summaries.metrics)
    }

    /// The last log lines that `filter` lets through, or with a cursor the first after it; each attempt's are announced by a line of their own.
    pub async fn logs(&self, id: TrialId, filter: &LogFilter) -> Result<Logs, Error> {
        let fields = [("q", filter.q.clone()), ("after", filter.after.clone())];
        let given = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let path = ["trials", &id.to_string(), "logs"];
        let call = self.query(&path, &given.collect::<Vec<_>>());
        let (headers, text) = self.answer(&call).await?;
        let cursor = headers.get(LOG_CURSOR);
        Ok(Logs {
            text: String::from_utf8_lossy(&text).into_owned(),
            cursor: cursor.and_then(|cursor| Some(cursor.to_str().ok()?.to_owned())),
        })
    }
}
