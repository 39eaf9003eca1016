//! How an error reads: one line, and one more for each violation of a refused document.

use cultivar_spec::{Violation, Violations};
use serde_json::json;

/// Writes an error to standard error.
pub fn report(error: &anyhow::Error, as_json: bool) {
    let violations = violations(error);
    if as_json {
        eprintln!("{}", json!({"error": summary(error), "violations": violations}));
    } else {
        eprintln!("{}", words(error));
    }
}

fn words(error: &anyhow::Error) -> String {
    let mut lines = vec![format!("cultivar: {}", summary(error))];
    for violation in violations(error) {
        lines.push(format!("  {violation}"));
    }
    lines.join("\n")
}

/// Every cause in one line; violations are listed below it instead.
fn summary(error: &anyhow::Error) -> String {
    let n = violations(error).len();
    let causes = error.chain().map(|cause| {
        if is_violations(cause) {
            format!("{n} {} wrong", if n == 1 { "field is" } else { "fields are" })
        } else {
            cause.to_string()
        }
    });
    let mut parts: Vec<String> = Vec::new();
    for cause in causes {
        // Some errors repeat their source.
        if !parts.last().is_some_and(|last| last.contains(&cause)) {
            parts.push(cause);
        }
    }
    parts.join(": ")
}

fn violations(error: &anyhow::Error) -> Vec<Violation> {
    for cause in error.chain() {
        if let Some(Violations(found)) = cause.downcast_ref() {
            return found.clone();
        }
        if let Some(api) = cause.downcast_ref::<cultivar_client::Error>()
            && let Some(body) = api.body()
            && !body.violations.is_empty()
        {
            return body.violations.clone();
        }
    }
    Vec::new()
}

fn is_violations(cause: &(dyn std::error::Error + 'static)) -> bool {
    let of_api = || {
        let api = cause.downcast_ref::<cultivar_client::Error>()?;
        Some(!api.body()?.violations.is_empty())
    };
    cause.is::<Violations>() || of_api() == Some(true)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn violations_stand_one_a_line() {
        let found = Violations(vec![
            Violation::new("/fit/epochs", 0, "at least 1"),
            Violation::new("/optimizer/kind", "adamm", "one of sgd, adamw, ranger"),
        ]);
        let error = Err::<(), _>(found).context("base").unwrap_err();
        assert_eq!(
            words(&error),
            "cultivar: base: 2 fields are wrong\n  \
             /fit/epochs: 0 is wrong, expected at least 1\n  \
             /optimizer/kind: \"adamm\" is wrong, expected one of sgd, adamw, ranger"
        );
    }

    #[test]
    fn causes_stand_in_one_line_and_once() {
        let error = anyhow::anyhow!("no such file").context("cannot read a.yaml: no such file");
        assert_eq!(words(&error), "cultivar: cannot read a.yaml: no such file");
        let error = anyhow::anyhow!("no such file").context("cannot read a.yaml");
        assert_eq!(words(&error), "cultivar: cannot read a.yaml: no such file");
    }
}
