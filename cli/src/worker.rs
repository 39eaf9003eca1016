//! `cultivar worker`.

use clap::Subcommand;
use cultivar_spec::WorkerId;
use cultivar_spec::wire::{NewEnrolment, WorkerView};

use crate::numbers::ago;
use crate::session::Session;
use crate::table::{
    self,
    Column::{Number, Text},
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// List worker daemons, the latest heard of first
    Ls,
    /// Make a token that one worker exchanges, once, for its own; printed for the only time
    EnrollToken {
        /// What the worker's token will be called
        #[arg(long)]
        name: String,
        /// Minutes until it expires
        #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=43_200))]
        expires_in: u64,
    },
    /// Let a quarantined worker have work again, and forgive its faults
    Release {
        /// The worker
        id: WorkerId,
    },
}

pub async fn run(command: Command, session: &Session) -> anyhow::Result<()> {
    match command {
        Command::Ls => {
            let workers = session.client.workers().await?;
            session.print(&workers, |workers| list(workers))
        }
        Command::EnrollToken { name, expires_in } => {
            let new = NewEnrolment {
                name,
                expires_in_s: expires_in * 60,
            };
            let created = session.client.create_enrolment(&new).await?;
            // Alone on its line, so that a script can take it.
            session.print(&created, |created| created.token.clone())
        }
        Command::Release { id } => {
            session.client.release_worker(id).await?;
            session.print(&serde_json::json!({"released": id}), |_| {
                "it gets work again".into()
            })
        }
    }
}

fn list(workers: &[WorkerView]) -> String {
    if workers.is_empty() {
        return "no worker has been heard of: cultivar-worker run".into();
    }
    let mut table = table::new(&[
        Text("Worker"),
        Text("Device"),
        Number("Threads"),
        Text("State"),
        Number("Trials"),
        Text("Heard of"),
        Text("Version"),
    ]);
    let now = chrono::Utc::now();
    for worker in workers {
        table.add_row([
            worker.name.clone(),
            worker.device.name.clone(),
            worker.device.n_threads.to_string(),
            state(worker).to_owned(),
            worker.trials.len().to_string(),
            ago(worker.seen_at, now),
            worker.version.clone(),
        ]);
    }
    let mut text = table::render(&table);
    for worker in workers {
        if let Some(reason) = &worker.quarantine_reason {
            text.push_str(&format!(
                "\n{} is quarantined: {reason}\n  once it is mended: cultivar worker release {}",
                worker.name, worker.id
            ));
        }
    }
    text
}

fn state(worker: &WorkerView) -> &'static str {
    match (worker.quarantined_at, worker.online) {
        (Some(_), _) => "quarantined",
        (None, true) => "online",
        (None, false) => "away",
    }
}
