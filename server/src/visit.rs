//! One request, as the layers around the handler see it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::Method;
use cultivar_spec::wire::Scope;
use uuid::Uuid;

use crate::config::Config;
use crate::limits::Class;

/// Travels with the request as an extension.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Names the request in log, answer and audit.
    pub id: Uuid,
    /// Where it comes from.
    pub ip: IpAddr,
    /// Method and route, never the path: paths hold ids.
    pub method: String,
    pub route: Option<String>,
    pub class: Class,
    /// How long a document's body may take.
    pub body_within: Duration,
    /// Told by whoever recognises the caller.
    pub caller: Arc<OnceLock<Caller>>,
}

/// Who was recognised.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub token_id: Uuid,
    pub scope: Scope,
}

impl Visit {
    pub fn of(request: &Request, config: &Config) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map(|path| path.as_str().to_owned());
        let method = request.method();
        Self {
            id: Uuid::new_v4(),
            ip: address(request, config.trust_forwarded),
            class: Class::of(method, route.as_deref()),
            method: name_of(method).to_owned(),
            route,
            body_within: config.pace.body,
            caller: Arc::default(),
        }
    }
}

/// One of a few names: a client may invent methods, and each would be counted and recorded by itself.
fn name_of(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    match known.contains(method) {
        true => method.as_str(),
        false => "other",
    }
}

fn address(request: &Request, trust_forwarded: bool) -> IpAddr {
    let forwarded = || {
        let header = request
            .headers()
            .get_all("x-forwarded-for")
            .iter()
            .next_back()?;
        header
            .to_str()
            .ok()?
            .rsplit(',')
            .next()?
            .trim()
            .parse()
            .ok()
    };
    let direct = || {
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        Some(peer.ip())
    };
    trust_forwarded
        .then(forwarded)
        .flatten()
        .or_else(direct)
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
