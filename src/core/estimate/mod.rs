//! The estimated score on today's traffic, and the records to label next.

mod candidates;
mod disagreement;
mod powered;
mod today;

pub use candidates::{Candidate, Origin, Selection, next_to_label};
pub use disagreement::disagreement;
pub use powered::{SlicePoint, slice_estimate};
pub use today::{Stratum, TodayEstimate, strata, today};
