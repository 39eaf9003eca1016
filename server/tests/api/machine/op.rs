//! What can happen.

use cultivar_spec::Outcome;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Workers in the game.
pub const N_WORKERS: usize = 3;

/// One of the leases handed out so far.
#[derive(Clone, Debug)]
pub enum Pick {
    Any(Index),
    Active(Index),
    /// The active one that was handed out last.
    Newest,
}

/// What somebody asks of a trial or a sweep.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    Pause,
    Drain,
    Resume,
    Cancel,
    Retry,
}

/// One step.
#[derive(Clone, Debug)]
pub enum Op {
    /// A trial by itself; twice: the same request comes again.
    Submit {
        twice: bool,
    },
    SubmitSweep {
        n_trials: u64,
        parallel: Option<u32>,
        twice: bool,
    },
    /// The feeder's round.
    Feed,
    Claim {
        worker: usize,
        max: u32,
    },
    /// An earlier claim comes again.
    ClaimAgain {
        index: Index,
    },
    Beat {
        worker: usize,
        picks: Vec<Pick>,
    },
    Report {
        pick: Pick,
        step: u64,
    },
    Checkpoint {
        pick: Pick,
        step: u64,
    },
    Finish {
        pick: Pick,
        outcome: Outcome,
        n_right: usize,
    },
    /// Nothing was heard of a lease for too long.
    Expire {
        pick: Pick,
    },
    /// Every wait before a retry is over.
    WaitOver,
    AskTrial {
        index: Index,
        wish: Wish,
    },
    AskSweep {
        index: Index,
        wish: Wish,
    },
    /// An admin lets a quarantined worker have leases again.
    Release {
        worker: usize,
    },
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        7 => any::<Index>().prop_map(Pick::Active),
        3 => any::<Index>().prop_map(Pick::Any),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    select(vec![
        Wish::Pause,
        Wish::Drain,
        Wish::Resume,
        Wish::Cancel,
        Wish::Retry,
    ])
}

/// A worker gets job after job and ends each in the same way: what spends the budgets of one trial, where it waits for
/// it to come back, and else of the worker.
fn streak() -> impl Strategy<Value = Vec<Op>> {
    let outcome = select(vec![
        Outcome::Crashed,
        Outcome::Stalled,
        Outcome::WorkerFault,
        Outcome::Preempted,
    ]);
    (0..N_WORKERS, outcome, 4..7_usize, any::<bool>()).prop_map(|(worker, outcome, n, waits)| {
        let round = [
            Op::WaitOver,
            Op::Claim { worker, max: 1 },
            Op::Finish {
                pick: Pick::Newest,
                outcome,
                n_right: 0,
            },
        ];
        let round = &round[usize::from(!waits)..];
        round
            .iter()
            .cycle()
            .take(n * round.len())
            .cloned()
            .collect()
    })
}

/// Up to `max` steps and streaks; what moves trials along comes more often than what stops them.
pub fn history(max: usize) -> impl Strategy<Value = Vec<Op>> {
    let worker = || 0..N_WORKERS;
    let op = prop_oneof![
        2 => any::<bool>().prop_map(|twice| Op::Submit { twice }),
        2 => (1..5_u64, prop::option::of(1..3_u32), any::<bool>())
            .prop_map(|(n_trials, parallel, twice)| Op::SubmitSweep { n_trials, parallel, twice }),
        3 => Just(Op::Feed),
        8 => (worker(), 1..4_u32).prop_map(|(worker, max)| Op::Claim { worker, max }),
        2 => any::<Index>().prop_map(|index| Op::ClaimAgain { index }),
        6 => (worker(), vec(pick(), 0..6)).prop_map(|(worker, picks)| Op::Beat { worker, picks }),
        3 => (pick(), 0..6_u64).prop_map(|(pick, step)| Op::Report { pick, step }),
        4 => (pick(), 0..30_u64).prop_map(|(pick, step)| Op::Checkpoint { pick, step }),
        10 => (pick(), select(Outcome::ALL.to_vec()), 0..3_usize)
            .prop_map(|(pick, outcome, n_right)| Op::Finish { pick, outcome, n_right }),
        3 => pick().prop_map(|pick| Op::Finish { pick, outcome: Outcome::Completed, n_right: 2 }),
        3 => pick().prop_map(|pick| Op::Finish { pick, outcome: Outcome::Crashed, n_right: 0 }),
        5 => pick().prop_map(|pick| Op::Expire { pick }),
        4 => Just(Op::WaitOver),
        4 => (any::<Index>(), wish()).prop_map(|(index, wish)| Op::AskTrial { index, wish }),
        3 => (any::<Index>(), wish()).prop_map(|(index, wish)| Op::AskSweep { index, wish }),
        1 => worker().prop_map(|worker| Op::Release { worker }),
    ];
    let steps = prop_oneof![
        12 => op.prop_map(|op| vec![op]),
        1 => streak(),
    ];
    vec(steps, 1..max).prop_map(|steps| steps.concat())
}
