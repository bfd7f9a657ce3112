//! `duplicate` and `conflicting`: the same request more than once, judging by its words or its vector.

use std::collections::BTreeMap;

use crate::core::domain::{Example, ExampleStatus, Flag, ReasonCode, canonical_json};
use crate::core::golden::{FindingKind, lint};
use crate::core::vector::{Vectors, near_duplicate_groups};

/// Flags repeated requests among the active examples. `vectors` has one row per example, in order.
///
/// Requests with equal words and different answers conflict (score 1). Requests with equal or similar words (similarity
/// of at least `similarity`) and equal answers are duplicates: every one but the first by id is flagged. Requests with
/// similar words and different answers are not flagged, since a small change of words may well change the answer.
pub fn repeated_flags(examples: &[Example], vectors: &Vectors, similarity: f64) -> Vec<Flag> {
    let mut flags = BTreeMap::new();
    let rows: Vec<usize> = (0..examples.len()).filter(|i| examples[*i].status == ExampleStatus::Active).collect();
    let active: Vec<&Example> = rows.iter().map(|row| &examples[*row]).collect();
    for finding in lint(active.iter().copied(), &[]) {
        match finding.kind {
            FindingKind::Conflicting => conflict(&finding.ids, &finding.message, &mut flags),
            FindingKind::Duplicate => duplicate(&finding.ids, 1.0, "in the same words", &mut flags),
            FindingKind::NoAnswer | FindingKind::UnknownLabel => {}
        }
    }
    let groups = near_duplicate_groups(&vectors.part(&rows), similarity as f32);
    for ids in near_groups(&active, &groups) {
        duplicate(&ids, similarity, "in nearly the same words", &mut flags);
    }
    flags.into_values().collect()
}

/// Members of a near-duplicate group that have the same answers and context.
fn near_groups(examples: &[&Example], groups: &[usize]) -> Vec<Vec<String>> {
    let mut members: BTreeMap<(usize, Vec<String>, Option<String>), Vec<String>> = BTreeMap::new();
    for (example, group) in examples.iter().zip(groups) {
        let mut answers = example.expected_texts();
        answers.sort();
        let context = example.context.as_ref().map(canonical_json);
        members.entry((*group, answers, context)).or_default().push(example.id.clone());
    }
    members.into_values().filter(|ids| ids.len() > 1).collect()
}

fn conflict(ids: &[String], message: &str, flags: &mut BTreeMap<String, Flag>) {
    for id in ids {
        let others: Vec<_> = ids.iter().filter(|other| *other != id).map(String::as_str).collect();
        let evidence = format!("{message} (see {}); to clear this, settle on one answer", others.join(", "));
        let basis = format!("{message}\n{}", ids.join("\n"));
        let flag =
            Flag { example_id: id.clone(), code: ReasonCode::Conflicting, score: 1.0, threshold: 1.0, evidence, basis };
        flags.insert(id.clone(), flag);
    }
}

fn duplicate(ids: &[String], score: f64, how: &str, flags: &mut BTreeMap<String, Flag>) {
    let mut ids: Vec<&String> = ids.iter().collect();
    ids.sort();
    let Some((first, rest)) = ids.split_first() else { return };
    for id in rest {
        flags.entry((*id).clone()).or_insert_with(|| Flag {
            example_id: (*id).clone(),
            code: ReasonCode::Duplicate,
            score,
            threshold: score,
            evidence: format!("repeats {first} {how}, with the same answer; to clear this, retire one of them"),
            basis: (*first).clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    #[test]
    fn conflicts_and_duplicates_are_flagged_but_similar_requests_with_other_answers_are_not() {
        let rows = [
            ("a", "cancel it", "cancel", [1.0, 0.0]),
            ("b", "Cancel it!", "cancel", [1.0, 0.0]),
            ("c", "cancel it now", "cancel", [0.99, 0.05]),
            ("d", "cancel it not", "keep", [0.99, 0.05]),
            ("e", "hello", "greet", [0.0, 1.0]),
            ("f", "hello", "bye", [0.0, 1.0]),
        ];
        let mut vectors = Vectors::new(2);
        let mut examples = Vec::new();
        for (id, input, label, vector) in rows {
            vectors.push(&vector);
            let row = json!({"id": id, "input": input, "label": label});
            examples.push(example_from_row(1, row.as_object().unwrap().clone()).unwrap());
        }
        let found: Vec<_> = repeated_flags(&examples, &vectors, 0.95)
            .into_iter()
            .map(|flag| (flag.example_id, flag.code.name()))
            .collect();
        let expected = [("b", "duplicate"), ("c", "duplicate"), ("e", "conflicting"), ("f", "conflicting")];
        assert_eq!(found, expected.map(|(id, code)| (id.to_owned(), code)));
    }
}
