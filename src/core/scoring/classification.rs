//! The scorer of classifiers.

use super::Answer;
use super::normalize::normalize;
use super::reason::{NO_ACCEPTED, accepted, quoted};
use super::rule::{Compile, Rule, verdict};
use crate::core::domain::scorer::classification::Classification;
use crate::core::domain::{Example, Normalization, Score};

/// Finds the label that an answer gives.
#[derive(Debug, Clone)]
pub struct LabelReader {
    /// Each label as written and normalised.
    labels: Vec<(String, String)>,
    mention: bool,
    steps: Vec<Normalization>,
}

impl LabelReader {
    /// A reader with the settings of a scorer; `others` are labels besides those of the settings.
    pub fn new<'a>(settings: &'a Classification, others: impl Iterator<Item = &'a str>) -> Self {
        let mut labels: Vec<(String, String)> = Vec::new();
        for label in settings.labels.iter().map(String::as_str).chain(others) {
            let normalized = normalize(label, &settings.normalize);
            if !normalized.is_empty() && !labels.iter().any(|(_, known)| *known == normalized) {
                labels.push((label.to_owned(), normalized));
            }
        }
        Self { labels, mention: settings.mention, steps: settings.normalize.clone() }
    }

    /// The label that an answer is, or the only one that it mentions if that is enough; `None` if there is none.
    pub fn label(&self, output: &str) -> Option<&str> {
        let text = normalize(output, &self.steps);
        if let Some((label, _)) = self.labels.iter().find(|(_, normalized)| *normalized == text) {
            return Some(label);
        }
        if !self.mention {
            return None;
        }
        let mut mentioned = self.labels.iter().filter(|(_, normalized)| {
            // A label within another one that is mentioned there, such as "refund" in "refund status", does not count.
            let longer = self.labels.iter().map(|(_, other)| other.as_str());
            let longer: Vec<&str> =
                longer.filter(|other| other.len() > normalized.len() && other.contains(normalized.as_str())).collect();
            let without = longer.iter().fold(text.clone(), |text, other| text.replace(other, "\u{0}"));
            mentions(&without, normalized)
        });
        match (mentioned.next(), mentioned.next()) {
            (Some((label, _)), None) => Some(label),
            _ => None,
        }
    }
}

/// Whether a text contains a label that is not a part of a longer word.
fn mentions(text: &str, label: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(label).any(|(start, _)| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let after = text.get(start + label.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[derive(Debug)]
struct Classifies {
    reader: LabelReader,
    has_labels: bool,
}

impl Rule for Classifies {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let texts = example.expected_texts();
        if texts.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let steps = &self.reader.steps;
        let label = self.reader.label(answer.output);
        let given = normalize(label.unwrap_or(answer.output), steps);
        let pass = texts.iter().any(|text| normalize(text, steps) == given);
        verdict(pass, || match label {
            Some(label) => format!("expected {}, got the label {}", accepted(&texts), quoted(label)),
            None if self.has_labels => {
                format!("expected {}, got no label in {}", accepted(&texts), quoted(answer.output))
            }
            None => format!("expected {}, got {}", accepted(&texts), quoted(answer.output)),
        })
    }

    fn requirement(&self) -> String {
        "give the accepted label".to_owned()
    }

    fn compares(&self) -> bool {
        true
    }
}

impl Compile for Classification {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        if self.mention && self.labels.is_empty() {
            return Err("mention needs labels, such as labels: [spam, ham]".to_owned());
        }
        let reader = LabelReader::new(self, std::iter::empty());
        Ok(Box::new(Classifies { reader, has_labels: !self.labels.is_empty() }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compiled::example;
    use super::*;
    use crate::core::domain::scorer::text::usual_normalization;

    fn settings(labels: &[&str], mention: bool) -> Classification {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        Classification { labels, mention, normalize: usual_normalization() }
    }

    #[test]
    fn the_label_of_an_answer_is_the_whole_answer_or_the_only_one_mentioned() {
        let labels = ["refund", "refund status", "other"];
        let (whole, mention) = (settings(&labels, false), settings(&labels, true));
        let label =
            |of: &Classification, text: &str| LabelReader::new(of, std::iter::empty()).label(text).map(str::to_owned);
        let cases = [
            ("Refund.", Some("refund"), Some("refund")),
            ("The label is: refund status", None, Some("refund status")),
            ("refund or refund status", None, None),
            ("refunds", None, None),
            ("another", None, None),
            ("", None, None),
        ];
        for (text, as_whole, mentioned) in cases {
            assert_eq!(label(&whole, text).as_deref(), as_whole, "{text}");
            assert_eq!(label(&mention, text).as_deref(), mentioned, "{text}");
        }
    }

    #[test]
    fn an_accepted_label_scores_one_and_the_reason_names_the_label_given() {
        let rule = settings(&["spam", "ham"], true).compile().unwrap();
        let example = example(vec![json!("spam")]);
        assert_eq!(rule.score(&Answer::text("I say: SPAM!"), &example).value(), Some(1.0));
        let wrong = rule.score(&Answer::text("ham"), &example);
        assert_eq!(wrong, Score::pass(false, Some("expected \"spam\", got the label \"ham\"".into())));
        let none = rule.score(&Answer::text("eggs"), &example);
        assert_eq!(none, Score::pass(false, Some("expected \"spam\", got no label in \"eggs\"".into())));
        assert!(settings(&[], true).compile().is_err());
        assert_eq!(settings(&[], false).compile().unwrap().score(&Answer::text("Spam"), &example).value(), Some(1.0));
    }
}
