//! Coverage: the share of traffic that the live examples represent.
//!
//! Every record is looked at through its nearest live examples: how near they are, how far ahead of the next topic, how many, and how
//! near for their topic. What that is worth is learnt on the golden set alone: a held-out example scored against the other folds
//! shows how *represented* requests look, and an example scored against the other topics only shows how requests of a topic *without*
//! any example look. The represented share is then a mixture proportion, estimated by probabilistic adjusted counting (Forman
//! 2008; Bella, Ferri, Hernández-Orallo & Ramírez-Quintana 2010), never by counting records beyond a threshold. Near-duplicates in
//! the set are one piece of evidence, and the number of records never moves the estimate, only its interval.

mod calibration;
mod estimate;
mod evidence;
mod mixture;
mod records;
mod window;

pub use calibration::GoldenPoints;
pub use estimate::{Coverage, CoverageMeasurement, DriftGap, Options, measure};
pub use records::RecordCoverage;
