//! Assertions once read, and the scorers that they become for all tests or for one.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::assertions::{Assertion, Check, Judge, Member, Reading};
use super::desk::Desk;
use super::programs::{Pick, Programs};
use super::providers;
use super::templates::{Scope, render, translate};
use super::tree::Item;
use super::values::comma_separated;
use crate::edge::interop::suites::Sink;
use crate::edge::interop::suites::draft::{literal, slug};

/// Types of scorers whose score is a degree; in a mean it counts as it is, without their threshold.
const GRADED: [&str; 12] = [
    "rouge_n",
    "bleu",
    "gleu",
    "cosine",
    "tool_call_f1",
    "rubric",
    "g_eval",
    "factuality",
    "answer_relevance",
    "context_faithfulness",
    "context_recall",
    "json_fields",
];

/// An assertion once it is read.
#[derive(Debug)]
pub(super) struct Known {
    /// What it becomes, or why not.
    pub(super) check: Result<Check, String>,
    /// How that differs.
    pub(super) remarks: Vec<String>,
    /// Its members, if it is a set.
    pub(super) members: Vec<(Rc<Assertion>, Rc<Known>)>,
}

/// The assertions of an import.
#[derive(Default)]
pub(super) struct Checks {
    tools: Vec<Value>,
    known: BTreeMap<String, Rc<Known>>,
    graders: BTreeMap<String, String>,
}

impl Checks {
    /// No assertions yet; the providers have these tools.
    pub(super) fn new(tools: Vec<Value>) -> Self {
        Self { tools, ..Self::default() }
    }

    /// What an assertion becomes.
    pub(super) fn read(&mut self, desk: &mut Desk<'_>, assertion: &Assertion) -> Rc<Known> {
        if let Some(known) = self.known.get(&assertion.key) {
            return Rc::clone(known);
        }
        let known = match assertion.base == "assert-set" {
            true => self.set(desk, assertion),
            false => self.one(desk, assertion),
        };
        let known = Rc::new(known);
        self.known.insert(assertion.key.clone(), Rc::clone(&known));
        known
    }

    fn one(&mut self, desk: &mut Desk<'_>, assertion: &Assertion) -> Known {
        let desk = std::cell::RefCell::new(desk);
        let mut load = |at: &Item, reference: &str| desk.borrow_mut().load(at, reference);
        let mut script = |at: &Item, reference: &str| desk.borrow_mut().script(at, reference);
        let mut reading = Reading::new(&mut load, &mut script, &self.tools);
        match reading.read(assertion) {
            Ok(read) => Known { check: Ok(read.check), remarks: read.remarks, members: Vec::new() },
            Err(why) => Known { check: Err(why), remarks: Vec::new(), members: Vec::new() },
        }
    }

    fn set(&mut self, desk: &mut Desk<'_>, assertion: &Assertion) -> Known {
        let members: Vec<_> =
            assertion.members.iter().map(|member| (Rc::clone(member), self.read(desk, member))).collect();
        let of: Vec<Member> = members
            .iter()
            .filter_map(|(member, known)| {
                let check = known.check.as_ref().ok()?.clone();
                Some(Member { weight: member.weight(), metric: member.metric(), check })
            })
            .collect();
        let check = match of.is_empty() {
            true => Err("none of its assertions is carried over".to_owned()),
            false => Ok(Check::Set(of, assertion.threshold())),
        };
        Known { check, remarks: Vec::new(), members }
    }

    /// The endpoint that grades for an assertion.
    pub(super) fn grader(&mut self, desk: &mut Desk<'_>, item: Option<&Item>) -> String {
        let key = item.map(|item| item.value().to_string()).unwrap_or_default();
        if let Some(known) = self.graders.get(&key) {
            return known.clone();
        }
        let name = providers::grader(desk, item);
        self.graders.insert(key, name.clone());
        name
    }
}

/// Whether an example may have the check itself.
pub(super) fn is_pure(check: &Check) -> bool {
    match check {
        Check::Scorer(_) | Check::Listed(..) => true,
        Check::Set(of, _) => of.iter().all(|member| is_pure(&member.check)),
        _ => false,
    }
}

/// Whether its values are only known for one test.
pub(super) fn is_listed(check: &Check) -> bool {
    match check {
        Check::Listed(..) => true,
        Check::Set(of, _) => of.iter().any(|member| is_listed(&member.check)),
        _ => false,
    }
}

/// Whether it is a set that accepts every answer.
fn collects(check: &Check) -> bool {
    matches!(check, Check::Set(_, Some(threshold)) if *threshold <= 0.0)
}

/// Whether it begins with a judge that reads the accepted answer.
pub(super) fn expects(check: &Check) -> Option<&Judge> {
    match check {
        Check::Judge(judge) if judge.expected.is_some() => Some(judge),
        Check::Set(of, _) => of.iter().find_map(|member| expects(&member.check)),
        _ => None,
    }
}

/// Whether it has a judge that reads the context.
pub(super) fn reads_context(check: &Check) -> bool {
    match check {
        Check::Judge(judge) => judge.reads_context,
        Check::Set(of, _) => of.iter().any(|member| reads_context(&member.check)),
        _ => false,
    }
}

/// For which tests a scorer is made.
#[derive(Debug, Clone, Copy)]
pub(super) enum For<'t> {
    /// For all of a suite: values are templates.
    All(&'t Scope),
    /// For one with these variables.
    One(&'t Map<String, Value>),
}

/// Makes scorers.
pub(super) struct Maker<'m> {
    /// Where everything goes, which knows the scorers of karat.
    pub(super) out: &'m dyn Sink,
    /// The programs of the suite.
    pub(super) programs: &'m mut Programs,
    /// The endpoint that grades.
    pub(super) judge: &'m mut dyn FnMut() -> String,
    /// Variables of the tests that templates use.
    pub(super) used: &'m mut BTreeSet<String>,
}

impl Maker<'_> {
    /// The scorer of a check; `graded` if its score counts rather than whether it passes.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn scorer(&mut self, check: &Check, of: For<'_>, graded: bool) -> Result<Map<String, Value>, String> {
        let mut scorer = match check {
            Check::Scorer(scorer) => self.filled_map(scorer, of)?,
            Check::Listed(scorer, text) => {
                let For::One(vars) = of else { return Err("its value is a list only once it is filled in".to_owned()) };
                let values = comma_separated(&render(text, vars)?)?;
                let mut scorer = scorer.clone();
                scorer.insert("values".to_owned(), values.iter().map(|value| json!(literal(value))).collect());
                scorer
            }
            Check::Judge(judge) => self.judge(judge, of)?,
            Check::Program(language, snippet) => {
                let name = self.programs.add(*language, snippet.clone());
                let mut scorer = self.programs.scorer(*language, &Pick::Check(&name), graded);
                scorer.insert("name".to_owned(), json!(language.name()));
                return Ok(scorer);
            }
            Check::Server(scorer) => scorer.clone(),
            Check::Set(members, threshold) => return self.set(members, *threshold, of, graded),
        };
        if graded {
            without_threshold(&mut scorer);
        }
        self.out.check_scorer(&scorer).map_err(|why| format!("karat cannot use it: {why}"))?;
        Ok(scorer)
    }

    /// The scorer of a set: all of its members, or with a threshold their mean. In a mean, a set counts by its own mean,
    /// whatever its threshold.
    fn set(
        &mut self,
        members: &[Member],
        threshold: Option<f64>,
        of: For<'_>,
        graded: bool,
    ) -> Result<Map<String, Value>, String> {
        let mean = graded || threshold.is_some();
        let mut parts = Vec::new();
        // A set that accepts every answer decides nothing.
        let counts = |member: &&Member| member.weight > 0.0 && (mean || !collects(&member.check));
        for member in members.iter().filter(counts) {
            let mut part = self.scorer(&member.check, of, mean)?;
            named(&mut part, member.metric.as_deref());
            if mean {
                weighted(&mut part, member.weight);
            }
            parts.push(Value::Object(part));
        }
        if parts.is_empty() {
            return Err("none of its assertions has a weight".to_owned());
        }
        let mut scorer = Map::new();
        scorer.insert("type".to_owned(), json!(if mean { "mean" } else { "all" }));
        if let Some(threshold) = threshold.filter(|threshold| *threshold > 0.0 && !graded) {
            scorer.insert("threshold".to_owned(), json!(threshold.min(1.0)));
        }
        scorer.insert("of".to_owned(), Value::Array(parts));
        Ok(scorer)
    }

    /// A judge with its criteria.
    fn judge(&mut self, judge: &Judge, of: For<'_>) -> Result<Map<String, Value>, String> {
        let mut scorer = self.judge_without_criteria(judge);
        if let Some(criteria) = &judge.criteria {
            let criteria = self.filled_text(criteria, of)?;
            if criteria.trim().is_empty() {
                return Err("its value is empty".to_owned());
            }
            scorer.insert("criteria".to_owned(), json!(criteria));
        }
        Ok(scorer)
    }

    /// A judge without its criteria.
    pub(super) fn judge_without_criteria(&mut self, judge: &Judge) -> Map<String, Value> {
        let mut scorer = judge.settings.clone();
        scorer.insert("type".to_owned(), json!(judge.kind));
        scorer.insert("judge".to_owned(), json!((self.judge)()));
        scorer
    }

    fn filled_map(&mut self, scorer: &Map<String, Value>, of: For<'_>) -> Result<Map<String, Value>, String> {
        let mut filled = Map::new();
        for (key, value) in scorer {
            let value = match key.as_str() {
                "type" | "name" | "expression" => value.clone(),
                _ => self.filled(value, of)?,
            };
            filled.insert(key.clone(), value);
        }
        Ok(filled)
    }

    fn filled(&mut self, value: &Value, of: For<'_>) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => json!(self.filled_text(text, of)?),
            Value::Array(items) => items.iter().map(|item| self.filled(item, of)).collect::<Result<_, _>>()?,
            Value::Object(fields) => Value::Object(self.filled_map(fields, of)?),
            other => other.clone(),
        })
    }

    fn filled_text(&mut self, text: &str, of: For<'_>) -> Result<String, String> {
        match of {
            For::One(vars) => render(text, vars).map(|text| literal(&text)),
            For::All(scope) => {
                let template = translate(text, scope)?;
                if !template.environment.is_empty() {
                    return Err("it uses variables of the environment, which only prompts have".to_owned());
                }
                let known = |name: &String| scope.fields.contains(name);
                if let Some(name) = template.used.iter().find(|name| !known(name)) {
                    return Err(format!("it uses {name}, which is no variable of the tests"));
                }
                self.used.extend(template.used);
                Ok(template.text)
            }
        }
    }
}

fn without_threshold(scorer: &mut Map<String, Value>) {
    let kind = scorer.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if GRADED.contains(&kind.as_str()) {
        scorer.remove("threshold");
    }
    if kind == "any" {
        for part in scorer.get_mut("of").and_then(Value::as_array_mut).into_iter().flatten() {
            part.as_object_mut().into_iter().for_each(without_threshold);
        }
    }
}

/// Names a scorer by its metric.
pub(super) fn named(scorer: &mut Map<String, Value>, metric: Option<&str>) {
    if let Some(metric) = metric {
        scorer.insert("name".to_owned(), json!(slug(metric)));
    }
}

/// Gives a scorer its weight in a mean.
pub(super) fn weighted(scorer: &mut Map<String, Value>, weight: f64) {
    if weight != 1.0 && weight > 0.0 {
        scorer.insert("weight".to_owned(), json!(weight));
    }
}
