//! `cultivar token` and `cultivar login-url`.

use clap::{Subcommand, ValueEnum};
use cultivar_spec::TokenId;
use cultivar_spec::wire::{NewToken, Rotation, Scope, TokenKind, TokenView};

use crate::numbers::ago;
use crate::session::Session;
use crate::table::{self, Column::Text};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a token and print it, for the only time
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        scope: May,
        /// Days until it expires [default: never]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
        expires_in: Option<u64>,
    },
    /// List tokens, without their secrets
    Ls,
    /// Make a successor of a token and print it, for the only time
    Rotate {
        id: TokenId,
        /// Hours for which the old one works beside it
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=8760))]
        overlap: u64,
    },
    /// Make a token worthless
    Revoke { id: TokenId },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum May {
    /// Read everything
    Viewer,
    /// Also submit and cancel
    Submitter,
    /// Claim trials and write their results
    Worker,
    /// Everything
    Admin,
}

pub async fn run(command: Command, session: &Session) -> anyhow::Result<()> {
    let client = &session.client;
    match command {
        Command::Create {
            name,
            scope,
            expires_in,
        } => {
            let new = NewToken {
                name,
                scope: match scope {
                    May::Viewer => Scope::Viewer,
                    May::Submitter => Scope::Submitter,
                    May::Worker => Scope::Worker,
                    May::Admin => Scope::Admin,
                },
                expires_in_s: expires_in.map(|days| days * 86_400),
            };
            let created = client.create_token(&new).await?;
            // Alone on its line, so that a script can take it.
            session.print(&created, |created| created.token.clone())
        }
        Command::Ls => {
            let tokens = client.tokens().await?;
            session.print(&tokens, |tokens| list(tokens))
        }
        Command::Rotate { id, overlap } => {
            let rotation = Rotation {
                overlap_s: overlap * 3600,
            };
            let created = client.rotate_token(id, &rotation).await?;
            session.print(&created, |created| created.token.clone())
        }
        Command::Revoke { id } => {
            client.revoke_token(id).await?;
            if !session.json {
                println!("{id} is revoked");
            }
            Ok(())
        }
    }
}

pub async fn login_url(session: &Session) -> anyhow::Result<()> {
    let link = session.client.create_login_link().await?;
    // Alone on its line, so that a script can take it.
    session.print(&link, |link| link.url.clone())
}

fn list(tokens: &[TokenView]) -> String {
    let mut table = table::new(&[
        Text("Token"),
        Text("Name"),
        Text("Scope"),
        Text("State"),
        Text("Last used"),
        Text("Created"),
    ]);
    let now = chrono::Utc::now();
    for token in tokens {
        let expired = token.expires_at.is_some_and(|at| at <= now);
        // An enrolment that was used is revoked by that.
        let state = match (token.revoked_at, expired, token.kind) {
            (Some(_), _, TokenKind::Enrolment) if token.last_used_at.is_some() => "used",
            (Some(_), _, _) => "revoked",
            (None, true, _) => "expired",
            (None, false, TokenKind::Enrolment) => "enrols a worker",
            (None, false, TokenKind::Access) => "valid",
        };
        table.add_row([
            token.id.to_string(),
            token.name.clone(),
            token.scope.name().to_owned(),
            state.to_owned(),
            token.last_used_at.map_or("never".into(), |at| ago(at, now)),
            ago(token.created_at, now),
        ]);
    }
    table::render(&table)
}
