//! What a judge reads: the texts of one example and its answer, and which of them a kind of judgement needs.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::kind::{JudgeKind, Order};

/// Maximum length of all texts that a prompt prints, in bytes. Texts are never cut, since a cut answer is another
/// answer: longer material is an error.
pub const MAX_MATERIAL: usize = 512 << 10;

/// Maximum number of texts that a prompt prints.
pub const MAX_TEXTS: usize = 256;

/// What a judgement is about.
///
/// `criteria` and `steps` are instructions and must come from the author of the suite. Everything else is data: it is
/// delimited, even if the same author wrote it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Material<'a> {
    /// The input of the example as text.
    pub input: Option<&'a str>,
    /// The answer that is graded. It may be empty.
    pub output: Option<&'a str>,
    /// The accepted answers.
    pub expected: &'a [String],
    /// The texts of the context, in order.
    pub context: &'a [String],
    /// The answer with which a pairwise judge compares.
    pub other: Option<&'a str>,
    /// The additional fields of the example.
    pub metadata: Option<&'a Map<String, Value>>,
    /// The criteria, or the criterion.
    pub criteria: Option<&'a str>,
    /// The steps of the evaluation, for [`JudgeKind::GEval`].
    pub steps: &'a [String],
}

/// A text of the material, and where a template prints it.
pub(super) struct Text<'a> {
    /// The variable of the template: `output`, or `metadata` for all fields.
    pub variable: &'static str,
    /// The field of the metadata.
    pub field: Option<&'a str>,
    /// What the markers call it.
    pub label: String,
    /// The text.
    pub text: Cow<'a, str>,
}

/// Names of the variables that are data, in the order of the documentation.
pub(super) fn variables(kind: JudgeKind) -> &'static [&'static str] {
    match kind {
        JudgeKind::Pairwise => &["input", "answer_a", "answer_b", "expected", "context", "metadata"],
        _ => &["input", "output", "expected", "context", "metadata"],
    }
}

/// The variables that a prompt has to print, since the judgement is about them.
pub(super) fn subjects(kind: JudgeKind) -> &'static [&'static str] {
    match kind {
        JudgeKind::Rubric | JudgeKind::ClosedQa | JudgeKind::GEval { .. } => &["output"],
        JudgeKind::Factuality(_) => &["output", "expected"],
        JudgeKind::AnswerRelevance => &["output", "input"],
        JudgeKind::ContextFaithfulness => &["output", "context"],
        JudgeKind::ContextRecall | JudgeKind::ContextPrecision => &["expected", "context"],
        JudgeKind::Pairwise => &["answer_a", "answer_b"],
    }
}

/// Whether a kind of judgement asks for criteria.
pub(super) fn needs_criteria(kind: JudgeKind) -> bool {
    matches!(kind, JudgeKind::Rubric | JudgeKind::ClosedQa | JudgeKind::GEval { .. } | JudgeKind::Pairwise)
}

impl<'a> Material<'a> {
    /// The texts of a variable; none if the material has none.
    pub(super) fn texts(&self, variable: &'static str, order: Order) -> Vec<Text<'a>> {
        let single = |label: &str, text: Option<&'a str>| {
            let text = text.map(|text| Text { variable, field: None, label: label.to_owned(), text: text.into() });
            text.into_iter().collect()
        };
        let numbered = |label: &str, texts: &'a [String]| {
            let text = |(number, text): (usize, &'a String)| Text {
                variable,
                field: None,
                label: format!("{label} {number}"),
                text: text.as_str().into(),
            };
            (1..).zip(texts).map(text).collect()
        };
        match (variable, order) {
            ("input", _) => single("input", self.input),
            ("output", _) => single("answer", self.output),
            ("answer_a", Order::OutputFirst) | ("answer_b", Order::OtherFirst) => single(letter(variable), self.output),
            ("answer_a" | "answer_b", _) => single(letter(variable), self.other),
            ("expected", _) => match self.expected {
                [only] => single("accepted answer", Some(only)),
                several => numbered("accepted answer", several),
            },
            ("context", _) => numbered("context", self.context),
            ("metadata", _) => self.metadata_texts(),
            _ => Vec::new(),
        }
    }

    fn metadata_texts(&self) -> Vec<Text<'a>> {
        let text = |(field, value): (&'a String, &'a Value)| Text {
            variable: "metadata",
            field: Some(field),
            label: format!("metadata {field}"),
            text: value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed),
        };
        // A null stays undelimited, so that a template can test for it.
        self.metadata.into_iter().flatten().filter(|(_, value)| !value.is_null()).map(text).collect()
    }

    /// The criteria without surrounding white space; `None` if nothing is left.
    pub(super) fn trimmed_criteria(&self) -> Option<&'a str> {
        self.criteria.map(str::trim).filter(|criteria| !criteria.is_empty())
    }
}

fn letter(variable: &str) -> &'static str {
    if variable == "answer_a" { "answer A" } else { "answer B" }
}

/// What the example lacks, in words.
pub(super) fn missing(kind: JudgeKind, variable: &str, order: Order) -> String {
    let what = match (variable, order) {
        ("input", _) => "an input",
        ("output", _) | ("answer_a", Order::OutputFirst) | ("answer_b", Order::OtherFirst) => "an answer",
        ("answer_a" | "answer_b", _) => "another answer to compare with",
        ("expected", _) => "an accepted answer",
        ("context", _) => "a context",
        _ => variable,
    };
    format!("{} needs {what}, and there is none", named(kind))
}

/// A judge of this kind, in words.
pub(super) fn named(kind: JudgeKind) -> String {
    let article = if kind.name().starts_with('a') { "an" } else { "a" };
    format!("{article} {} judge", kind.name())
}

/// Checks the number and the total length of the texts.
///
/// # Errors
/// Returns a sentence with the limit, and the longest text.
pub(super) fn check_size(texts: &[Text<'_>]) -> Result<(), String> {
    if texts.len() > MAX_TEXTS {
        return Err(format!("the material has {} texts, and a judge reads at most {MAX_TEXTS}", texts.len()));
    }
    let total: usize = texts.iter().map(|text| text.text.len()).sum();
    match texts.iter().max_by_key(|text| text.text.len()) {
        Some(longest) if total > MAX_MATERIAL => Err(format!(
            "the material is longer than a judge reads: {total} bytes, of which the {} has {}; the limit is \
             {MAX_MATERIAL}",
            longest.label,
            longest.text.len()
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answers_of_a_pair_change_places() {
        let material = Material { output: Some("mine"), other: Some("theirs"), ..Material::default() };
        let shown = |order: Order| {
            ["answer_a", "answer_b"].map(|variable| material.texts(variable, order).remove(0).text.into_owned())
        };
        assert_eq!(shown(Order::OutputFirst), ["mine", "theirs"]);
        assert_eq!(shown(Order::OtherFirst), ["theirs", "mine"]);
    }

    #[test]
    fn lists_are_numbered_and_metadata_has_one_text_for_each_field() {
        let (one, two) = (vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]);
        let Value::Object(metadata) = json!({"k": "text", "n": [1], "none": null}) else { panic!() };
        let material = Material { expected: &one, context: &two, metadata: Some(&metadata), ..Material::default() };
        let labels = |variable: &'static str| -> Vec<(String, String)> {
            let texts = material.texts(variable, Order::OutputFirst);
            texts.into_iter().map(|text| (text.label, text.text.into_owned())).collect()
        };
        let pair = |label: &str, text: &str| (label.to_owned(), text.to_owned());
        assert_eq!(labels("expected"), [pair("accepted answer", "a")]);
        assert_eq!(labels("context"), [pair("context 1", "a"), pair("context 2", "b")]);
        assert_eq!(labels("metadata"), [pair("metadata k", "text"), pair("metadata n", "[1]")]);
        assert_eq!(labels("input"), []);
    }

    #[test]
    fn long_material_is_refused_with_its_longest_text() {
        let texts = |lengths: &[usize]| -> Vec<Text<'static>> {
            let text = |length: &usize| Text {
                variable: "output",
                field: None,
                label: "answer".to_owned(),
                text: "x".repeat(*length).into(),
            };
            lengths.iter().map(text).collect()
        };
        assert_eq!(check_size(&texts(&[MAX_MATERIAL - 1, 1])), Ok(()));
        assert_eq!(
            check_size(&texts(&[MAX_MATERIAL, 1])).unwrap_err(),
            "the material is longer than a judge reads: 524289 bytes, of which the answer has 524288; the limit is 524288"
        );
        assert!(check_size(&texts(&[0; MAX_TEXTS + 1])).is_err());
        assert_eq!(check_size(&[]), Ok(()));
    }
}
