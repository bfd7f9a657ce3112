//! OpenAI evals: evals of a registry with their samples, and samples alone.

mod judge;
mod registry;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use self::judge::{ModelGraded, model_graded};
use self::registry::{Eval, is_pointer};
use super::draft::{Dataset, Draft, Suite, baseline, is_absent, object, take};
use super::records::{self, extension, unreadable};
use super::{Carried, Note, Sink, SuiteFormat};
use crate::core::domain::Failure;

/// Evals of OpenAI's registry.
pub struct OpenAiEvals;

/// The most reasons that are listed if no eval can be read.
const LISTED: usize = 20;

/// The most examples that are shown before each question.
const MAX_SHOTS: u64 = 100;

impl SuiteFormat for OpenAiEvals {
    fn name(&self) -> &'static str {
        "openai-evals"
    }

    fn reads(&self) -> &'static str {
        "evals of a registry of openai/evals 3 (checked with commit 4bfc1f5, 2025-11) with their samples: Match, \
         Includes, FuzzyMatch, JsonMatch, JsonValidator and ModelBasedClassify; samples as JSON Lines alone"
    }

    fn read(&self, path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
        let is_yaml = ["yaml", "yml"].contains(&extension(path).as_str());
        if !path.is_dir() && !is_yaml {
            return samples_alone(path, out);
        }
        let mut groups: BTreeMap<Shape, Vec<(Eval, Scored)>> = BTreeMap::new();
        let mut problems = Vec::new();
        for eval in registry::evals(path, out)? {
            match carry(&eval, out) {
                Ok((shape, scored)) => groups.entry(shape).or_default().push((eval, scored)),
                Err(Problem { line, what, why }) => {
                    out.carried(&eval.class_name, Carried::Not);
                    if problems.len() < LISTED {
                        problems.push(format!("{}:{line}: {what} {why}", eval.file.display()));
                    }
                    out.note(Note { file: eval.file.clone(), line, what, why });
                }
            }
        }
        if groups.is_empty() {
            let failure = Failure::data(format!("{}: no eval can be carried over", path.display())).details(problems);
            return Err(failure.hint(
                "karat reads Match, Includes, FuzzyMatch, JsonMatch, JsonValidator and ModelBasedClassify with their \
                 samples",
            ));
        }
        groups.into_iter().try_for_each(|(shape, evals)| write(&shape, evals, out))
    }
}

/// Why an eval is not carried over.
struct Problem {
    line: u64,
    what: String,
    why: String,
}

impl Problem {
    fn new(line: u64, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { line, what: what.into(), why: why.into() }
    }
}

/// What examples are made of; evals of one shape share a dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    samples: PathBuf,
    /// Whether accepted answers are JSON in texts.
    json: bool,
    /// The file of examples to show, and how many.
    shots: Option<(PathBuf, u64)>,
}

/// How answers are scored.
struct Scored {
    scorers: Vec<Value>,
    /// The judge, whose endpoint is added with the suite.
    judge: Option<ModelGraded>,
}

impl Scored {
    fn by(scorers: Vec<Value>) -> Self {
        Self { scorers, judge: None }
    }
}

/// What an eval becomes.
fn carry(eval: &Eval, out: &mut dyn Sink) -> Result<(Shape, Scored), Problem> {
    let flag = |key: &str| eval.args.get(key).is_some_and(|(_, value)| *value == json!(true));
    let scored = match eval.class_name.as_str() {
        "Match" => Scored::by(vec![json!({"name": "match", "type": "starts_with", "normalize": []})]),
        "Includes" => {
            let normalize = if flag("ignore_case") { json!(["lowercase"]) } else { json!([]) };
            Scored::by(vec![json!({"name": "includes", "type": "contains", "normalize": normalize})])
        }
        "FuzzyMatch" => fuzzy(eval, out),
        "JsonMatch" => {
            Scored::by(vec![json!({"name": "json-match", "type": "json_equal", "absolute": 0, "relative": 0})])
        }
        "JsonValidator" => Scored::by(vec![json!({"type": "is_json"})]),
        "ModelBasedClassify" => model_graded(eval, out)?,
        other => return Err(Problem::new(eval.class_line, format!("class: {other}"), without_counterpart(other))),
    };
    let Some((line, named)) = eval.text("samples_jsonl") else {
        return Err(Problem::new(eval.class_line, &eval.name, "has no samples_jsonl, so there are no samples to read"));
    };
    let samples = data_file(eval, line, named)?;
    let shots = match (eval.number("num_few_shot"), eval.text("few_shot_jsonl")) {
        (Some((at, count)), Some((line, file))) if count > 0 => {
            if count > MAX_SHOTS {
                let why = format!("only the first {MAX_SHOTS} examples are shown before each question");
                out.note(Note { file: eval.file.clone(), line: at, what: "args: num_few_shot".to_owned(), why });
            }
            Some((data_file(eval, line, file)?, count.min(MAX_SHOTS)))
        }
        _ => None,
    };
    note_arguments(eval, out);
    Ok((Shape { samples, json: eval.class_name == "JsonMatch", shots }, scored))
}

/// Either text within the other, after normalisation; and SQuAD's F1 of words.
fn fuzzy(eval: &Eval, out: &mut dyn Sink) -> Scored {
    let why = "articles are not removed, and punctuation only at both ends, before one text is looked for in the other";
    out.note(Note {
        file: eval.file.clone(),
        line: eval.class_line,
        what: "class: FuzzyMatch".to_owned(),
        why: why.to_owned(),
    });
    Scored::by(vec![
        json!({"name": "fuzzy-match", "type": "any", "of": ["contains", {"type": "expression", "expression": within()}]}),
        json!({"name": "f1_score", "type": "token_f1"}),
    ])
}

/// Whether an accepted answer contains the model's, which has punctuation around it more often than not.
fn within() -> String {
    let answer = r#"output | trim(' \t\r\n.,;:!?"\'()[]*_`')"#;
    format!("({answer}) != '' and ({answer} | lower) in (accepted | join('\\n') | lower)")
}

fn without_counterpart(class: &str) -> &'static str {
    match class {
        "MultipleChoice" => {
            "loads a data set of Hugging Face; download it as JSON Lines or Parquet and import it with the format \
             huggingface"
        }
        "Translate" => "computes the BLEU of a whole translation; import its samples alone and use the scorer bleu",
        _ => "is code of its own; its samples can be imported alone, and a program can score the answers (type: exec)",
    }
}

/// The file that an argument names, in the folder `data` of the registry.
fn data_file(eval: &Eval, line: u64, named: &str) -> Result<PathBuf, Problem> {
    let what = format!("samples: {named}");
    let Some(path) = eval.data_file(named) else {
        return Err(Problem::new(line, what, "is not in the folder data of the registry, nor beside the file"));
    };
    if std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
        return Err(Problem::new(line, what, "is an empty file"));
    }
    if is_pointer(&path) {
        return Err(Problem::new(
            line,
            what,
            "is a pointer of Git LFS, not the file itself; run `git lfs pull` in the registry",
        ));
    }
    Ok(path)
}

/// Says which arguments have no effect here.
fn note_arguments(eval: &Eval, out: &mut dyn Sink) {
    const READ: [&str; 8] = [
        "samples_jsonl",
        "ignore_case",
        "num_few_shot",
        "few_shot_jsonl",
        "modelgraded_spec",
        "modelgraded_spec_args",
        "eval_type",
        "metaeval",
    ];
    for (name, (line, _)) in eval.args.iter().filter(|(name, _)| !READ.contains(&name.as_str())) {
        let why = match name.as_str() {
            "max_tokens" | "sample_kwargs" => "belongs to the evaluated model: write it under params of its endpoint",
            "eval_kwargs" => "belongs to the model that grades: write it under params of the endpoint grader",
            "match_fn" => "is not needed: a judge of karat gives its verdict as JSON",
            _ => "is an argument that karat does not know, and has no effect",
        };
        out.note(Note { file: eval.file.clone(), line: *line, what: format!("args: {name}"), why: why.to_owned() });
    }
}

/// Writes the dataset of a shape, and a suite for each of its evals.
fn write(shape: &Shape, evals: Vec<(Eval, Scored)>, out: &mut dyn Sink) -> Result<(), Failure> {
    let shots = shape.shots.as_ref().map(|(file, count)| shots(file, *count)).transpose()?.unwrap_or_default();
    let first = evals.first().map_or("samples", |(eval, _)| eval.name.as_str());
    let card = json!({"description": format!("Samples of the eval {first}."), "source": "OpenAI evals"});
    let mut dataset = Dataset::start(out, shape.samples.clone(), first, card);
    samples(&shape.samples, shape.json, &shots, &mut dataset)?;
    for (eval, mut scored) in evals {
        if let Some(judge) = scored.judge {
            scored.scorers.push(judge.scorer(&eval, &mut dataset));
        }
        dataset.out().carried(&eval.class_name, Carried::Directly);
        let endpoints = vec![baseline(dataset.out())];
        let description =
            eval.description.clone().unwrap_or_else(|| format!("The eval {} of OpenAI's evals.", eval.name));
        let suite = Suite { description, prompt: None, endpoints, scorers: scored.scorers, repeat: 1 };
        dataset.suite_named(&eval.name, suite);
    }
    Ok(())
}

/// Reads samples that no eval refers to.
fn samples_alone(path: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
    if is_pointer(path) {
        return Err(Failure::data(format!("{} is a pointer of Git LFS, not the file itself", path.display()))
            .hint("run `git lfs pull` where it comes from"));
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    // In a registry, most files are named samples.jsonl.
    let name = folder.filter(|_| stem == "samples").unwrap_or(stem);
    let card = json!({"description": format!("Samples of {name}."), "source": "OpenAI evals"});
    let mut dataset = Dataset::start(out, path.to_owned(), &name, card);
    samples(path, false, &[], &mut dataset)?;
    if dataset.is_empty() {
        return Err(Failure::data(format!("{} contains no samples", path.display())));
    }
    if dataset.seen.rows > 0 {
        let why = "samples do not say how they are scored; import the eval's YAML file for its own scorer";
        dataset.note(0, "class", why);
    }
    dataset.usual_suite(&format!("The samples {name}, with scorers that fit their ideal answers."));
    Ok(())
}

/// Adds all samples of a file.
fn samples(file: &Path, json: bool, shots: &[Value], dataset: &mut Dataset<'_>) -> Result<(), Failure> {
    for row in records::rows(file, &["samples", "data"])? {
        let row = row.map_err(|error| unreadable(file, error))?;
        match row.fields.and_then(|fields| sample(fields, json, shots)) {
            Ok(draft) => {
                if draft
                    .expected
                    .as_ref()
                    .and_then(Value::as_array)
                    .is_some_and(|answers| answers.iter().any(is_absent))
                {
                    let why = "what is empty or null cannot be an accepted answer, and is left out";
                    dataset.note_once(row.line, "ideal", why);
                }
                dataset.add(row.line, draft)?;
            }
            Err(reason) => dataset.bad(row.line, reason),
        }
    }
    Ok(())
}

fn sample(mut fields: Map<String, Value>, json: bool, shots: &[Value]) -> Result<Draft, String> {
    let input = fields.remove("input").ok_or("a sample has the field input, and this one has none")?;
    let input = match input {
        Value::Array(mut messages) if !shots.is_empty() => {
            let at = messages.len().saturating_sub(1);
            messages.splice(at..at, shots.iter().cloned());
            Value::Array(messages)
        }
        _ if !shots.is_empty() => {
            return Err("the input is not a list of messages, which examples to show need".to_owned());
        }
        other => other,
    };
    let expected = match fields.remove("ideal") {
        Some(ideal) if json => Some(parsed(ideal)?),
        other => other,
    };
    let id = take(&mut fields, &["id"]);
    let mut metadata = match fields.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        other => object(other.map_or(Value::Null, |value| json!({"metadata": value}))),
    };
    metadata.extend(fields.into_iter().filter(|(_, value)| !is_absent(value)));
    Ok(Draft { id, input, expected, metadata, ..Draft::default() })
}

/// The values of ideal answers that are JSON in texts. Each is one accepted answer.
fn parsed(ideal: Value) -> Result<Value, String> {
    let answers = match ideal {
        Value::Array(answers) => answers,
        one => vec![one],
    };
    let parse = |answer: Value| match answer {
        Value::String(text) => serde_json::from_str::<Value>(&text).map_err(|_| "ideal is not JSON".to_owned()),
        _ => Err("ideal is not JSON in a text".to_owned()),
    };
    answers.into_iter().map(parse).collect()
}

/// The messages of the first examples of a file.
fn shots(file: &Path, count: u64) -> Result<Vec<Value>, Failure> {
    let mut messages = Vec::new();
    for row in records::rows(file, &["samples", "data"])?.take(usize::try_from(count).unwrap_or(0)) {
        let row = row.map_err(|error| unreadable(file, error))?;
        let sample = row.fields.ok().and_then(|mut fields| fields.remove("sample"));
        match sample {
            Some(Value::Array(sample)) => messages.extend(sample),
            _ => {
                return Err(Failure::data(format!(
                    "{}:{}: an example to show has no list of messages \"sample\"",
                    file.display(),
                    row.line
                )));
            }
        }
    }
    Ok(messages)
}

#[cfg(test)]
mod tests;
