//! `cultivar worker`.

use clap::Subcommand;
use cultivar_spec::wire::WorkerView;

use crate::numbers::ago;
use crate::session::Session;
use crate::table::{self, Column::{Number, Text}};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// List worker daemons, the latest heard of first
    Ls,
}

pub async fn run(Command::Ls: Command, session: &Session) -> anyhow::Result<()> {
    let workers = session.client.workers().await?;
    session.print(&workers, |workers| list(workers))
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
            if worker.online { "online" } else { "away" }.to_owned(),
            worker.trials.len().to_string(),
            ago(worker.seen_at, now),
            worker.version.clone(),
        ]);
    }
    table::render(&table)
}
