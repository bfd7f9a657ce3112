//! Labelling: exports what people should label, and imports their labels.

mod export;
mod given;
mod import;
mod plan;
pub(super) mod record;

pub use export::{ExportOptions, export};
pub use import::{LabelImportOptions, import_labels};
