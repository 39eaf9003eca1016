//! The supervisor against a scripted server and a trainer that pretends: real processes, real pipes.

mod process;
mod server;

use cultivar_spec::wire::Order;
use cultivar_spec::{Outcome, PROTOCOL_VERSION, Sha256Digest};
use process::Worker;
use rustix::process::Signal;
use server::{Script, Server};

#[tokio::test]
async fn jobs_are_completed_by_one_warm_trainer() {
    let server = Server::start().await;
    let leases = [server.queue("completes"), server.queue("completes")];
    let mut worker = Worker::start(&server, &["--once"]);
    assert!(worker.end().await.success(), "{}", worker.log());

    for lease in leases {
        server.change(|script| {
            let finish = script.finish(lease).expect("a finish");
            assert_eq!(finish.outcome, Outcome::Completed);
            assert_eq!(finish.step, 2);
            assert_eq!(script.text(finish.model), "the model");
            assert_eq!(script.text(finish.predictions), "the predictions");
            assert_eq!(finish.metrics["val_top1"].0, 0.5);
            assert!(
                finish.metrics["val_loss"].0.is_nan(),
                "{:?}",
                finish.metrics
            );
            // Points and progress may share a write or come in two.
            let metrics = script.all(lease, "metrics");
            let points: Vec<_> = metrics
                .iter()
                .flat_map(|body| body["points"].as_array().cloned().unwrap_or_default())
                .collect();
            assert_eq!(points[0]["metric"], "train_loss");
            assert_eq!(points[1]["value"], "NaN");
            assert!(metrics.iter().any(|body| body["progress"]["step"] == 1));
        });
    }
    server.change(|script| {
        let version = PROTOCOL_VERSION.to_string();
        assert_eq!(script.protocol.as_ref(), Some(&version));
        let rows = Sha256Digest::of(b"some rows");
        assert_eq!(script.downloads[&rows], 1, "the second job found them here");
        let beat = script.heartbeats.last().expect("heartbeats");
        assert_eq!(beat.worker.device.name, "pretended");
    });
    assert_eq!(worker.log().matches("trainer ready").count(), 1);
    assert!(worker.work().is_empty(), "{:?}", worker.work());
}

#[tokio::test]
async fn the_log_does_not_tell_the_password_of_the_url() {
    let server = Server::start().await;
    let url = server.url().replace("//", "//ops:hunter2@");
    let mut worker = Worker::start_at(&url, &["--once"]);
    worker.end().await;
    assert!(worker.log().contains("ops:[redacted]@"), "{}", worker.log());
    assert!(!worker.log().contains("hunter2"), "{}", worker.log());
}

#[tokio::test]
async fn a_killed_trainer_is_a_crash_and_the_next_job_gets_another() {
    let server = Server::start().await;
    let (dies, completes) = (server.queue("dies"), server.queue("completes"));
    let mut worker = Worker::start(&server, &["--once"]);
    assert!(worker.end().await.success());

    server.change(|script| {
        let finish = script.finish(dies).expect("a finish");
        assert_eq!(finish.outcome, Outcome::Crashed);
        assert_eq!(finish.step, 1);
        let error = finish.error.expect("a cause");
        assert!(
            error.starts_with("trainer died from signal 9 (SIGKILL)"),
            "{error}"
        );
        assert!(error.ends_with("its last words: about to die"), "{error}");
        let log = script.write(dies, "logs").expect("log lines");
        assert_eq!(log["lines"], serde_json::json!(["about to die"]));
        assert_eq!(log["first_line"], 0);
        let next = script.finish(completes).expect("a finish");
        assert_eq!(next.outcome, Outcome::Completed);
    });
    assert_eq!(worker.log().matches("trainer ready").count(), 2);
}

#[tokio::test]
async fn a_trainer_that_babbles_is_a_crash() {
    let server = Server::start().await;
    let lease = server.queue("babbles");
    let _worker = Worker::start(&server, &["--once"]);
    let finish = server.finish(lease).await;
    assert_eq!(finish.outcome, Outcome::Crashed);
    let error = finish.error.expect("a cause");
    assert!(
        error.contains("killed for what it said: a frame of"),
        "{error}"
    );
}

#[tokio::test]
async fn a_silent_trainer_is_stalled() {
    let server = Server::start().await;
    let lease = server.queue("hangs");
    let _worker = Worker::start(&server, &["--min-stall", "0.4"]);
    let finish = server.finish(lease).await;
    assert_eq!(finish.outcome, Outcome::Stalled);
    let error = finish.error.expect("a cause");
    assert!(error.starts_with("no sign of life"), "{error}");
}

#[tokio::test]
async fn a_trainer_that_hangs_up_and_lives_on_is_killed() {
    let server = Server::start().await;
    let lease = server.queue("hangs up");
    let _worker = Worker::start(&server, &["--once"]);
    let finish = server.finish(lease).await;
    assert_eq!(finish.outcome, Outcome::Crashed);
    let error = finish.error.expect("a cause");
    assert!(error.contains("lived on"), "{error}");
}

#[tokio::test]
async fn a_cancelled_job_stops_and_says_so() {
    let server = Server::start().await;
    let lease = server.queue("endless");
    let mut worker = Worker::start(&server, &["--once"]);
    server.progress(lease).await;
    server.change(|script| script.orders.insert(lease, Order::Cancel));
    assert_eq!(server.finish(lease).await.outcome, Outcome::Cancelled);
    server.change(|script| assert!(script.checkpoint(lease).is_none()));
    assert!(worker.end().await.success());
}

#[tokio::test]
async fn a_job_of_a_lost_lease_stops_and_says_nothing() {
    let server = Server::start().await;
    let lost = server.queue("endless");
    let superseded = server.queue("endless");
    let mut worker = Worker::start(&server, &["--once"]);
    server.progress(lost).await;
    server.change(|script| script.orders.insert(lost, Order::Unknown));
    server.progress(superseded).await;
    server.change(|script| script.superseded.push(superseded));
    assert!(worker.end().await.success());
    server.change(|script| {
        assert!(script.finish(lost).is_none());
        assert!(script.finish(superseded).is_none());
    });
    assert_eq!(worker.log().matches("its result is dropped").count(), 2);
}

#[tokio::test]
async fn a_worker_cut_off_stops_itself_and_hands_back_when_it_may() {
    let server = Server::start().await;
    server.change(|script| script.lease_s = Some(10.0));
    let lease = server.queue("endless");
    let mut worker = Worker::start(&server, &[]);
    server.progress(lease).await;
    server.change(|script| script.is_away = true);
    worker
        .logged("no heartbeat was answered for most of a lease")
        .await;
    worker.logged("outcome=\"preempted\"").await;
    server.change(|script| {
        assert!(script.finish(lease).is_none());
        script.is_away = false;
    });
    assert_eq!(server.finish(lease).await.outcome, Outcome::Preempted);
    server.change(|script| assert!(script.checkpoint(lease).is_some()));
}

#[tokio::test]
async fn a_trainer_cut_off_ends_before_its_lease_can_be_given_away() {
    let server = Server::start().await;
    server.change(|script| script.lease_s = Some(1.5));
    let lease = server.queue("hangs");
    let mut worker = Worker::start(&server, &[]);
    server.progress(lease).await;
    server.change(|script| script.is_away = true);
    let cut_off = std::time::Instant::now();
    worker.logged("did not stop in time and was killed").await;
    // The lease was last renewed before it was cut off; the rest is for a busy machine, and less than a trainer has to stop.
    let elapsed = cut_off.elapsed().as_secs_f64();
    assert!(elapsed < 15.0, "{elapsed} s after its last heartbeat");
}

#[tokio::test]
async fn a_worker_cut_off_for_too_long_drops_what_it_has() {
    let server = Server::start().await;
    server.change(|script| script.lease_s = Some(10.0));
    let lease = server.queue("endless");
    let mut worker = Worker::start(&server, &[]);
    server.progress(lease).await;
    server.change(|script| script.is_away = true);
    worker.logged("outcome=\"preempted\"").await;
    server.change(|script| {
        script.orders.insert(lease, Order::Unknown);
        script.superseded.push(lease);
        script.is_away = false;
    });
    worker.logged("its result is dropped").await;
    let next = server.queue("completes");
    assert_eq!(server.finish(next).await.outcome, Outcome::Completed);
    server.change(|script| assert!(script.finish(lease).is_none()));
}

#[tokio::test]
async fn claims_go_on_after_the_server_was_away() {
    let mut server = Server::absent().await;
    let lease = server.queue("completes");
    let mut worker = Worker::start(&server, &[]);
    worker.logged("no server answers at").await;
    server.arrive().await;
    assert_eq!(server.finish(lease).await.outcome, Outcome::Completed);
    worker.logged("the server answers again").await;
}

#[tokio::test]
async fn lost_answers_change_nothing() {
    let server = Server::start().await;
    let lease = server.queue("completes");
    server.change(|script| {
        script.lose_answers = [("/leases", 2), ("/finish", 2), ("/metrics", 1)].into();
    });
    let mut worker = Worker::start(&server, &["--once"]);
    assert!(worker.end().await.success());
    server.change(|script| {
        // The queue held one lease: had the claim been another one each time, it would be lost.
        assert_eq!(
            script.finish(lease).expect("a finish").outcome,
            Outcome::Completed
        );
        assert_eq!(worker.log().matches("job starts").count(), 1);
        let finishes = script.writes.iter().filter(|(_, kind, _)| kind == "finish");
        let finishes: Vec<_> = finishes.map(|(_, _, body)| body).collect();
        assert_eq!(finishes.len(), 3);
        assert!(finishes.iter().all(|body| *body == finishes[0]));
    });
}

#[tokio::test]
async fn sigterm_hands_the_trial_back_with_a_checkpoint() {
    let server = Server::start().await;
    let lease = server.queue("endless");
    let mut worker = Worker::start(&server, &[]);
    server.progress(lease).await;
    worker.signal(Signal::TERM);
    assert!(worker.end().await.success(), "{}", worker.log());

    server.change(|script| {
        let finish = script.finish(lease).expect("a finish");
        assert_eq!(finish.outcome, Outcome::Preempted);
        let checkpoint = script.checkpoint(lease).expect("a checkpoint");
        assert_eq!(checkpoint.step, finish.step);
        let text = format!("checkpoint at step {}", finish.step);
        assert_eq!(script.text(Some(checkpoint.sha256)), text);
        let order = |kind: &str| script.writes.iter().position(|(_, what, _)| what == kind);
        assert!(
            order("checkpoint") < order("finish"),
            "the checkpoint came too late"
        );
    });
}

#[tokio::test]
async fn a_log_goes_up_while_the_trial_runs() {
    let server = Server::start().await;
    let lease = server.queue("endless");
    let mut worker = Worker::start(&server, &[]);
    let more_than_once = |script: &Script| (script.all(lease, "logs").len() > 1).then_some(());
    server
        .until("two batches of log lines", more_than_once)
        .await;
    server.change(|script| assert!(script.finish(lease).is_none(), "it still runs"));
    worker.signal(Signal::TERM);
    assert!(worker.end().await.success(), "{}", worker.log());
    // Every line once, in order; the last word may be on its way when the result is there.
    let step = server.finish(lease).await.step;
    server.change(|script| {
        let mut lines = Vec::new();
        for batch in script.all(lease, "logs") {
            assert_eq!(batch["first_line"], lines.len());
            lines.extend(batch["lines"].as_array().expect("lines").iter().cloned());
        }
        let expected: Vec<_> = (1..=step)
            .map(|step| serde_json::json!(format!("step {step}")))
            .collect();
        assert!(
            lines.len() + 1 >= expected.len(),
            "{} of {step}",
            lines.len()
        );
        assert_eq!(lines, expected[..lines.len()]);
    });
}

#[tokio::test]
async fn slots_open_where_memory_has_room_for_another_trial() {
    let server = Server::start().await;
    let leases = [server.queue("endless"), server.queue("endless")];
    let mut worker = Worker::start(&server, &["--slots", "auto", "--look-every", "0.02"]);
    server.progress(leases[0]).await;
    worker.logged("a slot opens").await;
    server.progress(leases[1]).await;
    worker.signal(Signal::TERM);
    assert!(worker.end().await.success(), "{}", worker.log());
    for lease in leases {
        assert_eq!(server.finish(lease).await.outcome, Outcome::Preempted);
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let server = Server::start().await;
    let lease = server.queue("hangs");
    let mut worker = Worker::start(&server, &[]);
    server.progress(lease).await;
    worker.signal(Signal::TERM);
    worker.logged("a second signal ends at once").await;
    worker.signal(Signal::INT);
    assert_eq!(worker.end().await.code(), Some(130));
}

#[tokio::test]
async fn a_machine_that_fails_its_jobs_slows_down() {
    let server = Server::start().await;
    let lease = server.queue("faults");
    let mut worker = Worker::start(&server, &["--once"]);
    assert_eq!(server.finish(lease).await.outcome, Outcome::WorkerFault);
    worker.logged("this machine failed the last job").await;
}

#[tokio::test]
async fn a_missing_artifact_is_no_fault_of_the_machine() {
    let server = Server::start().await;
    let lease = server.queue("completes");
    server.change(|script| script.artifacts.remove(&Sha256Digest::of(b"weights")));
    let mut worker = Worker::start(&server, &["--once"]);
    assert!(worker.end().await.success(), "{}", worker.log());
    let finish = server.finish(lease).await;
    assert_eq!(finish.outcome, Outcome::Crashed);
    let error = finish.error.expect("a cause");
    assert!(
        error.contains("cannot fetch the job's files") && error.contains("404"),
        "{error}"
    );
}

#[tokio::test]
async fn an_artifact_that_comes_damaged_is_no_fault_of_the_machine() {
    let server = Server::start().await;
    let lease = server.queue("completes");
    server.change(|script| {
        let weights = script.artifacts.get_mut(&Sha256Digest::of(b"weights"));
        *weights.expect("they are there") = b"rotten!".as_slice().into();
    });
    let mut worker = Worker::start(&server, &["--once"]);
    assert!(worker.end().await.success(), "{}", worker.log());
    let finish = server.finish(lease).await;
    assert_eq!(finish.outcome, Outcome::Crashed, "{:?}", finish.error);
}

#[tokio::test]
async fn a_server_in_trouble_is_waited_out() {
    let server = Server::start().await;
    let lease = server.queue("completes");
    let faults = [("/leases", 2), ("/finish", 2), ("/metrics", 1)];
    server.change(|script| script.faults = faults.into());
    let mut worker = Worker::start(&server, &["--once"]);
    assert!(worker.end().await.success(), "{}", worker.log());
    assert_eq!(server.finish(lease).await.outcome, Outcome::Completed);
    server.change(|script| {
        assert!(
            script.faults.values().all(|n| *n == 0),
            "{:?}",
            script.faults
        );
        assert!(script.write(lease, "metrics").is_some());
    });
}

#[tokio::test]
async fn an_order_to_yield_is_given_once() {
    let server = Server::start().await;
    let lease = server.queue("stops slowly");
    let mut worker = Worker::start(&server, &["--once"]);
    server.progress(lease).await;
    server.change(|script| script.orders.insert(lease, Order::Yield));
    assert!(worker.end().await.success(), "{}", worker.log());
    let finish = server.finish(lease).await;
    assert_eq!((finish.outcome, finish.step), (Outcome::Yielded, 1));
}

#[tokio::test]
async fn a_wrong_token_is_one_line() {
    let server = Server::start().await;
    let mut worker = Worker::start(&server, &["--token", "cvt_wrong"]);
    assert_eq!(worker.end().await.code(), Some(1));
    let log = worker.log();
    let last = log.lines().last().expect("a line");
    assert!(
        last.starts_with("cultivar-worker: the server hands out no work: POST /api/v1/leases")
            && last.contains("401"),
        "{last}"
    );
}
