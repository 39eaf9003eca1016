//! `cultivar-worker serve MODEL`: a trained model over HTTP.
//!
//! A request's image is decoded and shrunk on one of a few blocking threads, waits in a queue, and is predicted by the
//! one thread that has the model, together with whatever else waits.
//!
//! | module | what it does |
//! | --- | --- |
//! | `routes` | what can be asked |
//! | `body` | the image of a request, within limits |
//! | `batcher` | gathers images in batches; knows nothing of models |
//! | `model` | the thread that predicts, and what the model says of itself |
//! | `metrics` | what Prometheus reads |
//! | `error` | refusals, in the shape of the server's |

mod batcher;
mod body;
mod error;
mod metrics;
mod model;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::options::ServeOptions;
use batcher::Limits;
use metrics::Metrics;
use routes::App;

/// Batches that wait behind the one being predicted, before requests are refused.
const QUEUED_BATCHES: usize = 4;
/// From the first signal to the end, whatever is left.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// Serves until SIGTERM or Ctrl-C, then answers what was asked before it.
///
/// # Errors
/// The model is not right, the address is taken, or requests were left when the grace was over.
pub fn main(options: &ServeOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(serve(options));
    // A decoder that is still at work has nobody to work for.
    runtime.shutdown_background();
    done
}

async fn serve(options: &ServeOptions) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen).await.with_context(|| {
        let address = options.listen;
        format!("cannot listen on {address}; choose another with --listen")
    })?;
    let (queue, batcher) = batcher::queue(Limits {
        max_batch: options.max_batch,
        max_wait: Duration::from_millis(options.max_wait_ms),
        capacity: options.max_batch * QUEUED_BATCHES,
    });
    let metrics = Arc::new(Metrics::default());
    let path = options.model.clone();
    let (model, thread) = model::start(path, batcher, metrics.clone()).await?;
    let n_decoders = std::thread::available_parallelism().map_or(1, |n| n.get());
    let (stopping, overdue) = on_signals()?;
    announce(&listener, options, &model.card)?;
    let router = routes::router(Arc::new(App {
        queue,
        decoders: Arc::new(Semaphore::new(n_decoders)),
        model,
        n_top: options.top,
        metrics,
    }));
    // Small answers must not wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let server = axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned());
    tokio::select! {
        served = server.into_future() => served?,
        () = overdue.cancelled() => bail!("stopped before every request was answered"),
    }
    // With the last handler the queue has gone, and the model ends after it.
    tokio::task::spawn_blocking(move || thread.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the model's thread panicked"))
}

/// Says where: a line for people, and one for programs.
fn announce(
    listener: &TcpListener,
    options: &ServeOptions,
    card: &model::Card,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        tracing::warn!("{address} asks for no token: whoever reaches it may predict");
    }
    let url = format!("http://{address}");
    println!(
        "serving {} ({}, {} classes) on {url}",
        options.model.display(),
        card.architecture,
        card.classes.len()
    );
    println!("CULTIVAR_READY {}", serde_json::json!({"url": url}));
    Ok(())
}

/// Two tokens. The first SIGTERM or Ctrl-C cancels the first; another one, or the end of the grace, the second.
fn on_signals() -> anyhow::Result<(CancellationToken, CancellationToken)> {
    let (stopping, overdue) = (CancellationToken::new(), CancellationToken::new());
    let (stop, end) = (stopping.clone(), overdue.clone());
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what was asked is answered first");
        stop.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(SHUTDOWN_GRACE) => {}
        }
        end.cancel();
    });
    Ok((stopping, overdue))
}
