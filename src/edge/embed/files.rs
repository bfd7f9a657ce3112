//! Reads the files in a model's folder and hashes them for the fingerprint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::Tokenizer;

use crate::core::domain::Failure;

/// The folder of a model.
pub(super) struct Folder {
    root: PathBuf,
    what: &'static str,
    /// Hash of every file read, by name.
    pub parts: BTreeMap<String, String>,
}

impl Folder {
    pub fn new(root: &Path, what: &'static str) -> Self {
        Self { root: root.to_owned(), what, parts: BTreeMap::new() }
    }

    pub fn bytes(&mut self, name: &str) -> Result<Vec<u8>, Failure> {
        let path = self.root.join(name);
        let bytes = std::fs::read(&path).map_err(|error| {
            Failure::data(format!("cannot read {}", path.display()))
                .hint(format!("\"path\" must be {}; karat downloads nothing", self.what))
                .caused_by(error)
        })?;
        self.parts.insert(name.to_owned(), blake3::hash(&bytes).to_hex()[..16].to_owned());
        Ok(bytes)
    }

    pub fn json(&mut self, name: &str) -> Result<Value, Failure> {
        let bytes = self.bytes(name)?;
        serde_json::from_slice(&bytes).map_err(|error| broken(&self.root.join(name), "is not JSON").caused_by(error))
    }

    pub fn tokenizer(&mut self, name: &str) -> Result<Tokenizer, Failure> {
        let bytes = self.bytes(name)?;
        Tokenizer::from_bytes(&bytes)
            .map_err(|error| broken(&self.root.join(name), "is not a tokenizer").caused_by(error))
    }
}

/// The failure for a model file that cannot be used.
pub(super) fn broken(path: &Path, what: &str) -> Failure {
    Failure::data(format!("{} {what}", path.display())).hint("save or download the model again")
}
