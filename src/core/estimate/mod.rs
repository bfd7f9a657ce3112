//! The estimated score on today's traffic, and the records to label next.

mod candidates;
mod today;

pub use candidates::{Candidate, next_to_label};
pub use today::{Stratum, today};
