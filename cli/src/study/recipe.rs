//! What recipe files share: specs laid over one another, and grids of learning rates.

use anyhow::bail;
use serde_json::Value;

/// Objects are laid over field by field; another variant of a tagged one, and anything else, replaces what was there.
pub fn lay_over(below: &mut Value, above: &Value) {
    let (Value::Object(fields), Value::Object(changes)) = (&mut *below, above) else {
        *below = above.clone();
        return;
    };
    let is_other = |tag: &str| {
        let wanted = changes.get(tag);
        wanted.is_some() && wanted != fields.get(tag)
    };
    if super::plan::TAGS.into_iter().any(is_other) {
        *below = above.clone();
        return;
    }
    for (field, change) in changes {
        lay_over(fields.entry(field.clone()).or_insert(Value::Null), change);
    }
}

/// A grid of learning rates, ascending, each once.
///
/// # Errors
/// One of them is no number above 0.
pub fn checked_lrs(mut lrs: Vec<f64>) -> anyhow::Result<Vec<f64>> {
    if let Some(wrong) = lrs.iter().find(|lr| !lr.is_finite() || **lr <= 0.0) {
        bail!("learning rate {wrong} is wrong, expected a number above 0");
    }
    lrs.sort_by(f64::total_cmp);
    lrs.dedup();
    Ok(lrs)
}
