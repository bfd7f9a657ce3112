//! The view model: built once, rendered by every format. Its serde form *is* the documented JSON form, so fields
//! are only ever added.

mod decay;
mod headline;
mod migration;
mod runs;
mod summary;

pub use decay::{
    CandidateView, ClusterView, CoverageView, DecayView, DriftView, EstimateView, ExampleView, ReasonView, ShiftView,
    SignalCount,
};
pub use headline::{Report, headline};
pub use migration::{AgreementView, MigrationView, SpaceName};
pub use runs::{ErrorView, LatencyView, MissView, OutcomeCounts, RunView, RunsView, ScoreView};
pub use summary::summary;
