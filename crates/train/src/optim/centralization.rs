//! Gradient centralization: Yong et al. 2020, <https://arxiv.org/abs/2004.01461>.
//!
//! The gradient of every output channel of a weight with more than one dimension loses its mean:
//! g <- g - mean(g) over all dimensions but the first. Reference: the authors' `centralized_gradient`.
//! Done here on stretches of the flat gradients that share a row length, as matrices.

use super::target::Target;

/// Centres the gradients in place.
pub(super) fn centralize(target: &mut Target) {
    for rows in &mut target.rows {
        let means = rows.mean_dim([1].as_slice(), true, rows.kind());
        let _ = rows.g_sub_(&means);
    }
}
