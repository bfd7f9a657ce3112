//! Decay of a golden set as one pure measurement: what was loaded goes in, everything that is shown and saved comes out.
//!
//! coverage → clusters → flags and the queue → shift, estimate, candidates, gates → the view.

mod cluster_views;
mod clusters;
mod estimate;
mod findings;
mod flags;
mod gates;
mod inputs;
mod measure;
#[cfg(test)]
mod tests;
mod view;

pub use inputs::{Inputs, KnownClusters, ScoredRun, Settings, TrafficWindow};
pub use measure::{Measured, MeasuredClustering, measure};
