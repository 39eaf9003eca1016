//! Leaderboards whose truth is known: correctness is the sign of a sum of normal effects.

use cultivar_search::stats::Correct;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};

/// Standard deviations of the effects; their squares sum to 1 with that of the noise.
const GROUP: f64 = 0.5;
const ROW_IN_GROUP: f64 = 0.3;
const IMAGE: f64 = 0.5;
const ROW_IN_IMAGE: f64 = 0.3;
const SEED_IN_GROUP: f64 = 0.2;

/// What boards are drawn from.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub name: &'static str,
    pub n_rows: usize,
    pub n_groups: usize,
    pub largest_group: u32,
    /// Accuracies of the rows, as normal quantiles: between these evenly.
    pub levels: (f64, f64),
    /// Standard deviation of a seed's effect on that scale: 0.025 is about a point of accuracy at 50%.
    pub seed_sd: f64,
    /// Degrees of freedom of the law that rows' seed variances are drawn from; infinite: all alike.
    pub seed_sd_df: f64,
    pub n_seeds: (usize, usize),
}

/// A configuration.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    level: f64,
    seed_sd: f64,
}

impl Config {
    /// Accuracy over all images and seeds.
    pub fn truth(&self) -> f64 {
        cdf(self.level / self.seed_sd.hypot(1.0))
    }

    /// The same configuration with an accuracy higher by `gap`, by bisection.
    pub fn better_by(self, gap: f64) -> Self {
        let wanted = self.truth() + gap;
        let (mut low, mut high) = (self.level, self.level + 4.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            let tried = Self {
                level: middle,
                ..self
            };
            match tried.truth() < wanted {
                true => low = middle,
                false => high = middle,
            }
        }
        Self { level: low, ..self }
    }
}

/// One trained and scored configuration.
pub struct Row {
    pub config: Config,
    /// Correct images, `[n_seeds][n_groups]`.
    counts: Vec<Vec<u32>>,
    /// Accuracy of the first seed's model over all images.
    pub truth_of_first: f64,
}

/// Rows on the same images.
pub struct Board {
    sizes: Vec<u32>,
    pub rows: Vec<Row>,
}

impl Board {
    pub fn correct(&self) -> Vec<Correct<'_>> {
        self.rows
            .iter()
            .map(|row| Correct::new(&self.sizes, row.counts.iter().map(Vec::as_slice).collect()))
            .collect()
    }
}

/// Draws the configurations of a world.
pub fn configs(world: &World, rng: &mut ChaCha8Rng) -> Vec<Config> {
    let (low, high) = world.levels;
    (0..world.n_rows)
        .map(|_| {
            let factor = match world.seed_sd_df.is_finite() {
                true => {
                    let law = ChiSquared::new(world.seed_sd_df).expect("degrees above zero");
                    (world.seed_sd_df / law.sample(rng)).sqrt()
                }
                false => 1.0,
            };
            Config {
                level: low + (high - low) * rng.random::<f64>(),
                seed_sd: world.seed_sd * factor,
            }
        })
        .collect()
}

/// Trains each configuration with so many fresh seeds and scores it on fresh images.
pub fn board(world: &World, rows: &[(Config, usize)], rng: &mut ChaCha8Rng) -> Board {
    let sizes: Vec<u32> = (0..world.n_groups)
        .map(|_| rng.random_range(1..=world.largest_group))
        .collect();
    let mut rows: Vec<Row> = rows
        .iter()
        .map(|(config, n_seeds)| Row {
            config: *config,
            counts: vec![vec![0; sizes.len()]; *n_seeds],
            truth_of_first: 0.0,
        })
        .collect();
    let effects: Vec<Vec<f64>> = rows
        .iter_mut()
        .map(|row| {
            let effects: Vec<f64> = (row.counts.iter())
                .map(|_| row.config.level + row.config.seed_sd * normal(rng))
                .collect();
            row.truth_of_first = cdf(effects[0]);
            effects
        })
        .collect();
    let explained = [GROUP, ROW_IN_GROUP, IMAGE, ROW_IN_IMAGE, SEED_IN_GROUP].map(|sd| sd * sd);
    let noise = (1.0 - explained.iter().sum::<f64>()).sqrt();
    let mut images = Vec::new();
    for (group, &size) in sizes.iter().enumerate() {
        let shared = GROUP * normal(rng);
        images.clear();
        images.extend((0..size).map(|_| shared + IMAGE * normal(rng)));
        for (row, effects) in rows.iter_mut().zip(&effects) {
            let own = ROW_IN_GROUP * normal(rng);
            let own_images: Vec<f64> = (images.iter())
                .map(|image| own + image + ROW_IN_IMAGE * normal(rng))
                .collect();
            for (counts, effect) in row.counts.iter_mut().zip(effects) {
                let seed = effect + SEED_IN_GROUP * normal(rng);
                let right = own_images
                    .iter()
                    .filter(|image| seed + *image + noise * normal(rng) > 0.0);
                counts[group] = right.count() as u32;
            }
        }
    }
    Board { sizes, rows }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}
