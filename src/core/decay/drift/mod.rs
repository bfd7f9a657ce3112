//! The kinds of drift told apart: what is asked (inputs), what production answers to the same topics (outputs), what an endpoint
//! answers to the same examples (answers), and what the right answer is (labels).
//!
//! Each is tested by itself. A finding takes a p-value, adjusted by Holm's method over all of them but the first, *and* an effect.

mod answers;
mod inputs;
mod labels;
mod outputs;

pub use answers::{RunPair, RunRef};
pub use labels::EarlierVersion;

use super::findings::Findings;
use crate::core::stats::holm;
use crate::core::view::{DriftFinding, DriftKind, DriftStatus, MovedView};

/// Largest adjusted p-value of a change.
const ALPHA: f64 = 0.05;

/// What a test found.
struct Tested {
    what: DriftKind,
    of: Option<String>,
    /// What was measured, or what is missing.
    found: Result<Figures, String>,
    evidence: Vec<String>,
}

/// The figures of a test.
struct Figures {
    effect: f64,
    interval: Option<(f64, f64)>,
    p_value: f64,
    detectable: f64,
    compared: usize,
    /// What is compared with what, such as "the outputs of the same topics, compared with 2026-06".
    subject: String,
    /// The unit of the effect, such as "of the outputs".
    unit: &'static str,
}

/// Every finding, in a fixed order: inputs, outputs, answers of each endpoint, labels.
pub(super) fn drift(findings: &Findings<'_>, moved: Option<&MovedView>) -> Vec<DriftFinding> {
    let threshold = findings.inputs.settings.policy.drift_effect;
    let mut tested = vec![outputs::tested(findings)];
    tested.extend(answers::tested(&findings.inputs));
    tested.push(labels::tested(findings, threshold));
    let p_values: Vec<f64> =
        tested.iter().filter_map(|tested| tested.found.as_ref().ok()).map(|found| found.p_value).collect();
    let mut adjusted = holm(&p_values).into_iter();
    let mut all = vec![inputs::finding(findings, moved)];
    for Tested { what, of, found, evidence } in tested {
        all.push(match found {
            Ok(figures) => {
                let p_value = adjusted.next().unwrap_or(1.0);
                figures.finding(what, of, p_value, threshold, evidence)
            }
            Err(missing) => not_measured(what, of, threshold, missing),
        });
    }
    all
}

fn not_measured(what: DriftKind, of: Option<String>, threshold: f64, missing: String) -> DriftFinding {
    DriftFinding {
        what,
        of,
        status: DriftStatus::NotMeasured,
        effect: None,
        lo: None,
        hi: None,
        threshold,
        detectable: None,
        p_value: None,
        compared: 0,
        sentence: missing,
        evidence: Vec::new(),
    }
}

impl Figures {
    /// `p_value` is the adjusted one.
    fn finding(
        self,
        what: DriftKind,
        of: Option<String>,
        p_value: f64,
        threshold: f64,
        evidence: Vec<String>,
    ) -> DriftFinding {
        let changed = p_value <= ALPHA && self.effect >= threshold;
        // The outputs that happen to differ most are no evidence of a change.
        let evidence = if changed || what != DriftKind::Outputs { evidence } else { Vec::new() };
        DriftFinding {
            what,
            of,
            status: if changed { DriftStatus::Changed } else { DriftStatus::NoChange },
            effect: Some(self.effect),
            lo: self.interval.map(|(lo, _)| lo),
            hi: self.interval.map(|(_, hi)| hi),
            threshold,
            detectable: Some(self.detectable),
            p_value: Some(p_value),
            compared: self.compared,
            sentence: self.sentence(p_value, threshold),
            evidence,
        }
    }

    fn sentence(&self, p_value: f64, threshold: f64) -> String {
        let Self { subject, unit, .. } = self;
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let effect = percent(self.effect);
        if p_value > ALPHA {
            // A smaller change than the threshold would not have been reported, however clear.
            let found = percent(self.detectable.max(threshold).min(1.0));
            return format!(
                "No change found in {subject}; one of {found} {unit} would have been found in four of five cases."
            );
        }
        if self.effect < threshold {
            return format!("Hardly any change in {subject}: {effect} {unit}, less than {}.", percent(threshold));
        }
        format!("A change in {subject}: {effect} {unit}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_a_p_value_and_an_effect_and_otherwise_the_sentence_says_what_would_have_been_found() {
        let figures = |effect: f64| Figures {
            effect,
            interval: None,
            p_value: 0.5,
            detectable: 0.07,
            compared: 90,
            subject: "the outputs".into(),
            unit: "of the outputs",
        };
        let cases = [
            (0.2, 0.01, DriftStatus::Changed, "A change in the outputs: 20.0 % of the outputs."),
            (
                0.02,
                0.01,
                DriftStatus::NoChange,
                "Hardly any change in the outputs: 2.0 % of the outputs, less than 5.0 %.",
            ),
            (
                0.2,
                0.06,
                DriftStatus::NoChange,
                "No change found in the outputs; one of 7.0 % of the outputs would have been found in four of five cases.",
            ),
        ];
        for (effect, p_value, status, sentence) in cases {
            let found = figures(effect).finding(DriftKind::Outputs, None, p_value, 0.05, vec!["more of one".into()]);
            assert_eq!((found.status, found.sentence.as_str()), (status, sentence));
            assert_eq!(
                found.evidence.is_empty(),
                status != DriftStatus::Changed,
                "what differs by chance is no evidence"
            );
        }
    }
}
