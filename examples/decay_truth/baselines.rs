//! Established methods to estimate how much of the traffic a labelled set still represents, or whether traffic has
//! drifted.
//!
//! Each is implemented from its published definition, which is cited with the implementation, together with any
//! simplification. Two windows are compared where there is a reference window; otherwise the golden set takes its
//! place. Rows that are not embeddable are left out of every share and test. Results depend only on the trial and its
//! seed, not on the number of threads.

mod classifier;
mod clusters;
mod components;
mod coverage;
mod mmd;
#[cfg(test)]
mod tests;
mod trial;

pub use trial::Trial;

/// The result of a method on a trial. A part that the method does not offer, or cannot compute from this trial, is
/// `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BaselineResult {
    /// Share of the traffic that the golden set represents, in [0, 1].
    pub coverage: Option<f64>,
    /// Whether the method reports drift.
    pub alarm: Option<bool>,
    /// One finite number per record of `now`, higher for one that looks newer; only the order is meaningful.
    pub novelty: Option<Vec<f64>>,
}

impl BaselineResult {
    /// A result with only an alarm.
    fn of_alarm(alarm: Option<bool>) -> Self {
        Self { alarm, ..Self::default() }
    }
}

/// A named method.
#[derive(Debug, Clone, Copy)]
pub struct Baseline {
    /// The name shown in tables.
    pub name: &'static str,
    /// The implementation.
    pub run: fn(&Trial) -> BaselineResult,
}

/// All methods: those that estimate a coverage, then those that only raise an alarm.
pub fn baselines() -> Vec<Baseline> {
    vec![
        Baseline { name: "prdc coverage", run: coverage::prdc },
        Baseline { name: "cosine 0.7", run: coverage::fixed_cosine },
        Baseline { name: "reference 5 % quantile", run: coverage::reference_quantile },
        Baseline { name: "cluster counting", run: clusters::counting },
        Baseline { name: "median ratio", run: coverage::median_ratio },
        Baseline { name: "evidently: domain classifier", run: classifier::domain_classifier },
        Baseline { name: "evidently: MMD", run: mmd::evidently },
        Baseline { name: "evidently: ratio of components", run: components::ratio },
        Baseline { name: "alibi-detect: MMD", run: mmd::alibi_detect },
        Baseline { name: "G-test on clusters", run: clusters::g_test_alarm },
        Baseline { name: "PSI on clusters", run: clusters::psi_alarm },
    ]
}
