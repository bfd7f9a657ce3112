//! `datasets/NAME/dataset.yaml`: the card of a golden set.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::names;
use crate::core::domain::{Card, CardSource, Source, SourceHash, SourcePlace};

/// The card as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "karat dataset card")]
pub struct CardFile {
    /// Who is responsible for this dataset.
    pub owner: Option<String>,
    /// What it tests, in one or two sentences.
    pub description: Option<String>,
    /// The kind of task, such as classification, extraction or free text.
    #[expect(dead_code, reason = "for readers of the file and for its JSON Schema")]
    pub task: Option<String>,
    /// All allowed answers, such as [billing, delivery]; `karat dataset lint` reports any other.
    #[serde(default, deserialize_with = "names")]
    pub labels: Vec<String>,
    /// The licence of its content.
    #[expect(dead_code, reason = "for readers of the file and for its JSON Schema")]
    pub license: Option<String>,
    /// Where its examples come from.
    #[expect(dead_code, reason = "for readers of the file and for its JSON Schema")]
    pub source: Option<String>,
    /// Why these examples and not others.
    #[expect(dead_code, reason = "for readers of the file and for its JSON Schema")]
    pub rationale: Option<String>,
    /// How often each example should be reviewed, in days, such as 180; examples not reviewed for longer are flagged as
    /// expired.
    pub review_every_days: Option<u32>,
    /// The traffic source it is compared with. Default: the only one with traffic, or else "default".
    pub traffic: Option<String>,
    /// The window it was last reviewed against: 2026-06, or 2026-06-01..2026-06-15.
    pub reference: Option<String>,
    /// Documents that answers depend on, each with a file (or url) and its hash, and with labels or tags if only those examples
    /// depend on it. If one has changed, the examples that depend on it are flagged.
    #[serde(default)]
    pub sources: Vec<CardSourceFile>,
}

/// A document that answers depend on, as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CardSourceFile {
    /// Path of the document, relative to karat.yaml.
    pub file: Option<String>,
    /// Address of the document; it is compared only if decay.sources in karat.yaml gives a copy or its present hash.
    pub url: Option<String>,
    /// Its hash when the answers were agreed on: the first 8 to 64 digits that `sha256sum FILE` prints, or blake3:DIGITS.
    pub hash: SourceHash,
    /// Tags of the examples that depend on it. Default: all examples, unless "labels" are given.
    #[serde(default, deserialize_with = "names")]
    pub tags: Vec<String>,
    /// Answers that depend on it. Default: all, unless "tags" are given.
    #[serde(default, deserialize_with = "names")]
    pub labels: Vec<String>,
}

impl TryFrom<CardFile> for Card {
    /// A sentence for the user.
    type Error = String;

    fn try_from(file: CardFile) -> Result<Self, String> {
        let source = |CardSourceFile { file, url, hash, tags, labels }| {
            let place = SourcePlace::new(file, url).map_err(|problem| format!("sources: {problem}"))?;
            Ok(CardSource { source: Source { place, hash }, tags, labels })
        };
        Ok(Self {
            sources: file.sources.into_iter().map(source).collect::<Result<_, String>>()?,
            owner: file.owner,
            description: file.description,
            labels: file.labels,
            review_every_days: file.review_every_days,
            traffic: file.traffic,
            reference: file.reference,
        })
    }
}
