//! Comparison of tool calls with expected ones, and their validity under the definitions of tools.

mod definitions;
mod parse;

use std::collections::BTreeSet;

use serde_json::Value;

use super::json_compare::{Difference, JsonOptions, differences, maximum_matching, rates};
use super::reason::{quoted, short};

pub use self::definitions::{ArgumentSchema, ToolSet};
pub use self::parse::{ToolCall, parse_calls};

/// Maximum number of problems that are listed.
const MAX_PROBLEMS: usize = 10;

/// Number of differing arguments that are named for a call.
const MAX_ARGUMENTS: usize = 3;

/// A call that is expected.
#[derive(Debug, Clone, Default)]
pub struct ExpectedCall {
    /// The name of the tool.
    pub name: String,
    /// The arguments; `None` if any will do. Whether others may be present too depends on the options.
    pub arguments: Option<Value>,
    /// A schema that the arguments have to be valid under.
    pub schema: Option<ArgumentSchema>,
}

/// Which calls have to occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallMode {
    /// Exactly the expected ones, in their order.
    ExactOrder,
    /// Exactly the expected ones, in any order (as parallel calls in the Berkeley Function Calling Leaderboard).
    #[default]
    AnyOrder,
    /// The expected ones, in any order, and possibly others.
    Subset,
    /// The expected ones, in their order, and possibly others before, between and after them.
    OrderedSubset,
    /// None at all; the expected ones are ignored.
    NoCalls,
}

impl CallMode {
    fn allows_others(self) -> bool {
        matches!(self, Self::Subset | Self::OrderedSubset)
    }
}

/// How calls compare with the expected ones.
#[derive(Debug, Clone, PartialEq)]
pub struct CallScore {
    /// Share of the calls that are correct, in [0, 1]. With [`CallMode::Subset`] and [`CallMode::OrderedSubset`],
    /// others are not counted.
    pub precision: f64,
    /// Share of the expected calls that occur, in [0, 1].
    pub recall: f64,
    /// Harmonic mean of both, in [0, 1]. It is 1 if and only if there is no problem.
    pub f1: f64,
    /// What is wrong, one sentence for each call; at most ten and the number of the others.
    pub problems: Vec<String>,
}

/// Compares calls with the expected ones. Each call counts for at most one expected call.
///
/// A call is correct if its name is equal and its arguments are equal under the options and valid under the schema.
/// With `extra_fields_allowed`, it may have other arguments as well. In order, the longest common subsequence of both
/// lists counts as correct; otherwise the largest possible number of pairs. All shares are 1 if nothing is expected and
/// nothing is called; otherwise a share of nothing is 0.
pub fn match_calls(expected: &[ExpectedCall], actual: &[ToolCall], mode: CallMode, options: &JsonOptions) -> CallScore {
    let expected = if mode == CallMode::NoCalls { &[] } else { expected };
    let fits: Vec<Vec<bool>> = expected
        .iter()
        .map(|expected| actual.iter().map(|call| argument_problems(expected, call, options, 1).is_empty()).collect())
        .collect();
    let pairs = match mode {
        CallMode::ExactOrder | CallMode::OrderedSubset => longest_common_subsequence(&fits, actual.len()),
        _ => maximum_matching(&fits, actual.len()),
    };
    let correct = pairs.iter().flatten().count();
    let given = if mode.allows_others() { correct } else { actual.len() };
    let (precision, recall, f1) = rates(correct, given, expected.len());
    CallScore { precision, recall, f1, problems: limited(problems(expected, actual, &pairs, mode, options)) }
}

/// F1 of the sets of called and expected names, regardless of order and number (as promptfoo's `tool-call-f1`). Empty
/// names are ignored; with no name on either side, the score is 1.
pub fn tool_call_f1(expected: &[&str], actual: &[&str]) -> CallScore {
    fn set<'a>(names: &[&'a str]) -> BTreeSet<&'a str> {
        names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect()
    }
    let (expected, actual) = (set(expected), set(actual));
    let (precision, recall, f1) = rates(expected.intersection(&actual).count(), actual.len(), expected.len());
    let missing = expected.difference(&actual).map(|name| missing(name));
    let problems = missing.chain(actual.difference(&expected).map(|name| unexpected(name))).collect();
    CallScore { precision, recall, f1, problems: limited(problems) }
}

fn missing(name: &str) -> String {
    format!("{} is not called", quoted(name))
}

fn unexpected(name: &str) -> String {
    format!("the call to {} is not expected", quoted(name))
}

fn limited(mut problems: Vec<String>) -> Vec<String> {
    let others = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    let mut problems: Vec<String> = problems.iter().map(|problem| short(problem)).collect();
    problems.extend((others > 0).then(|| format!("and {others} others")));
    problems
}

/// What is wrong with the arguments of a call, or with its name (then that is all); at most `limit` sentences.
fn argument_problems(expected: &ExpectedCall, call: &ToolCall, options: &JsonOptions, limit: usize) -> Vec<String> {
    if expected.name != call.name {
        return vec![unexpected(&call.name)];
    }
    let found = expected.arguments.as_ref().map_or_else(Vec::new, |wanted| {
        let none = definitions::no_arguments();
        let wanted = if wanted.is_null() { &none } else { wanted };
        differences(wanted, &call.arguments, options, limit)
    });
    let mut problems: Vec<String> = found.into_iter().map(below_arguments).collect();
    if let (true, Some(schema)) = (problems.is_empty(), &expected.schema) {
        problems.extend(schema.problem(&call.arguments));
    }
    problems
}

fn below_arguments(Difference { path, problem }: Difference) -> String {
    let joint = if path.is_empty() || path.starts_with('[') { "" } else { "." };
    format!("arguments{joint}{path} {problem}")
}

/// For each expected call the call it is paired with, so that the order is kept and as many as possible are paired.
fn longest_common_subsequence(fits: &[Vec<bool>], columns: usize) -> Vec<Option<usize>> {
    // lengths[row][column]: the length for the rows and columns from there on.
    let mut lengths = vec![vec![0_usize; columns + 1]; fits.len() + 1];
    let at = |lengths: &[Vec<usize>], row: usize, column: usize| {
        lengths.get(row).and_then(|row| row.get(column)).copied().unwrap_or_default()
    };
    for (row, fits) in fits.iter().enumerate().rev() {
        for (column, fits) in fits.iter().enumerate().rev() {
            let skipped = at(&lengths, row + 1, column).max(at(&lengths, row, column + 1));
            let length = if *fits { skipped.max(at(&lengths, row + 1, column + 1) + 1) } else { skipped };
            if let Some(cell) = lengths.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell = length;
            }
        }
    }
    let mut next = 0;
    let pair = |(row, fits): (usize, &Vec<bool>)| {
        let left = at(&lengths, row, next);
        let is_best = |column: usize| left > 0 && at(&lengths, row + 1, column + 1) + 1 == left;
        let partner = fits.iter().enumerate().skip(next).find(|(column, fits)| **fits && is_best(*column))?.0;
        next = partner + 1;
        Some(partner)
    };
    fits.iter().enumerate().map(pair).collect()
}

fn problems(
    expected: &[ExpectedCall],
    actual: &[ToolCall],
    pairs: &[Option<usize>],
    mode: CallMode,
    options: &JsonOptions,
) -> Vec<String> {
    let paired: BTreeSet<usize> = pairs.iter().flatten().copied().collect();
    let mut free: BTreeSet<usize> = (0..actual.len()).filter(|index| !paired.contains(index)).collect();
    let mut problems = Vec::new();
    for (place, (wanted, pair)) in expected.iter().zip(pairs).enumerate() {
        if pair.is_none() {
            problems.push(nearest_problem(place, wanted, actual, &mut free, options));
        }
    }
    if !mode.allows_others() {
        let others = free.iter().filter_map(|index| actual.get(*index));
        problems.extend(others.map(|call| unexpected(&call.name)));
    }
    problems
}

/// What is wrong with the free call that is nearest to an expected one, which is then no longer free; or that there is
/// none of its name.
fn nearest_problem(
    place: usize,
    wanted: &ExpectedCall,
    actual: &[ToolCall],
    free: &mut BTreeSet<usize>,
    options: &JsonOptions,
) -> String {
    let name = quoted(&wanted.name);
    let of_name = free.iter().filter_map(|index| Some((*index, actual.get(*index)?)));
    let candidates = of_name
        .filter(|(_, call)| call.name == wanted.name)
        .map(|(index, call)| (argument_problems(wanted, call, options, MAX_ARGUMENTS), index));
    let Some((wrong, index)) = candidates.min_by_key(|(wrong, index)| (wrong.len(), *index)) else {
        return missing(&wanted.name);
    };
    free.remove(&index);
    if wrong.is_empty() {
        return format!("the call to {name} is number {}, expected as number {}", index + 1, place + 1);
    }
    format!("call to {name}: {}", wrong.join("; "))
}

#[cfg(test)]
mod tests;
