//! What turns text into vectors.

use super::failure::Failure;

/// Turns text into vectors of one fixed dimension.
///
/// Everything that changes a vector (model bytes, tokenizer, normalisation, dimension) is part of
/// [`Embedder::space`]; numbers of two spaces are never compared.
pub trait Embedder: Send + Sync {
    /// Fingerprint of the space, such as `hashed-ngrams-v1-1024`.
    fn space(&self) -> &str;

    /// Number of components of every vector.
    fn dim(&self) -> usize;

    /// One vector a text, in order. A text that carries nothing to embed gives an all-zero vector,
    /// which later rooms treat as "not embeddable", never as similar to anything.
    ///
    /// # Errors
    /// Where the embedder needs something outside of the process and cannot get it.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure>;
}
