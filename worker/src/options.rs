//! The command line of `cultivar-worker`.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use cultivar_client::Client;
use cultivar_spec::document::Change;
use cultivar_spec::wire::Enrolment;

use crate::home::Home;

use crate::local::export::Export;
use crate::local::preview::Preview;

/// Trains the trials of a Cultivar server on this machine
#[derive(Parser, Debug)]
#[command(
    name = "cultivar-worker",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunOptions,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Claim trials and train them, until told to stop (the default)
    Run(RunOptions),
    /// Train one spec here, without a server
    Train(TrainOptions),
    /// Predict images with a trained model, without a server
    Predict(PredictOptions),
    /// Answer over HTTP what a trained model sees in an image, without a server
    Serve(ServeOptions),
    /// Write a trained model as TorchScript
    Export(Export),
    /// Write a contact sheet of what the network will see
    Preview(Preview),
    /// The child process that trains; started by the daemon
    #[command(hide = true)]
    Trainer,
}

/// Trials trained at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slots {
    Fixed(NonZeroUsize),
    /// By the memory that trials take.
    Auto,
}

impl FromStr for Slots {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let n = text.parse();
        n.map(Self::Fixed)
            .map_err(|_| "want a number of 1 or more, or auto".into())
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => n.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// The server
    #[arg(long, env = "CULTIVAR_URL", default_value = "http://127.0.0.1:7878")]
    pub url: String,
    /// A token with the scope worker
    #[arg(long, env = "CULTIVAR_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file that holds the token
    #[arg(long, env = "CULTIVAR_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A token of `cultivar worker enroll-token`, exchanged once for one of this worker's own, which
    /// is kept in its data folder
    #[arg(
        long,
        env = "CULTIVAR_ENROLL_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    enroll_token: Option<String>,
    /// Trust the certificates of this PEM file only
    #[arg(long, env = "CULTIVAR_CA_CERT", value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Data folder; this worker's part of it is HOME/worker [default: ~/.local/share/cultivar; for
    /// root /var/lib/cultivar]
    #[arg(long, env = "CULTIVAR_HOME", value_name = "FOLDER")]
    pub home: Option<PathBuf>,
    /// What people see it as [default: the host's name]
    #[arg(long)]
    pub name: Option<String>,
    /// Trials trained at the same time, each by a process of its own; auto: as many as fit into the
    /// device's memory, by what those before them took
    #[arg(long, default_value = "1", value_name = "N|auto")]
    pub slots: Slots,
    /// Trials that need labels go to workers that have them; may be given several times
    #[arg(
        long = "label",
        env = "CULTIVAR_LABELS",
        value_name = "LABEL",
        value_delimiter = ','
    )]
    pub labels: Vec<String>,
    /// Trials may name weights and TorchScript backbones in this folder, as file:NAME
    #[arg(long, env = "CULTIVAR_FILES", value_name = "FOLDER")]
    pub files: Option<PathBuf>,
    /// End when the queue is empty and nothing runs
    #[arg(long)]
    pub once: bool,
    /// Silence after which a trainer counts as stalled, whatever its pace
    #[arg(long, hide = true, default_value = "300", value_name = "SECONDS", value_parser = seconds)]
    pub min_stall: Duration,
    /// Between two looks at the memory under --slots auto
    #[arg(long, hide = true, default_value = "3", value_name = "SECONDS", value_parser = seconds)]
    pub look_every: Duration,
    /// A program to start instead of this one's own trainer, with its arguments
    #[arg(long, hide = true, num_args = 1.., allow_hyphen_values = true)]
    pub trainer_command: Vec<PathBuf>,
}

/// Prints one line an epoch on standard error. Ctrl-C stores a checkpoint and ends; `--resume` goes on from it
/// and ends with the weights of a run that was never interrupted.
#[derive(Args, Clone, Debug)]
pub struct TrainOptions {
    /// The trial spec, as YAML; - reads standard input
    pub spec: PathBuf,
    /// The images: a folder as `cultivar dataset add` takes it, or an imported version
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where model, predictions and metrics go [default: run-CONFIG-seedN]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The backbone's pretrained weights, as safetensors under timm's parameter names; or, for the backbone torchscript,
    /// its module, a .pt file
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Go on from the folder's newest checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Change a field of the spec, such as fit.epochs=5
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub changes: Vec<Change>,
    /// Data folder, for imported images and decoded pixels [default: ~/.local/share/cultivar; for
    /// root /var/lib/cultivar]
    #[arg(long, env = "CULTIVAR_HOME", value_name = "FOLDER")]
    pub home: Option<PathBuf>,
    /// Print the result as JSON and nothing else; an error is JSON too, on standard error
    #[arg(long)]
    pub json: bool,
}

/// Writes a CSV file: the image, then its likeliest classes and their probabilities.
#[derive(Args, Clone, Debug)]
pub struct PredictOptions {
    /// A model that Cultivar trained: model.safetensors
    pub model: PathBuf,
    /// Image files, and folders of them as deep as you like
    #[arg(required = true, value_name = "IMAGES")]
    pub images: Vec<PathBuf>,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Classes listed for each image
    #[arg(long, default_value = "5", value_name = "N", value_parser = at_least_one)]
    pub top: usize,
}

/// POST an image to /v1/predict; GET /v1/model, /healthz and /metrics. There is no token: listen on loopback, and put a proxy
/// before it. SIGTERM ends it once what was asked is answered.
#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    /// A model that Cultivar trained: model.safetensors
    pub model: PathBuf,
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Images predicted together at most; four times as many may wait
    #[arg(long, default_value = "32", value_name = "N", value_parser = at_most_1024)]
    pub max_batch: usize,
    /// Milliseconds that an image waits for others to be predicted with
    #[arg(long, default_value = "5", value_name = "MS", value_parser = clap::value_parser!(u64).range(..=10_000))]
    pub max_wait_ms: u64,
    /// Classes answered for each image, where a request does not say
    #[arg(long, default_value = "5", value_name = "N", value_parser = at_least_one)]
    pub top: usize,
}

impl RunOptions {
    /// A client of the server with the token from wherever it was given, or with the one that an
    /// enrolment of this worker yields or has yielded. Where that one is refused, an enrolment token yields another.
    ///
    /// # Errors
    /// There is none, its file cannot be read, or the server refuses the enrolment.
    pub async fn connect(&self, home: &Home) -> anyhow::Result<Client> {
        let client = |token: String| -> anyhow::Result<Client> {
            Ok(Client::with_ca(&self.url, token, self.ca_cert.as_deref())?)
        };
        if let Some(token) = &self.token {
            return client(token.clone());
        }
        if let Some(file) = &self.token_file {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the token file {}", file.display()))?;
            return client(text.trim().to_owned());
        }
        if let Some(token) = home.token()? {
            let client = client(token)?;
            let is_refused = self.enroll_token.is_some()
                && matches!(client.session().await, Err(error) if error.status() == Some(401));
            if !is_refused {
                return Ok(client);
            }
            tracing::warn!("the token of the last enrolment is refused: enrolling anew");
        }
        let enrol_token = self.enroll_token.clone().context(
            "no token: give --token-file, --token, CULTIVAR_TOKEN or, once, --enroll-token",
        )?;
        let enrolment = Enrolment {
            enrol_token,
            worker: home.id,
        };
        let made = client(String::new())?.enroll(&enrolment).await?;
        home.keep_token(&made.token)?;
        client(made.token)
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("want a number of 1 or more".into()),
    }
}

fn at_most_1024(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1024) => Ok(n),
        _ => Err("want a number from 1 to 1024".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "want seconds, such as 300")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn run_is_the_default_and_takes_the_same_options() {
        Cli::command().debug_assert();
        let named = |args: &[&str]| {
            let cli = Cli::parse_from([&["cultivar-worker"], args].concat());
            match cli.command {
                Some(Command::Run(options)) => options.name,
                Some(_) => None,
                None => cli.run.name,
            }
        };
        assert_eq!(named(&["--name", "a"]).as_deref(), Some("a"));
        assert_eq!(named(&["run", "--name", "a"]).as_deref(), Some("a"));
        let slots = |text| {
            let cli = Cli::try_parse_from(["cultivar-worker", "--slots", text]);
            cli.map(|cli| cli.run.slots.to_string()).ok()
        };
        for text in ["1", "12", "auto"] {
            assert_eq!(slots(text).as_deref(), Some(text));
        }
        for text in ["0", "-1", "many", ""] {
            assert_eq!(slots(text), None, "{text}");
        }
    }
}
