//! Secrets and personal data in what is imported, and what is said about their replacement.

use serde_json::{Map, Value};

use super::references::listed;
use crate::core::domain::Failure;
use crate::core::privacy::redact::{RedactionCounts, RedactionKind, Redactor};

/// Kinds of redacted data that are secrets wherever they are; an address in a prompt may be meant to be there.
const SECRETS: [RedactionKind; 6] = [
    RedactionKind::PrivateKey,
    RedactionKind::ApiKey,
    RedactionKind::Jwt,
    RedactionKind::BearerToken,
    RedactionKind::UrlCredentials,
    RedactionKind::Password,
];

/// Replaces secrets everywhere, and personal data in rows and in what is made of rows.
pub(super) struct Privacy {
    redactor: Redactor,
}

impl Privacy {
    pub(super) fn new() -> Result<Self, Failure> {
        let redactor = Redactor::new()
            .map_err(|error| Failure::other("cannot set up the redaction of personal data").caused_by(error))?;
        Ok(Self { redactor })
    }

    /// Data without secrets and personal data.
    pub(super) fn data(&self, data: &Value, counts: &mut RedactionCounts) -> Value {
        let (redacted, found) = self.redactor.redact_json(data);
        counts.merge(&found);
        redacted
    }

    /// A row without secrets and personal data.
    pub(super) fn row(&self, row: &Map<String, Value>, counts: &mut RedactionCounts) -> Map<String, Value> {
        match self.data(&Value::Object(row.clone()), counts) {
            Value::Object(redacted) => redacted,
            _ => Map::new(),
        }
    }

    /// The card of a dataset without secrets and personal data.
    pub(super) fn card(&self, card: &Map<String, Value>, counts: &mut RedactionCounts) -> Map<String, Value> {
        let mut redacted = self.row(card, counts);
        if redacted != *card
            && let Some(Value::Array(labels)) = redacted.get_mut("labels")
        {
            keep_distinct(labels);
        }
        redacted
    }

    /// Text without secrets. A reference such as `${API_KEY}` is none.
    pub(super) fn text(&self, text: &str, counts: &mut RedactionCounts) -> String {
        self.replaced(text, |kind| SECRETS.contains(&kind), counts)
    }

    /// Text of examples: without secrets and personal data.
    fn words(&self, text: &mut String, counts: &mut RedactionCounts) {
        *text = self.replaced(text, |_| true, counts);
    }

    fn replaced(&self, text: &str, wanted: impl Fn(RedactionKind) -> bool, counts: &mut RedactionCounts) -> String {
        let redacted = self.redactor.redact_only(text, |kind, found| wanted(kind) && !found.contains("${"));
        counts.merge(&redacted.counts);
        redacted.text.into_owned()
    }

    /// Settings without secrets.
    pub(super) fn settings(&self, settings: Map<String, Value>, counts: &mut RedactionCounts) -> Map<String, Value> {
        settings.into_iter().map(|(key, value)| (key, self.value(value, counts))).collect()
    }

    fn value(&self, value: Value, counts: &mut RedactionCounts) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text, counts)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item, counts)).collect(),
            Value::Object(map) => Value::Object(self.settings(map, counts)),
            other => other,
        }
    }

    /// A suite without secrets, and without personal data in what comes from rows: labels, which must be those of the rows,
    /// and conversations that a prompt shows as examples. Where labels are redacted, the prompt may list them, so that nothing
    /// personal stays in it.
    pub(super) fn suite(&self, suite: Map<String, Value>, counts: &mut RedactionCounts) -> Map<String, Value> {
        let mut suite = self.settings(suite, counts);
        let before = counts.total();
        suite.get_mut("scorers").into_iter().for_each(|scorers| self.labels(scorers, counts));
        let of_rows = counts.total() != before;
        for (key, value) in &mut suite {
            match (key.as_str(), value) {
                ("description", Value::String(about)) => self.words(about, counts),
                ("prompt", prompt) => self.prompt(prompt, of_rows, counts),
                ("prompts", Value::Object(prompts)) => {
                    prompts.values_mut().for_each(|prompt| self.prompt(prompt, of_rows, counts));
                }
                _ => {}
            }
        }
        suite
    }

    /// Redacts the labels of scorers in the same way as the accepted answers of rows.
    fn labels(&self, scorers: &mut Value, counts: &mut RedactionCounts) {
        match scorers {
            Value::Array(items) => items.iter_mut().for_each(|scorer| self.labels(scorer, counts)),
            Value::Object(fields) => {
                if let Some(Value::Array(labels)) = fields.get_mut("labels") {
                    let before = counts.total();
                    labels.iter_mut().for_each(|label| *label = self.data(label, counts));
                    if counts.total() != before {
                        keep_distinct(labels);
                    }
                }
                fields.get_mut("of").into_iter().for_each(|parts| self.labels(parts, counts));
            }
            _ => {}
        }
    }

    fn prompt(&self, prompt: &mut Value, of_rows: bool, counts: &mut RedactionCounts) {
        match prompt {
            Value::String(text) if of_rows && !text.starts_with("file://") => self.words(text, counts),
            Value::Array(messages) => self.messages(messages, of_rows, counts),
            Value::Object(fields) => {
                if let (true, Some(Value::String(text))) = (of_rows, fields.get_mut("text")) {
                    self.words(text, counts);
                }
                if let Some(Value::Array(messages)) = fields.get_mut("messages") {
                    self.messages(messages, of_rows, counts);
                }
            }
            _ => {}
        }
    }

    /// Redacts few-shot messages: every message up to the last one from the assistant, except system messages.
    fn messages(&self, messages: &mut [Value], of_rows: bool, counts: &mut RedactionCounts) {
        let shown = messages.iter().rposition(|message| is_by(message, "assistant")).map_or(0, |last| last + 1);
        for (at, message) in messages.iter_mut().enumerate() {
            if !of_rows && (at >= shown || is_by(message, "system")) {
                continue;
            }
            match message {
                Value::String(text) => self.words(text, counts),
                Value::Object(fields) => {
                    for (_, value) in fields.iter_mut().filter(|(key, _)| !["role", "file"].contains(&key.as_str())) {
                        if let Value::String(text) = value {
                            self.words(text, counts);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn is_by(message: &Value, role: &str) -> bool {
    message.get("role").and_then(Value::as_str) == Some(role) || message.get(role).is_some()
}

/// Removes labels that are the same once they are redacted.
fn keep_distinct(labels: &mut Vec<Value>) {
    let mut kept: Vec<Value> = Vec::with_capacity(labels.len());
    for label in labels.drain(..) {
        if !kept.contains(&label) {
            kept.push(label);
        }
    }
    *labels = kept;
}

/// What to do about replaced text.
pub(super) fn advice(counts: &RedactionCounts) -> String {
    let found: Vec<&str> = counts.iter().map(|(kind, _)| kind.placeholder()).collect();
    let found = found.join(", ");
    if counts.iter().all(|(kind, _)| SECRETS.contains(&kind)) {
        return format!(
            "what looks like a secret is replaced by {found}; write a reference such as ${{API_KEY}} in its place"
        );
    }
    format!("what looks like personal data is replaced by {found}; write back what belongs there")
}

/// The line, counted from 1, from which on two texts differ.
pub(super) fn first_change(before: &str, after: &str) -> u64 {
    let same = before.bytes().zip(after.bytes()).take_while(|(one, other)| one == other);
    1 + same.filter(|(byte, _)| *byte == b'\n').count() as u64
}

/// A scorer of a row whose settings redaction changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChangedScorer {
    /// Its name, or else its type.
    pub(super) name: String,
    /// Whether its score is inverted.
    pub(super) not: bool,
}

/// The scorers of a row, or of its turns, that redaction changed.
pub(super) fn changed_scorers(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<ChangedScorer> {
    let mut changed = Vec::new();
    if let (Some(before), Some(after)) = (before.get("assert"), after.get("assert")) {
        compare(before, after, &mut changed);
    }
    if let (Some(before), Some(after)) = (before.get("turns"), after.get("turns")) {
        for (before, after) in listed(before).iter().zip(listed(after)) {
            if let (Some(before), Some(after)) = (before.get("assert"), after.get("assert")) {
                compare(before, after, &mut changed);
            }
        }
    }
    changed
}

/// Whether redaction changed an accepted answer of a row, or of its turns.
pub(super) fn answer_changed(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    let turns = [before, after].map(|row| row.get("turns").map(listed).unwrap_or_default());
    let mut of_turns = turns[0].iter().zip(turns[1]);
    before.get("expected") != after.get("expected")
        || of_turns.any(|(before, after)| before.get("expected") != after.get("expected"))
}

fn compare(before: &Value, after: &Value, changed: &mut Vec<ChangedScorer>) {
    if before == after {
        return;
    }
    let parts = |value: &Value| value.as_array().or_else(|| value.get("of").and_then(Value::as_array)).cloned();
    match (parts(before), parts(after)) {
        (Some(before), Some(after)) => {
            before.iter().zip(&after).for_each(|(before, after)| compare(before, after, changed));
        }
        _ => {
            let text = |key: &str| after.get(key).and_then(Value::as_str);
            let name = text("name").or_else(|| text("type")).or_else(|| after.as_str()).unwrap_or("assert").to_owned();
            changed.push(ChangedScorer { name, not: after.get("not") == Some(&Value::Bool(true)) });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn prompts_keep_addresses_unless_they_are_those_of_examples_or_labels() {
        let privacy = Privacy::new().unwrap();
        let redacted = |prompt: Value, of_rows: bool| {
            let labels = json!([if of_rows { "jane@x.org" } else { "yes" }]);
            let suite = json!({"prompt": prompt, "scorers": [{"type": "classification", "labels": labels}]});
            let suite = privacy.suite(map(suite), &mut RedactionCounts::default());
            suite.get("prompt").cloned().unwrap_or_default()
        };
        let text = json!("Q: mail jane@x.org\nA: ok\n\nQ: {{ input }}");
        assert_eq!(redacted(text.clone(), false), text);
        assert_eq!(redacted(text, true), json!("Q: mail [redacted:email]\nA: ok\n\nQ: {{ input }}"));
        let message = |role: &str, text: &str| json!({"role": role, "content": text});
        let chat = json!([
            message("system", "Refer to help@x.org."),
            message("user", "I am jane@x.org"),
            {"assistant": "Hello jane@x.org"},
            message("user", "{{ input }} to desk@x.org"),
        ]);
        let written = redacted(chat.clone(), false);
        assert_eq!((&written[0], &written[3]), (&chat[0], &chat[3]));
        assert_eq!(written[1]["content"], json!("I am [redacted:email]"));
        assert_eq!(written[2]["assistant"], json!("Hello [redacted:email]"));
        let of_rows = redacted(json!({"messages": chat}), true);
        assert!(!of_rows.to_string().contains("@x.org"), "{of_rows}");
        let file = json!({"file": "../prompts/jane@x.org.txt"});
        assert_eq!(redacted(file.clone(), true), file);
    }

    #[test]
    fn labels_of_a_suite_and_a_card_are_those_of_the_rows() {
        let privacy = Privacy::new().unwrap();
        let mut counts = RedactionCounts::default();
        let labels = json!(["jane@x.org", "joe@x.org", "4111 1111 1111 1111", "other"]);
        let expected = json!(["[redacted:email]", "[redacted:card_number]", "other"]);
        let scorer = json!({"type": "all", "of": [{"type": "classification", "labels": labels}]});
        let suite = privacy.suite(map(json!({"scorers": [scorer]})), &mut counts);
        assert_eq!(suite["scorers"][0]["of"][0]["labels"], expected);
        assert_eq!(privacy.card(&map(json!({"labels": labels})), &mut counts)["labels"], expected);
        assert_eq!(privacy.row(&map(json!({"expected": labels})), &mut counts)["expected"][2], expected[1]);
    }

    #[test]
    fn scorers_of_rows_that_redaction_changes_are_found_also_within_others() {
        let privacy = Privacy::new().unwrap();
        let row = map(json!({
            "assert": [
                {"type": "contains", "value": "jane@x.org", "not": true},
                {"type": "mean", "of": [{"type": "regex", "pattern": "a"}, {"type": "exact", "value": "joe@x.org"}]},
            ],
            "expected": "yes",
            "turns": [{"user": "I am jane@x.org", "expected": "jane@x.org", "assert": {"name": "mail", "type": "contains", "value": "jane@x.org"}}],
        }));
        let redacted = privacy.row(&row, &mut RedactionCounts::default());
        let changed = |name: &str, not| ChangedScorer { name: name.to_owned(), not };
        let expected = [changed("contains", true), changed("exact", false), changed("mail", false)];
        assert_eq!(changed_scorers(&row, &redacted), expected);
        assert_eq!(changed_scorers(&redacted, &redacted), []);
        assert!(answer_changed(&row, &redacted) && !answer_changed(&redacted, &redacted));
        assert!(!answer_changed(&map(json!({"input": "jane@x.org"})), &map(json!({"input": ""}))));
    }

    #[test]
    fn text_is_replaced_only_where_a_secret_was_found() {
        let (privacy, mut counts) = (Privacy::new().unwrap(), RedactionCounts::default());
        let text = "Please reply.\n{\"user\":\"u\",\"password\":\"p\"}\n${PASSWORD} help@x.org";
        let redacted = privacy.text(text, &mut counts);
        assert_eq!(redacted, text.replace("\"p\"", "\"[redacted:password]\""));
        assert_eq!((first_change(text, &redacted), counts.total()), (2, 1));
    }
}
