//! What the score would be on today's traffic, and what to label next.

mod candidates;
mod today;

pub use candidates::candidates;
pub use today::{Stratum, today};
