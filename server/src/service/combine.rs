//! Callers served together: those that arrive while one round runs are served by the next, so a replica has one or two of a
//! kind of transaction under way, whatever the number of callers.
//!
//! There is no task behind it. Whoever gets a turn serves everybody who waits (flat combining, after Hendler, Incze,
//! Shavit and Tzafrir 2010); the others find their answers there.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use crate::error::ApiError;

/// Where questions wait for their turn.
pub struct Combiner<Q, A> {
    line: Mutex<VecDeque<Visitor<Q, A>>>,
    turns: Arc<Semaphore>,
    max_batch: usize,
}

/// How somebody who waits is answered.
pub type Sender<A> = oneshot::Sender<Result<A, ApiError>>;

/// A question and who waits for its answer.
pub struct Visitor<Q, A> {
    pub question: Q,
    pub answer: Sender<A>,
}

impl<Q: Send + 'static, A: Send + 'static> Combiner<Q, A> {
    /// `n_turns` rounds at once, each for at most `max_batch` questions.
    pub fn new(n_turns: usize, max_batch: usize) -> Self {
        Self {
            line: Mutex::default(),
            turns: Arc::new(Semaphore::new(n_turns)),
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
    /// Waits for the answer; serves everybody in line where it comes to this one's turn.
    ///
    /// # Errors
    /// What `serve` answered with, or it answered nothing.
    pub async fn answered<F>(
        mut self,
        serve: impl Fn(Vec<Visitor<Q, A>>) -> F,
    ) -> Result<A, ApiError>
    where
        F: Future<Output = ()> + Send + 'static,
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
            // Others wait for this too: it goes on when the client of this very call hangs up.
            let serving = serve(batch);
            tokio::spawn(async move {
                serving.await;
                drop(turn);
            });
        }
    }
}

/// One error for everybody it met.
pub fn shared(error: &Arc<ApiError>) -> ApiError {
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
        let combiner = Combiner::<usize, usize>::new(1, 60);
        let n_rounds = AtomicUsize::new(0);
        let serve = |batch: Vec<Visitor<usize, usize>>| {
            n_rounds.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                for visitor in batch {
                    visitor.answer.send(Ok(2 * visitor.question)).ok();
                }
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
        let combiner = Combiner::<(), ()>::new(1, 1);
        let answer = combiner.join(()).answered(|_| async {}).await;
        assert!(answer.is_err());
    }
}
