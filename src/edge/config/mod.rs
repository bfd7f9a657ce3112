//! The files a user writes: workspace, suites, dataset cards; secrets by reference; JSON Schemas.

mod card;
mod embedder;
mod endpoint;
mod secrets;
mod suite;
mod workspace;
mod yaml;

pub use card::CardFile;
pub use embedder::{EmbedderDefinition, EmbedderType, ModelDefinition};
pub use endpoint::{
    ApiDefinition, ApiDialect, EndpointDefinition, EndpointFile, EndpointSettings, EndpointType, HttpDefinition,
    OpenAiApi, definition_of_id,
};
pub use secrets::Secrets;
pub use suite::{SuiteFile, load_suite, suite_content, suite_from_content};
pub use workspace::{DecaySettings, WorkspaceConfig, WorkspaceFile, find_workspace, load_workspace};
pub use yaml::read_yaml;

use crate::core::domain::Failure;

/// The JSON Schema of a file a user writes, generated from the types that read it.
///
/// # Errors
/// A failure where the schema cannot be written as text.
pub fn json_schema(kind: SchemaKind) -> Result<String, Failure> {
    let schema = match kind {
        SchemaKind::WorkspaceConfig => schemars::schema_for!(WorkspaceFile),
        SchemaKind::Suite => schemars::schema_for!(SuiteFile),
        SchemaKind::Dataset => schemars::schema_for!(CardFile),
    };
    serde_json::to_string_pretty(&schema)
        .map_err(|error| Failure::other("the schema cannot be written").caused_by(error))
}

/// A file with a JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// `karat.yaml`.
    WorkspaceConfig,
    /// `suites/NAME.yaml`.
    Suite,
    /// `datasets/NAME/dataset.yaml`.
    Dataset,
}
