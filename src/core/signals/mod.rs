//! Decay signals, one file per reason. Each returns flags with a score in [0, 1], evidence, and what would clear them.
//! Scores are not combined into one number.

mod dated;
mod disputed;
mod exposed;
mod flaky;
mod nearest;
mod policy;
mod repeated;
mod saturated;
mod sourced;
mod vanished;

pub use dated::dated_flags;
pub use disputed::{Answer, Dispute, Voice, disputed_flags, disputes};
pub use exposed::ExposureSearch;
pub use flaky::{Passes, flaky_flags};
pub use nearest::{Labelled, disputes_by_similarity};
pub use policy::Policy;
pub use repeated::repeated_flags;
pub use saturated::{Answered, ModelAnswers, saturated_flags};
pub use sourced::{PresentHashes, source_flags, sources_of, with_present_hashes};
pub use vanished::{LocalShare, local_share, vanished_flags};

use crate::core::domain::Flag;

/// Sorts flags for reading: the strongest first, then by reason and example; last those with which nothing is wrong.
pub fn rank(mut flags: Vec<Flag>) -> Vec<Flag> {
    flags.sort_by(|a, b| {
        let order = a.code.is_last().cmp(&b.code.is_last()).then(b.score.total_cmp(&a.score));
        order.then_with(|| a.code.cmp(&b.code)).then_with(|| a.example_id.cmp(&b.example_id))
    });
    flags
}
