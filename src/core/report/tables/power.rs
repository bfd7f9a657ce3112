//! The table of a power plan.

use super::{Kind, Table};
use crate::core::view::{Cell, NeededExamples, PowerRow, PowerView, line, phrase};

/// Every question with the examples it needs.
pub(in crate::core::report) fn power(view: &PowerView) -> Table {
    let at = |row: &PowerRow, repeats: usize| -> Option<NeededExamples> {
        row.needed.iter().find(|needed| needed.repeats == repeats).copied()
    };
    let mut repeats: Vec<usize> = view.rows.iter().flat_map(|row| &row.needed).map(|needed| needed.repeats).collect();
    repeats.sort_unstable();
    repeats.dedup();
    let rows = Table::of("Examples needed", &view.rows, usize::MAX)
        .name("Question", |row| line(&row.question, 100))
        .number("Examples", |row| row.examples)
        .number("Repeats", |row| u64::from(row.repeats))
        .number("Detectable", |row| row.detectable.map(|detectable| Cell::Number(100.0 * detectable, 1)));
    let table = repeats.into_iter().fold(rows, |rows, repeats| {
        let name = if repeats == 1 { "n at 1 repeat".to_owned() } else { format!("n at {repeats}") };
        rows.column(Kind::Number, name, move |row| match at(row, repeats) {
            None => Cell::Blank,
            Some(needed) => needed.examples.map(Cell::from).into(),
        })
    });
    table.table().note(phrase![
        "n: examples needed to find a difference of ",
        Cell::Number(100.0 * view.effect, 1),
        " points with a probability of ",
        Cell::Share(view.power, 0),
        ". Detectable: the smallest difference in points that as many examples and repeats as now find with that probability."
    ])
}
