//! How much of the queue a claim reads.

use serde_json::json;

use crate::fixtures::{Worker, complete, tell};
use crate::harness::{eventually, with_app};
use crate::queueing::submit;

/// An old snapshot keeps what was taken in the index, and whoever starts at the head of the line goes past it.
#[test]
fn a_claim_goes_on_where_the_last_one_was_while_a_snapshot_is_open() {
    with_app(30.0, async |app| {
        app.register().await;
        submit(&app, "s", 500, json!({})).await;
        let mut old = app.state.pool.begin().await.unwrap();
        sqlx::raw_sql(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM trial_queue",
        )
        .execute(&mut *old)
        .await
        .unwrap();
        let worker = Worker::new();
        assert_eq!(worker.claim(&app, 200).await.len(), 200);
        assert_eq!(worker.claim(&app, 200).await.len(), 200);
        // What a connection did is counted within seconds, all of it together.
        let counted = async |n: i64| {
            eventually("it is counted", async || {
                app.count("SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'trial_queue'")
                    .await
                    >= n
            })
            .await;
            app.count("SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'trial_queue_line_idx'")
                .await
        };
        let n_before = counted(400).await;
        for _ in 0..40 {
            assert_eq!(worker.claim(&app, 1).await.len(), 1);
        }
        let n_read = counted(440).await - n_before;
        // Now and then it looks at the whole line.
        assert!(
            n_read < 40 * 400 / 2,
            "{n_read} entries were read for 40 jobs"
        );
        // A higher priority is seen at once.
        let urgent = submit(&app, "urgent", 1, json!({"priority": 1})).await;
        let first = worker.claim_one(&app).await;
        let trial = app.trial(&first.trial.to_string()).await;
        assert_eq!(trial["trial"]["sweep"], urgent);
        old.rollback().await.unwrap();
        app
    });
}

/// Behind the place where it was there may be fewer jobs than before it, of a lower priority.
#[test]
fn a_claim_gets_all_that_it_can_have_wherever_the_last_one_was() {
    with_app(30.0, async |app| {
        app.register().await;
        submit(&app, "s", 2, json!({})).await;
        let worker = Worker::new();
        // Each time it stands ahead of what is fresh, and behind where it was.
        for _ in 0..4 {
            let lease = worker.claim_one(&app).await;
            tell(&app, &lease, "finish", json!({"outcome": "preempted"})).await;
        }
        assert_eq!(worker.claim(&app, 2).await.len(), 2);
        app
    });
}

/// Statistics of an empty queue make a plan that reads it all look as good as any, and Postgres keeps to it for a while.
#[test]
fn a_claim_reads_a_few_jobs_whatever_the_statistics_say() {
    with_app(30.0, async |app| {
        app.register().await;
        submit(&app, "early", 50, json!({})).await;
        let worker = Worker::new();
        for _ in 0..50 {
            complete(&app, &worker.claim_one(&app).await, 5).await;
        }
        assert_eq!(app.count("SELECT count(*) FROM trial_queue").await, 0);
        sqlx::raw_sql("ANALYZE")
            .execute(&app.state.pool)
            .await
            .unwrap();
        for name in ["a", "b", "c"] {
            submit(&app, name, 1000, json!({})).await;
        }
        // What a connection did is counted within seconds.
        let read = async || {
            app.count(
                "SELECT (idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_user_tables WHERE relname = 'trial_queue'",
            )
            .await
        };
        eventually("the queue is filled", async || {
            app.count("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'trial_queue'")
                .await
                >= 3050
        })
        .await;
        let n_before = read().await;
        for _ in 0..20 {
            let lease = worker.claim_one(&app).await;
            complete(&app, &lease, 5).await;
        }
        eventually("the claims are counted", async || {
            app.count("SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'trial_queue'")
                .await
                >= 70
        })
        .await;
        let n_read = read().await - n_before;
        assert!(
            n_read < 20 * 100,
            "20 claims read {n_read} rows of the queue"
        );
        app
    });
}
