//! Examples that are shown before each question.

use std::path::Path;

use serde_json::{Map, Value};

use super::super::draft::Dataset;
use super::super::records::{self, unreadable};
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
    let count = setting.value.as_u64().unwrap_or(0).min(MAX_SHOTS);
    if count == 0 {
        return Ok(None);
    }
    let found = if output == Output::Choices {
        Err("examples before the question are left out, since their answers are no letters".to_owned())
    } else {
        examples(config, count).and_then(|examples| text(config, &examples, rows))
    };
    match found {
        Ok(text) => Ok(Some(text)),
        Err(why) => {
            metrics::note(dataset, setting, setting.line, "num_fewshot", &why);
            Ok(None)
        }
    }
}

/// The rows that are shown. The error says why there are none.
fn examples(config: &Config, count: u64) -> Result<Vec<Map<String, Value>>, String> {
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
            return Ok(samples.iter().filter_map(Value::as_object).take(count).cloned().collect());
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
    for file in data::files(config, split).map_err(|failure| failure.message)? {
        let rows = first(&file, count - examples.len().min(count)).map_err(|failure| failure.message)?;
        examples.extend(rows);
    }
    Ok(examples)
}

fn first(file: &Path, count: usize) -> Result<Vec<Map<String, Value>>, Failure> {
    let rows = records::rows(file, data::LISTS)?.take(count);
    let rows: Result<Vec<_>, _> =
        rows.map(|row| row.map(|row| row.fields).map_err(|error| unreadable(file, error))).collect();
    Ok(rows?.into_iter().flatten().collect())
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
