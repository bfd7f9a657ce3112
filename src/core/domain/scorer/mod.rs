//! Scorers as a suite defines them: one file per family with the settings of its scorers. How they score is in
//! `core/scoring`, in files of the same names.

use serde::{Deserialize, Serialize};

pub mod classification;
pub mod combined;
pub mod custom;
pub mod extraction;
pub mod judge;
mod reducer;
pub mod requests;
pub mod retrieval;
pub mod safety;
pub mod similarity;
pub mod text;
pub mod tools;

pub use reducer::Reducer;

/// Calls a macro with every kind of scorer: how it is evaluated (`pure`, from the answer alone; `external`, by a
/// program, a server or a model; `combined`, from other scorers), its variant, its name in files, and its settings.
macro_rules! with_every_scorer {
    ($callback:ident) => {
        $callback! {
            pure Exact "exact" text::Exact,
            pure Contains "contains" text::Contains,
            pure ContainsAll "contains_all" text::ContainsAll,
            pure ContainsAny "contains_any" text::ContainsAny,
            pure StartsWith "starts_with" text::StartsWith,
            pure OneOf "one_of" text::OneOf,
            pure Regex "regex" text::Regex,
            pure Numeric "numeric" text::Numeric,
            pure WordCount "word_count" text::WordCount,
            pure SentenceCount "sentence_count" text::SentenceCount,
            pure Length "length" text::Length,
            pure Levenshtein "levenshtein" similarity::Levenshtein,
            pure RougeN "rouge_n" similarity::RougeN,
            pure RougeL "rouge_l" similarity::RougeL,
            pure Bleu "bleu" similarity::Bleu,
            pure Gleu "gleu" similarity::Gleu,
            pure Chrf "chrf" similarity::Chrf,
            pure TokenF1 "token_f1" similarity::TokenF1,
            external Cosine "cosine" similarity::Cosine,
            pure Classification "classification" classification::Classification,
            pure JsonSchema "json_schema" extraction::JsonSchema,
            pure JsonPath "json_path" extraction::JsonPath,
            pure JsonEqual "json_equal" extraction::JsonEqual,
            pure JsonFields "json_fields" extraction::JsonFields,
            pure IsJson "is_json" extraction::IsJson,
            pure IsXml "is_xml" extraction::IsXml,
            pure IsYaml "is_yaml" extraction::IsYaml,
            pure IsSql "is_sql" extraction::IsSql,
            pure IsHtml "is_html" extraction::IsHtml,
            pure ToolCalls "tool_calls" tools::ToolCalls,
            pure ToolCallF1 "tool_call_f1" tools::ToolCallF1,
            pure ValidToolCalls "valid_tool_calls" tools::ValidToolCalls,
            pure Retrieval "retrieval" retrieval::Retrieval,
            pure Citations "citations" retrieval::Citations,
            pure Refusal "refusal" safety::Refusal,
            pure NoPii "no_pii" safety::NoPii,
            pure Latency "latency" requests::Latency,
            pure Cost "cost" requests::Cost,
            pure Tokens "tokens" requests::Tokens,
            pure FinishReason "finish_reason" requests::FinishReason,
            pure Expression "expression" custom::Expression,
            external Exec "exec" custom::Exec,
            external Http "http" custom::Http,
            external Rubric "rubric" judge::Rubric,
            external Factuality "factuality" judge::Factuality,
            external ClosedQa "closed_qa" judge::ClosedQa,
            external AnswerRelevance "answer_relevance" judge::AnswerRelevance,
            external ContextFaithfulness "context_faithfulness" judge::ContextFaithfulness,
            external ContextRecall "context_recall" judge::ContextRecall,
            external ContextPrecision "context_precision" judge::ContextPrecision,
            external GEval "g_eval" judge::GEval,
            external Pairwise "pairwise" judge::Pairwise,
            combined All "all" combined::All,
            combined Any "any" combined::Any,
            combined Mean "mean" combined::Mean,
            combined Assert "assert" combined::Assert,
        }
    };
}
pub(crate) use with_every_scorer;

macro_rules! scorer_kinds {
    ($($how:ident $variant:ident $name:literal $settings:ty,)*) => {
        /// The kind of a scorer, with its settings. A scorer maps an answer to a number in [0, 1].
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        pub enum ScorerKind {
            $(
                #[doc = concat!("The scorer `", $name, "`.")]
                #[serde(rename = $name)]
                $variant($settings),
            )*
        }

        impl ScorerKind {
            /// Its name in files.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            /// Whether a program, a server or a model evaluates it.
            pub fn is_external(&self) -> bool {
                match self {
                    $(Self::$variant(_) => stringify!($how) == "external",)*
                }
            }
        }
    };
}
with_every_scorer!(scorer_kinds);

/// A named scorer of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scorer {
    /// Unique within the suite.
    pub name: String,
    /// The kind of scorer.
    pub kind: ScorerKind,
    /// How the scores of repeats are combined.
    #[serde(default, skip_serializing_if = "Reducer::is_mean")]
    pub reduce: Reducer,
    /// Whether the score is inverted: 1 becomes 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
    /// The value from which on the score is 1, and below which it is 0; `None` to leave it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// How much it counts in a `mean` of several scorers, above 0.
    #[serde(default = "usual_weight", skip_serializing_if = "is_usual_weight")]
    pub weight: f64,
    /// An expression of the example: where it is not true, the scorer is skipped. `None` if it always applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

impl Scorer {
    /// A scorer whose settings are the usual ones.
    pub fn new(name: impl Into<String>, kind: ScorerKind) -> Self {
        Self {
            name: name.into(),
            kind,
            reduce: Reducer::default(),
            not: false,
            threshold: None,
            weight: usual_weight(),
            when: None,
        }
    }

    /// The scorers that it is made of.
    pub fn parts(&self) -> &[Self] {
        match &self.kind {
            ScorerKind::All(combined::All { of })
            | ScorerKind::Any(combined::Any { of })
            | ScorerKind::Mean(combined::Mean { of }) => of,
            _ => &[],
        }
    }

    /// The scorers in it that a program, a server or a model evaluates.
    pub fn external_parts(&self) -> Vec<&Self> {
        if self.kind.is_external() {
            return vec![self];
        }
        self.parts().iter().flat_map(Self::external_parts).collect()
    }
}

/// The weight of a scorer unless the suite says otherwise.
pub fn usual_weight() -> f64 {
    1.0
}

fn is_usual_weight(weight: &f64) -> bool {
    *weight == usual_weight()
}
