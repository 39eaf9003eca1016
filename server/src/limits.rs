//! How much a caller may ask for: the size of a body, the time of an answer, the rate of requests.
//!
//! Rates are token buckets, kept by each replica for itself: by token where there is one, by address
//! where nobody is recognised yet. They are far above what a person, a page or a fleet of workers needs,
//! and guard against loops run wild and against guessing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::http::Method;
use uuid::Uuid;

/// What kind of work a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The page, its description of the API, health: for anybody.
    Page,
    /// Where a secret is exchanged for another: for anybody, and slow, so that nobody guesses.
    Door,
    /// Handing out access.
    Access,
    Read,
    Write,
    /// Computes for a while.
    Costly,
    /// Brings a whole manifest.
    Manifest,
    /// What workers call all the time.
    Lease,
    Blob,
}

/// What a class admits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a document's body.
    pub body_bytes: usize,
    /// From the request's head to the answer's; none where a transfer takes as long as it takes.
    pub answer: Option<Duration>,
    pub per_s: f64,
    pub burst: f64,
}

impl Class {
    /// The class of a route; none is the page.
    pub fn of(method: &Method, route: Option<&str>) -> Self {
        let Some(path) = route.and_then(|route| route.strip_prefix("/api/v1/")) else {
            return Self::Page;
        };
        let is_get = method == Method::GET || method == Method::HEAD;
        match path.split('/').next().unwrap_or_default() {
            "session" if path == "session/links" => Self::Access,
            "session" if method == Method::POST => Self::Door,
            "workers" if path == "workers/enroll" => Self::Door,
            "workers" if path == "workers/enrolments" => Self::Access,
            "tokens" => Self::Access,
            "artifacts" => Self::Blob,
            "leases" | "heartbeats" => Self::Lease,
            "leaderboard" | "transfer" | "compare" | "race" => Self::Costly,
            "datasets" if !is_get => Self::Manifest,
            "sweeps" if path == "sweeps/preview" => Self::Costly,
            // What a claim is to workers; trainers ask again and again.
            "sweeps" if path == "sweeps/{id}/ask" => Self::Lease,
            _ if is_get => Self::Read,
            _ => Self::Write,
        }
    }

    pub fn limits(self) -> Limits {
        const KIB: usize = 1 << 10;
        const MIB: usize = 1 << 20;
        let seconds = |s| Some(Duration::from_secs(s));
        let limits = |body_bytes, answer, per_s, burst| Limits {
            body_bytes,
            answer,
            per_s,
            burst,
        };
        match self {
            Self::Page => limits(KIB, seconds(30), 500.0, 2_000.0),
            Self::Door => limits(4 * KIB, seconds(30), 5.0, 50.0),
            Self::Access => limits(16 * KIB, seconds(30), 20.0, 200.0),
            Self::Read => limits(64 * KIB, seconds(60), 1_000.0, 2_000.0),
            Self::Write => limits(8 * MIB, seconds(120), 2_000.0, 4_000.0),
            Self::Costly => limits(8 * MIB, seconds(300), 50.0, 200.0),
            // It names some hundred thousand images.
            Self::Manifest => limits(64 * MIB, seconds(300), 50.0, 200.0),
            // Ten thousand workers may share a token. Answers may wait for a job.
            Self::Lease => limits(16 * MIB, seconds(120), 20_000.0, 40_000.0),
            Self::Blob => limits(0, None, 1_000.0, 4_000.0),
        }
    }
}

/// Whose bucket is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Token(Uuid),
    Address(IpAddr),
}

impl Key {
    /// Of IPv6, the network: whoever has one address there has 2^64.
    pub fn of_address(ip: IpAddr) -> Self {
        let IpAddr::V6(v6) = ip else {
            return Self::Address(ip);
        };
        let network = u128::from(v6) >> 64 << 64;
        match v6.to_ipv4_mapped() {
            Some(v4) => Self::Address(IpAddr::V4(v4)),
            None => Self::Address(IpAddr::V6(Ipv6Addr::from(network))),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Instant,
}

/// Buckets beyond which the full ones, which say nothing, are dropped.
const SWEEP_AT: usize = 10_000;

/// The buckets of one replica.
#[derive(Debug)]
pub struct Buckets {
    scale: f64,
    buckets: Mutex<HashMap<(Class, Key), Bucket>>,
}

impl Buckets {
    /// `scale` multiplies rates and bursts; 0 takes them away.
    pub fn new(scale: f64) -> Self {
        Self {
            scale,
            buckets: Mutex::default(),
        }
    }

    /// Draws one request.
    ///
    /// # Errors
    /// How long to wait until there is one.
    pub fn take(&self, class: Class, key: Key, now: Instant) -> Result<(), Duration> {
        if self.scale <= 0.0 {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().expect("no panic under the lock");
        if buckets.len() >= SWEEP_AT {
            buckets
                .retain(|(class, _), bucket| self.level(*class, bucket, now) < self.burst(*class));
        }
        let burst = self.burst(class);
        let bucket = buckets.entry((class, key)).or_insert(Bucket {
            level: burst,
            at: now,
        });
        bucket.level = self.level(class, bucket, now);
        bucket.at = now;
        if bucket.level >= 1.0 {
            bucket.level -= 1.0;
            return Ok(());
        }
        let missing = 1.0 - bucket.level;
        Err(Duration::from_secs_f64(missing / self.per_s(class)))
    }

    fn per_s(&self, class: Class) -> f64 {
        class.limits().per_s * self.scale
    }

    fn burst(&self, class: Class) -> f64 {
        (class.limits().burst * self.scale).max(1.0)
    }

    fn level(&self, class: Class, bucket: &Bucket, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.level + seconds * self.per_s(class)).min(self.burst(class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_refills_and_is_nobody_elses() {
        let buckets = Buckets::new(1.0);
        let start = Instant::now();
        let key = |last| Key::of_address(IpAddr::from([10, 0, 0, last]));
        for _ in 0..50 {
            assert!(buckets.take(Class::Door, key(1), start).is_ok());
        }
        let wait = buckets.take(Class::Door, key(1), start).unwrap_err();
        assert_eq!(wait, Duration::from_secs_f64(0.2));
        assert!(buckets.take(Class::Door, key(2), start).is_ok());
        assert!(buckets.take(Class::Read, key(1), start).is_ok());
        let later = start + Duration::from_millis(201);
        assert!(buckets.take(Class::Door, key(1), later).is_ok());
        assert!(buckets.take(Class::Door, key(1), later).is_err());

        let unlimited = Buckets::new(0.0);
        assert!((0..1000).all(|_| unlimited.take(Class::Door, key(1), start).is_ok()));
    }

    #[test]
    fn many_callers_do_not_fill_the_memory() {
        let buckets = Buckets::new(1.0);
        let start = Instant::now();
        for n in 0..3 * SWEEP_AT as u128 {
            let now = start + Duration::from_millis(n as u64);
            let ip = Ipv6Addr::from(n << 64);
            buckets
                .take(Class::Read, Key::of_address(ip.into()), now)
                .ok();
        }
        let n_kept = buckets.buckets.lock().unwrap().len();
        assert!(n_kept <= SWEEP_AT, "{n_kept} buckets");
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let key = |text: &str| Key::of_address(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::2:3"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
    }
}
