//! The view model: built once, rendered by every format. Its serde form *is* the documented JSON form, so fields
//! are only ever added.

mod decay;
mod doctor;
mod headline;
mod migration;
mod plan;
mod runs;
mod summary;

pub use decay::{
    CandidateView, ClusterView, CoverageView, DecayView, DriftView, EstimateView, ExampleView, ReasonView, ShiftView,
    SignalCount,
};
pub use doctor::{Check, CheckArea, CheckState, DoctorView};
pub use headline::{Report, headline};
pub use migration::{AgreementView, MigrationView, SpaceName};
pub use plan::{PlanCell, PlanView};
pub use runs::{ErrorView, LatencyView, MissView, OutcomeCounts, RunView, RunsView, ScoreView};
pub use summary::summary;
