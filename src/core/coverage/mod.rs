//! Coverage: the share of traffic that the live examples represent.
//!
//! Every record is described by its nearest live examples: how near they are, how far ahead of the next topic, how
//! many, and how near for their topic. The meaning of these features is learnt from the golden set alone: a held-out
//! example scored against the other folds shows how *represented* requests look, and an example scored only against
//! other topics shows how requests of a topic *without* any example look. The represented share is then a mixture
//! proportion, estimated by probabilistic adjusted counting (Forman 2008; Bella, Ferri, Hernández-Orallo &
//! Ramírez-Quintana 2010), never by counting records beyond a threshold. Near-duplicates in the set count as one piece
//! of evidence, and the number of records does not affect the estimate, only its interval.

mod calibration;
mod estimate;
mod evidence;
mod held_out;
mod mixture;
mod projection;
mod records;
mod window;

pub use calibration::{Copies, GoldenPoints};
pub use estimate::{Coverage, CoverageMeasurement, DriftGap, Options, WindowPoints, measure};
pub use records::RecordCoverage;
