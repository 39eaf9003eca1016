//! How many trials share a device, by the memory that those before them took.
//!
//! One trial runs alone until it has shown what it needs. Another slot opens where the free memory, less what the running
//! trials may still grow by and a margin, holds the largest trial seen so far. One closes where the device is nearly
//! full or somebody ran out of memory: its trial goes back to the queue with a checkpoint, and the device is left in peace
//! for a while. Slots that nobody needed for long close too, so that the next trial finds the whole device.

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
/// Nothing trained for so long: the queue has nothing for these slots, or nothing that fits beside others.
const IDLE: Duration = Duration::from_secs(300);
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
    n_open: usize,
    /// When a slot was last closed for want of memory.
    closed: Option<Instant>,
    idle_since: Option<Instant>,
}

impl Room {
    pub fn new(max_slots: usize) -> Self {
        Self {
            max_slots,
            largest: 0,
            n_full: 0,
            n_open: 0,
            closed: None,
            idle_since: None,
        }
    }

    /// What the largest trial so far took, in bytes.
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// Looks at the memory and says what it allows. `squeezed`: a trial ran out of it since the last look.
    pub fn look(&mut self, seen: &Seen, squeezed: bool, now: Instant) -> Verdict {
        let held: Vec<u64> = seen.held.iter().flatten().copied().collect();
        self.largest = held.iter().copied().fold(self.largest, u64::max);
        let n_open = seen.held.len();
        if n_open != self.n_open {
            self.n_open = n_open;
            self.n_full = 0;
        }
        let since_closed = self.closed.map(|closed| now - closed);
        let share = |share: f64| (seen.total as f64 * share) as u64;
        if (squeezed || seen.free < share(PRESSURE)) && n_open > 1 {
            let is_closing = since_closed.is_some_and(|since| since < CLOSING);
            if is_closing {
                return Verdict::Stay;
            }
            self.closed = Some(now);
            return Verdict::Close;
        }
        if held.is_empty() && n_open > 1 {
            let since = *self.idle_since.get_or_insert(now);
            return match now - since >= IDLE {
                true => Verdict::Close,
                false => Verdict::Stay,
            };
        }
        self.idle_since = None;
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
        let verdicts = (0..N_LOOKS).map(|_| room.look(seen, false, now));
        let mut verdicts: Vec<_> = verdicts
            .filter(|verdict| *verdict != Verdict::Stay)
            .collect();
        // Until somebody does as it says, it says so again.
        verdicts.dedup();
        verdicts
    }

    #[test]
    fn a_trial_that_ran_out_beside_others_closes_one_slot() {
        let now = Instant::now();
        let mut room = Room::new(16);
        // Room to see, as a trial that failed has given its memory back.
        let two = seen(60, &[Some(30), None]);
        assert_eq!(room.look(&two, true, now), Verdict::Close);
        let one = seen(60, &[Some(30)]);
        assert_eq!(room.look(&one, true, now + CLOSING), Verdict::Stay);
        assert_eq!(looks(&mut room, &one, now + CLOSING), [], "it rests");
    }

    #[test]
    fn slots_that_nobody_needs_close() {
        let start = Instant::now();
        let mut room = Room::new(16);
        let idle = seen(95, &[None, None, None]);
        assert_eq!(room.look(&idle, false, start), Verdict::Stay);
        assert_eq!(room.look(&idle, false, start + IDLE / 2), Verdict::Stay);
        // One that trains begins the wait anew.
        room.look(&seen(95, &[None, Some(1), None]), false, start + IDLE / 2);
        assert_eq!(room.look(&idle, false, start + IDLE), Verdict::Stay);
        assert_eq!(room.look(&idle, false, start + 2 * IDLE), Verdict::Close);
        let one = seen(95, &[None]);
        assert_eq!(room.look(&one, false, start + 4 * IDLE), Verdict::Stay);
    }

    #[test]
    fn a_slot_opens_once_a_trial_has_shown_what_it_needs() {
        let now = Instant::now();
        let mut room = Room::new(16);
        let alone = seen(80, &[Some(20)]);
        for _ in 1..N_LOOKS {
            assert_eq!(room.look(&alone, false, now), Verdict::Stay);
        }
        assert_eq!(room.look(&alone, false, now), Verdict::Open);
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
            room.look(&seen(70, &[Some(30)]), false, now);
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
        assert_eq!(room.look(&full, false, start), Verdict::Close);
        let closing = seen(2, &[Some(32), Some(32)]);
        assert_eq!(
            room.look(&closing, false, start + CLOSING / 2),
            Verdict::Stay
        );
        assert_eq!(room.look(&closing, false, start + CLOSING), Verdict::Close);
        let last = seen(2, &[Some(32)]);
        let later = start + 3 * CLOSING;
        assert_eq!(
            room.look(&last, false, later),
            Verdict::Stay,
            "one is always open"
        );

        let calm = seen(60, &[Some(32)]);
        assert_eq!(looks(&mut room, &calm, start + REST), []);
        let rested = start + CLOSING + REST;
        assert_eq!(room.look(&calm, false, rested), Verdict::Open);
    }
}
