//! What karat does, from end to end. Only flows combine several edges. They report their work as [`Event`]s.

pub mod check;
pub mod compare;
pub mod dataset_add;
pub mod decay;
pub mod demo;
pub mod doctor;
mod embedders;
pub mod event;
pub mod export;
pub mod history;
#[cfg(test)]
mod import_fuzz;
pub mod import_suites;
pub mod import_traffic;
pub mod init;
pub mod labelling;
pub mod migrate;
pub mod power;
pub mod queue;
pub mod report;
pub mod review;
pub mod run;
pub mod score_traffic;
mod scoring;
pub mod sets;
mod slices;
pub mod stored_dataset;
pub mod validate;
pub mod workspace;

pub use event::{Event, Events};
pub use workspace::Workspace;
