//! `/metrics`: what this replica did, in Prometheus' text format.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    pub method: String,
    /// The route's pattern, never the path: paths hold ids.
    pub route: String,
    pub status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OutcomeLabel {
    pub outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StateLabel {
    pub state: String,
}

/// Counters of this replica, and gauges read from the database when asked.
pub struct Metrics {
    registry: Registry,
    pub requests: Family<RequestLabels, Counter>,
    pub request_seconds: Histogram,
    pub claims: Counter,
    pub attempts_ended: Family<OutcomeLabel, Counter>,
    pub superseded_writes: Counter,
    pub revived_leases: Counter,
    pub queue_depth: Gauge,
    pub unsettled_trials: Family<StateLabel, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cultivar");
        let buckets = [
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
        ];
        let request_seconds = Histogram::new(buckets);
        let requests = Family::default();
        let claims = Counter::default();
        let attempts_ended = Family::default();
        let superseded_writes = Counter::default();
        let revived_leases = Counter::default();
        let queue_depth = Gauge::default();
        let unsettled_trials = Family::default();
        registry.register(
            "http_requests",
            "Requests answered",
            Clone::clone(&requests),
        );
        registry.register(
            "http_request_seconds",
            "Time to answer, long polls included",
            request_seconds.clone(),
        );
        registry.register("leases_claimed", "Leases handed out", claims.clone());
        registry.register(
            "attempts_ended",
            "Attempts by outcome",
            Clone::clone(&attempts_ended),
        );
        registry.register(
            "superseded_writes",
            "Writes of superseded leases, kept aside",
            superseded_writes.clone(),
        );
        registry.register(
            "leases_revived",
            "Expired leases taken up again by their holder",
            revived_leases.clone(),
        );
        registry.register(
            "queue_depth",
            "Jobs waiting for a worker",
            queue_depth.clone(),
        );
        registry.register(
            "trials_unsettled",
            "Trials not yet settled, by state",
            Clone::clone(&unsettled_trials),
        );
        Self {
            registry,
            requests,
            request_seconds,
            claims,
            attempts_ended,
            superseded_writes,
            revived_leases,
            queue_depth,
            unsettled_trials,
        }
    }
}

impl Metrics {
    /// The page Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes any text");
        text
    }
}
