//! karat: a golden-dataset evaluation harness with decay tracking.
//!
//! It runs versioned eval suites against model endpoints, stores every outcome in SQLite, compares the golden set with
//! sampled production traffic, and flags the examples that decayed. ARCHITECTURE.md is the map of the code.
//!
//! The library exists for the `karat` binary, whose entry point is [`main`]. The other public modules re-export the
//! numeric parts that the examples and benchmarks of this repository measure; they are not a stable API.

#![deny(missing_docs)]

mod cli;
mod core;
mod edge;
mod flow;

pub use cli::main;

/// Spherical k-means, used to cluster embedded texts.
pub mod cluster {
    pub use crate::core::cluster::{KMeans, KMeansOptions, assign, spherical_kmeans};
}

/// The share of today's traffic that a golden set covers.
pub mod coverage {
    pub use crate::core::coverage::{
        Coverage, CoverageMeasurement, DriftGap, GoldenPoints, Options, RecordCoverage, measure,
    };
    pub use crate::core::records::Records;
}

/// Embedders, which turn texts into vectors.
pub mod embed {
    pub use crate::core::domain::{Embedder, TextRule};
    pub use crate::edge::embed::{Builtin, EmbedderSettings, HashedNgrams, Minilm, Model2Vec, ModelSettings, open};
}

/// Redaction of personal data and secrets.
pub mod privacy {
    pub use crate::core::privacy::redact::Redactor;
}

/// Statistical tests, intervals and the seeded random number generator.
pub mod stats {
    pub use crate::core::stats::{clopper_pearson, g_test, mann_whitney_auc, permutation_p_value, quantile, rng};
}

/// Unit vectors and nearest-neighbour search.
pub mod vector {
    pub use crate::core::vector::{Vectors, dot, top_k};
}
