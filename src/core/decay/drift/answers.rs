//! Whether an endpoint answers the same examples differently than in an earlier run.

use super::{Figures, Tested};
use crate::core::decay::Inputs;
use crate::core::shift::{AnswerChange, PairedAnswers, ShiftOptions, answer_change};
use crate::core::view::{DriftKind, count_of};

/// First stream of random numbers of these tests.
const STREAM: u64 = 50;

/// Smallest number of examples that both runs answered.
const ENOUGH: usize = 20;

/// Two runs of one endpoint with the same suite and settings.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPair {
    /// The endpoint, with the prompt if there are several.
    pub endpoint: String,
    /// The earlier run.
    pub earlier: RunRef,
    /// The later run.
    pub later: RunRef,
    /// The answers to each example that asks and accepts the same in both.
    pub answers: Vec<PairedAnswers>,
}

/// A run as named in evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRef {
    /// Its id.
    pub run_id: String,
    /// The day on which it started.
    pub day: String,
    /// The models that answered, as reported.
    pub models: Vec<String>,
}

/// One result per endpoint.
pub(super) fn tested(inputs: &Inputs<'_>) -> Vec<Tested> {
    let missing = |of, text: &str| Tested {
        what: DriftKind::Answers,
        of,
        found: Err(format!("Not measured: {text}.")),
        evidence: Vec::new(),
    };
    let test = |(pair, stream): (&RunPair, u64)| {
        let options = ShiftOptions { seed: inputs.seed, ..ShiftOptions::default() };
        let change = answer_change(&pair.answers, options, stream).filter(|change| change.compared >= ENOUGH);
        let Some(change) = change else {
            return missing(
                Some(pair.endpoint.clone()),
                "the two runs have fewer than 20 examples in common that were answered and not taken from the cache",
            );
        };
        Tested {
            what: DriftKind::Answers,
            of: Some(pair.endpoint.clone()),
            evidence: evidence(pair, &change),
            found: Ok(figures(pair, &change)),
        }
    };
    let tested: Vec<Tested> = inputs.run_pairs.iter().zip(STREAM..).map(test).collect();
    if tested.is_empty() {
        return vec![missing(
            None,
            "it takes two finished runs of the same suite and endpoint, at different times and without the cache",
        )];
    }
    tested
}

fn figures(pair: &RunPair, change: &AnswerChange) -> Figures {
    let (what, unit) = if change.repeats {
        ("what it answers to the same examples", "of the examples, beyond what repeats show")
    } else {
        ("how many of the same examples it answers right", "of the examples")
    };
    Figures {
        effect: change.effect,
        interval: None,
        p_value: change.p_value,
        detectable: change.detectable,
        compared: change.compared,
        subject: format!("{what} ({}, {} → {})", pair.endpoint, pair.earlier.day, pair.later.day),
        unit,
    }
}

fn evidence(pair: &RunPair, change: &AnswerChange) -> Vec<String> {
    let named = |run: &RunRef| {
        let models = if run.models.is_empty() { String::new() } else { format!(" ({})", run.models.join(", ")) };
        format!("{}{models}", run.run_id)
    };
    let mut evidence = vec![
        format!("run {} → run {}", named(&pair.earlier), named(&pair.later)),
        format!("{} no longer right, {} right now", count_of(change.lost, "example"), change.won),
    ];
    if !change.repeats {
        evidence.push(format!(
            "{:.1} % of the answers differ; without repeats (--repeat), it cannot be told how much of that is chance",
            change.differing * 100.0
        ));
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evidence_names_both_runs_and_says_what_repeats_would_add() {
        let run =
            |id: &str, model: &str| RunRef { run_id: id.into(), day: "2026-06-01".into(), models: vec![model.into()] };
        let mut pair = RunPair {
            endpoint: "gpt".into(),
            earlier: run("r1", "m-1"),
            later: run("r2", "m-2"),
            answers: vec![PairedAnswers { earlier: vec![0], later: vec![1] }; 30],
        };
        let change = answer_change(&pair.answers, ShiftOptions::default(), 1).unwrap();
        let found = evidence(&pair, &change);
        assert_eq!(found[0], "run r1 (m-1) → run r2 (m-2)");
        assert!(
            found[1].starts_with("30 examples no longer right, 0 right now") && found[2].contains("--repeat"),
            "{found:?}"
        );
        assert!(figures(&pair, &change).subject.contains("answers right"));
        pair.answers = vec![PairedAnswers { earlier: vec![0, 0], later: vec![1, 1] }; 30];
        let change = answer_change(&pair.answers, ShiftOptions::default(), 1).unwrap();
        assert_eq!(evidence(&pair, &change).len(), 2);
    }
}
