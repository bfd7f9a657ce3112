//! The estimated score on today's traffic, and the records to label next.

mod candidates;
mod powered;
mod today;

pub use candidates::{Candidate, next_to_label};
pub use powered::{SlicePoint, slice_estimate};
pub use today::{Stratum, today};
