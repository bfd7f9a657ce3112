//! Golden sets: reading rows, versions, lint and diff.

mod diff;
mod edit;
mod lint;
mod row;
mod version;

pub use diff::{ChangeKind, DatasetDiff, Fingerprint, diff, fingerprints};
pub use edit::{EditError, NewRow, RowEdit, append_rows, edit_rows, has_field, row_at, row_places};
pub use lint::{Finding, FindingKind, lint};
pub use row::{RowError, example_from_row, finish_ids, input_id};
pub use version::{VERSION_LABEL, canonical_example, dataset_version, example_from_canonical};
