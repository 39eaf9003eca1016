//! The store against a model: random interleavings of everything that people, workers and time do to trials.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `op` | what can happen |
//! | `model` | what should come of it, in a few lines without SQL |
//! | `driver` | a real server on a real database |
//! | `driver::play` | makes it happen there, and compares after every step |
//!
//! The routes run in process and no loop runs behind them, so that nothing happens between two steps and
//! a failure repeats: leases run out, queues are fed and waits end when the test says so.

mod driver;
mod model;
mod op;

use proptest::test_runner::{Config, TestRunner};

use crate::harness::{Database, run_async};
use driver::Driver;

/// Steps and streaks of a history at most.
const MAX_OPS: usize = 40;
/// How long a shorter history that fails too is looked for.
const MAX_SHRINK_MS: u32 = 20_000;

/// Histories tried, new ones at every run; `CULTIVAR_TEST_HISTORIES` asks for more.
fn n_histories() -> u32 {
    let asked = std::env::var("CULTIVAR_TEST_HISTORIES");
    asked.map_or(48, |n| n.parse().expect("a number of histories"))
}

#[test]
fn every_history_keeps_the_invariants() {
    run_async(async {
        let database = Database::create().await;
        let driver = Driver::start(&database).await;
        let handle = tokio::runtime::Handle::current();
        let outcome = tokio::task::spawn_blocking(move || {
            let mut runner = TestRunner::new(Config {
                cases: n_histories(),
                failure_persistence: None,
                max_shrink_time: MAX_SHRINK_MS,
                max_shrink_iters: 300,
                ..Config::default()
            });
            let result = runner.run(&op::history(MAX_OPS), |history| {
                handle.block_on(driver.play(&history))
            });
            handle.block_on(driver.stop());
            result
        })
        .await
        .unwrap();
        database.drop().await;
        if let Err(error) = outcome {
            panic!("{error}");
        }
    });
}
