//! Reads a golden set one example at a time, so that a million examples need little more memory than a thousand.

use std::collections::{HashMap, HashSet};
use std::io::BufReader;
use std::path::Path;

use super::sorted_hash::SortedHash;
use super::{cannot_read, format_of};
use crate::core::domain::{Example, Failure, fingerprint};
use crate::core::golden::{VERSION_LABEL, canonical_example, example_from_row, input_id};
use crate::core::tabular::rows;

/// An event of a scan.
pub enum Scan<'a> {
    /// The examples seen so far were not final; the scan starts again.
    Restarted,
    /// An example with its final id.
    Example {
        /// The example.
        example: &'a Example,
        /// Its canonical row.
        row: &'a str,
    },
}

/// A golden set that was read completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Hash of the canonical content, as computed by [`crate::core::golden::dataset_version`].
    pub version: String,
    /// Number of examples.
    pub examples: usize,
}

/// Reads the examples of a file in order. `Ok(None)` if a row is bad, an id appears twice, or there is no example; use
/// [`super::read_examples`] to find out what is wrong.
///
/// # Errors
/// A data failure if the file cannot be read, or the first failure of `take`.
pub fn scan_examples(
    path: &Path,
    take: &mut dyn FnMut(Scan<'_>) -> Result<(), Failure>,
) -> Result<Option<Scanned>, Failure> {
    let first = pass(path, &HashMap::new(), take)?;
    let Pass::SharedInputs(shared) = first else { return Ok(first.into_scanned()) };
    take(Scan::Restarted)?;
    // Some examples without an id share an input, and the suffix of each depends on all of them.
    let suffixes = suffixes(path, &shared)?;
    Ok(pass(path, &suffixes, take)?.into_scanned())
}

enum Pass {
    Bad,
    Whole(Scanned),
    /// Hash ids shared by several examples.
    SharedInputs(HashSet<String>),
}

impl Pass {
    fn into_scanned(self) -> Option<Scanned> {
        match self {
            Self::Whole(scanned) => Some(scanned),
            _ => None,
        }
    }
}

/// Makes one pass over the file; `suffixes` contains the final ids of examples whose hash id is shared, by position in
/// the file.
fn pass(
    path: &Path,
    suffixes: &HashMap<usize, String>,
    take: &mut dyn FnMut(Scan<'_>) -> Result<(), Failure>,
) -> Result<Pass, Failure> {
    let mut hash = SortedHash::new(VERSION_LABEL);
    let (mut named, mut unnamed): (Vec<u128>, Vec<u128>) = (Vec::new(), Vec::new());
    let whole = each_example(path, &mut |position, mut example| {
        if !example.id.is_empty() {
            named.push(fingerprint(&example.id));
        } else if let Some(id) = suffixes.get(&position) {
            example.id.clone_from(id);
        } else {
            example.id = input_id(&example);
            unnamed.push(fingerprint(&example.id));
        }
        let row = canonical_example(&example);
        take(Scan::Example { example: &example, row: &row })?;
        hash.push(row)
    })?;
    let Some(examples) = whole.filter(|examples| *examples > 0) else { return Ok(Pass::Bad) };
    if !repeated(&mut named).is_empty() {
        return Ok(Pass::Bad);
    }
    let shared = repeated(&mut unnamed);
    if !shared.is_empty() {
        return Ok(Pass::SharedInputs(shared_ids(path, &shared)?));
    }
    Ok(Pass::Whole(Scanned { version: hash.finish()?, examples }))
}

/// Calls `take` with every example and its position; returns the number of examples, or `None` if a row is bad.
fn each_example(
    path: &Path,
    take: &mut dyn FnMut(usize, Example) -> Result<(), Failure>,
) -> Result<Option<usize>, Failure> {
    let file = std::fs::File::open(path).map_err(|error| cannot_read(path).caused_by(error))?;
    let mut count = 0;
    for row in rows(BufReader::new(file), format_of(path)?) {
        let row = row.map_err(|error| cannot_read(path).caused_by(error))?;
        let Ok(fields) = row.fields else { return Ok(None) };
        let Ok(example) = example_from_row(row.line, fields) else { return Ok(None) };
        take(count, example)?;
        count += 1;
    }
    Ok(Some(count))
}

/// Sorts the list and returns the fingerprints that occur more than once.
fn repeated(fingerprints: &mut [u128]) -> HashSet<u128> {
    fingerprints.sort_unstable();
    fingerprints.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
}

fn shared_ids(path: &Path, shared: &HashSet<u128>) -> Result<HashSet<String>, Failure> {
    let mut ids = HashSet::new();
    each_example(path, &mut |_, example| {
        let id = input_id(&example);
        if example.id.is_empty() && shared.contains(&fingerprint(&id)) {
            ids.insert(id);
        }
        Ok(())
    })?;
    Ok(ids)
}

/// The final ids of examples without an id whose hash id is shared, by position; suffixes are assigned in the order of
/// the content.
fn suffixes(path: &Path, shared: &HashSet<String>) -> Result<HashMap<usize, String>, Failure> {
    let mut members: HashMap<String, Vec<(String, usize)>> = HashMap::new();
    each_example(path, &mut |position, example| {
        let id = input_id(&example);
        if example.id.is_empty() && shared.contains(&id) {
            members.entry(id).or_default().push((canonical_example(&example), position));
        }
        Ok(())
    })?;
    let mut suffixes = HashMap::new();
    for (id, mut of) in members {
        of.sort();
        for (rank, (_, position)) in of.into_iter().enumerate() {
            suffixes.insert(position, if rank == 0 { id.clone() } else { format!("{id}-{}", rank + 1) });
        }
    }
    Ok(suffixes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::domain::Card;
    use crate::edge::dataset::read_examples;
    use proptest::prelude::*;

    /// The examples and the result of a scan.
    fn scan(text: &str) -> (Vec<(String, String)>, Option<Scanned>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("examples.jsonl");
        std::fs::write(&path, text).unwrap();
        let mut seen = Vec::new();
        let scanned = scan_examples(&path, &mut |step| {
            match step {
                Scan::Restarted => seen.clear(),
                Scan::Example { example, row } => seen.push((example.id.clone(), row.to_owned())),
            }
            Ok(())
        });
        (seen, scanned.unwrap())
    }

    fn read(text: &str) -> crate::edge::dataset::ReadDataset {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("examples.jsonl");
        std::fs::write(&path, text).unwrap();
        read_examples(&path, "d", Card::default()).unwrap()
    }

    #[test]
    fn a_set_with_a_bad_row_a_repeated_id_or_no_example_gives_none() {
        for text in
            ["", "nonsense\n", "{\"id\":\"1\",\"input\":\"a\"}\n{\"id\":\"1\",\"input\":\"b\"}\n", "{\"x\":1}\n"]
        {
            assert_eq!(scan(text).1, None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_scan_gives_the_same_ids_and_version_as_reading_the_whole_set(
            rows in prop::collection::vec((prop::option::of(0_u8..200), 0_u8..6, 0_u8..3), 1..30),
        ) {
            let row = |(index, (id, input, label)): (usize, &(Option<u8>, u8, u8))| {
                let id = id.map_or_else(String::new, |id| format!("\"id\":\"{id}-{index}\","));
                format!("{{{id}\"input\":\"in {input}\",\"expected\":\"l{label}\"}}\n")
            };
            let text: String = rows.iter().enumerate().map(row).collect();
            let (seen, scanned) = scan(&text);
            let whole = read(&text).dataset;
            let expected: Vec<_> =
                whole.examples.iter().map(|example| (example.id.clone(), canonical_example(example))).collect();
            prop_assert_eq!(seen, expected);
            prop_assert_eq!(scanned.unwrap(), Scanned { version: whole.version, examples: whole.examples.len() });
        }
    }
}
