//! Statistics of the harness: intervals, tests, multiplicity, quantiles, resampling.
//!
//! Everything here is a pure function of its arguments; randomness comes from an explicit seed.

mod bootstrap;
mod contingency;
mod interval;
mod logistic;
mod multiple;
#[cfg(test)]
mod parity;
mod rank;
mod rates;
mod result;
mod sample;
mod special;

pub use bootstrap::{cluster_bootstrap, percentile_interval, permutation_p_value, poisson_bootstrap_weights, rng};
pub use contingency::{MIN_EXPECTED, fisher_exact_greater, g_test, mcnemar_mid_p};
pub use interval::{
    Interval, clopper_pearson, difference_newcombe, mean_t, poisson_exact, sample_variance, t_interval, wilson,
};
pub use logistic::Logistic;
pub use multiple::{benjamini_hochberg, holm};
pub use rank::{ks_two_sample, mann_whitney_auc};
pub use rates::{binomial_rate_less, two_proportion_z};
pub use result::TestResult;
pub use sample::{effective_n, quantile, weighted_mean, weighted_quantile};
