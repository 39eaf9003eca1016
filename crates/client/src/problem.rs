//! How an error that ends a program reads: one line, and one more for each violation of a refused document.

use std::error::Error as StdError;
use std::fmt;

use cultivar_spec::{Violation, Violations};
use serde::Serialize;

use crate::Error;

/// An error with its causes, for people (`Display`) and for programs (as JSON).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// Every cause in one line.
    pub error: String,
    /// What is wrong with a document, here or by the server's answer.
    pub violations: Vec<Violation>,
}

impl Problem {
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        let causes = || std::iter::successors(Some(error), |&cause| cause.source());
        let violations = causes().find_map(listed).unwrap_or_default();
        let mut parts: Vec<String> = Vec::new();
        for cause in causes() {
            let said = match (listed(cause).is_some(), violations.len()) {
                (true, 1) => "1 field is wrong".to_owned(),
                (true, n) => format!("{n} fields are wrong"),
                (false, _) => cause.to_string(),
            };
            // Some errors repeat their source.
            if !parts.last().is_some_and(|last| last.contains(&said)) {
                parts.push(said);
            }
        }
        Self {
            error: parts.join(": "),
            violations,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        self.violations
            .iter()
            .try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

fn listed(cause: &(dyn StdError + 'static)) -> Option<Vec<Violation>> {
    if let Some(Violations(found)) = cause.downcast_ref() {
        return Some(found.clone());
    }
    let body = cause.downcast_ref::<Error>()?.body()?;
    (!body.violations.is_empty()).then(|| body.violations.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error with a cause, as `anyhow::Context` makes them.
    #[derive(Debug)]
    struct Within<E>(&'static str, E);

    impl<E> fmt::Display for Within<E> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl<E: StdError + 'static> StdError for Within<E> {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.1)
        }
    }

    #[test]
    fn violations_stand_one_a_line() {
        let found = Violations(vec![
            Violation::new("/fit/epochs", 0, "at least 1"),
            Violation::new("/optimizer/kind", "adamm", "one of sgd, adamw, ranger"),
        ]);
        let problem = Problem::of(&Within("base", found.clone()));
        assert_eq!(
            problem.to_string(),
            "base: 2 fields are wrong\n  \
             /fit/epochs: 0 is wrong, expected at least 1\n  \
             /optimizer/kind: \"adamm\" is wrong, expected one of sgd, adamw, ranger"
        );
        assert_eq!(
            serde_json::to_value(&problem).expect("it is JSON"),
            serde_json::json!({"error": "base: 2 fields are wrong", "violations": found.0})
        );
    }

    #[test]
    fn causes_stand_in_one_line_and_once() {
        let missing = || std::io::Error::other("no such file");
        let said = |words| Problem::of(&Within(words, missing())).to_string();
        assert_eq!(
            said("cannot read a.yaml: no such file"),
            "cannot read a.yaml: no such file"
        );
        assert_eq!(
            said("cannot read a.yaml"),
            "cannot read a.yaml: no such file"
        );
    }
}
