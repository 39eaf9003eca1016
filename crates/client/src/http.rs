//! One HTTP call: how it is addressed, repeated, timed and read.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cultivar_spec::wire::{ErrorBody, IDEMPOTENCY_KEY};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{Backoff, Error};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For calls that need no waiting on the server's side.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server that is away is waited for, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(3);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Speaks to one server with one token. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: HeaderValue,
    pub(crate) patience: Duration,
}

/// What happens if a call is sent twice.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repeat {
    /// Nothing more than if it is sent once.
    Harmless,
    /// The server recognises it by its key.
    Keyed(Uuid),
    /// Something else: it is sent again only where it certainly had no effect.
    Harmful,
}

/// A call before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub method: Method,
    pub url: Url,
    pub body: Option<Bytes>,
    pub repeat: Repeat,
    /// From sending to the last byte of the answer; none for streams, which watch their own pace.
    pub timeout: Option<Duration>,
    pub headers: HeaderMap,
}

impl Call {
    /// As error messages name it.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.url.path())
    }
}

/// A failed try, and how long the server wants to be left alone.
pub(crate) struct Failure {
    pub error: Error,
    retry_after: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

/// What every HTTP client of ours has in common, for a server at `base`.
pub(crate) fn builder(base: &Url) -> reqwest::ClientBuilder {
    // reqwest is built without a choice of its own.
    static CRYPTO: Once = Once::new();
    CRYPTO.call_once(|| {
        // An error means that the program chose before us, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("cultivar/", env!("CARGO_PKG_VERSION")));
    if base.scheme() == "http" {
        // Certificates would be read, and would have to exist, for nothing.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    builder
}

impl Client {
    /// A client of the server at `base_url`; nothing is sent yet.
    ///
    /// # Errors
    /// The URL is none, or the token cannot be one.
    pub fn new(base_url: &str, token: impl Into<String>) -> Result<Self, Error> {
        Self::with_ca(base_url, token, None)
    }

    /// A client that trusts the certificates of a PEM file, and no others.
    ///
    /// # Errors
    /// The file holds no certificate, the URL is none, or the token cannot be one.
    pub fn with_ca(
        base_url: &str,
        token: impl Into<String>,
        ca: Option<&Path>,
    ) -> Result<Self, Error> {
        Self::build(base_url, token, |builder, base| {
            let (Some(ca), "https") = (ca, base.scheme()) else {
                return Ok(builder);
            };
            let pem = std::fs::read(ca).map_err(|e| Error::file(ca, e))?;
            let certs = reqwest::Certificate::from_pem_bundle(&pem).map_err(Error::Setup)?;
            Ok(builder.tls_certs_only(certs))
        })
    }

    /// A client whose calls come from this address of the machine. One address has some ten thousand ports for one server.
    ///
    /// # Errors
    /// The URL is none, or the token cannot be one.
    pub fn from_address(
        base_url: &str,
        token: impl Into<String>,
        address: IpAddr,
    ) -> Result<Self, Error> {
        Self::build(base_url, token, |builder, _| {
            Ok(builder.local_address(address))
        })
    }

    fn build(
        base_url: &str,
        token: impl Into<String>,
        set_up: impl FnOnce(reqwest::ClientBuilder, &Url) -> Result<reqwest::ClientBuilder, Error>,
    ) -> Result<Self, Error> {
        let base = parse_base(base_url)?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.into()))
            .map_err(|_| Error::BadToken)?;
        authorization.set_sensitive(true);
        let builder = builder(&base).redirect(reqwest::redirect::Policy::none());
        Ok(Self {
            http: set_up(builder, &base)?.build().map_err(Error::Setup)?,
            base,
            authorization,
            patience: PATIENCE,
        })
    }

    /// The same client, which waits this long for a server that is away. Zero: every call is sent once.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        self.base.as_str()
    }

    pub(crate) fn call(&self, method: Method, path: &[&str], repeat: Repeat) -> Call {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL has a path")
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        Call {
            method,
            url,
            body: None,
            repeat,
            timeout: Some(CALL_TIMEOUT),
            headers: HeaderMap::new(),
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Error> {
        self.json(&self.query(path, query)).await
    }

    pub(crate) async fn get_text(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<String, Error> {
        let bytes = self.bytes(&self.query(path, query)).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn query(&self, path: &[&str], query: &[(&str, String)]) -> Call {
        let mut call = self.call(Method::GET, path, Repeat::Harmless);
        if !query.is_empty() {
            call.url.query_pairs_mut().extend_pairs(query);
        }
        call
    }

    /// A POST that creates something: carries a key, made here once for all its tries.
    pub(crate) async fn create<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Error> {
        self.post(path, body, Repeat::Keyed(Uuid::new_v4())).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        repeat: Repeat,
    ) -> Result<T, Error> {
        self.json(&self.post_call(path, body, repeat)).await
    }

    pub(crate) fn post_call(&self, path: &[&str], body: &impl Serialize, repeat: Repeat) -> Call {
        self.body_call(Method::POST, path, body, repeat)
    }

    pub(crate) fn body_call(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
        repeat: Repeat,
    ) -> Call {
        let mut call = self.call(method, path, repeat);
        let body = serde_json::to_vec(body).expect("wire types serialize");
        call.body = Some(body.into());
        call
    }

    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let bytes = self.bytes(call).await?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Unreadable {
            request: call.line(),
            source,
        })
    }

    pub(crate) async fn bytes(&self, call: &Call) -> Result<Bytes, Error> {
        Ok(self.answer(call).await?.1)
    }

    /// Sends a call, again where it helps and does no harm, and reads the whole answer.
    pub(crate) async fn answer(&self, call: &Call) -> Result<(HeaderMap, Bytes), Error> {
        let attempt = || async move {
            let mut response = self.send(call, reqwest::Body::default()).await?;
            let headers = std::mem::take(response.headers_mut());
            let bytes = response.bytes().await;
            let bytes = bytes.map_err(|error| Failure::from(broken(call, &error)))?;
            Ok((headers, bytes))
        };
        self.repeat(call, attempt).await
    }

    /// Runs tries of `call` until one succeeds, fails for good, or patience ends.
    pub(crate) async fn repeat<T, F>(
        &self,
        call: &Call,
        attempt: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let deadline = Instant::now() + self.patience;
        let mut backoff = Backoff::new(MAX_WAIT);
        loop {
            let failure = match attempt().await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let allowed = match call.repeat {
                Repeat::Harmless | Repeat::Keyed(_) => failure.error.is_transient(),
                Repeat::Harmful => failure.error.is_untouched(),
            };
            let wait = backoff.next(&mut rand::rng());
            let wait = failure.retry_after.unwrap_or_default().max(wait);
            if !allowed || Instant::now() + wait > deadline {
                return Err(failure.error);
            }
            tracing::debug!(error = %failure.error, ?wait, "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends a call once. `stream` is its body where the call has none of its own.
    pub(crate) async fn send(
        &self,
        call: &Call,
        stream: reqwest::Body,
    ) -> Result<Response, Failure> {
        let mut request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .headers(call.headers.clone());
        if let Some(timeout) = call.timeout {
            request = request.timeout(timeout);
        }
        if let Repeat::Keyed(key) = call.repeat {
            request = request.header(IDEMPOTENCY_KEY, key.to_string());
        }
        request = match &call.body {
            Some(body) => request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone()),
            None if call.method == Method::PUT => request.body(stream),
            None => request,
        };
        let response = request.send().await.map_err(|error| {
            if error.is_connect() {
                Error::NoServer {
                    url: self.base.as_str().trim_end_matches('/').to_owned(),
                    reason: innermost(&error),
                }
            } else {
                broken(call, &error)
            }
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refused(call, response).await)
    }
}

fn parse_base(text: &str) -> Result<Url, Error> {
    let bad = |reason: &str| Error::BadUrl {
        url: text.to_owned(),
        reason: reason.to_owned(),
    };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        scheme => Err(bad(&format!("its scheme is {scheme:?}"))),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

pub(crate) fn broken(call: &Call, error: &reqwest::Error) -> Error {
    let reason = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        innermost(error)
    };
    Error::Broken {
        request: call.line(),
        reason,
    }
}

/// The cause at the bottom, which is the one that says something.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

async fn refused(call: &Call, response: Response) -> Failure {
    let status = response.status();
    let header = |name| {
        let value: Option<&HeaderValue> = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let retry_after = header(RETRY_AFTER)
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs);
    let location = header(LOCATION);
    let text = response.text().await.unwrap_or_default();
    // Proxies in between answer in HTML, or with nothing.
    let body = serde_json::from_str(&text).unwrap_or_else(|_| ErrorBody {
        error: match location {
            Some(location) => format!("redirected to {location}: use that address"),
            None => reason(status),
        },
        code: "unavailable".into(),
        violations: Vec::new(),
        request_id: None,
    });
    Failure {
        error: Error::Refused {
            request: call.line(),
            status: status.as_u16(),
            body,
        },
        retry_after,
    }
}

fn reason(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or("refused");
    reason.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_none_are_refused() {
        for text in ["127.0.0.1:7878", "ftp://host/", "", "unix:/run/cultivar"] {
            assert!(
                matches!(Client::new(text, "t"), Err(Error::BadUrl { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            Client::new("http://localhost", "a\nb"),
            Err(Error::BadToken)
        ));
    }

    #[test]
    fn paths_keep_a_prefix_and_are_escaped() {
        for base in ["http://host/behind/proxy", "http://host/behind/proxy/"] {
            let client = Client::new(base, "t").unwrap();
            let call = client.call(Method::GET, &["datasets", "a/b c"], Repeat::Harmless);
            assert_eq!(
                call.url.as_str(),
                "http://host/behind/proxy/api/v1/datasets/a%2Fb%20c"
            );
        }
    }

    #[test]
    fn a_token_never_shows() {
        let client = Client::new("http://localhost", "cvt_secret").unwrap();
        assert!(!format!("{client:?}").contains("cvt_secret"));
    }
}
