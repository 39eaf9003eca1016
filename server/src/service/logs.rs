//! The log of a trial, as text: all of it, what holds some words, or what came since.

use cultivar_spec::TrialId;
use cultivar_spec::wire::LOG_CURSOR;

use crate::error::ApiError;
use crate::routes::LogFilter;
use crate::state::AppState;
use crate::store;

/// Log lines of an answer at most.
const MAX_LINES: i64 = 10_000;

/// Lines of a log.
pub struct Logs {
    /// Each attempt's lines are announced by a line of their own.
    pub text: String,
    /// Where the last of them stands; the filter's where there is none.
    pub cursor: Option<String>,
}

/// The last lines that `filter` lets through; with a cursor the first that stand after it, so that nothing is skipped.
///
/// # Errors
/// There is no such trial, or the cursor is none.
pub async fn read(state: &AppState, id: TrialId, filter: LogFilter) -> Result<Logs, ApiError> {
    let after = filter.after.as_deref().map(cursor).transpose()?;
    if store::trial::find(&state.pool, id).await?.is_none() {
        return Err(ApiError::no_such("trial", id));
    }
    let needle = filter.q.as_deref();
    let lines = store::log::lines(&state.pool, id, needle, after, MAX_LINES).await?;
    let last = lines.last();
    let cursor = last.map(|line| format!("{}.{}", line.epoch, line.line_no));
    let mut text = String::new();
    let mut announced = None;
    for line in lines {
        if announced.replace(line.epoch) != Some(line.epoch) {
            text.push_str(&format!("--- attempt {}\n", line.epoch));
        }
        text.push_str(&line.text);
        text.push('\n');
    }
    Ok(Logs {
        text,
        cursor: cursor.or(filter.after),
    })
}

/// Attempt and line of a cursor.
fn cursor(text: &str) -> Result<(i64, i64), ApiError> {
    let number = |part: &str| part.parse().ok().filter(|number: &i64| *number >= 0);
    let numbers = text
        .split_once('.')
        .and_then(|(epoch, line)| number(epoch).zip(number(line)));
    numbers.ok_or_else(|| {
        ApiError::violation(
            "/after",
            text,
            format!("the {LOG_CURSOR} of an earlier answer, such as 1.250"),
        )
    })
}
