//! Statistics: intervals, tests, multiple testing, quantiles and resampling.
//!
//! All functions are pure; randomness comes from explicit seeds.

mod bootstrap;
mod choice;
mod contingency;
mod interval;
mod logistic;
mod multiple;
mod normal;
#[cfg(test)]
mod parity;
mod rank;
mod rates;
mod result;
mod sample;
mod special;
mod tail;

pub use bootstrap::{cluster_bootstrap, percentile_interval, permutation_p_value, rng};
pub use choice::{Choice, ConditionalLogit};
pub use contingency::{g_test, mcnemar_mid_p};
pub use interval::{
    Interval, clopper_pearson, difference_newcombe, mean_t, poisson_exact, sample_variance, t_interval, wilson,
};
pub use logistic::Logistic;
pub use multiple::{benjamini_hochberg, holm};
pub use normal::{normal_upper_quantile, normal_upper_tail};
pub use rank::mann_whitney_auc;
pub use rates::binomial_rate_less;
pub use sample::{effective_n, quantile};
pub use tail::lower_tail_p;
