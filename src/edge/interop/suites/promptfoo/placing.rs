//! Where checks go: into the suite, into the rows, or into both.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::super::Carried;
use super::assertions::{Assertion, Check, Judge};
use super::cases::Case;
use super::checks::{Checks, For, Known, Maker, expects, is_listed, is_pure, named, reads_context, weighted};
use super::desk::Desk;
use super::programs::{Pick, Programs};
use super::templates::{Scope, render};
use super::tree::object;
use crate::edge::interop::suites::draft::{literal, slug};

/// How many scorers a suite may get for single tests.
const MAX_SLOTS: usize = 100;

/// What a row gets from its checks.
#[derive(Debug, Default, Clone)]
pub(super) struct Extra {
    /// Its own scorers.
    pub(super) assert: Vec<Value>,
    /// What scorers of the suite read in its metadata.
    pub(super) metadata: Map<String, Value>,
    /// The accepted answer.
    pub(super) expected: Option<Value>,
    /// Whether a judge reads its context.
    pub(super) context: bool,
    /// Members of the mean of a test with a threshold.
    members: Vec<Value>,
    slots: BTreeSet<usize>,
}

/// The scorers of a suite and what its rows get.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// What every answer has to pass.
    pub(super) parts: Vec<Map<String, Value>>,
    /// What is only measured.
    pub(super) measured: Vec<Map<String, Value>>,
    /// What each row gets, in the order of the tests.
    pub(super) extras: Vec<Extra>,
    /// Variables of the tests that scorers use.
    pub(super) used: BTreeSet<String>,
    /// Whether a row has scorers of its own.
    pub(super) asserts: bool,
}

/// A scorer of the suite that applies to the rows that have its field.
#[derive(Debug)]
struct Slot {
    shape: String,
    scorer: Map<String, Value>,
    field: String,
    measured: bool,
}

/// An assertion of a test, with what it becomes.
type Own = (Rc<Assertion>, Rc<Known>);

/// Places the checks of the tests of a suite.
pub(super) struct Placing<'p, 'd, 'a> {
    /// Files and notes.
    pub(super) desk: &'d mut Desk<'a>,
    /// The assertions of the import.
    pub(super) checks: &'p mut Checks,
    /// The programs of the suite.
    pub(super) programs: &'p mut Programs,
    /// What is known of variables.
    pub(super) scope: &'p Scope,
    /// From which mean score on a test passes.
    pub(super) threshold: Option<f64>,
    /// Assertions of the defaults that are counted already.
    pub(super) counted: &'p mut BTreeSet<String>,
    slots: Vec<Slot>,
    taken: BTreeSet<String>,
    placed: Placed,
}

impl<'p, 'd, 'a> Placing<'p, 'd, 'a> {
    /// Places the checks of tests.
    pub(super) fn new(
        desk: &'d mut Desk<'a>,
        checks: &'p mut Checks,
        programs: &'p mut Programs,
        scope: &'p Scope,
        threshold: Option<f64>,
        counted: &'p mut BTreeSet<String>,
    ) -> Self {
        Self {
            desk,
            checks,
            programs,
            scope,
            threshold,
            counted,
            slots: Vec::new(),
            taken: BTreeSet::new(),
            placed: Placed::default(),
        }
    }

    /// Places everything.
    pub(super) fn place(mut self, cases: &[&Case]) -> Placed {
        self.taken = cases.iter().flat_map(|case| case.metadata.keys().cloned()).collect();
        self.placed.extras = vec![Extra::default(); cases.len()];
        let shared = shared(cases, |assertion| self.checks.read(self.desk, assertion));
        let mut left: Vec<Vec<Own>> = Vec::new();
        for case in cases {
            let all = case.common.iter().chain(&case.own);
            let all = all.map(|assertion| (Rc::clone(assertion), self.checks.read(self.desk, assertion)));
            left.push(all.collect());
        }
        for key in shared {
            self.everywhere(&key, cases, &mut left);
        }
        self.accepted(cases, &mut left);
        for (at, (case, own)) in cases.iter().zip(&left).enumerate() {
            for (assertion, known) in own {
                let carried = self.own(at, case, assertion, known);
                self.count(case, assertion, known, carried);
            }
            self.finish_row(at);
        }
        self.finish()
    }

    fn maker<'m>(&'m mut self, judge: &'m mut dyn FnMut() -> String) -> Maker<'m> {
        Maker { out: &*self.desk.out, programs: self.programs, judge, used: &mut self.placed.used }
    }

    /// The scorer of a check.
    fn scorer(&mut self, assertion: &Assertion, check: &Check, of: For<'_>) -> Result<Map<String, Value>, String> {
        let needs_judge = matches!(check, Check::Judge(_) | Check::Set(..)) && !is_pure(check);
        let grader = needs_judge.then(|| self.checks.grader(self.desk, grader_of(assertion)));
        let graded = self.threshold.is_some();
        let mut scorer = self.maker(&mut || grader.clone().unwrap_or_default()).scorer(check, of, graded)?;
        named(&mut scorer, assertion.metric().as_deref());
        if matches!(check, Check::Judge(_) | Check::Server(_)) && !scorer.contains_key("name") {
            let name = slug(&assertion.base);
            if scorer.get("type").and_then(Value::as_str) != Some(name.as_str()) {
                scorer.insert("name".to_owned(), json!(name));
            }
        }
        if graded {
            weighted(&mut scorer, assertion.weight());
        }
        Ok(scorer)
    }

    /// Places an assertion that all tests have.
    fn everywhere(&mut self, key: &str, cases: &[&Case], left: &mut [Vec<Own>]) {
        let found = left.first().and_then(|own| own.iter().find(|(assertion, _)| assertion.key == key)).cloned();
        let Some((assertion, known)) = found else { return };
        let Ok(check) = &known.check else { return };
        if !self.expect_everywhere(check, cases) {
            return;
        }
        let Ok(scorer) = self.scorer(&assertion, check, For::All(self.scope)) else { return };
        let carried = if has_program(check) { Carried::ByProgram } else { Carried::Directly };
        for ((at, case), own) in cases.iter().enumerate().zip(left.iter_mut()) {
            if let Some(extra) = self.placed.extras.get_mut(at) {
                extra.context |= reads_context(check);
            }
            if let Some(index) = own.iter().position(|(assertion, _)| assertion.key == key) {
                let (assertion, known) = own.remove(index);
                self.count(case, &assertion, &known, Ok(carried));
            }
        }
        let to = if self.is_measured(&assertion) { &mut self.placed.measured } else { &mut self.placed.parts };
        to.push(scorer);
    }

    /// Whether the score of an assertion is kept, and decides nothing.
    fn is_measured(&self, assertion: &Assertion) -> bool {
        assertion.weight() == 0.0 || (self.threshold.is_none() && assertion.collects())
    }

    /// Gives every row the accepted answer that a judge reads; false if a row has another one already.
    fn expect_everywhere(&mut self, check: &Check, cases: &[&Case]) -> bool {
        let Some(judge) = expects(check) else { return true };
        let template = judge.expected.clone().unwrap_or_default();
        let rendered: Vec<Option<String>> = cases.iter().map(|case| render(&template, &case.vars).ok()).collect();
        let fits = |(text, extra): (&Option<String>, &Extra)| match (text, &extra.expected) {
            (None, _) => false,
            (Some(text), Some(known)) => known == text,
            (Some(text), None) => !text.trim().is_empty(),
        };
        if !rendered.iter().zip(&self.placed.extras).all(fits) {
            return false;
        }
        for (text, extra) in rendered.into_iter().zip(&mut self.placed.extras) {
            extra.expected = text.map(Value::String);
        }
        true
    }

    /// Values that differ by test, but are compared in the same way, become accepted answers.
    fn accepted(&mut self, cases: &[&Case], left: &mut [Vec<Own>]) {
        let free = self.placed.extras.iter().all(|extra| extra.expected.is_none());
        let reads =
            left.iter().flatten().any(|(_, known)| known.check.as_ref().is_ok_and(|check| expects(check).is_some()));
        if cases.len() < 2 || self.threshold.is_some() || !free || reads {
            return;
        }
        let shapes =
            |own: &Vec<Own>| own.iter().filter_map(|(assertion, known)| compared(assertion, known)).collect::<Vec<_>>();
        let all: Vec<Vec<String>> = left.iter().map(shapes).collect();
        let once = |shape: &&String| all.iter().all(|shapes| shapes.iter().filter(|other| other == shape).count() == 1);
        let Some(shape) = all.first().and_then(|first| first.iter().find(once)).cloned() else { return };
        let Some(values) = values(cases, left, &shape) else { return };
        let mut scorer = None;
        for ((at, case), (own, value)) in cases.iter().enumerate().zip(left.iter_mut().zip(values)) {
            let index = own.iter().position(|(assertion, known)| compared(assertion, known).as_ref() == Some(&shape));
            let Some((assertion, known)) = index.map(|index| own.remove(index)) else { continue };
            if let Some(extra) = self.placed.extras.get_mut(at) {
                extra.expected = Some(Value::String(value));
            }
            if let (None, Ok(Check::Scorer(settings))) = (&scorer, &known.check) {
                let mut settings = settings.clone();
                settings.remove("value");
                named(&mut settings, assertion.metric().as_deref());
                scorer = Some(settings);
            }
            self.count(case, &assertion, &known, Ok(Carried::Directly));
        }
        self.placed.parts.extend(scorer);
    }

    /// Places an assertion of one test.
    fn own(&mut self, at: usize, case: &Case, assertion: &Rc<Assertion>, known: &Known) -> Result<Carried, String> {
        let check = known.check.as_ref().map_err(String::clone)?;
        let carried = if has_program(check) { Carried::ByProgram } else { Carried::Directly };
        if let Some(extra) = self.placed.extras.get_mut(at) {
            extra.context |= reads_context(check);
        }
        match check {
            check if is_pure(check) && !self.is_measured(assertion) => {
                let scorer = self.scorer(assertion, check, For::One(&case.vars))?;
                let Some(extra) = self.placed.extras.get_mut(at) else { return Ok(carried) };
                let to = if self.threshold.is_some() { &mut extra.members } else { &mut extra.assert };
                to.push(Value::Object(scorer));
            }
            Check::Judge(judge) => self.own_judge(at, case, assertion, judge)?,
            Check::Program(language, snippet) => {
                let name = self.programs.add(*language, snippet.clone());
                let (programs, graded) = (&*self.programs, self.threshold.is_some());
                let mut scorer = programs.scorer(*language, &Pick::Field("FIELD"), graded);
                scorer.insert("name".to_owned(), json!(language.name()));
                self.slot(at, assertion, scorer, language.name(), json!(name))?;
            }
            // A set without a threshold is nothing but its members.
            Check::Set(_, None) if self.threshold.is_none() && !self.is_measured(assertion) => {
                for (member, known) in &known.members {
                    if known.check.is_ok() {
                        self.own(at, case, member, known)?;
                    }
                }
            }
            other => {
                if expects(other).is_some() {
                    let why = "a set with a threshold cannot have a judge that reads an accepted answer";
                    return Err(format!("{why}; write it into the suite"));
                }
                let scorer = self.scorer(assertion, other, For::One(&case.vars))?;
                self.slot(at, assertion, scorer, &slug(&assertion.base), json!(true))?;
            }
        }
        Ok(carried)
    }

    fn own_judge(&mut self, at: usize, case: &Case, assertion: &Rc<Assertion>, judge: &Judge) -> Result<(), String> {
        let mut judge = judge.clone();
        if let Some(expected) = judge.expected.take() {
            let text = render(&expected, &case.vars)?;
            if text.trim().is_empty() {
                return Err("its value is empty".to_owned());
            }
            self.expect(at, &mut judge, text)?;
        }
        let grader = self.checks.grader(self.desk, assertion.grader.as_ref());
        let mut scorer = self.maker(&mut || grader.clone()).judge_without_criteria(&judge);
        let value = match &judge.criteria {
            Some(criteria) => {
                let text = render(criteria, &case.vars)?;
                if text.trim().is_empty() {
                    return Err("its value is empty".to_owned());
                }
                scorer.insert("criteria".to_owned(), json!("{{ metadata.FIELD }}"));
                json!(text)
            }
            None => json!(true),
        };
        if self.threshold.is_some() {
            scorer.remove("threshold");
        }
        let name = slug(&assertion.base);
        if name != judge.kind {
            scorer.insert("name".to_owned(), json!(name));
        }
        let field = if judge.criteria.is_some() { "criteria" } else { judge.kind };
        self.slot(at, assertion, scorer, field, value)
    }

    /// Gives a row the accepted answer that a judge reads. Where it has another one, the text is part of the criteria.
    fn expect(&mut self, at: usize, judge: &mut Judge, text: String) -> Result<(), String> {
        let Some(extra) = self.placed.extras.get_mut(at) else { return Ok(()) };
        let other = extra.expected.as_ref().is_some_and(|known| *known != text);
        match (other, judge.kind) {
            (false, _) => extra.expected = Some(json!(text)),
            (true, "factuality") => {
                judge.kind = "rubric";
                judge.settings.remove("scores");
                judge.settings.remove("prompt");
                judge.settings.insert("threshold".to_owned(), json!(0.5));
                let criteria = format!("The facts agree with this text, without contradiction: {text}");
                judge.criteria = Some(literal(&criteria));
            }
            (true, _) => return Err("the test has another accepted answer already; split the test".to_owned()),
        }
        Ok(())
    }

    /// Lets a scorer of the suite apply to a row, by a field of its metadata that has a value.
    fn slot(
        &mut self,
        at: usize,
        assertion: &Assertion,
        mut scorer: Map<String, Value>,
        field: &str,
        value: Value,
    ) -> Result<(), String> {
        named(&mut scorer, assertion.metric().as_deref());
        if self.threshold.is_some() {
            weighted(&mut scorer, assertion.weight());
        }
        let measured = self.is_measured(assertion);
        let shape = json!([scorer, measured]).to_string();
        let extra = self.placed.extras.get(at);
        let is_used = |index: &usize| extra.is_some_and(|extra| extra.slots.contains(index));
        let free = |(index, slot): &(usize, &Slot)| slot.shape == shape && !is_used(index);
        let index = match self.slots.iter().enumerate().find(free).map(|(index, _)| index) {
            Some(index) => index,
            None if self.slots.len() >= MAX_SLOTS => {
                return Err(
                    "the suite has too many scorers of single tests already; write it into the suite".to_owned()
                );
            }
            None => {
                let name = self.free_field(field);
                self.slots.push(Slot { shape, scorer, field: name, measured });
                self.slots.len() - 1
            }
        };
        if let (Some(slot), Some(extra)) = (self.slots.get(index), self.placed.extras.get_mut(at)) {
            extra.metadata.insert(slot.field.clone(), value);
            extra.slots.insert(index);
        }
        Ok(())
    }

    fn free_field(&mut self, field: &str) -> String {
        let field = field.replace('-', "_");
        let names = std::iter::once(field.clone()).chain((2..).map(|number| format!("{field}_{number}")));
        let name = names.into_iter().find(|name| !self.taken.contains(name)).unwrap_or(field);
        self.taken.insert(name.clone());
        name
    }

    fn finish_row(&mut self, at: usize) {
        let Some(extra) = self.placed.extras.get_mut(at) else { return };
        let members = std::mem::take(&mut extra.members);
        if !members.is_empty() {
            extra.assert.push(Value::Object(object([("type", json!("mean")), ("of", Value::Array(members))])));
        }
        self.placed.asserts |= !extra.assert.is_empty();
    }

    fn finish(mut self) -> Placed {
        for slot in &self.slots {
            let field = |text: &str| text.replace("FIELD", &slot.field);
            let mut scorer = slot.scorer.clone();
            for key in ["criteria", "params"] {
                match scorer.get_mut(key) {
                    Some(Value::String(text)) => *text = field(text),
                    Some(Value::Object(params)) if params.contains_key("from") => {
                        params.insert("from".to_owned(), json!(slot.field));
                    }
                    _ => {}
                }
            }
            let all = self.placed.extras.iter().all(|extra| extra.metadata.contains_key(&slot.field));
            if !all {
                let own =
                    scorer.get("when").and_then(Value::as_str).map_or_else(String::new, |own| format!(" and {own}"));
                scorer.insert("when".to_owned(), json!(format!("metadata.{} is defined{own}", slot.field)));
            }
            let to = if slot.measured { &mut self.placed.measured } else { &mut self.placed.parts };
            to.push(scorer);
        }
        self.placed
    }

    /// Counts an assertion and reports what is not carried over, or differs.
    fn count(&mut self, case: &Case, assertion: &Assertion, known: &Known, carried: Result<Carried, String>) {
        let of_defaults = case.common.iter().any(|common| common.key == assertion.key);
        let place = format!("{}:{}:{}", assertion.item.file.display(), assertion.item.line, assertion.key);
        let counts = if of_defaults { self.counted.insert(place) } else { case.first };
        if !counts {
            return;
        }
        let what = assertion.name();
        self.differences(assertion, known, &what);
        let kind = what.trim_start_matches("assert: ").to_owned();
        match carried {
            Ok(carried) => self.desk.count(&kind, carried),
            Err(why) => {
                self.desk.count(&kind, Carried::Not);
                self.desk.note(&assertion.item, &what, format!("not carried over: {why}"));
            }
        }
        for (member, known) in &known.members {
            let carried = match &known.check {
                Ok(check) if has_program(check) => Ok(Carried::ByProgram),
                Ok(_) => Ok(Carried::Directly),
                Err(why) => Err(why.clone()),
            };
            let alone = Case { common: Vec::new(), first: true, ..case.clone() };
            self.count(&alone, member, known, carried);
        }
    }

    /// Reports how a scorer differs from its assertion.
    fn differences(&mut self, assertion: &Assertion, known: &Known, what: &str) {
        let at = &assertion.item;
        if assertion.weight() != 1.0 && assertion.weight() > 0.0 && self.threshold.is_none() {
            let why = "a test without a threshold passes if all its assertions pass, so weights have no effect";
            self.desk.note_once(at, "weight", why);
        }
        for (name, value) in assertion.unknown_keys() {
            let why = "this key of an assertion is not known, so it is left out; check its spelling";
            self.desk.note(value, &format!("{what}: {name}"), why);
        }
        if self.threshold.is_none() && assertion.collects() {
            let why = "a set with a threshold of 0 accepts every answer, so it decides nothing: its score is measured beside \
                       the others, unless it is part of a set";
            self.desk.note_once(at, "threshold", why);
        }
        for member in &assertion.untyped {
            let why = "a member of the set has no type, or is written as text, so it is left out; write it as a mapping with \
                       a type, such as contains";
            self.desk.note(member, what, why);
        }
        if at.get("metric").is_some() && assertion.metric().is_none() {
            self.desk.note_once(at, "metric", "a metric that is a template names no scorer; write its name");
        }
        if at.get("config").is_some() && !known.check.as_ref().is_ok_and(has_program) {
            let why = "settings of an assertion reach programs only, so these are left out";
            self.desk.note_once(at, &format!("{what}: config"), why);
        }
        for remark in &known.remarks {
            self.desk.note_once(at, what, remark.clone());
        }
    }
}

/// The grader of an assertion, or of the first member of a set that has one.
fn grader_of(assertion: &Assertion) -> Option<&super::tree::Item> {
    assertion.grader.as_ref().or_else(|| assertion.members.iter().find_map(|member| grader_of(member)))
}

fn has_program(check: &Check) -> bool {
    match check {
        Check::Program(..) | Check::Server(_) => true,
        Check::Set(of, _) => of.iter().any(|member| has_program(&member.check)),
        _ => false,
    }
}

/// The way in which an assertion compares the answer with a text; `None` if it does not.
fn compared(assertion: &Assertion, known: &Known) -> Option<String> {
    let Ok(Check::Scorer(scorer)) = &known.check else { return None };
    scorer.get("value").filter(|value| value.is_string())?;
    if assertion.weight() == 0.0 || scorer.get("not").is_some() {
        return None;
    }
    let mut shape = scorer.clone();
    shape.remove("value");
    Some(json!([shape, assertion.metric()]).to_string())
}

/// The texts that tests compare answers with in this way; `None` if one cannot be an accepted answer.
fn values(cases: &[&Case], left: &[Vec<Own>], shape: &str) -> Option<Vec<String>> {
    let value = |(case, own): (&&Case, &Vec<Own>)| {
        let is_it = |(assertion, known): &&Own| compared(assertion, known).as_deref() == Some(shape);
        let (_, known) = own.iter().find(is_it)?;
        let Ok(Check::Scorer(scorer)) = &known.check else { return None };
        let text = render(scorer.get("value")?.as_str()?, &case.vars).ok()?;
        // Blank text is no accepted answer, and white space around it would not be compared.
        (!text.trim().is_empty() && text.trim() == text).then_some(text)
    };
    cases.iter().zip(left).map(value).collect()
}

/// The keys of the assertions that all tests have, in the order of the first test. Pure ones of a single test stay with
/// it.
fn shared(cases: &[&Case], mut read: impl FnMut(&Assertion) -> Rc<Known>) -> Vec<String> {
    let Some(first) = cases.first() else { return Vec::new() };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases {
        let keys: BTreeSet<&str> =
            case.common.iter().chain(&case.own).map(|assertion| assertion.key.as_str()).collect();
        keys.into_iter().for_each(|key| *counts.entry(key).or_default() += 1);
    }
    let mut keys = Vec::new();
    for (index, assertion) in first.common.iter().chain(&first.own).enumerate() {
        let everywhere = counts.get(assertion.key.as_str()) == Some(&cases.len()) && !keys.contains(&assertion.key);
        let known = read(assertion);
        let Ok(check) = &known.check else { continue };
        let stays = cases.len() == 1 && index >= first.common.len() && is_pure(check);
        if everywhere && !stays && !is_listed(check) {
            keys.push(assertion.key.clone());
        }
    }
    keys
}
