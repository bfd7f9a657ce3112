//! Hashes rows in sorted order without holding all of them in memory, by an external merge sort.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{BufRead, BufReader, Seek, Write};

use crate::core::domain::{ContentHasher, Failure};

/// The number of bytes of rows held in memory before they are sorted and written to a temporary file.
const IN_MEMORY: usize = 16 << 20;

/// Accepts rows in any order and hashes them sorted by bytes, joined by newlines.
pub(super) struct SortedHash {
    label: &'static str,
    rows: Vec<String>,
    bytes: usize,
    in_memory: usize,
    sorted: Vec<std::fs::File>,
}

impl SortedHash {
    pub(super) fn new(label: &'static str) -> Self {
        Self { label, rows: Vec::new(), bytes: 0, in_memory: IN_MEMORY, sorted: Vec::new() }
    }

    /// Adds a row, which must not contain newlines.
    pub(super) fn push(&mut self, row: String) -> Result<(), Failure> {
        self.bytes += row.len() + std::mem::size_of::<String>();
        self.rows.push(row);
        if self.bytes >= self.in_memory { self.spill().map_err(|error| failed().caused_by(error)) } else { Ok(()) }
    }

    fn spill(&mut self) -> std::io::Result<()> {
        self.rows.sort_unstable();
        let mut file = std::io::BufWriter::new(tempfile::tempfile()?);
        for row in self.rows.drain(..) {
            file.write_all(row.as_bytes())?;
            file.write_all(b"\n")?;
        }
        let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.sorted.push(file);
        self.bytes = 0;
        Ok(())
    }

    /// Returns the hash as 64 hexadecimal digits.
    pub(super) fn finish(mut self) -> Result<String, Failure> {
        let mut hasher = ContentHasher::new(self.label);
        let mut is_first = true;
        let mut add = |row: &str| {
            if !std::mem::take(&mut is_first) {
                hasher.update(b"\n");
            }
            hasher.update(row.as_bytes());
        };
        if self.sorted.is_empty() {
            self.rows.sort_unstable();
            self.rows.iter().for_each(|row| add(row));
        } else {
            self.merge(&mut add).map_err(|error| failed().caused_by(error))?;
        }
        Ok(hasher.finish())
    }

    fn merge(&mut self, add: &mut dyn FnMut(&str)) -> std::io::Result<()> {
        self.spill()?;
        let mut lines: Vec<_> = self.sorted.drain(..).map(|file| BufReader::new(file).lines()).collect();
        let mut heads = BinaryHeap::new();
        for (source, lines) in lines.iter_mut().enumerate() {
            heads.extend(lines.next().transpose()?.map(|row| Reverse((row, source))));
        }
        while let Some(Reverse((row, source))) = heads.pop() {
            add(&row);
            heads.extend(lines[source].next().transpose()?.map(|row| Reverse((row, source))));
        }
        Ok(())
    }
}

fn failed() -> Failure {
    Failure::other("cannot sort a dataset in temporary files")
        .hint("check the free space of the temporary folder (TMPDIR)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::domain::content_hash;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_hash_of_the_sorted_rows_for_any_memory_limit(
            rows in prop::collection::vec("[a-cäé\"]{0,6}", 0..40), in_memory in 1_usize..400,
        ) {
            let mut hash = SortedHash { in_memory, ..SortedHash::new("label") };
            for row in &rows {
                hash.push(row.clone()).unwrap();
            }
            let mut sorted = rows.clone();
            sorted.sort_unstable();
            prop_assert_eq!(hash.finish().unwrap(), content_hash("label", sorted.join("\n").as_bytes()));
        }
    }
}
