//! How long a finished model takes for one image.

use std::time::{Duration, Instant};

use tch::{Kind, Tensor};

use super::session::Session;
use crate::models::{Mode, Model};

/// Predictions that are timed at most, after one that is not, and the time after which no more are begun.
const N_TIMED: usize = 5;
const AT_MOST: Duration = Duration::from_millis(250);

/// Median milliseconds of a prediction, `fit.tta`'s views one after the other; without reading and resizing the image.
pub(super) fn latency_ms(session: &Session<'_>, model: &Model) -> f64 {
    let side = i64::from(session.preprocess.eval_resolution());
    let image = Tensor::zeros([1, 3, side, side], (Kind::Float, session.device));
    let n_views = session.preprocess.n_views();
    let predict = || {
        let began = Instant::now();
        for _ in 0..n_views {
            // Read on the host, so that the device has done it.
            let _ = model
                .forward(&image, Mode::Eval)
                .sum(Kind::Float)
                .double_value(&[]);
        }
        1000.0 * began.elapsed().as_secs_f64()
    };
    predict();
    let began = Instant::now();
    let mut timed: Vec<f64> = (0..N_TIMED)
        .map_while(|n| (n == 0 || began.elapsed() < AT_MOST).then(predict))
        .collect();
    timed.sort_by(f64::total_cmp);
    timed[timed.len() / 2]
}
