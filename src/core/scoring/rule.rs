//! What every compiled scorer does.

use std::borrow::Cow;
use std::fmt::Debug;

use super::Answer;
use crate::core::domain::{Example, Score};

/// A scorer that needs nothing but the answer and the example.
pub(super) trait Rule: Debug + Send + Sync {
    /// Scores an answer.
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score;

    /// What the answer has to do, completing "the answer must …".
    fn requirement(&self) -> String;

    /// Whether it compares the answer with accepted ones, so that two answers can be compared in the same way.
    fn compares(&self) -> bool {
        false
    }
}

/// Settings that become a [`Rule`].
pub(super) trait Compile {
    /// Compiles the settings.
    ///
    /// # Errors
    /// A sentence that says what is wrong with them.
    fn compile(&self) -> Result<Box<dyn Rule>, String>;
}

/// The texts that an answer is compared with: `value` if it is set, or else the accepted answers.
pub fn references<'a>(value: Option<&'a String>, example: &'a Example) -> Vec<Cow<'a, str>> {
    match value {
        Some(value) => vec![Cow::Borrowed(value.as_str())],
        None => example.expected_texts().into_iter().map(Cow::Owned).collect(),
    }
}

/// A score of 1 if `pass` is true, else 0 with the reason.
pub(super) fn verdict(pass: bool, reason: impl FnOnce() -> String) -> Score {
    Score::pass(pass, (!pass).then(|| super::reason::short(&reason())))
}
