//! The changes between two shapes that are more than sampling noise.

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::Value;

use super::consumer::Consumer;
use super::node::{JsonType, MAX_ENUM, Marks, Node, Step};
use super::place::{Place, Side};
use super::rename::{Rename, renames};
use super::shape::Shape;
use crate::core::stats::{benjamini_hochberg, fisher_exact};

/// Expected share of false changes among those reported.
const FALSE_DISCOVERY_RATE: f64 = 0.05;

/// Smaller changes of a share of outputs are not reported, unless one side has nothing.
const MIN_AFFECTED: f64 = 0.01;

const NO_SCHEMA: &str = "no schema says what the consumer needs";

/// How a path changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChangeKind {
    /// More or fewer outputs are not JSON.
    NotJson,
    /// The candidate never has the key.
    Missing,
    /// The base never has the key.
    New,
    /// The key has another name.
    Renamed {
        /// Path of the key in the candidate.
        to: String,
    },
    /// Fewer outputs have the key in all objects (or, for `[]`, have elements in all arrays).
    LessFrequent,
    /// More outputs have the key in all objects (or, for `[]`, have elements in all arrays).
    MoreFrequent,
    /// Values have other types, or the same types in other shares.
    TypeChanged {
        /// Types seen in the base.
        from: Vec<JsonType>,
        /// Types seen in the candidate.
        to: Vec<JsonType>,
    },
    /// A small set of values changed.
    EnumChanged {
        /// Values that the candidate never has, as JSON text.
        gone: Vec<String>,
        /// Values that the base never has, as JSON text; the first 12, and none of more than 40 characters.
        new: Vec<String>,
    },
}

/// Whether a change breaks a consumer, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Breaking {
    /// The consumer does not accept it.
    Yes,
    /// Nothing says what the consumer accepts, or the schema cannot be followed.
    Unknown,
    /// The consumer accepts it.
    No,
}

/// A change between the outputs of two endpoints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShapeChange {
    /// The path, such as `$.items[].price`; `{}` is any key of a dictionary.
    pub path: String,
    /// How it changed.
    pub kind: ChangeKind,
    /// Share of the base's outputs, of those that could have it, in [0, 1]: with the key, the type that changed most
    /// for the worse, the new values (the gone ones if there are no new ones), or without JSON.
    pub base_share: f64,
    /// The same share of the candidate's outputs; of the new key if the key was renamed.
    pub candidate_share: f64,
    /// Whether it breaks the consumer.
    pub breaking: Breaking,
    /// Why it does or does not, and why a key is taken for renamed; a phrase without a full stop.
    pub reason: String,
}

/// The changes from `base` to `candidate`: breaking ones first, then by the share of outputs affected, then by path.
///
/// `consumer` is the JSON Schema of what the consumer accepts. Each share is tested in whole outputs by Fisher's exact
/// test; all tests of a comparison are adjusted together to a false discovery rate of 5 %. A significant change is
/// reported if it affects 1 % of outputs, or if one side has nothing at all. What is below a missing or new key, or a
/// value of another type, is not compared.
pub fn changes(base: &Shape, candidate: &Shape, consumer: Option<&Value>) -> Vec<ShapeChange> {
    let (mut before, mut after, empty) = (base.root.clone(), candidate.root.clone(), Node::default());
    before.align(&mut after);
    let mut places = Vec::new();
    let top = Place {
        path: "$".into(),
        parent: String::new(),
        step: None,
        base: Side { node: &before, parents: base.outputs(), outputs: base.outputs() },
        candidate: Side { node: &after, parents: candidate.outputs(), outputs: candidate.outputs() },
        above: None,
        here: consumer.map(Consumer::new),
    };
    top.walk(&empty, &mut places);
    let tests = places.iter().flat_map(tests).collect();
    let mut changes = described(&reported(tests));
    changes.sort_by(order);
    changes
}

fn order(a: &ShapeChange, b: &ShapeChange) -> Ordering {
    let affected = |change: &ShapeChange| (change.candidate_share - change.base_share).abs();
    (a.breaking.cmp(&b.breaking))
        .then_with(|| affected(b).total_cmp(&affected(a)))
        .then_with(|| (&a.path, &a.kind).cmp(&(&b.path, &b.kind)))
}

/// What is tested at a place.
#[derive(Debug, Clone, PartialEq)]
enum Aspect {
    /// Outputs with the path.
    Presence,
    Type(JsonType),
    Gone(String),
    New(Vec<String>),
}

/// A count on both sides.
#[derive(Debug)]
struct Test<'p, 'a> {
    place: &'p Place<'a>,
    aspect: Aspect,
    /// Outputs counted, of the base and the candidate.
    counts: [u64; 2],
    /// Outputs that could count.
    totals: [u64; 2],
    /// Outputs of the base that count by chance: values seen only once, as others like them would be new.
    chance: u64,
}

impl Test<'_, '_> {
    fn shares(&self) -> [f64; 2] {
        [0, 1].map(|side| self.counts[side] as f64 / self.totals[side] as f64)
    }

    fn p_value(&self) -> f64 {
        let [before, after] = self.counts;
        if self.chance > 0 && self.chance as f64 / self.totals[0] as f64 >= self.shares()[1] {
            return 1.0;
        }
        fisher_exact(before.max(self.chance), self.totals[0], after, self.totals[1])
    }

    /// Whether the test can be significant at all; the others need no adjustment.
    fn is_informative(&self) -> bool {
        self.totals.iter().all(|total| *total > 0)
            && self.counts.iter().any(|count| *count > 0)
            && self.counts != self.totals
    }

    fn is_large(&self) -> bool {
        let [before, after] = self.shares();
        let outputs = [self.place.base.outputs, self.place.candidate.outputs];
        let reach = [0, 1].map(|side| self.totals[side] as f64 / outputs[side] as f64);
        self.counts.contains(&0) || (after - before).abs() * reach[0].max(reach[1]) >= MIN_AFFECTED
    }
}

fn tests<'p, 'a>(place: &'p Place<'a>) -> Vec<Test<'p, 'a>> {
    let (base, candidate) = (place.base, place.candidate);
    let totals = [base.seen(), candidate.seen()];
    let test = |aspect, counts, totals, chance| Test { place, aspect, counts, totals, chance };
    let mut tests = Vec::new();
    if place.step != Some(Step::Any) {
        let complete = [base.complete(), candidate.complete()];
        // A key that one side never has may be in some objects of each output.
        let counts = if totals.contains(&0) || complete == [0, 0] { totals } else { complete };
        tests.push(test(Aspect::Presence, counts, [base.parents, candidate.parents], 0));
    }
    for kind in base.node.types.keys().chain(candidate.node.types.keys().filter(|kind| base.node.of_type(**kind) == 0))
    {
        let counts = [base.node.of_type(*kind), candidate.node.of_type(*kind)];
        tests.push(test(Aspect::Type(*kind), counts, totals, 0));
    }
    tests.extend(value_tests(place));
    tests.retain(Test::is_informative);
    tests
}

/// Tests of a path whose values in the base are from a small set.
fn value_tests<'p, 'a>(place: &'p Place<'a>) -> Vec<Test<'p, 'a>> {
    let (base, candidate) = (place.base.node, place.candidate.node);
    if !base.is_enum() {
        return Vec::new();
    }
    let (known, other) = (&base.values.known, &candidate.values.known);
    let totals = [place.base.seen(), place.candidate.seen()];
    // The values of a type that only one side has are a change of types.
    let comparable = |value: &&String| [base, candidate].iter().all(|node| node.of_type(type_of(value)) > 0);
    let gone = known.iter().filter(|(value, _)| candidate.values.complete() && !other.contains_key(*value));
    let gone = gone.filter(|(value, _)| comparable(value)).map(|(value, marks)| {
        let aspect = Aspect::Gone(value.clone());
        Test { place, aspect, counts: [marks.count(), 0], totals, chance: 0 }
    });
    let new: Vec<String> =
        other.keys().filter(comparable).filter(|value| !known.contains_key(*value)).cloned().collect();
    let mut outputs = if base.of_type(JsonType::String) > 0 { candidate.values.long.clone() } else { Marks::default() };
    new.iter().for_each(|value| outputs.unite(&other[value]));
    let chance = known.values().filter(|marks| marks.count() == 1).count() as u64;
    let added = Test { place, aspect: Aspect::New(new), counts: [0, outputs.count()], totals, chance };
    gone.chain([added]).collect()
}

/// The type of a value given as JSON text.
fn type_of(value: &str) -> JsonType {
    match value.as_bytes().first() {
        Some(b'"') => JsonType::String,
        Some(b't' | b'f') => JsonType::Boolean,
        _ => JsonType::Integer,
    }
}

/// The tests that show a change.
fn reported<'p, 'a>(tests: Vec<Test<'p, 'a>>) -> Vec<Test<'p, 'a>> {
    let p: Vec<f64> = tests.iter().map(Test::p_value).collect();
    let adjusted = benjamini_hochberg(&p);
    let shown = |(test, p): (Test<'p, 'a>, f64)| (p <= FALSE_DISCOVERY_RATE && test.is_large()).then_some(test);
    tests.into_iter().zip(adjusted).filter_map(shown).collect()
}

/// One change per place for presence, types and values. `tests` are in groups by place.
fn described(tests: &[Test<'_, '_>]) -> Vec<ShapeChange> {
    let mut changes = Vec::new();
    let keys = |kind: ChangeKind| -> Vec<&Place<'_>> {
        let presence = tests.iter().filter(|test| test.aspect == Aspect::Presence);
        presence.filter(|test| presence_kind(test) == kind).map(|test| test.place).collect()
    };
    let pairs = renames(&keys(ChangeKind::Missing), &keys(ChangeKind::New));
    changes.extend(pairs.iter().map(renamed));
    let paired =
        |place: &Place<'_>| pairs.iter().any(|pair| pair.old.path == place.path || pair.new.path == place.path);
    for group in tests.chunk_by(|a, b| a.place.path == b.place.path) {
        let place = group[0].place;
        let presence = group.iter().find(|test| test.aspect == Aspect::Presence).filter(|_| !paired(place));
        changes.extend(presence.map(presence_changed));
        changes.extend(types_changed(place, group));
        changes.extend(values_changed(place, group));
    }
    changes
}

fn change(
    place: &Place<'_>,
    kind: ChangeKind,
    shares: [f64; 2],
    (breaking, reason): (Breaking, String),
) -> ShapeChange {
    let [base_share, candidate_share] = shares;
    ShapeChange { path: place.path.clone(), kind, base_share, candidate_share, breaking, reason }
}

fn renamed(pair: &Rename<'_, '_>) -> ShapeChange {
    let (old, new) = (pair.old, pair.new);
    let (breaking, why) = match (&old.above, &old.step, &new.step) {
        (Some(above), Some(step), Some(other)) => {
            worst(worst(above.missing(step), above.present(other)), new_types(new))
        }
        _ => (Breaking::Unknown, NO_SCHEMA.into()),
    };
    let share = |side: &Side<'_>| side.seen() as f64 / side.parents as f64;
    let reason = format!("{} has {}; {why}", new.path, pair.evidence);
    change(
        old,
        ChangeKind::Renamed { to: new.path.clone() },
        [share(&old.base), share(&new.candidate)],
        (breaking, reason),
    )
}

fn presence_kind(test: &Test<'_, '_>) -> ChangeKind {
    let [before, after] = test.shares();
    match (test.place.base.seen(), test.place.candidate.seen()) {
        _ if test.place.step.is_none() => ChangeKind::NotJson,
        (0, _) => ChangeKind::New,
        (_, 0) => ChangeKind::Missing,
        _ if after < before => ChangeKind::LessFrequent,
        _ => ChangeKind::MoreFrequent,
    }
}

fn presence_changed(test: &Test<'_, '_>) -> ShapeChange {
    let (place, kind, [before, after]) = (test.place, presence_kind(test), test.shares());
    let Some(step) = &place.step else {
        let verdict = match after < before {
            true => (Breaking::Yes, "a consumer cannot parse what is not JSON".into()),
            false => (Breaking::No, "more outputs are JSON".into()),
        };
        return change(place, kind, [1.0 - before, 1.0 - after], verdict);
    };
    let fewer = after < before;
    let verdict = match &place.above {
        Some(above) if fewer => above.missing(step),
        Some(above) => worst(above.present(step), new_types(place)),
        None if kind == ChangeKind::LessFrequent && 1.0 - before >= MIN_AFFECTED => {
            (Breaking::No, "the base does not always have it either".into())
        }
        None if fewer => (Breaking::Unknown, NO_SCHEMA.into()),
        None => (Breaking::No, "consumers usually ignore what they do not use".into()),
    };
    change(place, kind, [before, after], verdict)
}

/// The worse of two answers, the first if they are equally bad.
fn worst(a: (Breaking, String), b: (Breaking, String)) -> (Breaking, String) {
    if b.0 < a.0 { b } else { a }
}

/// What the consumer says to the types of a key that the base never has.
fn new_types(place: &Place<'_>) -> (Breaking, String) {
    let nothing = (Breaking::No, "the schema allows it".to_owned());
    let Some(here) = place.here.as_ref().filter(|_| place.base.seen() == 0) else { return nothing };
    place.candidate.node.types.keys().map(|kind| here.type_of(*kind)).fold(nothing, worst)
}

fn types_changed(place: &Place<'_>, group: &[Test<'_, '_>]) -> Option<ShapeChange> {
    let changed = |test: &Test<'_, '_>| {
        let Aspect::Type(kind) = test.aspect else { return None };
        let [before, after] = test.shares();
        let verdict = match &place.here {
            _ if after < before => (Breaking::No, "no type is more frequent".into()),
            Some(here) => here.type_of(kind),
            None => without_schema(place, kind),
        };
        Some((verdict, [before, after]))
    };
    let affected = |shares: &[f64; 2]| shares[1] - shares[0];
    // The worst, then the one with the largest growth; the first of equal ones.
    let (verdict, shares) = group
        .iter()
        .filter_map(changed)
        .min_by(|(a, x), (b, y)| a.0.cmp(&b.0).then_with(|| affected(y).total_cmp(&affected(x))))?;
    let types = |side: &Side<'_>| side.node.types.keys().copied().collect();
    let kind = ChangeKind::TypeChanged { from: types(&place.base), to: types(&place.candidate) };
    Some(change(place, kind, shares, verdict))
}

/// A type is safe if the base has it in enough outputs; an integer is also a number.
fn without_schema(place: &Place<'_>, kind: JsonType) -> (Breaking, String) {
    let wider = if kind == JsonType::Integer { JsonType::Number } else { kind };
    let known = [kind, wider]
        .into_iter()
        .find(|kind| place.base.node.of_type(*kind) as f64 >= MIN_AFFECTED * place.base.seen() as f64);
    match known {
        Some(kind) => (Breaking::No, format!("the base also has {} here", kind.name())),
        None => (Breaking::Unknown, NO_SCHEMA.into()),
    }
}

fn values_changed(place: &Place<'_>, group: &[Test<'_, '_>]) -> Option<ShapeChange> {
    let mut gone = Vec::new();
    let mut gone_share = 0.0;
    let mut added = None;
    for test in group {
        match &test.aspect {
            Aspect::Gone(value) => {
                gone.push(value.clone());
                gone_share += test.shares()[0];
            }
            Aspect::New(values) => added = Some((values.clone(), test.shares())),
            _ => {}
        }
    }
    let Some((mut new, shares)) = added else {
        let verdict = (Breaking::No, "there are only fewer values".into());
        let kind = ChangeKind::EnumChanged { gone: gone.clone(), new: Vec::new() };
        return (!gone.is_empty()).then(|| change(place, kind, [f64::min(gone_share, 1.0), 0.0], verdict));
    };
    let values = &place.candidate.node.values;
    let verdict = place.here.as_ref().map(|here| here.values(&new, values.long.count() > 0));
    let (breaking, mut reason) = verdict.unwrap_or((Breaking::Unknown, NO_SCHEMA.into()));
    if !values.complete() {
        reason = format!("the values are no longer from a small set; {reason}");
    }
    new.truncate(MAX_ENUM);
    Some(change(place, ChangeKind::EnumChanged { gone, new }, shares, (breaking, reason)))
}

#[cfg(test)]
#[path = "tests/change.rs"]
mod tests;
