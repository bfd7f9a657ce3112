//! One canary with known truth, and what many of them have in common.

use karat::canary::{Canary, Decision, Rule, fixed_sample_size};
use rand::Rng;

use super::naive::Sums;
use super::world::World;

/// The power of the test with a fixed number of pairs.
pub const POWER: f64 = 0.95;

/// One combination of scores, margin and truth.
pub struct Cell {
    pub world: World,
    pub rule: Rule,
    /// The true mean difference in margins.
    pub truth: f64,
    /// Pairs that a test with a fixed number of them needs to tell `-margin` from 0.
    pub fixed: usize,
}

/// What one repetition gave.
#[derive(Clone, Copy)]
pub struct Trial {
    pub decision: Decision,
    pub pairs: usize,
    /// Whether every interval looked at contained the truth.
    pub covered: bool,
    pub threshold: Decision,
    pub unpaired: Decision,
    /// Whether the tests with a fixed number of pairs promote and roll back.
    pub fixed: (bool, bool),
}

/// Rates over all repetitions of a cell.
pub struct Summary {
    pub canary: Rates,
    pub threshold: Rates,
    pub unpaired: Rates,
    pub fixed: Rates,
    pub covered: f64,
    /// Mean number of pairs until the decision or the end of the budget.
    pub pairs: f64,
}

/// Shares of the repetitions.
#[derive(Clone, Copy)]
pub struct Rates {
    pub promote: f64,
    pub roll_back: f64,
}

impl Cell {
    pub fn new(world: World, margin: f64, truth: f64) -> Self {
        // The variance at the design effect, whatever this cell's truth is.
        let discordance = match &world {
            World::Graded { variance, .. } => *variance,
            World::Binary { discordance, .. } => *discordance,
            World::Flaky { repeats, .. } => World::flaky(*repeats, 0.0).discordance(),
        };
        let fixed = fixed_sample_size(discordance, margin, Rule::LEVEL, POWER);
        Cell { world, rule: Rule { level: Rule::LEVEL, margin, budget: 3 * fixed }, truth, fixed }
    }

    /// Draws until everybody has decided or the budget is spent.
    pub fn run(&self, rng: &mut impl Rng) -> Trial {
        let Rule { level, margin, budget } = self.rule;
        let mut canary = Canary::new(self.rule);
        let mut sums = Sums::default();
        let go = Decision::Continue;
        let mut trial =
            Trial { decision: go, pairs: 0, covered: true, threshold: go, unpaired: go, fixed: (false, false) };
        for n in 1..=budget {
            let scores = self.world.draw(rng);
            sums.add(&scores);
            if canary.decision() == go {
                canary.observe(scores.candidate - scores.baseline);
                if canary.decision() != go || n % 64 == 0 && (n / 64).is_power_of_two() {
                    trial.covered &= canary.interval(1.0 - level).contains(self.world.mean());
                }
            }
            if trial.threshold == go {
                trial.threshold = sums.threshold(margin);
            }
            if trial.unpaired == go {
                trial.unpaired = sums.unpaired(margin, level);
            }
            if n == self.fixed {
                trial.fixed = sums.paired(margin, level);
            }
            if n >= self.fixed && [canary.decision(), trial.threshold, trial.unpaired].iter().all(|d| *d != go) {
                break;
            }
        }
        Trial { decision: canary.decision(), pairs: canary.pairs().sent(), ..trial }
    }
}

impl Summary {
    pub fn of(trials: &[Trial]) -> Self {
        let share =
            |is: &dyn Fn(&Trial) -> bool| trials.iter().filter(|trial| is(trial)).count() as f64 / trials.len() as f64;
        let rates = |of: &dyn Fn(&Trial) -> Decision| Rates {
            promote: share(&|trial| of(trial) == Decision::Promote),
            roll_back: share(&|trial| of(trial) == Decision::RollBack),
        };
        Summary {
            canary: rates(&|trial| trial.decision),
            threshold: rates(&|trial| trial.threshold),
            unpaired: rates(&|trial| trial.unpaired),
            fixed: Rates { promote: share(&|trial| trial.fixed.0), roll_back: share(&|trial| trial.fixed.1) },
            covered: share(&|trial| trial.covered),
            pairs: trials.iter().map(|trial| trial.pairs as f64).sum::<f64>() / trials.len() as f64,
        }
    }
}
