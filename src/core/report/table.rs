//! Tables of typed values, independent of any output syntax.

use crate::core::view::Cell;

/// The kind of content of a column, which determines its alignment and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or code.
    Name,
    /// A name or id that readers copy: never wrapped.
    Id,
    /// Prose or a request; may be long.
    Prose,
    /// A number: right-aligned, never wrapped.
    Number,
    /// A verdict.
    Verdict,
}

/// A column: its heading and the kind of its content.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A table. Every row has one cell per column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// The title; empty for none.
    pub(super) title: String,
    /// A sentence under the title.
    pub(super) note: Option<Cell>,
    /// The columns.
    pub(super) columns: Vec<Column>,
    /// The rows.
    pub(super) rows: Vec<Vec<Cell>>,
    /// Number of rows omitted because of the limit.
    pub(super) left_out: usize,
}

/// A builder of a table: it has the items, and each added column renders one cell per item.
pub(super) struct Rows<T> {
    items: Vec<T>,
    table: Table,
}

impl Table {
    /// Starts a table with one row per item, up to `limit` rows. Further items are only counted.
    pub(super) fn of<T>(title: impl Into<String>, items: impl IntoIterator<Item = T>, limit: usize) -> Rows<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        let left_out = items.len().saturating_sub(limit);
        items.truncate(limit);
        let rows = items.iter().map(|_| Vec::new()).collect();
        Rows { items, table: Self { title: title.into(), note: None, columns: Vec::new(), rows, left_out } }
    }

    /// Adds a sentence under the title.
    pub(super) fn note(self, note: impl Into<Cell>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// Replaces the title.
    pub(super) fn titled(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// `… and 12 more` if rows were omitted.
    pub(super) fn more(&self) -> Option<String> {
        (self.left_out > 0).then(|| format!("… and {} more", Cell::from(self.left_out)))
    }

    /// The table with only the named columns, in that order. Unknown names are ignored.
    pub(super) fn only(&self, names: &[&str]) -> Self {
        self.picked(names.iter().filter_map(|name| self.columns.iter().position(|column| column.name == *name)))
    }

    /// The table without columns that are blank in every row.
    pub(super) fn without_empty_columns(&self) -> Self {
        let says = |place: &usize| self.rows.iter().any(|row| row.get(*place).is_some_and(|cell| !cell.is_blank()));
        self.picked((0..self.columns.len()).filter(says))
    }

    fn picked(&self, places: impl Iterator<Item = usize>) -> Self {
        let places: Vec<_> = places.collect();
        let columns = places.iter().filter_map(|place| self.columns.get(*place).cloned()).collect();
        let pick = |row: &Vec<Cell>| places.iter().filter_map(|place| row.get(*place).cloned()).collect();
        Self { columns, rows: self.rows.iter().map(pick).collect(), ..self.clone() }
    }
}

impl<T> Rows<T> {
    /// Adds a column.
    pub(super) fn column<C: Into<Cell>>(mut self, kind: Kind, name: impl Into<String>, cell: impl Fn(&T) -> C) -> Self {
        self.table.columns.push(Column { name: name.into(), kind });
        self.table.rows.iter_mut().zip(&self.items).for_each(|(row, item)| row.push(cell(item).into()));
        self
    }

    /// Adds a column of names.
    pub(super) fn name<C: Into<Cell>>(self, name: &str, cell: impl Fn(&T) -> C) -> Self {
        self.column(Kind::Name, name, cell)
    }

    /// Adds a column of ids.
    pub(super) fn id<C: Into<Cell>>(self, name: &str, cell: impl Fn(&T) -> C) -> Self {
        self.column(Kind::Id, name, cell)
    }

    /// Adds a column of prose.
    pub(super) fn prose<C: Into<Cell>>(self, name: &str, cell: impl Fn(&T) -> C) -> Self {
        self.column(Kind::Prose, name, cell)
    }

    /// Adds a column of numbers.
    pub(super) fn number<C: Into<Cell>>(self, name: &str, cell: impl Fn(&T) -> C) -> Self {
        self.column(Kind::Number, name, cell)
    }

    /// Adds a column of verdicts.
    pub(super) fn verdict<C: Into<Cell>>(self, name: &str, cell: impl Fn(&T) -> C) -> Self {
        self.column(Kind::Verdict, name, cell)
    }

    /// Finishes the table.
    pub(super) fn table(self) -> Table {
        self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::of("Things", 1..=5_usize, 3)
            .name("Name", |n| format!("t{n}"))
            .name("Also", |_| "")
            .number("Size", |n| *n)
            .table()
    }

    #[test]
    fn rows_beyond_the_limit_are_counted() {
        assert_eq!(table().rows.len(), 3);
        assert_eq!(table().more().as_deref(), Some("… and 2 more"));
    }

    #[test]
    fn columns_can_be_picked_and_empty_ones_dropped() {
        assert_eq!(table().only(&["Size", "Name"]).rows[0], [Cell::Count(1), Cell::from("t1")]);
        assert_eq!(table().without_empty_columns().columns.len(), 2);
    }
}
