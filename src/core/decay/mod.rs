//! The decay of a golden set as one pure measurement: it takes everything that was loaded, and returns everything that
//! is shown and saved.
//!
//! Steps: coverage → clusters → unrepresented groups → flags and queue → shift, drift, estimate, candidates, gates → view.

mod cluster_views;
mod clusters;
mod drift;
mod estimate;
mod findings;
mod flags;
mod gates;
mod group_views;
mod inputs;
mod measure;
mod moved;
mod slice;
#[cfg(test)]
mod tests;
mod view;

pub use drift::{EarlierVersion, RunPair, RunRef};
pub(crate) use gates::gate_name;
pub use inputs::{Inputs, KnownClusters, ScoredRun, Settings, TrafficWindow, Wording, rewordings};
pub use measure::{Measured, MeasuredClustering, measure};
pub use slice::SliceScore;
