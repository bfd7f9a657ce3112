//! Decay signals: one file a reason. Each gives flags with a score in [0, 1], evidence, and what would clear it;
//! no blended number.

mod dated;
mod flaky;
mod policy;
mod repeated;
mod vanished;

pub use dated::dated_flags;
pub use flaky::{Passes, flaky_flags};
pub use policy::Policy;
pub use repeated::repeated_flags;
pub use vanished::{local_share, vanished_flags};

use crate::core::domain::Flag;

/// Flags in the order in which they should be read: the strongest first, then by reason and example.
pub fn rank(mut flags: Vec<Flag>) -> Vec<Flag> {
    flags.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| a.code.cmp(&b.code)).then_with(|| a.example_id.cmp(&b.example_id))
    });
    flags
}
