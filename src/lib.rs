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

/// The sequential decision of a canary, and the size of a test with a fixed size.
pub mod canary {
    pub use crate::core::canary::{Canary, Decision, Evidence, Pairs, Rule, fixed_sample_size};
}

/// Comparisons of runs and gates.
pub mod compare {
    pub use crate::core::compare::{Change, Comparison, ExampleTrials, Options, RunScores, TrialScores, compare};
    pub use crate::core::domain::scorer::text::Exact;
    pub use crate::core::domain::{
        Example, Gate, GateLimit, GateMeasure, Reducer, Scorer, ScorerKind, SliceBy, SliceFamily,
    };
    pub use crate::core::gate::{Baseline, BaselineRun, Evidence, GatePast, History, evaluate_all};
    pub use crate::core::golden::example_from_row;
    pub use crate::core::slices::Slices;
    pub use crate::core::verdict::{GateResult, Verdict};
}

/// Spherical k-means, used to cluster embedded texts.
pub mod cluster {
    pub use crate::core::cluster::{KMeans, KMeansOptions, assign, spherical_kmeans};
}

/// The share of today's traffic that a golden set covers.
pub mod coverage {
    pub use crate::core::coverage::{
        Copies, Coverage, CoverageMeasurement, DriftGap, GoldenPoints, Options, RecordCoverage, WindowPoints, measure,
    };
    pub use crate::core::records::{Record, Records};
}

/// Embedders, which turn texts into vectors.
pub mod embed {
    pub use crate::core::domain::{Embedder, TextRule};
    pub use crate::edge::embed::{Builtin, EmbedderSettings, HashedNgrams, Minilm, Model2Vec, ModelSettings, open};
}

/// The score on today's traffic.
pub mod estimate {
    pub use crate::core::estimate::{Origin, Stratum, TodayEstimate, strata, today};
}

/// How far a judge can be trusted.
pub mod judge_validation {
    pub use crate::core::judge::validation::{
        Answer, Bias, BinaryAgreement, Change, Compared, Confusion, Corrected, Drift, DriftVerdict, Effect, Estimate,
        FamilyBias, GradedAgreement, LabelledSample, LengthBias, MARGIN, Method, Outcome, OwnAnswer, Pick,
        PositionBias, Powered, Rate, Rejudged, Share, Third, Uncorrectable, binary_agreement, drift, family_bias,
        graded_agreement, length_bias, pass_rate, position_bias, post_stratified, prediction_powered, rogan_gladen,
    };
}

/// Redaction of personal data and secrets.
pub mod privacy {
    pub use crate::core::privacy::redact::Redactor;
}

/// Scorers, to measure their speed.
pub mod scoring {
    pub use crate::core::domain::{Example, Scorer, ScorerKind};
    pub use crate::core::golden::example_from_row;
    pub use crate::core::scoring::{Answer, CompiledScorers};
}

/// Signals of single examples: labels that are disputed, and traffic that vanished.
pub mod signals {
    pub use crate::core::domain::{Example, Flag};
    pub use crate::core::golden::example_from_row;
    pub use crate::core::signals::{
        Answer, Dispute, Labelled, LocalShare, Voice, disputed_flags, disputes_by_similarity, local_share,
        vanished_flags,
    };
}

/// Statistical tests, intervals and the seeded random number generator.
pub mod stats {
    pub use crate::core::stats::{
        Interval, PairedDifference, clopper_pearson, clustered_mean, g_test, mann_whitney_auc, normal_upper_quantile,
        normal_upper_tail, paired_difference, permutation_p_value, quantile, rng, score_interval, t_interval_df,
        wilson,
    };
}

/// Groups of requests that no example represents, and what to label next.
pub mod unrepresented {
    pub use crate::core::domain::RecordIdx;
    pub use crate::core::estimate::{Candidate, Selection, disagreement, next_to_label};
    pub use crate::core::unrepresented::{Covered, Unrepresented, unrepresented};
}

/// Clusters of all traffic, as they are stored.
pub mod traffic_clusters {
    pub use crate::core::domain::ClusterIdx;
    pub use crate::core::new_clusters::ClusterBook;
    pub use crate::core::signals::Policy;
}

/// Unit vectors and nearest-neighbour search.
pub mod vector {
    pub use crate::core::vector::{Vectors, dot, top_k};
}

/// How requests are worded, apart from what they are about.
pub mod wording {
    pub use crate::core::wording::{
        ExtraWord, Habits, OtherLanguages, Request, Reworded, asking_parts, other_languages, reword,
    };
}
