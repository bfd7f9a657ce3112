//! The exit codes.

use std::process::ExitCode;

use crate::core::domain::{Failure, FailureKind};
use crate::core::verdict::Verdict;

/// The exit code of the process. 101 is never used, since it means a Rust panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// All gates pass.
    Success = 0,
    /// Any failure not listed below.
    Other = 1,
    /// The command line is invalid.
    Usage = 2,
    /// Bad configuration or data.
    Data = 3,
    /// A run has more errors than tolerated, or was stopped.
    Incomplete = 4,
    /// The database cannot be used.
    Store = 5,
    /// A quality gate failed.
    QualityFailed = 100,
    /// A decay gate failed.
    DecayFailed = 102,
    /// A gate that requires a decision is inconclusive, or nothing was measured.
    Inconclusive = 103,
}

impl Exit {
    /// Returns the exit code for a failure.
    pub fn of(failure: &Failure) -> Self {
        match failure.kind {
            FailureKind::Usage => Self::Usage,
            FailureKind::Data => Self::Data,
            FailureKind::Incomplete => Self::Incomplete,
            FailureKind::Store => Self::Store,
            FailureKind::Other => Self::Other,
        }
    }

    /// Returns the exit code for the verdicts on quality and decay; the worst one decides.
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
    fn the_worst_verdict_decides() {
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
