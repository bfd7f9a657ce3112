//! Scorers of retrieval and citations, which compare ids and need no model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is measured of retrieved documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetrievalMetric {
    /// The share of relevant documents that were retrieved.
    Recall,
    /// The share of retrieved documents that are relevant.
    Precision,
    /// The harmonic mean of the two.
    F1,
    /// Whether any relevant document was retrieved.
    Hit,
    /// 1 / the place of the first relevant document.
    ReciprocalRank,
    /// Average precision.
    AveragePrecision,
    /// Normalised discounted cumulative gain.
    Ndcg,
}

/// How well the retrieved documents match the relevant ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Retrieval {
    /// recall, precision, f1, hit, reciprocal_rank, average_precision or ndcg.
    pub metric: RetrievalMetric,
    /// How many of the first documents count, such as 5. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<u32>,
    /// Where the answer, which is JSON, has the ids of the retrieved documents, such as sources. Default: the whole answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieved: Option<String>,
    /// The metadata field that lists the relevant ids, or grades such as {doc-1: 3, doc-2: 1}. Default: the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relevant: Option<String>,
    /// Whether a grade g gains 2^g − 1 in ndcg, in place of g. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exponential: bool,
}

/// The share of cited ids that are listed sources; 0 if nothing is cited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Citations {
    /// The pattern of a citation, whose first group is the id, such as '\[(\w+)\]'. Default: \[([^\[\]]+)\].
    #[serde(default = "usual_citation")]
    pub pattern: String,
    /// The metadata field that lists the ids of the sources. Default: the ids of the context's documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<String>,
    /// Whether an answer without citations scores 1 in place of 0. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

fn usual_citation() -> String {
    r"\[([^\[\]]+)\]".to_owned()
}
