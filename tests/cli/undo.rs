//! `karat queue undo`: what it restores, what it refuses, and what a kill leaves.

use std::time::Duration;

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::nowhere;
use crate::workspace::{AUGUST, measured};

const FILE: &str = "datasets/topics/examples.jsonl";

fn flags(folder: &Folder) -> Vec<Value> {
    let view = folder.karat(&["queue", "list", "topics", "--state", "all", "--format", "json"]).expect(0).json();
    view["flags"].as_array().unwrap().clone()
}

fn first(folder: &Folder) -> String {
    flags(folder)[0]["example_id"].as_str().unwrap().to_owned()
}

fn resolve(folder: &Folder, id: &str, decision: &[&str]) {
    folder.karat(&[&["queue", "resolve", "topics", id, "--by", "ada"], decision].concat()).expect(0);
}

fn undo(folder: &Folder, id: &str, code: i32) -> crate::runner::Done {
    folder.karat(&["queue", "undo", "topics", id, "--by", "bo", "--reason", "too quick"]).expect(code)
}

#[test]
fn decisions_are_undone_one_by_one_latest_first_and_the_log_tells() {
    let folder = measured(&nowhere(), "");
    let (id, before, queued) = (first(&folder), folder.read(FILE), flags(&folder));
    resolve(&folder, &id, &["--snooze", "30d"]);
    let snoozed = flags(&folder);
    resolve(&folder, &id, &["--relabel", "bakery", "--relabel", "cinema"]);
    let done = undo(&folder, &id, 0);
    done.prints(&["snoozed", "bo", "undone; too quick"]).tells(&["changed line"]);
    assert_eq!((folder.read(FILE), flags(&folder)), (before.clone(), snoozed));
    undo(&folder, &id, 0).prints(&["queued"]);
    assert_eq!((folder.read(FILE), flags(&folder)), (before, queued));
    undo(&folder, &id, 3).tells(&["no decision", "queue log topics"]);
    let log = folder.karat(&["queue", "log", "topics", &id, "--format", "json"]).expect(0).json();
    let states: Vec<&Value> = log["steps"].as_array().unwrap().iter().map(|step| &step["to"]).collect();
    assert_eq!(states, ["queued", "snoozed", "relabelled", "snoozed", "queued"].map(|state| json!(state)).each_ref());
}

#[test]
fn a_row_of_a_csv_file_is_restored_byte_by_byte() {
    let folder = measured(&nowhere(), "");
    let mut text = "id,\"input\",expected,labeled_by,reviewed_at,status\r\n".to_owned();
    for line in folder.read(FILE).lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let cell = |name: &str| row[name].as_str().unwrap().to_owned();
        text.push_str(&format!("{},\"{}\",{},, 2026-06-30,\r\n", cell("id"), cell("input"), cell("expected")));
    }
    std::fs::remove_file(folder.path(FILE)).unwrap();
    let csv = "datasets/topics/examples.csv";
    folder.write(csv, &text);
    let id = first(&folder);
    for decision in [&["--relabel", "bakery"][..], &["--retire"], &["--regression-only"]] {
        resolve(&folder, &id, decision);
        assert_ne!(folder.read(csv), text);
        undo(&folder, &id, 0);
        assert_eq!(folder.read(csv), text, "{decision:?}");
    }
}

#[test]
fn what_changed_since_the_decision_is_not_overwritten() {
    let folder = measured(&nowhere(), "");
    let (id, before) = (first(&folder), folder.read(FILE));
    resolve(&folder, &id, &["--relabel", "bakery"]);
    // Other rows may change.
    let decided = folder.read(FILE).replace("\"id\":\"alpine-03\",", "\"id\":\"alpine-03\",\"note\":\"x\",");
    folder.write(FILE, &decided.replace("\"labeled_by\":\"ada\"", "\"labeled_by\":\"cy\""));
    let changed = (folder.read(FILE), flags(&folder));
    undo(&folder, &id, 3).tells(&["the row of", &id, "has changed since", "by hand"]);
    assert_eq!((folder.read(FILE), flags(&folder)), changed);
    folder.write(FILE, &decided);
    undo(&folder, &id, 0);
    assert_eq!(folder.read(FILE), before.replace("\"id\":\"alpine-03\",", "\"id\":\"alpine-03\",\"note\":\"x\","));

    resolve(&folder, &id, &["--dismiss"]);
    // Another reference window is other evidence, so the flag is queued again.
    folder.karat(&[&AUGUST[..], &["--reference", "2026-06-02..2026-07-01"]].concat()).expect(0);
    undo(&folder, &id, 3).tells(&["traffic-vanished", "has changed since"]);
    undo(&folder, "alpine-99", 3).tells(&["alpine-99", "no decision"]);
}

#[test]
fn a_decision_of_an_earlier_version_is_not_undone() {
    let folder = measured(&nowhere(), "");
    let id = first(&folder);
    resolve(&folder, &id, &["--dismiss"]);
    let connection = rusqlite::Connection::open(folder.path(".karat/karat.db")).unwrap();
    connection.execute("UPDATE queue_steps SET decision = NULL", []).unwrap();
    drop(connection);
    undo(&folder, &id, 3).tells(&["earlier versions"]);
}

#[test]
fn a_killed_undo_is_carried_out_in_the_file_and_in_the_queue_or_in_neither() {
    let folder = measured(&nowhere(), "");
    let (id, before) = (first(&folder), folder.read(FILE));
    let mut seen = std::collections::BTreeSet::new();
    for attempt in 0..24_u64 {
        if folder.read(FILE) == before {
            resolve(&folder, &id, &["--flag", "traffic-vanished", "--relabel", "bakery"]);
        }
        let arguments = ["queue", "undo", "topics", &id, "--by", "bo"];
        let mut child = folder.command(&arguments).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(attempt * attempt));
        child.kill().unwrap();
        child.wait().unwrap();
        let state = flags(&folder).into_iter().find(|flag| flag["example_id"] == id.as_str()).unwrap()["state"].clone();
        let undone = folder.read(FILE) == before;
        assert_eq!(state, if undone { "queued" } else { "relabelled" }, "attempt {attempt}");
        seen.insert(undone);
        assert_eq!(folder.count("SELECT count(*) FROM unfinished_edits"), 0);
    }
    assert!(seen.contains(&true), "no attempt was fast enough");
}
