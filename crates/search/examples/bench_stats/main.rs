//! `make bench-stats`: coverage of intervals, false and true claims, on simulated leaderboards.

mod blocks;
mod boards;
mod claims;
mod coverage;
mod races;
mod worlds;

use clap::{Parser, ValueEnum};
use coverage::Share;
use cultivar_search::stats::binomial::wilson;

#[derive(Parser)]
struct Args {
    /// Boards of each kind.
    #[arg(long, default_value_t = 10_000)]
    boards: usize,
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// What to measure [default: all of it]
    #[arg(value_enum)]
    parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    Coverage,
    Claims,
    Power,
    Races,
}

fn main() {
    let Args {
        boards,
        seed,
        parts,
    } = Args::parse();
    let wanted = |part: Part| parts.is_empty() || parts.contains(&part);
    if wanted(Part::Coverage) {
        print_coverage(boards, seed);
    }
    if wanted(Part::Claims) {
        print_false_claims(boards, seed);
    }
    if wanted(Part::Power) {
        print_power(boards, seed);
    }
    if wanted(Part::Races) {
        print_races(boards, seed);
    }
}

/// In percent; nothing where there was no draw.
fn percent(share: Share) -> String {
    match share.of {
        0 => "-".to_owned(),
        _ => format!("{:.1}", 100.0 * share.value()),
    }
}

fn print_coverage(boards: usize, seed: u64) {
    println!("coverage of 95% intervals in percent, {boards} boards each");
    println!(
        "{:<42}{:>7}{:>7}{:>7}{:>7}{:>7}{:>8}{:>8}{:>8}",
        "board", "1 seed", "2", "3", "4", "5", "differ.", "chosen", "refit"
    );
    for world in worlds::COVERAGE {
        let found = coverage::measure(&world, boards, seed);
        print!("{:<42}", world.name);
        for share in found.by_seeds {
            print!("{:>7}", percent(share));
        }
        println!(
            "{:>8}{:>8}{:>8}",
            percent(found.differences),
            percent(found.chosen),
            percent(found.refit)
        );
    }
}

fn print_false_claims(boards: usize, seed: u64) {
    println!("\nboards of equal rows with a false claim (percent, upper end of the 95% interval)");
    for world in worlds::NULL {
        let share = claims::false_claims(&world, boards, seed);
        let (_, upper) = wilson(share.value(), share.of as f64, 1.96);
        println!(
            "{:<46}{:>7.2}{:>7.2}",
            world.name,
            100.0 * share.value(),
            100.0 * upper
        );
    }
}

fn print_power(boards: usize, seed: u64) {
    let world = worlds::POWER;
    println!("\nrows that a better one is said to beat: {}", world.name);
    for factor in [0.5, 0.75, 1.0, 1.25] {
        let gap = factor * worlds::STATED_GAP;
        let share = claims::power(&world, gap, (boards / 40).max(10), seed);
        println!("better by {:.1} points: {}%", 100.0 * gap, percent(share));
    }
}

fn print_races(n_races: usize, seed: u64) {
    println!("\nraces of five at 90%, the best ahead by one seed standard deviation");
    let print = |what: &str, outcome: &races::Outcome| {
        println!(
            "{what:<52} right {:>5}%  separated {:>5}%  wrong winner {:>4}%  runs {:.1}",
            percent(outcome.right),
            percent(outcome.separated),
            percent(outcome.wrong),
            outcome.n_runs
        );
    };
    let race = races::race(1.0, 1.0, 60, n_races, seed);
    print("race, at most 60 seeds each on average", &race);
    let short = races::race(1.0, 1.0, 10, n_races, seed);
    print("race, at most 10 seeds each on average", &short);
    print("race of equals", &races::race(0.0, 1.0, 60, n_races, seed));
    print(
        "race, seeds of the best vary twice as much",
        &races::race(1.0, 2.0, 60, n_races, seed),
    );
    let (n, same) = races::smallest_fixed(n_races, seed, |fixed| {
        fixed.separated.value() >= race.separated.value().min(0.9)
    });
    print(
        &format!("fixed, {n} seeds each: separated as often, or 90%"),
        &same,
    );
    let (n, picked) = races::smallest_fixed(n_races, seed, |fixed| fixed.right.value() >= 0.9);
    print(
        &format!("fixed, {n} seeds each: the best mean is right in 90%"),
        &picked,
    );
}
