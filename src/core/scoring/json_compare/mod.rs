//! Comparison of a JSON answer with an expected JSON value: equality, differences in words, and scores by field.

mod align;
mod fields;
mod matching;
mod path;

use std::cell::Cell;
use std::fmt::{self, Display, Formatter};

use serde_json::{Map, Number, Value};

use self::path::Place;
use super::reason::excerpt;

pub use self::fields::{FieldScore, field_f1, rates};
pub use self::matching::maximum_matching;
pub use self::path::PathPattern;

/// Number of comparisons of values that are spent on the alignment of arrays without order. When they are used up,
/// arrays are compared by index.
const ALIGNMENT_WORK: u64 = 1 << 21;

/// Characters shown before the first one that differs in a long text.
const SHOWN_BEFORE: usize = 15;

/// How far a number may be from the expected one: within the absolute tolerance, or within the relative tolerance times
/// the expected number (PEP 485, with the expected number as the reference).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tolerance {
    /// Accepted distance.
    pub absolute: f64,
    /// Accepted distance as a share of the expected number.
    pub relative: f64,
}

impl Tolerance {
    /// Whether a number is near enough. Two integers have to be equal; `1` and `1.0` are equal.
    pub fn accepts(&self, expected: &Number, actual: &Number) -> bool {
        let (true, Some(wanted), Some(got)) =
            (expected.is_f64() || actual.is_f64(), expected.as_f64(), actual.as_f64())
        else {
            return expected == actual;
        };
        let distance = (got - wanted).abs();
        distance == 0.0
            || (distance.is_finite() && (distance <= self.absolute || distance <= self.relative * wanted.abs()))
    }
}

/// What counts as equal when JSON is compared. By default everything except the order of keys and the notation of
/// numbers matters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JsonOptions {
    /// How far a number may be from the expected one.
    pub tolerance: Tolerance,
    /// Whether strings that differ only in case are equal (full Unicode lower case). Keys are compared exactly.
    pub ignore_case: bool,
    /// Whether arrays are compared as multisets.
    pub ignore_order: bool,
    /// Places whose values are not compared, whether they are present or not. In an array without order, the index of
    /// an expected element is meant.
    pub ignore: Vec<PathPattern>,
    /// Whether objects may have fields that are not expected.
    pub extra_fields_allowed: bool,
}

/// One difference between an answer and the expected value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, such as `items[0].price`; empty for the whole answer.
    pub path: String,
    /// What is wrong there, such as `is 12, expected 12.5`.
    pub problem: String,
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the answer" } else { &self.path };
        write!(f, "{path} {}", self.problem)
    }
}

/// The differences between an answer and the expected value, at most `limit` (at least one is looked for). The values
/// are equal if and only if there is none.
///
/// Objects are compared field by field, arrays element by element. Without order, elements are paired as described at
/// [`field_f1`], with as many equal pairs as possible. A field that is expected to be null has to be present.
pub fn differences(expected: &Value, actual: &Value, options: &JsonOptions, limit: usize) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut report = |place: &Place<'_>, problem: Problem<'_>| {
        found.push(Difference { path: place.to_string(), problem: problem.to_string() });
        found.len() < limit
    };
    Comparer::new(options).walk(&Place::ROOT, expected, actual, &mut report);
    found
}

/// What is wrong at one place.
#[derive(Debug, Clone, Copy)]
enum Problem<'v> {
    Missing,
    Unexpected,
    Different { expected: &'v Value, actual: &'v Value },
}

impl Display for Problem<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Unexpected => f.write_str("is not expected"),
            Self::Different { expected, actual } => {
                let (expected, actual) = (expected.to_string(), actual.to_string());
                let (shown, wanted) = (excerpt(&actual), excerpt(&expected));
                if shown != wanted {
                    return write!(f, "is {shown}, expected {wanted}");
                }
                // Both are long and begin alike, so the part that differs is shown.
                let same = expected.chars().zip(actual.chars()).take_while(|(a, b)| a == b).count();
                let from = same.saturating_sub(SHOWN_BEFORE);
                let part = |text: &str| excerpt(&text.chars().skip(from).collect::<String>());
                write!(f, "is …{}, expected …{}", part(&actual), part(&expected))
            }
        }
    }
}

/// Receives each difference; whether to look for more.
type Report<'r> = dyn FnMut(&Place<'_>, Problem<'_>) -> bool + 'r;

/// One comparison, with its options and the work that is left for aligning arrays.
#[derive(Debug)]
struct Comparer<'o> {
    options: &'o JsonOptions,
    work: Cell<u64>,
}

impl<'o> Comparer<'o> {
    fn new(options: &'o JsonOptions) -> Self {
        Self { options, work: Cell::new(ALIGNMENT_WORK) }
    }

    fn ignores(&self, place: &Place<'_>) -> bool {
        self.options.ignore.iter().any(|pattern| pattern.matches(place))
    }

    /// Whether two values are equal as scalars, or as containers without elements.
    fn same_leaf(&self, expected: &Value, actual: &Value) -> bool {
        match (expected, actual) {
            (Value::Number(expected), Value::Number(actual)) => self.options.tolerance.accepts(expected, actual),
            (Value::String(expected), Value::String(actual)) => {
                expected == actual || (self.options.ignore_case && expected.to_lowercase() == actual.to_lowercase())
            }
            (Value::Array(expected), Value::Array(actual)) => expected.is_empty() && actual.is_empty(),
            (Value::Object(expected), Value::Object(actual)) => expected.is_empty() && actual.is_empty(),
            (expected, actual) => expected == actual,
        }
    }

    /// Reports every difference below a place. Whether to go on.
    fn walk(&self, place: &Place<'_>, expected: &Value, actual: &Value, report: &mut Report<'_>) -> bool {
        if self.ignores(place) {
            return true;
        }
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => self.walk_fields(place, expected, actual, report),
            (Value::Array(expected), Value::Array(actual)) => self.walk_elements(place, expected, actual, report),
            _ => self.same_leaf(expected, actual) || report(place, Problem::Different { expected, actual }),
        }
    }

    fn walk_fields(
        &self,
        place: &Place<'_>,
        expected: &Map<String, Value>,
        actual: &Map<String, Value>,
        report: &mut Report<'_>,
    ) -> bool {
        let goes_on = expected.iter().all(|(key, expected)| {
            let place = place.key(key);
            match actual.get(key) {
                Some(actual) => self.walk(&place, expected, actual, report),
                None => self.ignores(&place) || report(&place, Problem::Missing),
            }
        });
        let mut extra = actual.keys().filter(|key| !self.options.extra_fields_allowed && !expected.contains_key(*key));
        goes_on
            && extra.all(|key| {
                let place = place.key(key);
                self.ignores(&place) || report(&place, Problem::Unexpected)
            })
    }

    fn walk_elements(&self, place: &Place<'_>, expected: &[Value], actual: &[Value], report: &mut Report<'_>) -> bool {
        self.align(place, expected, actual).all(expected, actual, |index, expected, actual| {
            let place = place.index(index);
            match (expected, actual) {
                (Some(expected), Some(actual)) => self.walk(&place, expected, actual, report),
                (Some(_), None) => self.ignores(&place) || report(&place, Problem::Missing),
                (None, _) => self.ignores(&place) || report(&place, Problem::Unexpected),
            }
        })
    }
}

#[cfg(test)]
mod tests;
