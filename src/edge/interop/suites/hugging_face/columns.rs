//! Rows by the names of their columns.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::draft::{Dataset, Draft, MAX_CHOICES, is_absent, letter, object, take, text_of};
use super::features::Labels;

/// What the columns of a row are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Chat messages, the last of which is the answer.
    Messages,
    /// A question with lettered choices.
    Choices,
    /// A question about a passage that contains the answer.
    Passage,
    /// An instruction, perhaps with an input, and its output.
    Instruction,
    /// One text or two, and a label.
    Labels,
    /// A question or prompt, and its answer.
    Question,
}

const MESSAGES: [&str; 3] = ["messages", "conversations", "conversation"];
const QUESTION: [&str; 9] =
    ["question", "query", "prompt", "input", "inputs", "problem", "instruction", "text", "source"];
const ANSWER: [&str; 19] = [
    "answer",
    "answers",
    "expected",
    "expected_output",
    "expected_answer",
    "ideal",
    "target",
    "targets",
    "completion",
    "response",
    "output",
    "outputs",
    "reference",
    "references",
    "solution",
    "ground_truth",
    "chosen",
    "label",
    "final_answer",
];
const TEXT: [&str; 8] = ["text", "sentence", "content", "review", "tweet", "document", "utterance", "comment"];
const LABEL: [&str; 9] =
    ["label", "labels", "intent", "category", "sentiment", "label_text", "class", "emotion", "topic"];
const PAIRS: [(&str, &str); 6] = [
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("sentence_a", "sentence_b"),
    ("question", "sentence"),
];
const CHOICES: [&str; 3] = ["choices", "options", "endings"];
const IDS: [&str; 4] = ["id", "_id", "qid", "question_id"];

/// The fewest columns named by letters that are choices.
const FEWEST_LETTERS: usize = 3;

/// The most accepted answers of a row.
const MAX_ANSWERS: usize = 1000;

/// The kind of a row. `None` if no column is known as its input.
pub(super) fn kind(fields: &Map<String, Value>) -> Option<Kind> {
    let has = |name: &str| fields.get(name).is_some_and(|value| !is_absent(value));
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    let is_list = |name: &str| fields.get(name).is_some_and(|value| value.is_array() || value.is_object());
    Some(match () {
        () if MESSAGES.iter().any(|name| fields.get(*name).is_some_and(Value::is_array)) => Kind::Messages,
        () if CHOICES.iter().any(|name| is_list(name)) && question(fields).is_some() => Kind::Choices,
        () if lettered(fields) > 0 && question(fields).is_some() => Kind::Choices,
        () if has("question") && has("context") && fields.contains_key("answers") => Kind::Passage,
        () if has("instruction") && any(&["output", "response", "completion", "answer"]) => Kind::Instruction,
        () if pair(fields).is_some() && any(&LABEL) => Kind::Labels,
        () if any(&TEXT) && any(&LABEL) && !any(&["answer", "answers", "question"]) => Kind::Labels,
        () if any(&QUESTION) => Kind::Question,
        () => return None,
    })
}

/// How many choices there are in columns named A, B, C and so on; 0 if they are no choices. Empty ones at the end do not
/// count. An empty cell of a CSV file is no field, so one letter may be missing before the next.
fn lettered(fields: &Map<String, Value>) -> usize {
    let (mut count, mut filled, mut missing) = (0, 0, 0);
    for (at, name) in (0..MAX_CHOICES).filter_map(|at| Some((at, letter(at)?))) {
        match fields.get(&name) {
            Some(value) => {
                missing = 0;
                if !is_absent(value) {
                    (count, filled) = (at + 1, filled + 1);
                }
            }
            None => missing += 1,
        }
        if missing > 1 {
            break;
        }
    }
    if count >= FEWEST_LETTERS && filled > 1 { count } else { 0 }
}

fn question(fields: &Map<String, Value>) -> Option<&'static str> {
    ["question", "query", "ctx", "prompt", "input", "problem", "premise"]
        .into_iter()
        .find(|name| fields.get(*name).and_then(text_of).is_some())
}

/// The two columns whose texts a label is about.
fn pair(fields: &Map<String, Value>) -> Option<(&'static str, &'static str)> {
    let has = |name: &str| fields.get(name).is_some_and(|value| !is_absent(value));
    PAIRS.into_iter().find(|(first, second)| has(first) && has(second))
}

/// What the first row says about all rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// The column with the label, if rows have one.
    pub(super) label: Option<&'static str>,
    pair: Option<(&'static str, &'static str)>,
}

impl Layout {
    /// The layout of a row; `None` if no column is known as its input.
    pub(super) fn of(fields: &Map<String, Value>) -> Option<Self> {
        let kind = kind(fields)?;
        let label = LABEL.into_iter().find(|name| fields.get(*name).is_some_and(|value| !is_absent(value)));
        Some(Self {
            label: label.filter(|_| kind == Kind::Labels),
            pair: pair(fields).filter(|_| kind == Kind::Labels),
        })
    }

    /// The template that shows the text of a row with a label.
    pub(super) fn text_template(self) -> String {
        match self.pair {
            Some((first, second)) => format!("{first}: {{{{ {first} }}}}\n{second}: {{{{ {second} }}}}"),
            None => "{{ input }}".to_owned(),
        }
    }
}

/// The example of a row.
///
/// # Errors
/// Says which column is missing or wrong.
pub(super) fn draft(
    line: u64,
    mut fields: Map<String, Value>,
    labels: &Labels,
    dataset: &mut Dataset<'_>,
) -> Result<(Kind, Draft), String> {
    let kind = kind(&fields).ok_or("no column is known as the input, such as question, prompt, text or messages")?;
    let id = take(&mut fields, &IDS);
    let mut draft = match kind {
        Kind::Messages => messages(&mut fields)?,
        Kind::Choices => choices(&mut fields)?,
        Kind::Passage => passage(line, &mut fields, dataset),
        Kind::Instruction => instruction(line, &mut fields, dataset),
        Kind::Labels => labelled(line, &mut fields, labels, dataset),
        Kind::Question => plain(line, &mut fields, labels, dataset),
    };
    draft.id = id;
    match fields.remove("metadata") {
        Some(Value::Object(metadata)) => draft.metadata.extend(metadata),
        other => draft.metadata.extend(other.map(|value| ("metadata".to_owned(), value))),
    }
    for (name, value) in fields {
        if value.get("bytes").is_some() && value.get("path").is_some() {
            dataset.note_once(line, &format!("column: {name}"), "pictures and sound are not carried over");
        } else if draft.metadata.contains_key(&name) {
            draft.metadata.insert(format!("column_{name}"), value);
        } else {
            draft.metadata.insert(name, value);
        }
    }
    Ok((kind, draft))
}

/// Chat messages in OpenAI's form; those of ShareGPT have `from` and `value`.
fn chat(value: Value) -> Result<Vec<Value>, String> {
    let Value::Array(items) = value else { return Err("messages is not a list".to_owned()) };
    let convert = |item: Value| {
        let mut message = object(item);
        let role = take(&mut message, &["role", "from"]).as_ref().and_then(text_of).ok_or("a message has no role")?;
        let role = match role.to_ascii_lowercase().as_str() {
            "human" | "user" | "prompter" => "user".to_owned(),
            "gpt" | "assistant" | "model" | "bot" | "chatgpt" => "assistant".to_owned(),
            other => other.to_owned(),
        };
        message.retain(|_, value| !value.is_null());
        let content = take(&mut message, &["content", "value", "text"]).unwrap_or_else(|| json!(""));
        message.insert("role".to_owned(), json!(role));
        message.insert("content".to_owned(), content);
        Ok(Value::Object(message))
    };
    items.into_iter().map(convert).collect()
}

fn is_assistant(message: &Value) -> bool {
    message.get("role").and_then(Value::as_str) == Some("assistant")
}

fn messages(fields: &mut Map<String, Value>) -> Result<Draft, String> {
    let value = take(fields, &MESSAGES).unwrap_or_default();
    let mut messages = chat(value)?;
    let system = take(fields, &["system"]).as_ref().and_then(text_of);
    if let Some(system) = system {
        messages.insert(0, json!({"role": "system", "content": system}));
    }
    let answer = messages.pop_if(|last| is_assistant(last));
    if messages.is_empty() {
        return Err("messages has no message before the answer".to_owned());
    }
    Ok(Draft { input: Value::Array(messages), expected: answer.map(answer_of), ..Draft::default() })
}

/// The accepted answer that a message is: its text, or its tool calls in the form in which answers are scored.
fn answer_of(message: Value) -> Value {
    let mut message = object(message);
    let content = message.remove("content").unwrap_or_default();
    match (is_absent(&content), message.remove("tool_calls")) {
        (true, Some(calls)) => json!([calls]),
        _ => content,
    }
}

/// Answers as they are written: a text, a list, an object of lists as in SQuAD, or a value with aliases.
fn answers(line: u64, value: Value, dataset: &mut Dataset<'_>) -> Option<Value> {
    let mut distinct = |items: Vec<Value>| distinct(line, items, dataset);
    match value {
        Value::Object(mut fields) => match fields.remove("text").or_else(|| fields.remove("aliases")) {
            Some(Value::Array(texts)) if !texts.is_empty() => Some(distinct(texts)),
            Some(Value::String(text)) => Some(Value::String(text)),
            Some(_) => fields.remove("value"),
            None => fields.remove("value").or_else(|| (!fields.is_empty()).then_some(Value::Object(fields))),
        },
        Value::Array(items) if items.iter().all(|item| item.get("role").is_some()) => {
            items.last().cloned().map(answer_of)
        }
        Value::Array(items) => Some(distinct(items)).filter(|items| !is_absent(items)),
        Value::Null => None,
        other => Some(other),
    }
}

fn distinct(line: u64, items: Vec<Value>, dataset: &mut Dataset<'_>) -> Value {
    if items.len() > MAX_ANSWERS {
        let why = format!("only the first {MAX_ANSWERS} accepted answers of a row are carried over");
        dataset.note_once(line, "answers", &why);
    }
    let mut kept: Vec<Value> = Vec::new();
    for item in items.into_iter().take(MAX_ANSWERS) {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    Value::Array(kept)
}

fn passage(line: u64, fields: &mut Map<String, Value>, dataset: &mut Dataset<'_>) -> Draft {
    let expected = fields.remove("answers").and_then(|value| answers(line, value, dataset));
    if expected.as_ref().is_none_or(is_absent) {
        dataset.note_once(
            line,
            "answers: none",
            "questions that the passage does not answer have no accepted answer, and most scorers skip them",
        );
    }
    Draft {
        input: fields.remove("question").unwrap_or_default(),
        context: fields.remove("context"),
        expected,
        ..Draft::default()
    }
}

fn instruction(line: u64, fields: &mut Map<String, Value>, dataset: &mut Dataset<'_>) -> Draft {
    let instruction = take(fields, &["instruction"]).as_ref().and_then(text_of).unwrap_or_default();
    let input = match take(fields, &["input"]).as_ref().and_then(text_of) {
        Some(input) => format!("{instruction}\n\n{input}"),
        None => instruction,
    };
    let context = take(fields, &["context"]);
    let expected = take(fields, &["output", "response", "completion", "answer"]);
    let expected = expected.and_then(|value| answers(line, value, dataset));
    Draft { input: json!(input), expected, context, ..Draft::default() }
}

/// The name of a label that may be a number.
fn label(line: u64, column: &str, value: Value, labels: &Labels, dataset: &mut Dataset<'_>) -> Option<Value> {
    let number = value.as_i64().or_else(|| value.as_str().filter(|_| labels.has(column))?.trim().parse().ok());
    match number {
        Some(number) if number < 0 => {
            dataset.note_once(
                line,
                "label: -1",
                "means that the label is not published; these rows have no accepted answer",
            );
            None
        }
        Some(number) => Some(match labels.name(column, number) {
            Some(name) => json!(name),
            None => {
                if LABEL.contains(&column) {
                    const WHY: &str = "the names of these labels are in no file beside the rows (dataset_info.json, \
                                       README.md); the numbers are the answers";
                    dataset.note_once(line, "label: numbers", WHY);
                }
                value
            }
        }),
        None => match value {
            Value::Array(items) => {
                dataset.note_once(
                    line,
                    "label: several",
                    "each of several labels counts as right; karat does not compare sets of labels",
                );
                let named = items.into_iter().filter_map(|item| label(line, column, item, labels, dataset));
                Some(named.collect())
            }
            other => Some(other),
        },
    }
}

fn take_label(line: u64, fields: &mut Map<String, Value>, labels: &Labels, dataset: &mut Dataset<'_>) -> Option<Value> {
    let column = *LABEL.iter().find(|name| fields.get(**name).is_some_and(|value| !is_absent(value)))?;
    let value = fields.remove(column)?;
    label(line, column, value, labels, dataset)
}

fn labelled(line: u64, fields: &mut Map<String, Value>, labels: &Labels, dataset: &mut Dataset<'_>) -> Draft {
    let input = match pair(fields) {
        Some((first, second)) => json!({first: fields.remove(first), second: fields.remove(second)}),
        None => take(fields, &TEXT).unwrap_or_default(),
    };
    let expected = take_label(line, fields, labels, dataset);
    Draft { input, expected, ..Draft::default() }
}

fn plain(line: u64, fields: &mut Map<String, Value>, labels: &Labels, dataset: &mut Dataset<'_>) -> Draft {
    let mut draft = Draft { input: take(fields, &QUESTION).unwrap_or_default(), ..Draft::default() };
    let column = ANSWER.into_iter().find(|name| fields.get(*name).is_some_and(|value| !is_absent(value)));
    let answer = column.and_then(|column| fields.remove(column));
    // Elsewhere a number is an answer, and -3 is no label that is not published.
    let label_column = column.filter(|column| LABEL.contains(column) || labels.has(column));
    draft.context = take(fields, &["context", "contexts", "passage", "documents"]);
    draft.expected = match answer {
        // As in GSM8K, whose answers end with the result behind four hashes.
        Some(Value::String(text)) if text.contains("\n#### ") => {
            let result = text.rsplit("#### ").next().unwrap_or_default().trim().to_owned();
            draft.metadata.insert("solution".to_owned(), json!(text));
            Some(json!(result))
        }
        Some(value) => match (label_column, &value) {
            (Some(column), Value::Number(_)) => label(line, column, value, labels, dataset),
            _ => answers(line, value, dataset),
        },
        None => None,
    };
    draft
}

/// A question with choices, and the letter of the right one.
fn choices(fields: &mut Map<String, Value>) -> Result<Draft, String> {
    let column = question(fields).unwrap_or("question");
    let input = fields.remove(column).unwrap_or_default();
    let (texts, names) = match take(fields, &CHOICES) {
        Some(Value::Object(mut choices)) => match choices.remove("text") {
            Some(texts) => (texts, choices.remove("label")),
            // Such as {"A": …, "B": …}.
            None => {
                let sorted: BTreeMap<String, Value> = choices.into_iter().collect();
                (sorted.values().cloned().collect(), Some(sorted.keys().map(|name| json!(name)).collect()))
            }
        },
        Some(list) => (list, None),
        None => {
            let letters = (0..lettered(fields)).filter_map(letter);
            (letters.map(|letter| fields.remove(&letter).unwrap_or_default()).collect(), None)
        }
    };
    // An empty choice stays, or those behind it would have other letters than their answers.
    let all = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().map(|item| text_of(item).unwrap_or_default()).collect()
    };
    let texts = all(&texts);
    if texts.is_empty() || texts.len() > MAX_CHOICES {
        return Err(format!("choices must be 1 to {MAX_CHOICES} texts"));
    }
    let names = names.as_ref().map(all).unwrap_or_default();
    let answer = take(fields, &["answerKey", "answer", "label", "target", "gold", "answer_index", "correct"]);
    let expected = match answer {
        None => None,
        Some(answer) => match index(&answer, &texts, &names) {
            Some(index) => letter(index).map(|letter| json!(letter)),
            None if answer.as_i64().is_some_and(|number| number < 0) => None,
            None => return Err("the answer is none of the choices".to_owned()),
        },
    };
    let metadata = object(json!({"choices": texts}));
    Ok(Draft { input, expected, metadata, ..Draft::default() })
}

/// The place of the right choice, which is given by its number, its name, its letter or its text.
fn index(answer: &Value, texts: &[String], names: &[String]) -> Option<usize> {
    let at = match answer {
        Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        Value::String(text) => {
            let text = text.trim();
            let by_name = || names.iter().position(|name| name == text);
            let by_text = || texts.iter().position(|choice| choice.trim() == text);
            let by_letter = || match text.as_bytes() {
                [byte @ b'A'..=b'Z'] => Some(usize::from(byte - b'A')),
                [byte @ b'a'..=b'z'] => Some(usize::from(byte - b'a')),
                _ => None,
            };
            by_name().or_else(by_text).or_else(by_letter).or_else(|| text.parse().ok())
        }
        _ => None,
    };
    at.filter(|at| *at < texts.len())
}
