//! A person's view: the page fills while a sweep runs, in a real browser.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cultivar_tests::process::{Process, repository};
use cultivar_tests::stack::Stack;
use serde_json::json;

use crate::system::sweep::{check_settled, finished, submit};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fills_while_a_sweep_runs() {
    let mut stack = Stack::start().await;
    stack.register_demo_data();
    let _worker = stack.worker();
    // Two runs that a person can watch, then a row of quick ones that fill the table.
    let sweep = json!({
        "name": "browser",
        "base": {"data": {"dataset": "emoji-part"}, "fit": {"epochs": 2, "resolution": 64, "batch_size": 32}},
        "space": {"choice": [
            {"optimizer": {"kind": "adamw", "lr": 1e-3}},
            {"backbone": {"weights": "random"}, "optimizer": {"kind": "sgd", "lr": 0.05}},
            {"adaptation": {"mode": "head_only"}, "fit": {"epochs": 10},
             "optimizer": {"choice": [{"kind": "adamw", "lr": 1e-3}, {"kind": "sgd", "lr": 0.1}, {"kind": "ranger", "lr": 3e-3}]},
             "loss": {"kind": "cross_entropy", "smoothing": {"choice": [0.0, 0.1]}}},
        ]},
    });
    let pictures = std::env::var_os("CULTIVAR_PICTURES")
        .map_or_else(|| stack.home.path().into(), PathBuf::from);
    let mut browser = Process::start(
        Command::new("node")
            .arg(repository().join("tests/browser/watch-sweep.mjs"))
            .env("CULTIVAR_LOGIN_URL", &stack.login_url)
            .env("CULTIVAR_DATASET", "emoji-part")
            .env("OUT_DIR", pictures),
        &stack.home.path().join("browser.log"),
    );
    browser.line_with("ready", Duration::from_secs(300)).await;
    let sweep = submit(&stack, &sweep).await;
    let status = browser.end(Duration::from_secs(3000)).await;
    let said = browser.log();
    assert!(status.success(), "{said}");
    assert!(said.contains(" passed, 0 failed"), "{said}");
    check_settled(&finished(&stack, &sweep).await, 8);
    stack.stop().await;
}
