//! The embedding spaces of a workspace.

use serde::Serialize;

use crate::core::domain::EmbeddingSpace;

/// The JSON form of `karat embedder show --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmbedderView {
    /// `karat.embedder/1`.
    pub schema: &'static str,
    /// Name of the embedder in use.
    pub embedder: String,
    /// Its embedding space.
    pub space: EmbeddingSpace,
    /// Whether `karat.lock` pins it.
    pub pinned: bool,
    /// Every embedding space with stored vectors or measurements.
    pub stored: Vec<StoredSpaceView>,
}

impl EmbedderView {
    /// Creates the view.
    pub fn new(embedder: String, space: EmbeddingSpace, pinned: bool, stored: Vec<StoredSpaceView>) -> Self {
        Self { schema: "karat.embedder/1", embedder, space, pinned, stored }
    }
}

/// The stored data of one embedding space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredSpaceView {
    /// Name of its embedder.
    pub embedder: String,
    /// The embedding space.
    pub space: EmbeddingSpace,
    /// Whether it is the one in use.
    pub serving: bool,
    /// When it was first used (RFC 3339).
    pub first_used: String,
    /// Vectors stored.
    pub vectors: usize,
    /// Decay measurements stored.
    pub measurements: usize,
    /// When decay was last measured in it (RFC 3339).
    pub last_measurement: Option<String>,
}
