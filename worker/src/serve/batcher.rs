//! Dynamic batching: single questions in, whole batches to whoever computes, single answers out.
//!
//! A batch is complete when it is as large as it may be, or when its first question has waited as long as it may.
//! While one is computed the next gathers in the queue, so that batches grow with the load and nobody waits for company
//! that is not coming. Nothing here knows what is computed.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How far questions gather.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Questions of one batch, 1 or more.
    pub max_batch: usize,
    /// How long the first of a batch waits for more.
    pub max_wait: Duration,
    /// Questions that wait at once, 1 or more.
    pub capacity: usize,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    #[error("{0} images are waiting already: try again")]
    Full(usize),
    /// The batch failed, in these words.
    #[error("{0}")]
    Failed(String),
    #[error("the model has ended")]
    Ended,
}

struct Job<I, O> {
    input: I,
    asked_at: Instant,
    answer: oneshot::Sender<Result<O, Unanswered>>,
}

/// Where questions are asked.
pub struct Queue<I, O> {
    jobs: mpsc::Sender<Job<I, O>>,
    ended: CancellationToken,
}

/// Room for one question; given back when dropped.
pub struct Place<I, O> {
    room: mpsc::OwnedPermit<Job<I, O>>,
    ended: CancellationToken,
}

/// The other end of the queue, which makes batches.
pub struct Batcher<I, O> {
    jobs: mpsc::Receiver<Job<I, O>>,
    limits: Limits,
    /// Tells those who still hold a place: what they send would lie in the channel unseen.
    _end: DropGuard,
}

/// A queue and its batcher.
///
/// # Panics
/// The capacity is 0.
pub fn queue<I, O>(limits: Limits) -> (Queue<I, O>, Batcher<I, O>) {
    let (sender, jobs) = mpsc::channel(limits.capacity);
    let ended = CancellationToken::new();
    let batcher = Batcher {
        jobs,
        limits,
        _end: ended.clone().drop_guard(),
    };
    let queue = Queue {
        jobs: sender,
        ended,
    };
    (queue, batcher)
}

impl<I, O> Queue<I, O> {
    /// Takes a place, before anything is spent on what is to stand there.
    ///
    /// # Errors
    /// The queue is full, or the batcher has ended.
    pub fn place(&self) -> Result<Place<I, O>, Unanswered> {
        match self.jobs.clone().try_reserve_owned() {
            Ok(room) => Ok(Place {
                room,
                ended: self.ended.clone(),
            }),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(Unanswered::Full(self.jobs.max_capacity()))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Unanswered::Ended),
        }
    }

    /// Places taken.
    pub fn n_waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Whether anybody is there to answer.
    pub fn is_open(&self) -> bool {
        !self.jobs.is_closed()
    }
}

impl<I, O> Place<I, O> {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The batch failed, or the batcher has ended.
    pub async fn ask(self, input: I) -> Result<O, Unanswered> {
        let (answer, answered) = oneshot::channel();
        self.room.send(Job {
            input,
            asked_at: Instant::now(),
            answer,
        });
        tokio::select! {
            biased;
            answer = answered => answer.unwrap_or(Err(Unanswered::Ended)),
            () = self.ended.cancelled() => Err(Unanswered::Ended),
        }
    }
}

impl<I, O> Batcher<I, O> {
    /// Answers batch after batch, until the queue is gone and everything in it is answered.
    ///
    /// `compute` gets at most `max_batch` inputs, at least one, and gives as many outputs in their order. Where it panics
    /// or gives another number, every question of the batch is told so and the next batch is taken. It runs where this
    /// future is polled, and may block: give it a thread of its own. `sleep_until` is the clock:
    /// [`tokio::time::sleep_until`].
    pub async fn run<S: Future<Output = ()>>(
        mut self,
        sleep_until: impl Fn(Instant) -> S,
        mut compute: impl FnMut(Vec<I>) -> Vec<O>,
    ) {
        while let Some(mut batch) = self.batch(&sleep_until).await {
            // Whoever asked may have gone.
            batch.retain(|job| !job.answer.is_closed());
            if batch.is_empty() {
                continue;
            }
            let (inputs, answers): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|job| (job.input, job.answer)).unzip();
            // A closure that panicked is asked again: libtorch's state is its own.
            let outputs = catch_unwind(AssertUnwindSafe(|| compute(inputs)));
            let failure = match outputs {
                Ok(outputs) if outputs.len() == answers.len() => {
                    for (output, answer) in outputs.into_iter().zip(answers) {
                        // Lost only where nobody waits any more.
                        let _ = answer.send(Ok(output));
                    }
                    continue;
                }
                Ok(outputs) => format!("{} answers to {} images", outputs.len(), answers.len()),
                Err(cause) => words(cause.as_ref()),
            };
            for answer in answers {
                let _ = answer.send(Err(Unanswered::Failed(failure.clone())));
            }
        }
    }

    /// The next batch; none when the queue is gone and empty.
    async fn batch<S: Future<Output = ()>>(
        &mut self,
        sleep_until: impl Fn(Instant) -> S,
    ) -> Option<Vec<Job<I, O>>> {
        let first = self.jobs.recv().await?;
        let mut over = pin!(sleep_until(first.asked_at + self.limits.max_wait));
        let mut batch = vec![first];
        while batch.len() < self.limits.max_batch {
            tokio::select! {
                // What is there already is taken even when the wait is over.
                biased;
                job = self.jobs.recv() => match job {
                    Some(job) => batch.push(job),
                    None => break,
                },
                () = &mut over => break,
            }
        }
        Some(batch)
    }
}

/// What a panic says.
fn words(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::{Arc, Mutex};

    use futures::future::join_all;
    use futures::poll;
    use tokio::sync::Notify;

    use super::*;

    const MAX_WAIT: Duration = Duration::from_millis(5);

    type Seen = Arc<Mutex<Vec<Vec<u32>>>>;

    /// A queue for batches of three at most, and room for eight.
    fn pair() -> (Queue<u32, u32>, Batcher<u32, u32>) {
        queue(Limits {
            max_batch: 3,
            max_wait: MAX_WAIT,
            capacity: 8,
        })
    }

    /// Answers with ten times the question, and keeps the batches that were seen.
    fn tenfold<S: Future<Output = ()> + Send + 'static>(
        batcher: Batcher<u32, u32>,
        sleep_until: impl Fn(Instant) -> S + Send + Sync + 'static,
    ) -> Seen {
        let seen = Seen::default();
        let kept = seen.clone();
        tokio::spawn(batcher.run(sleep_until, move |inputs| {
            kept.lock().unwrap().push(inputs.clone());
            inputs.into_iter().map(|input| 10 * input).collect()
        }));
        seen
    }

    /// Every wait is over at once.
    fn no_wait(_: Instant) -> impl Future<Output = ()> + Send {
        ready(())
    }

    async fn ask(queue: &Queue<u32, u32>, input: u32) -> Result<u32, Unanswered> {
        queue.place()?.ask(input).await
    }

    async fn ask_all(
        queue: &Queue<u32, u32>,
        inputs: impl IntoIterator<Item = u32>,
    ) -> Vec<Result<u32, Unanswered>> {
        join_all(inputs.into_iter().map(|input| ask(queue, input))).await
    }

    #[tokio::test]
    async fn what_waits_goes_in_batches_and_each_gets_its_own_answer() {
        let (queue, batcher) = pair();
        let seen = tenfold(batcher, no_wait);
        let answers = ask_all(&queue, 1..=7).await;
        let expect: Vec<_> = (1..=7).map(|input| Ok(10 * input)).collect();
        assert_eq!(answers, expect);
        let batches = [vec![1, 2, 3], vec![4, 5, 6], vec![7]];
        assert_eq!(*seen.lock().unwrap(), batches);
        assert_eq!(queue.n_waiting(), 0);
    }

    #[tokio::test]
    async fn a_full_batch_does_not_wait() {
        let (queue, batcher) = pair();
        tenfold(batcher, |_| pending());
        let answers = ask_all(&queue, 1..=3).await;
        assert_eq!(answers, [Ok(10), Ok(20), Ok(30)]);
    }

    #[tokio::test]
    async fn a_batch_waits_for_more_until_its_first_has_waited_as_long_as_it_may() {
        let (queue, batcher) = pair();
        let over = Arc::new(Notify::new());
        let (set, mut deadlines) = mpsc::unbounded_channel();
        let alarm = over.clone();
        let seen = tenfold(batcher, move |at| {
            set.send(at).unwrap();
            let alarm = alarm.clone();
            async move { alarm.notified().await }
        });

        let before = Instant::now();
        let mut first = Box::pin(ask(&queue, 1));
        assert!(poll!(&mut first).is_pending());
        let asked = before..=Instant::now();
        let deadline = deadlines.recv().await.unwrap();
        assert!(asked.contains(&(deadline - MAX_WAIT)));
        // Another comes meanwhile, and does not make the first wait longer.
        let mut second = Box::pin(ask(&queue, 2));
        assert!(poll!(&mut second).is_pending());
        assert!(seen.lock().unwrap().is_empty());
        over.notify_one();
        assert_eq!((first.await, second.await), (Ok(10), Ok(20)));
        assert!(deadlines.try_recv().is_err(), "one wait a batch");

        let late = async {
            let deadline = deadlines.recv().await.unwrap();
            over.notify_one();
            deadline
        };
        let (answer, next) = tokio::join!(ask(&queue, 3), late);
        assert_eq!(answer, Ok(30));
        assert!(next >= deadline);
        assert_eq!(*seen.lock().unwrap(), [vec![1, 2], vec![3]]);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_until_a_place_is_given_back() {
        let (queue, batcher) = pair();
        let mut places: Vec<_> = (0..8).map(|_| queue.place().ok().unwrap()).collect();
        assert_eq!(queue.n_waiting(), 8);
        assert_eq!(queue.place().err(), Some(Unanswered::Full(8)));
        places.pop();
        assert!(queue.place().is_ok());
        drop(batcher);
        assert!(!queue.is_open());
        assert_eq!(queue.place().err(), Some(Unanswered::Ended));
        let taken = places.pop().unwrap();
        assert_eq!(taken.ask(1).await, Err(Unanswered::Ended));
    }

    #[tokio::test]
    async fn a_failing_batch_answers_everybody_and_the_next_one_is_computed() {
        let (queue, batcher) = pair();
        tokio::spawn(batcher.run(no_wait, |inputs| {
            assert!(!inputs.contains(&2), "no 2, please");
            match inputs.contains(&4) {
                true => Vec::new(),
                false => inputs,
            }
        }));
        let answers = ask_all(&queue, 1..=8).await;
        let failed = |words: &str| Err(Unanswered::Failed(words.into()));
        assert_eq!(answers[..3], vec![failed("no 2, please"); 3]);
        assert_eq!(answers[3..6], vec![failed("0 answers to 3 images"); 3]);
        assert_eq!(answers[6..], [Ok(7), Ok(8)]);
    }

    #[tokio::test]
    async fn nothing_is_computed_for_who_has_gone() {
        let (queue, batcher) = pair();
        {
            let mut gone = Box::pin(ask(&queue, 1));
            assert!(poll!(&mut gone).is_pending());
        }
        let seen = tenfold(batcher, no_wait);
        assert_eq!(ask(&queue, 2).await, Ok(20));
        assert_eq!(*seen.lock().unwrap(), [[2]]);
    }

    #[tokio::test]
    async fn the_end_of_the_queue_comes_after_its_answers() {
        let (queue, batcher) = pair();
        let places: Vec<_> = (0..4).map(|_| queue.place().ok().unwrap()).collect();
        drop(queue);
        let asked = places.into_iter().zip(1..).map(|(place, n)| place.ask(n));
        let run = batcher.run(|_| pending(), |inputs| inputs);
        let (answers, ()) = tokio::join!(join_all(asked), run);
        assert_eq!(answers, [Ok(1), Ok(2), Ok(3), Ok(4)]);
    }
}
