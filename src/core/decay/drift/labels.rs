//! Whether the right answer to the same examples moved: labels that were reviewed and changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use statrs::function::beta::beta_reg;

use super::{ALPHA, Figures, Tested};
use crate::core::decay::findings::Findings;
use crate::core::domain::{Example, ReasonCode};
use crate::core::queue::{FlagChange, QueueState, QueueStep};
use crate::core::stats::clopper_pearson;
use crate::core::view::{DriftKind, count_of};

/// Maximum number of changes listed.
const LISTED: usize = 3;

/// Probability with which the detectable share is found.
const POWER: f64 = 0.8;

/// An earlier version of the set, and what was decided since.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierVersion {
    /// The day on which it was first stored.
    pub day: String,
    /// Its version.
    pub version: String,
    /// Its examples.
    pub examples: Vec<Example>,
    /// What people decided since, the oldest first.
    pub steps: Vec<QueueStep>,
}

/// `threshold` is the share of changed labels that is not yet a change of meaning.
pub(super) fn tested(findings: &Findings<'_>, threshold: f64) -> Tested {
    let missing = |text: &str| Err(format!("Not measured: {text}."));
    let mut evidence = Vec::new();
    let found = match &findings.inputs.earlier {
        None => missing("no earlier version of the set is stored"),
        Some(earlier) => {
            let reviewed = Reviewed::of(earlier, &findings.inputs.dataset.examples);
            evidence = reviewed.evidence(earlier, disputed(findings));
            match reviewed.ids.len() {
                0 => missing(&format!("no label was reviewed since {}, the day of the earlier version", earlier.day)),
                _ => Ok(reviewed.figures(earlier, threshold)),
            }
        }
    };
    Tested { what: DriftKind::Labels, of: None, found, evidence }
}

/// The examples whose labels were reviewed since an earlier version.
#[derive(Debug, Default, PartialEq)]
struct Reviewed {
    ids: BTreeSet<String>,
    /// Those with other accepted answers, or whose answers were confirmed to be wrong.
    changed: BTreeMap<String, Option<(String, String)>>,
}

impl Reviewed {
    /// Of examples that ask the same in both: those with other accepted answers or dates of review, and those about whose answer
    /// somebody decided.
    fn of(earlier: &EarlierVersion, now: &[Example]) -> Self {
        let then: HashMap<&str, &Example> = earlier.examples.iter().map(|e| (e.id.as_str(), e)).collect();
        let mut decided: HashMap<&str, &QueueStep> = HashMap::new();
        for step in earlier.steps.iter().filter(|step| is_review(step)) {
            decided.insert(&step.example_id, step);
        }
        let mut reviewed = Self::default();
        for example in now {
            let before = then.get(example.id.as_str()).filter(|then| then.input == example.input);
            let Some(before) = before else { continue };
            let decided = decided.get(example.id.as_str());
            let relabelled = before.expected != example.expected;
            let dated = (before.reviewed_at, before.labeled_at) != (example.reviewed_at, example.labeled_at);
            let wrong = decided.is_some_and(|step| step.to == QueueState::Confirmed && step.code.ends_liveness());
            if relabelled || dated || decided.is_some() {
                reviewed.ids.insert(example.id.clone());
            }
            if relabelled || wrong {
                let texts = |example: &Example| example.expected_texts().join(" | ");
                let change = relabelled.then(|| (texts(before), texts(example)));
                reviewed.changed.insert(example.id.clone(), change);
            }
        }
        reviewed
    }

    fn figures(&self, earlier: &EarlierVersion, threshold: f64) -> Figures {
        let (changed, all) = (self.changed.len() as u64, self.ids.len() as u64);
        let interval = clopper_pearson(changed, all, 0.95);
        Figures {
            effect: changed as f64 / all as f64,
            interval: Some((interval.lo, interval.hi)),
            p_value: at_least(changed, all, threshold),
            detectable: detectable(all, threshold),
            compared: self.ids.len(),
            subject: format!("what the right answers are since {}", earlier.day),
            unit: "of the labels reviewed",
        }
    }

    /// `disputed` is the number of labels that models dispute now.
    fn evidence(&self, earlier: &EarlierVersion, disputed: usize) -> Vec<String> {
        let mut evidence = vec![format!(
            "{} of {} reviewed since version {} changed or were confirmed to be wrong",
            self.changed.len(),
            count_of(self.ids.len(), "label"),
            crate::core::domain::short(&earlier.version, 6)
        )];
        let mut pairs: BTreeMap<&(String, String), usize> = BTreeMap::new();
        self.changed.values().flatten().for_each(|change| *pairs.entry(change).or_default() += 1);
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let said =
            |((before, after), count): (&(String, String), usize)| format!("\"{before}\" → \"{after}\" ({count})");
        evidence.extend(pairs.into_iter().take(LISTED).map(said));
        evidence.extend((disputed > 0).then(|| format!("{} disputed by models now", count_of(disputed, "label"))));
        evidence
    }
}

/// Whether somebody looked at the answer of the example.
fn is_review(step: &QueueStep) -> bool {
    let about_answer = matches!(
        step.code,
        ReasonCode::LabelDisputed
            | ReasonCode::Conflicting
            | ReasonCode::SourceChanged
            | ReasonCode::Expired
            | ReasonCode::Flaky
    );
    let decided = matches!(step.to, QueueState::Relabelled | QueueState::Dismissed | QueueState::Confirmed);
    step.by.is_some() && decided && (about_answer || step.to == QueueState::Relabelled)
}

/// The number of labels that models dispute and nobody has decided about.
fn disputed(findings: &Findings<'_>) -> usize {
    let disputed =
        |change: &&FlagChange| change.flag.code == ReasonCode::LabelDisputed && change.to == QueueState::Queued;
    findings.changes.iter().filter(disputed).count()
}

/// The probability of at least this many changed labels if each changes with a probability of `share` (exact binomial tail).
fn at_least(changed: u64, all: u64, share: f64) -> f64 {
    if changed == 0 { 1.0 } else { beta_reg(changed as f64, (all - changed) as f64 + 1.0, share) }
}

/// The smallest share of changed labels, in steps of 0.01, that would have been found with [`POWER`]; 1 if none would.
fn detectable(all: u64, threshold: f64) -> f64 {
    let Some(least) = (1..=all).find(|changed| at_least(*changed, all, threshold) <= ALPHA) else { return 1.0 };
    let shares = (1..100).map(|share| f64::from(share) / 100.0);
    shares.into_iter().find(|share| *share >= threshold && at_least(least, all, *share) >= POWER).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::{Value, json};

    fn examples(rows: &[Value]) -> Vec<Example> {
        rows.iter().map(|row| example_from_row(1, row.as_object().unwrap().clone()).unwrap()).collect()
    }

    fn step(id: &str, code: ReasonCode, to: QueueState) -> QueueStep {
        QueueStep {
            dataset: "d".into(),
            example_id: id.into(),
            code,
            at: "2026-07-01T00:00:00Z".into(),
            from: None,
            to,
            by: Some("ada".into()),
            reason: None,
            detail: None,
        }
    }

    fn earlier(rows: &[Value], steps: Vec<QueueStep>) -> EarlierVersion {
        EarlierVersion { day: "2026-06-30".into(), version: "abcdef12".into(), examples: examples(rows), steps }
    }

    #[test]
    fn labels_count_as_reviewed_if_their_answers_dates_or_decisions_changed() {
        let row = |id: &str, label: &str| json!({"id": id, "input": format!("text {id}"), "expected": label});
        let then: Vec<Value> =
            ["same", "flipped", "dated", "dismissed", "wrong", "asks", "traffic"].map(|id| row(id, "a")).into();
        let mut now = then.clone();
        now[1]["expected"] = json!("b");
        now[2]["reviewed_at"] = json!("2026-07-01");
        now[5]["input"] = json!("something else");
        now[5]["expected"] = json!("b");
        now.push(row("added", "b"));
        let steps = vec![
            step("dismissed", ReasonCode::LabelDisputed, QueueState::Dismissed),
            step("wrong", ReasonCode::Conflicting, QueueState::Confirmed),
            step("traffic", ReasonCode::TrafficVanished, QueueState::Dismissed),
        ];
        let earlier = earlier(&then, steps);
        let found = Reviewed::of(&earlier, &examples(&now));
        assert_eq!(
            found.ids.iter().map(String::as_str).collect::<Vec<_>>(),
            ["dated", "dismissed", "flipped", "wrong"]
        );
        assert_eq!(found.changed.keys().map(String::as_str).collect::<Vec<_>>(), ["flipped", "wrong"]);
        let evidence = found.evidence(&earlier, 3);
        assert_eq!(
            evidence,
            [
                "2 of 4 labels reviewed since version abcdef changed or were confirmed to be wrong",
                "\"a\" → \"b\" (1)",
                "3 labels disputed by models now"
            ]
        );
        let figures = found.figures(&earlier, 0.05);
        assert!(figures.effect == 0.5 && figures.p_value < 0.05 && figures.interval.unwrap().0 > 0.05);
        assert_eq!(Reviewed::of(&earlier, &[]), Reviewed::default());
    }

    #[test]
    fn a_few_corrections_among_many_reviews_are_no_change_of_meaning() {
        assert!(at_least(3, 60, 0.05) > 0.4);
        assert!(at_least(10, 60, 0.05) < 0.01);
        assert_eq!(at_least(0, 60, 0.05), 1.0);
        // The more labels were reviewed, the smaller the share that would have been found.
        let shares: Vec<f64> = [1, 5, 20, 100, 1000].map(|all| detectable(all, 0.05)).into();
        assert!(shares.is_sorted_by(|a, b| a >= b) && shares[4] < 0.08, "{shares:?}");
    }
}
