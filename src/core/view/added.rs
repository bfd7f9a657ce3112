//! Examples added to a golden set.

use serde::Serialize;

/// The JSON form of `karat dataset add --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddedView {
    /// `karat.dataset-add/1`.
    pub schema: &'static str,
    /// The golden set.
    pub dataset: String,
    /// Its version before, 64 hex digits.
    pub version_before: String,
    /// Its version now.
    pub version_after: String,
    /// New examples.
    pub added: Vec<AddedExample>,
    /// Inputs that the set already had.
    pub known: Vec<AddedExample>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

/// An example that was to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddedExample {
    /// Its id; of the present example if the set already had its input.
    pub example_id: String,
    /// Its input, shortened.
    pub input: String,
    /// The accepted answers given.
    pub answers: Vec<String>,
}
