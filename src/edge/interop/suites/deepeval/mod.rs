//! DeepEval: goldens, single-turn and conversational, as `EvaluationDataset.save_as` writes them.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::draft::{Dataset, Draft, Suite, baseline, is_absent, literal, take, text_of};
use super::models::grader;
use super::records::{self, unreadable};
use super::{Sink, SuiteFormat};
use crate::core::domain::Failure;

/// Goldens of DeepEval.
pub struct DeepEval;

/// Keys of JSON documents that contain goldens.
const LISTS: &[&str] = &["goldens", "conversationalGoldens", "conversational_goldens", "data"];

/// What stands between the texts of a list in a cell of CSV and in JSON Lines.
const DELIMITER: char = '|';

/// How a picture or document of a golden is written.
const MEDIA: [&str; 2] = ["[DEEPEVAL:IMAGE:", "[DEEPEVAL:PDF:"];

impl SuiteFormat for DeepEval {
    fn name(&self) -> &'static str {
        "deepeval"
    }

    fn reads(&self) -> &'static str {
        "goldens and conversational goldens as EvaluationDataset.save_as of DeepEval 4 (checked with 4.3.1) writes \
         them: JSON, JSON Lines and CSV"
    }

    fn read(&self, path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
        if path.is_dir() {
            let failure = Failure::data(format!("{} is a folder, not a file of goldens", path.display()));
            return Err(failure.hint("name one file that ends in .json, .jsonl or .csv"));
        }
        let rows = records::rows(path, LISTS)?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let card = json!({"description": format!("Goldens of {name}."), "source": "DeepEval"});
        let mut goldens = Goldens {
            dataset: Dataset::start(out, path.to_owned(), &name, card),
            tools: 0,
            conversations: 0,
            outcomes: 0,
        };
        for row in rows {
            let row = row.map_err(|error| unreadable(path, error))?;
            match row.fields.and_then(|fields| goldens.draft(row.line, fields)) {
                Ok(draft) => goldens.dataset.add(row.line, draft)?,
                Err(reason) => goldens.dataset.bad(row.line, reason),
            }
        }
        if goldens.dataset.is_empty() {
            return Err(Failure::data(format!("{} contains no goldens", path.display())));
        }
        goldens.finish(&name);
        Ok(())
    }
}

/// A dataset of goldens that is being written.
struct Goldens<'a> {
    dataset: Dataset<'a>,
    /// Goldens with expected tools.
    tools: u64,
    /// Goldens that are conversations.
    conversations: u64,
    /// Conversations with an expected outcome.
    outcomes: u64,
}

impl Goldens<'_> {
    fn draft(&mut self, line: u64, mut fields: Map<String, Value>) -> Result<Draft, String> {
        let scenario = take(&mut fields, &["scenario"]);
        let turns = take(&mut fields, &["turns"]);
        if fields.values().chain(&turns).any(has_media) {
            let why = "pictures and documents are not in the file; the text has a placeholder in their place";
            self.dataset.note_once(line, "images_mapping", why);
        }
        let mut draft = match scenario.is_some() || turns.is_some() {
            true => self.conversation(line, scenario, turns, &mut fields)?,
            false => self.single(line, &mut fields)?,
        };
        self.further(line, fields, &mut draft);
        Ok(draft)
    }

    fn single(&mut self, line: u64, fields: &mut Map<String, Value>) -> Result<Draft, String> {
        let input =
            fields.remove("input").ok_or("a golden has the field input or scenario, and this row has neither")?;
        let expected = take(fields, &["expected_output", "expectedOutput"]);
        let retrieved = take(fields, &["retrieval_context", "retrievalContext"]).map(documents);
        let context = take(fields, &["context"]).map(documents);
        let mut draft = Draft { input, expected, ..Draft::default() };
        if let Some(output) = take(fields, &["actual_output", "actualOutput"]) {
            let why =
                "the answer of the evaluated application is kept as metadata.actual_output; it is no accepted answer";
            self.dataset.note_once(line, "actual_output", why);
            draft.metadata.insert("actual_output".to_owned(), output);
        }
        if context.is_none() && retrieved.is_some() {
            let why =
                "goldens without a context have the retrieved texts as their context, which prompts and judges read";
            self.dataset.note_once(line, "retrieval_context", why);
            draft.context = retrieved;
        } else {
            draft.context = context;
            draft.metadata.extend(retrieved.map(|texts| ("retrieval_context".to_owned(), texts)));
        }
        if let Some(tools) = take(fields, &["expected_tools", "expectedTools"]) {
            let calls = expected_calls(&tools)?;
            self.tools += 1;
            let why = "each example lists them under assert; other calls are allowed as in ToolCorrectness, and \
                       arguments are compared where the golden has some";
            self.dataset.note_once(line, "expected_tools", why);
            let scorer = json!([{"type": "tool_calls", "calls": calls, "extra_calls": true}]);
            draft.further.insert("assert".to_owned(), scorer);
            draft.metadata.insert("expected_tools".to_owned(), tools);
        }
        Ok(draft)
    }

    fn conversation(
        &mut self,
        line: u64,
        scenario: Option<Value>,
        turns: Option<Value>,
        fields: &mut Map<String, Value>,
    ) -> Result<Draft, String> {
        let turns = turns.map(read_turns).transpose()?.unwrap_or_default();
        let said: Vec<Value> =
            turns.iter().filter(|turn| is_by(turn, "user")).filter_map(|turn| turn.get("content").cloned()).collect();
        let mut draft = Draft { context: take(fields, &["context"]).map(documents), ..Draft::default() };
        self.conversations += 1;
        if said.is_empty() {
            let why = "karat simulates no users: where a golden has no turns of a user, its scenario is sent as the \
                       only message; write such messages as turns";
            self.dataset.note_once(line, "scenario", why);
            draft.input = scenario.ok_or("a conversational golden has neither a scenario nor a turn of a user")?;
        } else {
            draft
                .further
                .insert("turns".to_owned(), json!(said.iter().map(|text| json!({"user": text})).collect::<Vec<_>>()));
            draft.metadata.extend(scenario.map(|scenario| ("scenario".to_owned(), scenario)));
        }
        if turns.iter().any(|turn| !is_by(turn, "user")) {
            let why = "the turns of a user are sent one after the other, each with the answers so far; recorded turns \
                       of the assistant are kept as metadata.recorded_turns";
            self.dataset.note_once(line, "turns", why);
            draft.metadata.insert("recorded_turns".to_owned(), Value::Array(turns));
        }
        if let Some(outcome) = take(fields, &["expected_outcome", "expectedOutcome"]) {
            self.outcomes += 1;
            draft.metadata.insert("expected_outcome".to_owned(), outcome);
        }
        Ok(draft)
    }

    /// Keeps everything else as metadata.
    fn further(&mut self, line: u64, mut fields: Map<String, Value>, draft: &mut Draft) {
        if take(&mut fields.clone(), &["expectations"]).is_some() {
            let why = "is kept as metadata; a judge can read it: {type: closed_qa, judge: NAME, criteria: \"{{ \
                       metadata.expectations }}\", when: \"metadata.expectations is defined\"}";
            self.dataset.note_once(line, "expectations", why);
        }
        let additional = take(&mut fields, &["additional_metadata", "additionalMetadata"]);
        let custom = take(&mut fields, &["custom_column_key_values", "customColumnKeyValues"]);
        draft.metadata.extend(fields.into_iter().filter(|(_, value)| !is_absent(value)));
        for (name, value) in [("additional_metadata", additional), ("custom_column_key_values", custom)] {
            match value {
                Some(Value::Object(values)) if values.keys().all(|key| !draft.metadata.contains_key(key)) => {
                    draft.metadata.extend(values);
                }
                other => draft.metadata.extend(other.map(|value| (name.to_owned(), value))),
            }
        }
    }

    fn finish(mut self, name: &str) {
        let dataset = &mut self.dataset;
        let mut scorers = Vec::new();
        if dataset.seen.answered > 0 || (self.tools == 0 && self.outcomes == 0) {
            scorers = dataset.seen.scorers();
        }
        if self.tools > 0 {
            scorers.push(json!({"type": "assert"}));
        }
        if self.outcomes > 0 {
            let judge = grader(dataset.out(), None);
            scorers.push(json!({
                "name": "expected_outcome",
                "type": "closed_qa",
                "judge": judge,
                "criteria": "{{ metadata.expected_outcome }}",
                "when": "metadata.expected_outcome is defined",
            }));
            let why = "a judge says whether the last answer of the conversation shows it; choose its model under \
                       \"grader\" in karat.yaml";
            dataset.note(0, "expected_outcome", why);
        }
        if dataset.seen.rows > 0 {
            let why = "goldens do not say by which metrics they are evaluated; the suite has scorers that fit what \
                       they expect";
            dataset.note(0, "metrics", why);
        }
        let prompt = if self.conversations == 0 { dataset.seen.prompt() } else { None };
        let endpoints = vec![baseline(dataset.out())];
        let description = format!("The DeepEval goldens of {name}.");
        dataset.suite(Suite { description, prompt, endpoints, scorers, repeat: 1 });
    }
}

fn has_media(value: &Value) -> bool {
    match value {
        Value::String(text) => MEDIA.iter().any(|mark| text.contains(mark)),
        Value::Array(items) => items.iter().any(has_media),
        Value::Object(fields) => fields.values().any(has_media),
        _ => false,
    }
}

/// The texts of a context: a list, or texts joined by a bar. One with a source becomes an object.
fn documents(value: Value) -> Value {
    let document = |text: &str| {
        let marked = text.strip_prefix("deepeval_source=").and_then(|rest| rest.split_once(",deepeval_context="));
        marked.map_or_else(|| json!(text), |(source, text)| json!({"source": source, "text": text}))
    };
    match value {
        Value::String(text) => text.split(DELIMITER).filter(|part| !part.trim().is_empty()).map(document).collect(),
        Value::Array(items) => {
            let item = |item: Value| if let Value::String(text) = &item { document(text) } else { item };
            items.into_iter().map(item).collect()
        }
        other => json!([other]),
    }
}

/// The calls that a golden expects: tools with their parameters, or names separated by semicolons as in older CSV
/// files.
fn expected_calls(tools: &Value) -> Result<Vec<Value>, String> {
    let call = |tool: &Value| {
        let name = tool.get("name").unwrap_or(tool).as_str().map(str::trim).filter(|name| !name.is_empty());
        let name = name.ok_or("a tool of expected_tools has no name")?;
        let parameters = tool.get("inputParameters").or_else(|| tool.get("input_parameters"));
        Ok(match parameters.filter(|parameters| !is_absent(parameters)) {
            Some(parameters) => json!({"name": literal(name), "arguments": without_templates(parameters)}),
            None => json!({"name": literal(name)}),
        })
    };
    match tools {
        Value::Array(items) => items.iter().map(call).collect(),
        Value::String(text) => text.split(';').map(|name| call(&json!(name))).collect(),
        other => Ok(vec![call(other)?]),
    }
}

/// A value in whose texts a template finds nothing to fill in.
fn without_templates(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(literal(text)),
        Value::Array(items) => items.iter().map(without_templates).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), without_templates(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn is_by(turn: &Value, role: &str) -> bool {
    turn.get("role").and_then(Value::as_str) == Some(role)
}

/// The turns of a conversation without what is not set.
fn read_turns(turns: Value) -> Result<Vec<Value>, String> {
    let items = match turns {
        Value::Array(items) => items,
        Value::String(text) => serde_json::from_str(&text).map_err(|_| "turns is not a list in JSON")?,
        _ => return Err("turns is not a list".to_owned()),
    };
    let turn = |turn: Value| {
        let mut fields = super::draft::object(turn);
        fields.retain(|_, value| !is_absent(value));
        if fields.get("content").and_then(text_of).is_none() || !fields.get("role").is_some_and(Value::is_string) {
            return Err("a turn has no role or no content".to_owned());
        }
        Ok(Value::Object(fields))
    };
    items.into_iter().map(turn).collect()
}

#[cfg(test)]
mod tests;
