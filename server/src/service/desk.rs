//! The desk where claims wait: those that arrive while a transaction runs are served together by the next one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cultivar_spec::wire::{Claim, Event, JobKind, WorkerIdentity};
use cultivar_spec::{SweepId, TrialState};
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::service::combine::{self, Combiner, shared};
use crate::state::AppState;
use crate::store;
use crate::store::claim::{Claimed, Grant, Waiting};
use crate::tx::run_tx;

/// Claim transactions a replica runs at once.
const N_TURNS: usize = 2;
/// Claims served by one transaction.
const MAX_BATCH: usize = 256;
/// A batch that met a rival on one trial tries again this often.
const MAX_TRIES: u32 = 3;
/// Claims that one event woke arrive within this time, and are served together.
const GATHER: Duration = Duration::from_millis(2);
/// Looks at the queue per batch: one for everybody, more for those whom the first jobs in line did not fit.
const MAX_LOOKS: u32 = 4;

/// What comes to the desk.
#[derive(Clone)]
pub struct Question {
    pub claim: Claim,
    /// The sweep whose external trials it is about; without, it is about jobs for workers.
    pub asked: Option<SweepId>,
    /// Not seen at the desk before: whether it was answered on another replica, or its worker is known, is open.
    pub is_new: bool,
}

/// What a claim gets.
#[derive(Clone, Default)]
pub struct Answer {
    pub claimed: Vec<Claimed>,
    /// Why its worker gets nothing, where it was put aside.
    pub quarantine: Option<String>,
}

/// Where claims wait for their turn.
pub type Desk = Combiner<Question, Answer>;

pub fn open() -> Desk {
    Combiner::new(N_TURNS, MAX_BATCH)
}

type Visitor = combine::Visitor<Question, Answer>;
type Sender = combine::Sender<Answer>;

/// Gets a claim what it can have now. The same `claim.request` gets the same leases (I4).
///
/// # Errors
/// The database is out of reach.
pub async fn ask(state: &AppState, question: Question) -> Result<Answer, ApiError> {
    let is_new = question.is_new;
    let place = state.desk.join(question);
    if !is_new {
        tokio::time::sleep(GATHER).await;
    }
    let serve = |batch| {
        let state = state.clone();
        async move { serve(&state, batch).await }
    };
    place.answered(serve).await
}

async fn serve(state: &AppState, batch: Vec<Visitor>) {
    let (questions, copies) = merge(batch);
    match grant(state, questions).await {
        Ok(answers) => {
            for (senders, answer) in copies.into_iter().zip(answers) {
                for sender in senders {
                    // A client that hung up claims again, and gets this again.
                    sender.send(Ok(answer.clone())).ok();
                }
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for sender in copies.into_iter().flatten() {
                sender.send(Err(shared(&error))).ok();
            }
        }
    }
}

/// Makes copies of one claim one question, in the order of the first copies; with each goes who waits for its answer.
fn merge(batch: Vec<Visitor>) -> (Vec<Question>, Vec<Vec<Sender>>) {
    let mut questions: Vec<Question> = Vec::new();
    let mut copies: Vec<Vec<Sender>> = Vec::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    for Visitor { question, answer } in batch {
        let key = (question.claim.worker.id, question.claim.request);
        match places.get(&key) {
            Some(&place) => {
                let known: &mut Question = &mut questions[place];
                known.is_new |= question.is_new;
                copies[place].push(answer);
            }
            None => {
                places.insert(key, questions.len());
                questions.push(question);
                copies.push(vec![answer]);
            }
        }
    }
    (questions, copies)
}

/// Answers for claims of different names, in their order.
async fn grant(state: &AppState, questions: Vec<Question>) -> Result<Vec<Answer>, ApiError> {
    let questions = Arc::new(questions);
    let mut n_tries = 0;
    loop {
        n_tries += 1;
        let asking = questions.clone();
        let done = run_tx("claim", &state.pool, move |conn| {
            Box::pin(async move { try_grant(conn, &asking).await })
        })
        .await;
        match done {
            Ok((answers, n_granted)) => {
                state.metrics.claims.inc_by(n_granted);
                return Ok(answers);
            }
            // Two replicas met on one trial, and the index on active attempts let one of them through.
            Err(ApiError::Conflict(_)) if n_tries < MAX_TRIES => {}
            Err(ApiError::Conflict(_)) => return Ok(vec![Answer::default(); questions.len()]),
            Err(error) => return Err(error),
        }
    }
}

async fn try_grant(
    conn: &mut PgConnection,
    questions: &[Question],
) -> Result<(Vec<Answer>, u64), ApiError> {
    let mut answers = vec![Answer::default(); questions.len()];
    let has_work = store::queue::has_work(&mut *conn).await?;
    // While there is nothing to have, those who asked before need not be looked at again.
    let asking: Vec<usize> = (0..questions.len())
        .filter(|idx| has_work || questions[*idx].is_new)
        .collect();
    if asking.is_empty() {
        return Ok((answers, 0));
    }
    know(conn, questions, &asking, &mut answers).await?;
    if !has_work {
        return Ok((answers, 0));
    }
    let mut groups: BTreeMap<Option<SweepId>, Vec<Free>> = BTreeMap::new();
    for idx in asking {
        if answers[idx].claimed.is_empty() && answers[idx].quarantine.is_none() {
            let Question { claim, asked, .. } = &questions[idx];
            let room = claim.max;
            groups.entry(*asked).or_default().push(Free { idx, room });
        }
    }
    let mut grants = Vec::new();
    for (asked, free) in groups {
        grants.extend(deal(conn, questions, asked, free).await?);
    }
    if grants.is_empty() {
        return Ok((answers, 0));
    }
    let idx_of: HashMap<_, usize> = grants
        .iter()
        .map(|(idx, grant)| ((grant.worker, grant.request), *idx))
        .collect();
    let grants: Vec<_> = grants.into_iter().map(|(_, grant)| grant).collect();
    let mut events = Vec::new();
    for (worker, request, claimed) in store::claim::begin(conn, &grants).await? {
        if claimed.job == JobKind::Train {
            events.push(begun(&claimed));
        }
        answers[idx_of[&(worker, request)]].claimed.push(claimed);
    }
    store::event::append(conn, &events).await?;
    Ok((answers, grants.len() as u64))
}

/// Makes the workers behind claims known, and finds what copies of the claims had got before, and who was put aside.
async fn know(
    conn: &mut PgConnection,
    questions: &[Question],
    asking: &[usize],
    answers: &mut [Answer],
) -> Result<(), ApiError> {
    let workers: BTreeMap<_, &WorkerIdentity> = asking
        .iter()
        .map(|idx| &questions[*idx].claim.worker)
        .map(|worker| (worker.id, worker))
        .collect();
    let workers: Vec<_> = workers.into_values().collect();
    store::worker::greet(conn, &workers).await?;
    let requests: Vec<_> = asking
        .iter()
        .map(|idx| &questions[*idx].claim)
        .map(|claim| (claim.worker.id, claim.request))
        .collect();
    for (place, claimed) in store::claim::of_requests(conn, &requests).await? {
        answers[asking[place]].claimed.push(claimed);
    }
    let quarantined = store::worker::quarantined(conn, &workers).await?;
    for idx in asking {
        let reason = quarantined.get(&questions[*idx].claim.worker.id);
        answers[*idx].quarantine = reason.cloned();
    }
    Ok(())
}

/// Picks jobs of one kind and says which claim gets which.
async fn deal(
    conn: &mut PgConnection,
    questions: &[Question],
    asked: Option<SweepId>,
    mut free: Vec<Free>,
) -> Result<Vec<(usize, Grant)>, ApiError> {
    let mut grants: Vec<(usize, Grant)> = Vec::new();
    for _ in 0..MAX_LOOKS {
        let room: u32 = free.iter().map(|free| free.room).sum();
        if room == 0 {
            break;
        }
        let offers: Vec<_> = free
            .iter()
            .map(|free| questions[free.idx].claim.offer())
            .collect();
        let taken: Vec<_> = grants.iter().map(|(_, grant)| grant.seq).collect();
        let jobs = store::claim::pick(conn, &offers, &taken, room, asked).await?;
        let n_jobs = jobs.len();
        for job in jobs {
            let Some(free) = best(&mut free, questions, &job) else {
                continue;
            };
            free.room -= 1;
            let claim = &questions[free.idx].claim;
            let grant = Grant {
                seq: job.seq,
                worker: claim.worker.id,
                boot: claim.worker.boot,
                request: claim.request,
            };
            grants.push((free.idx, grant));
        }
        free.retain(|free| free.room > 0);
        if n_jobs < room as usize {
            break;
        }
    }
    Ok(grants)
}

/// A claim that may have more.
struct Free {
    idx: usize,
    room: u32,
}

/// Who gets a job: of those whom it fits, one whose machine has its dataset at hand, else who came first.
fn best<'f>(free: &'f mut [Free], questions: &[Question], job: &Waiting) -> Option<&'f mut Free> {
    let fits = |free: &&mut Free| {
        let Question { claim, asked, .. } = &questions[free.idx];
        free.room > 0 && (asked.is_some() || job.needs.are_met_by(&claim.offer()))
    };
    let has_dataset = |free: &Free| {
        let at_hand = &questions[free.idx].claim.datasets;
        job.version
            .is_some_and(|version| at_hand.contains(&version))
    };
    free.iter_mut()
        .filter(fits)
        .min_by_key(|free| !has_dataset(free))
}

fn begun(claimed: &Claimed) -> Event {
    Event::Trial {
        trial: claimed.trial,
        sweep: claimed.sweep,
        dataset: claimed.spec.data.dataset.clone(),
        state: TrialState::Running,
    }
}

#[cfg(test)]
mod tests {
    use cultivar_spec::queueing::Needs;
    use cultivar_spec::wire::DeviceInfo;
    use cultivar_spec::{BootId, Sha256Digest, WorkerId};

    use super::*;

    fn claim(device: &str, datasets: Vec<Sha256Digest>) -> Question {
        let worker = WorkerIdentity {
            id: WorkerId::new(),
            boot: BootId::new(),
            name: "w".into(),
            device: DeviceInfo {
                kind: device.into(),
                ..DeviceInfo::default()
            },
            version: "0".into(),
        };
        let claim = Claim {
            worker,
            request: uuid::Uuid::new_v4(),
            max: 1,
            wait_s: 0.0,
            labels: Vec::new(),
            memory_bytes: None,
            datasets,
        };
        Question {
            claim,
            asked: None,
            is_new: true,
        }
    }

    #[test]
    fn a_job_goes_where_it_fits_and_rather_where_its_dataset_is() {
        let (cars, pets) = (Sha256Digest::of(b"cars"), Sha256Digest::of(b"pets"));
        let claims = [
            claim("cpu", vec![]),
            claim("cuda", vec![pets]),
            claim("cpu", vec![cars]),
        ];
        let mut free: Vec<_> = (0..3).map(|idx| Free { idx, room: 1 }).collect();
        let mut give = |version, device: Option<&str>| {
            let needs = Needs {
                device: device.map(str::to_owned),
                ..Needs::default()
            };
            let job = Waiting {
                seq: 0,
                needs,
                version: Some(version),
            };
            let free = best(&mut free, &claims, &job)?;
            free.room -= 1;
            Some(free.idx)
        };
        assert_eq!(give(cars, None), Some(2));
        assert_eq!(give(pets, Some("cpu")), Some(0));
        assert_eq!(give(cars, Some("cpu")), None);
        assert_eq!(give(cars, None), Some(1));
        assert_eq!(give(cars, None), None);
    }
}
