//! Callers served together: those that arrive while one round runs are served by the next, so a replica has few transactions
//! of a kind under way, whatever the number of callers.
//!
//! There is no task behind it. Whoever gets a turn serves everybody who waits (flat combining, after Hendler, Incze,
//! Shavit and Tzafrir 2010); the others find their answers there.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::ApiError;

/// Where questions wait for their turn.
pub struct Combiner<Q, A> {
    line: Mutex<VecDeque<Visitor<Q, A>>>,
    turns: Arc<Semaphore>,
    max_batch: usize,
}

/// The right to serve a round; whoever waits next gets it when it is dropped.
pub type Turn = OwnedSemaphorePermit;

/// A question and who waits for its answer.
struct Visitor<Q, A> {
    question: Q,
    answer: oneshot::Sender<Result<A, ApiError>>,
}

impl<Q: Send + 'static, A: Send + 'static> Combiner<Q, A> {
    /// One round at a time, for at most `max_batch` questions.
    pub fn new(max_batch: usize) -> Self {
        Self::sharing(Arc::new(Semaphore::new(1)), max_batch)
    }

    /// The same, taking turns with whoever shares them.
    pub fn sharing(turns: Arc<Semaphore>, max_batch: usize) -> Self {
        Self {
            line: Mutex::default(),
            turns,
            max_batch,
        }
    }

    /// Puts a question in line; [`Place::answered`] waits for what comes of it.
    pub fn join(&self, question: Q) -> Place<'_, Q, A> {
        let (sender, answer) = oneshot::channel();
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.push_back(Visitor {
            question,
            answer: sender,
        });
        Place { at: self, answer }
    }

    /// Those who came first and still wait.
    fn next_batch(&self) -> Vec<Visitor<Q, A>> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.retain(|visitor| !visitor.answer.is_closed());
        let n = line.len().min(self.max_batch);
        line.drain(..n).collect()
    }
}

/// A place in line.
pub struct Place<'c, Q, A> {
    at: &'c Combiner<Q, A>,
    answer: oneshot::Receiver<Result<A, ApiError>>,
}

impl<Q: Send + 'static, A: Send + 'static> Place<'_, Q, A> {
    /// Waits for the answer; serves everybody in line where it comes to this one's turn. `serve` answers each question at
    /// its place. The next round begins when it drops its turn: it need not wait for a commit to reach the disk.
    ///
    /// # Errors
    /// What `serve` failed with, for everybody it served, or it left somebody without an answer.
    pub async fn answered<F>(mut self, serve: impl Fn(Vec<Q>, Turn) -> F) -> Result<A, ApiError>
    where
        F: Future<Output = Result<Vec<A>, ApiError>> + Send + 'static,
    {
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut self.answer => return answer.map_err(anyhow::Error::from)?,
                turn = self.at.turns.clone().acquire_owned() => turn.map_err(anyhow::Error::from)?,
            };
            let batch = self.at.next_batch();
            if batch.is_empty() {
                drop(turn);
                return self.answer.await.map_err(anyhow::Error::from)?;
            }
            let (questions, senders): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|visitor| (visitor.question, visitor.answer))
                .unzip();
            let serving = serve(questions, turn);
            // Others wait for this too: it goes on when the client of this very call hangs up.
            tokio::spawn(async move { hand_out(senders, serving.await) });
        }
    }
}

/// A client that hung up comes again.
fn hand_out<A>(
    senders: Vec<oneshot::Sender<Result<A, ApiError>>>,
    answers: Result<Vec<A>, ApiError>,
) {
    match answers {
        Ok(answers) => {
            for (sender, answer) in senders.into_iter().zip(answers) {
                sender.send(Ok(answer)).ok();
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for sender in senders {
                sender.send(Err(shared(&error))).ok();
            }
        }
    }
}

/// One error for everybody it met.
fn shared(error: &Arc<ApiError>) -> ApiError {
    match &**error {
        ApiError::Unavailable(text) => ApiError::Unavailable(text.clone()),
        _ => ApiError::Internal(anyhow::Error::from(error.clone())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn those_who_come_meanwhile_are_served_together() {
        let combiner = Combiner::<usize, usize>::new(60);
        let n_rounds = AtomicUsize::new(0);
        let serve = |batch: Vec<usize>, turn| {
            n_rounds.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                drop(turn);
                Ok(batch.into_iter().map(|n| 2 * n).collect())
            }
        };
        let asked = (0..100).map(|n| combiner.join(n).answered(serve));
        let answers = futures::future::join_all(asked).await;
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.ok(), Some(2 * n));
        }
        assert_eq!(n_rounds.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn one_that_is_forgotten_hears_so() {
        let combiner = Combiner::<(), ()>::new(1);
        let answer = combiner
            .join(())
            .answered(|_, _| async { Ok(Vec::new()) })
            .await;
        assert!(answer.is_err());
    }

    #[tokio::test]
    async fn everybody_hears_of_an_error() {
        let combiner = Combiner::<(), ()>::new(60);
        let serve = |_, _| async { Err(ApiError::Unavailable("away".into())) };
        let asked = (0..10).map(|_| combiner.join(()).answered(serve));
        for answer in futures::future::join_all(asked).await {
            assert!(matches!(answer, Err(ApiError::Unavailable(_))));
        }
    }
}
