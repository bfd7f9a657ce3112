//! Assertions as scorers.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::programs::{Language, Script, Snippet, Transform};
use super::templates::{is_template, literal_value};
use super::trajectory::in_openai_form;
use super::tree::{Item, Kind, object};
use super::values::{comma_separated, names_of, word_count};
use super::{formats, javascript, judges, patterns};

/// Keys of an assertion.
const KEYS: [&str; 11] = [
    "type",
    "value",
    "config",
    "threshold",
    "weight",
    "provider",
    "rubricPrompt",
    "metric",
    "transform",
    "contextTransform",
    "assert",
];

/// Types that do not read the answer, so that it does not matter how it is changed before.
const UNCHANGED: [&str; 4] = ["latency", "cost", "finish-reason", "guardrails"];

/// A transform that reads the answer as JSON.
const PARSED: &str = "JSON.parse(output)";

/// How the types of assertions on attacks begin.
pub(super) const ATTACK: &str = "promptfoo:redteam:";

/// How deep sets may be nested.
const MAX_SETS: usize = 6;

/// An assertion as written, with what the test says about grading.
#[derive(Debug)]
pub(super) struct Assertion {
    /// Its mapping.
    pub(super) item: Item,
    /// The type without `not-`.
    pub(super) base: String,
    /// Whether the type begins with `not-`.
    pub(super) not: bool,
    /// Who grades, as written there or in the options of the test.
    pub(super) grader: Option<Item>,
    /// The prompt of the grader.
    pub(super) rubric_prompt: Option<Item>,
    /// The scores of the relations of `factuality`.
    pub(super) factuality: Option<Item>,
    /// How the answer is changed before, one after the other.
    pub(super) transforms: Vec<Item>,
    /// The members of a set.
    pub(super) members: Vec<Rc<Assertion>>,
    /// What is among them without a type.
    pub(super) untyped: Vec<Item>,
    /// Equal for equal assertions.
    pub(super) key: String,
}

impl Assertion {
    /// Reads an assertion; `options` are those of its test, and `before` is what the provider does to the answer.
    /// `None` if it is no mapping with a type.
    pub(super) fn read(item: &Item, options: Option<&Item>, before: Option<&Item>, depth: usize) -> Option<Self> {
        let kind = item.get("type").and_then(Item::scalar)?;
        let kind = kind.trim();
        let (not, base) = kind.strip_prefix("not-").map_or((false, kind), |base| (true, base));
        let option = |name: &str| options.and_then(|options| options.get(name)).cloned();
        let own = |name: &str| item.get(name).cloned().or_else(|| option(name));
        let listed = match base == "assert-set" && depth < MAX_SETS {
            true => item.get("assert").map(Item::items).unwrap_or_default(),
            false => &[],
        };
        let (mut members, mut untyped) = (Vec::new(), Vec::new());
        for member in listed {
            match Self::read(member, options, before, depth + 1) {
                Some(read) => members.push(Rc::new(read)),
                None => untyped.push(member.at(Kind::Null)),
            }
        }
        let of_test = option("transform").or_else(|| option("postprocess"));
        let transforms = [before.cloned(), of_test, item.get("transform").cloned()];
        let mut read = Self {
            item: item.clone(),
            base: base.to_owned(),
            not,
            grader: own("provider"),
            rubric_prompt: own("rubricPrompt"),
            factuality: option("factuality"),
            transforms: transforms.into_iter().flatten().collect(),
            members,
            untyped,
            key: String::new(),
        };
        let grading = [&read.grader, &read.rubric_prompt, &read.factuality];
        let grading: Vec<_> = grading.into_iter().map(|item| item.as_ref().map(Item::value)).collect();
        let transforms: Vec<Value> = read.transforms.iter().map(Item::value).collect();
        read.key = json!([item.value(), grading, transforms]).to_string();
        Some(read)
    }

    /// Its type as written.
    pub(super) fn name(&self) -> String {
        format!("assert: {}{}", if self.not { "not-" } else { "" }, self.base)
    }

    /// Its weight, 1 unless it says otherwise.
    pub(super) fn weight(&self) -> f64 {
        self.item.get("weight").and_then(Item::number).unwrap_or(1.0)
    }

    /// Its metric, unless that is a template.
    pub(super) fn metric(&self) -> Option<String> {
        let metric = self.item.get("metric").and_then(Item::scalar)?;
        (!metric.trim().is_empty() && !is_template(&metric)).then(|| metric.trim().to_owned())
    }

    /// Its threshold.
    pub(super) fn threshold(&self) -> Option<f64> {
        self.item.get("threshold").and_then(Item::number)
    }

    /// Whether it is a set that accepts every answer, so that its score is only collected.
    pub(super) fn collects(&self) -> bool {
        self.base == "assert-set" && self.threshold().is_some_and(|threshold| threshold <= 0.0)
    }

    /// Keys that no assertion has.
    pub(super) fn unknown_keys(&self) -> impl Iterator<Item = &(String, Item)> {
        self.item.entries().iter().filter(|(name, _)| !KEYS.contains(&name.as_str()))
    }
}

/// What an assertion becomes.
#[derive(Debug, Clone)]
pub(super) enum Check {
    /// A scorer that a row may have itself. Its texts are templates of Nunjucks.
    Scorer(Map<String, Value>),
    /// A scorer whose texts are the parts of a template, separated by commas once it is filled in.
    Listed(Map<String, Value>, String),
    /// A judge.
    Judge(Judge),
    /// A part of the program of its language.
    Program(Language, Snippet),
    /// A server.
    Server(Map<String, Value>),
    /// Several of them: all, or the mean with a threshold. One of 0 accepts every answer.
    Set(Vec<Member>, Option<f64>),
}

/// A member of a set.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its weight.
    pub(super) weight: f64,
    /// Its metric.
    pub(super) metric: Option<String>,
    /// The check.
    pub(super) check: Check,
}

/// A judge, without the endpoint that grades.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judge {
    /// The type of scorer.
    pub(super) kind: &'static str,
    /// Further keys, such as `scale`, `threshold` and `not`.
    pub(super) settings: Map<String, Value>,
    /// The criteria, a template of Nunjucks.
    pub(super) criteria: Option<String>,
    /// The accepted answer that it reads, a template of Nunjucks.
    pub(super) expected: Option<String>,
    /// Whether it reads the context.
    pub(super) reads_context: bool,
}

/// The result of reading an assertion.
#[derive(Debug)]
pub(super) struct Read {
    /// What it becomes.
    pub(super) check: Check,
    /// How that differs.
    pub(super) remarks: Vec<String>,
}

/// What is needed to read an assertion.
pub(super) struct Reading<'a> {
    /// Loads the file of a value.
    pub(super) load: &'a mut dyn FnMut(&Item, &str) -> Result<Item, String>,
    /// Reads a script that a value names: the language, the name of its copy, and the function.
    pub(super) script: &'a mut dyn FnMut(&Item, &str) -> Result<Script, String>,
    /// The tools that the providers define.
    pub(super) tools: &'a [Value],
    remarks: Vec<String>,
}

/// Why there is no scorer.
pub(super) type Refusal = String;

impl<'a> Reading<'a> {
    /// A reader of assertions.
    pub(super) fn new(
        load: &'a mut dyn FnMut(&Item, &str) -> Result<Item, String>,
        script: &'a mut dyn FnMut(&Item, &str) -> Result<Script, String>,
        tools: &'a [Value],
    ) -> Self {
        Self { load, script, tools, remarks: Vec::new() }
    }

    /// Reads an assertion that is no set.
    ///
    /// # Errors
    /// Why it is not carried over.
    pub(super) fn read(&mut self, assertion: &Assertion) -> Result<Read, Refusal> {
        self.remarks.clear();
        let check = self.check(assertion)?;
        Ok(Read { check, remarks: std::mem::take(&mut self.remarks) })
    }

    /// Says how the scorer differs.
    pub(super) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    fn check(&mut self, assertion: &Assertion) -> Result<Check, Refusal> {
        let base = assertion.base.as_str();
        if let Some(language) = Language::of_type(base) {
            return self.program(assertion, language);
        }
        if let Some(judge) = self.judge(assertion)? {
            return Ok(judges::one_by_one(assertion, judge));
        }
        match base {
            "webhook" => return self.webhook(assertion),
            "moderation" => return self.moderation(assertion),
            _ => {}
        }
        // JSON that is read before is the same as JSON.
        let is_changed = assertion.transforms.iter().any(|item| base != "is-json" || item.text() != Some(PARSED));
        if is_changed && !UNCHANGED.contains(&base) {
            return self.transformed(assertion);
        }
        let value = self.value(assertion)?;
        if let Some(check) = self.lists(assertion, &value)? {
            return Ok(check);
        }
        let mut scorer = match self.text_scorer(base, assertion, &value)? {
            Some(scorer) => scorer,
            None => match self.format_scorer(base, &value)? {
                Some(scorer) => scorer,
                None => self.other_scorer(base, assertion, &value)?,
            },
        };
        invert(&mut scorer, assertion.not);
        Ok(Check::Scorer(scorer))
    }

    /// The value, with its file loaded. Empty if there is none.
    pub(super) fn value(&mut self, assertion: &Assertion) -> Result<Item, Refusal> {
        let none = || assertion.item.at(Kind::Null);
        let value = assertion.item.get("value").cloned().unwrap_or_else(none);
        let load = &mut *self.load;
        let mut one = |item: &Item| match item.text() {
            Some(text) if text.starts_with("file://") => load(item, text),
            Some(text) if text.starts_with("package:") => Err("its value is computed by a package".to_owned()),
            _ => Ok(item.clone()),
        };
        match &value.kind {
            Kind::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(&mut one).collect();
                Ok(value.at(Kind::List(items?)))
            }
            _ => one(&value),
        }
    }

    fn text_scorer(
        &mut self,
        base: &str,
        assertion: &Assertion,
        value: &Item,
    ) -> Result<Option<Map<String, Value>>, Refusal> {
        let text = || value.scalar().filter(|text| !text.is_empty()).ok_or("it has no value");
        Ok(Some(match base {
            "equals" => match &value.kind {
                Kind::List(_) | Kind::Map(_) => formats::unfenced(object([
                    ("type", json!("json_equal")),
                    ("value", literal_value(&value.value())),
                    ("relative", json!(0)),
                ])),
                _ => object([
                    ("type", json!("exact")),
                    ("value", json!(value.scalar().ok_or("it has no value")?)),
                    ("normalize", json!([])),
                ]),
            },
            "contains" | "icontains" => {
                object([("type", json!("contains")), ("value", json!(text()?)), ("normalize", normalize(base))])
            }
            "starts-with" => {
                object([("type", json!("starts_with")), ("value", json!(text()?)), ("normalize", json!([]))])
            }
            "regex" => self.pattern(&text()?)?,
            _ => return self.measure(base, assertion, value),
        }))
    }

    fn pattern(&mut self, pattern: &str) -> Result<Map<String, Value>, Refusal> {
        if pattern.starts_with("(?i)") {
            self.remark("(?i) is not valid in JavaScript; here it ignores case");
        }
        patterns::scorer(pattern).map_err(|what| {
            format!("its pattern uses what karat's do not have: {what}; use an expression or a program")
        })
    }

    /// Measures of similarity and length.
    fn measure(
        &mut self,
        base: &str,
        assertion: &Assertion,
        value: &Item,
    ) -> Result<Option<Map<String, Value>>, Refusal> {
        Ok(Some(match base {
            "levenshtein" => {
                let distance = assertion.threshold().unwrap_or(5.0).max(0.0).floor();
                object([
                    ("type", json!("levenshtein")),
                    ("value", json!(value.scalar().filter(|text| !text.is_empty()).ok_or("it has no value")?)),
                    ("max_distance", json!(distance as u64)),
                ])
            }
            "rouge-n" => self.close("rouge_n", value, assertion.threshold().unwrap_or(0.75))?,
            "bleu" => self.close("bleu", value, assertion.threshold().unwrap_or(0.5))?,
            "gleu" => self.close("gleu", value, assertion.threshold().unwrap_or(0.5))?,
            "similar" | "similar:cosine" | "similar:dot" | "similar:euclidean" => {
                self.cosine(base, assertion, value)?
            }
            "word-count" => {
                self.remark("punctuation alone is no word, and each Chinese or Japanese character is one");
                word_count(value)?
            }
            _ => return Ok(None),
        }))
    }

    /// A measure of similarity that the two tools compute a little differently.
    fn close(&mut self, kind: &str, value: &Item, threshold: f64) -> Result<Map<String, Value>, Refusal> {
        self.remark("words, punctuation and smoothing count by karat's rules; check answers close to the threshold");
        self.similarity(kind, value, threshold)
    }

    /// A measure of similarity to one text, or to the best of several.
    fn similarity(&mut self, kind: &str, value: &Item, threshold: f64) -> Result<Map<String, Value>, Refusal> {
        let texts: Vec<String> = value.items().iter().filter_map(Item::scalar).collect();
        let mut of: Vec<Map<String, Value>> = Vec::new();
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let mut scorer = object([("type", json!(kind)), ("value", json!(text))]);
            self.set_threshold(&mut scorer, threshold);
            of.push(scorer);
        }
        match of.len() {
            0 => Err("it has no value".to_owned()),
            1 => Ok(of.remove(0)),
            _ => Ok(object([("type", json!("any")), ("of", json!(of))])),
        }
    }

    fn cosine(&mut self, base: &str, assertion: &Assertion, value: &Item) -> Result<Map<String, Value>, Refusal> {
        let given = assertion.threshold().unwrap_or(0.75);
        let threshold = match base {
            "similar:euclidean" => 1.0 - given * given / 2.0,
            _ => given,
        };
        self.remark(match base {
            "similar:dot" => "compared by the cosine, the dot product of vectors of unit length, with karat's embedder",
            "similar:euclidean" => {
                "compared by the cosine, with karat's embedder; for vectors of unit length, a distance of d is a \
                 cosine of 1 - d^2 / 2"
            }
            _ => "compared with karat's embedder, not with the embedding model of promptfoo; check the threshold",
        });
        self.similarity("cosine", value, threshold)
    }

    /// Sets a threshold, which must be above 0 and at most 1.
    pub(super) fn set_threshold(&mut self, scorer: &mut Map<String, Value>, threshold: f64) {
        if threshold <= 0.0 {
            self.remark("its threshold of 0 accepts every answer; here it is 0.001, the smallest grade that is no 0");
        }
        if threshold > 1.0 {
            self.remark("its threshold is above 1; here it is 1");
        }
        scorer.insert("threshold".to_owned(), json!(threshold.clamp(0.001, 1.0)));
    }

    /// `contains-all`, `contains-any` and those that ignore case.
    fn lists(&mut self, assertion: &Assertion, value: &Item) -> Result<Option<Check>, Refusal> {
        let base = assertion.base.as_str();
        let kind = match base {
            "contains-all" | "icontains-all" => "contains_all",
            "contains-any" | "icontains-any" => "contains_any",
            _ => return Ok(None),
        };
        let mut scorer = object([("type", json!(kind)), ("normalize", normalize(base))]);
        if kind == "contains_all" {
            scorer.insert("threshold".to_owned(), json!(1));
        }
        invert(&mut scorer, assertion.not);
        let values = match &value.kind {
            Kind::Text(text) if is_template(text) => return Ok(Some(Check::Listed(scorer, text.clone()))),
            Kind::Text(text) => comma_separated(text)?,
            Kind::List(items) => items.iter().filter_map(Item::scalar).collect(),
            _ => value.scalar().into_iter().collect(),
        };
        if values.is_empty() {
            return Err("it has no value".to_owned());
        }
        scorer.insert("values".to_owned(), json!(values));
        Ok(Some(Check::Scorer(scorer)))
    }

    fn other_scorer(&mut self, base: &str, assertion: &Assertion, value: &Item) -> Result<Map<String, Value>, Refusal> {
        let limit = || assertion.threshold().or_else(|| value.number()).ok_or("it has no threshold");
        Ok(match base {
            "latency" => object([("type", json!("latency")), ("max_ms", json!(limit()?))]),
            "cost" => object([("type", json!("cost")), ("max", json!(limit()?))]),
            "finish-reason" => {
                let reason = value.scalar().ok_or("it has no value")?;
                object([("type", json!("finish_reason")), ("values", json!([reason.trim().to_ascii_lowercase()]))])
            }
            "guardrails" => {
                self.remark("as far as the finish reason content_filter says; other signals are not stored");
                object([("type", json!("finish_reason")), ("values", json!(["content_filter"])), ("not", json!(true))])
            }
            "is-refusal" => object([("type", json!("refusal"))]),
            "is-valid-function-call" | "is-valid-openai-function-call" | "is-valid-openai-tools-call" => {
                self.valid_calls()
            }
            "tool-call-f1" => {
                let names = names_of(value);
                if names.is_empty() {
                    return Err("it has no value".to_owned());
                }
                let mut scorer = object([("type", json!("tool_call_f1")), ("names", json!(names))]);
                self.set_threshold(&mut scorer, assertion.threshold().unwrap_or(1.0));
                scorer
            }
            other if other.starts_with("trajectory:") => self.trajectory(other, value, assertion.not)?,
            other => return Err(why_not(other)),
        })
    }

    fn valid_calls(&mut self) -> Map<String, Value> {
        let mut scorer = object([("type", json!("valid_tool_calls"))]);
        match self.tools {
            [] => self.remark("no tools are defined beside the provider; add them under tools"),
            tools => {
                scorer.insert("tools".to_owned(), literal_value(&Value::Array(in_openai_form(tools))));
            }
        }
        scorer
    }

    fn webhook(&mut self, assertion: &Assertion) -> Result<Check, Refusal> {
        let url = assertion.item.get("value").and_then(Item::scalar).ok_or("it has no value")?;
        if is_template(&url) {
            return Err("its URL is a template, but a server must be the same for every example".to_owned());
        }
        if !assertion.transforms.is_empty() {
            return Err("its transform is not carried over; let the server change the answer".to_owned());
        }
        self.remark(
            "the server gets karat's JSON, with output, input and metadata, and its reply may have pass or score",
        );
        let mut scorer = object([("type", json!("http")), ("url", json!(url)), ("timeout_seconds", json!(5))]);
        invert(&mut scorer, assertion.not);
        Ok(Check::Server(scorer))
    }

    fn program(&mut self, assertion: &Assertion, language: Language) -> Result<Check, Refusal> {
        let value = assertion.item.get("value").and_then(Item::scalar).ok_or("it has no value")?;
        let mut snippet = Snippet { not: assertion.not, threshold: assertion.threshold(), ..Snippet::default() };
        snippet.config = assertion.item.get("config").map(Item::value);
        if value.starts_with("package:") {
            return Err("it is in a package; write an exec scorer that calls it".to_owned());
        }
        if value.starts_with("file://") {
            let (language, file, function) = (self.script)(&assertion.item, &value)?;
            (snippet.file, snippet.function) = (Some(file), function);
            snippet.transforms = self.transforms(assertion, language)?;
            return Ok(Check::Program(language, snippet));
        }
        snippet.code = language.code(&value)?;
        snippet.transforms = self.transforms(assertion, language)?;
        Ok(Check::Program(language, snippet))
    }

    /// The changes of the answer before a program scores it.
    fn transforms(&mut self, assertion: &Assertion, language: Language) -> Result<Vec<Transform>, Refusal> {
        let refuse = || "its transform is not carried over; change the answer in the program that scores it".to_owned();
        if !assertion.transforms.is_empty() && language != Language::JavaScript {
            return Err(refuse());
        }
        let mut transforms = Vec::new();
        for item in &assertion.transforms {
            let text = item.text().ok_or_else(refuse)?;
            transforms.push(match text.starts_with("file://") {
                false => Transform::Code(javascript::body(text.trim_end())?),
                true => match (self.script)(item, text)? {
                    (Language::JavaScript, file, function) => Transform::File(file, function),
                    _ => return Err(refuse()),
                },
            });
        }
        Ok(transforms)
    }

    /// OpenAI's moderation, asked by a program.
    fn moderation(&mut self, assertion: &Assertion) -> Result<Check, Refusal> {
        let grader = assertion.grader.as_ref().map(|item| item.get("moderation").unwrap_or(item));
        let name = grader.and_then(|item| item.get("id").unwrap_or(item).text());
        let setting = |name: &str| grader?.get("config")?.get(name)?.scalar();
        let address = setting("apiBaseUrl").or_else(|| setting("apiHost").map(|host| format!("https://{host}/v1")));
        let model = match name.unwrap_or("openai:moderation").strip_prefix("openai:moderation") {
            Some(rest) => Some(rest.trim_start_matches(':')).filter(|model| !model.is_empty()),
            None => return Err(why_not(&assertion.base)),
        };
        let names = assertion.item.get("value").map(names_of).unwrap_or_default();
        let code = include_str!("programs/moderation.js")
            .replace("MODEL", &json!(model.unwrap_or("omni-moderation-latest")).to_string())
            .replace("NAMES", &json!(names).to_string())
            .replace("ADDRESS", &json!(address).to_string());
        let transforms = self.transforms(assertion, Language::JavaScript)?;
        let snippet = Snippet { code, plain: true, not: assertion.not, transforms, ..Snippet::default() };
        Ok(Check::Program(Language::JavaScript, snippet))
    }

    /// A simple assertion on a transformed answer, as JavaScript.
    fn transformed(&mut self, assertion: &Assertion) -> Result<Check, Refusal> {
        let refuse = || "its transform is not carried over; score the part of the answer with json_path or a program";
        let value = self.value(assertion)?;
        let code = condition(&assertion.base, &value).ok_or_else(refuse)??;
        let code = format!(
            "const text = typeof output === 'string' ? output : JSON.stringify(output);\n\
             let parsed = typeof output === 'string' ? undefined : output;\n\
             try {{ parsed ??= JSON.parse(text); }} catch {{}}\nreturn {code};"
        );
        self.remark("its transform is JavaScript, so a program scores it");
        let snippet = Snippet {
            not: assertion.not,
            code,
            plain: true,
            transforms: self.transforms(assertion, Language::JavaScript)?,
            ..Snippet::default()
        };
        Ok(Check::Program(Language::JavaScript, snippet))
    }
}

/// A condition on `text` and `parsed` in JavaScript that is what an assertion checks; `None` if there is none.
fn condition(base: &str, value: &Item) -> Option<Result<String, Refusal>> {
    let filled = |text: &str| match is_template(text) {
        true => format!("context.fill({})", json!(text)),
        false => json!(text).to_string(),
    };
    let one = |form: &str| {
        let text = value.scalar().ok_or_else(|| "it has no value".to_owned())?;
        Ok(form.replace("VALUE", &filled(&text)))
    };
    let several = |form: &str| {
        let values: Vec<String> = match &value.kind {
            Kind::Text(text) if is_template(text) => {
                return Err("its value is a template; write it as a list".to_owned());
            }
            Kind::Text(text) => comma_separated(text)?.iter().map(|text| filled(text)).collect(),
            _ => value.items().iter().filter_map(Item::scalar).map(|text| filled(&text)).collect(),
        };
        Ok(format!("[{}].{form}", values.join(", ")))
    };
    Some(match base {
        "equals" if value.scalar().is_some() => one("text === VALUE"),
        "equals" => Ok(format!("isDeepStrictEqual({}, parsed)", value.value())),
        "contains" => one("text.includes(VALUE)"),
        "icontains" => one("text.toLowerCase().includes(VALUE.toLowerCase())"),
        "starts-with" => one("text.startsWith(VALUE)"),
        "regex" => one("new RegExp(VALUE).test(text)"),
        "contains-any" => several("some((part) => text.includes(part))"),
        "contains-all" => several("every((part) => text.includes(part))"),
        "icontains-any" => several("some((part) => text.toLowerCase().includes(part.toLowerCase()))"),
        "icontains-all" => several("every((part) => text.toLowerCase().includes(part.toLowerCase()))"),
        "is-json" if value.is_null() => Ok("parsed !== undefined".to_owned()),
        _ => return None,
    })
}

fn normalize(base: &str) -> Value {
    if base.starts_with('i') { json!(["lowercase"]) } else { json!([]) }
}

/// Turns a scorer round.
pub(super) fn invert(scorer: &mut Map<String, Value>, not: bool) {
    if not {
        match scorer.remove("not") {
            Some(_) => {}
            None => {
                scorer.insert("not".to_owned(), json!(true));
            }
        }
    }
}

/// Why a type has no counterpart.
pub(super) fn why_not(base: &str) -> String {
    let why = match base {
        "classifier" => "it needs a classification model; write an exec scorer that calls one",
        "moderation" => "it calls a moderation API; write an exec scorer that calls it",
        "pi" => "it calls Pi's API; write an exec scorer that calls it",
        "meteor" => "it needs WordNet; use chrf, or an exec scorer",
        "perplexity" | "perplexity-score" => "log probabilities are not stored",
        "ruby" => "write an exec scorer that starts ruby",
        "select-best" | "max-score" => {
            "it chooses among the outputs of several providers; compare whole runs with `karat compare`, or use \
             pairwise"
        }
        "human" => "grades given in the web page; people label examples in karat, not answers",
        "skill-used" => "which skills an agent used is not in its answer",
        "video-rubric" | "image-rubric" => "karat's judges read text",
        other if other.starts_with("trace-") || other.starts_with("trajectory:") => "karat receives no traces",
        _ => "this type is not known",
    };
    why.to_owned()
}
