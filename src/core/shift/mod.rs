//! Tests of one window of traffic against another: the topics of the requests, what they look like, and the outputs.
//!
//! Every p-value comes from permuting the windows of a subsample, so it is valid at any size. A finding is a p-value *and*
//! an effect, never one alone. Every result depends on the inputs and the seed, whatever the number of threads.

#[cfg(test)]
mod calibration;
mod categories;
mod classifier;
mod clusters;
mod discrepancy;
mod looks;
mod numbers;
mod permutation;
mod pool;
mod run;
mod subsample;
mod types;
mod words;

pub use run::shift_tests;
pub use types::{ShiftKind, ShiftOptions, ShiftTest};
pub use words::vocabulary;
