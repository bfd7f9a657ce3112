//! A validation of a judge against people.

use super::text::{Screen, labelled, paragraph};
use super::{ROWS, blocks, tables};
use crate::core::view::{Cell, JudgeValidationView};

/// Renders how far a judge agrees with people.
pub fn judge_validation_text(view: &JudgeValidationView, screen: Screen) -> String {
    let mut out = format!("{}\n", paragraph(tables::validation_sentence(view), screen));
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
    if let Some(drift) = tables::drift_sentence(view) {
        out.push_str(&labelled("drift: ", drift, screen, 2));
    }
    for note in tables::validation_notes(view) {
        out.push_str(&labelled("- ", Cell::line(&note, 400), screen, 2));
    }
    out
}
