//! Which elements of two arrays are compared with each other.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde_json::Value;

use super::Comparer;
use super::matching::maximum_matching;
use super::path::Place;

/// Maximum number of pairs of elements of two arrays that are compared with each other.
const MAX_PAIRS: usize = 1 << 16;

/// The index of the element of the answer for each expected element, if any.
#[derive(Debug)]
pub(super) struct Alignment {
    of_expected: Vec<Option<usize>>,
}

impl Alignment {
    fn by_index(expected: usize, actual: usize) -> Self {
        Self { of_expected: (0..expected).map(|index| Some(index).filter(|index| *index < actual)).collect() }
    }

    /// Calls `visit` with every expected element and its counterpart, then with every element of the answer that has
    /// none, each with its own index. Stops when it returns false; whether it never did.
    pub(super) fn all<'v>(
        &self,
        expected: &'v [Value],
        actual: &'v [Value],
        mut visit: impl FnMut(usize, Option<&'v Value>, Option<&'v Value>) -> bool,
    ) -> bool {
        let mut is_paired = vec![false; actual.len()];
        for (index, (expected, partner)) in expected.iter().zip(&self.of_expected).enumerate() {
            let partner = partner.and_then(|partner| {
                *is_paired.get_mut(partner)? = true;
                actual.get(partner)
            });
            if !visit(index, Some(expected), partner) {
                return false;
            }
        }
        let mut others = actual.iter().zip(is_paired).enumerate().filter(|(_, (_, paired))| !paired);
        others.all(|(index, (actual, _))| visit(index, None, Some(actual)))
    }
}

impl Comparer<'_> {
    /// Pairs the elements of two arrays: by index, or by likeness if order does not matter.
    pub(super) fn align(&self, place: &Place<'_>, expected: &[Value], actual: &[Value]) -> Alignment {
        let by_index = || Alignment::by_index(expected.len(), actual.len());
        if !self.options.ignore_order || expected.is_empty() || actual.is_empty() {
            return by_index();
        }
        self.by_likeness(place, expected, actual).unwrap_or_else(by_index)
    }

    /// `None` if the work for it is used up.
    fn by_likeness(&self, place: &Place<'_>, expected: &[Value], actual: &[Value]) -> Option<Alignment> {
        let mut of_expected = vec![None; expected.len()];
        let mut free: Vec<usize> = (0..actual.len()).collect();
        if expected.len().saturating_mul(actual.len()) > MAX_PAIRS {
            self.pair_identical(place, expected, actual, &mut of_expected)?;
            free = unpaired(&of_expected, actual.len());
        }
        let open: Vec<usize> = (0..expected.len()).filter(|index| of_expected.get(*index) == Some(&None)).collect();
        let pairs = if open.len().saturating_mul(free.len()) > MAX_PAIRS {
            open.into_iter().zip(free).collect()
        } else {
            self.best_pairs(place, &select(expected, &open), &select(actual, &free))?
        };
        for (one, other) in pairs {
            if let Some(partner) = of_expected.get_mut(one) {
                *partner = Some(other);
            }
        }
        Some(Alignment { of_expected })
    }

    /// As many equal pairs as possible, then the most alike ones first.
    fn best_pairs(&self, place: &Place<'_>, expected: &[At<'_>], actual: &[At<'_>]) -> Option<Vec<(usize, usize)>> {
        let mut equal = Vec::with_capacity(expected.len());
        for one in expected {
            let same = |other: &At<'_>| self.same(&place.index(one.0), one.1, other.1);
            equal.push(actual.iter().map(same).collect::<Option<Vec<bool>>>()?);
        }
        let partners = maximum_matching(&equal, actual.len());
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        let mut open: Vec<At<'_>> = Vec::new();
        let mut free: Vec<Option<At<'_>>> = actual.iter().copied().map(Some).collect();
        for (one, partner) in expected.iter().zip(partners) {
            match partner.and_then(|partner| free.get_mut(partner)).and_then(Option::take) {
                Some((other, _)) => pairs.push((one.0, other)),
                None => open.push(*one),
            }
        }
        pairs.extend(self.most_alike_first(place, &open, &free.into_iter().flatten().collect::<Vec<_>>())?);
        Some(pairs)
    }

    /// Pairs greedily by the number of correct fields, then by the fewest others, then by order.
    fn most_alike_first(&self, place: &Place<'_>, open: &[At<'_>], free: &[At<'_>]) -> Option<Vec<(usize, usize)>> {
        let mut candidates = Vec::with_capacity(open.len() * free.len());
        for one in open {
            for other in free {
                let tally = self.tally(&place.index(one.0), one.1, other.1)?;
                candidates.push((Reverse(tally.correct), tally.errors(), one.0, other.0));
            }
        }
        candidates.sort_unstable();
        let (mut ones, mut others) = (BTreeSet::new(), BTreeSet::new());
        let mut pairs = Vec::new();
        for (_, _, one, other) in candidates {
            if !ones.contains(&one) && !others.contains(&other) {
                ones.insert(one);
                others.insert(other);
                pairs.push((one, other));
            }
        }
        Some(pairs)
    }

    /// Pairs elements with the same text once their fields are sorted. Sorting makes this fast for long arrays.
    fn pair_identical(
        &self,
        place: &Place<'_>,
        expected: &[Value],
        actual: &[Value],
        of_expected: &mut [Option<usize>],
    ) -> Option<()> {
        let keys = |values: &[Value]| {
            let key = |(index, value)| Some((self.sorted_text(&place.index(index), value)?, index));
            let mut keys = values.iter().enumerate().map(key).collect::<Option<Vec<_>>>()?;
            keys.sort_unstable();
            Some(keys)
        };
        let (ones, others) = (keys(expected)?, keys(actual)?);
        let mut others = others.into_iter().peekable();
        for (text, one) in ones {
            while others.next_if(|(other, _)| *other < text).is_some() {}
            if let (Some((_, other)), Some(partner)) =
                (others.next_if(|(other, _)| *other == text), of_expected.get_mut(one))
            {
                *partner = Some(other);
            }
        }
        Some(())
    }

    /// A text that two values share only if they are equal under the options.
    pub(super) fn sorted_text(&self, place: &Place<'_>, value: &Value) -> Option<String> {
        if self.ignores(place) {
            return Some("null".to_owned());
        }
        let text = match value {
            Value::Object(fields) => {
                let kept = fields.iter().filter(|(key, _)| !self.ignores(&place.key(key)));
                let field = |(key, value): (&String, &Value)| {
                    Some(format!("{}:{}", Value::from(key.as_str()), self.sorted_text(&place.key(key), value)?))
                };
                let mut fields = kept.map(field).collect::<Option<Vec<_>>>()?;
                fields.sort_unstable();
                format!("{{{}}}", fields.join(","))
            }
            Value::Array(items) => {
                let item = |(index, value)| self.sorted_text(&place.index(index), value);
                let mut items = items.iter().enumerate().map(item).collect::<Option<Vec<_>>>()?;
                items.sort_unstable();
                format!("[{}]", items.join(","))
            }
            Value::String(text) if self.options.ignore_case => Value::from(text.to_lowercase()).to_string(),
            Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, |n| n.to_string()),
            other => other.to_string(),
        };
        self.spend(text.len())?;
        Some(text)
    }

    /// Whether two values are equal; `None` if the work for it is used up.
    pub(super) fn same(&self, place: &Place<'_>, expected: &Value, actual: &Value) -> Option<bool> {
        self.spend_on(expected, actual)?;
        if self.ignores(place) {
            return Some(true);
        }
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => {
                for (key, expected) in expected {
                    let place = place.key(key);
                    let same = match actual.get(key) {
                        Some(actual) => self.same(&place, expected, actual)?,
                        None => self.ignores(&place),
                    };
                    if !same {
                        return Some(false);
                    }
                }
                let is_extra = |key: &&String| !expected.contains_key(*key) && !self.ignores(&place.key(key));
                Some(self.options.extra_fields_allowed || !actual.keys().any(|key| is_extra(&key)))
            }
            (Value::Array(expected), Value::Array(actual)) => self.same_elements(place, expected, actual),
            _ => Some(self.same_leaf(expected, actual)),
        }
    }

    fn same_elements(&self, place: &Place<'_>, expected: &[Value], actual: &[Value]) -> Option<bool> {
        if expected.len() != actual.len() && self.options.ignore.is_empty() {
            return Some(false);
        }
        let alignment = self.align(place, expected, actual);
        let mut out_of_work = false;
        let same = alignment.all(expected, actual, |index, expected, actual| {
            let place = place.index(index);
            match (expected, actual) {
                (Some(expected), Some(actual)) => {
                    let same = self.same(&place, expected, actual);
                    out_of_work = same.is_none();
                    same == Some(true)
                }
                _ => self.ignores(&place),
            }
        });
        (!out_of_work).then_some(same)
    }

    /// Counts one comparison; more if the values are long texts.
    fn spend_on(&self, expected: &Value, actual: &Value) -> Option<()> {
        let length = expected.as_str().map_or(0, str::len).min(actual.as_str().map_or(0, str::len));
        self.spend(length)
    }

    /// Counts work; `None` if it is used up.
    pub(super) fn spend(&self, length: usize) -> Option<()> {
        let cost = 1 + u64::try_from(length / 64).unwrap_or(u64::MAX);
        let left = self.work.get().saturating_sub(cost);
        self.work.set(left);
        (left > 0).then_some(())
    }
}

/// An element with its index.
type At<'v> = (usize, &'v Value);

fn select<'v>(values: &'v [Value], indexes: &[usize]) -> Vec<At<'v>> {
    indexes.iter().filter_map(|index| values.get(*index).map(|value| (*index, value))).collect()
}

fn unpaired(of_expected: &[Option<usize>], actual: usize) -> Vec<usize> {
    let mut is_free = vec![true; actual];
    for index in of_expected.iter().flatten() {
        if let Some(free) = is_free.get_mut(*index) {
            *free = false;
        }
    }
    is_free.iter().enumerate().filter(|(_, free)| **free).map(|(index, _)| index).collect()
}
