//! The files a user writes (workspace, suites, dataset cards), secrets by reference, and JSON Schemas.

mod card;
mod embedder;
mod endpoint;
mod forms;
mod gates;
mod schema;
mod scorers;
mod secrets;
mod suite;
mod typed;
mod workspace;

pub use crate::edge::yaml::read_yaml;
pub use card::CardFile;
pub use embedder::{ModelDefinition, ServerDefinition};
pub use endpoint::{
    ApiDefinition, ApiDialect, BaselineDefinition, ClaimFile, EndpointDefinition, EndpointSettings, ExecDefinition,
    ReplayDefinition, definition_of_id,
};
pub use schema::{SchemaKind, json_schema};
pub use scorers::example_scorers;
pub use secrets::Secrets;
pub use suite::{SuiteFile, changed_keys, load_suite, suite_content, suite_from_content};
pub use workspace::{DEFAULT_EMBEDDER, SourceCopy, WorkspaceConfig, WorkspaceFile, find_workspace, load_workspace};

#[cfg(test)]
mod tests;
