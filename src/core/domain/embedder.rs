//! What turns text into vectors.

use super::embedding_space::EmbeddingSpace;
use super::failure::Failure;

/// Turns text into vectors of one fixed dimension.
///
/// Everything that changes a vector (model bytes, tokenizer, normalisation, dimension) is part of
/// [`Embedder::description`]; numbers of two spaces are never compared.
pub trait Embedder: Send + Sync {
    /// What the space is made of.
    fn description(&self) -> &EmbeddingSpace;

    /// The name of the space, which vectors are keyed by.
    fn space(&self) -> &str {
        &self.description().id
    }

    /// Number of components of every vector; 0 as long as only a server knows it and has not been asked.
    fn dim(&self) -> usize;

    /// One vector a text, in order. A text that carries nothing to embed gives an all-zero vector,
    /// which later rooms treat as "not embeddable", never as similar to anything.
    ///
    /// # Errors
    /// Where the embedder needs something outside of the process and cannot get it.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure>;
}
