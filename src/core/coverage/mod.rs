//! Coverage: the share of traffic mass that the live examples represent.
//!
//! Every record gets the similarity of its nearest live example. What that similarity is worth is learnt on the golden
//! set alone: a held-out example scored against the other folds shows how near *represented* requests lie, and an
//! example scored against the other topics only shows how near requests of a topic *without* any example lie. The
//! represented share is then a mixture proportion, estimated by probabilistic adjusted counting (Forman 2008; Bella,
//! Ferri, Hernández-Orallo & Ramírez-Quintana 2010), never by counting records beyond a threshold. Near-duplicates in
//! the set are one piece of evidence, and the number of records never moves the estimate, only its interval.

mod calibration;
mod estimate;
mod isotonic;

pub use calibration::{Calibration, GoldenPoints};
pub use estimate::{Coverage, CoverageAssay, DriftGap, Options, RecordCoverage, Sample, assay};
