//! What a server is told at start-up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of one replica.
#[derive(Clone, Debug)]
pub struct Config {
    /// Blobs and the admin token live here.
    pub home: PathBuf,
    pub database_url: String,
    /// A lease not renewed for this long is given to somebody else, in seconds.
    pub lease_s: f64,
    /// How often workers are asked to send heartbeats, in seconds.
    pub heartbeat_s: f64,
    /// The address bound, once it is.
    pub local_addr: SocketAddr,
    /// Serve TLS with these files.
    pub tls: Option<TlsFiles>,
    /// Scheme and host that people type where a proxy stands before this server, without a slash at the end.
    pub public_url: Option<String>,
    /// Believe the last entry of `X-Forwarded-For`: only where a proxy of one's own writes it.
    pub trust_forwarded: bool,
    /// Multiplies the rates of [`crate::limits`]; 0 takes them away.
    pub rate_scale: f64,
    pub pace: Pace,
    pub retention: Retention,
}

/// The certificate chain and its key, as PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// How long a slow client is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For a TLS handshake, and for the whole head of a request.
    pub head: Duration,
    /// For the whole body of a document, and for the next piece of an artifact.
    pub body: Duration,
    /// For the client to take the next piece of an answer.
    pub write: Duration,
}

/// Which blobs stay.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Of every sweep, only this many of the best completed trials keep model and checkpoint.
    /// None: all keep theirs.
    pub keep_best: Option<u32>,
    /// A blob nobody refers to goes when it has not been asked about for this long.
    pub grace: Duration,
}

impl Config {
    /// Settings that are left out, as the command line's defaults.
    pub fn new(home: PathBuf, database_url: String, local_addr: SocketAddr) -> Self {
        Self {
            home,
            database_url,
            lease_s: 30.0,
            heartbeat_s: 5.0,
            local_addr,
            tls: None,
            public_url: None,
            trust_forwarded: false,
            rate_scale: 1.0,
            pace: Pace {
                head: Duration::from_secs(30),
                body: Duration::from_secs(60),
                write: Duration::from_secs(60),
            },
            retention: Retention {
                keep_best: None,
                grace: Duration::from_secs(24 * 3600),
            },
        }
    }

    /// Where artifacts are kept.
    pub fn blobs_dir(&self) -> PathBuf {
        self.home.join("blobs")
    }

    /// The file that holds this machine's admin token.
    pub fn admin_token_file(&self) -> PathBuf {
        self.home.join("admin-token")
    }

    /// The token of workers that are started beside the server.
    pub fn worker_token_file(&self) -> PathBuf {
        self.home.join("worker-token")
    }

    /// Reachable from this machine only.
    pub fn is_loopback(&self) -> bool {
        self.local_addr.ip().is_loopback()
    }

    /// The page's address as a person on this machine would type it.
    pub fn url(&self) -> String {
        let scheme = self.scheme();
        let port = self.local_addr.port();
        match self.local_addr {
            SocketAddr::V4(addr) if addr.ip().is_unspecified() => {
                format!("{scheme}://127.0.0.1:{port}")
            }
            SocketAddr::V6(addr) if addr.ip().is_unspecified() => {
                format!("{scheme}://[::1]:{port}")
            }
            addr => format!("{scheme}://{addr}"),
        }
    }

    /// The page's address as whoever reached this server under the name `host` would type it.
    pub fn url_at(&self, host: Option<&str>) -> String {
        match (&self.public_url, host) {
            (Some(url), _) => url.clone(),
            (None, Some(host)) if !self.is_loopback() && !host.is_empty() => {
                format!("{}://{host}", self.scheme())
            }
            (None, _) => self.url(),
        }
    }

    fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }

    /// Whether browsers reach this server by TLS only, its own or a proxy's.
    pub fn is_secure(&self) -> bool {
        let by_proxy = |url: &String| url.starts_with("https://");
        self.tls.is_some() || self.public_url.as_ref().is_some_and(by_proxy)
    }

    /// Host and port of the public address.
    pub fn public_host(&self) -> Option<&str> {
        self.public_url
            .as_ref()?
            .split_once("://")
            .map(|(_, host)| host)
    }

    /// Under TLS the prefix makes browsers refuse the cookie from anybody but this very host. Without,
    /// the name carries the port, since cookies know none and two servers on one machine must stay apart.
    pub fn session_cookie(&self) -> String {
        match self.is_secure() {
            true => "__Host-cultivar_session".into(),
            false => format!("cultivar_session_{}", self.local_addr.port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_where_its_caller_can_open_it() {
        let mut config = Config::new("/".into(), String::new(), ([127, 0, 0, 1], 7878).into());
        assert_eq!(
            config.url_at(Some("localhost:7878")),
            "http://127.0.0.1:7878"
        );
        config.local_addr = ([0, 0, 0, 0], 7878).into();
        assert_eq!(config.url_at(Some("gpu-1:7878")), "http://gpu-1:7878");
        for host in [None, Some("")] {
            assert_eq!(config.url_at(host), "http://127.0.0.1:7878");
        }
        config.tls = Some(TlsFiles {
            cert: "/cert.pem".into(),
            key: "/key.pem".into(),
        });
        assert_eq!(config.url_at(Some("gpu-1:7878")), "https://gpu-1:7878");
        config.public_url = Some("https://cultivar.example".into());
        assert_eq!(
            config.url_at(Some("gpu-1:7878")),
            "https://cultivar.example"
        );
    }
}
