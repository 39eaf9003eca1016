//! The boards that are simulated.

use crate::boards::World;

/// 20 rows between 50% and 84%, some 225 images in 90 groups.
const MIXED: World = World {
    name: "1 to 5 seeds, all vary alike (1 point)",
    n_rows: 20,
    n_groups: 90,
    largest_group: 4,
    levels: (0.0, 1.0),
    seed_sd: 0.03,
    seed_sd_df: f64::INFINITY,
    n_seeds: (1, 5),
};

pub const COVERAGE: [World; 8] = [
    MIXED,
    World {
        name: "1 to 5 seeds, wide (4 points)",
        seed_sd: 0.12,
        ..MIXED
    },
    World {
        name: "1 to 5 seeds, rows vary unlike",
        seed_sd: 0.08,
        seed_sd_df: 6.0,
        ..MIXED
    },
    World {
        name: "1 to 5 seeds, hardly any spread",
        seed_sd: 0.005,
        ..MIXED
    },
    World {
        name: "two seeds, wide (4 points)",
        seed_sd: 0.12,
        n_seeds: (2, 2),
        ..MIXED
    },
    World {
        name: "two seeds, rows vary unlike",
        seed_sd: 0.08,
        seed_sd_df: 6.0,
        n_seeds: (2, 2),
        ..MIXED
    },
    World {
        name: "one seed: the trained model",
        n_seeds: (1, 1),
        ..MIXED
    },
    World {
        name: "2 to 5 seeds, 92 to 97%, 200 groups",
        levels: (1.4, 1.9),
        n_groups: 200,
        n_seeds: (2, 5),
        ..MIXED
    },
];

/// Equal rows.
pub const NULL: [World; 3] = [
    World {
        name: "50 equal rows, 1 to 5 seeds, 1 point",
        n_rows: 50,
        levels: (0.5, 0.5),
        ..MIXED
    },
    World {
        name: "50 equal rows, 1 to 5 seeds, 4 points",
        n_rows: 50,
        levels: (0.5, 0.5),
        seed_sd: 0.12,
        ..MIXED
    },
    World {
        name: "50 equal rows, one seed: the trained models",
        n_rows: 50,
        levels: (0.5, 0.5),
        seed_sd: 0.0,
        n_seeds: (1, 1),
        ..MIXED
    },
];

/// One better row among 50, three seeds each, some 1,000 images in 400 groups.
pub const POWER: World = World {
    name: "50 rows, 3 seeds, 1 point, 400 groups",
    n_rows: 50,
    n_groups: 400,
    levels: (0.5, 0.5),
    n_seeds: (3, 3),
    ..MIXED
};

/// The gap in accuracy at which most claims are made.
pub const STATED_GAP: f64 = 0.09;
