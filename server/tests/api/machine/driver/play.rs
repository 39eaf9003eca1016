//! One history as it is played: each step goes to the server and to the model, and both must say the same.

use axum::http::StatusCode;
use cultivar_server::service::{feeder, reaper};
use cultivar_spec::wire::ClaimReply;
use cultivar_spec::{LeaseId, Outcome, SweepId, TrialId};
use proptest::prelude::{TestCaseError, prop_assert, prop_assert_eq};
use proptest::sample::Index;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Checked, Driver};
use crate::fixtures::{Worker, trial_spec};
use crate::machine::model::{Answer, Claim, Finish, Model, Sweep};
use crate::machine::op::{N_WORKERS, Op, Pick, Wish};

/// One history: the server's answers so far, as the model has them.
pub struct Play<'a> {
    driver: &'a Driver,
    workers: Vec<Worker>,
    model: Model,
    n_seeds: u64,
}

impl<'a> Play<'a> {
    pub fn new(driver: &'a Driver) -> Self {
        Self {
            driver,
            workers: (0..N_WORKERS).map(|_| Worker::new()).collect(),
            model: Model::default(),
            n_seeds: 0,
        }
    }

    pub async fn step(&mut self, op: &Op) -> Checked {
        match op {
            Op::Submit { twice } => self.submit(*twice).await,
            Op::SubmitSweep {
                n_trials,
                parallel,
                twice,
            } => self.submit_sweep(*n_trials, *parallel, *twice).await,
            Op::Feed => {
                let fed = feeder::feed_all(&self.driver.state).await;
                fed.map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
                for sweep in 0..self.model.sweeps.len() {
                    self.model.feed(sweep);
                }
                Ok(())
            }
            Op::Claim { worker, max } => self.claim(*worker, *max).await,
            Op::ClaimAgain { index } => match self.model.claims.len() {
                0 => Ok(()),
                n => self.claim_again(index.index(n)).await,
            },
            Op::Beat { worker, picks } => self.beat(*worker, picks).await,
            Op::Report { pick, step } => {
                let body = json!({"points": [{"metric": "train_loss", "step": step, "epoch": 0.5, "value": 1.0}]});
                let apply = |model: &mut Model, attempt| model.report(attempt, *step);
                self.tell(pick, "metrics", &body, apply).await
            }
            Op::Checkpoint { pick, step } => {
                let body = json!({"sha256": self.driver.checkpoint, "epoch": 0, "step": step});
                let apply = |model: &mut Model, attempt| model.checkpoint(attempt, *step);
                self.tell(pick, "checkpoint", &body, apply).await
            }
            Op::Finish {
                pick,
                outcome,
                n_right,
            } => self.finish(pick, *outcome, *n_right).await,
            Op::Expire { pick } => self.expire(pick).await,
            Op::WaitOver => {
                self.driver
                    .sql("UPDATE trial_queue SET available_at = now()")
                    .await;
                for trial in &mut self.model.trials {
                    trial.ready = trial.ready.map(|_| true);
                }
                Ok(())
            }
            Op::AskTrial { index, wish } => match self.model.trials.len() {
                0 => Ok(()),
                n => {
                    let trial = index.index(n);
                    let path = format!("trials/{}", self.model.trials[trial].id);
                    let expect = self.model.ask_trial(trial, *wish);
                    self.ask(&path, *wish, false, expect).await
                }
            },
            Op::AskSweep { index, wish } => match self.model.sweeps.len() {
                0 => Ok(()),
                n => {
                    let sweep = index.index(n);
                    let path = format!("sweeps/{}", self.model.sweeps[sweep].id);
                    let expect = self.model.ask_sweep(sweep, *wish);
                    self.ask(&path, *wish, true, expect).await
                }
            },
            Op::Release { worker } => {
                self.beat(*worker, &[]).await?;
                let id = self.workers[*worker].identity.id;
                let path = format!("/api/v1/workers/{id}/release");
                let (status, body) = self.driver.post(&path, &json!({})).await;
                prop_assert!(status.is_success(), "{status} {body:#}");
                self.model.workers[*worker] = Default::default();
                Ok(())
            }
        }
    }

    async fn submit(&mut self, twice: bool) -> Checked {
        self.n_seeds += 1;
        let body = json!({"spec": trial_spec(self.n_seeds)});
        let id = self.create("/api/v1/trials", &body, twice).await?;
        self.model.submit(TrialId(id), None);
        Ok(())
    }

    async fn submit_sweep(&mut self, n_trials: u64, parallel: Option<u32>, twice: bool) -> Checked {
        let seeds: Vec<_> = (0..n_trials).collect();
        let body = json!({"name": "s", "base": trial_spec(0), "seeds": seeds, "queueing": {"parallel": parallel}});
        let id = self.create("/api/v1/sweeps", &body, twice).await?;
        let trials: Vec<Uuid> =
            sqlx::query_scalar("SELECT id FROM trial WHERE sweep_id = $1 ORDER BY id")
                .bind(id)
                .fetch_all(&self.driver.state.pool)
                .await
                .unwrap();
        prop_assert_eq!(trials.len() as u64, n_trials);
        self.model.sweeps.push(Sweep {
            id: SweepId(id),
            parallel,
            paused: false,
            cancelled: false,
            open: true,
        });
        let sweep = self.model.sweeps.len() - 1;
        for trial in trials {
            self.model.submit(TrialId(trial), Some(sweep));
        }
        self.model.feed(sweep);
        Ok(())
    }

    /// Posts under a key; twice it makes one thing and answers the same (I4).
    async fn create(&self, path: &str, body: &Value, twice: bool) -> Checked<Uuid> {
        let key = Uuid::new_v4();
        let first = self.driver.post_as(path, body, Some(key)).await;
        prop_assert!(first.0.is_success(), "{first:?}");
        if twice {
            prop_assert_eq!(&self.driver.post_as(path, body, Some(key)).await, &first);
        }
        Ok(first.1["id"].as_str().unwrap().parse().unwrap())
    }

    async fn ask(&self, path: &str, wish: Wish, is_sweep: bool, expect: Answer) -> Checked {
        let (verb, body) = match wish {
            Wish::Pause => ("pause", json!({})),
            Wish::Drain if is_sweep => ("pause", json!({"drain": true})),
            Wish::Drain => ("pause", json!({})),
            Wish::Resume => ("resume", json!({})),
            Wish::Cancel => ("cancel", json!({})),
            Wish::Retry => ("retry", json!({})),
        };
        let path = format!("/api/v1/{path}/{verb}");
        let (status, body) = self.driver.post(&path, &body).await;
        prop_assert_eq!(answer(status, &body), expect, "{} {:#}", path, body);
        Ok(())
    }

    async fn post_claim(&self, worker: usize, request: Uuid, max: u32) -> Checked<ClaimReply> {
        let identity = &self.workers[worker].identity;
        let body = json!({"worker": identity, "request": request, "max": max, "wait_s": 0.0});
        let (status, body) = self.driver.post("/api/v1/leases", &body).await;
        prop_assert_eq!(status, StatusCode::OK, "{:#}", body);
        Ok(serde_json::from_value(body).unwrap())
    }

    async fn claim(&mut self, worker: usize, max: u32) -> Checked {
        let request = Uuid::new_v4();
        let reply = self.post_claim(worker, request, max).await?;
        let quarantined = self.model.workers[worker].quarantined;
        prop_assert_eq!(reply.quarantine.is_some(), quarantined);
        let n_expected = match quarantined {
            true => 0,
            false => self.model.n_ready().min(max as usize),
        };
        prop_assert_eq!(reply.leases.len(), n_expected);
        let mut attempts = Vec::new();
        for lease in reply.leases {
            let found = self
                .model
                .trials
                .iter()
                .position(|trial| trial.id == lease.trial);
            let trial = found.ok_or_else(|| TestCaseError::fail("a trial nobody submitted"))?;
            prop_assert_eq!(
                self.model.trials[trial].ready,
                Some(true),
                "it may not begin"
            );
            prop_assert_eq!(lease.epoch, self.model.trials[trial].last_epoch + 1);
            attempts.push(self.model.begin(worker, lease.id, trial));
        }
        if !attempts.is_empty() {
            self.model.claims.push(Claim {
                worker,
                request,
                attempts,
            });
        }
        Ok(())
    }

    async fn claim_again(&mut self, claim: usize) -> Checked {
        let Claim {
            worker,
            request,
            attempts,
        } = &self.model.claims[claim];
        let mut expect: Vec<LeaseId> = attempts
            .iter()
            .map(|attempt| self.model.attempts[*attempt].lease)
            .collect();
        let reply = self.post_claim(*worker, *request, 4).await?;
        let mut leases: Vec<_> = reply.leases.iter().map(|lease| lease.id).collect();
        expect.sort();
        leases.sort();
        prop_assert_eq!(
            leases,
            expect,
            "a claim sent again gets what it got before (I4)"
        );
        Ok(())
    }

    fn pick(&self, pick: &Pick) -> Option<usize> {
        let all: Vec<usize> = (0..self.model.attempts.len()).collect();
        let is_active = |attempt: &usize| self.model.attempts[*attempt].outcome.is_none();
        let active: Vec<usize> = all.iter().copied().filter(is_active).collect();
        let one_of = |fitting: &[usize], index: &Index| match fitting.len() {
            0 => None,
            n => Some(fitting[index.index(n)]),
        };
        match pick {
            Pick::Any(index) => one_of(&all, index),
            Pick::Active(index) => one_of(&active, index),
            Pick::Newest => active.last().copied(),
        }
    }

    async fn beat(&mut self, worker: usize, picks: &[Pick]) -> Checked {
        let mut listed: Vec<_> = picks.iter().filter_map(|pick| self.pick(pick)).collect();
        listed.sort();
        listed.dedup();
        let stranger = LeaseId::new();
        let mut ids: Vec<_> = listed
            .iter()
            .map(|attempt| self.model.attempts[*attempt].lease)
            .collect();
        ids.push(stranger);
        let body = json!({"worker": self.workers[worker].identity, "leases": ids});
        let (status, body) = self.driver.post("/api/v1/heartbeats", &body).await;
        prop_assert_eq!(status, StatusCode::OK, "{:#}", body);
        prop_assert_eq!(&body["orders"][stranger.to_string()], "unknown");
        for attempt in listed {
            let lease = self.model.attempts[attempt].lease.to_string();
            // Only its holder is told, and only for him is it taken up again.
            let order = match self.model.attempts[attempt].worker == worker {
                true => self.model.beat(attempt),
                false => "unknown",
            };
            prop_assert_eq!(&body["orders"][lease], order);
        }
        Ok(())
    }

    async fn tell(
        &mut self,
        pick: &Pick,
        what: &str,
        body: &Value,
        apply: impl FnOnce(&mut Model, usize) -> Answer,
    ) -> Checked {
        let Some(attempt) = self.pick(pick) else {
            return Ok(());
        };
        let path = format!(
            "/api/v1/leases/{}/{what}",
            self.model.attempts[attempt].lease
        );
        let expect = apply(&mut self.model, attempt);
        let (status, body) = self.driver.post(&path, body).await;
        prop_assert_eq!(answer(status, &body), expect, "{:#}", body);
        Ok(())
    }

    async fn finish(&mut self, pick: &Pick, outcome: Outcome, n_right: usize) -> Checked {
        let mut body = json!({"outcome": outcome, "step": 20});
        let mut finish = Finish {
            outcome,
            n_right: 0,
        };
        if outcome == Outcome::Completed {
            finish.n_right = n_right;
            body["model"] = json!(self.driver.model);
            body["predictions"] = json!(self.driver.predictions[n_right]);
            body["metrics"] = json!({"val_top1": n_right as f64 / 10.0});
        }
        let attempt = self.pick(pick);
        let apply = |model: &mut Model, attempt| model.finish(attempt, finish);
        self.tell(pick, "finish", &body, apply).await?;
        match attempt {
            Some(attempt) => self.check_wait(attempt).await,
            None => Ok(()),
        }
    }

    async fn expire(&mut self, pick: &Pick) -> Checked {
        let Some(attempt) = self.pick(pick) else {
            return Ok(());
        };
        let is_active = self.model.attempts[attempt].outcome.is_none();
        let lost = reaper::lose(&self.driver.state, self.model.attempts[attempt].lease).await;
        let lost = lost.map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        prop_assert_eq!(lost, is_active, "only an active lease can be lost");
        if is_active {
            self.model.settle(attempt, Outcome::Lost);
        }
        Ok(())
    }

    /// The wait before a retry is what the model says, and up to a quarter more; from here on it lasts until the
    /// history ends it.
    async fn check_wait(&self, attempt: usize) -> Checked {
        let attempt = &self.model.attempts[attempt];
        let trial = &self.model.trials[attempt.trial];
        if trial.ready != Some(false) || attempt.epoch != trial.last_epoch {
            return Ok(());
        }
        let wait_s: f64 = sqlx::query_scalar(
            "SELECT CASE WHEN isfinite(q.available_at) THEN extract(epoch FROM q.available_at - a.ended_at)::float8
                         ELSE 'infinity' END
             FROM trial_queue q JOIN attempt a ON a.lease_id = $2 WHERE q.trial_id = $1",
        )
        .bind(trial.id.0)
        .bind(attempt.lease.0)
        .fetch_one(&self.driver.state.pool)
        .await
        .unwrap();
        let is_parked = wait_s.is_infinite();
        let expect = trial.wait_s..=trial.wait_s * 1.25;
        prop_assert!(
            is_parked || expect.contains(&wait_s),
            "waits {wait_s} s, not {expect:?}"
        );
        sqlx::query("UPDATE trial_queue SET available_at = 'infinity' WHERE trial_id = $1")
            .bind(trial.id.0)
            .execute(&self.driver.state.pool)
            .await
            .unwrap();
        Ok(())
    }

    /// The database says what the model says (I1, I2, I3), row by row.
    pub async fn compare(&self) -> Checked {
        let model = &self.model;
        let trials = model.trials.iter().map(|trial| {
            format!(
                "{} {} epoch {} cancel {} pause {} checkpoint {} queue {} top1 {}",
                trial.id,
                trial.state.name(),
                trial.last_epoch,
                trial.cancel,
                trial.pause,
                or_none(trial.checkpoint),
                or_none(trial.ready),
                or_none(trial.n_right),
            )
        });
        let found = self.driver.rows(
            "SELECT format('%s %s epoch %s cancel %s pause %s checkpoint %s queue %s top1 %s', t.id, state, last_epoch,
                           cancel_requested::text, pause_requested::text, coalesce(checkpoint_step::text, 'none'),
                           coalesce((SELECT (q.available_at <= now())::text FROM trial_queue q WHERE q.trial_id = t.id), 'none'),
                           coalesce(round(10 * (metrics->>'val_top1')::numeric)::text, 'none'))
             FROM trial t",
        );
        prop_assert_eq!(sorted(trials), found.await);

        let attempts = model.attempts.iter().map(|attempt| {
            let finished = attempt.finish.map(|finish| finish.outcome.name());
            format!(
                "{} epoch {} outcome {} finished {} from {} checkpoint {} steps {:?}",
                attempt.lease,
                attempt.epoch,
                or_none(attempt.outcome.map(Outcome::name)),
                or_none(finished),
                attempt.resumed_from,
                or_none(attempt.checkpoint),
                attempt.steps.iter().collect::<Vec<_>>(),
            )
        });
        let found = self.driver.rows(
            "SELECT format('%s epoch %s outcome %s finished %s from %s checkpoint %s steps [%s]', lease_id, epoch,
                           coalesce(outcome, 'none'), coalesce(finish->>'outcome', 'none'), resumed_from_step,
                           coalesce(checkpoint_step::text, 'none'),
                           (SELECT string_agg(step::text, ', ' ORDER BY step) FROM metric_values(a.lease_id)))
             FROM attempt a",
        );
        prop_assert_eq!(sorted(attempts), found.await);

        let sweeps = model.sweeps.iter().map(|sweep| {
            format!(
                "{} paused {} cancelled {} open {}",
                sweep.id, sweep.paused, sweep.cancelled, sweep.open
            )
        });
        let found = self.driver.rows(
            "SELECT format('%s paused %s cancelled %s open %s', id, (paused_at IS NOT NULL)::text,
                           (cancelled_at IS NOT NULL)::text, open::text) FROM sweep",
        );
        prop_assert_eq!(sorted(sweeps), found.await);

        let n_accepted = model.trials.iter().filter(|trial| trial.n_right.is_some());
        let expect = format!("{} {}", n_accepted.count(), model.n_aside);
        let found = self.driver.rows(
            "SELECT format('%s %s', (SELECT count(*) FROM prediction), (SELECT count(*) FROM superseded_write))",
        );
        prop_assert_eq!(vec![expect], found.await);
        Ok(())
    }
}

fn sorted(rows: impl Iterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn answer(status: StatusCode, body: &Value) -> Answer {
    match (status, body["code"].as_str(), body["order"].as_str()) {
        (StatusCode::CONFLICT, Some("superseded"), _) => Answer::Superseded,
        (StatusCode::CONFLICT, _, _) => Answer::Conflict,
        (_, _, Some("continue")) => Answer::Order("continue"),
        (_, _, Some("cancel")) => Answer::Order("cancel"),
        (_, _, Some("yield")) => Answer::Order("yield"),
        (_, _, Some("unknown")) => Answer::Order("unknown"),
        (status, _, _) if status.is_success() => Answer::Done,
        (status, _, _) => panic!("{status}: {body:#}"),
    }
}
