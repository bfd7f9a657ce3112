//! Reads files in which people label answers (JSONL or CSV).

use std::collections::HashMap;
use std::io::BufReader;
use std::path::Path;

use serde_json::json;

use crate::core::domain::{Failure, canonical_json};
use crate::core::judge::{LabelRow, label_row};
use crate::core::tabular::{Format, rows};

/// Number of bad rows that are listed.
const LISTED: usize = 20;

/// Reads all rows of a file: either every row has an answer of its own, or none has.
///
/// # Errors
/// A data failure that lists the bad rows with their lines, or if the file cannot be read or is empty.
pub fn read_judge_labels(path: &Path) -> Result<Vec<LabelRow>, Failure> {
    let shown = path.display();
    let format = path.extension().and_then(|extension| Format::of_extension(&extension.to_string_lossy()));
    let format = format.ok_or_else(|| {
        Failure::data(format!("the name of {shown} does not say whether it is JSONL or CSV"))
            .hint("rename it to end in .jsonl or .csv")
    })?;
    let cannot_read = || Failure::data(format!("cannot read {shown}")).hint("check the path and its permissions");
    let file = std::fs::File::open(path).map_err(|error| cannot_read().caused_by(error))?;
    let (mut labels, mut bad): (Vec<LabelRow>, Vec<(u64, String)>) = (Vec::new(), Vec::new());
    for row in rows(BufReader::new(file), format) {
        let row = row.map_err(|error| cannot_read().caused_by(error))?;
        match row.fields.and_then(|fields| label_row(row.line, fields)) {
            Ok(label) => labels.push(label),
            Err(reason) => bad.push((row.line, reason)),
        }
    }
    bad.extend(misfits(&labels));
    bad.sort();
    if !bad.is_empty() {
        let mut details: Vec<String> =
            bad.iter().take(LISTED).map(|(line, reason)| format!("{shown}:{line}: {reason}")).collect();
        if bad.len() > LISTED {
            details.push(format!("… and {} more", bad.len() - LISTED));
        }
        let plural = if bad.len() == 1 { "" } else { "s" };
        return Err(Failure::data(format!("{shown} has {} bad row{plural}", bad.len()))
            .details(details)
            .hint("correct or remove these rows; a labels file is used whole or not at all"));
    }
    if labels.is_empty() {
        return Err(Failure::data(format!("{shown} has no labels"))
            .hint("add lines such as {\"id\": \"q1\", \"label\": \"pass\"}"));
    }
    Ok(labels)
}

/// Rows that do not fit the others, with the reason.
fn misfits(labels: &[LabelRow]) -> Vec<(u64, String)> {
    let mut bad = Vec::new();
    let with_output = labels.iter().find(|label| label.output.is_some());
    let mut seen: HashMap<String, u64> = HashMap::new();
    for label in labels {
        if label.output.is_none()
            && let Some(other) = with_output
        {
            bad.push((
                label.line,
                format!("no output, but line {} has one: either all rows have one, or none", other.line),
            ));
            continue;
        }
        let id = label.id.as_deref().unwrap_or_default();
        if label.output.is_none() && id.is_empty() {
            bad.push((
                label.line,
                "no id; a row without an output says with id which answer of the run it is about".to_owned(),
            ));
            continue;
        }
        let Some(annotator) = &label.annotator else { continue };
        let answer = json!([id, label.trial, label.run, label.input, label.output, annotator]);
        if let Some(line) = seen.insert(canonical_json(&answer), label.line) {
            bad.push((label.line, format!("{annotator} labelled the same answer in line {line}")));
        }
    }
    bad
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<LabelRow>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_judge_labels(&path)
    }

    #[test]
    fn jsonl_and_csv_give_the_same_labels() {
        let jsonl = "{\"id\": \"a\", \"label\": true}\n\n{\"id\": \"b\", \"label\": 0.5, \"trial\": 1}\n";
        let csv = "id,trial,label,comment\na,,yes,fine\nb,1,0.5,\n";
        let (one, other) = (read("l.jsonl", jsonl).unwrap(), read("l.csv", csv).unwrap());
        let facts = |rows: &[LabelRow]| rows.iter().map(|r| (r.id.clone(), r.trial, r.person)).collect::<Vec<_>>();
        assert_eq!(facts(&one), facts(&other));
        assert_eq!((one[1].line, other[1].line), (3, 3));
    }

    #[test]
    fn bad_rows_are_listed_with_their_lines() {
        let text = "{\"id\": \"a\", \"label\": 1}\n{\"id\": \"b\"}\nnonsense\n{\"id\": \"c\", \"label\": 1, \"output\": \"x\"}\n";
        let failure = read("l.jsonl", text).unwrap_err();
        assert!(failure.message.ends_with("has 3 bad rows"), "{failure}");
        let lines: Vec<bool> = [":1: no output, but line 4", ":2: no label", ":3: invalid JSON"]
            .iter()
            .zip(&failure.details)
            .map(|(text, found)| found.contains(text))
            .collect();
        assert_eq!(lines, [true; 3], "{:?}", failure.details);
    }

    #[test]
    fn a_row_says_which_answer_it_is_about_and_a_person_labels_it_once() {
        let failure = read("l.jsonl", "{\"label\": 1}").unwrap_err();
        assert!(failure.details[0].contains("no id"), "{:?}", failure.details);
        let twice = "{\"id\": \"a\", \"label\": 1, \"by\": \"ana\"}\n{\"id\": \"a\", \"label\": 0, \"by\": \"ana\"}\n";
        assert!(read("l.jsonl", twice).unwrap_err().details[0].contains("ana labelled the same answer in line 1"));
        assert_eq!(read("l.jsonl", &twice.replacen("ana", "bo", 1)).unwrap().len(), 2);
        assert!(read("l.jsonl", "").unwrap_err().message.ends_with("has no labels"));
        assert!(read("l.txt", "x").unwrap_err().message.contains("does not say"));
    }
}
