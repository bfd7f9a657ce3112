//! Compares the outputs of two windows, given the topic of the request.

use std::collections::BTreeMap;

use super::looks::format;
use super::permutation::{Observed, Permutations, permutation_test};

/// Number of outputs per distinct one from which outputs are compared as they are.
const OFTEN: usize = 5;

/// Smallest change of a share that is listed, and maximum number of changes listed.
const MIN_CHANGE: f64 = 0.01;
const LISTED: usize = 3;

/// How answers begin that refuse to answer, in lower case and English.
const REFUSALS: [&str; 8] =
    ["i'm sorry", "i’m sorry", "i am sorry", "sorry,", "i can't", "i can’t", "i cannot", "unfortunately"];

/// How far the outputs differ between the windows, given the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputMix {
    /// Share of the outputs that would have to be others of their topic, beyond what sampling explains, in [0, 1].
    pub effect: f64,
    /// Permutation p-value, in (0, 1].
    pub p_value: f64,
    /// Effect that would have been found in four of five cases.
    pub detectable: f64,
    /// Number of outputs compared, of both windows.
    pub compared: usize,
    /// Whether outputs were compared as they are, and not only by their form.
    pub as_they_are: bool,
    /// What changed most, the largest change first.
    pub changes: Vec<OutputChange>,
}

/// An output whose share of its topic changed.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputChange {
    /// The topic.
    pub topic: usize,
    /// The output, or its form.
    pub output: String,
    /// Its share of the topic's outputs in the reference window.
    pub reference: f64,
    /// Its share now.
    pub now: f64,
}

/// The category of every output: the output itself, without case, if outputs repeat often enough; otherwise its form. Also
/// whether it is the output itself.
pub(super) fn categories(outputs: &[&str]) -> (Vec<String>, bool) {
    let folded: Vec<String> = outputs.iter().map(|output| output.trim().to_lowercase()).collect();
    let mut distinct: Vec<&str> = folded.iter().map(String::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() * OFTEN <= folded.len() {
        return (folded, true);
    }
    let mut lengths: Vec<usize> = folded.iter().map(|output| output.chars().count()).collect();
    lengths.sort_unstable();
    let cuts: Vec<usize> = (1..4).map(|quarter| lengths[quarter * (lengths.len() - 1) / 4]).collect();
    let form = |output: &String| {
        if REFUSALS.iter().any(|begin| output.starts_with(begin)) {
            return "a refusal".to_owned();
        }
        let length = output.chars().count();
        let long = match cuts.iter().position(|cut| length <= *cut) {
            Some(at) => format!("at most {} characters", cuts[at]),
            None => format!("more than {} characters", cuts[2]),
        };
        format!("{}, {long}", format(output))
    };
    (folded.iter().map(form).collect(), false)
}

/// The categories of each topic, and how many rows each has.
struct Cells {
    /// The cell of every row: a topic with a category.
    rows: Vec<usize>,
    /// The topic and the category of every cell.
    of: Vec<(usize, String)>,
}

impl Cells {
    fn new(topics: &[usize], categories: Vec<String>) -> Self {
        let mut numbers: BTreeMap<(usize, String), usize> = BTreeMap::new();
        for cell in topics.iter().copied().zip(categories.iter().cloned()) {
            numbers.entry(cell).or_default();
        }
        for (number, place) in numbers.values_mut().enumerate() {
            *place = number;
        }
        let rows = topics.iter().copied().zip(categories).map(|cell| numbers[&cell]).collect();
        Self { rows, of: numbers.into_keys().collect() }
    }

    /// The number of rows of each window, [reference, now], in each cell.
    fn counts(&self, labels: &[bool]) -> Vec<[f64; 2]> {
        let mut counts = vec![[0.0; 2]; self.of.len()];
        self.rows.iter().zip(labels).for_each(|(cell, now)| counts[*cell][usize::from(*now)] += 1.0);
        counts
    }

    /// The sizes of each topic in both windows.
    fn sizes(&self, counts: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let topics = self.of.iter().map(|(topic, _)| topic + 1).max().unwrap_or(0);
        let mut sizes = vec![[0.0; 2]; topics];
        for ((topic, _), count) in self.of.iter().zip(counts) {
            (0..2).for_each(|window| sizes[*topic][window] += count[window]);
        }
        sizes
    }
}

/// The weight of a topic: the more of it both windows have, the more its comparison says.
fn weight(size: [f64; 2]) -> f64 {
    if size[0] + size[1] > 0.0 { size[0] * size[1] / (size[0] + size[1]) } else { 0.0 }
}

/// Tests the mean total variation distance between the outputs of both windows within topics; `None` if no topic is in both
/// windows, or all outputs are equal.
pub(super) fn test_outputs(
    labels: &[bool],
    topics: &[usize],
    categories: Vec<String>,
    permutations: Permutations<'_>,
) -> Option<(Observed, Vec<OutputChange>)> {
    let cells = Cells::new(topics, categories);
    let observed = cells.counts(labels);
    let sizes = cells.sizes(&observed);
    let total: f64 = sizes.iter().map(|size| weight(*size)).sum();
    let distinct: std::collections::BTreeSet<&str> = cells.of.iter().map(|(_, name)| name.as_str()).collect();
    if total <= 0.0 || distinct.len() < 2 {
        return None;
    }
    let share = |count: [f64; 2], size: [f64; 2], window: usize| {
        if size[window] > 0.0 { count[window] / size[window] } else { 0.0 }
    };
    let distance = |counts: &[[f64; 2]]| -> f64 {
        let cell = |((topic, _), count): (&(usize, String), &[f64; 2])| {
            let size = sizes[*topic];
            0.5 * weight(size) / total * (share(*count, size, 0) - share(*count, size, 1)).abs()
        };
        cells.of.iter().zip(counts).map(cell).sum()
    };
    let test = permutation_test(labels, permutations, |labels| distance(&cells.counts(labels)));
    let change = |((topic, output), count): (&(usize, String), &[f64; 2])| {
        let size = sizes[*topic];
        let change = OutputChange {
            topic: *topic,
            output: output.clone(),
            reference: share(*count, size, 0),
            now: share(*count, size, 1),
        };
        (weight(size) / total * (change.now - change.reference).abs(), change)
    };
    let mut changes: Vec<(f64, OutputChange)> =
        cells.of.iter().zip(&observed).map(change).filter(|(part, _)| *part >= MIN_CHANGE).collect();
    changes.sort_by(|a, b| b.0.total_cmp(&a.0));
    Some((test, changes.into_iter().take(LISTED).map(|(_, change)| change).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of two topics: in the first, a share of the outputs changed.
    fn rows(changed: usize) -> (Vec<bool>, Vec<usize>, Vec<String>) {
        let row = |at: usize| {
            let (now, topic) = (at % 2 == 1, at / 2 % 2);
            let output = if now && topic == 0 && at / 4 % 10 < changed { "new" } else { "old" };
            (now, topic, format!("{output} {topic}"))
        };
        let rows: Vec<_> = (0..400).map(row).collect();
        (
            rows.iter().map(|row| row.0).collect(),
            rows.iter().map(|row| row.1).collect(),
            rows.into_iter().map(|row| row.2).collect(),
        )
    }

    fn test(changed: usize) -> (Observed, Vec<OutputChange>) {
        let (labels, topics, categories) = rows(changed);
        let permutations = Permutations { seed: 1, stream: 1, count: 199, strata: &topics };
        test_outputs(&labels, &topics, categories, permutations).unwrap()
    }

    #[test]
    fn the_effect_is_the_share_of_outputs_that_changed_within_topics() {
        let (found, changes) = test(4);
        assert!((found.statistic - 0.2).abs() < 1e-9 && found.p_value < 0.01, "{found:?}");
        assert_eq!((changes[0].topic, changes[0].output.as_str()), (0, "new 0"));
        assert!((changes[0].now - 0.4).abs() < 1e-9 && changes[0].reference == 0.0, "{changes:?}");
        let (same, changes) = test(0);
        assert!(same.p_value == 1.0 && changes.is_empty(), "{same:?}");
    }

    #[test]
    fn another_mix_of_topics_is_no_change_of_outputs() {
        let labels: Vec<bool> = (0..300).map(|at| at % 3 == 0).collect();
        // The reference window is about topic 0 mostly, this one about topic 1.
        let topics: Vec<usize> = labels.iter().zip(0..).map(|(now, at)| usize::from(*now == (at % 5 > 0))).collect();
        let categories = topics.iter().map(|topic| format!("answer {topic}")).collect();
        let permutations = Permutations { seed: 1, stream: 1, count: 199, strata: &topics };
        let (found, _) = test_outputs(&labels, &topics, categories, permutations).unwrap();
        assert!(found.statistic == 0.0 && found.p_value == 1.0, "{found:?}");
    }

    #[test]
    fn one_window_or_one_output_is_not_tested() {
        let none = Permutations { seed: 1, stream: 1, count: 9, strata: &[] };
        assert!(test_outputs(&[], &[], vec![], none).is_none());
        assert!(test_outputs(&[true, true], &[0, 0], vec!["a".into(), "b".into()], none).is_none());
        assert!(test_outputs(&[true, false], &[0, 0], vec!["a".into(), "a".into()], none).is_none());
    }

    #[test]
    fn outputs_that_repeat_are_compared_as_they_are_and_others_by_their_form() {
        let labels = ["Refund", "refund ", "track", "track", "track", "refund", "refund", "track", "track", "track"];
        assert_eq!(categories(&labels).0[1], "refund");
        assert!(categories(&labels).1);
        let open = ["I'm sorry, no.", "Where is it?", "It is on its way to you now.", "{\"a\": 1}"];
        let (forms, as_they_are) = categories(&open);
        assert!(!as_they_are && forms[0] == "a refusal" && forms[1].starts_with("question, at most"), "{forms:?}");
        assert!(categories(&[]).0.is_empty());
    }
}
