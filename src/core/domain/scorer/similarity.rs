//! Scorers that measure how similar an answer is to an accepted one. Without a `threshold`, the similarity is the score.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The measure of two sets of words or fields that is the score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The harmonic mean of precision and recall.
    #[default]
    F1,
    /// The share of the answer that is in the accepted one.
    Precision,
    /// The share of the accepted answer that is in the answer.
    Recall,
}

impl Measure {
    /// Whether it is [`Measure::F1`], which is omitted from serialized suites.
    pub fn is_f1(&self) -> bool {
        *self == Self::F1
    }
}

/// How a text is split into words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Words {
    /// Letters and digits of every script; each Chinese or Japanese character is a word.
    #[default]
    Unicode,
    /// As Google's rouge-score does: only the letters a to z and digits count.
    Rouge,
    /// Whatever stands between white space; case and punctuation matter.
    Whitespace,
}

impl Words {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// 1 − edit distance / length of the longer text, for the accepted answer that is nearest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Levenshtein {
    /// The most edits allowed, such as 5: the score is then 1 or 0. Default: the similarity is the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_distance: Option<u64>,
    /// The text to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// ROUGE-N: how many sequences of n words answer and accepted answer share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RougeN {
    /// The length of the sequences, from 1 to 9. Default: 1.
    #[serde(default = "one")]
    pub n: u32,
    /// f1, precision or recall. Default: f1.
    #[serde(default, skip_serializing_if = "Measure::is_f1")]
    pub measure: Measure,
    /// How texts are split into words: unicode, rouge (only a to z and digits) or whitespace. Default: unicode.
    #[serde(default, skip_serializing_if = "Words::is_usual")]
    pub words: Words,
    /// The text to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

fn one() -> u32 {
    1
}

/// ROUGE-L: the longest sequence of words that answer and accepted answer share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RougeL {
    /// Whether every line is a sentence of its own (ROUGE-Lsum), as for summaries. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lines: bool,
    /// f1, precision or recall. Default: f1.
    #[serde(default, skip_serializing_if = "Measure::is_f1")]
    pub measure: Measure,
    /// How texts are split into words: unicode, rouge (only a to z and digits) or whitespace. Default: unicode.
    #[serde(default, skip_serializing_if = "Words::is_usual")]
    pub words: Words,
    /// The text to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The tokenizer of sacrebleu that BLEU uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BleuTokens {
    /// The usual one.
    #[default]
    #[serde(rename = "13a")]
    Mteval13a,
    /// Punctuation of every script.
    #[serde(rename = "intl")]
    International,
    /// Chinese.
    #[serde(rename = "zh")]
    Chinese,
    /// Every character.
    #[serde(rename = "char")]
    Character,
}

impl BleuTokens {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Sentence BLEU against all accepted answers, as sacrebleu computes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bleu {
    /// How texts are split: 13a, intl, zh or char, as in sacrebleu. Default: 13a.
    #[serde(default, skip_serializing_if = "BleuTokens::is_usual")]
    pub tokenizer: BleuTokens,
    /// The text to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Google BLEU against all accepted answers: NLTK's sentence_gleu.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gleu {
    /// How texts are split into words: unicode, rouge or whitespace. Default: unicode.
    #[serde(default, skip_serializing_if = "Words::is_usual")]
    pub words: Words,
    /// The text to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// chrF against all accepted answers, as sacrebleu computes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chrf {
    /// The longest sequence of words that counts: 0, or 2 for chrF++. Default: 0.
    #[serde(default)]
    pub word_order: u32,
    /// The text to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The words that answer and accepted answer share, as in SQuAD.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenF1 {
    /// f1, precision or recall. Default: f1.
    #[serde(default, skip_serializing_if = "Measure::is_f1")]
    pub measure: Measure,
    /// The text to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The cosine of the vectors of answer and nearest accepted answer in the workspace's embedding space; 0 if negative.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cosine {
    /// The text to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}
