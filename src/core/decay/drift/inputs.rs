//! Whether what people ask about moved: the finding that raises the alarm, in the form of the others.

use super::not_measured;
use crate::core::decay::findings::Findings;
use crate::core::view::{DriftFinding, DriftKind, DriftStatus, MovedView};

/// Standard errors from the tolerated gap to one that is found in four of five cases: 1.645 + 0.842.
const FOUND: f64 = 2.487;

pub(super) fn finding(findings: &Findings<'_>, moved: Option<&MovedView>) -> DriftFinding {
    let tolerated = findings.inputs.settings.policy.tolerated_gap;
    let Some(MovedView { topics, wording }) = moved else {
        let missing = if findings.inputs.reference.is_none() {
            "Not measured: there is no reference window."
        } else {
            "Not measured: coverage could not be measured in both windows."
        };
        return not_measured(DriftKind::Inputs, None, tolerated, missing.into());
    };
    let error = (topics.hi - topics.lo) / (2.0 * 1.96);
    let carried = topics.groups.iter().chain(&topics.topics);
    let mut evidence: Vec<String> = carried
        .map(|share| format!("{}: {:.1} % → {:.1} %", share.name, share.reference * 100.0, share.now * 100.0))
        .collect();
    evidence.extend(wording.moved.then(|| "the wording moved, too, which is no decay".to_owned()));
    DriftFinding {
        what: DriftKind::Inputs,
        of: None,
        status: if topics.moved { DriftStatus::Changed } else { DriftStatus::NoChange },
        effect: Some(topics.effect),
        lo: Some(topics.lo),
        hi: Some(topics.hi),
        threshold: tolerated,
        detectable: Some((tolerated + FOUND * error).min(1.0)),
        p_value: Some(topics.p_value),
        compared: findings.inputs.now.records.len(),
        sentence: topics.sentence.clone(),
        evidence,
    }
}
