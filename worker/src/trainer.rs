//! The child: runs jobs one after another and says how they go.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use cultivar_spec::trainer::{FromTrainer, ToTrainer};
use cultivar_train::Control;

use crate::frames;

/// Reads orders until its parent is gone.
pub fn run() -> anyhow::Result<()> {
    let (orders, answers) = private_streams().context("the trainer's pipes")?;
    let answers = Arc::new(Mutex::new(answers));
    let control = Arc::new(Control::new());
    let jobs = read_orders(orders, Arc::clone(&control));

    let (device, info) = cultivar_train::device();
    say(&answers, &FromTrainer::Ready { device: info });
    for message in jobs {
        let mut events = |event: FromTrainer| say(&answers, &event);
        match message {
            ToTrainer::Train { jobs } => {
                for job in jobs {
                    let result = cultivar_train::train(&job, device, &control, &mut events);
                    control.forget(&job.tag);
                    events(FromTrainer::Done {
                        tag: job.tag,
                        result,
                    });
                }
            }
            ToTrainer::Evaluate { job } => {
                let result = cultivar_train::evaluate(&job, device, &control, &mut events);
                control.forget(&job.tag);
                events(FromTrainer::Done {
                    tag: job.tag,
                    result,
                });
            }
            ToTrainer::Stop { .. } => unreachable!("the reader keeps stop orders to itself"),
        }
    }
    Ok(())
}

/// The pipes to the parent, under descriptors that no library writes to by accident: standard
/// output proper becomes standard error, which is the log.
fn private_streams() -> std::io::Result<(File, File)> {
    let orders = File::from(rustix::io::fcntl_dupfd_cloexec(
        std::io::stdin().as_fd(),
        3,
    )?);
    let answers = File::from(rustix::io::fcntl_dupfd_cloexec(
        std::io::stdout().as_fd(),
        3,
    )?);
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok((orders, answers))
}

/// A thread of its own hears orders while a job computes, and ends the process when the parent is gone:
/// nothing that is still computed could be told to anybody.
fn read_orders(mut orders: File, control: Arc<Control>) -> mpsc::Receiver<ToTrainer> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            match frames::read(&mut orders) {
                Ok(Some(ToTrainer::Stop { tag, why })) => control.stop(&tag, why),
                Ok(Some(job)) => {
                    if sender.send(job).is_err() {
                        std::process::exit(0);
                    }
                }
                Ok(None) => std::process::exit(0),
                Err(error) => {
                    eprintln!(
                        "cultivar-worker trainer: the supervisor said something unreadable: {error}"
                    );
                    std::process::exit(2);
                }
            }
        }
    });
    receiver
}

fn say(answers: &Mutex<impl Write>, event: &FromTrainer) {
    let mut answers = answers
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if frames::write(&mut *answers, event).is_err() {
        // The parent is gone.
        std::process::exit(0);
    }
}
