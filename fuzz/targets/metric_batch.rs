//! What a worker reports is refused or taken as a worker's writes are checked; taken, it comes through JSON the same, NaN
//! included, and the database has a place for it.
#![no_main]

use cultivar_fuzz::again;
use cultivar_spec::check;
use cultivar_spec::wire::{Finish, LogBatch, MetricBatch};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(raw) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    if let Ok(batch) = check::document::<MetricBatch>(&raw) {
        again(&batch, check::document);
        for point in &batch.points {
            assert!(i64::try_from(point.step).is_ok(), "{point:?}");
            assert!(point.epoch.is_finite(), "{point:?}");
        }
        if let Some(progress) = &batch.progress {
            assert!(i64::try_from(progress.step).is_ok(), "{progress:?}");
        }
    }
    if let Ok(batch) = check::document::<LogBatch>(&raw) {
        again(&batch, check::document);
        let end = batch.first_line.checked_add(batch.lines.len() as u64);
        assert!(end.is_some_and(|end| i64::try_from(end).is_ok()));
    }
    if let Ok(finish) = check::document::<Finish>(&raw) {
        again(&finish, check::document);
        assert!(i64::try_from(finish.step).is_ok(), "{}", finish.step);
    }
});
