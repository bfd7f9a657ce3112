//! What people do without sequential statistics: look after every pair, and stop when the figures look good or bad.

use karat::canary::Decision;
use karat::stats::normal_upper_quantile;

use super::world::Scores;

/// Nobody decides on fewer pairs than this.
const FIRST_LOOK: f64 = 30.0;

/// Sums of everything that was drawn.
#[derive(Default)]
pub struct Sums {
    n: f64,
    baseline: [f64; 2],
    candidate: [f64; 2],
    difference: [f64; 2],
}

impl Sums {
    pub fn add(&mut self, scores: &Scores) {
        self.n += 1.0;
        let add = |sums: &mut [f64; 2], x: f64| {
            sums[0] += x;
            sums[1] += x * x;
        };
        add(&mut self.baseline, scores.baseline);
        add(&mut self.candidate, scores.candidate);
        add(&mut self.difference, scores.candidate - scores.baseline);
    }

    fn mean(&self) -> f64 {
        self.difference[0] / self.n
    }

    fn variance(&self, sums: [f64; 2]) -> f64 {
        let mean = sums[0] / self.n;
        (sums[1] / self.n - mean * mean).max(0.0)
    }

    /// A fixed threshold: promotes when the candidate has not scored lower, rolls back when it has by the margin.
    pub fn threshold(&self, margin: f64) -> Decision {
        if self.n < FIRST_LOOK {
            Decision::Continue
        } else if self.mean() >= 0.0 {
            Decision::Promote
        } else if self.mean() <= -margin {
            Decision::RollBack
        } else {
            Decision::Continue
        }
    }

    /// A z-test at `level` as if the scores of both endpoints were independent samples.
    pub fn unpaired(&self, margin: f64, level: f64) -> Decision {
        if self.n < FIRST_LOOK {
            return Decision::Continue;
        }
        let error = ((self.variance(self.baseline) + self.variance(self.candidate)) / self.n).sqrt();
        let z = normal_upper_quantile(level);
        if self.mean() < -z * error {
            Decision::RollBack
        } else if self.mean() + margin > z * error {
            Decision::Promote
        } else {
            Decision::Continue
        }
    }

    /// The paired z-test of each hypothesis at `level`: whether it promotes, and whether it rolls back.
    pub fn paired(&self, margin: f64, level: f64) -> (bool, bool) {
        let bound = normal_upper_quantile(level) * (self.variance(self.difference) / self.n).sqrt();
        (self.mean() + margin > bound, self.mean() < -bound)
    }
}
