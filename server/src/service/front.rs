//! How far this replica has got in the line.
//!
//! What was taken off the queue stays in its index until Postgres may clear it away, which the oldest snapshot of the
//! whole cluster decides: a backup, say. Whoever starts at the head of the line goes past all of that each time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::claim::Place;

/// What was passed over, since somebody had it locked or it had to wait, is looked at again this often.
const FRESH: Duration = Duration::from_millis(250);

/// The last job taken, as far as it is known that nothing of its priority that can be had is before it.
#[derive(Debug, Default)]
pub struct Front(Mutex<Option<Known>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    last: Place,
    /// When the line was last looked at from its head.
    looked: Instant,
}

impl Front {
    /// Where to look from; `None`: from the head.
    pub fn get(&self) -> Option<Place> {
        let known = *self.lock();
        let fresh = known.filter(|known| known.looked.elapsed() < FRESH);
        fresh.map(|known| known.last)
    }

    /// So many jobs were asked for behind `after`, or from the head, and those at `taken` were there.
    pub fn set(&self, after: Option<Place>, n_asked: usize, taken: impl Iterator<Item = Place>) {
        let (mut n_taken, mut last) = (0, None::<Place>);
        for place in taken {
            n_taken += 1;
            if last.is_none_or(|last| place.is_behind(&last)) {
                last = Some(place);
            }
        }
        let mut known = self.lock();
        let looked = match (*known, after) {
            (Some(known), Some(_)) => known.looked,
            _ => Instant::now(),
        };
        // Where there were fewer the line may have begun anew.
        let last = last.filter(|_| n_taken == n_asked);
        *known = last.map(|last| Known { last, looked });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_last_place_of_the_lowest_priority() {
        let at = |priority, fair_at, seq| Place {
            priority,
            fair_at,
            seq,
        };
        let front = Front::default();
        assert_eq!(front.get(), None);
        let taken = [at(0, 2.0, 7), at(1, 9.0, 3), at(0, 2.0, 8)];
        front.set(None, 3, taken.into_iter());
        assert_eq!(front.get(), Some(at(0, 2.0, 8)));
        front.set(front.get(), 1, [at(0, 2.5, 4)].into_iter());
        assert_eq!(front.get(), Some(at(0, 2.5, 4)));
        // Somebody got nothing.
        front.set(front.get(), 2, [at(0, 3.0, 1)].into_iter());
        assert_eq!(front.get(), None);
    }
}
