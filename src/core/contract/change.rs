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
mod tests {
    use serde_json::json;

    use super::ChangeKind::*;
    use super::*;

    /// The shape of `count` outputs, for each pair.
    fn shape(outputs: &[(Value, usize)]) -> Shape {
        let mut shape = Shape::default();
        for (output, count) in outputs {
            (0..*count).for_each(|_| shape.add(&output.to_string()));
        }
        shape
    }

    /// The changes, each as text.
    fn found(base: &[(Value, usize)], candidate: &[(Value, usize)], schema: Option<Value>) -> Vec<String> {
        let line = |c: ShapeChange| {
            let kind = match c.kind {
                Renamed { to } => format!("Renamed {to}"),
                TypeChanged { from, to } => {
                    let names =
                        |types: Vec<JsonType>| types.iter().map(|kind| kind.name()).collect::<Vec<_>>().join("|");
                    format!("{} -> {}", names(from), names(to))
                }
                EnumChanged { gone, new } => format!("-{} +{}", gone.join(","), new.join(",")),
                kind => format!("{kind:?}"),
            };
            let percent = |share: f64| (100.0 * share).round();
            let (before, after) = (percent(c.base_share), percent(c.candidate_share));
            format!("{:?}: {} {kind} {before} -> {after}: {}", c.breaking, c.path, c.reason)
        };
        changes(&shape(base), &shape(candidate), schema.as_ref()).into_iter().map(line).collect()
    }

    fn requires_label() -> Value {
        json!({"type": "object", "properties": {"label": {"type": "string", "enum": ["a", "b"]}, "note": {}}, "required": ["label"]})
    }

    #[test]
    fn a_missing_or_rarer_key_breaks_a_consumer_that_requires_it() {
        let with = json!({"label": "a", "note": "n", "more": 1});
        let without = json!({});
        let base = [(with.clone(), 100)];
        assert_eq!(
            found(&base, &[(without.clone(), 100)], Some(requires_label())),
            [
                r#"Yes: $.label Missing 100 -> 0: the schema requires "label""#,
                r#"No: $.more Missing 100 -> 0: the schema does not mention "more""#,
                r#"No: $.note Missing 100 -> 0: the schema does not require "note""#,
            ]
        );
        let rarer = [(with, 80), (without, 20)];
        assert_eq!(
            found(&base, &rarer, Some(requires_label()))[0],
            r#"Yes: $.label LessFrequent 100 -> 80: the schema requires "label""#
        );
        assert_eq!(
            found(&base, &rarer, None)[0],
            "Unknown: $.label LessFrequent 100 -> 80: no schema says what the consumer needs"
        );
        assert_eq!(
            found(&[(json!({"a": 1}), 50), (json!({}), 50)], &[(json!({"a": 1}), 10), (json!({}), 90)], None),
            ["No: $.a LessFrequent 50 -> 10: the base does not always have it either"]
        );
        assert_eq!(
            found(&rarer, &base, None)[0],
            "No: $.label MoreFrequent 80 -> 100: consumers usually ignore what they do not use"
        );
    }

    #[test]
    fn a_new_key_breaks_only_a_consumer_that_does_not_allow_it() {
        let (base, candidate) = ([(json!({"a": 1}), 50)], [(json!({"a": 1, "b": 2}), 50)]);
        let cases = [
            (None, "No: $.b New 0 -> 100: consumers usually ignore what they do not use"),
            (Some(json!({})), r#"No: $.b New 0 -> 100: the schema allows "b""#),
            (
                Some(json!({"properties": {"a": {}}, "additionalProperties": false})),
                r#"Yes: $.b New 0 -> 100: the schema does not allow "b""#,
            ),
            (
                Some(json!({"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": false})),
                r#"Yes: $.b New 0 -> 100: the schema does not allow "b""#,
            ),
            (
                Some(json!({"properties": {"b": {"type": "string"}}, "additionalProperties": false})),
                "Yes: $.b New 0 -> 100: the schema does not allow integer here",
            ),
            (
                Some(json!({"anyOf": [{"additionalProperties": false}, {}]})),
                r#"Unknown: $.b New 0 -> 100: the schema may not allow "b": it depends on other parts of the output"#,
            ),
            (
                Some(json!({"patternProperties": {"^b$": {}}, "additionalProperties": false})),
                r#"Unknown: $.b New 0 -> 100: the schema may not allow "b": it depends on other parts of the output"#,
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(found(&base, &candidate, schema), [expected]);
        }
    }

    #[test]
    fn a_renamed_key_is_recognised() {
        let free = |key: &str| (0..60).map(|i| (json!({key: format!("text {i}"), "id": i}), 1)).collect::<Vec<_>>();
        let cases = [
            (
                vec![(json!({"label": "a"}), 30), (json!({"label": "b"}), 30)],
                vec![(json!({"category": "a"}), 30), (json!({"category": "b"}), 30)],
                r#"Renamed $.category 100 -> 100: $.category has the same type and mostly the same content"#,
            ),
            (
                free("label_text"),
                free("labelText"),
                "Renamed $.labelText 100 -> 100: $.labelText has the same type, a similar name, and is as frequent",
            ),
            (
                free("label"),
                free("summary"),
                "Renamed $.summary 100 -> 100: $.summary has the same type, is as frequent, and is the only new key here",
            ),
            (
                vec![(json!({"label": {"x": 1, "y": 2}}), 60)],
                vec![(json!({"position": {"x": 1, "y": 2}}), 60)],
                "Renamed $.position 100 -> 100: $.position has the same type and mostly the same content",
            ),
        ];
        for (base, candidate, expected) in cases {
            let changes = found(&base, &candidate, Some(requires_label()));
            assert_eq!(changes.len(), 1, "{changes:?}");
            assert!(changes[0].contains(expected), "{changes:?}");
        }
    }

    #[test]
    fn keys_of_other_types_or_values_are_not_a_rename() {
        let cases = [
            (vec![(json!({"a": "x"}), 60)], vec![(json!({"b": 1}), 60)]),
            (vec![(json!({"a": "x"}), 60)], vec![(json!({"b": "y"}), 60)]),
            (vec![(json!({"a": [1]}), 60)], vec![(json!({"b": [1]}), 20), (json!({}), 40)]),
            (vec![(json!({"o": {"a": 1}}), 60)], vec![(json!({"o": {}, "a": 1}), 60)]),
        ];
        for (base, candidate) in cases {
            let changes = found(&base, &candidate, None);
            assert_eq!(changes.len(), 2, "{changes:?}");
            assert!(changes[0].contains("Missing") && changes[1].contains("New"), "{changes:?}");
        }
        let two =
            found(&[(json!({"status": "x", "kind": "k"}), 60)], &[(json!({"state": "x", "sort": "k"}), 60)], None);
        assert!(two[0].contains("$.kind Renamed $.sort") && two[1].contains("$.status Renamed $.state"), "{two:?}");
    }

    #[test]
    fn a_renamed_key_breaks_a_consumer_that_requires_the_old_name() {
        let (base, candidate) = ([(json!({"label": "a"}), 60)], [(json!({"tag": "a"}), 60)]);
        let start = "$.label Renamed $.tag 100 -> 100: $.tag has the same type and mostly the same content; ";
        let cases = [
            (Some(requires_label()), "Yes", r#"the schema requires "label""#),
            (Some(json!({"properties": {"label": {}}})), "No", r#"the schema does not require "label""#),
            (None, "Unknown", "no schema says what the consumer needs"),
        ];
        for (schema, breaking, why) in cases {
            assert_eq!(found(&base, &candidate, schema), [format!("{breaking}: {start}{why}")]);
        }
    }

    #[test]
    fn a_type_that_the_schema_does_not_allow_is_breaking() {
        let typed = |value: Value| [(json!({"v": value}), 60)];
        let cases = [
            (json!(1), json!(1.5), json!({"type": "integer"}), "Yes: $.v integer -> number", "does not allow number"),
            (json!(1.5), json!(1), json!({"type": "number"}), "No: $.v number -> integer", "allows integer"),
            (json!("1"), json!(1), json!({"type": ["string", "null"]}), "Yes: $.v string -> integer", "does not allow"),
            (
                json!("a"),
                json!(null),
                json!({"anyOf": [{"type": "null"}, {}]}),
                "No: $.v string -> null",
                "allows null",
            ),
            (json!("a"), json!(null), json!({"enum": ["a", "b"]}), "Yes: $.v string -> null", "does not allow null"),
            (json!("a"), json!([]), json!({"not": {"type": "null"}}), "Unknown: $.v string -> array", "too complex"),
        ];
        for (before, after, schema, start, reason) in cases {
            let changes = found(&typed(before), &typed(after), Some(json!({"properties": {"v": schema}})));
            let [change] = &changes[..] else { panic!("{changes:?}") };
            assert!(change.starts_with(start) && change.contains(reason), "{change}");
        }
    }

    #[test]
    fn without_a_schema_only_types_that_the_base_has_are_safe() {
        let integer = [(json!(1), 60)];
        assert_eq!(
            found(&integer, &[(json!(1.5), 60)], None),
            ["Unknown: $ integer -> number 0 -> 100: no schema says what the consumer needs"]
        );
        assert_eq!(
            found(&[(json!(1.5), 60)], &integer, None),
            ["No: $ number -> integer 0 -> 100: the base also has number here"]
        );
        assert_eq!(
            found(&[(json!("a"), 50), (json!(null), 10)], &[(json!("a"), 30), (json!(null), 30)], None),
            ["No: $ null|string -> null|string 17 -> 50: the base also has null here"]
        );
    }

    #[test]
    fn null_and_absent_are_told_apart() {
        let (value, null, absent) = (json!({"v": "x"}), json!({"v": null}), json!({}));
        let base = [(value.clone(), 60)];
        assert_eq!(
            found(&base, &[(value.clone(), 40), (null.clone(), 20)], None),
            ["Unknown: $.v string -> null|string 0 -> 33: no schema says what the consumer needs"]
        );
        assert_eq!(
            found(&base, &[(value, 40), (absent.clone(), 20)], None),
            ["Unknown: $.v LessFrequent 100 -> 67: no schema says what the consumer needs"]
        );
        let optional = Some(json!({"properties": {"v": {"type": "string"}}}));
        assert_eq!(
            found(&[(absent, 60)], &[(null, 60)], optional),
            ["Yes: $.v New 0 -> 100: the schema does not allow null here"]
        );
    }

    #[test]
    fn an_enum_that_gained_or_lost_values_is_reported() {
        let labels =
            |counts: &[(&str, usize)]| counts.iter().map(|(l, n)| (json!({"label": l}), *n)).collect::<Vec<_>>();
        let base = labels(&[("a", 50), ("b", 50)]);
        let gained = labels(&[("a", 45), ("b", 35), ("c", 20)]);
        assert_eq!(
            found(&base, &gained, Some(requires_label())),
            [r#"Yes: $.label - +"c" 0 -> 20: the schema does not allow "c" here"#]
        );
        let open = Some(json!({"properties": {"label": {"type": "string"}}}));
        assert_eq!(found(&base, &gained, open), [r#"No: $.label - +"c" 0 -> 20: the schema allows "c" here"#]);
        assert_eq!(found(&gained, &base, None), [r#"No: $.label -"c" + 20 -> 0: there are only fewer values"#]);
        let shifted = labels(&[("a", 90), ("b", 10)]);
        assert_eq!(found(&base, &shifted, None), [""; 0], "another mix of values has the same shape");
        let ratings: Vec<_> = (0..60).map(|i| (json!({"label": i % 5}), 1)).collect();
        let more: Vec<_> = (0..60).map(|i| (json!({"label": i % 6}), 1)).collect();
        assert_eq!(
            found(&ratings, &more, None),
            ["Unknown: $.label - +5 0 -> 17: no schema says what the consumer needs"]
        );
    }

    #[test]
    fn an_enum_that_became_free_text_is_reported() {
        let base = [(json!({"label": "a"}), 50), (json!({"label": "b"}), 50)];
        let text = |start: &str| (0..100).map(|i| (json!({"label": format!("{start} {i:02}")}), 1)).collect::<Vec<_>>();
        let (short, long) = (text("text"), text(&"long ".repeat(10)));
        let open = || Some(json!({"properties": {"label": {"type": "string"}}}));
        let expected = r#"the values are no longer from a small set; the schema does not allow "text 00" here"#;
        assert!(found(&base, &short, Some(requires_label()))[0].ends_with(expected));
        let start = "$.label - + 0 -> 100: the values are no longer from a small set; the schema";
        assert_eq!(found(&base, &long, open()), [format!("No: {start} allows other strings here")]);
        assert_eq!(
            found(&base, &long, Some(requires_label())),
            [format!("Yes: {start} does not allow other strings here")]
        );
        assert_eq!(found(&short, &base, None), [""; 0], "fewer values than any text are safe");
    }

    #[test]
    fn values_that_are_rare_on_both_sides_are_not_a_change() {
        let rare = |names: std::ops::Range<usize>| {
            let rare = names.map(|i| (json!(format!("rare {i}")), 1));
            rare.chain([(json!("common"), 95)]).collect::<Vec<_>>()
        };
        assert_eq!(found(&rare(0..6), &rare(6..12), None), [""; 0]);
    }

    #[test]
    fn nested_arrays_are_counted_in_whole_outputs() {
        let schema = json!({
            "properties": {"rows": {"items": {"type": "array", "items": {"$ref": "#/$defs/cell"}}}},
            "$defs": {"cell": {"type": "object", "required": ["price"]}}
        });
        let cell = |value: Value| (json!({"rows": [[value, {"price": 1}, {"price": 2}], []]}), 40);
        assert_eq!(
            found(&[cell(json!({"price": 1}))], &[cell(json!({}))], Some(schema.clone())),
            [r#"Yes: $.rows[][].price LessFrequent 100 -> 0: the schema requires "price""#]
        );
        assert_eq!(
            found(&[cell(json!({"price": 3}))], &[cell(json!({"price": 3, "tax": 1}))], Some(schema.clone())),
            [r#"No: $.rows[][].tax New 0 -> 100: the schema allows "tax""#]
        );
        let many = |price: Value| (json!({"rows": [vec![json!({"price": price}); 500]]}), 3);
        assert_eq!(
            found(&[many(json!(1))], &[many(json!("1"))], Some(schema)),
            [""; 0],
            "only 3 outputs are independent"
        );
    }

    #[test]
    fn empty_arrays_break_a_consumer_that_requires_an_element() {
        let (base, candidate) = ([(json!({"tags": ["a"]}), 50)], [(json!({"tags": []}), 50)]);
        let schema = |least: u64| Some(json!({"properties": {"tags": {"type": "array", "minItems": least}}}));
        assert_eq!(
            found(&base, &candidate, schema(1)),
            ["Yes: $.tags[] Missing 100 -> 0: the schema requires an element"]
        );
        assert_eq!(
            found(&base, &candidate, schema(0)),
            ["No: $.tags[] Missing 100 -> 0: the schema allows empty arrays"]
        );
    }

    #[test]
    fn outputs_that_are_not_json_are_breaking() {
        let (mut base, mut candidate) = (Shape::default(), Shape::default());
        for i in 0..50 {
            base.add("```json\n{\"a\": 1}\n```");
            candidate.add(if i < 30 { "{\"a\": 1}" } else { "Sorry" });
        }
        let [worse] = &changes(&base, &candidate, None)[..] else { panic!("one change") };
        assert_eq!((&worse.kind, worse.breaking, worse.path.as_str()), (&NotJson, Breaking::Yes, "$"));
        assert!(worse.base_share.abs() < 1e-12 && (worse.candidate_share - 0.4).abs() < 1e-12, "{worse:?}");
        let [better] = &changes(&candidate, &base, None)[..] else { panic!("one change") };
        assert_eq!(better.breaking, Breaking::No);
    }

    #[test]
    fn small_and_insignificant_changes_are_not_reported() {
        let some = |with: usize, without: usize| vec![(json!({"a": 1, "b": 1}), with), (json!({"a": 1}), without)];
        let cases = [
            (some(200, 0), some(199, 1), 0),
            (some(100, 100), some(101, 99), 0),
            (some(3, 0), some(0, 3), 0),
            (some(20_000, 0), some(19_900, 100), 0),
            (some(20_000, 0), some(19_700, 300), 1),
            (some(0, 20_000), some(100, 19_900), 1),
            (some(0, 0), some(0, 20), 0),
        ];
        for (base, candidate, expected) in cases {
            let changes = found(&base, &candidate, None);
            assert_eq!(changes.len(), expected, "{changes:?}");
        }
    }

    #[test]
    fn the_keys_of_a_dictionary_are_one_path() {
        let keyed = |start: usize, value: Value| {
            (start..start + 60).map(|i| (json!({"by_id": {format!("user {i}"): value}}), 1)).collect::<Vec<_>>()
        };
        assert_eq!(found(&keyed(0, json!(1)), &keyed(1_000, json!(1)), None), [""; 0]);
        let schema = json!({"properties": {"by_id": {"additionalProperties": {"type": "integer"}}}});
        assert_eq!(
            found(&keyed(0, json!(1)), &keyed(0, json!("1")), Some(schema)),
            ["Yes: $.by_id.{} integer -> string 0 -> 100: the schema does not allow string here"]
        );
    }

    #[test]
    fn schemas_are_followed_through_references_and_combinations() {
        let (base, candidate) = ([(json!({"o": {"k": 1}}), 50)], [(json!({"o": {}}), 50)]);
        let requires = json!({"required": ["k"]});
        let cases = [
            (json!({"properties": {"o": requires}}), Breaking::Yes),
            (json!({"additionalProperties": requires}), Breaking::Yes),
            (json!({"allOf": [{"properties": {"o": requires}}, {}]}), Breaking::Yes),
            (json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"properties": {"o": requires}}}}), Breaking::Yes),
            (
                json!({"properties": {"o": {"anyOf": [{"type": "null"}, {"type": "object", "required": ["k"]}]}}}),
                Breaking::Yes,
            ),
            (json!({"properties": {"o": {"oneOf": [requires, {"required": ["x"]}]}}}), Breaking::Unknown),
            (json!({"properties": {"o": {"$ref": "https://example.com/a.json"}}}), Breaking::Unknown),
            (json!({"properties": {"o": {"if": {}, "then": requires}}}), Breaking::Unknown),
            (json!({"patternProperties": {"o": requires}}), Breaking::Unknown),
            (json!({"$ref": "#"}), Breaking::Unknown),
            (json!({"anyOf": vec![json!({"$ref": "#"}); 50]}), Breaking::Unknown),
            (json!({"properties": {"o": {"type": "string"}}}), Breaking::Unknown),
            (json!({"properties": {"o": {}}}), Breaking::No),
            (json!(true), Breaking::No),
            (json!(5), Breaking::No),
        ];
        for (schema, expected) in cases {
            let [change] = &changes(&shape(&base), &shape(&candidate), Some(&schema))[..] else { panic!("one change") };
            assert_eq!(change.breaking, expected, "{schema} {change:?}");
        }
        let pair = |value: Value| [(json!([1, value]), 50)];
        for (items, expected) in [
            (json!({"items": {"type": "integer"}}), "Yes"),
            (json!({"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false}), "No"),
        ] {
            let changes = found(&pair(json!(1)), &pair(json!("a")), Some(items));
            assert!(changes.len() == 1 && changes[0].starts_with(expected), "{changes:?}");
        }
    }

    #[test]
    fn samples_of_the_same_outputs_rarely_differ() {
        let mut state = 7_u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let mut sample = || {
            let mut shape = Shape::default();
            for _ in 0..150 {
                let label = ["a", "b", "c", "d", "e", "f"][(next(6) * next(7) / 6) as usize];
                let mut output = json!({"label": label, "n": next(3), "tags": vec!["t"; next(3) as usize]});
                if next(3) == 0 {
                    output["note"] = if next(2) == 0 { Value::Null } else { json!("x") };
                }
                shape.add(&output.to_string());
            }
            shape
        };
        let different = (0..400).filter(|_| !changes(&sample(), &sample(), None).is_empty()).count();
        assert!(different <= 20, "{different} of 400, more than the expected rate");
    }
}
