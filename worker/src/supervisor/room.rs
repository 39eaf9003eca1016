//! How many trials share a device, by the memory that those before them took.
//!
//! One trial runs alone until it has shown what it needs. Another slot opens where the free memory, less what the running
//! trials may still grow by and a margin, holds the largest trial seen so far. One closes where the device is nearly
//! full: its trial goes back to the queue with a checkpoint, and the device is left in peace for a while.

use std::time::Duration;

use tokio::time::Instant;

/// The share of the memory that stays free: trials to come may need more than those before.
const MARGIN: f64 = 0.1;
/// Free memory below this share is pressure: somebody will run out.
const PRESSURE: f64 = 0.03;
/// Looks at a full house before another slot opens: the peak of a trial comes within its first steps.
const N_LOOKS: u32 = 10;
/// After a slot was closed none opens for this long.
const REST: Duration = Duration::from_secs(600);
/// What a closed slot's trial takes to stop; its memory is still taken meanwhile.
const CLOSING: Duration = Duration::from_secs(30);

/// A device at one moment, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub total: u64,
    pub free: u64,
    /// What the trainer of each open slot holds; nothing where it does not train at the moment.
    pub held: Vec<Option<u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Stay,
    Open,
    Close,
}

/// What has been seen of a device.
#[derive(Debug)]
pub struct Room {
    max_slots: usize,
    /// Of one trial, so far.
    largest: u64,
    /// Looks at which every slot trained, since the number of slots changed.
    n_full: u32,
    closed: Option<Instant>,
}

impl Room {
    pub fn new(max_slots: usize) -> Self {
        Self {
            max_slots,
            largest: 0,
            n_full: 0,
            closed: None,
        }
    }

    /// What the largest trial so far took, in bytes.
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// Looks at the device and says what to do. The number of slots is taken to follow.
    pub fn look(&mut self, seen: &Seen, now: Instant) -> Verdict {
        let held: Vec<u64> = seen.held.iter().flatten().copied().collect();
        self.largest = held.iter().copied().fold(self.largest, u64::max);
        let n_open = seen.held.len();
        let since_closed = self.closed.map(|closed| now - closed);
        let share = |share: f64| (seen.total as f64 * share) as u64;
        if seen.free < share(PRESSURE) && n_open > 1 {
            let is_closing = since_closed.is_some_and(|since| since < CLOSING);
            if is_closing {
                return Verdict::Stay;
            }
            self.closed = Some(now);
            self.n_full = 0;
            return Verdict::Close;
        }
        if held.is_empty() || held.len() < n_open {
            return Verdict::Stay;
        }
        self.n_full = self.n_full.saturating_add(1);
        let growth: u64 = held.iter().map(|held| self.largest - held).sum();
        let needed = growth + self.largest + share(MARGIN);
        let rests = since_closed.is_some_and(|since| since < REST);
        if n_open >= self.max_slots || self.n_full < N_LOOKS || rests || seen.free < needed {
            return Verdict::Stay;
        }
        self.n_full = 0;
        Verdict::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A device of 100 GiB.
    fn seen(free: u64, held: &[Option<u64>]) -> Seen {
        Seen {
            total: 100 * GIB,
            free: free * GIB,
            held: held
                .iter()
                .map(|held| held.map(|held| held * GIB))
                .collect(),
        }
    }

    /// The verdicts of a full patience of looks at the same thing, but for those to stay.
    fn looks(room: &mut Room, seen: &Seen, now: Instant) -> Vec<Verdict> {
        let verdicts = (0..N_LOOKS).map(|_| room.look(seen, now));
        verdicts
            .filter(|verdict| *verdict != Verdict::Stay)
            .collect()
    }

    #[test]
    fn a_slot_opens_once_a_trial_has_shown_what_it_needs() {
        let now = Instant::now();
        let mut room = Room::new(16);
        let alone = seen(80, &[Some(20)]);
        for _ in 1..N_LOOKS {
            assert_eq!(room.look(&alone, now), Verdict::Stay);
        }
        assert_eq!(room.look(&alone, now), Verdict::Open);
        // The second is still on its way, and then has to show itself.
        let coming = seen(78, &[Some(20), None]);
        assert_eq!(looks(&mut room, &coming, now), []);
        let both = seen(60, &[Some(20), Some(20)]);
        assert_eq!(looks(&mut room, &both, now), [Verdict::Open]);
        let idle = seen(95, &[None, None, None]);
        assert_eq!(looks(&mut room, &idle, now), [], "nobody needs another");
    }

    #[test]
    fn the_largest_trial_so_far_and_what_the_others_may_grow_by_must_fit() {
        let now = Instant::now();
        let check = |free: u64, expect: &[Verdict]| {
            let mut room = Room::new(16);
            room.look(&seen(70, &[Some(30)]), now);
            // The one that runs now holds 10 and may come to 30, as may a new one; 10 stay free.
            let small = seen(free, &[Some(10)]);
            assert_eq!(looks(&mut room, &small, now), expect, "{free} GiB free");
        };
        check(59, &[]);
        check(60, &[Verdict::Open]);
    }

    #[test]
    fn there_are_no_more_slots_than_are_allowed() {
        let now = Instant::now();
        let mut room = Room::new(2);
        let two = seen(96, &[Some(1), Some(1)]);
        assert_eq!(looks(&mut room, &two, now), []);
    }

    #[test]
    fn pressure_closes_one_slot_at_a_time_and_then_there_is_rest() {
        let start = Instant::now();
        let mut room = Room::new(16);
        let full = seen(2, &[Some(32), Some(32), Some(32)]);
        assert_eq!(room.look(&full, start), Verdict::Close);
        let closing = seen(2, &[Some(32), Some(32)]);
        assert_eq!(room.look(&closing, start + CLOSING / 2), Verdict::Stay);
        assert_eq!(room.look(&closing, start + CLOSING), Verdict::Close);
        let last = seen(2, &[Some(96)]);
        let later = start + 3 * CLOSING;
        assert_eq!(room.look(&last, later), Verdict::Stay, "one is always open");

        let calm = seen(150, &[Some(32)]);
        assert_eq!(looks(&mut room, &calm, start + REST), []);
        let rested = start + CLOSING + REST;
        assert_eq!(room.look(&calm, rested), Verdict::Open);
    }
}
