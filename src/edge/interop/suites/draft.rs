//! What the importers of datasets share in writing: examples with what they have in common, endpoints, and suites.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Note, Sink};
use crate::core::domain::{Failure, fingerprint};

/// The most different answers that are remembered to tell labels from open answers.
const MAX_LABELS: usize = 60;

/// The most choices of a question; each has a letter.
pub(super) const MAX_CHOICES: usize = 26;

/// What a prompt or criterion begins with that is the path of a file.
const FILE: &str = "file://";

/// The template of lettered choices, which are in the example's metadata.
pub(super) const CHOICES: &str = "{% if metadata.choices is defined %}{% for choice in metadata.choices %}\
    {{ \"ABCDEFGHIJKLMNOPQRSTUVWXYZ\"[loop.index0:loop.index] }}) {{ choice }}\n{% endfor %}{% endif %}";

/// The prompt of a question with lettered choices, one of which is right.
pub(super) fn choice_prompt(question: &str) -> String {
    lettered_prompt(question, false, false)
}

/// The prompt of a question with lettered choices, of which several may be right; with `steps`, the model is to think
/// first.
pub(super) fn lettered_prompt(question: &str, several: bool, steps: bool) -> String {
    let (task, form) = match several {
        false => ("Choose the right answer.", "\"ANSWER: LETTER\", such as \"ANSWER: A\""),
        true => (
            "Choose every right answer; there may be several.",
            "\"ANSWER: LETTERS\" in alphabetical order, such as \"ANSWER: B\" or \"ANSWER: A, C\"",
        ),
    };
    let reply = match steps {
        false => "Reply with one line of the form",
        true => "Think step by step, and end with one line of the form",
    };
    format!("{task} {reply} {form}.\n\n{question}\n\n{CHOICES}")
}

/// The scorer of [`choice_prompt`]: the letter behind the words "ANSWER:".
pub(super) fn choice_scorer() -> Map<String, Value> {
    object(json!({"name": "choice", "type": "regex", "pattern": r"(?i)ANSWER\s*:\s*\(?{expected}(?:[^\w,]|$)"}))
}

/// The scorer of [`lettered_prompt`] if several choices may be right: all letters behind the words "ANSWER:".
pub(super) fn choices_scorer() -> Map<String, Value> {
    object(json!({"name": "choice", "type": "regex", "pattern": r"(?im)ANSWER\s*:\s*{expected}[\s.]*$"}))
}

/// The letter of a choice, counted from 0.
pub(super) fn letter(index: usize) -> Option<String> {
    let letter = u8::try_from(index).ok().filter(|index| usize::from(*index) < MAX_CHOICES)?;
    Some(char::from(b'A' + letter).to_string())
}

/// The fields of a JSON object; empty for anything else.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// A scorer of a type with keys, named as in the other tool if that is not its type.
pub(super) fn scorer(name: &str, mut keys: Value) -> Value {
    if let Some(fields) = keys.as_object_mut()
        && fields.get("type").and_then(Value::as_str) != Some(name)
    {
        fields.insert("name".to_owned(), json!(slug(name)));
    }
    keys
}

/// A name for files and scorers: lower case, with hyphens between words.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().take(200) {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => slug.push(c.to_ascii_lowercase()),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(60);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "imported".to_owned() } else { slug.to_owned() }
}

/// Text in which a template finds nothing to fill in.
pub(super) fn literal(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('{', Some(next @ ('{' | '%' | '#'))) => {
                safe.push_str(&format!("{{{{ '{{{next}' }}}}"));
                rest.next();
            }
            ('{', None) => safe.push_str("{{ '{' }}"),
            _ => safe.push(c),
        }
    }
    safe
}

/// A value as text: scalars as they are, anything else as JSON. `None` for null and blank text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (!text.trim().is_empty()).then_some(text)
}

/// The first of some fields that is there and not empty.
pub(super) fn take(fields: &mut Map<String, Value>, names: &[&str]) -> Option<Value> {
    let found = names.iter().find(|name| fields.get(**name).is_some_and(|value| !is_absent(value)))?;
    fields.remove(*found)
}

/// Whether a value says nothing: null, blank text, or an empty list or object.
pub(super) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Whether a value is a list of chat messages with roles.
pub(super) fn is_chat(value: &Value) -> bool {
    let has_role = |message: &Value| message.get("role").is_some_and(Value::is_string);
    value.as_array().is_some_and(|messages| !messages.is_empty() && messages.iter().all(has_role))
}

/// An example before it is checked and written.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Its id in the other tool.
    pub(super) id: Option<Value>,
    /// Text, chat messages, or an object.
    pub(super) input: Value,
    /// The accepted answers.
    pub(super) expected: Option<Value>,
    /// Supporting material.
    pub(super) context: Option<Value>,
    /// Everything else worth keeping.
    pub(super) metadata: Map<String, Value>,
    /// Further fields of the row, such as tags and status.
    pub(super) further: Map<String, Value>,
}

/// What the examples of a dataset have in common.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Examples written.
    pub(super) rows: u64,
    /// Examples with an accepted answer.
    pub(super) answered: u64,
    /// Examples with chat messages or with an object that contains them.
    pub(super) chats: u64,
    /// Examples with an object without messages.
    pub(super) objects: u64,
    /// Examples with a text, choices in their metadata, and letters of these as the accepted answer.
    pub(super) choices: u64,
    /// Examples with several right choices.
    pub(super) several: u64,
    /// Examples with a context.
    pub(super) contexts: u64,
    numbers: u64,
    structured: u64,
    words: u64,
    labels: BTreeSet<String>,
    many_labels: bool,
}

impl Seen {
    fn add(&mut self, row: &Map<String, Value>) {
        self.rows += 1;
        let input = row.get("input").unwrap_or(&Value::Null);
        self.chats += u64::from(is_chat(input) || input.get("messages").is_some());
        self.objects += u64::from(input.is_object() && input.get("messages").is_none());
        self.contexts += u64::from(row.contains_key("context"));
        let answers = match row.get("expected") {
            Some(Value::Array(answers)) => answers.as_slice(),
            other => other.map(std::slice::from_ref).unwrap_or_default(),
        };
        let Some(first) = answers.first() else { return };
        self.answered += 1;
        self.structured += u64::from(first.is_object() || first.is_array());
        let text = text_of(first).unwrap_or_default();
        let choices = row.get("metadata").and_then(|fields| fields.get("choices")).and_then(Value::as_array);
        let are_lettered = choices.is_some_and(|choices| answers.iter().all(|answer| are_letters(answer, choices)));
        self.choices += u64::from(are_lettered && input.is_string());
        self.several += u64::from(are_lettered && text.contains(','));
        self.numbers += u64::from(is_number(&text));
        self.words += u64::try_from(text.split_whitespace().count()).unwrap_or(0);
        if self.labels.len() < MAX_LABELS && text.len() < 200 {
            self.labels.insert(text);
        } else if !self.labels.contains(&text) {
            self.many_labels = true;
        }
    }

    /// Whether the answers are few labels that occur again and again.
    pub(super) fn has_labels(&self) -> bool {
        let different = u64::try_from(self.labels.len()).unwrap_or(u64::MAX);
        !self.many_labels && self.words <= 4 * self.answered && different.saturating_mul(2) <= self.answered
    }

    /// The different answers, if they are few labels.
    pub(super) fn labels(&self) -> Vec<String> {
        if self.has_labels() { self.labels.iter().cloned().collect() } else { Vec::new() }
    }

    /// Whether all accepted answers are letters of choices, which the prompt then has to list. Examples without an accepted
    /// answer, which a hidden part of a test has, say nothing about it.
    fn is_lettered(&self) -> bool {
        self.choices > 0 && self.choices == self.answered
    }

    /// Scorers that fit the accepted answers, the headline first.
    pub(super) fn scorers(&self) -> Vec<Value> {
        let mean_words = self.words / self.answered.max(1);
        match self.answered {
            0 => vec![json!({"name": "answered", "type": "length", "min": 1})],
            answered if self.structured == answered => vec![json!({"type": "json_equal"})],
            _ if self.is_lettered() => {
                vec![Value::Object(if self.several > 0 { choices_scorer() } else { choice_scorer() })]
            }
            _ if self.has_labels() => vec![json!({"type": "exact"})],
            answered if self.numbers == answered => vec![json!({"type": "numeric"})],
            _ if mean_words <= 6 => vec![json!({"type": "contains"}), json!({"type": "exact"})],
            _ => vec![json!({"type": "token_f1"}), json!({"type": "rouge_l"})],
        }
    }

    /// A prompt that fits the inputs. `None` if the input itself is to be sent.
    pub(super) fn prompt(&self) -> Option<Value> {
        let texts_only = self.chats == 0 && self.objects == 0;
        match () {
            () if texts_only && self.is_lettered() => {
                Some(json!(lettered_prompt("{{ input }}", self.several > 0, false)))
            }
            () if texts_only && self.rows > 0 && self.contexts == self.rows => Some(json!(
                "Answer the question with the help of the context.\n\nContext:\n{{ context }}\n\nQuestion: {{ input }}"
            )),
            () => None,
        }
    }
}

/// Whether an answer is the letter of a choice, or several such as "A, C".
fn are_letters(answer: &Value, choices: &[Value]) -> bool {
    let is_letter = |part: &str| matches!(part.as_bytes(), [c @ b'A'..=b'Z'] if usize::from(c - b'A') < choices.len());
    answer.as_str().is_some_and(|text| text.split(", ").all(is_letter))
}

fn is_number(text: &str) -> bool {
    let plain = text.trim().replace(',', "");
    plain.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A dataset that is being written.
pub(super) struct Dataset<'a> {
    out: &'a mut dyn Sink,
    file: PathBuf,
    name: String,
    /// Fingerprints of the ids so far.
    ids: HashSet<u128>,
    noted: BTreeSet<String>,
    bad: u64,
    /// What its examples have in common so far.
    pub(super) seen: Seen,
}

impl<'a> Dataset<'a> {
    /// Starts a dataset read from `file`.
    pub(super) fn start(out: &'a mut dyn Sink, file: PathBuf, name: &str, card: Value) -> Self {
        let name = out.dataset(&slug(name), object(card));
        Self { out, file, name, ids: HashSet::new(), noted: BTreeSet::new(), bad: 0, seen: Seen::default() }
    }

    /// From here on, lines are those of another file.
    pub(super) fn enter(&mut self, file: PathBuf) {
        self.file = file;
    }

    /// Whether neither an example nor a bad row was found.
    pub(super) fn is_empty(&self) -> bool {
        self.seen.rows + self.bad == 0
    }

    /// Where everything else goes.
    pub(super) fn out(&mut self) -> &mut dyn Sink {
        self.out
    }

    /// Reports a row that cannot be read.
    pub(super) fn bad(&mut self, line: u64, reason: impl Into<String>) {
        self.bad += 1;
        self.out.bad_row(&self.file, line, reason.into());
    }

    /// Reports something at a line of the file.
    pub(super) fn note(&mut self, line: u64, what: &str, why: impl Into<String>) {
        self.out.note(Note { file: self.file.clone(), line, what: what.to_owned(), why: why.into() });
    }

    /// Reports something where it is first seen, and not again.
    pub(super) fn note_once(&mut self, line: u64, what: &str, why: &str) {
        if self.noted.insert(what.to_owned()) {
            self.note(line, what, why);
        }
    }

    /// Writes an example, or reports why it is none.
    ///
    /// # Errors
    /// A failure of the sink.
    pub(super) fn add(&mut self, line: u64, mut draft: Draft) -> Result<(), Failure> {
        let mut row = draft.further;
        if !row.contains_key("turns") {
            if is_absent(&draft.input) {
                self.bad(line, "the input is missing or empty");
                return Ok(());
            }
            row.insert("input".to_owned(), draft.input);
        }
        // The dataset reads ids without white space around them.
        match draft.id.as_ref().and_then(text_of).map(|id| id.trim().to_owned()) {
            Some(id) if self.is_new(&id) => drop(row.insert("id".to_owned(), json!(id))),
            Some(id) => {
                draft.metadata.insert("original_id".to_owned(), json!(id));
                const WHY: &str = "appears more than once; further examples with it get an id of their own, and keep \
                                   it as metadata.original_id";
                self.note_once(line, "id", WHY);
            }
            None => {}
        }
        let expected = draft.expected.map(accepted).filter(|answers| !is_absent(answers));
        row.extend(expected.map(|answers| ("expected".to_owned(), answers)));
        row.extend(draft.context.filter(|context| !is_absent(context)).map(|context| ("context".to_owned(), context)));
        draft.metadata.retain(|_, value| !value.is_null());
        if !draft.metadata.is_empty() {
            row.insert("metadata".to_owned(), Value::Object(draft.metadata));
        }
        self.seen.add(&row);
        self.out.example(&self.name, line, row)
    }

    fn is_new(&mut self, id: &str) -> bool {
        self.ids.insert(fingerprint(id))
    }

    /// Adds the suite of this dataset.
    pub(super) fn suite(&mut self, suite: Suite) {
        let name = self.name.clone();
        self.suite_named(&name, suite);
    }

    /// Adds a suite of this dataset under a name of its own.
    pub(super) fn suite_named(&mut self, name: &str, suite: Suite) {
        if self.seen.answered == 0 && self.seen.rows > 0 {
            self.note(0, "dataset", "has no accepted answers; label them (karat label), or add scorers that need none");
        }
        let mut content = object(json!({
            "description": suite.description,
            "dataset": self.name,
            "endpoints": suite.endpoints,
            "scorers": unique(suite.scorers.into_iter().map(without_files).collect()),
        }));
        content.extend(suite.prompt.map(|prompt| ("prompt".to_owned(), inline(prompt))));
        if suite.repeat > 1 {
            content.insert("repeat".to_owned(), json!(suite.repeat.min(1000)));
        }
        self.out.suite(&slug(name), content);
    }

    /// The usual suite of a dataset without anything else known: a fitting prompt and scorers, on the nearest-neighbour
    /// baseline.
    pub(super) fn usual_suite(&mut self, description: &str) {
        let suite = Suite {
            description: description.to_owned(),
            prompt: self.seen.prompt(),
            endpoints: vec![baseline(self.out)],
            scorers: self.seen.scorers(),
            repeat: 1,
        };
        self.suite(suite);
    }
}

/// The parts of a suite.
#[derive(Debug)]
pub(super) struct Suite {
    /// What it is for.
    pub(super) description: String,
    /// `None` to send the input itself.
    pub(super) prompt: Option<Value>,
    /// Names of endpoints.
    pub(super) endpoints: Vec<String>,
    /// Scorers as written; the first one is the headline.
    pub(super) scorers: Vec<Value>,
    /// How often each example is sent.
    pub(super) repeat: u64,
}

/// A prompt as its text, also where it looks like the path of a file: what another tool wrote must not make karat send
/// files of this machine to a model.
fn inline(prompt: Value) -> Value {
    match prompt {
        Value::String(text) if text.starts_with(FILE) => json!({"text": text}),
        other => other,
    }
}

/// A scorer whose criteria and prompt are their text in the same way. They are templates, in which a text can be written
/// so that it does not begin like a path.
fn without_files(mut scorer: Value) -> Value {
    let Some(fields) = scorer.as_object_mut() else { return scorer };
    for key in ["criteria", "prompt"] {
        if let Some(rest) = fields.get(key).and_then(Value::as_str).and_then(|text| text.strip_prefix(FILE)) {
            let text = format!("{{{{ '{FILE}' }}}}{rest}");
            fields.insert(key.to_owned(), json!(text));
        }
    }
    if let Some(Value::Array(parts)) = fields.get_mut("of") {
        *parts = std::mem::take(parts).into_iter().map(without_files).collect();
    }
    scorer
}

/// Accepted answers without nulls; numbers and booleans are kept, since the dataset reads them as text.
fn accepted(expected: Value) -> Value {
    match expected {
        Value::Array(items) => items.into_iter().filter(|item| !is_absent(item)).collect(),
        other => other,
    }
}

/// Gives scorers of the same name a number.
pub(super) fn unique(scorers: Vec<Value>) -> Vec<Value> {
    let mut names = BTreeSet::new();
    let named = |mut scorer: Value| {
        let text = |key: &str| scorer.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").or_else(|| text("type")).unwrap_or_default();
        let mut candidate = name.clone();
        let mut number = 2_u64;
        while !names.insert(candidate.clone()) {
            candidate = format!("{name}-{number}");
            number += 1;
        }
        if candidate != name
            && let Some(fields) = scorer.as_object_mut()
        {
            fields.insert("name".to_owned(), json!(candidate));
        }
        scorer
    };
    scorers.into_iter().map(named).collect()
}

/// The nearest-neighbour endpoint, which needs no model.
pub(super) fn baseline(out: &mut dyn Sink) -> String {
    out.endpoint("baseline", object(json!({"type": "baseline"})))
}

#[cfg(test)]
mod tests {
    use super::super::recording::Recorded;
    use super::*;

    #[test]
    fn a_template_finds_nothing_to_fill_in_in_literal_text() {
        let environment = minijinja::Environment::new();
        for text in ["plain {x}", "{{ input }}", "{% if %}", "{# none #}", "a{", "{{{", "}} %}", "{{ '{' }}"] {
            let shown = environment.render_str(&literal(text), ());
            assert_eq!(shown.unwrap(), text);
        }
    }

    #[test]
    fn names_are_short_and_scorers_of_the_same_name_are_numbered() {
        assert_eq!(slug("  My Task: v1.0 (Ä) "), "my-task-v1-0");
        assert_eq!(slug("…"), "imported");
        assert_eq!(slug(&"a-".repeat(100)).len(), 59);
        let scorers =
            unique(vec![json!({"type": "exact"}), json!({"type": "exact"}), json!({"name": "exact-2", "type": "x"})]);
        let names: Vec<&str> = scorers.iter().filter_map(|scorer| scorer.get("name")?.as_str()).collect();
        assert_eq!(names, ["exact-2", "exact-2-2"]);
    }

    #[test]
    fn scorers_fit_the_answers() {
        let first = |rows: &[Value]| {
            let mut out = Recorded::default();
            let mut dataset = Dataset::start(&mut out, "rows.jsonl".into(), "rows", json!({}));
            for row in rows {
                let mut fields = object(row.clone());
                let metadata = fields.remove("metadata").map(object).unwrap_or_default();
                let draft =
                    Draft { input: json!("x"), expected: fields.remove("expected"), metadata, ..Draft::default() };
                dataset.add(1, draft).unwrap();
            }
            dataset.usual_suite("Rows.");
            out.assert_loads();
            out.suite("rows")["scorers"][0].clone()
        };
        let answer = |answer: Value| json!({"expected": answer});
        assert_eq!(first(&[json!({})])["name"], json!("answered"));
        assert_eq!(first(&[answer(json!({"a": 1}))])["type"], json!("json_equal"));
        assert_eq!(first(&[answer(json!("12")), answer(json!("1,200.5"))])["type"], json!("numeric"));
        assert_eq!(first(&[answer(json!("yes")), answer(json!("yes"))])["type"], json!("exact"));
        assert_eq!(first(&[answer(json!("Paris")), answer(json!("Rome"))])["type"], json!("contains"));
        assert_eq!(first(&[answer(json!("a b c d e f g"))])["type"], json!("token_f1"));
        let choice = |answer: Value| json!({"expected": answer, "metadata": {"choices": ["x", "y"]}});
        let (one, several) = (choice(json!("A")), choice(json!("A, B")));
        assert_eq!(first(&[one.clone(), choice(json!(["A", "B"]))])["pattern"], choice_scorer()["pattern"]);
        assert_eq!(first(&[one.clone(), several])["pattern"], choices_scorer()["pattern"]);
        let hidden = choice(Value::Null);
        assert_eq!(first(&[one.clone(), hidden])["pattern"], choice_scorer()["pattern"], "one has no answer");
        for other in ["x", "C", "A, C", "A or B"] {
            assert_eq!(first(&[one.clone(), choice(json!(other))])["type"], json!("contains"), "{other} is no letter");
        }
    }

    /// The suite of a dataset of these rows.
    fn usual(rows: Vec<Draft>) -> Value {
        let mut out = Recorded::default();
        let mut dataset = Dataset::start(&mut out, "rows.jsonl".into(), "rows", json!({}));
        rows.into_iter().for_each(|row| dataset.add(1, row).unwrap());
        dataset.usual_suite("Rows.");
        out.assert_loads();
        out.suite("rows")
    }

    #[test]
    fn the_prompt_asks_for_letters_only_if_the_answers_are_letters() {
        let row = |input: Value, answer: Value| Draft {
            input,
            expected: Some(answer),
            metadata: object(json!({"choices": ["x", "y"]})),
            ..Draft::default()
        };
        let suite = usual(vec![row(json!("q"), json!("A")), row(json!("q"), Value::Null)]);
        let prompt = suite["prompt"].as_str().unwrap();
        assert!(prompt.contains("ANSWER: LETTER") && suite["scorers"][0]["name"] == "choice", "{suite}");
        for rows in [
            vec![row(json!("q"), json!("x"))],
            vec![row(json!("q"), json!("A")), row(json!("q"), json!("x"))],
            vec![row(json!({"question": "q"}), json!("A"))],
        ] {
            let suite = usual(rows);
            assert!(suite.get("prompt").is_none() && suite["scorers"][0]["name"] != "choice", "{suite}");
        }
    }

    #[test]
    fn no_text_of_another_tool_is_the_path_of_a_file() {
        let mut out = Recorded::default();
        let mut dataset = Dataset::start(&mut out, "rows.jsonl".into(), "rows", json!({}));
        dataset.add(1, Draft { input: json!("x"), expected: Some(json!("y")), ..Draft::default() }).unwrap();
        let text = "file:///none/credentials";
        let judge = json!({"type": "closed_qa", "judge": "baseline", "criteria": text});
        let endpoints = vec![baseline(dataset.out())];
        dataset.suite(Suite {
            description: text.to_owned(),
            prompt: Some(json!(text)),
            endpoints,
            scorers: vec![json!({"type": "any", "of": [judge]})],
            repeat: 1,
        });
        out.assert_loads();
        assert_eq!(out.sent("rows", 0), [("user".to_owned(), text.to_owned())]);
        let criteria = out.suite("rows")["scorers"][0]["of"][0]["criteria"].as_str().unwrap().to_owned();
        assert_eq!(minijinja::Environment::new().render_str(&criteria, ()).unwrap(), text);
    }

    #[test]
    fn an_id_that_appears_twice_is_kept_as_metadata() {
        let mut out = Recorded::default();
        let mut dataset = Dataset::start(&mut out, "rows.jsonl".into(), "rows", json!({}));
        for id in ["7", " 7 "] {
            let draft =
                Draft { id: Some(json!(id)), input: json!("x"), expected: Some(json!("y")), ..Draft::default() };
            dataset.add(1, draft).unwrap();
        }
        dataset.usual_suite("Rows.");
        assert_eq!(out.rows("rows")[1]["metadata"], json!({"original_id": "7"}));
        assert_eq!(out.noted(), [(1, "id")]);
        out.assert_loads();
    }
}
