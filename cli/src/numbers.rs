//! How numbers read: accuracies in percent, differences in points, times as people say them.

use chrono::{DateTime, Utc};
use cultivar_spec::wire::Estimate;

pub use cultivar_spec::words::{clock, percent as percent_of};

/// `52.3 [50.1, 54.4]`, in percent.
pub fn percent(estimate: &Estimate) -> String {
    let Estimate {
        mean, low, high, ..
    } = estimate;
    format!(
        "{:.1} [{:.1}, {:.1}]",
        mean * 100.0,
        low * 100.0,
        high * 100.0
    )
}

/// `+12.3 [9.8, 14.9]`, in points. A difference always has its sign; zero is `0.0`.
pub fn points(difference: f64, low: f64, high: f64) -> String {
    format!(
        "{} [{}, {}]",
        signed(difference),
        plain(low * 100.0),
        plain(high * 100.0)
    )
}

/// `+12.3`, in points.
pub fn signed(difference: f64) -> String {
    let text = plain(difference * 100.0);
    if text.starts_with('-') || text == "0.0" {
        text
    } else {
        format!("+{text}")
    }
}

/// One decimal, and never `-0.0`.
fn plain(value: f64) -> String {
    let text = format!("{value:.1}");
    if text == "-0.0" { "0.0".into() } else { text }
}

/// `40 s`, `12 min`, `3 h 10 min`, for a time that is only guessed.
pub fn roughly(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        _ if seconds < 90.0 => format!("{} s", (seconds / 10.0).ceil() as u64 * 10),
        0..=89 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// `12 min ago`.
pub fn ago(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - then).num_seconds().max(0);
    match seconds {
        0..=59 => "just now".into(),
        60..=5399 => format!("{} min ago", (seconds + 30) / 60),
        5400..=129_599 => format!("{} h ago", (seconds + 1800) / 3600),
        _ => format!("{} days ago", (seconds + 43_200) / 86_400),
    }
}

/// `5.1 MB`, in powers of ten as disks are sold.
pub fn bytes(n_bytes: u64) -> String {
    let n = n_bytes as f64;
    match n_bytes {
        0..=999 => format!("{n_bytes} B"),
        1_000..=999_999 => format!("{:.0} kB", n / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} MB", n / 1e6),
        _ => format!("{:.1} GB", n / 1e9),
    }
}

/// `5,104`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 trial`, `3 trials`.
pub fn counted(n: u64, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", count(n)),
    }
}

/// A learning rate or another small number, without a tail of zeros: `0.003`, `1e-5`.
pub fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 {
        format!("{value:e}")
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let estimate = Estimate {
            mean: 0.5234,
            low: 0.501,
            high: 0.5444,
            n: 2,
        };
        assert_eq!(percent(&estimate), "52.3 [50.1, 54.4]");
        assert_eq!(points(0.123, 0.098, 0.1494), "+12.3 [9.8, 14.9]");
        assert_eq!(points(-0.0001, -0.02, 0.019), "0.0 [-2.0, 1.9]");
        assert_eq!(signed(-0.012), "-1.2");
        assert_eq!(short(0.003), "0.003");
        assert_eq!(short(0.00001), "1e-5");
        assert_eq!(count(5104), "5,104");
        assert_eq!(count(104), "104");
        assert_eq!(bytes(5_100_000), "5.1 MB");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(roughly(31.0), "40 s");
        assert_eq!(roughly(300.0), "5 min");
        assert_eq!(roughly(11400.0), "3 h 10 min");
    }
}
