//! The desk where claims wait: those that arrive while a transaction runs are served together by the next one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cultivar_spec::wire::{Claim, Event, JobKind, WorkerIdentity};
use cultivar_spec::{SweepId, TrialState};
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::service::combine::{Combiner, Crowd, Turn};
use crate::state::AppState;
use crate::store;
use crate::store::claim::{Claimed, Grant, Waiting};
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
    let (questions, places) = merge(batch);
    let answers = grant(state, questions, turn).await?;
    Ok(places
        .into_iter()
        .map(|place| answers[place].clone())
        .collect())
}

/// Makes copies of one claim one question, in the order of the first copies; and where each claim's question is.
fn merge(batch: Vec<Question>) -> (Vec<Question>, Vec<usize>) {
    let mut questions: Vec<Question> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    let mut places = Vec::with_capacity(batch.len());
    for question in batch {
        let key = (question.claim.worker.id, question.claim.request);
        let place = *known.entry(key).or_insert(questions.len());
        match questions.get_mut(place) {
            Some(copy) => copy.is_new |= question.is_new,
            None => questions.push(question),
        }
        places.push(place);
    }
    (questions, places)
}

/// Answers for claims of different names, in their order.
async fn grant(
    state: &AppState,
    questions: Vec<Question>,
    turn: Turn,
) -> Result<Vec<Answer>, ApiError> {
    let questions = Arc::new(questions);
    let mut turn = Some(turn);
    let mut n_tries = 0;
    loop {
        n_tries += 1;
        let asking = questions.clone();
        let turn = turn.take();
        // What goes without saying is not asked for at first.
        let is_sure =
            |question: &Question| n_tries == 1 && state.workers.knows(&question.claim.worker);
        let is_sure: Vec<_> = questions.iter().map(is_sure).collect();
        let done = run_tx("claim", &state.hot, move |conn| {
            Box::pin(async move {
                let granted = try_grant(conn, &asking, &is_sure).await;
                drop(turn);
                granted
            })
        })
        .await;
        match done {
            Ok((answers, n_granted)) => {
                state.metrics.claims.inc_by(n_granted);
                for (question, answer) in questions.iter().zip(&answers) {
                    let is_welcome = answer.quarantine.is_none();
                    state.workers.remember(&question.claim.worker, is_welcome);
                }
                let claimed = answers.iter().flat_map(|answer| &answer.claimed);
                claimed.for_each(|claimed| state.jobs.remember(claimed));
                return Ok(answers);
            }
            // Two replicas met on one trial, and the index on active attempts let one of them through; or something that
            // was taken to be so is not.
            Err(ApiError::Conflict(_)) if n_tries < MAX_TRIES => {}
            Err(ApiError::Conflict(_)) => return Ok(vec![Answer::default(); questions.len()]),
            Err(error) => return Err(error),
        }
    }
}

/// `is_sure`: whose claims are taken to be new and of known workers in good standing, until it turns out otherwise.
async fn try_grant(
    conn: &mut PgConnection,
    questions: &[Question],
    is_sure: &[bool],
) -> Result<(Vec<Answer>, u64), ApiError> {
    let mut answers = vec![Answer::default(); questions.len()];
    // While there is nothing to have, those who asked before need not be looked at again.
    let anybody_new = questions.iter().any(|question| question.is_new);
    if !anybody_new && !store::queue::has_work(&mut *conn).await? {
        return Ok((answers, 0));
    }
    let unsure = (0..questions.len()).filter(|idx| !is_sure[*idx]).collect();
    know(conn, questions, unsure, &mut answers).await?;
    let mut groups: BTreeMap<Option<SweepId>, Vec<Free>> = BTreeMap::new();
    for (idx, Question { claim, asked, .. }) in questions.iter().enumerate() {
        if answers[idx].claimed.is_empty() && answers[idx].quarantine.is_none() {
            let room = claim.max;
            let n_given = 0;
            groups
                .entry(*asked)
                .or_default()
                .push(Free { idx, room, n_given });
        }
    }
    let mut grants = Vec::new();
    let mut events = Vec::new();
    for (asked, free) in groups {
        for (idx, grant, job) in deal(conn, questions, asked, free).await? {
            grants.push((idx, grant));
            events.extend(begun(job));
        }
    }
    let idx_of: HashMap<_, usize> = grants
        .iter()
        .map(|(idx, grant)| ((grant.worker, grant.request), *idx))
        .collect();
    let grants: Vec<_> = grants.into_iter().map(|(_, grant)| grant).collect();
    if !grants.is_empty() {
        let begun = store::claim::begin(conn, &grants, &events).await?;
        if begun.len() < grants.len() {
            return Err(ApiError::Conflict("a worker was put aside".into()));
        }
        for (worker, request, claimed) in begun {
            answers[idx_of[&(worker, request)]].claimed.push(claimed);
        }
    }
    // Those who got nothing may have had something before.
    let empty =
        (0..questions.len()).filter(|idx| is_sure[*idx] && answers[*idx].claimed.is_empty());
    know(conn, questions, empty.collect(), &mut answers).await?;
    Ok((answers, grants.len() as u64))
}

/// Finds what copies of the claims had got before, and who was put aside; makes workers known that are not.
async fn know(
    conn: &mut PgConnection,
    questions: &[Question],
    about: Vec<usize>,
    answers: &mut [Answer],
) -> Result<(), ApiError> {
    if about.is_empty() {
        return Ok(());
    }
    let claims: Vec<_> = about
        .iter()
        .map(|idx| &questions[*idx].claim)
        .map(|claim| (&claim.worker, claim.request))
        .collect();
    let mut strangers: BTreeMap<_, &WorkerIdentity> = BTreeMap::new();
    for known in store::claim::recall(conn, &claims).await? {
        let (worker, _) = claims[known.place];
        if !known.is_worker_known {
            strangers.insert(worker.id, worker);
        }
        let answer = &mut answers[about[known.place]];
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
) -> Result<Vec<(usize, Grant, Waiting)>, ApiError> {
    let mut grants: Vec<(usize, Grant, Waiting)> = Vec::new();
    for _ in 0..MAX_LOOKS {
        let room: u32 = free.iter().map(|free| free.room).sum();
        if room == 0 {
            break;
        }
        let offers: Vec<_> = free
            .iter()
            .map(|free| questions[free.idx].claim.offer())
            .collect();
        let taken: Vec<_> = grants.iter().map(|(_, grant, _)| grant.seq).collect();
        let jobs = store::claim::pick(conn, &offers, &taken, room, asked).await?;
        let n_jobs = jobs.len();
        for job in jobs {
            let Some(free) = best(&mut free, questions, &job) else {
                continue;
            };
            let claim = &questions[free.idx].claim;
            let grant = Grant {
                seq: job.seq,
                worker: claim.worker.id,
                boot: claim.worker.boot,
                request: claim.request,
                place: free.n_given,
            };
            free.room -= 1;
            free.n_given += 1;
            grants.push((free.idx, grant, job));
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

/// What pages are told of a job that begins; evaluations make no noise until they end.
fn begun(job: Waiting) -> Option<Event> {
    (job.job == JobKind::Train).then_some(Event::Trial {
        trial: job.trial,
        sweep: job.sweep,
        dataset: job.dataset,
        state: TrialState::Running,
    })
}

#[cfg(test)]
mod tests {
    use cultivar_spec::queueing::Needs;
    use cultivar_spec::wire::DeviceInfo;
    use cultivar_spec::{BootId, Sha256Digest, TrialId, WorkerId};

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
                trial: TrialId::new(),
                sweep: None,
                dataset: "d".into(),
                job: JobKind::Train,
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
