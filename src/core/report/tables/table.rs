//! Rows under a title, in no syntax yet.

use crate::core::report::words::count;

/// What a column holds, which decides how it is aligned and how much room it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core::report) enum Kind {
    /// A name, code or id.
    Name,
    /// A name or id that is copied whole: never wrapped.
    Id,
    /// Prose or a request, which may be long.
    Prose,
    /// A figure: right-aligned, never wrapped.
    Number,
    /// The name of a verdict.
    Verdict,
}

/// Rows of raw text: whoever prints it sanitizes it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::core::report) struct Table {
    /// What the rows are.
    pub(in crate::core::report) title: String,
    /// A sentence under the title.
    pub(in crate::core::report) note: Option<String>,
    /// Heading and kind of each column.
    pub(in crate::core::report) columns: Vec<(String, Kind)>,
    /// One cell a column in every row.
    pub(in crate::core::report) rows: Vec<Vec<String>>,
    /// Rows there was no room for.
    pub(in crate::core::report) left_out: usize,
}

impl Table {
    /// An empty table.
    pub(in crate::core::report) fn new(title: impl Into<String>, columns: &[(&'static str, Kind)]) -> Self {
        Self::with_columns(title, columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect())
    }

    /// An empty table with columns that the data name.
    pub(super) fn with_columns(title: impl Into<String>, columns: Vec<(String, Kind)>) -> Self {
        Self { title: title.into(), note: None, columns, rows: Vec::new(), left_out: 0 }
    }

    /// Adds a sentence under the title.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Adds a row an item, at most `limit` of them, and counts the rest.
    pub(in crate::core::report) fn rows<T>(
        mut self,
        items: impl IntoIterator<Item = T>,
        limit: usize,
        row: impl Fn(T) -> Vec<String>,
    ) -> Self {
        for (place, item) in items.into_iter().enumerate() {
            if place < limit {
                self.rows.push(row(item));
            } else {
                self.left_out += 1;
            }
        }
        self
    }

    /// `and 12 more`, where rows were left out.
    pub(in crate::core::report) fn more(&self) -> Option<String> {
        (self.left_out > 0).then(|| format!("… and {} more", count(self.left_out)))
    }

    /// The same table with the named columns alone, in that order.
    pub(in crate::core::report) fn only(&self, names: &[&str]) -> Self {
        let places: Vec<_> =
            names.iter().filter_map(|name| self.columns.iter().position(|(column, _)| column == name)).collect();
        let columns = places.iter().filter_map(|place| self.columns.get(*place).cloned()).collect();
        let pick = |row: &Vec<String>| places.iter().filter_map(|place| row.get(*place).cloned()).collect();
        Self { columns, rows: self.rows.iter().map(pick).collect(), ..self.clone() }
    }

    /// The same table without the columns that say nothing in any row.
    pub(in crate::core::report) fn without_empty_columns(&self) -> Self {
        let says = |place: usize| self.rows.iter().any(|row| row.get(place).is_some_and(|cell| !cell.is_empty()));
        let names: Vec<_> = self
            .columns
            .iter()
            .enumerate()
            .filter(|(place, _)| says(*place))
            .map(|(_, (name, _))| name.as_str())
            .collect();
        self.only(&names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = [("Name", Kind::Name), ("Also", Kind::Name), ("Size", Kind::Number)];
        Table::new("Things", &columns).rows(1..=5, 3, |n| vec![format!("t{n}"), String::new(), n.to_string()])
    }

    #[test]
    fn rows_beyond_the_limit_are_counted() {
        assert_eq!(table().rows.len(), 3);
        assert_eq!(table().more().as_deref(), Some("… and 2 more"));
    }

    #[test]
    fn columns_can_be_picked_and_empty_ones_dropped() {
        assert_eq!(table().only(&["Size", "Name"]).rows[0], ["1", "t1"]);
        assert_eq!(table().without_empty_columns().columns.len(), 2);
    }
}
