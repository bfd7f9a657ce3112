//! `datasets/NAME/dataset.yaml`: the card of a golden set.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::names;
use crate::core::domain::Card;

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
    /// The traffic source it is compared with. Default: "default".
    pub traffic: Option<String>,
    /// The window it was last reviewed against: 2026-06, or 2026-06-01..2026-06-15.
    pub reference: Option<String>,
}

impl From<CardFile> for Card {
    fn from(file: CardFile) -> Self {
        Self {
            owner: file.owner,
            description: file.description,
            labels: file.labels,
            review_every_days: file.review_every_days,
            traffic: file.traffic,
            reference: file.reference,
        }
    }
}
