//! Scorers that are models: judges.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! judge {
    ($(#[$about:meta])* $name:ident { $($fields:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// The endpoint that grades: a name from karat.yaml, or an id such as openai:chat:gpt-x.
            pub judge: String,
            /// How many times each answer is graded; the majority or the median counts. Default: 1.
            #[serde(default = "one", skip_serializing_if = "is_one")]
            pub repeats: u32,
            /// A prompt of your own, or a file: file://prompts/judge.txt. It is a template like every prompt.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub prompt: Option<String>,
            /// Whether the server is asked for JSON of the verdict's schema; false for servers that refuse that. Default: true.
            #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
            pub structured: bool,
            $($fields)*
        }
    };
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn is_one(number: &u32) -> bool {
    *number == 1
}

judge! {
    /// How far the answer meets criteria, from 0 to 1.
    Rubric {
        /// The criteria, such as "polite, and names the delivery date", or a file: file://rubric.txt.
        pub criteria: String,
    }
}

judge! {
    /// Whether the facts of the answer agree with the accepted one.
    Factuality {
        /// The score of each relation, such as {subset: 0.5}. Default: subset 1, superset 1, same 1, different 0, immaterial 1.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub scores: BTreeMap<String, f64>,
    }
}

judge! {
    /// Whether the answer meets one criterion: yes or no.
    ClosedQa {
        /// The criterion, such as "mentions the return period".
        pub criteria: String,
    }
}

judge! {
    /// How far the answer is about what was asked.
    AnswerRelevance {}
}

judge! {
    /// The share of the answer's statements that the context supports.
    ContextFaithfulness {}
}

judge! {
    /// The share of the accepted answer's statements that the context supports.
    ContextRecall {}
}

judge! {
    /// The share of the context's documents that help to give the accepted answer.
    ContextPrecision {}
}

judge! {
    /// A grade by criteria in steps, on a scale.
    GEval {
        /// The criteria, such as "coherent: sentences build on each other".
        pub criteria: String,
        /// The steps of the evaluation, such as [Read the input., Look for contradictions.]. Default: the criteria alone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub steps: Vec<String>,
        /// The highest grade of a scale that starts at 1, from 2 to 100. Default: 5.
        #[serde(default = "five")]
        pub scale: u32,
    }
}

judge! {
    /// Whether the answer is better than the accepted one, judged in both orders: 1 better, 0.5 as good, 0 worse.
    Pairwise {
        /// What makes an answer better, such as "helpful and short".
        pub criteria: String,
        /// The text to compare with, in place of the accepted answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub value: Option<String>,
    }
}

fn five() -> u32 {
    5
}
