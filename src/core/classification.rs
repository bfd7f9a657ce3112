//! Metrics of a classifier from pairs of the expected and the predicted label: a confusion matrix, and precision,
//! recall and F1 of every label.
//!
//! All figures are those of scikit-learn 1.9 with `sample_weight` and `zero_division=0`, except that what it replaces
//! by 0 with a warning, a precision without predictions or a recall without support, is `None` here; it still counts as
//! 0 in F1.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::core::stats::{Interval, wilson};

/// Largest distance from a whole number at which a sum of weights counts as that number: three thirds are one.
const WHOLE: f64 = 1e-9;

/// One answer of a classifier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Classified<'a> {
    /// The right label.
    pub expected: &'a str,
    /// The label given; `None` if the answer is no label at all, which is counted in a column of its own, "other".
    pub predicted: Option<&'a str>,
    /// How much it counts, at least 0: 1 / trials if an example was tried several times.
    pub weight: f64,
}

/// A cell of the confusion matrix that is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cell {
    /// Index of the expected label in [`Classification::labels`].
    pub expected: usize,
    /// Index of the predicted label; `None` for "other".
    pub predicted: Option<usize>,
    /// Sum of the weights.
    pub weight: f64,
}

/// What is known about one label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// The label.
    pub label: String,
    /// Share of the answers with this label that are right, in [0, 1]; `None` if no answer has it.
    pub precision: Option<f64>,
    /// 95 % interval of the precision (Wilson 1927); `None` unless the counts are whole numbers.
    pub precision_interval: Option<Interval>,
    /// Share of the answers that should have this label and have it, in [0, 1]; `None` if none should.
    pub recall: Option<f64>,
    /// 95 % interval of the recall (Wilson 1927); `None` unless the counts are whole numbers.
    pub recall_interval: Option<Interval>,
    /// 2 × right / (answers with the label + answers that should have it), in [0, 1].
    pub f1: f64,
    /// Weight of the answers that should have this label.
    pub support: f64,
    /// Weight of the answers that have this label.
    pub predicted: f64,
}

/// The metrics of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classification {
    /// All labels that are expected or predicted somewhere, sorted by code points; "other" is none of them.
    pub labels: Vec<String>,
    /// The cells that are not 0, by row and then by column, with "other" last. Their number is at most that of the
    /// pairs.
    pub cells: Vec<Cell>,
    /// One entry for each label.
    pub classes: Vec<ClassMetrics>,
    /// Mean F1 over all labels, also over those that are only predicted, whose F1 is 0.
    pub macro_f1: f64,
    /// Mean F1 weighted by support.
    pub weighted_f1: f64,
    /// Share of right answers, in [0, 1].
    pub accuracy: f64,
    /// Mean recall over the labels that are expected somewhere, in [0, 1].
    pub balanced_accuracy: f64,
    /// Matthews correlation in its form for many labels (Gorodkin 2004), in [−1, 1]; 0 if the expected or the predicted
    /// labels do not vary. "Other" counts as a label.
    pub matthews_correlation: f64,
    /// Cohen's kappa (Cohen 1960), in [−1, 1]; `None` if expected and predicted labels are one and the same everywhere.
    /// "Other" counts as a label.
    pub kappa: Option<f64>,
    /// Weight of the answers that are no label.
    pub other: f64,
    /// Weight of all answers.
    pub total: f64,
}

#[cfg(test)]
impl Classification {
    /// One cell of the confusion matrix by the indices of its labels, `None` for "other"; 0 outside of the matrix.
    pub fn cell(&self, expected: usize, predicted: Option<usize>) -> f64 {
        let found = self
            .cells
            .binary_search_by_key(&place((expected, predicted)), |cell| place((cell.expected, cell.predicted)));
        found.ok().and_then(|at| self.cells.get(at)).map_or(0.0, |cell| cell.weight)
    }
}

/// The order of cells.
fn place((expected, predicted): (usize, Option<usize>)) -> (usize, usize) {
    (expected, predicted.unwrap_or(usize::MAX))
}

/// The metrics of these pairs. `None` if they have no weight, or if a weight is negative or not finite.
pub fn classification(pairs: &[Classified<'_>]) -> Option<Classification> {
    let total: f64 = pairs.iter().map(|pair| pair.weight).sum();
    if !(total > 0.0 && total.is_finite()) || pairs.iter().any(|pair| pair.weight < 0.0) {
        return None;
    }
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for label in pairs.iter().flat_map(|pair| [Some(pair.expected), pair.predicted]).flatten() {
        numbers.insert(label, 0);
    }
    numbers.values_mut().enumerate().for_each(|(at, number)| *number = at);
    let number = |label: &str| numbers.get(label).copied();
    let mut sums: BTreeMap<(usize, usize), Cell> = BTreeMap::new();
    for pair in pairs {
        let (expected, predicted) = (number(pair.expected)?, pair.predicted.and_then(number));
        let new = Cell { expected, predicted, weight: 0.0 };
        sums.entry(place((expected, predicted))).or_insert(new).weight += pair.weight;
    }
    let cells: Vec<Cell> = sums.into_values().filter(|cell| cell.weight > 0.0).collect();
    let classes = classes(numbers.keys(), &cells);
    let matched: f64 = cells.iter().filter(|cell| cell.predicted == Some(cell.expected)).map(|cell| cell.weight).sum();
    let other = cells.iter().filter(|cell| cell.predicted.is_none()).map(|cell| cell.weight).sum();
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        sum / count
    };
    let by_chance = Chance::of(&classes, other, total);
    Some(Classification {
        labels: numbers.keys().map(|label| (*label).to_owned()).collect(),
        macro_f1: mean(&mut classes.iter().map(|class| class.f1)),
        weighted_f1: classes.iter().map(|class| class.f1 * class.support).sum::<f64>() / total,
        accuracy: matched / total,
        balanced_accuracy: mean(&mut classes.iter().filter_map(|class| class.recall)),
        matthews_correlation: by_chance.matthews(matched / total),
        kappa: by_chance.kappa(matched / total),
        other,
        total,
        classes,
        cells,
    })
}

/// The metrics of all labels, in order.
fn classes<'a>(labels: impl Iterator<Item = &'a &'a str>, cells: &[Cell]) -> Vec<ClassMetrics> {
    // Right answers, answers that should have the label, and answers that have it.
    let mut counts: Vec<(&str, [f64; 3])> = labels.map(|label| (*label, [0.0; 3])).collect();
    let mut add = |label: usize, place: usize, weight: f64| {
        if let Some(sum) = counts.get_mut(label).and_then(|(_, sums)| sums.get_mut(place)) {
            *sum += weight;
        }
    };
    for cell in cells {
        add(cell.expected, 1, cell.weight);
        if let Some(predicted) = cell.predicted {
            add(predicted, 2, cell.weight);
            if predicted == cell.expected {
                add(predicted, 0, cell.weight);
            }
        }
    }
    let class = |(label, [right, support, predicted]): (&str, [f64; 3])| ClassMetrics {
        label: label.to_owned(),
        precision: (predicted > 0.0).then(|| right / predicted),
        precision_interval: interval(right, predicted),
        recall: (support > 0.0).then(|| right / support),
        recall_interval: interval(right, support),
        f1: if support + predicted > 0.0 { 2.0 * right / (support + predicted) } else { 0.0 },
        support,
        predicted,
    };
    counts.into_iter().map(class).collect()
}

/// Wilson's interval of a share of whole numbers.
fn interval(right: f64, of: f64) -> Option<Interval> {
    let whole = |count: f64| (count - count.round()).abs() <= WHOLE;
    (of > WHOLE && whole(right) && whole(of)).then(|| wilson(right.round(), of.round(), 0.95))
}

/// What the frequencies of the labels alone give.
struct Chance {
    /// Σ share expected × share predicted.
    both: f64,
    /// Σ share expected².
    expected: f64,
    /// Σ share predicted².
    predicted: f64,
}

impl Chance {
    fn of(classes: &[ClassMetrics], other: f64, total: f64) -> Self {
        let sum = |of: &dyn Fn(&ClassMetrics) -> f64| classes.iter().map(of).sum::<f64>() / (total * total);
        Self {
            both: sum(&|class| class.support * class.predicted),
            expected: sum(&|class| class.support * class.support),
            predicted: sum(&|class| class.predicted * class.predicted) + other * other / (total * total),
        }
    }

    fn matthews(&self, accuracy: f64) -> f64 {
        let spread = (1.0 - self.expected) * (1.0 - self.predicted);
        // Equal labels everywhere leave a spread of rounding.
        if spread > 1e-15 { ((accuracy - self.both) / spread.sqrt()).clamp(-1.0, 1.0) } else { 0.0 }
    }

    fn kappa(&self, accuracy: f64) -> Option<f64> {
        (1.0 - self.both > 1e-15).then(|| (accuracy - self.both) / (1.0 - self.both))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Computed by scikit-learn; see tools/judge_fixtures.py.
    const FIXTURE: &str = include_str!("../../tests/fixtures/scoring/classification.json");

    fn pair<'a>(expected: &'a str, predicted: Option<&'a str>) -> Classified<'a> {
        Classified { expected, predicted, weight: 1.0 }
    }

    fn near(found: Option<f64>, expected: &Value, what: &str) {
        let close = match (found, expected.as_f64()) {
            (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12,
            (found, expected) => found.is_none() && expected.is_none(),
        };
        assert!(close, "{what}: {found:?} against {expected}");
    }

    #[test]
    fn every_figure_equals_that_of_scikit_learn() {
        let root: Value = serde_json::from_str(FIXTURE).unwrap();
        for case in root["cases"].as_array().unwrap() {
            let texts: Vec<(&str, Option<&str>, f64)> = (case["pairs"].as_array().unwrap().iter())
                .map(|row| (row[0].as_str().unwrap(), row[1].as_str(), row[2].as_f64().unwrap()))
                .collect();
            let pairs: Vec<Classified<'_>> = (texts.iter())
                .map(|(expected, predicted, weight)| Classified { expected, predicted: *predicted, weight: *weight })
                .collect();
            let found = classification(&pairs).unwrap();
            let labels: Vec<&str> = case["labels"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
            assert_eq!(found.labels, labels);
            for (at, class) in found.classes.iter().enumerate() {
                near(class.precision, &case["precision"][at], "precision");
                near(class.recall, &case["recall"][at], "recall");
                near(Some(class.f1), &case["f1"][at], "f1");
                near(Some(class.support), &case["support"][at], "support");
                let columns = (0..labels.len()).map(Some).chain([None]);
                for (column, predicted) in columns.enumerate() {
                    near(Some(found.cell(at, predicted)), &case["confusion"][at][column], "confusion");
                }
            }
            for (name, figure) in [
                ("macro_f1", Some(found.macro_f1)),
                ("weighted_f1", Some(found.weighted_f1)),
                ("accuracy", Some(found.accuracy)),
                ("balanced_accuracy", Some(found.balanced_accuracy)),
                ("matthews_correlation", Some(found.matthews_correlation)),
                ("kappa", found.kappa),
            ] {
                near(figure, &case[name], name);
            }
        }
    }

    #[test]
    fn an_answer_that_is_no_label_lowers_recall_and_nobodys_precision() {
        let found = classification(&[pair("a", Some("a")), pair("a", None), pair("b", Some("b"))]).unwrap();
        assert_eq!(found.labels, ["a", "b"]);
        assert_eq!((found.classes[0].precision, found.classes[0].recall), (Some(1.0), Some(0.5)));
        assert_eq!((found.cell(0, None), found.cell(1, None), found.other), (1.0, 0.0, 1.0));
        assert_eq!(found.classes[0].recall_interval, Some(wilson(1.0, 2.0, 0.95)));
    }

    #[test]
    fn an_undefined_precision_counts_as_zero() {
        let found = classification(&[pair("a", Some("b")), pair("b", Some("b"))]).unwrap();
        assert_eq!((found.classes[0].precision, found.classes[0].f1), (None, 0.0));
        assert_eq!(found.classes[0].precision_interval, None);
        assert!((found.macro_f1 - 1.0 / 3.0).abs() < 1e-15, "{found:?}");
        let none = classification(&[pair("a", None)]).unwrap();
        assert_eq!((none.macro_f1, none.accuracy, none.kappa), (0.0, 0.0, Some(0.0)));
    }

    #[test]
    fn trials_of_an_example_share_its_weight() {
        let third = |predicted| Classified { expected: "a", predicted: Some(predicted), weight: 1.0 / 3.0 };
        let same = classification(&[third("a"), third("a"), third("a"), pair("b", Some("b"))]).unwrap();
        assert_eq!(same.classes[0].recall_interval, Some(wilson(1.0, 1.0, 0.95)), "three thirds are one");
        let mixed = classification(&[third("a"), third("b"), third("a"), pair("b", Some("b"))]).unwrap();
        assert!((mixed.classes[0].recall.unwrap() - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(mixed.classes[0].recall_interval, None, "two thirds are no count");
        assert_eq!(mixed.total, 2.0);
    }

    #[test]
    fn without_weight_or_with_an_impossible_one_there_is_no_result() {
        assert_eq!(classification(&[]), None);
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let odd = Classified { expected: "a", predicted: Some("a"), weight };
            assert_eq!(classification(&[odd]), None, "{weight}");
        }
        assert!(classification(&[Classified { weight: 0.0, ..pair("z", None) }, pair("a", Some("a"))]).is_some());
    }

    #[test]
    fn one_label_everywhere_leaves_nothing_to_correlate() {
        let found = classification(&[pair("a", Some("a")); 7]).unwrap();
        assert_eq!((found.accuracy, found.macro_f1, found.balanced_accuracy), (1.0, 1.0, 1.0));
        assert_eq!((found.matthews_correlation, found.kappa), (0.0, None));
        assert_eq!(found.cell(0, Some(9)), 0.0, "outside of the matrix");
    }

    #[test]
    fn hostile_labels_are_labels_like_any_other() {
        let long = "x".repeat(1 << 20);
        let texts = ["", "\0", "\u{301}", "👩‍👩‍👧", "退款", long.as_str(), "other"];
        let pairs: Vec<Classified<'_>> = texts.iter().map(|text| pair(text, Some(text))).collect();
        let found = classification(&pairs).unwrap();
        assert_eq!((found.accuracy, found.other, found.labels.len()), (1.0, 0.0, texts.len()));
    }

    #[test]
    fn a_hundred_thousand_labels_need_no_dense_matrix() {
        let labels: Vec<String> = (0..100_000).map(|at| at.to_string()).collect();
        let pairs: Vec<Classified<'_>> = labels.iter().map(|label| pair(label, Some(label))).collect();
        assert_eq!(classification(&pairs).unwrap().cells.len(), 100_000);
    }

    proptest! {
        #[test]
        fn figures_stay_in_range_and_cells_add_up(
            rows in prop::collection::vec((0_usize..5, 0_usize..6, 1_u32..4), 1..60)
        ) {
            let names = ["a", "b", "c", "d", "e"];
            let pairs: Vec<Classified<'_>> = (rows.iter())
                .map(|(e, p, w)| (names[*e], names.get(*p).copied(), f64::from(*w)))
                .map(|(expected, predicted, weight)| Classified { expected, predicted, weight })
                .collect();
            let found = classification(&pairs).unwrap();
            let unit = 0.0..=1.0;
            for class in &found.classes {
                prop_assert!(unit.contains(&class.f1) && unit.contains(&class.precision.unwrap_or(0.0)));
                if let (Some(recall), Some(interval)) = (class.recall, class.recall_interval) {
                    prop_assert!(interval.contains(recall));
                }
            }
            for figure in [found.macro_f1, found.weighted_f1, found.accuracy, found.balanced_accuracy] {
                prop_assert!(unit.contains(&figure));
            }
            prop_assert!((-1.0..=1.0).contains(&found.matthews_correlation));
            let sum: f64 = found.cells.iter().map(|cell| cell.weight).sum();
            prop_assert!((sum - found.total).abs() < 1e-9);
            let mut reversed = pairs.clone();
            reversed.reverse();
            prop_assert!((classification(&reversed).unwrap().macro_f1 - found.macro_f1).abs() < 1e-12);
        }

        #[test]
        fn right_answers_only_give_one(labels in prop::collection::vec("[a-z]{0,3}", 1..40)) {
            let pairs: Vec<Classified<'_>> = labels.iter().map(|label| pair(label, Some(label))).collect();
            let found = classification(&pairs).unwrap();
            prop_assert_eq!((found.macro_f1, found.accuracy, found.balanced_accuracy), (1.0, 1.0, 1.0));
        }
    }
}
