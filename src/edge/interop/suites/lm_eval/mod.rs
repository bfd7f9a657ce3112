//! EleutherAI's lm-evaluation-harness: tasks in YAML over local data.

mod config;
mod data;
mod metrics;
mod rows;
mod shots;
mod templates;

use std::path::Path;

use serde_json::{Value, json};

use self::config::{Config, function};
use self::metrics::Metrics;
use self::rows::Rows;
use super::draft::{Dataset, Suite, baseline, choice_prompt, literal};
use super::folders::{self, Limits, is_yaml};
use super::{Note, Sink, SuiteFormat};
use crate::core::domain::Failure;

/// Tasks of lm-evaluation-harness.
pub struct LmEval;

/// How far a folder of tasks is searched.
const LIMITS: Limits = Limits { depth: 8, most: 100_000 };

/// The most reasons that are listed if no task can be read.
const LISTED: usize = 20;

/// How the model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// For a text.
    Generated,
    /// For one of several choices.
    Choices,
    /// Whether it would continue with a text.
    Continued,
}

impl SuiteFormat for LmEval {
    fn name(&self) -> &'static str {
        "lm-eval"
    }

    fn reads(&self) -> &'static str {
        "tasks of lm-evaluation-harness 0.4 (checked with 0.4.13) in YAML, with include, on local JSON, JSON Lines, \
         CSV or Parquet; output types generate_until, multiple_choice and loglikelihood; a file or a folder of tasks"
    }

    fn read(&self, path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
        if !path.is_dir() {
            return task(&Config::open(path)?, out);
        }
        let files = folders::files(path, LIMITS, &is_yaml)?.noted(out);
        let (mut read, mut failures) = (0_u64, Vec::new());
        for file in files {
            let config = Config::open(&file);
            // Files without a task are there to be included.
            if config.as_ref().is_ok_and(|config| config.get("task").is_none()) {
                continue;
            }
            match config.and_then(|config| task(&config, out)) {
                Ok(()) => read += 1,
                // One task on remote data is no reason to read none.
                Err(failure) => {
                    if failures.len() < LISTED {
                        failures.push(failure.message.clone());
                    }
                    out.note(Note { file, line: 0, what: "task".to_owned(), why: failure.message });
                }
            }
        }
        if read == 0 {
            return Err(Failure::data(format!("{}: no task can be carried over", path.display()))
                .details(failures)
                .hint("karat reads tasks in YAML over local data"));
        }
        Ok(())
    }
}

/// Carries over a task.
fn task(config: &Config, out: &mut dyn Sink) -> Result<(), Failure> {
    check(config)?;
    let output = output_of(config)?;
    let stem = config.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = config.text("task").unwrap_or(&stem).to_owned();
    let split = data::split(config, out)?;
    let files = data::files(config, &split, out)?;
    note_settings(config, output, out);
    let metrics = Metrics::new(config, output);
    let rows = Rows::new(config, output, &files, metrics.ignored())?;
    let first = files.first().cloned().unwrap_or_default();
    let card =
        json!({"description": format!("The split {split} of the task {name}."), "source": "lm-evaluation-harness"});
    let mut dataset = Dataset::start(out, first.clone(), &name, card);
    let numbers = rows.write(&files, &mut dataset)?;
    dataset.enter(first);
    let mut scorers = metrics.scorers(numbers, &mut dataset);
    if scorers.is_empty() {
        scorers = match output {
            Output::Choices => vec![Value::Object(super::draft::choice_scorer())],
            _ => dataset.seen.scorers(),
        };
        dataset.note(
            0,
            "metric_list",
            "none of the task's metrics is carried over; the suite has scorers that fit the targets",
        );
    }
    let prompt = prompt(config, output, &rows, &mut dataset)?;
    let repeat = config.get("repeats").and_then(|setting| setting.value.as_u64()).unwrap_or(1);
    let endpoints = vec![baseline(dataset.out())];
    let description = format!("The task {name} of lm-evaluation-harness.");
    dataset.suite(Suite { description, prompt, endpoints, scorers, repeat });
    Ok(())
}

/// How the model is asked.
fn output_of(config: &Config) -> Result<Output, Failure> {
    Ok(match config.text("output_type").unwrap_or("generate_until") {
        "generate_until" => Output::Generated,
        "multiple_choice" => Output::Choices,
        "loglikelihood" => Output::Continued,
        other => {
            return Err(config
                .fail("output_type", &format!("is {other}; karat has no counterpart for measures of whole texts")));
        }
    })
}

/// Refuses tasks of which too little would be left.
fn check(config: &Config) -> Result<(), Failure> {
    const CODE: &str =
        "is Python code, which karat does not run: write what it makes of the rows as JSON Lines, and name its fields";
    for key in ["class", "custom_dataset", "use_prompt", "doc_to_image", "doc_to_audio"] {
        if config.get(key).is_some() {
            return Err(config.fail(key, "is not carried over: karat reads tasks that are templates over rows of text"));
        }
    }
    if config.get("task").is_some_and(|task| !task.value.is_string()) {
        return Err(config.fail("task", "lists the tasks of a group; import the folder with their files"));
    }
    for key in ["process_docs", "doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix"] {
        if config.get(key).is_some_and(|setting| function(&setting.value).is_some()) {
            return Err(config.fail(key, CODE));
        }
    }
    for key in ["doc_to_text", "doc_to_target"] {
        if config.get(key).is_none() {
            return Err(config.fail(key, "is missing"));
        }
    }
    Ok(())
}

/// Settings that are read elsewhere, or are of no consequence for examples and scorers.
const READ: [&str; 31] = [
    "task",
    "task_alias",
    "tag",
    "group",
    "group_alias",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "fewshot_config",
    "num_fewshot",
    "metric_list",
    "output_type",
    "repeats",
    "filter_list",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "gen_prefix",
    "metadata",
    "process_results",
    "unsafe_code",
    "test_documents",
];

/// Says which settings have no effect here.
fn note_settings(config: &Config, output: Output, out: &mut dyn Sink) {
    let mut note = |key: &str, why: &str| {
        if let Some(setting) = config.get(key) {
            out.note(Note {
                file: setting.file.clone(),
                line: setting.line,
                what: key.to_owned(),
                why: why.to_owned(),
            });
        }
    };
    for (key, _) in config.iter().filter(|(key, _)| !READ.contains(key) && *key != "generation_kwargs") {
        note(key, "is a setting that karat does not know, and has no effect");
    }
    let why = "belongs to the evaluated model: write it under params of its endpoint (until is stop, max_gen_toks is \
               max_tokens)";
    note("generation_kwargs", why);
    match output {
        Output::Choices => note(
            "output_type",
            "the choices are lettered and the model replies with a letter, where lm-eval compares the likelihoods of \
             the choices",
        ),
        Output::Continued => {
            note("output_type", "the model generates its answer, where lm-eval asks how likely the target is")
        }
        Output::Generated => {}
    }
}

/// The prompt of the suite; `None` if the input itself is sent.
fn prompt(
    config: &Config,
    output: Output,
    rows: &Rows<'_>,
    dataset: &mut Dataset<'_>,
) -> Result<Option<Value>, Failure> {
    let mut user = rows.prompt();
    if let Some(shown) = shots::shown(config, output, rows, dataset)? {
        user = format!("{}{user}", literal(&shown));
    }
    if let Some(setting) = config.get("gen_prefix") {
        let why = "ends the prompt, where lm-eval makes it the beginning of the answer";
        metrics::note(dataset, setting, setting.line, "gen_prefix", why);
        let delimiter = if user.ends_with(char::is_whitespace) { "" } else { " " };
        user = format!("{user}{delimiter}{}", literal(setting.value.as_str().unwrap_or_default()));
    }
    if output == Output::Choices {
        user = choice_prompt(&user);
    }
    let description =
        config.get("description").filter(|setting| setting.value.as_str().is_some_and(|text| !text.trim().is_empty()));
    let Some(setting) = description else { return Ok((user != "{{ input }}").then(|| json!(user))) };
    let text = setting.value.as_str().unwrap_or_default();
    if text.contains("{{") || text.contains("{%") {
        let why = "is a template over the rows, and is left out; write it into the suite's prompt, where fields of \
                   rows are metadata.NAME";
        metrics::note(dataset, setting, setting.line, "description", why);
        return Ok((user != "{{ input }}").then(|| json!(user)));
    }
    Ok(Some(json!([{"role": "system", "content": literal(text.trim_end())}, {"role": "user", "content": user}])))
}

#[cfg(test)]
mod tests;
