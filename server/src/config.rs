//! What a server is told at start-up.

use std::net::SocketAddr;
use std::path::PathBuf;

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
}

impl Config {
    /// Where artifacts are kept.
    pub fn blobs_dir(&self) -> PathBuf {
        self.home.join("blobs")
    }

    /// The file that holds this machine's admin token.
    pub fn admin_token_file(&self) -> PathBuf {
        self.home.join("admin-token")
    }

    /// Reachable from this machine only.
    pub fn is_loopback(&self) -> bool {
        self.local_addr.ip().is_loopback()
    }

    /// The page's address as a person on this machine would type it.
    pub fn url(&self) -> String {
        let port = self.local_addr.port();
        match self.local_addr {
            SocketAddr::V4(addr) if addr.ip().is_unspecified() => {
                format!("http://127.0.0.1:{port}")
            }
            SocketAddr::V6(addr) if addr.ip().is_unspecified() => format!("http://[::1]:{port}"),
            addr => format!("http://{addr}"),
        }
    }

    /// Cookies know no ports, so the name carries it: two servers on one machine stay apart.
    pub fn session_cookie(&self) -> String {
        format!("cultivar_session_{}", self.local_addr.port())
    }
}
