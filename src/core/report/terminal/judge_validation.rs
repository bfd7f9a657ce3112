//! A validation of a judge against people.

use super::text::{Screen, labelled, paragraph};
use super::{ROWS, blocks, tables};
use crate::core::view::{Cell, JudgeValidationView};

/// Renders how far a judge agrees with people.
pub fn judge_validation_text(view: &JudgeValidationView, screen: Screen) -> String {
    let mut out = paragraph(tables::validation_sentence(view), screen);
    if let Some(drift) = tables::drift_sentence(view) {
        out.push_str(&labelled("Drift: ", drift, screen, 2));
    }
    out.push('\n');
    let scores = ["Endpoint", "Prompt", "Judged", "Corrected", "95 % interval", "Answers", "Method"];
    out.push_str(&blocks(
        &[
            tables::validation_agreement(view),
            tables::validation_confusion(view),
            tables::corrected_scores(view).only(&scores),
            tables::validation_biases(view),
            tables::judge_drift(view),
            tables::judge_failures(view, ROWS),
        ],
        screen,
    ));
    for note in tables::validation_notes(view) {
        out.push_str(&labelled("- ", Cell::line(&note, 400), screen, 2));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use unicode_width::UnicodeWidthStr;

    use super::super::super::fixture::{ESCAPE, assert_no_control};
    use super::*;

    fn figure(value: f64, lo: f64, hi: f64) -> Value {
        json!({"value": value, "lo": lo, "hi": hi})
    }

    fn share(count: u64, of: u64, lo: f64, hi: f64) -> Value {
        json!({"value": count as f64 / of as f64, "lo": lo, "hi": hi, "count": count, "of": of})
    }

    /// A calibration set, judged for the second time.
    fn rich() -> JudgeValidationView {
        let mut view = json!({
            "schema": "karat.judge_validation/1", "validation_id": "v2", "suite": "support", "scorer": "tone",
            "judge": format!("judge grader {ESCAPE}"), "models": ["grader-2026-08"], "identity": "i2",
            "labels": format!("calibration{ESCAPE}.jsonl"), "labels_hash": "h", "of": "calibration_set",
            "sample": "elsewhere", "sample_assumed": true, "run": null, "started_at": "2026-10-01T05:41:00Z",
            "finished": true, "labels_given": 412, "answers": 204, "n": 200,
            "left_out": [
                {"reason": "tie", "count": 1, "lines": [17]},
                {"reason": "judge_failed", "count": 3, "lines": [4, 19, 88]},
            ],
            "failures": [{"line": 4, "id": ESCAPE, "reason": format!("the judge did not answer: {ESCAPE}")}],
            "people": {"answers": 203, "alpha": figure(0.81, 0.74, 0.87)}, "pass_mark": 0.5,
            "calls": 408, "cost": 0.31, "notes": [format!("a note {ESCAPE}")],
        });
        view["agreement"] = json!({
            "confusion": {"true_positive": 132, "false_negative": 14, "false_positive": 12, "true_negative": 42},
            "accuracy": share(174, 200, 0.816, 0.91), "kappa": figure(0.71, 0.6, 0.81),
            "alpha": figure(0.7, 0.58, 0.8), "sensitivity": share(132, 146, 0.846, 0.942),
            "specificity": share(42, 54, 0.651, 0.868), "precision": share(132, 144, 0.86, 0.952),
            "negative_predictive_value": null,
        });
        view["graded"] = json!({
            "mean_absolute_error": figure(0.14, 0.12, 0.17), "mean_difference": figure(-0.02, -0.05, 0.01),
            "spearman": figure(0.74, 0.66, 0.8), "kappa_linear": figure(0.6, 0.52, 0.67),
            "kappa_quadratic": figure(0.71, 0.62, 0.78), "alpha": null,
        });
        view["better_than_chance"] = json!(true);
        view["length"] = json!({
            "bias": "favours", "per_doubling": {"value": 0.031, "lo": 0.009, "hi": 0.053, "p_value": 0.006},
            "thirds": [{"shortest": 3.0, "longest": 40.0, "n": 67, "difference": figure(-0.05, -0.1, 0.01)}],
        });
        view["family"] = json!({
            "family": format!("openai{ESCAPE}"), "bias": "not_shown", "own": 101, "others": 99,
            "difference": figure(0.02, -0.04, 0.08),
            "given_person": {"value": 0.03, "lo": -0.02, "hi": 0.08, "p_value": 0.24},
        });
        view["position"] = json!({
            "bias": "too_little_data", "flips": share(4, 18, 0.064, 0.476), "toward_first": 3, "toward_second": 1,
            "p_value": 0.375,
        });
        view["scores"] = json!([
            {
                "run_id": "r1", "endpoint": "chat-large", "prompt": ESCAPE, "outcomes": 390, "judged": 0.741,
                "corrected": figure(0.702, 0.631, 0.77), "method": "rogan_gladen",
                "detail": "The judge errs as often here as there.",
            },
            {
                "run_id": "r2", "endpoint": "chat-small", "prompt": null, "outcomes": 390, "judged": 0.5,
                "corrected": null, "method": null, "detail": "Not corrected: another judge scored this run.",
            },
        ]);
        view["drift"] = json!({
            "validation_id": "v1", "since": "2026-09-01T05:41:00Z", "judge": "judge grader", "same_judge": false,
            "n": 198, "verdict": "changed", "differing": share(21, 198, 0.067, 0.158),
            "score": {"before": 0.8, "after": 0.72, "difference": -0.08, "lo": -0.12, "hi": -0.04, "p_value": 0.0002},
            "agreement": null,
        });
        serde_json::from_value(view).unwrap()
    }

    /// Nothing was scored.
    fn empty() -> JudgeValidationView {
        let lengths = json!({"bias": "too_little_data", "per_doubling": null, "thirds": []});
        let mut view = serde_json::to_value(rich()).unwrap();
        for name in ["agreement", "graded", "family", "position", "drift", "people", "pass_mark", "better_than_chance"]
        {
            view[name] = Value::Null;
        }
        (view["n"], view["length"], view["scores"]) = (json!(0), lengths, json!([]));
        serde_json::from_value(view).unwrap()
    }

    fn plain(width: usize) -> Screen {
        Screen { width, colour: false }
    }

    #[test]
    fn a_validation_in_a_terminal() {
        insta::assert_snapshot!(judge_validation_text(&rich(), plain(100)));
    }

    #[test]
    fn a_validation_of_nothing_in_a_terminal() {
        insta::assert_snapshot!(judge_validation_text(&empty(), plain(100)));
    }

    #[test]
    fn no_line_is_too_wide_and_hostile_text_is_harmless() {
        for width in [40, 60, 80, 100, 200] {
            for view in [rich(), empty()] {
                let text = judge_validation_text(&view, plain(width));
                assert_no_control(&text);
                assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            }
        }
    }

    #[test]
    fn doubts_about_the_judge_are_said() {
        let mut view = rich();
        view.better_than_chance = Some(false);
        assert!(judge_validation_text(&view, plain(200)).contains("It is no better than chance"));
        let mut view = rich();
        view.graded = None;
        view.agreement.as_mut().unwrap().kappa.as_mut().unwrap().lo = -0.1;
        assert!(judge_validation_text(&view, plain(200)).contains("do not show that it is better than chance"));
    }
}
