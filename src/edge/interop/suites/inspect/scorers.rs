//! The scorers of inspect_ai, and how they are carried over.

use serde_json::{Map, Value, json};

use super::super::draft::{Dataset, choice_scorer, choices_scorer, scorer};
use super::super::extraction::{Case, looked_for};
use super::super::models::{grader, model_endpoint};
use super::is_set;

/// How patterns differ from a search for the last match.
const ANY_ANSWER: &str = "every \"ANSWER:\" counts; inspect_ai reads the last one";

/// The prompt of a judge that grades by the target.
const BY_TARGET: &str = "{{ criteria }}\nThe task:\n{{ input }}\nThe criterion, or the right answer:\n{{ expected }}\n\
                         The answer to grade:\n{{ output }}";

/// The models that can grade.
pub(super) struct Graders<'a> {
    /// Models by role.
    pub(super) roles: Option<&'a Value>,
    /// The evaluated model, which grades if there is no other one.
    pub(super) model: Option<&'a str>,
}

impl Graders<'_> {
    /// The names of the models that grade by a scorer's options.
    fn of(&self, options: &Map<String, Value>) -> Vec<String> {
        let names = |value: &Value| match value {
            Value::Array(items) => items.iter().filter_map(model_name).collect(),
            one => model_name(one).into_iter().collect::<Vec<_>>(),
        };
        let role = options.get("model_role").and_then(|role| role.as_str().or_else(|| role.get("name")?.as_str()));
        let bound = || self.roles.and_then(|roles| roles.get(role.unwrap_or("grader"))).map(names);
        let own = options.get("model").map(names).filter(|names| !names.is_empty());
        own.or_else(bound)
            .filter(|names| !names.is_empty())
            .unwrap_or_else(|| self.model.map(str::to_owned).into_iter().collect())
    }
}

/// The name of a model that is given as text or with its settings.
fn model_name(model: &Value) -> Option<String> {
    model.as_str().or_else(|| model.get("model")?.as_str()).map(str::to_owned)
}

/// The scorer for one of inspect_ai. `None` if there is none; a note says why, or how it differs.
pub(super) fn carry(
    name: &str,
    options: &Map<String, Value>,
    graders: &Graders<'_>,
    dataset: &mut Dataset<'_>,
) -> Option<Value> {
    let (carried, remark) = match name {
        "match" => matching(options),
        "includes" => (Ok(json!({"type": "contains", "normalize": case(options, &[])})), None),
        "exact" => {
            (Ok(json!({"type": "exact"})), Some("inspect_ai also removes articles, and punctuation within the text"))
        }
        "f1" => f1(options),
        "answer" => answer(options),
        "choice" if dataset.seen.several > 0 => (Ok(Value::Object(choices_scorer())), None),
        "choice" => (Ok(Value::Object(choice_scorer())), Some(ANY_ANSWER)),
        "pattern" => pattern(options),
        "model_graded_fact" | "model_graded_qa" => return Some(judge(name, options, graders, dataset)),
        "math" => (Err("compares expressions with SymPy; a program can do this (type: exec)"), None),
        "perplexity" | "target_perplexity" => (Err("needs log probabilities, which are not stored"), None),
        "precomputed_scores" => (Err("reads scores from a file; a program can look them up by id (type: exec)"), None),
        "multi_scorer" | "cascade" => {
            (Err("the log does not say which scorers it combines; write them under all, any or mean"), None)
        }
        _ => (Err("is a scorer of the task's own code; a program can do the same (type: exec)"), None),
    };
    let what = format!("scorer: {name}");
    match (&carried, remark) {
        (Err(why), _) => dataset.note(0, &what, *why),
        (Ok(_), Some(remark)) => dataset.note(0, &what, remark),
        (Ok(_), None) => {}
    }
    carried.ok().map(|keys| scorer(name, keys))
}

/// Reports metrics that are not the usual ones.
pub(super) fn note_metrics(scorer: &str, metrics: Option<&Value>, dataset: &mut Dataset<'_>) {
    const USUAL: [&str; 4] = ["accuracy", "mean", "stderr", "std"];
    let mut names = Vec::new();
    metric_names(metrics.unwrap_or(&Value::Null), &mut names);
    names.retain(|name| !USUAL.contains(&name.as_str()));
    names.dedup();
    if !names.is_empty() {
        let why = format!(
            "metrics are not chosen: every score has its mean and interval, and slices group it; these are not carried \
             over: {}",
            names.join(", ")
        );
        dataset.note(0, &format!("metrics of {scorer}"), why);
    }
}

/// Metrics are a list, in which there may be mappings from names of scores to further lists.
fn metric_names(metrics: &Value, names: &mut Vec<String>) {
    match metrics {
        Value::Array(items) => items.iter().for_each(|item| metric_names(item, names)),
        Value::Object(fields) => match fields.get("name").and_then(Value::as_str) {
            Some(name) => names.push(name.rsplit('/').next().unwrap_or(name).to_owned()),
            None => fields.values().for_each(|list| metric_names(list, names)),
        },
        _ => {}
    }
}

type Converted = (Result<Value, &'static str>, Option<&'static str>);

fn ignores_case(options: &Map<String, Value>) -> bool {
    options.get("ignore_case") != Some(&json!(false))
}

/// Steps of normalisation, with lower case if case is ignored.
fn case(options: &Map<String, Value>, steps: &[&str]) -> Vec<Value> {
    let lowercase = ignores_case(options).then_some("lowercase");
    steps.iter().copied().chain(lowercase).map(|step| json!(step)).collect()
}

fn matching(options: &Map<String, Value>) -> Converted {
    let location = options.get("location").and_then(Value::as_str).unwrap_or("end");
    if is_set(options, "numeric") {
        let differs = match location {
            "end" => "inspect_ai rounds both numbers to five digits, and compares targets that are no numbers as text",
            _ => "the last number of the answer counts, wherever inspect_ai looks; it is not rounded to five digits",
        };
        return (Ok(json!({"type": "numeric"})), Some(differs));
    }
    let normalize = case(options, &["trim", "punctuation"]);
    let keys = match location {
        "begin" => json!({"type": "starts_with", "normalize": normalize}),
        "any" => json!({"type": "contains", "normalize": normalize}),
        "exact" => json!({"type": "exact", "normalize": normalize}),
        _ => {
            let flag = if ignores_case(options) { "(?i)" } else { "" };
            json!({"type": "regex", "pattern": format!(r"{flag}{{expected}}\W*$")})
        }
    };
    (Ok(keys), Some("punctuation and symbols at the ends of a target count; inspect_ai removes them"))
}

fn f1(options: &Map<String, Value>) -> Converted {
    let differs = match (is_set(options, "answer_fn"), is_set(options, "stop_words")) {
        (true, _) => Some("the whole answer is compared; its own function that extracts a part is not carried over"),
        (_, true) => Some("its own stop words are not carried over"),
        _ => None,
    };
    (Ok(json!({"type": "token_f1"})), differs)
}

/// The accepted answer behind "ANSWER:", in place of the extraction of a letter, a word or a line.
fn answer(options: &Map<String, Value>) -> Converted {
    let (pattern, differs) = match options.get("pattern").and_then(Value::as_str) {
        Some("line") => (r"(?i)ANSWER\s*:\s*{expected}\s*$", None),
        Some("word") => (r"(?im)ANSWER\s*:\s*{expected}[.,;:!?]?\s*$", Some(ANY_ANSWER)),
        _ => (r"(?i)ANSWER\s*:\s*{expected}(?:\W|$)", Some(ANY_ANSWER)),
    };
    (Ok(json!({"type": "regex", "pattern": pattern})), differs)
}

/// A pattern with the accepted answer in place of its only group.
fn pattern(options: &Map<String, Value>) -> Converted {
    const WHY: &str = "has no group that each match contains, several groups, or syntax that karat lacks (look-around, \
                       back references); write a pattern with {expected} in place of the answer";
    const DIFFERS: &str = "the accepted answer is looked for in place of the group; nothing is extracted and compared";
    let text = options.get("pattern").and_then(Value::as_str).unwrap_or_default();
    let case = if ignores_case(options) { Case::Ignored } else { Case::Kept };
    match looked_for(text, case) {
        Some(pattern) => (Ok(json!({"type": "regex", "pattern": pattern})), Some(DIFFERS)),
        None => (Err(WHY), None),
    }
}

fn judge(name: &str, options: &Map<String, Value>, graders: &Graders<'_>, dataset: &mut Dataset<'_>) -> Value {
    let models = graders.of(options);
    let known = models.first().filter(|model| model_endpoint(dataset.out(), model, Map::new()).is_some());
    let mut notes = Vec::new();
    if known.is_none() {
        notes.push(
            "its model is not known here; the judge is an endpoint of karat.yaml whose model you choose".to_owned(),
        );
    }
    if models.len() > 1 {
        notes.push("several models grade; the suite has the first one (a mean of judges takes more)".to_owned());
    }
    for key in ["template", "instructions", "grade_pattern"].into_iter().filter(|key| is_set(options, key)) {
        notes.push(format!("its own {key} is not carried over; karat's judges have their own rules, and a key prompt"));
    }
    if is_set(options, "include_history") {
        notes.push("the judge reads the input and the answer, not the whole conversation".to_owned());
    }
    if name == "model_graded_fact" && is_set(options, "partial_credit") {
        let why = "there is no half credit; the key scores gives a relation another value, such as {subset: 0.5}";
        notes.push(why.to_owned());
    }
    for why in notes {
        dataset.note(0, &format!("scorer: {name}"), why);
    }
    let judge = grader(dataset.out(), known.map(String::as_str));
    scorer(name, verdict(name, options, &judge))
}

/// The keys of the judge in place of one of inspect_ai's.
fn verdict(name: &str, options: &Map<String, Value>, judge: &str) -> Value {
    match name {
        "model_graded_fact" => json!({"type": "factuality", "judge": judge}),
        _ if is_set(options, "partial_credit") => json!({
            "type": "rubric", "judge": judge, "prompt": BY_TARGET,
            "criteria": "The answer meets the criterion, or agrees with the right answer. Half of it met is 0.5.",
        }),
        _ => json!({
            "type": "closed_qa", "judge": judge, "prompt": BY_TARGET,
            "criteria": "The answer meets the criterion, or agrees with the right answer.",
        }),
    }
}

/// karat's `reduce` for the first of the reducers of epochs.
pub(super) fn reducer(reducers: Option<&Value>, epochs: u64, dataset: &mut Dataset<'_>) -> Option<String> {
    let names: Vec<&str> = match reducers {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name],
        _ => Vec::new(),
    };
    let first = *names.first()?;
    if names.len() > 1 {
        dataset.note(0, "epochs_reducer", "karat has one reducer per scorer; the first one is carried over");
    }
    let count = |text: &str| text.parse::<u64>().ok().filter(|count| (1..=epochs).contains(count));
    let known = match first {
        "mean" => return None,
        "mode" => Some("majority".to_owned()),
        "max" => Some("any".to_owned()),
        other => match other.rsplit_once('_') {
            Some(("pass_at", k)) => count(k).map(|k| format!("pass@{k}")),
            Some(("pass_k", k)) => count(k).map(|k| format!("pass^{k}")),
            _ => None,
        },
    };
    if known.is_none() {
        dataset.note(
            0,
            "epochs_reducer",
            format!("the reducer {first} has no counterpart; repeats are reduced to their mean"),
        );
    }
    known
}
