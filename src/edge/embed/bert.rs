//! A sentence-transformer of the BERT family, loaded from its directory and run in pure Rust.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use serde_json::Value;
use tokenizers::{Tokenizer, TruncationParams};

use super::files::{Folder, broken};
use crate::core::domain::{Embedder, EmbeddingSpace, Failure};

/// Tokens per forward pass, over all texts of the batch: enough to use the processor fully, few enough for its cache.
const BATCH_TOKENS: usize = 2048;

/// How the token vectors of a text are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooling {
    Mean,
    Cls,
}

/// A BERT encoder with its tokenizer.
pub struct Bert {
    model: BertModel,
    tokenizer: Tokenizer,
    unknown: Option<u32>,
    special: Vec<u32>,
    pooling: Pooling,
    dim: usize,
    space: EmbeddingSpace,
}

impl Bert {
    /// Opens the model in `folder`, as saved by sentence-transformers: `config.json`, `tokenizer.json`,
    /// `model.safetensors` and, if present, `1_Pooling/config.json` and `sentence_bert_config.json`. Nothing is
    /// downloaded.
    ///
    /// # Errors
    /// A data failure that names the file that is missing or cannot be used.
    pub fn open(folder: &Path, max_tokens: Option<usize>) -> Result<Self, Failure> {
        let mut files = Folder::new(folder, "a sentence-transformer directory");
        let config: Value = files.json("config.json")?;
        let unfit = |what: &str| broken(&folder.join("config.json"), what);
        let config: Config = serde_json::from_value(config)
            .map_err(|error| unfit("is not the configuration of a BERT model").caused_by(error))?;
        let pooling = pooling(folder, &mut files)?;
        let length = max_tokens.map_or_else(|| max_length(folder, &mut files, &config), Ok)?;
        let mut tokenizer = files.tokenizer("tokenizer.json")?;
        tokenizer.with_padding(None);
        let truncation = TruncationParams { max_length: length, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| unfit("cannot be truncated").caused_by(error))?;
        let weights = files.bytes("model.safetensors")?;
        let load =
            || BertModel::load(VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?, &config);
        let model = load().map_err(|error| {
            broken(&folder.join("model.safetensors"), "does not contain the tensors that config.json describes")
                .caused_by(error)
        })?;
        let mut parts = files.parts;
        parts.extend(described(pooling, length, config.hidden_size));
        Ok(Self {
            model,
            unknown: tokenizer.token_to_id("[UNK]"),
            special: ["[CLS]", "[SEP]"].iter().filter_map(|token| tokenizer.token_to_id(token)).collect(),
            tokenizer,
            pooling,
            dim: config.hidden_size,
            space: EmbeddingSpace::new("bert", parts),
        })
    }

    /// Whether a text contains any known token; texts with only unknown tokens would all resemble each other.
    fn says_something(&self, ids: &[u32]) -> bool {
        ids.iter().any(|id| Some(*id) != self.unknown && !self.special.contains(id))
    }

    /// Unit vectors of texts with the same number of tokens.
    fn forward(&self, rows: &[&[u32]]) -> candle_core::Result<Vec<Vec<f32>>> {
        let length = rows.first().map_or(0, |row| row.len());
        let ids = Tensor::from_vec(rows.concat(), (rows.len(), length), &Device::Cpu)?;
        let hidden = self.model.forward(&ids, &ids.zeros_like()?, None)?;
        let pooled = match self.pooling {
            Pooling::Mean => hidden.mean(1)?,
            Pooling::Cls => hidden.narrow(1, 0, 1)?.squeeze(1)?,
        };
        let norm = pooled.sqr()?.sum_keepdim(1)?.sqrt()?;
        pooled.broadcast_div(&norm)?.to_vec2()
    }
}

impl Embedder for Bert {
    fn description(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        let encoded = self
            .tokenizer
            .encode_batch_fast(texts.to_vec(), true)
            .map_err(|error| Failure::other("cannot tokenize a text").caused_by(error))?;
        let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, encoding) in encoded.iter().enumerate() {
            if self.says_something(encoding.get_ids()) {
                by_length.entry(encoding.len()).or_default().push(row);
            }
        }
        let mut vectors = vec![vec![0.0; self.dim]; texts.len()];
        for (length, rows) in by_length {
            for part in rows.chunks((BATCH_TOKENS / length.max(1)).max(1)) {
                let ids: Vec<&[u32]> = part.iter().map(|row| encoded[*row].get_ids()).collect();
                let found =
                    self.forward(&ids).map_err(|error| Failure::other("cannot run the BERT model").caused_by(error))?;
                for (row, vector) in part.iter().zip(found) {
                    vectors[*row] = vector;
                }
            }
        }
        Ok(vectors)
    }
}

fn pooling(folder: &Path, files: &mut Folder) -> Result<Pooling, Failure> {
    let name = "1_Pooling/config.json";
    if !folder.join(name).exists() {
        return Ok(Pooling::Mean);
    }
    let config = files.json(name)?;
    let is = |mode: &str| config.get(mode).and_then(Value::as_bool).unwrap_or(false);
    match (is("pooling_mode_mean_tokens"), is("pooling_mode_cls_token")) {
        (true, false) => Ok(Pooling::Mean),
        (false, true) => Ok(Pooling::Cls),
        _ => Err(broken(&folder.join(name), "requires a pooling other than the mean or the first token")),
    }
}

fn max_length(folder: &Path, files: &mut Folder, config: &Config) -> Result<usize, Failure> {
    let name = "sentence_bert_config.json";
    if !folder.join(name).exists() {
        return Ok(config.max_position_embeddings);
    }
    let wanted = files.json(name)?.get("max_seq_length").and_then(Value::as_u64);
    let wanted = wanted.and_then(|length| usize::try_from(length).ok()).unwrap_or(config.max_position_embeddings);
    Ok(wanted.clamp(3, config.max_position_embeddings))
}

fn described(pooling: Pooling, length: usize, dim: usize) -> BTreeMap<String, String> {
    let parts = [
        ("pooling", format!("{pooling:?}").to_lowercase()),
        ("normalisation", "unit".to_owned()),
        ("truncation", format!("{length} tokens")),
        ("dimension", dim.to_string()),
    ];
    parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
