//! Figures over trials, with intervals.

use karat::stats::{clopper_pearson, quantile, rng};
use rand::RngExt;
use serde::Serialize;

/// One figure of the results.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub signal: &'static str,
    pub metric: String,
    /// `None` if no trial gave any.
    pub value: Option<f64>,
    /// The 95 % interval over trials: Clopper–Pearson for a share of trials, otherwise a bootstrap of whole trials.
    pub lo: Option<f64>,
    pub hi: Option<f64>,
    /// Number of trials.
    pub n: usize,
    /// The same figure of cleanlab, if it was given.
    pub baseline: Option<f64>,
}

/// What one trial adds to the sum above and to the sum below the line.
pub type Ratio = (f64, f64);

/// The mean of a value per trial, as a ratio.
pub fn one(value: f64) -> Ratio {
    (value, 1.0)
}

/// Whether something holds, as a ratio.
pub fn holds(value: bool) -> Ratio {
    one(f64::from(u8::from(value)))
}

/// Counts as a ratio.
pub fn counts(part: usize, of: usize) -> Ratio {
    (part as f64, of as f64)
}

/// Replicates of the bootstrap.
const REPLICATES: usize = 2_000;

impl Figure {
    /// The sum of all numerators divided by the sum of all denominators. Trials that add nothing below the line are not counted.
    pub fn of(signal: &'static str, metric: impl Into<String>, trials: impl IntoIterator<Item = Ratio>) -> Self {
        let trials: Vec<Ratio> = trials.into_iter().filter(|trial| trial.1 > 0.0).collect();
        let value = ratio(trials.iter());
        let (lo, hi) = interval(&trials).unzip();
        Self { signal, metric: metric.into(), value, lo, hi, n: trials.len(), baseline: None }
    }
}

fn ratio<'a>(trials: impl Iterator<Item = &'a Ratio>) -> Option<f64> {
    let (above, below) = trials.fold((0.0, 0.0), |sum, trial| (sum.0 + trial.0, sum.1 + trial.1));
    (below > 0.0).then(|| above / below)
}

fn interval(trials: &[Ratio]) -> Option<(f64, f64)> {
    if trials.is_empty() {
        return None;
    }
    if trials.iter().all(|(above, below)| *below == 1.0 && (*above == 0.0 || *above == 1.0)) {
        let successes = trials.iter().filter(|trial| trial.0 == 1.0).count();
        let found = clopper_pearson(successes as u64, trials.len() as u64, 0.95);
        return Some((found.lo, found.hi));
    }
    let mut random = rng(0, 0);
    let mut replicate = || {
        let drawn: Vec<Ratio> = (0..trials.len()).map(|_| trials[random.random_range(0..trials.len())]).collect();
        ratio(drawn.iter())
    };
    let mut values: Vec<f64> = (0..REPLICATES).filter_map(|_| replicate()).collect();
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.025).zip(quantile(&values, 0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_trials_has_an_exact_interval_and_a_ratio_a_bootstrap_one() {
        let share = Figure::of("s", "m", (0..20).map(|trial| holds(trial > 0)));
        assert_eq!((share.value, share.n), (Some(0.95), 20));
        assert!((share.lo.unwrap() - 0.7513).abs() < 1e-3 && (share.hi.unwrap() - 0.9987).abs() < 1e-3, "{share:?}");
        let ratio = Figure::of("s", "m", [(1.0, 2.0), (9.0, 10.0), (0.0, 0.0), (5.0, 8.0)]);
        assert_eq!((ratio.value, ratio.n), (Some(0.75), 3));
        assert!(ratio.lo.unwrap() >= 0.5 && ratio.hi.unwrap() <= 0.9 && ratio.lo < ratio.hi, "{ratio:?}");
    }

    #[test]
    fn without_trials_there_is_no_value() {
        let none = Figure::of("s", "m", [(0.0, 0.0)]);
        assert_eq!((none.value, none.lo, none.hi, none.n), (None, None, None, 0));
    }
}
