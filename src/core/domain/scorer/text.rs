//! Scorers that look at the text of an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A normalisation step that makes two texts comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Remove white space at both ends.
    Trim,
    /// Convert to lower case (Unicode).
    Lowercase,
    /// Collapse runs of white space into one space.
    Whitespace,
    /// Remove punctuation at both ends, such as quotes and a closing full stop.
    Punctuation,
    /// Convert to Unicode normal form NFKC.
    Unicode,
}

/// The steps applied to both sides unless the suite says otherwise.
pub fn usual_normalization() -> Vec<Normalization> {
    use Normalization::{Lowercase, Punctuation, Trim, Whitespace};
    vec![Trim, Lowercase, Whitespace, Punctuation]
}

/// 1 if the normalised answer equals an accepted one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exact {
    /// Steps applied to both sides, such as [trim, lowercase]. Default: trim, lowercase, whitespace, punctuation.
    #[serde(default = "usual_normalization")]
    pub normalize: Vec<Normalization>,
    /// The text to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// 1 if the normalised answer contains an accepted one, or `value` if it is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contains {
    /// Text to look for instead of the accepted answers.
    #[serde(default)]
    pub value: Option<String>,
    /// Steps applied to both sides, such as [trim, lowercase]. Default: trim, lowercase, whitespace, punctuation.
    #[serde(default = "usual_normalization")]
    pub normalize: Vec<Normalization>,
}

/// The share of the texts that the answer contains: 1 if it contains all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContainsAll {
    /// The texts to look for, such as [refund, "14 days"]. Default: all accepted answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Steps applied to both sides, such as [trim, lowercase]. Default: trim, lowercase, whitespace, punctuation.
    #[serde(default = "usual_normalization")]
    pub normalize: Vec<Normalization>,
}

/// 1 if the answer contains at least one of the texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContainsAny {
    /// The texts to look for, such as [sorry, apologies]. Default: the accepted answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Steps applied to both sides, such as [trim, lowercase]. Default: trim, lowercase, whitespace, punctuation.
    #[serde(default = "usual_normalization")]
    pub normalize: Vec<Normalization>,
}

/// 1 if the normalised answer begins with an accepted one, or with `value` if it is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StartsWith {
    /// The beginning, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Steps applied to both sides, such as [trim, lowercase]. Default: trim, lowercase, whitespace, punctuation.
    #[serde(default = "usual_normalization")]
    pub normalize: Vec<Normalization>,
}

/// 1 if the normalised answer is one of the texts, whichever is accepted for the example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OneOf {
    /// The texts, such as [yes, no, unknown].
    pub values: Vec<String>,
    /// Steps applied to both sides, such as [trim, lowercase]. Default: trim, lowercase, whitespace, punctuation.
    #[serde(default = "usual_normalization")]
    pub normalize: Vec<Normalization>,
}

/// 1 if the pattern matches anywhere in the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Regex {
    /// The pattern, such as '^[A-D]$'; {expected} is replaced by the accepted answer.
    pub pattern: String,
}

/// 1 if the last number in the answer is close to an accepted one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Numeric {
    /// Largest absolute difference, 0 or more. Default: 0.
    #[serde(default)]
    pub absolute: f64,
    /// Largest relative difference, 0 or more. Default: 0.000001.
    #[serde(default = "usual_relative")]
    pub relative: f64,
}

/// The relative tolerance of numbers unless the suite says otherwise.
pub fn usual_relative() -> f64 {
    1e-6
}

/// 1 if the number of words is within the limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WordCount {
    /// The smallest number allowed, such as 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// The largest number allowed, such as 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// 1 if the number of sentences is within the limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SentenceCount {
    /// The smallest number allowed, such as 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// The largest number allowed, such as 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// 1 if the number of characters is within the limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Length {
    /// The smallest number allowed, such as 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// The largest number allowed, such as 280.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}
