//! Precision, recall and F1 of the fields of a JSON answer.

use serde_json::{Map, Value};

use super::path::Place;
use super::{Comparer, JsonOptions, Problem};

/// Maximum number of fields that are listed. All of them are counted.
const MAX_LISTED: usize = 10_000;

/// How the fields of an answer compare with the expected ones.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldScore {
    /// Share of the fields in the answer that are correct, in [0, 1]; 0 if it has none.
    pub precision: f64,
    /// Share of the expected fields that are correct, in [0, 1]; 0 if there is none.
    pub recall: f64,
    /// Harmonic mean of both, in [0, 1]; 0 if no field is correct.
    pub f1: f64,
    /// Number of fields with the expected value.
    pub correct: usize,
    /// Number of expected fields with another value.
    pub wrong: usize,
    /// Number of expected fields that the answer lacks.
    pub missing: usize,
    /// Number of fields that are not expected.
    pub extra: usize,
    /// Every field in the order of the expected value, then of the answer; at most 10,000 of them.
    pub fields: Vec<FieldResult>,
}

/// The result for one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldResult {
    /// Where, such as `items[0].price`; empty for the whole answer. The index of an array element is the one in the
    /// expected value, unless it is not expected.
    pub path: String,
    /// What the comparison found.
    pub outcome: FieldOutcome,
    /// What is wrong, such as `is 12, expected 12.5`; `None` if it is correct.
    pub problem: Option<String>,
}

/// What the comparison of a field found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldOutcome {
    /// It has the expected value.
    Correct,
    /// It has another value.
    Wrong,
    /// The answer lacks it.
    Missing,
    /// It is not expected.
    Extra,
}

/// Compares the fields of an answer with the expected ones: precision, recall and F1 over all of them (micro-averaged,
/// as in slot filling).
///
/// A field is a scalar, or an object or array without elements, at its path. It is correct if the same path has an
/// equal value; a wrong value counts against precision and against recall. With no field on either side, all three are
/// 1.
///
/// A field that is expected to be null and is absent is correct, since both say that there is no value; and a field
/// that is null and not expected is not counted. If an array or object is empty on one side only, the fields on the
/// other side are missing or extra, and the empty one is not counted. Where one side has a scalar and the other one an
/// array or object with elements, nothing is correct: the expected fields are missing, the others extra. With
/// `extra_fields_allowed`, fields of objects that are not expected are not counted.
///
/// Elements of arrays are paired by index. With `ignore_order`, as many equal elements as possible are paired (a
/// maximum matching), then those with the most correct fields first: greedily, so that another pairing may occasionally
/// have more correct fields in total. In arrays with more than 65,536 pairs of elements, identical ones are paired
/// first, and the rest by order if it still has more pairs than that. Answers that need more than about two million
/// comparisons are paired by index from there on.
pub fn field_f1(expected: &Value, actual: &Value, options: &JsonOptions) -> FieldScore {
    let (mut tally, mut fields) = (Tally::default(), Vec::new());
    let mut count = |place: &Place<'_>, outcome: FieldOutcome, problem: Option<Problem<'_>>| {
        tally.count(outcome);
        if fields.len() < MAX_LISTED {
            let problem = problem.map(|problem| problem.to_string());
            fields.push(FieldResult { path: place.to_string(), outcome, problem });
        }
        true
    };
    Comparer::new(options).fields(&Place::ROOT, Some(expected), Some(actual), &mut count);
    let Tally { correct, wrong, missing, extra } = tally;
    let (precision, recall, f1) = rates(correct, correct + wrong + extra, correct + wrong + missing);
    FieldScore { precision, recall, f1, correct, wrong, missing, extra, fields }
}

/// Precision, recall and F1 from the numbers of correct, given and expected items. All are 1 if nothing is given and
/// nothing is expected; otherwise a share of nothing is 0.
pub fn rates(correct: usize, given: usize, expected: usize) -> (f64, f64, f64) {
    if given == 0 && expected == 0 {
        return (1.0, 1.0, 1.0);
    }
    let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    (share(correct, given), share(correct, expected), share(2 * correct, given + expected))
}

/// How many fields had each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Fields with the expected value.
    pub(super) correct: usize,
    wrong: usize,
    missing: usize,
    extra: usize,
}

impl Tally {
    fn count(&mut self, outcome: FieldOutcome) {
        *match outcome {
            FieldOutcome::Correct => &mut self.correct,
            FieldOutcome::Wrong => &mut self.wrong,
            FieldOutcome::Missing => &mut self.missing,
            FieldOutcome::Extra => &mut self.extra,
        } += 1;
    }

    /// The number of fields that are not correct; a wrong one is two, as in F1.
    pub(super) fn errors(&self) -> usize {
        2 * self.wrong + self.missing + self.extra
    }
}

/// Receives each field; whether to look for more.
type Count<'c> = dyn FnMut(&Place<'_>, FieldOutcome, Option<Problem<'_>>) -> bool + 'c;

impl Comparer<'_> {
    /// Counts the fields of two values; `None` if the work for alignment is used up.
    pub(super) fn tally(&self, place: &Place<'_>, expected: &Value, actual: &Value) -> Option<Tally> {
        let mut tally = Tally::default();
        let goes_on = self.fields(place, Some(expected), Some(actual), &mut |_, outcome, _| {
            tally.count(outcome);
            self.spend(0).is_some()
        });
        goes_on.then_some(tally)
    }

    fn fields(
        &self,
        place: &Place<'_>,
        expected: Option<&Value>,
        actual: Option<&Value>,
        count: &mut Count<'_>,
    ) -> bool {
        if self.ignores(place) {
            return true;
        }
        match (expected, actual) {
            (Some(Value::Object(expected)), Some(Value::Object(actual)))
                if !(expected.is_empty() && actual.is_empty()) =>
            {
                self.fields_of_objects(place, expected, actual, count)
            }
            (Some(Value::Array(expected)), Some(Value::Array(actual)))
                if !(expected.is_empty() && actual.is_empty()) =>
            {
                self.align(place, expected, actual).all(expected, actual, |index, expected, actual| {
                    self.fields(&place.index(index), expected, actual, count)
                })
            }
            (Some(expected), Some(actual)) => self.fields_unlike(place, expected, actual, count),
            (Some(expected), None) => self.leaves(place, expected, Side::Expected, count),
            (None, Some(actual)) => self.leaves(place, actual, Side::Actual, count),
            (None, None) => true,
        }
    }

    fn fields_of_objects(
        &self,
        place: &Place<'_>,
        expected: &Map<String, Value>,
        actual: &Map<String, Value>,
        count: &mut Count<'_>,
    ) -> bool {
        let mut expected_fields = expected.iter();
        if !expected_fields.all(|(key, value)| self.fields(&place.key(key), Some(value), actual.get(key), count)) {
            return false;
        }
        let is_extra = |key: &String| !self.options.extra_fields_allowed && !expected.contains_key(key);
        let mut extra = actual.iter().filter(|(key, _)| is_extra(key));
        extra.all(|(key, value)| self.fields(&place.key(key), None, Some(value), count))
    }

    /// The fields of two scalars, or of two values of which one contains others and the other one does not.
    fn fields_unlike(&self, place: &Place<'_>, expected: &Value, actual: &Value, count: &mut Count<'_>) -> bool {
        if self.same_leaf(expected, actual) {
            return count(place, FieldOutcome::Correct, None);
        }
        let different = Some(Problem::Different { expected, actual });
        match (is_leaf(expected), is_leaf(actual)) {
            (true, true) => count(place, FieldOutcome::Wrong, different),
            (true, false) => {
                count(place, FieldOutcome::Missing, different) && self.leaves(place, actual, Side::Actual, count)
            }
            (false, true) => {
                self.leaves(place, expected, Side::Expected, count)
                    && (actual.is_null() || count(place, FieldOutcome::Extra, different))
            }
            (false, false) => {
                self.leaves(place, expected, Side::Expected, count) && self.leaves(place, actual, Side::Actual, count)
            }
        }
    }

    /// The fields of a value that has no counterpart.
    fn leaves(&self, place: &Place<'_>, value: &Value, side: Side, count: &mut Count<'_>) -> bool {
        if self.ignores(place) {
            return true;
        }
        match (value, side) {
            (Value::Object(fields), _) if !fields.is_empty() => {
                fields.iter().all(|(key, value)| self.leaves(&place.key(key), value, side, count))
            }
            (Value::Array(items), _) if !items.is_empty() => {
                items.iter().enumerate().all(|(index, value)| self.leaves(&place.index(index), value, side, count))
            }
            (Value::Null, Side::Expected) => count(place, FieldOutcome::Correct, None),
            (Value::Null, Side::Actual) => true,
            (_, Side::Expected) => count(place, FieldOutcome::Missing, Some(Problem::Missing)),
            (_, Side::Actual) => count(place, FieldOutcome::Extra, Some(Problem::Unexpected)),
        }
    }
}

/// The value that a field belongs to.
#[derive(Debug, Clone, Copy)]
enum Side {
    Expected,
    Actual,
}

fn is_leaf(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}
