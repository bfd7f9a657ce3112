//! The trait of embedders.

use super::embedding_space::EmbeddingSpace;
use super::failure::Failure;

/// Turns text into vectors of one fixed dimension.
///
/// Everything that affects a vector (model bytes, tokenizer, normalisation, dimension) is part of
/// [`Embedder::description`]. Vectors of different spaces must never be compared.
pub trait Embedder: Send + Sync {
    /// Describes the embedding space.
    fn description(&self) -> &EmbeddingSpace;

    /// The id of the space, by which vectors are keyed.
    fn space(&self) -> &str {
        &self.description().id
    }

    /// Number of components of every vector; 0 until it is known, if only a server knows it.
    fn dim(&self) -> usize;

    /// Embeds texts, in order. A text with nothing to embed yields an all-zero vector, which counts as not embeddable
    /// and is never similar to anything.
    ///
    /// # Errors
    /// Returns an error if the embedder depends on an external resource that is not available.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure>;
}
