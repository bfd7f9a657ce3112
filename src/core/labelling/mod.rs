//! Labelling: the tasks that people are given, the labels they return, how far they agree, and what follows.

mod agreement;
mod consensus;
mod slice;
mod task;

pub use agreement::{alpha, kappa};
pub use consensus::{Consensus, consensus};
pub use slice::random_slice;
pub use task::{LabelRow, LabelTask, Labels, Settled, SliceDraw, Subject, answers_of, task_id};
