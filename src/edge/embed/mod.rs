//! Embedders, which turn text into vectors; each kind has its own file. Nothing is ever downloaded.

#[cfg(feature = "bert")]
mod bert;
mod builtin;
mod files;
mod minilm;
mod model2vec;
mod ngrams;
mod packed;
mod remote;
mod words;

use std::path::PathBuf;

pub use builtin::Builtin;
pub use minilm::Minilm;
pub use model2vec::Model2Vec;
pub use ngrams::HashedNgrams;
pub use remote::{Connect, Connection, Remote, RemoteSettings, embeddings_url};

#[cfg(feature = "bert")]
pub use bert::Bert;

use crate::core::domain::{Embedder, EmbeddingSpace, Failure, TextRule};
use crate::core::vector::Vectors;

/// The model of an embedder.
#[derive(Clone)]
pub enum ModelSettings {
    /// The table in this binary.
    Builtin,
    /// The sentence transformer in this binary.
    Minilm,
    /// Hashed words and character n-grams.
    HashedNgrams,
    /// A Model2Vec directory.
    Model2Vec(PathBuf),
    /// A sentence-transformer directory, and the maximum number of tokens per text.
    Bert(PathBuf, Option<usize>),
    /// A server, and how to connect to it.
    Remote(Box<RemoteSettings>, Connect),
}

/// The settings of an embedder.
#[derive(Clone)]
pub struct EmbedderSettings {
    /// The model.
    pub model: ModelSettings,
    /// Text prepended to every input.
    pub prefix: String,
    /// A name for what cannot be read from the model itself; a new revision is a new embedding space.
    pub revision: Option<String>,
    /// How an input becomes a text.
    pub text: TextRule,
}

/// Opens an embedder.
///
/// # Errors
/// A data failure if the model is missing or cannot be used.
pub fn open(settings: EmbedderSettings) -> Result<Prepared, Failure> {
    let (model, may_change): (Box<dyn Embedder>, bool) = match settings.model {
        ModelSettings::Builtin => (Box::new(Builtin::new()?), false),
        ModelSettings::Minilm => (Box::new(Minilm::new()?), false),
        ModelSettings::HashedNgrams => (Box::new(HashedNgrams), false),
        ModelSettings::Model2Vec(folder) => (Box::new(Model2Vec::open(&folder)?), false),
        ModelSettings::Bert(folder, max_tokens) => (open_bert(&folder, max_tokens)?, false),
        ModelSettings::Remote(remote, connect) => (Box::new(Remote::new(*remote, connect)), true),
    };
    let mut parts = settings.text.parts();
    if !settings.prefix.is_empty() {
        parts.insert("prefix".to_owned(), settings.prefix.clone());
    }
    if let Some(revision) = settings.revision {
        parts.insert("revision".to_owned(), revision);
    }
    let space = if parts.is_empty() { model.description().clone() } else { model.description().clone().with(parts) };
    Ok(Prepared { model, may_change, prefix: settings.prefix, rule: settings.text, space })
}

#[cfg(feature = "bert")]
fn open_bert(folder: &std::path::Path, max_tokens: Option<usize>) -> Result<Box<dyn Embedder>, Failure> {
    Ok(Box::new(Bert::open(folder, max_tokens)?))
}

#[cfg(not(feature = "bert"))]
fn open_bert(folder: &std::path::Path, _max_tokens: Option<usize>) -> Result<Box<dyn Embedder>, Failure> {
    Err(Failure::data(format!("this karat was built without BERT models, so {} cannot be used", folder.display()))
        .hint("install it with `cargo install --path . --features bert`, or choose another embedder"))
}

/// A model together with the text preparation that precedes it.
pub struct Prepared {
    model: Box<dyn Embedder>,
    may_change: bool,
    prefix: String,
    rule: TextRule,
    space: EmbeddingSpace,
}

impl Prepared {
    /// How an input becomes a text.
    pub fn rule(&self) -> &TextRule {
        &self.rule
    }

    /// Whether the model can change without its fingerprint changing, as a remote model can.
    pub fn may_change(&self) -> bool {
        self.may_change
    }
}

/// Whether a text contains a letter or a digit of any script. A text without any (whitespace, emoji, control
/// characters) has nothing to embed.
fn says_something(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

impl Embedder for Prepared {
    fn description(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn dim(&self) -> usize {
        self.model.dim()
    }

    /// A text without a letter or digit, or whose vector is not finite, gets a zero vector; a long text gets the mean
    /// of its chunks' unit vectors.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        let mut pieces: Vec<String> = Vec::new();
        let mut counts = Vec::with_capacity(texts.len());
        for text in texts {
            let before = pieces.len();
            let chunks = self.rule.chunks(text).into_iter().filter(|chunk| says_something(chunk));
            pieces.extend(chunks.map(|chunk| format!("{}{chunk}", self.prefix)));
            counts.push(pieces.len() - before);
        }
        let found = self.model.embed(&pieces.iter().map(String::as_str).collect::<Vec<_>>())?;
        let dim = found.first().map_or_else(|| self.model.dim(), Vec::len);
        let mut rest = found.as_slice();
        let mut vectors = Vec::with_capacity(texts.len());
        for count in counts {
            let (own, others) = rest.split_at(count);
            rest = others;
            vectors.push(match own {
                [] => vec![0.0; dim],
                [one] if one.iter().all(|component| component.is_finite()) => one.clone(),
                many => mean_of_unit(dim, many),
            });
        }
        Ok(vectors)
    }
}

/// The mean of vectors scaled to unit length; vectors that cannot be scaled count as zeros.
fn mean_of_unit(dim: usize, vectors: &[Vec<f32>]) -> Vec<f32> {
    let mut units = Vectors::with_capacity(dim, vectors.len());
    vectors.iter().for_each(|vector| units.push(vector));
    let mut mean = vec![0.0; dim];
    for unit in units.rows() {
        mean.iter_mut().zip(unit).for_each(|(sum, component)| *sum += component / vectors.len() as f32);
    }
    mean
}

#[cfg(test)]
mod tests;
