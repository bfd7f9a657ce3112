//! `karat doctor`: anything missing, wrong or not responding is reported with a fix, and no secret is shown.

use serde_json::Value;

use crate::runner::{Done, Folder};
use crate::server::nowhere;
use crate::workspace::{quiz, wise_server, workspace};

const KEY: &str = "doctorkey0123456789abcdefghij";

/// State and detail of every check, by "area name".
fn checks(done: &Done) -> Vec<(String, String, String)> {
    let view = done.json();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let checks = view["checks"].as_array().unwrap().iter();
    checks
        .map(|check| {
            let what = format!("{} {}", text(check, "area"), text(check, "name"));
            (what.trim().to_owned(), text(check, "state"), text(check, "detail"))
        })
        .collect()
}

#[track_caller]
fn assert_state(done: &Done, what: &str, state: &str, part: &str) {
    let found = checks(done);
    let matching = found.iter().find(|(name, _, detail)| name == what && detail.contains(part));
    assert_eq!(matching.map(|(_, state, _)| state.as_str()), Some(state), "{what}: {found:#?}");
}

fn doctor(folder: &Folder, more: &[&str]) -> Done {
    let arguments = [&["doctor", "--format", "json"], more].concat();
    folder.karat_with(&[("QUIZ_KEY", KEY)], &arguments)
}

#[test]
fn a_valid_workspace_has_no_failures_and_possible_improvements_are_warnings() {
    let server = wise_server();
    let folder = quiz(&server.url, 5, "");
    folder.write("karat.yaml", &(workspace(&server.url, "") + "    api_key: ${QUIZ_KEY}\n    eol: 2020-01-01\n"));
    let done = doctor(&folder, &[]).expect(0);
    assert_state(&done, "workspace", "ok", "karat.yaml is valid");
    assert_state(&done, "suite quiz", "ok", "quiz on model");
    assert_state(&done, "dataset quiz", "warning", "5 examples, quiz@");
    assert_state(&done, "secret QUIZ_KEY", "ok", "is set");
    assert_state(&done, "endpoint model", "ok", "responded in");
    assert_state(&done, "endpoint model", "warning", "was to be switched off on 2020-01-01");
    assert_state(&done, "disk", "ok", "MB free");
    assert!(checks(&done).iter().any(|(what, state, _)| what.starts_with("database ") && state == "ok"));
    assert!(!done.stdout.contains(KEY) && !done.stderr.contains(KEY), "{done}");
    assert_eq!(server.total(), 0, "an example was sent");

    folder.karat_with(&[("QUIZ_KEY", KEY)], &["dataset", "lock"]).expect(0);
    assert_state(&doctor(&folder, &[]), "dataset quiz", "warning", "it has no owner");
    folder.write("datasets/quiz/dataset.yaml", "owner: team-quiz\n");
    assert_state(&doctor(&folder, &[]), "dataset quiz", "ok", "5 examples");
}

#[test]
fn everything_that_cannot_work_is_a_failure_with_a_fix_and_exit_code_3() {
    let folder = quiz(&nowhere(), 5, "");
    let endpoints = "    api_key: ${NOT_SET}\n  silent:\n    type: openai\n    base_url: URL\n    model: m\n  gone:\n    type: exec\n    command: [no-such-program-anywhere]\n  lost:\n    type: replay\n    cassette: none.jsonl\n";
    folder.write("karat.yaml", &(workspace(&nowhere(), "") + &endpoints.replace("URL", &nowhere())));
    folder.write("suites/other.yaml", "dataset: quiz\nendpoints: [modle]\nscorers: [{type: exact}]\n");
    folder.write("datasets/bad/examples.jsonl", "nonsense\n");
    let done = doctor(&folder, &[]).expect(3);
    assert_state(&done, "secret NOT_SET", "failure", "is not set");
    assert_state(&done, "suite other", "failure", "\"modle\", which is not defined");
    assert_state(&done, "dataset bad", "failure", "has 1 bad row");
    assert_state(&done, "endpoint silent", "failure", "cannot connect");
    assert_state(&done, "endpoint gone", "failure", "no-such-program-anywhere was not found");
    assert_state(&done, "endpoint lost", "failure", "none.jsonl");
    let table = folder.karat(&["doctor", "--offline"]).expect(3);
    assert!(table.stdout.contains("hint: did you mean \"model\"?"), "{table}");
    assert_state(&doctor(&folder, &["--offline"]), "endpoint silent", "ok", "not called");

    folder.write("karat.yaml", "nonsense: 1\n");
    let done = doctor(&folder, &[]).expect(3);
    assert_state(&done, "workspace", "failure", "nonsense");
}
