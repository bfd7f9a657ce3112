//! The result of a canary.

use super::layout::table_text;
use super::tables;
use super::text::{Screen, labelled, paragraph};
use crate::core::view::{CanaryView, Cell};

/// Renders the result of a canary.
pub fn canary_text(view: &CanaryView, screen: Screen) -> String {
    let mut out = format!("{}\n", paragraph(tables::canary_sentence(view), screen));
    out.push_str(&table_text(&tables::canary_sides(view), screen));
    for note in tables::canary_notes(view) {
        out.push_str(&labelled("- ", Cell::line(&note, 300), screen, 2));
    }
    out
}
