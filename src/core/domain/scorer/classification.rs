//! The scorer of classifiers, whose report has a confusion matrix and the precision and recall of every label.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::{Normalization, usual_normalization};

/// 1 if the label that the answer gives is an accepted one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Classification {
    /// The labels, such as [spam, ham]. Default: the accepted answers of the examples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Whether a label may stand anywhere in the answer, provided that no other one does; needs labels. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mention: bool,
    /// Steps applied to both sides, such as [trim, lowercase]. Default: trim, lowercase, whitespace, punctuation.
    #[serde(default = "usual_normalization")]
    pub normalize: Vec<Normalization>,
}
