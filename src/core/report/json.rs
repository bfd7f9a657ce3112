//! The documented JSON form.

use std::borrow::Cow;

use serde::Serialize;

use super::Format;
use crate::core::domain::{Failure, FlowResult};
use crate::core::privacy::sanitize::for_terminal;

/// Members that are also emitted under an older name: the key of the containing object, the current name, the older
/// name.
///
/// At the top level, the container is the form of the document: `decay` in `karat.decay/1`.
const OLDER_NAMES: [(&str, &str, &str); 8] = [
    ("decay", "clustering_version", "taxonomy"),
    ("decay", "unassigned_share", "unassigned_mass"),
    ("decay", "not_embeddable_share", "not_embeddable_mass"),
    ("clusters", "traffic_share", "mass"),
    ("clusters", "reference_share", "reference_mass"),
    ("embedder", "stored", "kept"),
    ("stored", "measurements", "assays"),
    ("stored", "last_measurement", "last_assay"),
];

pub(super) const FORMAT: Format = Format { name: "json", extensions: &["json"], render: to_json };

/// Serializes a value as indented JSON with a trailing newline. Renamed members are emitted under both names.
///
/// Characters that control a terminal or reorder text are written as escapes such as `\u001b`, which JSON parsers
/// decode to the same string.
///
/// # Errors
/// Returns an error if the value cannot be serialized, such as a map whose keys are not strings.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> FlowResult<String> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::other("could not write the result as JSON").caused_by(error))?;
    let lines: Vec<&str> = text.lines().collect();
    let mut both = String::with_capacity(text.len());
    with_older_names(&lines, form(&lines), &mut both);
    let mut out = String::with_capacity(both.len() + 1);
    for c in both.chars() {
        // Outside of strings, JSON is ASCII and its only control character is the newline.
        if c != '\n' && steers(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// The form named by the schema: `decay` for `karat.decay/1`.
fn form<'a>(lines: &[&'a str]) -> &'a str {
    let schema = lines.iter().find_map(|line| line.strip_prefix("  \"schema\": \"karat."));
    schema.and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

/// Copies lines of indented JSON, in which every member starts on its own line, and repeats members that have an older
/// name.
fn with_older_names(mut lines: &[&str], holder: &str, out: &mut String) {
    while let [first, rest @ ..] = lines {
        let text = first.trim_start_matches(' ');
        let indent = first.len() - text.len();
        let end = |line: &&str| !line.get(indent..).is_some_and(|rest| rest.starts_with(' '));
        let inner = if text.ends_with(['{', '[']) { rest.iter().position(end).map_or(0, |at| at + 1) } else { 0 };
        let (inner, after) = rest.split_at(inner);
        let name = text.strip_prefix('"').and_then(|text| text.split_once("\": ")).map(|(name, _)| name);
        let mut value = String::new();
        with_older_names(inner, name.unwrap_or(holder), &mut value);
        let older = OLDER_NAMES.iter().find(|(of, now, _)| *of == holder && Some(*now) == name);
        if let Some((_, name, older)) = older {
            let member = format!("{first}\n{value}");
            let comma = if member.ends_with(",\n") { "" } else { "," };
            out.push_str(&format!("{}{comma}\n", member.trim_end()));
            out.push_str(&member.replacen(name, older, 1));
        } else {
            out.push_str(&format!("{first}\n{value}"));
        }
        lines = after;
    }
}

/// Whether this character must not be sent to a terminal verbatim.
fn steers(c: char) -> bool {
    matches!(for_terminal(c.encode_utf8(&mut [0; 4])), Cow::Owned(_))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::fixture::{empty, rich};
    use super::*;
    use crate::core::view::{DecayView, RunsView};

    #[test]
    fn the_json_form_of_a_rich_report() {
        insta::assert_snapshot!(to_json(&rich()).unwrap());
    }

    #[test]
    fn the_json_form_of_an_empty_report() {
        insta::assert_snapshot!(to_json(&empty()).unwrap());
    }

    #[test]
    fn renamed_members_appear_under_both_names_and_others_only_once() {
        #[derive(Serialize)]
        struct Form {
            schema: &'static str,
            stored: Vec<std::collections::BTreeMap<&'static str, Option<u8>>>,
        }
        let row = [("measurements", Some(3)), ("last_measurement", None)].into_iter().collect();
        let text = to_json(&Form { schema: "karat.embedder/1", stored: vec![row] }).unwrap();
        let expected = serde_json::json!({
            "schema": "karat.embedder/1",
            "stored": [{ "measurements": 3, "assays": 3, "last_measurement": null, "last_assay": null }],
            "kept": [{ "measurements": 3, "assays": 3, "last_measurement": null, "last_assay": null }],
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected, "{text}");
        let scorer = std::collections::BTreeMap::from([("scores", [("traffic_share", 1), ("stored", 2)])]);
        assert!(!to_json(&scorer).unwrap().contains("mass"));
    }

    #[test]
    fn it_reads_back_as_the_same_report_and_contains_no_terminal_control_characters() {
        let report = rich();
        let text = to_json(&report).unwrap();
        let older = |line: &&str| {
            OLDER_NAMES.iter().any(|(_, _, older)| line.trim_start().starts_with(&format!("\"{older}\": ")))
        };
        let once: String = text.lines().filter(|line| !older(line)).collect();
        let read: serde_json::Value = serde_json::from_str(&once).unwrap();
        assert_eq!(Vec::<DecayView>::deserialize(&read["decay"]).unwrap(), report.decay);
        assert_eq!(RunsView::deserialize(&read["quality"]).unwrap(), report.quality.clone().unwrap());
        let headline: Vec<String> = report.headline.iter().map(ToString::to_string).collect();
        assert_eq!(Vec::<String>::deserialize(&read["headline"]).unwrap(), headline);
        assert!(text.ends_with("}\n"));
        assert!(!text.contains(|c: char| c != '\n' && steers(c)));
    }
}
