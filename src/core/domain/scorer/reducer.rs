//! How the scores of repeats are combined.

use serde::{Deserialize, Serialize};

/// How the scores of an example's trials are combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reducer {
    /// Their mean.
    #[default]
    Mean,
    /// The most frequent score; the lowest one if tied.
    Majority,
    /// The best score.
    Any,
    /// The worst score.
    All,
    /// The probability that at least one of k trials passes (the unbiased estimator of M. Chen et al., "Evaluating
    /// Large Language Models Trained on Code", 2021). A trial passes with a score of 1.
    PassAt(u32),
    /// The probability that all of k trials pass (S. Yao et al., "τ-bench", 2024).
    PassAll(u32),
}

impl Reducer {
    /// Whether it is [`Reducer::Mean`], which is omitted from serialized suites.
    pub fn is_mean(&self) -> bool {
        *self == Self::Mean
    }

    /// Minimum number of trials it needs.
    pub fn trials(self) -> u32 {
        match self {
            Self::PassAt(k) | Self::PassAll(k) => k,
            _ => 1,
        }
    }
}

impl TryFrom<String> for Reducer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("\"{text}\" is not a reducer; use mean, majority, any, all, pass@k or pass^k (such as pass@3)");
        let k = |text: &str| text.parse().ok().filter(|k| *k >= 1).ok_or_else(wrong);
        match text.as_str() {
            "mean" => Ok(Self::Mean),
            "majority" => Ok(Self::Majority),
            "any" => Ok(Self::Any),
            "all" => Ok(Self::All),
            other => match (other.strip_prefix("pass@"), other.strip_prefix("pass^")) {
                (Some(rest), _) => Ok(Self::PassAt(k(rest)?)),
                (_, Some(rest)) => Ok(Self::PassAll(k(rest)?)),
                _ => Err(wrong()),
            },
        }
    }
}

impl From<Reducer> for String {
    fn from(reducer: Reducer) -> Self {
        match reducer {
            Reducer::Mean => "mean".to_owned(),
            Reducer::Majority => "majority".to_owned(),
            Reducer::Any => "any".to_owned(),
            Reducer::All => "all".to_owned(),
            Reducer::PassAt(k) => format!("pass@{k}"),
            Reducer::PassAll(k) => format!("pass^{k}"),
        }
    }
}
