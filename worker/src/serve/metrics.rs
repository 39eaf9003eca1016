//! What the service did, in Prometheus' text format.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// In seconds.
const TIMES: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
/// In images.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route's pattern, never the path: anybody can make paths up.
    pub route: String,
    pub status: u16,
}

/// Counters since the start.
pub struct Metrics {
    registry: Registry,
    pub requests: Family<RequestLabels, Counter>,
    /// Of predictions, from head to answer.
    pub predict_seconds: Histogram,
    pub batch_images: Histogram,
    pub batch_seconds: Histogram,
    pub queue_depth: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cultivar_serve");
        let requests = Family::default();
        let predict_seconds = Histogram::new(TIMES);
        let batch_images = Histogram::new(SIZES);
        let batch_seconds = Histogram::new(TIMES);
        let queue_depth = Gauge::default();
        registry.register(
            "http_requests",
            "Requests answered",
            Clone::clone(&requests),
        );
        registry.register(
            "predict_seconds",
            "Time to answer a prediction, refusals included",
            predict_seconds.clone(),
        );
        registry.register(
            "batch_images",
            "Images predicted together",
            batch_images.clone(),
        );
        registry.register(
            "batch_seconds",
            "Time to predict a batch",
            batch_seconds.clone(),
        );
        registry.register(
            "queue_depth",
            "Images that wait, those being decoded included",
            queue_depth.clone(),
        );
        Self {
            registry,
            requests,
            predict_seconds,
            batch_images,
            batch_seconds,
            queue_depth,
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
