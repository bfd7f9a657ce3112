//! Pairs of scores whose mean difference is known.

use rand::{Rng, RngExt};

/// Where pairs of scores come from.
pub enum World {
    /// Scores of 0 and 1, of which this share differs.
    Binary { discordance: f64, mean: f64 },
    /// Differences that are uniform around the mean.
    Graded { variance: f64, mean: f64 },
    /// Weighted examples that both endpoints answer correctly some of the time, with the mean score of some repeats.
    Flaky { pool: Vec<Item>, repeats: u32, mean: f64 },
}

/// One example of a pool.
pub struct Item {
    /// Sum of the weights up to and including it.
    cumulative: f64,
    weight: f64,
    baseline: f64,
    candidate: f64,
}

/// The scores of one drawn example.
pub struct Scores {
    pub baseline: f64,
    pub candidate: f64,
}

impl World {
    pub fn binary(discordance: f64, mean: f64) -> Self {
        World::Binary { discordance, mean }
    }

    pub fn graded(variance: f64, mean: f64) -> Self {
        World::Graded { variance, mean }
    }

    /// A pool with easy, flaky and hopeless examples and weights as uneven as traffic. The candidate differs from the
    /// baseline by noise and by a shift that makes the weighted mean difference exact.
    pub fn flaky(repeats: u32, mean: f64) -> Self {
        let rng = &mut karat::stats::rng(99, 0);
        let mut pool: Vec<Item> = (0..300).map(|rank| item(rank, rng)).collect();
        let noise: Vec<f64> = pool.iter().map(|item| item.baseline + 0.3 * (rng.random::<f64>() - 0.5)).collect();
        let (mut low, mut high) = (-1.0, 1.0);
        for _ in 0..60 {
            let shift = 0.5 * (low + high);
            pool.iter_mut().zip(&noise).for_each(|(item, noise)| item.candidate = (noise + shift).clamp(0.0, 1.0));
            if weighted(&pool, |item| item.candidate - item.baseline) < mean { low = shift } else { high = shift }
        }
        let mut sum = 0.0;
        for item in &mut pool {
            sum += item.weight;
            item.cumulative = sum;
        }
        World::Flaky { pool, repeats, mean }
    }

    /// Whether such scores are possible.
    pub fn exists(&self) -> bool {
        match self {
            World::Binary { discordance, mean } => mean.abs() <= *discordance + 1e-12,
            World::Graded { variance, mean } => mean.abs() + (3.0 * variance).sqrt() <= 1.0,
            World::Flaky { .. } => true,
        }
    }

    pub fn name(&self) -> String {
        match self {
            World::Binary { discordance, .. } => format!("0/1, {discordance} differ"),
            World::Graded { variance, .. } => format!("graded, variance {variance}"),
            World::Flaky { repeats, .. } => format!("flaky, {repeats} per pair"),
        }
    }

    /// The true mean difference.
    pub fn mean(&self) -> f64 {
        match self {
            World::Binary { mean, .. } | World::Graded { mean, .. } | World::Flaky { mean, .. } => *mean,
        }
    }

    /// The true mean squared difference.
    pub fn discordance(&self) -> f64 {
        match self {
            World::Binary { discordance, .. } => *discordance,
            World::Graded { variance, mean } => variance + mean * mean,
            World::Flaky { pool, repeats, .. } => weighted(pool, |item| {
                let spread = |p: f64| p * (1.0 - p) / f64::from(*repeats);
                (item.candidate - item.baseline).powi(2) + spread(item.candidate) + spread(item.baseline)
            }),
        }
    }

    /// Draws an example and scores both answers.
    pub fn draw(&self, rng: &mut impl Rng) -> Scores {
        match self {
            World::Binary { discordance, mean } => {
                let u: f64 = rng.random();
                let better = 0.5 * (discordance + mean);
                if u < better {
                    Scores { baseline: 0.0, candidate: 1.0 }
                } else if u < *discordance {
                    Scores { baseline: 1.0, candidate: 0.0 }
                } else {
                    let both = f64::from(rng.random::<f64>() < 0.8);
                    Scores { baseline: both, candidate: both }
                }
            }
            World::Graded { variance, mean } => {
                let difference = mean + (3.0 * variance).sqrt() * (2.0 * rng.random::<f64>() - 1.0);
                let room = 1.0 - difference.abs();
                let baseline = (-difference).max(0.0) + room * rng.random::<f64>();
                Scores { baseline, candidate: baseline + difference }
            }
            World::Flaky { pool, repeats, .. } => {
                let total = pool.last().map_or(0.0, |item| item.cumulative);
                let u = total * rng.random::<f64>();
                let item = &pool[pool.partition_point(|item| item.cumulative < u).min(pool.len() - 1)];
                let mut score = |p: f64| {
                    f64::from((0..*repeats).map(|_| u32::from(rng.random::<f64>() < p)).sum::<u32>())
                        / f64::from(*repeats)
                };
                Scores { baseline: score(item.baseline), candidate: score(item.candidate) }
            }
        }
    }
}

fn item(rank: usize, rng: &mut impl Rng) -> Item {
    let u: f64 = rng.random();
    let baseline = if u < 0.6 {
        0.97
    } else if u < 0.8 {
        0.2 + 0.7 * rng.random::<f64>()
    } else {
        0.05
    };
    Item { cumulative: 0.0, weight: 1.0 / (rank + 10) as f64, baseline, candidate: baseline }
}

fn weighted(pool: &[Item], value: impl Fn(&Item) -> f64) -> f64 {
    let total: f64 = pool.iter().map(|item| item.weight).sum();
    pool.iter().map(|item| item.weight * value(item)).sum::<f64>() / total
}
