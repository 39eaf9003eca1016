//! The trainer: runs jobs, one after another, and says how they go. It knows no server and no token.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context;
use cultivar_spec::trainer::{EvaluateJob, FromTrainer, ToTrainer, TrainJob};
use cultivar_train::Control;

use crate::frame;

/// Runs until the supervisor closes the pipe.
///
/// # Errors
/// There is no supervisor, or what it says is not understood.
pub fn run() -> anyhow::Result<()> {
    let Pipes { mut input, output } = Pipes::take().context("cannot take over the pipes")?;
    let control = Arc::new(Control::new());
    let (sender, jobs) = mpsc::channel();
    let listener = control.clone();
    thread::Builder::new()
        .name("orders".into())
        .spawn(move || listen(&mut input, &listener, &sender))
        .context("cannot start a thread")?;

    let output = Output(Mutex::new(output));
    let (device, info) = cultivar_train::device();
    output.say(&FromTrainer::Ready { device: info });
    let mut events = |event| output.say(&event);
    for job in jobs {
        let (tag, result) = match job {
            Job::Train(job) => {
                let result = cultivar_train::train(&job, device, &control, &mut events);
                (job.tag, result)
            }
            Job::Evaluate(job) => {
                let result = cultivar_train::evaluate(&job, device, &control, &mut events);
                (job.tag, result)
            }
        };
        control.forget(&tag);
        output.say(&FromTrainer::Done { tag, result });
    }
    Ok(())
}

enum Job {
    Train(Box<TrainJob>),
    Evaluate(Box<EvaluateJob>),
}

/// Hears orders while a job runs. The end of the pipe means that the supervisor is gone, and with it
/// everybody who could want a result.
fn listen(input: &mut File, control: &Control, jobs: &mpsc::Sender<Job>) {
    loop {
        let sent = match frame::read(input) {
            Ok(Some(ToTrainer::Stop { tag, why })) => {
                control.stop(&tag, why);
                Ok(())
            }
            Ok(Some(ToTrainer::Train { jobs: batch })) => batch
                .into_iter()
                .try_for_each(|job| jobs.send(Job::Train(Box::new(job)))),
            Ok(Some(ToTrainer::Evaluate { job })) => jobs.send(Job::Evaluate(Box::new(job))),
            Ok(None) => vanish(),
            Err(error) => {
                tracing::error!(%error, "the supervisor is not understood");
                vanish()
            }
        };
        if sent.is_err() {
            vanish();
        }
    }
}

/// Ends the process at once. No destructor runs: libtorch's may hang or crash while a job computes.
fn vanish() -> ! {
    let me = rustix::process::getpid();
    let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
    std::process::abort()
}

/// The supervisor's ends of stdin and stdout, kept from anything else in this process that prints.
struct Pipes {
    input: File,
    output: File,
}

impl Pipes {
    fn take() -> io::Result<Self> {
        let private = |fd| rustix::io::fcntl_dupfd_cloexec(fd, 3).map(File::from);
        let input = private(rustix::stdio::stdin())?;
        let output = private(rustix::stdio::stdout())?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Self { input, output })
    }
}

struct Output(Mutex<File>);

impl Output {
    fn say(&self, event: &FromTrainer) {
        let frame = match frame::encode(event) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::error!(%error, "an event cannot be sent");
                return;
            }
        };
        let mut pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pipe.write_all(&frame).is_err() {
            vanish();
        }
    }
}
