//! Datasets and suites: one for the tests that can be run together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::cases::Case;
use super::checks::{Checks, is_pure};
use super::desk::Desk;
use super::placing::{Extra, Placed, Placing};
use super::programs::{Answering, Programs};
use super::prompts::{self, Content, Prompt, Translated};
use super::providers::{self, Provider};
use super::templates::{Scope, VarType};
use super::tree::{Item, object};
use crate::core::domain::Failure;
use crate::edge::interop::suites::draft::{slug, unique};

/// How many suites a configuration may become.
const MAX_GROUPS: usize = 50;

/// The variable with the answer of a test that asks no provider.
const GIVEN: &str = "provider_output";

/// What all suites of a configuration share.
#[derive(Debug)]
pub(super) struct Parts {
    /// The name of suite and dataset.
    pub(super) name: String,
    /// What it is for.
    pub(super) description: Option<String>,
    /// How often each test is run.
    pub(super) repeat: u64,
    /// The providers.
    pub(super) providers: Vec<Provider>,
    /// The prompts.
    pub(super) prompts: Vec<Prompt>,
    /// Whether the configuration has prompts, carried over or not.
    pub(super) prompted: bool,
}

/// Writes datasets and suites.
pub(super) struct Writer<'w, 'a> {
    desk: &'w mut Desk<'a>,
    checks: &'w mut Checks,
    parts: &'w Parts,
    counted: BTreeSet<String>,
    written: usize,
    /// The messages that every row of the suite has itself, as templates.
    messages: Option<Value>,
}

/// Tests that can be run together.
struct Group<'c> {
    cases: Vec<&'c Case>,
    threshold: Option<f64>,
}

/// A suite before it is written.
struct Plan<'p> {
    providers: Vec<&'p Provider>,
    prompts: Vec<Prompt>,
    /// Whether the answers are given.
    given: bool,
}

impl<'w, 'a> Writer<'w, 'a> {
    /// A writer of suites.
    pub(super) fn new(desk: &'w mut Desk<'a>, checks: &'w mut Checks, parts: &'w Parts) -> Self {
        Self { desk, checks, parts, counted: BTreeSet::new(), written: 0, messages: None }
    }

    /// Writes the tests.
    ///
    /// # Errors
    /// A failure of the sink.
    pub(super) fn write(mut self, cases: &[Case]) -> Result<(), Failure> {
        let mut groups: Vec<(String, Group<'_>)> = Vec::new();
        for case in cases {
            let key = self.key(case);
            let is_full = groups.len() >= MAX_GROUPS;
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.cases.push(case),
                None if is_full => {
                    let why = "the tests differ in too many ways (prefix, suffix, provider, threshold), so this one is \
                               left out; split the configuration";
                    self.desk.note(&case.at, "tests", why);
                }
                None => groups.push((key, Group { cases: vec![case], threshold: case.threshold })),
            }
        }
        groups.iter().try_for_each(|(_, group)| self.group(group))
    }

    /// What tests must have in common to be in one suite.
    fn key(&mut self, case: &Case) -> String {
        let provider = case.provider.as_ref().map(Item::value);
        let mean = case.threshold.map(|threshold| {
            let mut weight = 0.0;
            for assertion in case.common.iter().chain(&case.own) {
                let known = self.checks.read(self.desk, assertion);
                if known.check.as_ref().is_ok_and(is_pure) {
                    weight += assertion.weight();
                }
            }
            json!([threshold, weight])
        });
        json!([case.around, provider, case.only, case.output.is_some(), mean]).to_string()
    }

    fn group(&mut self, group: &Group<'_>) -> Result<(), Failure> {
        let Some(first) = group.cases.first() else { return Ok(()) };
        let own = first.provider.as_ref().map(|item| providers::read(self.desk, item));
        if let (Some(item), Some([])) = (&first.provider, own.as_deref()) {
            self.desk.note_once(item, "provider", "the providers of the suite answer in place of the test's own");
        }
        self.report(first, own.as_deref());
        let plans = self.plans(first, own.as_deref());
        let mut scope = scope(&group.cases);
        self.messages = messages(&plans);
        scope.plain_input &= self.messages.is_none();
        let mut translated = self.translate(&plans, &scope);
        let needs_fields = |translated: &[Vec<(String, Translated)>]| {
            translated.iter().flatten().any(|(_, one)| one.used.used.iter().any(|name| name != "input"))
        };
        if scope.plain_input && needs_fields(&translated) {
            scope.plain_input = false;
            translated = self.translate(&plans, &scope);
        }
        let description = self.description();
        let card = object([("description", json!(description)), ("source", json!("promptfoo"))]);
        let dataset = self.desk.out.dataset(&self.parts.name, card);
        let types = scope.types.iter().map(|(name, kind)| (name.clone(), type_name(*kind))).collect();
        let mut programs = Programs::new(&dataset, types, self.parts.providers.iter().any(|provider| provider.json));
        let placing = Placing::new(self.desk, self.checks, &mut programs, &scope, group.threshold, &mut self.counted);
        let placed = placing.place(&group.cases);
        programs.write(self.desk.out);
        let used = self.used(&scope, &translated, &placed, &group.cases);
        self.rows(&dataset, group, &scope, &used, &placed)?;
        let scorers = self.scorers(&dataset, group, &placed, &programs);
        let has_prompts = group.cases.iter().all(|case| case.vars.contains_key("prompt"));
        for (plan, translated) in plans.iter().zip(translated) {
            self.suite(&dataset, plan, translated, scorers.clone(), has_prompts);
        }
        self.written += 1;
        Ok(())
    }

    /// Reports what of tests does not reach their suite.
    fn report(&mut self, case: &Case, own: Option<&[Provider]>) {
        let parts: &Parts = self.parts;
        let value = |provider: &Provider| provider.transform.as_ref().map(Item::value);
        for provider in own.unwrap_or_default() {
            let Some(transform) = &provider.transform else { continue };
            // What all providers of the configuration do is done to these answers, too.
            let is_usual =
                !parts.providers.is_empty() && parts.providers.iter().all(|usual| value(usual) == value(provider));
            if !is_usual {
                let why = "the transform of a test's own provider is left out; write it under options of the test";
                self.desk.note_once(transform, "transform", why);
            }
        }
        let around = !(case.around.0.is_empty() && case.around.1.is_empty());
        if around && parts.prompts.iter().any(|prompt| matches!(prompt.content, Content::Parts(_))) {
            let why =
                "prefix and suffix are not added to prompts with parts that are no text; write them into the prompt";
            self.desk.note_once(&case.at, "options: prefix", why);
        }
        let [only, _] = &case.only;
        let found = parts.providers.iter().any(|provider| chosen(&provider.names, only));
        if !only.is_empty() && !found && own.is_none_or(<[Provider]>::is_empty) && case.output.is_none() {
            let why = format!(
                "none of the providers that are carried over is called {}, so the nearest-neighbour baseline answers; \
                 correct the name",
                only.join(" or ")
            );
            self.desk.note_once(&case.at, "providers", why);
        }
    }

    fn description(&self) -> String {
        let usual = || format!("Imported from promptfoo: {}", self.parts.name);
        self.parts.description.clone().unwrap_or_else(usual)
    }

    /// The providers with their prompts: those with the same prompts share a suite.
    fn plans<'p>(&mut self, case: &Case, own: Option<&'p [Provider]>) -> Vec<Plan<'p>>
    where
        'w: 'p,
    {
        let parts: &'p Parts = self.parts;
        let around = |prompt: &Prompt| prompt.around(&case.around.0, &case.around.1);
        if case.output.is_some() {
            return vec![Plan { providers: Vec::new(), prompts: Vec::new(), given: true }];
        }
        let [only_providers, only_prompts] = &case.only;
        let providers: Vec<&Provider> = match own.filter(|own| !own.is_empty()) {
            Some(own) => own.iter().collect(),
            None => parts.providers.iter().filter(|provider| chosen(&provider.names, only_providers)).collect(),
        };
        let mut plans: Vec<(Vec<usize>, Vec<&Provider>)> = Vec::new();
        for provider in &providers {
            let listed = provider.prompts.clone().unwrap_or_default();
            let of = |prompt: &Prompt| {
                let names: Vec<String> = prompt.names.iter().cloned().chain([prompt.name.clone()]).collect();
                chosen(&names, &listed) && chosen(&names, only_prompts)
            };
            let mut at: Vec<usize> =
                parts.prompts.iter().enumerate().filter(|(_, prompt)| of(prompt)).map(|(at, _)| at).collect();
            if at.is_empty() && !parts.prompts.is_empty() {
                let why = "none of the prompts has a label that is named here, so all are used; correct the label";
                self.desk.note_once(&provider.item, "prompts", why);
                at = (0..parts.prompts.len()).collect();
            }
            match plans.iter_mut().find(|(known, _)| *known == at) {
                Some((_, members)) => members.push(provider),
                None => plans.push((at, vec![provider])),
            }
        }
        if plans.is_empty() {
            plans.push(((0..parts.prompts.len()).collect(), Vec::new()));
        }
        let prompts = |at: &[usize]| at.iter().filter_map(|at| parts.prompts.get(*at)).map(around).collect();
        plans.into_iter().map(|(at, providers)| Plan { providers, prompts: prompts(&at), given: false }).collect()
    }

    /// The prompts of each plan as those of karat. What cannot be translated is reported.
    fn translate(&mut self, plans: &[Plan<'_>], scope: &Scope) -> Vec<Vec<(String, Translated)>> {
        let mut all = Vec::new();
        for plan in plans {
            let mut translated = Vec::new();
            for prompt in plan.prompts.iter().filter(|_| self.messages.is_none()) {
                match prompt.translated(scope) {
                    Ok(one) => translated.push((prompt.name.clone(), one)),
                    Err(why) => {
                        let why = format!("this prompt is left out: {why}; write it without that");
                        self.desk.note_once(&prompt.at, "prompts", why);
                    }
                }
            }
            all.push(translated);
        }
        all
    }

    /// The variables that templates use and that rows must therefore have.
    fn used(
        &mut self,
        scope: &Scope,
        translated: &[Vec<(String, Translated)>],
        placed: &Placed,
        cases: &[&Case],
    ) -> BTreeSet<String> {
        let of_prompts = translated.iter().flatten().flat_map(|(_, one)| one.used.used.iter().cloned());
        let used: BTreeSet<String> = of_prompts.chain(placed.used.iter().cloned()).collect();
        for name in used.iter().filter(|name| !scope.fields.contains(*name)) {
            if let Some(case) = cases.first() {
                let why = format!(
                    "no test has the variable {name} that a prompt uses, so it is empty; add it, or remove it from the \
                     prompt"
                );
                self.desk.note_once(&case.at, "vars", why);
            }
        }
        used
    }

    fn rows(
        &mut self,
        dataset: &str,
        group: &Group<'_>,
        scope: &Scope,
        used: &BTreeSet<String>,
        placed: &Placed,
    ) -> Result<(), Failure> {
        let mut ids: BTreeMap<String, usize> = BTreeMap::new();
        for (number, (case, extra)) in group.cases.iter().zip(&placed.extras).enumerate() {
            let mut row = self.row(number, case, extra, scope, used);
            if let Some(base) = case.description.as_ref().map(|text| slug(text)).filter(|id| id != "imported") {
                row.insert("id".to_owned(), json!(free_id(base, &mut ids)));
            }
            self.desk.out.example(dataset, case.at.line, row)?;
        }
        Ok(())
    }

    fn row(
        &mut self,
        number: usize,
        case: &Case,
        extra: &Extra,
        scope: &Scope,
        used: &BTreeSet<String>,
    ) -> Map<String, Value> {
        let mut vars = case.vars.clone();
        for name in used {
            vars.entry(name.clone()).or_insert(json!(""));
        }
        if let Some(output) = &case.output {
            vars.insert(GIVEN.to_owned(), json!(output));
        }
        if let Some(messages) = &self.messages {
            vars.insert("messages".to_owned(), prompts::filled(messages, &case.vars));
        }
        let mut row = Map::new();
        if extra.context {
            row.extend(self.context(case, &mut vars).map(|context| ("context".to_owned(), context)));
        }
        let text = || case.description.clone().unwrap_or_else(|| format!("Test {}", number + 1));
        let input = match vars.get("input").filter(|_| scope.plain_input) {
            Some(input) => input.clone(),
            None if scope.fields.is_empty() && vars.is_empty() => json!(text()),
            None => Value::Object(vars),
        };
        row.insert("input".to_owned(), input);
        row.extend(extra.expected.clone().map(|expected| ("expected".to_owned(), expected)));
        let metadata = metadata(case, extra);
        if !metadata.is_empty() {
            row.insert("metadata".to_owned(), Value::Object(metadata));
        }
        if !extra.assert.is_empty() {
            row.insert("assert".to_owned(), Value::Array(extra.assert.clone()));
        }
        row
    }

    /// Takes the context out of the variables, since judges read it elsewhere.
    fn context(&mut self, case: &Case, vars: &mut Map<String, Value>) -> Option<Value> {
        let is_blank = |context: &Value| context.as_str().is_some_and(|text| text.trim().is_empty());
        if vars.get("context").is_none_or(is_blank) {
            let why = "the test has no variable named context, so judges of the context skip it; add one";
            self.desk.note_once(&case.at, "context", why);
            return None;
        }
        vars.remove("context")
    }

    /// The scorers of a suite: one if there is one, else whether an answer passes all of them.
    fn scorers(&mut self, dataset: &str, group: &Group<'_>, placed: &Placed, programs: &Programs) -> Vec<Value> {
        let mut parts: Vec<Map<String, Value>> = placed.parts.clone();
        if placed.asserts {
            let mut own = object([("type", json!("assert"))]);
            if group.threshold.is_some() {
                super::checks::weighted(&mut own, self.own_weight(group, placed));
            }
            parts.push(own);
        }
        if parts.is_empty() && placed.measured.is_empty() {
            if let Some(case) = group.cases.first() {
                let why = format!(
                    "the tests of {dataset} have no assertion that is carried over, so any answer passes; add scorers \
                     to the suite"
                );
                self.desk.note_once(&case.at, "assert", why);
            }
            parts.push(object([("name", json!("answered")), ("type", json!("length")), ("min", json!(1))]));
        }
        let pass = match (group.threshold, parts.len()) {
            (_, 0) => None,
            (None, 1) => parts.pop(),
            (None, _) => Some(object([("name", json!("pass")), ("type", json!("all")), ("of", json!(parts))])),
            (Some(threshold), _) => Some(self.mean(group, threshold, &parts)),
        };
        let mut scorers: Vec<Value> =
            pass.into_iter().chain(placed.measured.iter().cloned()).map(Value::Object).collect();
        scorers.iter_mut().for_each(|scorer| with_scripts(scorer, programs));
        unique(scorers)
    }

    /// The mean of scorers, from a threshold on.
    fn mean(&mut self, group: &Group<'_>, threshold: f64, parts: &[Map<String, Value>]) -> Map<String, Value> {
        let mut scorer = object([("type", json!("mean")), ("of", json!(parts))]);
        if threshold > 0.0 {
            scorer.insert("name".to_owned(), json!("pass"));
            scorer.insert("threshold".to_owned(), json!(threshold.min(1.0)));
            return scorer;
        }
        scorer.insert("name".to_owned(), json!("score"));
        if let Some(case) = group.cases.first() {
            let why = "a threshold of 0 accepts every answer, so the mean of the scores is only measured; set a gate if it \
                       matters";
            self.desk.note_once(&case.at, "threshold", why);
        }
        scorer
    }

    /// The weight of the assertions that the rows have themselves; it is the same for all tests of a group.
    fn own_weight(&mut self, group: &Group<'_>, placed: &Placed) -> f64 {
        let with_own = group.cases.iter().zip(&placed.extras).find(|(_, extra)| !extra.assert.is_empty());
        let members = with_own.and_then(|(_, extra)| extra.assert.first()?.get("of")?.as_array().cloned());
        let weight = |member: &Value| member.get("weight").and_then(Value::as_f64).unwrap_or(1.0);
        members.map_or(1.0, |members| members.iter().map(weight).sum())
    }

    fn suite(
        &mut self,
        dataset: &str,
        plan: &Plan<'_>,
        translated: Vec<(String, Translated)>,
        scorers: Vec<Value>,
        has_prompts: bool,
    ) {
        let description = self.description();
        let given = plan.given;
        let endpoints = match given {
            true => {
                let definition = Answering::Echo.endpoint(Map::new(), self.desk.out);
                json!([self.desk.out.endpoint("echo", definition)])
            }
            false => super::endpoints(self.desk, &plan.providers),
        };
        let mut suite = object([
            ("description", json!(description)),
            ("dataset", json!(dataset)),
            ("endpoints", endpoints),
            ("scorers", Value::Array(scorers)),
        ]);
        let environment = translated.iter().flat_map(|(_, one)| one.used.environment.iter());
        let vars: Map<String, Value> = environment.map(|name| (name.clone(), json!(format!("${{{name}}}")))).collect();
        if !vars.is_empty() {
            suite.insert("vars".to_owned(), Value::Object(vars));
        }
        if self.parts.repeat > 1 {
            suite.insert("repeat".to_owned(), json!(self.parts.repeat));
        }
        match () {
            () if given => drop(suite.insert("prompt".to_owned(), json!(format!("{{{{ {GIVEN} }}}}")))),
            // Attacks are sent as they are unless the configuration has prompts.
            () if !self.parts.prompted && has_prompts => drop(suite.insert("prompt".to_owned(), json!("{{ prompt }}"))),
            () => self.prompts(translated, &mut suite),
        }
        self.desk.out.suite(dataset, suite);
    }

    fn prompts(&mut self, translated: Vec<(String, Translated)>, suite: &mut Map<String, Value>) {
        let mut several = BTreeMap::new();
        for (name, one) in translated {
            let file = if self.written == 0 { name.clone() } else { format!("{name}-{}", self.written + 1) };
            several.insert(name, prompts::placed(self.desk, one, &file));
        }
        match several.len() {
            0 => {}
            1 => drop(several.into_values().next().and_then(|prompt| suite.insert("prompt".to_owned(), prompt))),
            _ => drop(suite.insert("prompts".to_owned(), json!(several))),
        }
    }
}

/// An id that no row has yet; `ids` has the number after the last one of each.
fn free_id(base: String, ids: &mut BTreeMap<String, usize>) -> String {
    let mut number = ids.get(&base).copied().unwrap_or(1);
    let mut id = if number == 1 { base.clone() } else { format!("{base}-{number}") };
    while number > 1 && ids.contains_key(&id) {
        number += 1;
        id = format!("{base}-{number}");
    }
    ids.insert(base, number + 1);
    ids.entry(id.clone()).or_insert(2);
    id
}

/// The messages of the only prompt, if they have parts that are no text.
fn messages(plans: &[Plan<'_>]) -> Option<Value> {
    let mut all = plans.iter().flat_map(|plan| &plan.prompts).map(|prompt| &prompt.content);
    let Some(Content::Parts(first)) = all.next() else { return None };
    let single = plans.iter().all(|plan| plan.prompts.len() == 1);
    (single && all.all(|content| matches!(content, Content::Parts(other) if other == first))).then(|| first.clone())
}

fn metadata(case: &Case, extra: &Extra) -> Map<String, Value> {
    let mut metadata = case.metadata.clone();
    metadata.extend(extra.metadata.clone());
    if let Some(description) = &case.description {
        metadata.entry("description").or_insert(json!(description));
    }
    metadata.retain(|_, value| !value.is_null());
    metadata
}

/// Adds the scripts of checks to the command, so that their changes change the identity of the scorer.
fn with_scripts(scorer: &mut Value, programs: &Programs) {
    if let Some(parts) = scorer.get_mut("of").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(|part| with_scripts(part, programs));
    }
    if let Some(command) = scorer.get_mut("command").and_then(Value::as_array_mut) {
        let is_python = command.first().and_then(Value::as_str) == Some("python3");
        let language =
            if is_python { super::programs::Language::Python } else { super::programs::Language::JavaScript };
        command.extend(programs.scripts(language).into_iter().map(Value::String));
    }
}

/// What is known of the variables of tests.
fn scope(cases: &[&Case]) -> Scope {
    let mut scope = Scope::default();
    let mut types: BTreeMap<String, Option<VarType>> = BTreeMap::new();
    for (name, value) in cases.iter().flat_map(|case| &case.vars) {
        scope.fields.insert(name.clone());
        let kind = match value {
            Value::Bool(_) => Some(VarType::Flag),
            Value::Number(number) if number.is_f64() => Some(VarType::Number),
            Value::Number(_) => Some(VarType::Whole),
            _ => None,
        };
        let known = types.entry(name.clone()).or_insert(kind);
        *known = match (*known, kind) {
            (Some(VarType::Whole | VarType::Number), Some(VarType::Number))
            | (Some(VarType::Number), Some(VarType::Whole)) => Some(VarType::Number),
            (known, kind) if known == kind => known,
            _ => None,
        };
    }
    scope.types = types.into_iter().filter_map(|(name, kind)| Some((name, kind?))).collect();
    let plain = |case: &&Case| {
        let text = case.vars.get("input").and_then(Value::as_str);
        case.vars.len() == 1 && text.is_some_and(|text| !text.trim().is_empty()) && case.output.is_none()
    };
    scope.plain_input = !cases.is_empty() && cases.iter().all(plain);
    scope
}

fn type_name(kind: VarType) -> &'static str {
    match kind {
        VarType::Whole => "whole",
        VarType::Number => "number",
        VarType::Flag => "flag",
    }
}

/// Whether something with these names is among what is wanted, which is everything if it is empty.
fn chosen(names: &[String], only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|wanted| names.iter().any(|name| matches(wanted, name)))
}

/// Whether a name is the one that is wanted, which may end with `*`.
fn matches(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => wanted == name || name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(':')),
    }
}
