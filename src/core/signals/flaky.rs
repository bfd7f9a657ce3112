//! `flaky`: the same request, sent several times, is sometimes answered right and sometimes wrong.

use std::collections::BTreeMap;

use statrs::function::beta::beta_reg;

use crate::core::domain::{Example, ExampleStatus, Flag, ReasonCode};

/// A pass rate within this distance of 0 or 1 counts as steady.
const STEADY: f64 = 0.1;

/// How many trials of an example passed at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passes {
    /// Trials with a score of 1.
    pub passed: u32,
    /// Trials with a score.
    pub trials: u32,
}

/// Flags active examples whose pass rate at some endpoint lies between 0.1 and 0.9 with a probability of at least
/// `threshold`. `passes` contains the passes of each endpoint's latest run with repeats, by endpoint and example id.
///
/// The score is the probability of that range under the posterior of the pass rate with Jeffreys' prior, Beta(½, ½). It
/// grows with the evidence, so that a single miss in a few trials of a steady example does not suffice.
pub fn flaky_flags(
    examples: &[Example],
    passes: &BTreeMap<String, BTreeMap<String, Passes>>,
    threshold: f64,
) -> Vec<Flag> {
    let active = examples.iter().filter(|example| example.status == ExampleStatus::Active);
    active.filter_map(|example| flaky_flag(example, passes, threshold)).collect()
}

fn flaky_flag(example: &Example, passes: &BTreeMap<String, BTreeMap<String, Passes>>, threshold: f64) -> Option<Flag> {
    let at = |(endpoint, of): (&String, &BTreeMap<String, Passes>)| {
        let found = *of.get(&example.id)?;
        Some((unsteadiness(found), endpoint.clone(), found))
    };
    let (score, endpoint, found) =
        passes.iter().filter_map(at).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
    (score >= threshold).then(|| Flag {
        example_id: example.id.clone(),
        code: ReasonCode::Flaky,
        score,
        threshold,
        evidence: format!(
            "{} of {} trials passed at {endpoint}; to clear this, make the request or its accepted answers unambiguous, or \
             use a model that answers it consistently",
            found.passed, found.trials
        ),
        basis: [endpoint, example.text(), example.expected_texts().join("\n")].join("\n"),
    })
}

/// The posterior probability that the pass rate is neither near 0 nor near 1; 0 if all trials agree.
fn unsteadiness(found: Passes) -> f64 {
    if found.passed == 0 || found.passed >= found.trials {
        return 0.0;
    }
    let (a, b) = (f64::from(found.passed) + 0.5, f64::from(found.trials - found.passed) + 0.5);
    beta_reg(a, b, 1.0 - STEADY) - beta_reg(a, b, STEADY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    fn flags(passed: u32, trials: u32) -> Vec<Flag> {
        let row = json!({"id": "e", "input": "x", "created_at": "2026-01-01"});
        let example = example_from_row(1, row.as_object().unwrap().clone()).unwrap();
        let at = |passed| BTreeMap::from([("e".to_owned(), Passes { passed, trials })]);
        let passes = BTreeMap::from([("a".to_owned(), at(trials)), ("b".to_owned(), at(passed))]);
        flaky_flags(&[example], &passes, 0.9)
    }

    #[test]
    fn trials_that_often_disagree_are_flagged_but_one_miss_in_a_few_is_not() {
        let cases = [
            (0, 5, false),
            (5, 5, false),
            (1, 2, false),
            (1, 3, false),
            (1, 5, false),
            (2, 5, true),
            (1, 10, false),
            (4, 10, true),
        ];
        for (passed, trials, expected) in cases {
            assert_eq!(!flags(passed, trials).is_empty(), expected, "{passed} of {trials}");
        }
        let evidence = flags(2, 5).remove(0).evidence;
        assert!(evidence.starts_with("2 of 5 trials passed at b;"), "{evidence}");
    }

    #[test]
    fn a_steady_example_is_rarely_flagged() {
        // Of examples that pass 97 times in 100, fewer than one in a hundred is flagged after five trials.
        let choose = |n: u32, k: u32| (0..k).map(|i| f64::from(n - i) / f64::from(i + 1)).product::<f64>();
        let chance = |k: u32| choose(5, k) * 0.97_f64.powi(k as i32) * 0.03_f64.powi(5 - k as i32);
        let flagged: f64 = (0..=5).filter(|k| !flags(*k, 5).is_empty()).map(chance).sum();
        assert!(flagged < 0.01, "{flagged}");
    }
}
