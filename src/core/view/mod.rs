//! The view model, built once and rendered by every format. Its serde form *is* the documented JSON form, so fields are
//! only ever added.

mod added;
mod canary;
mod cell;
mod compare;
mod decay;
mod doctor;
mod drift;
mod embedder;
mod golden;
mod headline;
mod history;
mod judge_validation;
mod labelling;
mod list;
mod migration;
mod moved;
mod parity;
mod plan;
mod power;
mod queue;
mod records;
mod review;
mod runs;
mod slice;
mod suite_import;
mod summary;
mod traffic;
mod traffic_scores;

pub use added::{AddedExample, AddedView};
pub use canary::{CanaryAnswer, CanaryPair, CanarySide, CanaryView};
pub(crate) use cell::phrase;
pub use cell::{Cell, Phrase, count_of, line};
pub use compare::{
    CompareView, ComparedExamples, ComparedRun, CostDifferenceView, FlipView, LatencyDifferenceView, NotComparedView,
    ScoreDifferenceView, SliceDifferenceView,
};
pub use decay::{
    CandidateView, ClusterView, CoverageView, DecayView, DriftView, EstimateView, ExampleView, LookView, ReasonView,
    ShiftView, SignalCount,
};
pub use doctor::{Check, CheckArea, CheckState, DoctorView};
pub use drift::{DriftFinding, DriftKind, DriftStatus};
pub use embedder::{EmbedderView, StoredSpaceView};
pub use golden::{BadRowView, ChangeCounts, DatasetLogView, DiffView, LintView, LintedView, LoggedVersion};
pub use headline::{HeadlineLine, Report};
pub use history::{HistoryLine, HistoryView, NightView, ScoreChangeView};
pub use judge_validation::{
    BiasView, ChangeView, CorrectedScoreView, CountedShareView, DriftVerdictView, EffectView, FamilyBiasView,
    FigureView, JudgeDriftView, JudgeFailureView, JudgePositionView, JudgeValidationView, LabelSample, LabelsOf,
    LeftOut, LeftOutView, PeopleView, RunJudgeValidationView, ValidatedRunView,
};
pub use labelling::{AgreementOfAnnotators, LabelImportView, PairOfAnnotators, ReviewedExample, ShareView, TiedTask};
pub use list::{CacheView, EndpointRow, ListView, RunRow};
pub use migration::{AgreementView, MigrationView, SpaceName};
pub use moved::{MixView, MovedShare, MovedView, TopicsMoved, WordingMoved};
pub use parity::{DisparityView, GroupView, ParityVerdict, ParityView, RateView};
pub use plan::{PlanCell, PlanView};
pub use power::{NeededExamples, PowerRow, PowerView};
pub use queue::{QueueLogView, QueueRow, QueueView};
pub use records::RecordRow;
pub use review::{
    NearRequest, PastDecision, ReviewAnswer, ReviewCount, ReviewDecision, ReviewDoneView, ReviewExampleView,
    ReviewFlag, ReviewItem, ReviewProgress, ReviewView, ShownText, meaning_of, observed_and_clears, shown, shown_line,
};
pub use runs::{
    ClaimIs, ClaimView, ClassificationView, ConfusionView, ErrorView, JudgeView, LabelView, LatencyView, MissView,
    OutcomeCounts, PositionView, RunView, RunsView, ScoreView, ScorerErrorView, SliceScoreView,
};
pub use slice::SliceView;
pub use suite_import::{
    BadSourceRowView, CarriedView, FirstExampleView, ImportedDatasetView, NoteView, SuiteImportView, WrittenFileView,
};
pub use summary::{summary, summary_phrase};
pub use traffic::{FirstRecordView, ImportView, ImportedView, RejectView, SourceView, TrafficView};
pub use traffic_scores::{
    GoldenRunView, NotApplicableView, TrafficPartView, TrafficScorerView, TrafficScoresView, TrafficVerdict,
};
