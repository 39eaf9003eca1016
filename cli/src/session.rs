//! What every command shares: where the server is, who is asking, and how the answer is printed.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use cultivar_client::Client;
use cultivar_spec::{Secret, SecretKind};
use serde::Serialize;

use crate::home::{self, Home};

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// The server
    #[arg(
        long,
        global = true,
        env = "CULTIVAR_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:7878",
        help_heading = "Global options"
    )]
    url: String,
    /// API token [default: HOME/admin-token]
    #[arg(
        long,
        global = true,
        env = "CULTIVAR_TOKEN",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    token: Option<String>,
    /// Data folder [default: ~/.local/share/cultivar; for root /var/lib/cultivar]
    #[arg(
        long,
        global = true,
        env = "CULTIVAR_HOME",
        hide_env_values = true,
        value_name = "FOLDER",
        help_heading = "Global options"
    )]
    home: Option<PathBuf>,
    /// Trust the certificates of this PEM file only
    #[arg(
        long,
        global = true,
        env = "CULTIVAR_CA_CERT",
        hide_env_values = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    ca_cert: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
}

impl Global {
    /// The data folder in force.
    pub fn home(&self) -> anyhow::Result<Home> {
        match &self.home {
            Some(home) => Home::new(home),
            None => Home::new(&home::default()?),
        }
    }

    /// A client of the server in force.
    ///
    /// # Errors
    /// The URL is none, or there is no token.
    pub fn connect(&self) -> anyhow::Result<Session> {
        let home = self.home()?;
        let token = match &self.token {
            Some(token) => token.clone(),
            None => home.admin_token()?.with_context(|| {
                format!(
                    "no API token: give --token or CULTIVAR_TOKEN (there is no admin-token in {}, where a server \
                     on this machine leaves one)",
                    home.path().display()
                )
            })?,
        };
        Secret::parse(SecretKind::Access, token.trim())?;
        Ok(Session {
            client: Client::with_ca(&self.url, token.trim(), self.ca_cert.as_deref())?,
            json: self.json,
        })
    }
}

/// A connected command.
pub struct Session {
    pub client: Client,
    pub json: bool,
}

impl Session {
    /// Prints an answer: as it came with `--json`, else as `text` words it.
    pub fn print<T: Serialize>(
        &self,
        answer: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(answer)?);
        } else {
            println!("{}", text(answer));
        }
        Ok(())
    }
}
