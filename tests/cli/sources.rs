//! Examples whose answers depend on documents that change.

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::nowhere;
use crate::workspace::{AUGUST, measured};

const FILE: &str = "datasets/topics/examples.jsonl";

/// Adds `source` to the row of an example.
fn depend(folder: &Folder, id: &str, source: &Value) {
    let with_source = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        if row["id"] == id {
            row["source"] = source.clone();
        }
        format!("{row}\n")
    };
    folder.write(FILE, &folder.read(FILE).lines().map(with_source).collect::<String>());
}

/// Example, state and evidence of every flag `source-changed`, after measuring.
fn flags(folder: &Folder) -> Vec<(String, String, String)> {
    folder.karat(&AUGUST).expect(0);
    let view = folder.karat(&["queue", "list", "topics", "--state", "all", "--format", "json"]).expect(0).json();
    let found = view["flags"].as_array().unwrap().iter().filter(|flag| flag["code"] == "source-changed");
    let text = |flag: &Value, key: &str| flag[key].as_str().unwrap().to_owned();
    let mut found: Vec<_> =
        found.map(|flag| (text(flag, "example_id"), text(flag, "state"), text(flag, "evidence"))).collect();
    found.sort();
    found
}

fn live(folder: &Folder) -> i64 {
    folder.karat(&[&AUGUST[..], &["--format", "json"]].concat()).expect(0).json()["live"].as_i64().unwrap()
}

fn resolve(folder: &Folder, id: &str, decision: &[&str]) {
    let arguments =
        ["queue", "resolve", "topics", id, "--flag", "source-changed", "--by", "ada", "--now", "2026-09-02"];
    folder.karat(&[&arguments[..], decision].concat()).expect(0);
}

/// What `sha256sum` prints for "30 days" and a newline, at first.
const HASH_30: &str = "sha256:afc85fe257903b22";

/// The same for "14 days".
const HASH_14: &str = "sha256:a6a0f6870463a4eb";

#[test]
fn a_changed_document_flags_the_examples_that_depend_on_it_until_they_are_relabelled() {
    let folder = measured(&nowhere(), "");
    folder.write("policies/refunds.md", "30 days\n");
    depend(&folder, "alpine-03", &json!({"file": "policies/refunds.md", "hash": HASH_30}));
    depend(&folder, "bakery-02", &json!([{"file": "policies/none.md", "hash": "00000000"}]));
    depend(&folder, "cinema-04", &json!({"url": "https://example.org/faq", "hash": "00000000"}));
    depend(&folder, "desert-05", &json!("the FAQ"));
    let found = flags(&folder);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].0 == "bakery-02" && found[0].2.contains("none.md, which was sha256:00000000, is missing"),
        "{found:?}"
    );
    let notes = folder.karat(&[&AUGUST[..], &["--format", "json"]].concat()).expect(0).json()["notes"].to_string();
    assert!(notes.contains("1 source of answers at URLs was not compared"), "{notes}");

    folder.write("policies/refunds.md", "14 days\n");
    let found = flags(&folder);
    let (id, state, evidence) = &found[0];
    assert_eq!((id.as_str(), state.as_str()), ("alpine-03", "queued"), "{found:?}");
    assert!(evidence.starts_with(&format!("policies/refunds.md changed from {HASH_30} to {HASH_14};")), "{evidence}");

    // A dismissal holds until the document changes again.
    resolve(&folder, "alpine-03", &["--dismiss"]);
    assert_eq!(flags(&folder)[0].1, "dismissed");
    folder.write("policies/refunds.md", "7 days\n");
    assert_eq!(flags(&folder)[0].1, "queued");

    // Confirmed, the answer is wrong.
    let before = live(&folder);
    resolve(&folder, "alpine-03", &["--confirm"]);
    assert_eq!(live(&folder), before - 1);
    folder.write("policies/refunds.md", "14 days\n");
    flags(&folder);
    resolve(&folder, "alpine-03", &["--relabel", "alpine"]);
    let row = folder.read(FILE).lines().find(|line| line.contains("\"alpine-03\"")).unwrap().to_owned();
    let row: Value = serde_json::from_str(&row).unwrap();
    assert_eq!(row["source"], json!({"file": "policies/refunds.md", "hash": HASH_14}));
    assert_eq!((flags(&folder)[0].1.as_str(), live(&folder)), ("relabelled", before));
}

#[test]
fn a_document_at_an_url_is_compared_with_its_copy_or_with_a_given_hash() {
    let decay = format!(
        "  sources:\n    https://example.org/faq: copies/faq.md\n    https://example.org/terms: {{hash: \"{HASH_14}\"}}\n"
    );
    let folder = measured(&nowhere(), &decay);
    folder.write("copies/faq.md", "14 days\n");
    depend(&folder, "alpine-03", &json!({"url": "https://example.org/faq", "hash": HASH_30}));
    depend(&folder, "bakery-02", &json!({"url": "https://example.org/terms", "hash": HASH_14}));
    depend(&folder, "cinema-04", &json!({"url": "https://example.org/terms", "hash": HASH_30}));
    let ids: Vec<String> = flags(&folder).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ids, ["alpine-03", "cinema-04"]);
}

#[test]
fn sources_of_the_card_flag_the_examples_with_their_labels() {
    let folder = measured(&nowhere(), "");
    folder.write("policies/refunds.md", "14 days\n");
    let card = folder.read("datasets/topics/dataset.yaml");
    let with = |hash: &str| {
        format!("{card}sources:\n  - file: policies/refunds.md\n    hash: \"{hash}\"\n    labels: [alpine]\n")
    };
    folder.write("datasets/topics/dataset.yaml", &with(HASH_30));
    let found = flags(&folder);
    assert_eq!(found.len(), 12, "{found:?}");
    assert!(found.iter().all(|(id, state, _)| id.starts_with("alpine") && state == "queued"), "{found:?}");
    folder.write("datasets/topics/dataset.yaml", &with(HASH_14));
    assert!(flags(&folder).iter().all(|(_, state, _)| state == "cleared"));
    folder.write("datasets/topics/dataset.yaml", &with("soon"));
    folder.karat(&AUGUST).expect(3).tells(&["dataset.yaml", "8 to 64 hexadecimal digits"]);
    folder.write("datasets/topics/dataset.yaml", &format!("{card}sources: [{{file: ../x.md, hash: \"12345678\"}}]\n"));
    folder.karat(&AUGUST).expect(3).tells(&["dataset.yaml", "within the workspace"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_outside_of_the_workspace_is_refused() {
    let (folder, outside) = (measured(&nowhere(), ""), Folder::new());
    outside.write("secret.md", "14 days\n");
    folder.write("policies/here.md", "");
    std::os::unix::fs::symlink(outside.path("secret.md"), folder.path("policies/link.md")).unwrap();
    depend(&folder, "alpine-03", &json!({"file": "policies/link.md", "hash": HASH_30}));
    folder.karat(&AUGUST).expect(3).tells(&["policies/link.md", "outside of the workspace"]);
}
