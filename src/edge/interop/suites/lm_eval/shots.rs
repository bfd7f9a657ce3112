//! Examples that are shown before each question.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::Sink;
use super::super::draft::Dataset;
use super::super::records::unreadable;
use super::config::{Config, Setting, function};
use super::rows::Rows;
use super::{Output, data, metrics};
use crate::core::domain::Failure;

/// The most examples that are shown.
const MAX_SHOTS: u64 = 100;

/// The text of the examples before each question; `None` if there are none, or if a note says why they are left out.
///
/// # Errors
/// A failure if a file cannot be read.
pub(super) fn shown(
    config: &Config,
    output: Output,
    rows: &Rows<'_>,
    dataset: &mut Dataset<'_>,
) -> Result<Option<String>, Failure> {
    let Some(setting) = config.get("num_fewshot") else { return Ok(None) };
    let wanted = setting.value.as_u64().unwrap_or(0);
    if wanted == 0 {
        return Ok(None);
    }
    let found = if output == Output::Choices {
        Err("examples before the question are left out, since their answers are no letters".to_owned())
    } else {
        shots(config, wanted.min(MAX_SHOTS), rows, dataset.out())
    };
    match found {
        Ok(text) => {
            if wanted > MAX_SHOTS {
                let why = format!("only the first {MAX_SHOTS} examples are shown before each question");
                metrics::note(dataset, setting, setting.line, "num_fewshot", &why);
            }
            Ok(Some(text))
        }
        Err(why) => {
            metrics::note(dataset, setting, setting.line, "num_fewshot", &why);
            Ok(None)
        }
    }
}

/// The text of the first examples. The error says why there is none.
fn shots(config: &Config, count: u64, rows: &Rows<'_>, out: &mut dyn Sink) -> Result<String, String> {
    match examples(config, count, out)? {
        Examples::Written(examples) => text(config, &examples, rows),
        // Rows are not written to be in a suite: what they contain is redacted as in the dataset, field by field and, since
        // a template may put the parts of an address together, as a whole.
        Examples::OfSplit(examples) => {
            let redacted = |example: Map<String, Value>| match out.redact(Value::Object(example)) {
                Value::Object(example) => example,
                _ => Map::new(),
            };
            let examples: Vec<_> = examples.into_iter().map(redacted).collect();
            let text = text(config, &examples, rows)?;
            Ok(out.redact(json!(text)).as_str().unwrap_or_default().to_owned())
        }
    }
}

/// The rows that are shown.
enum Examples {
    /// From the task itself.
    Written(Vec<Map<String, Value>>),
    /// From a file of rows.
    OfSplit(Vec<Map<String, Value>>),
}

/// The rows that are shown. The error says why there are none.
fn examples(config: &Config, count: u64, out: &mut dyn Sink) -> Result<Examples, String> {
    const RANDOM: &str = "lm-eval chooses the examples before each question at random, and the suite shows none; \
                          write some into its prompt";
    let own = config.get("fewshot_config").map(|Setting { value, .. }| value);
    let own = |key: &str| own.and_then(|own| own.get(key)).filter(|value| !value.is_null());
    if own("sampler").and_then(Value::as_str) != Some("first_n") {
        return Err(RANDOM.to_owned());
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if ["doc_to_text", "doc_to_target", "doc_to_choice", "process_docs"].iter().any(|key| own(key).is_some()) {
        return Err(
            "fewshot_config has templates of its own, so the suite shows no examples; write some into its prompt"
                .to_owned(),
        );
    }
    match own("samples") {
        Some(Value::Array(samples)) => {
            return Ok(Examples::Written(samples.iter().filter_map(Value::as_object).take(count).cloned().collect()));
        }
        Some(other) if function(other).is_some() => {
            return Err("the examples before each question come from Python code; write them into the suite's prompt"
                .to_owned());
        }
        _ => {}
    }
    let splits = [own("split").and_then(Value::as_str), config.text("fewshot_split"), config.text("training_split")];
    let split = splits.into_iter().flatten().next().ok_or("there is no split of which examples can be shown")?;
    let mut examples = Vec::new();
    for file in data::files(config, split, out).map_err(|failure| failure.message)? {
        let rows = first(config, &file, count - examples.len().min(count)).map_err(|failure| failure.message)?;
        examples.extend(rows);
    }
    Ok(Examples::OfSplit(examples))
}

fn first(config: &Config, file: &Path, count: usize) -> Result<Vec<Map<String, Value>>, Failure> {
    let mut rows = Vec::new();
    for row in data::rows(config, file)?.take(count) {
        let row = row.map_err(|error| unreadable(file, error))?;
        let fields = row.fields.map_err(|reason| {
            let place = format!("{}:{}", file.display(), row.line);
            Failure::data(format!("the examples before each question cannot be read: {place}: {reason}"))
        });
        rows.push(fields?);
    }
    Ok(rows)
}

/// The examples as lm-eval writes them: question, answer, and what stands between.
fn text(config: &Config, examples: &[Map<String, Value>], rows: &Rows<'_>) -> Result<String, String> {
    let delimiter = config.text("target_delimiter").unwrap_or(" ");
    let end = config.text("fewshot_delimiter").unwrap_or("\n\n");
    let mut text = String::new();
    for example in examples {
        let failed = |why: String| format!("the examples before each question cannot be rendered: {why}");
        let answer = rows.answers(example).map_err(failed)?;
        let question = rows.text(example).map_err(failed)?;
        text.extend([question.as_str(), delimiter, answer.first().map_or("", String::as_str), end]);
    }
    Ok(text)
}
