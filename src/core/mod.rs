//! The pure layer: no files, sockets, clock, environment, database or unseeded randomness.

pub mod agreement;
pub mod cluster;
pub mod coverage;
pub mod decay;
pub mod domain;
pub mod estimate;
pub mod golden;
pub mod new_clusters;
pub mod pricing;
pub mod privacy;
pub mod prompt;
pub mod quality;
pub mod queue;
pub mod records;
pub mod report;
pub mod scoring;
pub mod shift;
pub mod signals;
pub mod spelling;
pub mod stats;
pub mod tabular;
pub mod unrepresented;
pub mod vector;
pub mod verdict;
pub mod view;
pub mod wording;
