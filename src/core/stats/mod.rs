//! Statistics: intervals, tests, multiple testing, quantiles and resampling.
//!
//! All functions are pure; randomness comes from explicit seeds.

mod bootstrap;
mod bounded;
mod choice;
mod clustered;
mod contingency;
mod independent;
mod interval;
mod logistic;
mod multiple;
mod normal;
#[cfg(test)]
pub(in crate::core) mod parity;
mod quantiles;
mod rank;
mod rates;
mod result;
mod sample;
mod special;
mod tail;
mod two_sample;

pub use bootstrap::{cluster_bootstrap, percentile_interval, permutation_p_value, rng};
pub use bounded::{PairedDifference, is_below, paired_difference, score_interval};
pub use choice::{Choice, ConditionalLogit};
pub use clustered::{MeanEstimate, clustered_mean, welch_p};
pub use contingency::{g_test, mcnemar_mid_p};
pub use independent::SampleMean;
pub use interval::{
    Interval, clopper_pearson, difference_newcombe, poisson_exact, sample_variance, t_interval, t_interval_df, wilson,
};
pub use logistic::Logistic;
pub use multiple::{benjamini_hochberg, holm};
pub use normal::{normal_upper_quantile, normal_upper_tail};
pub use quantiles::{paired_quantile_difference, quantile_interval};
pub use rank::mann_whitney_auc;
pub use rates::binomial_rate_less;
pub use sample::{effective_n, quantile};
pub use tail::lower_tail_p;
pub use two_sample::{fisher_exact, fisher_mid_p};
