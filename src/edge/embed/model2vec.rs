//! A Model2Vec model: one vector per token, averaged (Tulkens & van Dongen 2024).

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use tokenizers::{Tokenizer, TruncationParams};

use super::files::{Folder, broken};
use crate::core::domain::{Embedder, EmbeddingSpace, Failure};

/// The maximum number of tokens per text, as in the Python library.
const MAX_TOKENS: usize = 512;

/// Number of texts that a thread processes at a time.
const CHUNK: usize = 256;

/// A static model: a table of token vectors, with a weight per token if its vocabulary was quantised.
pub struct Model2Vec {
    tokenizer: Tokenizer,
    unknown: Option<u32>,
    dim: usize,
    table: Vec<f32>,
    weights: Option<Vec<f32>>,
    mapping: Option<Vec<usize>>,
    normalize: bool,
    space: EmbeddingSpace,
}

impl Model2Vec {
    /// Opens the model in `folder`: `config.json`, `tokenizer.json` and `model.safetensors`, as written by
    /// `save_pretrained`. Nothing is downloaded.
    ///
    /// # Errors
    /// A data failure that names the file that is missing or cannot be used.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let mut files = Folder::new(folder, "a Model2Vec directory");
        let nested = folder.join("0_StaticEmbedding");
        let (config, inner) = if nested.is_dir() {
            ("config_sentence_transformers.json", "0_StaticEmbedding/")
        } else if folder.join("config.json").exists() {
            ("config.json", "")
        } else {
            ("config_sentence_transformers.json", "")
        };
        let config: Value = files.json(config)?;
        let mut tokenizer = files.tokenizer(&format!("{inner}tokenizer.json"))?;
        let weights_name = format!("{inner}model.safetensors");
        let bytes = files.bytes(&weights_name)?;
        let wrong = |what: &str| broken(&folder.join(&weights_name), what);
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|error| wrong("is not a safetensors file").caused_by(error))?;
        let embeddings = ["embeddings", "embedding.weight"].iter().find_map(|name| tensors.tensor(name).ok());
        let embeddings = embeddings.ok_or_else(|| wrong("contains no tensor \"embeddings\""))?;
        let [rows, dim] = *embeddings.shape() else { return Err(wrong("contains embeddings that are not a matrix")) };
        let table = floats(&embeddings).ok_or_else(|| wrong("contains embeddings of an unknown type"))?;
        let weights = tensors
            .tensor("weights")
            .ok()
            .map(|tensor| floats(&tensor).ok_or_else(|| wrong("contains weights of an unknown type")));
        let mapping = tensors
            .tensor("mapping")
            .ok()
            .map(|tensor| integers(&tensor).ok_or_else(|| wrong("contains a mapping of an unknown type")));
        let (weights, mapping) = (weights.transpose()?, mapping.transpose()?);
        let tokens = tokenizer.get_vocab_size(true);
        let short = weights.as_ref().is_some_and(|weights| weights.len() < tokens)
            || mapping.as_ref().map_or(rows < tokens, |m| m.len() < tokens || m.iter().any(|row| *row >= rows));
        if short || dim == 0 {
            return Err(wrong("has fewer rows than the tokenizer has tokens"));
        }
        tokenizer.with_padding(None);
        let truncation = TruncationParams { max_length: MAX_TOKENS, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| wrong("cannot be truncated").caused_by(error))?;
        let normalize = config.get("normalize").and_then(Value::as_bool).unwrap_or(false);
        let mut parts = files.parts;
        parts.extend(described(dim, normalize));
        let unknown = unknown_token(&tokenizer);
        let space = EmbeddingSpace::new("model2vec", parts);
        Ok(Self { tokenizer, unknown, dim, table, weights, mapping, normalize, space })
    }

    /// The mean of a text's token vectors; all zeros if no token is known.
    fn pool(&self, ids: &[u32]) -> Vec<f32> {
        let known: Vec<usize> = ids.iter().filter(|id| Some(**id) != self.unknown).map(|id| *id as usize).collect();
        let mut sum = vec![0.0_f32; self.dim];
        for id in &known {
            let row = self.mapping.as_ref().map_or(*id, |mapping| mapping[*id]);
            let weight = self.weights.as_ref().map_or(1.0, |weights| weights[*id]);
            let vector = &self.table[row * self.dim..(row + 1) * self.dim];
            sum.iter_mut().zip(vector).for_each(|(sum, component)| *sum += weight * component);
        }
        let norm = sum.iter().map(|component| component * component).sum::<f32>().sqrt();
        let scale = if self.normalize { norm } else { known.len() as f32 };
        if scale > 0.0 {
            sum.iter_mut().for_each(|component| *component /= scale);
        }
        sum
    }
}

impl Embedder for Model2Vec {
    fn description(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        let failed = |error| Failure::other("cannot tokenize a text").caused_by(error);
        let chunk = |texts: &[&str]| -> Result<Vec<Vec<f32>>, Failure> {
            let encode = |text: &&str| self.tokenizer.encode_fast(*text, false).map_err(failed);
            texts.iter().map(|text| Ok(self.pool(encode(text)?.get_ids()))).collect()
        };
        let chunks: Vec<Vec<Vec<f32>>> = texts.par_chunks(CHUNK).map(chunk).collect::<Result<_, _>>()?;
        Ok(chunks.into_iter().flatten().collect())
    }
}

fn described(dim: usize, normalize: bool) -> BTreeMap<String, String> {
    let parts = [
        ("pooling", "mean".to_owned()),
        ("normalisation", if normalize { "unit" } else { "none" }.to_owned()),
        ("truncation", format!("{MAX_TOKENS} tokens")),
        ("dimension", dim.to_string()),
    ];
    parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn unknown_token(tokenizer: &Tokenizer) -> Option<u32> {
    let model = serde_json::to_value(tokenizer.get_model()).ok()?;
    let named = model.get("unk_token").and_then(Value::as_str).and_then(|token| tokenizer.token_to_id(token));
    named.or_else(|| model.get("unk_id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()))
}

fn floats(tensor: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => Some(data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        Dtype::F64 => Some(data.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect()),
        Dtype::F16 => {
            Some(data.as_chunks::<2>().0.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f32()).collect())
        }
        Dtype::BF16 => {
            Some(data.as_chunks::<2>().0.iter().map(|bytes| half::bf16::from_le_bytes(*bytes).to_f32()).collect())
        }
        Dtype::I8 => Some(data.iter().map(|byte| f32::from(byte.cast_signed())).collect()),
        _ => None,
    }
}

fn integers(tensor: &TensorView<'_>) -> Option<Vec<usize>> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::I64 => {
            data.as_chunks::<8>().0.iter().map(|bytes| usize::try_from(i64::from_le_bytes(*bytes)).ok()).collect()
        }
        Dtype::I32 => {
            data.as_chunks::<4>().0.iter().map(|bytes| usize::try_from(i32::from_le_bytes(*bytes)).ok()).collect()
        }
        _ => None,
    }
}
