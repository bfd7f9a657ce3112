//! JSON Schemas of the files a user writes, generated from the types that read them.

use super::{CardFile, SuiteFile, WorkspaceFile};
use crate::core::domain::Failure;
use crate::edge::yaml::schema_of;

/// A kind of file that has a JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// `karat.yaml`.
    Workspace,
    /// `suites/NAME.yaml`.
    Suite,
    /// `datasets/NAME/dataset.yaml`.
    Dataset,
}

/// The JSON Schema of a kind of file, as pretty-printed JSON.
///
/// # Errors
/// A failure if the schema cannot be serialized.
pub fn json_schema(kind: SchemaKind) -> Result<String, Failure> {
    let schema = match kind {
        SchemaKind::Workspace => schema_of::<WorkspaceFile>(),
        SchemaKind::Suite => schema_of::<SuiteFile>(),
        SchemaKind::Dataset => schema_of::<CardFile>(),
    };
    serde_json::to_string_pretty(&schema)
        .map_err(|error| Failure::other("cannot write the JSON Schema").caused_by(error))
}
