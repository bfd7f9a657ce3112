//! The metrics and filters of a task, and how they are carried over.

use regex::Regex;
use serde_json::{Map, Value, json};

use super::super::draft::{Dataset, choice_scorer, literal, scorer};
use super::super::extraction::{Case, EXPECTED, looked_for};
use super::super::{Carried, Note};
use super::Output;
use super::config::{Config, Setting, function_name};

/// The pattern of a filter that names none.
const USUAL_PATTERN: &str = r"#### (\-?[0-9\.\,]+)";

/// A metric as written.
struct Metric<'a> {
    line: u64,
    name: &'a str,
    keys: Map<String, Value>,
}

impl Metric<'_> {
    /// Whether an option is on.
    fn is_set(&self, key: &str) -> bool {
        self.keys.get(key) == Some(&json!(true))
    }

    /// Patterns of which matches are removed before texts are compared.
    fn ignored(&self) -> impl Iterator<Item = &str> {
        self.keys.get("regexes_to_ignore").into_iter().flat_map(texts)
    }
}

/// What a filter leaves of an answer.
#[derive(Debug, Default)]
struct Filter {
    name: String,
    line: u64,
    trims: bool,
    lowers: bool,
    majority: bool,
    pattern: Option<String>,
}

/// Carries over the metrics of a task.
pub(super) struct Metrics<'a> {
    config: &'a Config,
    output: Output,
}

impl<'a> Metrics<'a> {
    /// The metrics of a task whose answers are of this kind.
    pub(super) fn new(config: &'a Config, output: Output) -> Self {
        Self { config, output }
    }

    fn listed(&self) -> Vec<Metric<'a>> {
        let Some(setting) = self.config.get("metric_list") else {
            let usual: &[&'static str] = match self.output {
                Output::Generated => &["exact_match"],
                Output::Choices => &["acc"],
                Output::Continued => &["perplexity", "acc"],
            };
            return usual.iter().map(|name| Metric { line: 0, name, keys: Map::new() }).collect();
        };
        let metric = |(line, value): (u64, &'a Value)| {
            let keys = value.as_object().cloned().unwrap_or_default();
            let name = value.get("metric").unwrap_or(value).as_str().unwrap_or_default();
            Metric { line, name, keys }
        };
        setting.items().into_iter().map(metric).collect()
    }

    /// Patterns that are removed from accepted answers before they are compared.
    pub(super) fn ignored(&self) -> Vec<Regex> {
        let metrics = self.listed();
        let exact = metrics.iter().filter(|metric| metric.name == "exact_match");
        exact.flat_map(Metric::ignored).filter_map(|pattern| Regex::new(pattern).ok()).collect()
    }

    /// The scorers, the headline first. `numbers` says whether all accepted answers are numbers.
    pub(super) fn scorers(&self, numbers: bool, dataset: &mut Dataset<'_>) -> Vec<Value> {
        if let Some(setting) = self.config.get("process_results") {
            note(
                dataset,
                setting,
                setting.line,
                "process_results",
                "computes the metrics by Python code; the suite has scorers that fit the answers",
            );
            self.listed().iter().for_each(|metric| dataset.out().carried(shown(metric.name), Carried::Not));
            self.note_filters("has no effect on the scorers that fit the answers", dataset);
            return Vec::new();
        }
        let filters = self.filters(dataset);
        let mut scorers = Vec::new();
        for metric in self.listed() {
            self.note_aggregation(&metric, dataset);
            let carried = match self.output {
                Output::Choices => self.choice(&metric, dataset),
                Output::Continued => self.continued(&metric, dataset),
                Output::Generated => self.generated(&metric, &filters, numbers, dataset),
            };
            let how = if carried.is_some() { Carried::Directly } else { Carried::Not };
            dataset.out().carried(shown(metric.name), how);
            for scorer in carried.into_iter().flatten() {
                if !scorers.contains(&scorer) {
                    scorers.push(scorer);
                }
            }
        }
        scorers
    }

    fn note(&self, metric: &Metric<'_>, why: &str, dataset: &mut Dataset<'_>) {
        let name = shown(metric.name);
        if let Some(setting) = self.config.get("metric_list") {
            note(dataset, setting, metric.line, &format!("metric: {name}"), why);
        } else {
            dataset.note(0, &format!("metric: {name}"), why);
        }
    }

    fn note_aggregation(&self, metric: &Metric<'_>, dataset: &mut Dataset<'_>) {
        let usual = ["mean", "bleu", "chrf", "ter", "f1", "perplexity", "bypass"];
        let Some(name) = metric.keys.get("aggregation").and_then(Value::as_str) else { return };
        if !usual.contains(&name) {
            let name = shown(name).to_owned();
            self.note(
                metric,
                &format!("its aggregation {name} is not carried over: karat reports the mean of the scores"),
                dataset,
            );
        }
    }

    /// All metrics of choices are about the same choice.
    fn choice(&self, metric: &Metric<'_>, dataset: &mut Dataset<'_>) -> Option<Vec<Value>> {
        let why = match metric.name {
            "acc" | "exact_match" => return Some(vec![Value::Object(choice_scorer())]),
            "acc_norm" | "acc_bytes" => {
                self.note(
                    metric,
                    "compares log-likelihoods by length, which answers do not have; the scorer choice takes its place",
                    dataset,
                );
                return Some(vec![Value::Object(choice_scorer())]);
            }
            "f1" | "mcc" => {
                "is a measure of all answers together; karat reports it per label for the scorer classification"
            }
            "bypass" => return None,
            other if function_name(other).is_some() => "is Python code; a program can do the same (type: exec)",
            _ => "needs log-likelihoods, which karat does not ask for",
        };
        self.note(metric, why, dataset);
        None
    }

    fn continued(&self, metric: &Metric<'_>, dataset: &mut Dataset<'_>) -> Option<Vec<Value>> {
        if metric.name != "acc" {
            self.note(metric, "needs log-likelihoods, which karat does not ask for", dataset);
            return None;
        }
        self.note(
            metric,
            "the answer has to begin with the target, where lm-eval asks whether the model would continue so",
            dataset,
        );
        Some(vec![json!({"name": "acc", "type": "starts_with", "normalize": ["trim"]})])
    }

    fn generated(
        &self,
        metric: &Metric<'_>,
        filters: &[Filter],
        numbers: bool,
        dataset: &mut Dataset<'_>,
    ) -> Option<Vec<Value>> {
        if ["exact_match", "acc", "em"].contains(&metric.name) {
            return Some(filters.iter().map(|filter| self.exact(metric, filter, numbers, dataset)).collect());
        }
        let (keys, remark) = similarity(metric.name);
        if let Some(remark) = remark {
            self.note(metric, remark, dataset);
        }
        let keys = keys?;
        if filters.iter().any(|filter| filter.pattern.is_some()) {
            self.note(metric, "compares the whole answer: what a filter extracts is not compared on its own", dataset);
        }
        Some(vec![scorer(metric.name, keys)])
    }

    /// The scorer of an exact match behind a filter.
    fn exact(&self, metric: &Metric<'_>, filter: &Filter, numbers: bool, dataset: &mut Dataset<'_>) -> Value {
        if metric.is_set("ignore_numbers") {
            self.note(metric, "ignore_numbers has no counterpart; digits are compared", dataset);
        }
        if metric.ignored().any(|pattern| Regex::new(pattern).is_err()) {
            let why = "one of regexes_to_ignore has syntax that karat lacks, such as look-around, and is not applied";
            self.note(metric, why, dataset);
        }
        let keys = match &filter.pattern {
            Some(pattern) if numbers => self.number(metric, filter, pattern, dataset),
            Some(pattern) => self.extracted(metric, filter, pattern, dataset),
            None => self.whole(metric, filter, numbers, dataset),
        };
        let mut scorer = scorer(&filter.named(metric.name), keys);
        if let Some(fields) = scorer.as_object_mut().filter(|_| filter.majority) {
            fields.insert("reduce".to_owned(), json!("majority"));
        }
        scorer
    }

    /// The scorer that compares the whole answer.
    fn whole(&self, metric: &Metric<'_>, filter: &Filter, numbers: bool, dataset: &mut Dataset<'_>) -> Value {
        let ignores = metric.ignored().next().is_some();
        if ignores && numbers {
            self.note_numbers(metric, dataset);
            return json!({"type": "numeric"});
        }
        if ignores {
            let why = "regexes_to_ignore was applied to the accepted answers; it is not applied to the model's";
            self.note(metric, why, dataset);
        }
        let punctuation = metric.is_set("ignore_punctuation");
        if punctuation {
            self.note(metric, "punctuation is ignored at both ends of an answer, and not within it", dataset);
        }
        let lower = metric.is_set("ignore_case") || filter.lowers;
        let steps = [(filter.trims, "trim"), (lower, "lowercase"), (punctuation, "punctuation")];
        let steps: Vec<&str> = steps.into_iter().filter(|(is_step, _)| *is_step).map(|(_, step)| step).collect();
        json!({"type": "exact", "normalize": steps})
    }

    /// Says that numbers are compared in place of texts.
    fn note_numbers(&self, metric: &Metric<'_>, dataset: &mut Dataset<'_>) {
        let removes = [("regexes_to_ignore", metric.ignored().next().is_some())];
        let removes = removes.into_iter().chain([("ignore_punctuation", metric.is_set("ignore_punctuation"))]);
        let names: Vec<&str> = removes.filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
        if !names.is_empty() {
            let names = names.join(" and ");
            let why = format!(
                "the answers are numbers, so the last number of an answer is compared, whatever {names} removes"
            );
            self.note(metric, &why, dataset);
        }
    }

    /// The scorer for a number that a pattern extracts. A number may be written in several ways, such as 1,234, so it is
    /// not looked for as a text: the pattern has to match, and the last number counts.
    fn number(&self, metric: &Metric<'_>, filter: &Filter, pattern: &str, dataset: &mut Dataset<'_>) -> Value {
        self.note_numbers(metric, dataset);
        let flag = if filter.lowers { "(?i)" } else { "" };
        let regex = Regex::new(&format!("{flag}{pattern}")).ok().filter(|_| !pattern.contains(EXPECTED));
        let (keys, why) = match regex {
            // A pattern that finds any number asks for nothing more.
            Some(regex) if regex.is_match("7") => (
                json!({"type": "numeric"}),
                "the last number of the answer is compared, in place of what the pattern extracts",
            ),
            Some(_) => {
                let pattern = format!("{flag}{}", literal(pattern));
                let of = json!([{"type": "regex", "pattern": pattern}, {"type": "numeric"}]);
                let why = "the pattern has to match, and the last number of the answer is compared, in place of what the \
                           pattern extracts";
                (json!({"type": "all", "of": of}), why)
            }
            None => (
                json!({"type": "numeric"}),
                "the pattern has syntax that karat lacks, so the last number of the answer is compared, whatever stands \
                 around it",
            ),
        };
        self.note_filter(filter, why, dataset);
        keys
    }

    /// The scorer for a text that a pattern extracts.
    fn extracted(&self, metric: &Metric<'_>, filter: &Filter, pattern: &str, dataset: &mut Dataset<'_>) -> Value {
        if metric.ignored().next().is_some() {
            let why =
                "regexes_to_ignore was applied to the accepted answers; it is not applied to what a filter extracts";
            self.note(metric, why, dataset);
        }
        if metric.is_set("ignore_punctuation") {
            self.note(metric, "ignore_punctuation is not applied to what a filter extracts", dataset);
        }
        let ignores_case = metric.is_set("ignore_case");
        let case = match (filter.lowers, ignores_case) {
            (true, _) => Case::Ignored,
            (false, true) => Case::IgnoredInAnswer,
            (false, false) => Case::Kept,
        };
        let (keys, why) = match looked_for(pattern, case) {
            Some(pattern) => (
                json!({"type": "regex", "pattern": pattern}),
                "the accepted answer is looked for in place of the group; nothing is extracted and compared",
            ),
            None => {
                let steps: &[&str] = if filter.lowers || ignores_case { &["lowercase"] } else { &[] };
                let why = "the pattern has no group that each match contains, several groups, or syntax that karat \
                           lacks, so the accepted answer may be anywhere in the answer; a pattern with {expected} in \
                           place of the group is stricter (type: regex)";
                (json!({"type": "contains", "normalize": steps}), why)
            }
        };
        self.note_filter(filter, why, dataset);
        keys
    }

    fn note_filter(&self, filter: &Filter, why: &str, dataset: &mut Dataset<'_>) {
        if let Some(setting) = self.config.get("filter_list") {
            note(dataset, setting, filter.line, &format!("filter: {}", filter.name), why);
        }
    }

    /// Says why no filter is carried over, if there are any.
    fn note_filters(&self, why: &str, dataset: &mut Dataset<'_>) {
        if let Some(setting) = self.config.get("filter_list") {
            note(dataset, setting, setting.line, "filter_list", why);
        }
    }

    fn filters(&self, dataset: &mut Dataset<'_>) -> Vec<Filter> {
        match self.output {
            Output::Generated => {}
            Output::Choices => {
                self.note_filters(
                    "has no effect: the answer is the letter of a choice, which nothing changes",
                    dataset,
                );
            }
            Output::Continued => self.note_filters("has no effect: the answer has to begin with the target", dataset),
        }
        let Some(setting) = self.config.get("filter_list").filter(|_| self.output == Output::Generated) else {
            return vec![Filter { name: "none".to_owned(), ..Filter::default() }];
        };
        let mut filters = Vec::new();
        for (line, value) in setting.items() {
            let name = value.get("name").and_then(Value::as_str).unwrap_or("none").to_owned();
            let mut filter = Filter { name, line, ..Filter::default() };
            let steps = value.get("filter").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for step in steps {
                if let Err(why) = filter.add(step) {
                    let function = step.get("function").and_then(Value::as_str).unwrap_or("without a function");
                    note(dataset, setting, line, &format!("filter: {}: {function}", filter.name), why);
                }
            }
            filters.push(filter);
        }
        filters
    }
}

impl Filter {
    /// The name of the scorer of a metric behind this filter.
    fn named(&self, metric: &str) -> String {
        match self.name.as_str() {
            "none" | "" => metric.to_owned(),
            other => format!("{metric}-{other}"),
        }
    }

    /// Adds a step. The error says how it differs, or that it is not carried over.
    fn add(&mut self, step: &Value) -> Result<(), &'static str> {
        match step.get("function").and_then(Value::as_str).unwrap_or_default() {
            "take_first" => Ok(()),
            "remove_whitespace" => {
                self.trims = true;
                Ok(())
            }
            "lowercase" => {
                self.lowers = true;
                Ok(())
            }
            "majority_vote" => {
                self.majority = true;
                Err("the majority of the scores counts, and not that of the answers")
            }
            function @ ("regex" | "multi_choice_regex") => {
                let pattern = step.get("regex_pattern").and_then(Value::as_str).unwrap_or(USUAL_PATTERN);
                match (self.pattern.replace(pattern.to_owned()), function) {
                    (Some(_), _) => {
                        Err("alone is carried over, for the whole answer; the pattern before it is not, of \
                                         whose result lm-eval extracts this one")
                    }
                    (None, "multi_choice_regex") => {
                        Err("the texts of choices are not looked for where the pattern finds nothing")
                    }
                    (None, _) => Ok(()),
                }
            }
            "take_first_k" => Err("all repeats of an example are scored, and not only the first ones"),
            "map" => Err("answers are not mapped to other words before they are compared"),
            "custom" => Err("is Python code, and has no effect here; a program can do the same (type: exec)"),
            _ => Err("has no counterpart, and no effect here"),
        }
    }
}

/// The scorer of a similarity, and how it differs.
fn similarity(name: &str) -> (Option<Value>, Option<&'static str>) {
    const OF_SENTENCES: &str = "is the mean over the answers here, and not of all texts together";
    let (keys, remark) = match name {
        "bleu" => (json!({"type": "bleu"}), Some(OF_SENTENCES)),
        "chrf" => (json!({"type": "chrf"}), Some(OF_SENTENCES)),
        "chrf++" => (json!({"type": "chrf", "word_order": 2}), Some(OF_SENTENCES)),
        "rouge" => {
            (json!({"type": "rouge_l", "words": "rouge"}), Some("is ROUGE-L here; rouge_n has ROUGE-1 and ROUGE-2"))
        }
        "rouge1" => (json!({"type": "rouge_n", "n": 1, "words": "rouge"}), None),
        "rouge2" => (json!({"type": "rouge_n", "n": 2, "words": "rouge"}), None),
        "rougeL" => (json!({"type": "rouge_l", "words": "rouge"}), None),
        "rougeLsum" => (json!({"type": "rouge_l", "words": "rouge", "lines": true}), None),
        "f1" => (
            json!({"type": "token_f1"}),
            Some("is the F1 of words as in SQuAD here; that of labels is in the report of the scorer classification"),
        ),
        "bypass" => return (None, None),
        "ter" => return (None, Some("has no counterpart; levenshtein, chrf and bleu compare texts as well")),
        "bleurt" | "bert_score" | "comet" => {
            return (
                None,
                Some(
                    "needs a model of its own; cosine compares embeddings, and a program can do the same (type: exec)",
                ),
            );
        }
        other if function_name(other).is_some() => {
            return (None, Some("is Python code; a program can do the same (type: exec)"));
        }
        _ => return (None, Some("has no counterpart; a program can compute it (type: exec)")),
    };
    (Some(keys), remark)
}

/// The name of a metric, or of the Python function that it is.
fn shown(name: &str) -> &str {
    function_name(name).unwrap_or(name)
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(Value::as_str)
}

/// Reports something at a line of the file in which a setting is.
pub(super) fn note(dataset: &mut Dataset<'_>, setting: &Setting, line: u64, what: &str, why: &str) {
    dataset.out().note(Note { file: setting.file.clone(), line, what: what.to_owned(), why: why.to_owned() });
}
