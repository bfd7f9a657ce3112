//! Evals that a model grades, as judges.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::Sink;
use super::super::draft::{Dataset, literal, slug, text_of};
use super::super::format_strings::{Filled, filled, is_name};
use super::super::models::grader;
use super::registry::Eval;
use super::{Problem, Scored};

/// A judge without its endpoint.
#[derive(Debug, Clone)]
pub(super) struct ModelGraded {
    /// The name of its specification.
    spec: String,
    /// The line on which the specification is named.
    line: u64,
    keys: Map<String, Value>,
}

impl ModelGraded {
    /// The scorer, after its endpoint has been added.
    pub(super) fn scorer(mut self, eval: &Eval, dataset: &mut Dataset<'_>) -> Value {
        let judge = grader(dataset.out(), None);
        let why = "the judge is the endpoint \"grader\" in karat.yaml, whose model you choose; it gives its reasons \
                   and verdict as JSON, in place of the words that eval_type asks for";
        let note = super::Note {
            file: eval.file.clone(),
            line: self.line,
            what: format!("modelgraded_spec: {}", self.spec),
            why: why.to_owned(),
        };
        dataset.out().note(note);
        self.keys.insert("judge".to_owned(), json!(judge));
        Value::Object(self.keys)
    }
}

/// The judge of an eval.
pub(super) fn model_graded(eval: &Eval, out: &mut dyn Sink) -> Result<Scored, Problem> {
    let Some((line, name)) = eval.text("modelgraded_spec") else {
        return Err(Problem::new(
            eval.class_line,
            &eval.name,
            "has no modelgraded_spec, which says how a model grades",
        ));
    };
    let fail = |line: u64, why: &str| Problem::new(line, format!("modelgraded_spec: {name}"), why);
    if let Some((line, why)) = not_of_one_answer(eval) {
        return Err(fail(line, why));
    }
    let given =
        eval.args.get("modelgraded_spec_args").and_then(|(_, value)| value.as_object()).cloned().unwrap_or_default();
    let keys = match name {
        "fact" => json!({"name": "fact", "type": "factuality"}),
        "closedqa" => {
            let criteria = given.get("criteria").and_then(text_of).map(|text| literal(&text));
            let criteria = criteria.unwrap_or_else(|| "{{ metadata.criteria }}".to_owned());
            json!({"name": "closedqa", "type": "closed_qa", "criteria": criteria})
        }
        _ => {
            let (_, spec) = eval
                .model_graded_spec(name, out)
                .ok_or_else(|| fail(line, "is not in the folder modelgraded of the registry"))?;
            rubric(name, &spec, &given).map_err(|why| fail(line, why))?
        }
    };
    let judge = ModelGraded { spec: name.to_owned(), line, keys: super::object(keys) };
    Ok(Scored { scorers: Vec::new(), judge: Some(judge) })
}

/// Why an eval does not grade one answer to a question, and on which line that is said.
fn not_of_one_answer(eval: &Eval) -> Option<(u64, &'static str)> {
    let given = |key: &str| eval.args.get(key).map(|(line, value)| (*line, value));
    if let Some((line, _)) = given("metaeval").filter(|(_, value)| **value == json!(true)) {
        let why = "compares a judge with labels; `karat judge validate` does so with answers and labels in a file";
        return Some((line, why));
    }
    let (line, _) = given("multicomp_n").filter(|(_, value)| **value != json!(1))?;
    Some((line, "compares several answers to one question with each other, and karat scores one answer at a time"))
}

/// A rubric with the prompt of a specification, and the scores of its choices.
fn rubric(name: &str, spec: &Value, given: &Map<String, Value>) -> Result<Value, &'static str> {
    let pairs = spec.get("input_outputs").and_then(Value::as_object).ok_or("has no input_outputs")?;
    let (Some((input, output)), 1) = (pairs.iter().next(), pairs.len()) else {
        return Err("compares several answers with each other, and karat scores one answer at a time");
    };
    let output = output.as_str().ok_or("has no name for the answer in input_outputs")?;
    if input != "input" {
        return Err("reads the question from another field than input");
    }
    let prompt = spec.get("prompt").and_then(prompt_text).ok_or("has no prompt")?;
    let variable = |variable: &str| match variable {
        "input" => Some("{{ input }}".to_owned()),
        "ideal" => Some("{{ expected }}".to_owned()),
        other if other == output => Some("{{ output }}".to_owned()),
        other => match given.get(other).and_then(text_of) {
            Some(text) => Some(literal(&text)),
            None => is_name(other).then(|| format!("{{{{ metadata.{other} }}}}")),
        },
    };
    let Filled { text: prompt, complete: true } = filled(&prompt, &variable) else {
        return Err("has a prompt that uses Python's format strings in a way that karat cannot convert");
    };
    if !prompt.contains("{{ output }}") {
        return Err("continues the conversation and asks about the last answer, without naming it in the prompt");
    }
    let scores = scores(spec)?;
    let choices: Vec<String> = scores.iter().map(|(choice, score)| format!("\"{choice}\": {score}")).collect();
    let criteria =
        format!("Make the choice that the task asks for. The score of each choice is: {}.", choices.join(", "));
    let prompt = format!("{prompt}\n\n{{{{ criteria }}}}");
    Ok(json!({"name": slug(name), "type": "rubric", "criteria": literal(&criteria), "prompt": prompt}))
}

fn prompt_text(prompt: &Value) -> Option<String> {
    match prompt {
        Value::String(text) => Some(text.clone()),
        Value::Array(messages) => {
            let texts: Option<Vec<&str>> = messages.iter().map(|message| message.get("content")?.as_str()).collect();
            texts.map(|texts| texts.join("\n\n"))
        }
        _ => None,
    }
}

/// The scores of the choices, from 0 to 1 as the lowest and the highest.
fn scores(spec: &Value) -> Result<BTreeMap<String, f64>, &'static str> {
    let choices: Vec<String> = match spec.get("choice_strings") {
        Some(Value::String(text)) if text.starts_with("from_n") => {
            return Err("compares several answers with each other, and karat scores one answer at a time");
        }
        Some(Value::String(text)) => text.chars().map(String::from).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(text_of).collect(),
        _ => return Err("has no choice_strings"),
    };
    let score = |choice: &String| -> Option<(String, f64)> {
        let score = match spec.get("choice_scores")? {
            Value::String(how) if how == "from_strings" => choice.parse().ok()?,
            Value::Object(scores) => scores.get(choice)?.as_f64()?,
            _ => return None,
        };
        f64::is_finite(score).then(|| (choice.clone(), score))
    };
    let scores: Option<BTreeMap<String, f64>> = choices.iter().map(score).collect();
    let scores =
        scores.filter(|scores| !scores.is_empty()).ok_or("gives its choices no scores, but only counts them")?;
    let (low, high) =
        scores.values().fold((f64::MAX, f64::MIN), |(low, high), score| (low.min(*score), high.max(*score)));
    if low >= 0.0 && high <= 1.0 {
        return Ok(scores);
    }
    let range = (high - low).max(f64::MIN_POSITIVE);
    Ok(scores.into_iter().map(|(choice, score)| (choice, (score - low) / range)).collect())
}
