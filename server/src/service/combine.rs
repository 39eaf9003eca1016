//! Callers served together: those that arrive while one round runs are served by the next, so a replica has few transactions
//! of a kind under way, whatever the number of callers.
//!
//! There is no task behind it. Whoever gets a turn serves everybody who waits (flat combining, after Hendler, Incze,
//! Shavit and Tzafrir 2010); the others find their answers there.
//!
//! Lines whose callers come and go between them are one crowd. A round waits until as many wait in the crowd as are being
//! served, or those were, but not for long: some are served while the others gather. Rounds would else find a few callers only,
//! and few cost the database nearly as much as many.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::ApiError;

/// The longest wait for others. A round lasts some milliseconds, but one that waits for somebody's lock shall keep nobody in
/// another line.
const PATIENCE: Duration = Duration::from_millis(10);

/// Where questions wait for their turn.
pub struct Combiner<Q, A> {
    line: Mutex<VecDeque<Visitor<Q, A>>>,
    turns: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    max_batch: usize,
}

/// The callers of several lines.
#[derive(Default)]
pub struct Crowd {
    rounds: Mutex<Rounds>,
    /// Woken when somebody has come, or a round has ended.
    changed: Notify,
}

#[derive(Default)]
struct Rounds {
    /// Who is in line, in whichever.
    n_waiting: usize,
    n_begun: usize,
    /// How many callers a round serves, by its number.
    under_way: BTreeMap<usize, usize>,
}

impl Crowd {
    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn come(&self) {
        self.rounds().n_waiting += 1;
        self.changed.notify_waiters();
    }

    fn leave(&self, n: usize) {
        self.rounds().n_waiting -= n;
    }

    fn begin_round(self: &Arc<Self>, n_served: usize) -> Round {
        let mut rounds = self.rounds();
        let number = rounds.n_begun;
        rounds.n_begun += 1;
        rounds.under_way.insert(number, n_served);
        Round {
            crowd: self.clone(),
            number,
        }
    }

    /// Waits until as many wait as are being served, at most until what is under way now has ended.
    async fn gather(&self) {
        let n_begun = self.rounds().n_begun;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listen before looking, or whoever comes in between would wake nobody.
            changed.as_mut().enable();
            let is_time = {
                let rounds = self.rounds();
                rounds.n_waiting >= rounds.under_way.values().sum()
                    || rounds.under_way.keys().all(|number| *number >= n_begun)
            };
            if is_time {
                return;
            }
            changed.await;
        }
    }
}

/// The right to serve a round; whoever waits next gets it when it is dropped.
pub type Turn = OwnedSemaphorePermit;

/// A round that is under way, until it is dropped.
struct Round {
    crowd: Arc<Crowd>,
    number: usize,
}

impl Drop for Round {
    fn drop(&mut self) {
        self.crowd.rounds().under_way.remove(&self.number);
        self.crowd.changed.notify_waiters();
    }
}

/// A question and who waits for its answer.
struct Visitor<Q, A> {
    question: Q,
    answer: oneshot::Sender<Result<A, ApiError>>,
}

impl<Q: Send + 'static, A: Send + 'static> Combiner<Q, A> {
    /// One round at a time, for at most `max_batch` questions.
    pub fn new(max_batch: usize) -> Self {
        Self::among(Arc::default(), max_batch)
    }

    /// The same, in one crowd with other lines.
    pub fn among(crowd: Arc<Crowd>, max_batch: usize) -> Self {
        Self {
            line: Mutex::default(),
            turns: Arc::new(Semaphore::new(1)),
            crowd,
            max_batch,
        }
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<Visitor<Q, A>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a question in line; [`Place::answered`] waits for what comes of it.
    pub fn join(&self, question: Q) -> Place<'_, Q, A> {
        let (sender, answer) = oneshot::channel();
        let visitor = Visitor {
            question,
            answer: sender,
        };
        let mut line = self.line();
        line.push_back(visitor);
        self.crowd.come();
        drop(line);
        Place { at: self, answer }
    }

    /// Those who came first and still wait.
    fn next_batch(&self) -> Vec<Visitor<Q, A>> {
        let mut line = self.line();
        let n_before = line.len();
        line.retain(|visitor| !visitor.answer.is_closed());
        let n = line.len().min(self.max_batch);
        let batch = line.drain(..n).collect();
        self.crowd.leave(n_before - line.len());
        batch
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
            tokio::time::timeout(PATIENCE, self.at.crowd.gather())
                .await
                .ok();
            let batch = self.at.next_batch();
            if batch.is_empty() {
                drop(turn);
                return self.answer.await.map_err(anyhow::Error::from)?;
            }
            let (questions, senders): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|visitor| (visitor.question, visitor.answer))
                .unzip();
            let round = self.at.crowd.begin_round(senders.len());
            let serving = serve(questions, turn);
            // Others wait for this too: it goes on when the client of this very call hangs up.
            tokio::spawn(async move {
                let answers = serving.await;
                drop(round);
                hand_out(senders, answers);
            });
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
    async fn a_round_waits_for_as_many_as_are_served_or_until_they_are() {
        let crowd = Arc::new(Crowd::default());
        let earlier = crowd.begin_round(3);
        crowd.come();
        crowd.come();
        let gathering = crowd.gather();
        tokio::pin!(gathering);
        assert!(futures::poll!(&mut gathering).is_pending());

        // Another that begins later does not keep it.
        let later = crowd.begin_round(5);
        assert!(futures::poll!(&mut gathering).is_pending());
        drop(earlier);
        assert!(futures::poll!(&mut gathering).is_ready());

        let gathering = crowd.gather();
        tokio::pin!(gathering);
        assert!(futures::poll!(&mut gathering).is_pending());
        (0..3).for_each(|_| crowd.come());
        assert!(futures::poll!(&mut gathering).is_ready());
        crowd.leave(5);
        drop(later);
        crowd.gather().await;
    }

    #[tokio::test]
    async fn who_waits_in_another_line_counts() {
        let crowd = Arc::new(Crowd::default());
        let lines = [(); 2].map(|()| Combiner::<(), ()>::among(crowd.clone(), 60));
        let under_way = crowd.begin_round(2);
        let _waiting = lines[0].join(());
        let gathering = crowd.gather();
        tokio::pin!(gathering);
        assert!(futures::poll!(&mut gathering).is_pending());
        let gone = lines[1].join(());
        assert!(futures::poll!(&mut gathering).is_ready());

        // Who hung up is counted until the next round finds that out.
        drop(gone);
        assert!(lines[1].next_batch().is_empty());
        assert!(futures::poll!(Box::pin(crowd.gather())).is_pending());
        assert_eq!(lines[0].next_batch().len(), 1);
        drop(under_way);
    }

    #[tokio::test]
    async fn a_long_round_keeps_nobody_in_another_line() {
        let crowd = Arc::new(Crowd::default());
        let lines = [(); 2].map(|()| Combiner::<(), ()>::among(crowd.clone(), 60));
        let long = lines[0].join(()).answered(|_, turn| async {
            futures::future::pending::<()>().await;
            drop(turn);
            Ok(vec![()])
        });
        let _others = [(); 2].map(|()| lines[0].join(()));
        tokio::pin!(long);
        assert!(futures::poll!(&mut long).is_pending());

        let other = lines[1].join(());
        assert!(other.answered(|_, _| async { Ok(vec![()]) }).await.is_ok());
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
