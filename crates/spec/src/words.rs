//! How a run's numbers read, wherever they are shown: in the command line and in a run without a server.

use crate::wire::Progress;

/// `52.3`, in percent.
pub fn percent(fraction: f64) -> String {
    format!("{:.1}", fraction * 100.0)
}

/// `0:42`, `12:05`, `3:00:10`.
pub fn clock(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// `epoch 1/2  step 40/100  loss 2.31  val 43.1%  151 img/s  0:42 left`.
pub fn progress(progress: &Progress) -> String {
    let mut parts = Vec::new();
    match progress.phase.as_str() {
        "training" => {
            // Epochs count from one for people: the one being trained.
            let epoch = (progress.epoch + 1).min(progress.n_epochs);
            parts.push(format!("epoch {epoch}/{}", progress.n_epochs));
            parts.push(format!("step {}/{}", progress.step, progress.n_steps));
        }
        phase => parts.push(phase.to_owned()),
    }
    if let Some(loss) = progress.train_loss {
        parts.push(format!("loss {loss:.2}"));
    }
    if let Some(val_top1) = progress.val_top1 {
        parts.push(format!("val {}%", percent(val_top1)));
    }
    if let Some(rate) = progress.images_per_s {
        parts.push(format!("{rate:.0} img/s"));
    }
    if let Some(eta_s) = progress.eta_s {
        parts.push(format!("{} left", clock(eta_s)));
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(clock(42.4), "0:42");
        assert_eq!(clock(725.0), "12:05");
        assert_eq!(clock(10810.0), "3:00:10");
    }

    #[test]
    fn a_phase_without_steps_is_named() {
        let decoding = Progress {
            phase: "decoding".into(),
            epoch: 0,
            n_epochs: 0,
            step: 0,
            n_steps: 0,
            train_loss: None,
            val_top1: None,
            images_per_s: Some(900.4),
            eta_s: None,
        };
        assert_eq!(progress(&decoding), "decoding  900 img/s");
    }
}
