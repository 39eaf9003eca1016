//! The README's lines work as they stand: its curl commands are cut out and run.

use std::process::Command;

use cultivar_spec::wire::TrialPage;
use cultivar_tests::process::{program, repository};
use cultivar_tests::stack::Stack;

/// The shell block of the README that holds `marker`.
fn block_with(marker: &str) -> String {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("README.md");
    let blocks = readme
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default());
    let block = blocks.into_iter().find(|block| block.contains(marker));
    block
        .unwrap_or_else(|| panic!("no shell block with {marker:?} in the README"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_submits_a_trial_and_reads_the_leaderboard() {
    let stack = Stack::start().await;
    stack.register_demo_data();
    let script = block_with("curl")
        .replace("http://127.0.0.1:7878", &stack.url)
        .replace("birds", "emoji-part");
    let folder = program("cultivar").parent().expect("a folder").to_owned();
    let path = format!(
        "{}:{}",
        folder.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env("PATH", path)
        .env("CULTIVAR_HOME", stack.home.path())
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.contains("\"state\":\"queued\""),
        "no trial was queued: {said}"
    );
    let page: TrialPage = stack.get("/api/v1/trials?dataset=emoji-part").await;
    assert_eq!(page.trials.len(), 1);
    stack.stop().await;
}
