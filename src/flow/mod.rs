//! What karat does, from end to end: the only users of several edges. Flows speak to their consumers in [`Event`]s.

pub mod assay;
pub mod check;
pub mod demo;
pub mod doctor;
mod embedders;
pub mod event;
pub mod import;
pub mod init;
pub mod kept_set;
pub mod migrate;
pub mod report;
pub mod run;
pub mod sets;
pub mod workbench;

pub use event::{Event, Events};
pub use workbench::Workbench;
