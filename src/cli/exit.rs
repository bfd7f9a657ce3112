//! Exit codes, in one documented type.

use std::process::ExitCode;

use crate::core::domain::{Failure, FailureKind};
use crate::core::verdict::Verdict;

/// What the process ends with. 101 never: it is a Rust panic's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// All gates pass.
    Success = 0,
    /// Anything not named below.
    Other = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Bad configuration or data.
    Data = 3,
    /// A run has errors above its tolerance, or was stopped.
    Incomplete = 4,
    /// The database cannot be used.
    Store = 5,
    /// A quality gate failed.
    QualityFailed = 100,
    /// A decay gate failed.
    DecayFailed = 102,
    /// A gate that demands a decision has none, or nothing was measured.
    Inconclusive = 103,
}

impl Exit {
    /// The code of a failure.
    pub fn of(failure: &Failure) -> Self {
        match failure.kind {
            FailureKind::Usage => Self::Usage,
            FailureKind::Data => Self::Data,
            FailureKind::Incomplete => Self::Incomplete,
            FailureKind::Store => Self::Store,
            FailureKind::Other => Self::Other,
        }
    }

    /// The code of the verdicts on quality and on decay.
    pub fn of_verdicts(quality: Option<Verdict>, decay: Option<Verdict>) -> Self {
        match (quality.unwrap_or(Verdict::Pass), decay.unwrap_or(Verdict::Pass)) {
            (Verdict::Incomplete, _) | (_, Verdict::Incomplete) => Self::Incomplete,
            (Verdict::Fail, _) => Self::QualityFailed,
            (_, Verdict::Fail) => Self::DecayFailed,
            (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Self::Inconclusive,
            (Verdict::Pass, Verdict::Pass) => Self::Success,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_verdict_decides() {
        use Verdict::{Fail, Incomplete, Inconclusive, Pass};
        let cases = [
            (Some(Pass), Some(Pass), Exit::Success),
            (None, Some(Fail), Exit::DecayFailed),
            (Some(Fail), Some(Fail), Exit::QualityFailed),
            (Some(Incomplete), Some(Fail), Exit::Incomplete),
            (Some(Inconclusive), Some(Fail), Exit::DecayFailed),
            (Some(Inconclusive), None, Exit::Inconclusive),
        ];
        for (quality, decay, exit) in cases {
            assert_eq!(Exit::of_verdicts(quality, decay), exit, "{quality:?} {decay:?}");
        }
    }
}
