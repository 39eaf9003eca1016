//! Coverage and false claims on simulated leaderboards, at a size that every test run can afford; `make
//! bench-stats` draws 10,000 of each.

#[path = "../examples/bench_stats/blocks.rs"]
mod blocks;
#[path = "../examples/bench_stats/boards.rs"]
mod boards;
#[path = "../examples/bench_stats/claims.rs"]
mod claims;
#[path = "../examples/bench_stats/coverage.rs"]
mod coverage;
#[path = "../examples/bench_stats/races.rs"]
mod races;
#[path = "../examples/bench_stats/worlds.rs"]
mod worlds;

use coverage::Share;

/// Whether a share of draws agrees with `low..=high`, give or take four standard errors. Rows of one board
/// share its images, so the errors of their shares are those of as many boards.
fn check(what: &str, share: Share, n_boards: usize, (low, high): (f64, f64)) {
    if share.of == 0 {
        return;
    }
    let found = share.value();
    let error = 4.0 * (0.05 * 0.95 / n_boards.min(share.of) as f64).sqrt();
    assert!(
        (low - error..=high + error).contains(&found),
        "{what}: {found}, not in {low} to {high}"
    );
}

#[test]
fn intervals_cover_what_they_say() {
    const N_BOARDS: usize = 300;
    for world in worlds::COVERAGE {
        let found = coverage::measure(&world, N_BOARDS, 7);
        for (seeds_less_one, share) in found.by_seeds.into_iter().enumerate() {
            let what = format!("{}: {} seeds", world.name, seeds_less_one + 1);
            check(&what, share, N_BOARDS, (0.94, 0.96));
        }
        check(world.name, found.differences, N_BOARDS, (0.94, 0.96));
        check(world.name, found.refit, N_BOARDS, (0.94, 0.96));
        // Flattered by the choice, which only the refit puts right.
        check(world.name, found.chosen, N_BOARDS, (0.90, 0.98));
    }
}

#[test]
fn equal_rows_are_seldom_told_apart_and_a_better_one_is() {
    const N_BOARDS: usize = 150;
    for world in worlds::NULL {
        let share = claims::false_claims(&world, N_BOARDS, 7);
        check(world.name, share, N_BOARDS, (0.0, 0.05));
    }
    let found = claims::power(&worlds::POWER, worlds::STATED_GAP, 10, 7);
    assert!(found.value() >= 0.7, "{}", found.value());
}

#[test]
fn a_race_finds_the_best_and_seldom_crowns_another() {
    let race = races::race(1.0, 1.0, 60, 300, 7);
    assert!(race.right.value() >= 0.93, "{race:?}");
    let of_equals = races::race(0.0, 1.0, 30, 300, 7);
    // Any winner among equals but one is wrong: 10% at most, give or take.
    assert!(of_equals.wrong.value() <= 0.13, "{of_equals:?}");
    let (_, fixed) = races::smallest_fixed(300, 7, |fixed| fixed.separated.value() >= 0.9);
    assert!(race.n_runs < fixed.n_runs, "{race:?} {fixed:?}");
}
