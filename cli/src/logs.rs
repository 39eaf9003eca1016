//! A trial's log lines on the terminal, as they come if need be.

use std::io::{self, Write};
use std::time::Duration;

use cultivar_client::{Client, LogFilter};
use cultivar_spec::TrialId;

/// Between two looks at a log that is followed.
const EVERY: Duration = Duration::from_secs(2);

/// Prints the log lines of a trial that hold `grep`; with `follow` also those that come until it is settled.
pub async fn print(
    client: &Client,
    id: TrialId,
    grep: Option<String>,
    follow: bool,
) -> anyhow::Result<()> {
    let mut filter = LogFilter {
        q: grep,
        after: None,
    };
    let mut attempt = None;
    let mut is_first = true;
    loop {
        // Asked before the lines are, so that the last of them are not missed.
        let is_over = !follow || client.trial(id).await?.trial.state.is_terminal();
        let logs = client.logs(id, &filter).await?;
        let is_all = logs.text.is_empty() || logs.cursor.is_none();
        filter.after = logs.cursor.or(filter.after);
        if logs.text.is_empty() && is_first && filter.q.is_none() {
            eprintln!("no log lines yet");
        }
        is_first = false;
        let mut out = io::stdout().lock();
        out.write_all(unannounced(&logs.text, &mut attempt).as_bytes())?;
        out.flush()?;
        match (follow, is_all, is_over) {
            (false, ..) | (true, true, true) => return Ok(()),
            // More than one answer holds.
            (true, false, _) => {}
            (true, true, false) => tokio::time::sleep(EVERY).await,
        }
    }
}

/// What is new of `text`: it announces the attempt of its first line again, though that was `attempt` before.
fn unannounced<'a>(text: &'a str, attempt: &mut Option<String>) -> &'a str {
    let is_announcement = |line: &&str| line.starts_with("--- attempt ");
    let first = text.lines().next().filter(is_announcement);
    let rest = match first {
        Some(first) if attempt.as_deref() == Some(first) => {
            text.get(first.len() + 1..).unwrap_or_default()
        }
        _ => text,
    };
    if let Some(last) = text.lines().rfind(is_announcement) {
        *attempt = Some(last.to_owned());
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_announced_once() {
        let mut attempt = None;
        let mut check = |text: &str, expect: &str| {
            assert_eq!(unannounced(text, &mut attempt), expect);
        };
        check("", "");
        check("--- attempt 1\none\n", "--- attempt 1\none\n");
        check("", "");
        check("--- attempt 1\ntwo\n", "two\n");
        let next = "--- attempt 1\nthree\n--- attempt 2\nfour\n";
        check(next, "three\n--- attempt 2\nfour\n");
        check("--- attempt 2\nfive\n", "five\n");
    }
}
