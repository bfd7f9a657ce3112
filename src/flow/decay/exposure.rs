//! Looks for the examples of a set in the prompts of suites and in the files that models learn from.

use std::io::BufRead;
use std::path::Path;

use serde_json::Value;

use crate::core::domain::{Dataset, Failure, Flag, Prompt};
use crate::core::signals::ExposureSearch;
use crate::flow::Workspace;

/// The flags of the examples that were found, and remarks on what could not be searched.
pub(super) fn exposed(workspace: &Workspace, dataset: &Dataset) -> Result<(Vec<Flag>, Vec<String>), Failure> {
    let mut notes = Vec::new();
    let mut search = ExposureSearch::new(&dataset.examples);
    for name in workspace.suite_names() {
        // A suite that is being written must not stop the measurement of every dataset.
        let suite = match workspace.suite(&name) {
            Ok(suite) => suite,
            Err(failure) => {
                notes.push(format!("the prompt of {name} was not searched for examples: {failure}"));
                continue;
            }
        };
        let source = format!("the prompt of {name}");
        for text in suite.prompts.iter().flat_map(|named| prompt_texts(&named.prompt)) {
            text.lines().zip(1..).for_each(|(line, number)| search.line(&source, number, line));
        }
    }
    for path in &workspace.config.decay.training_files {
        search_file(&mut search, &workspace.config.root, path)?;
    }
    Ok((search.flags(&dataset.examples), notes))
}

fn prompt_texts(prompt: &Prompt) -> Vec<&str> {
    match prompt {
        Prompt::Text(text) => vec![text],
        Prompt::Messages(messages) => messages.iter().map(|message| message.content.as_str()).collect(),
        Prompt::Input => Vec::new(),
    }
}

fn search_file(search: &mut ExposureSearch, root: &Path, path: &Path) -> Result<(), Failure> {
    let source = path.display().to_string();
    let fail = |error: std::io::Error| {
        Failure::data(format!("cannot read {source}"))
            .hint("check decay.training_files in karat.yaml; paths are relative to it")
            .caused_by(error)
    };
    let file = std::fs::File::open(root.join(path)).map_err(fail)?;
    let mut reader = std::io::BufReader::new(file);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(fail)? == 0 {
            break;
        }
        let line = String::from_utf8_lossy(&bytes);
        match serde_json::from_str::<Value>(&line) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => {
                each_text(&value, &mut |text| search.line(&source, number, text))
            }
            _ => search.line(&source, number, &line),
        }
    }
    Ok(())
}

/// Calls `take` with every text in a JSON value.
fn each_text(value: &Value, take: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, take)),
        Value::Object(members) => members.values().for_each(|member| each_text(member, take)),
        _ => {}
    }
}
