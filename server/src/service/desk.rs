//! The desk where claims wait: those that arrive while a transaction runs are served together by the next one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cultivar_spec::wire::{Claim, WorkerIdentity};
use cultivar_spec::{LeaseId, SweepId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::ApiError;
use crate::service::combine::{Combiner, Crowd, Turn};
use crate::state::AppState;
use crate::store;
use crate::store::claim::{Claimed, Grant, Granted, Seat, Waiting};
use crate::tx::run_tx;

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
    /// What it came with.
    pub token: Uuid,
    /// Not seen at the desk before: whether it was answered on another replica, or its worker is known, is open.
    pub is_new: bool,
}

/// What a claim gets.
#[derive(Clone)]
pub struct Answer {
    pub claimed: Vec<Claimed>,
    /// Whether the token may be used.
    pub is_admitted: bool,
    /// Why its worker gets nothing, where it was put aside.
    pub quarantine: Option<String>,
}

impl Default for Answer {
    /// Nothing, for the time being.
    fn default() -> Self {
        Self {
            claimed: Vec::new(),
            is_admitted: true,
            quarantine: None,
        }
    }
}

/// Where claims wait for their turn.
pub type Desk = Combiner<Question, Answer>;

pub fn open(crowd: Arc<Crowd>) -> Desk {
    Combiner::among(crowd, MAX_BATCH)
}

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
    let serve = |batch, turn| {
        let state = state.clone();
        async move { serve(&state, batch, turn).await }
    };
    place.answered(serve).await
}

async fn serve(
    state: &AppState,
    batch: Vec<Question>,
    turn: Turn,
) -> Result<Vec<Answer>, ApiError> {
    let mut answers = vec![Answer::default(); batch.len()];
    let mut left: Vec<usize> = (0..batch.len()).collect();
    while !left.is_empty() {
        let (questions, places, later) = merge(&batch, left);
        let granted = grant(state, questions).await?;
        for (idx, place) in places {
            answers[idx] = granted[place].clone();
        }
        left = later;
    }
    // A copy of one of these claims is to find what it got.
    drop(turn);
    Ok(answers)
}

/// Makes copies of one claim one question, in the order of the first copies; where each claim's question is; and the copies that
/// came with another token than the first, which are judged by it afterwards.
fn merge(batch: &[Question], left: Vec<usize>) -> (Vec<Question>, Vec<(usize, usize)>, Vec<usize>) {
    let mut questions: Vec<Question> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    let (mut places, mut later) = (Vec::with_capacity(left.len()), Vec::new());
    for idx in left {
        let question = &batch[idx];
        let key = (question.claim.worker.id, question.claim.request);
        let place = *known.entry(key).or_insert(questions.len());
        match questions.get_mut(place) {
            Some(copy) if copy.token != question.token => {
                later.push(idx);
                continue;
            }
            Some(copy) => copy.is_new |= question.is_new,
            None => questions.push(question.clone()),
        }
        places.push((idx, place));
    }
    (questions, places, later)
}

/// Answers for claims of different names, in their order.
async fn grant(state: &AppState, questions: Vec<Question>) -> Result<Vec<Answer>, ApiError> {
    let mut answers = take(state, &questions).await?;
    let is_left = |answer: &Answer| answer.claimed.is_empty();
    let (left, asking): (Vec<_>, Vec<_>) = questions
        .iter()
        .enumerate()
        .filter(|(idx, _)| is_left(&answers[*idx]))
        .map(|(idx, question)| (idx, question.clone()))
        .unzip();
    if !left.is_empty() {
        let is_any_granted = left.len() < questions.len();
        let granted = grant_one_by_one(state, asking).await;
        let granted = granted.map_err(|error| match error {
            // Those who were given something ask again, and hear of it.
            ApiError::Internal(cause) if is_any_granted => {
                tracing::error!("{cause:#}");
                ApiError::Unavailable("some claims could not be answered: try again".into())
            }
            error => error,
        })?;
        for (idx, answer) in left.into_iter().zip(granted) {
            answers[idx] = answer;
        }
    }
    for (question, answer) in questions.iter().zip(&answers) {
        let is_welcome = answer.is_admitted && answer.quarantine.is_none();
        let worker = &question.claim.worker;
        state.workers.remember(worker, is_welcome);
        let claimed = answer.claimed.iter();
        claimed.for_each(|claimed| state.jobs.remember(worker.id, claimed));
    }
    Ok(answers)
}

/// Gives jobs that anybody can do to new claims of workers that are known, as nearly all are, in one statement. Whoever gets
/// nothing may have something coming yet.
async fn take(state: &AppState, questions: &[Question]) -> Result<Vec<Answer>, ApiError> {
    let mut answers = vec![Answer::default(); questions.len()];
    let first = questions.first().map(|question| &question.claim.datasets);
    let have_same = questions
        .iter()
        .all(|question| Some(&question.claim.datasets) == first);
    let is_any = |question: &&Question| {
        // Else a job may go rather where its dataset is.
        have_same
            && question.is_new
            && question.asked.is_none()
            && state.workers.knows(&question.claim.worker)
    };
    let seats: Vec<_> = questions.iter().filter(is_any).flat_map(seats).collect();
    if seats.is_empty() {
        return Ok(answers);
    }
    let mut conn = state.hot.lend().await?;
    let mut after = state.front.get();
    let mut taken = store::claim::take(&mut *conn, &seats, after).await;
    if after.is_some() && matches!(&taken, Ok(taken) if taken.is_empty()) {
        after = None;
        taken = store::claim::take(&mut *conn, &seats, after).await;
    }
    let taken = match taken.map_err(ApiError::from) {
        Ok(taken) => taken,
        // A copy of a claim, or another replica met it on one trial.
        Err(ApiError::Conflict(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    conn.keep();
    let places = taken.iter().map(|(_, place)| *place);
    state.front.set(after, seats.len(), places);
    let taken: Vec<Granted> = taken.into_iter().map(|(granted, _)| granted).collect();
    state.metrics.claims.inc_by(taken.len() as u64);
    hand_out(questions, taken, &mut answers);
    Ok(answers)
}

fn seats(question: &Question) -> impl Iterator<Item = Seat> {
    (0..question.claim.max).map(|place| seat(question, place))
}

fn seat(Question { claim, token, .. }: &Question, place: u32) -> Seat {
    Seat {
        lease: LeaseId::new(),
        worker: claim.worker.id,
        boot: claim.worker.boot,
        request: claim.request,
        place,
        token: *token,
    }
}

fn hand_out(questions: &[Question], granted: Vec<Granted>, answers: &mut [Answer]) {
    let name = |question: &Question| (question.claim.worker.id, question.claim.request);
    let places = questions.iter().zip(0..);
    let idx_of: HashMap<_, usize> = places
        .map(|(question, idx)| (name(question), idx))
        .collect();
    for (worker, request, claimed) in granted {
        answers[idx_of[&(worker, request)]].claimed.push(claimed);
    }
}

/// The same for whatever claims and jobs, in a transaction.
async fn grant_one_by_one(
    state: &AppState,
    questions: Vec<Question>,
) -> Result<Vec<Answer>, ApiError> {
    let questions = Arc::new(questions);
    let mut n_tries = 0;
    loop {
        n_tries += 1;
        let asking = questions.clone();
        let done = run_tx("claim", &state.hot, move |conn| {
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
            Err(ApiError::Conflict(_)) => {
                return Err(ApiError::Unavailable(
                    "others claim the same jobs: try again".into(),
                ));
            }
            Err(error) => return Err(error),
        }
    }
}

async fn try_grant(
    conn: &mut PgConnection,
    questions: &[Question],
) -> Result<(Vec<Answer>, u64), ApiError> {
    let mut answers = vec![Answer::default(); questions.len()];
    // While there is nothing to have, those who asked before need not be looked at again.
    let anybody_new = questions.iter().any(|question| question.is_new);
    if !anybody_new && !store::queue::has_work(&mut *conn).await? {
        return Ok((answers, 0));
    }
    know(conn, questions, &mut answers).await?;
    let mut groups: BTreeMap<Option<SweepId>, Vec<Free>> = BTreeMap::new();
    for (idx, Question { claim, asked, .. }) in questions.iter().enumerate() {
        let answer = &answers[idx];
        if answer.claimed.is_empty() && answer.is_admitted && answer.quarantine.is_none() {
            let room = claim.max;
            let n_given = 0;
            groups
                .entry(*asked)
                .or_default()
                .push(Free { idx, room, n_given });
        }
    }
    let mut grants = Vec::new();
    for (asked, free) in groups {
        grants.extend(deal(conn, questions, asked, free).await?);
    }
    if !grants.is_empty() {
        let granted = store::claim::begin(conn, &grants).await?;
        hand_out(questions, granted, &mut answers);
    }
    Ok((answers, grants.len() as u64))
}

/// Finds what copies of the claims had got before, whose token ended and who was put aside; makes workers known that are not.
async fn know(
    conn: &mut PgConnection,
    questions: &[Question],
    answers: &mut [Answer],
) -> Result<(), ApiError> {
    let claims: Vec<_> = questions
        .iter()
        .map(|question| (&question.claim, question.token))
        .collect();
    let mut strangers: BTreeMap<_, &WorkerIdentity> = BTreeMap::new();
    for known in store::claim::recall(conn, &claims).await? {
        let worker = &questions[known.place].claim.worker;
        let answer = &mut answers[known.place];
        answer.is_admitted = known.is_admitted;
        if !known.is_admitted {
            continue;
        }
        if !known.is_worker_known {
            strangers.insert(worker.id, worker);
        }
        answer.claimed.extend(known.claimed);
        answer.quarantine = known.quarantine;
    }
    if !strangers.is_empty() {
        let strangers: Vec<_> = strangers.into_values().collect();
        store::worker::greet(conn, &strangers).await?;
    }
    Ok(())
}

/// Picks jobs of one kind and says which claim gets which.
async fn deal(
    conn: &mut PgConnection,
    questions: &[Question],
    asked: Option<SweepId>,
    mut free: Vec<Free>,
) -> Result<Vec<Grant>, ApiError> {
    let mut grants: Vec<Grant> = Vec::new();
    for _ in 0..MAX_LOOKS {
        let room: u32 = free.iter().map(|free| free.room).sum();
        if room == 0 {
            break;
        }
        let offers: Vec<_> = free
            .iter()
            .map(|free| questions[free.idx].claim.offer())
            .collect();
        let taken: Vec<_> = grants.iter().map(|grant| grant.seq).collect();
        let jobs = store::claim::pick(conn, &offers, &taken, room, asked).await?;
        let n_jobs = jobs.len();
        for job in jobs {
            let Some(free) = best(&mut free, questions, &job) else {
                continue;
            };
            let seat = seat(&questions[free.idx], free.n_given);
            grants.push(Grant { seq: job.seq, seat });
            free.room -= 1;
            free.n_given += 1;
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
    n_given: u32,
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
            request: Uuid::new_v4(),
            max: 1,
            wait_s: 0.0,
            labels: Vec::new(),
            memory_bytes: None,
            datasets,
        };
        Question {
            claim,
            asked: None,
            token: Uuid::new_v4(),
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
        let mut free: Vec<_> = (0..3)
            .map(|idx| Free {
                idx,
                room: 1,
                n_given: 0,
            })
            .collect();
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
