//! Golden sets under version control: lint, lock, diff.

use std::process::Command;

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::nowhere;
use crate::workspace::{measured, quiz, wise_server, workspace};

const BEFORE: &str = r#"{"id": "a", "input": "where is it", "expected": "track"}
{"id": "b", "input": "send it back", "expected": "return"}
{"id": "c", "input": "pay by card", "expected": "pay", "tags": ["money"]}
{"id": "d", "input": "nobody asks this", "expected": "other"}
"#;

/// `b` relabelled, `c` edited, `d` removed, `e` added.
const AFTER: &str = r#"{"id": "e", "input": "a new one", "expected": "other"}
{"id": "a", "expected": "track", "input": "where is it"}
{"id": "b", "input": "send it back", "expected": "refund"}
{"id": "c", "input": "pay by card", "expected": "pay", "tags": ["money", "card"]}
"#;

fn folder_with(examples: &str) -> Folder {
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&nowhere(), ""));
    folder.write("datasets/set/examples.jsonl", examples);
    folder
}

fn diff(folder: &Folder, versions: &[&str]) -> Value {
    let arguments = [&["dataset", "diff", "set"], versions, &["--format", "json"]].concat();
    folder.karat(&arguments).expect(0).json()
}

#[track_caller]
fn assert_changes(view: &Value) {
    let changes = json!([
        {"id": "e", "kind": "added"},
        {"id": "d", "kind": "removed"},
        {"id": "b", "kind": "relabelled"},
        {"id": "c", "kind": "edited"},
    ]);
    assert_eq!(view["changes"], changes, "{view}");
    assert_eq!(view["unchanged"], 1);
}

#[test]
fn lint_lists_every_finding_with_its_lines() {
    let rows = [
        r#"{"id": "a", "input": "Where is it?", "expected": "track"}"#,
        r#"{"id": "b", "input": "where is  it", "expected": "return"}"#,
        r#"{"id": "c", "input": "pay", "expected": "pay"}"#,
        r#"{"id": "d", "input": "Pay!", "expected": "pay"}"#,
        r#"{"id": "e", "input": "no answer"}"#,
        r#"{"id": "f", "input": "x", "expected": "retrun"}"#,
        "{broken",
    ];
    let folder = folder_with(&rows.join("\n"));
    folder.write("datasets/set/dataset.yaml", "labels: [track, return, pay]\n");
    let linted = folder.karat(&["dataset", "lint"]).expect(3);
    insta::assert_snapshot!(folder.stable(&linted.stdout));
    let view = folder.karat(&["dataset", "lint", "set", "--format", "json"]).expect(3).json();
    let kinds: Vec<_> =
        view["datasets"][0]["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].clone()).collect();
    assert_eq!(kinds, ["conflicting", "duplicate", "no-answer", "unknown-label"]);
    assert_eq!(view["datasets"][0]["bad_rows"][0]["line"], 7);
}

#[test]
fn lint_passes_a_clean_set() {
    let linted = folder_with(BEFORE).karat(&["dataset", "lint", "set"]).expect(0);
    assert!(linted.stdout.contains("4 examples, no findings"), "{linted}");
}

#[test]
fn every_kind_of_change_between_the_lock_and_the_files_is_shown() {
    let folder = folder_with(BEFORE);
    assert!(folder.karat(&["dataset", "lock"]).expect(0).stdout.contains("locked for the first time"));
    let locked = folder.read("karat.lock");
    assert!(folder.karat(&["dataset", "lock"]).expect(0).stdout.contains("unchanged"));
    assert_eq!(folder.read("karat.lock"), locked, "locking again changed the file");
    assert_eq!(diff(&folder, &[])["changes"], json!([]));

    folder.write("datasets/set/examples.jsonl", AFTER);
    assert_changes(&diff(&folder, &[]));
    insta::assert_snapshot!(folder.karat(&["dataset", "diff", "set"]).expect(0).stdout);
    let said = folder.karat(&["dataset", "lock", "set"]).expect(0).stdout;
    assert!(said.contains("1 added, 1 removed, 1 relabelled, 1 edited"), "{said}");
    assert_eq!(diff(&folder, &[])["unchanged"], 4);
}

#[test]
fn a_set_with_bad_rows_is_not_locked() {
    let folder = folder_with(BEFORE);
    folder.karat(&["dataset", "lock"]).expect(0);
    let locked = folder.read("karat.lock");
    folder.write("datasets/set/examples.jsonl", &(BEFORE.to_owned() + "{broken\n"));
    folder.karat(&["dataset", "lock"]).expect(3).tells(&["examples.jsonl:5: "]);
    assert_eq!(folder.read("karat.lock"), locked);
    folder.write("karat.lock", "<<<<<<< merge conflict\n");
    folder.karat(&["dataset", "diff", "set"]).expect(3).tells(&["karat.lock", "hint: "]);
}

#[test]
fn two_git_revisions_are_compared_with_each_other_and_with_the_files() {
    let folder = folder_with(BEFORE);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.org",
            "-c",
            "commit.gpgsign=false",
            "-c",
            "init.defaultBranch=main",
        ]);
        command.args(arguments).current_dir(folder.root()).env("HOME", folder.root()).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env_remove("GIT_INDEX_FILE").output()
    };
    if git(&["--version"]).is_err() {
        eprintln!("SKIPPED: git is not installed, so no revisions were compared");
        return;
    }
    let commit = |message: &str| {
        for arguments in [&["add", "datasets"][..], &["commit", "-q", "-m", message]] {
            let done = git(arguments).unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    };
    assert!(git(&["init", "-q"]).unwrap().status.success());
    commit("first");
    folder.write("datasets/set/examples.jsonl", AFTER);
    assert_changes(&diff(&folder, &["HEAD"]));
    commit("second");
    assert_changes(&diff(&folder, &["HEAD~1", "HEAD"]));
    assert_changes(&diff(&folder, &["HEAD~1"]));
    assert_eq!(diff(&folder, &["main"])["changes"], json!([]));
    folder.karat(&["dataset", "diff", "set", "nosuchrevision"]).expect(3).tells(&["\"nosuchrevision\"", "hint: "]);
    folder.karat(&["dataset", "diff", "set", "--", "--output=stolen"]).expect(3);
    assert!(
        !folder.path("stolen").exists() && !folder.path("datasets/set/stolen").exists(),
        "a revision was taken for an option"
    );
}

#[test]
fn a_version_that_was_run_can_be_compared_later() {
    let server = wise_server();
    let folder = quiz(&server.url, 4, "");
    let version =
        folder.karat(&["run", "quiz", "--format", "json"]).expect(0).json()["runs"][0]["dataset_version"].clone();
    folder.write(
        "datasets/quiz/examples.jsonl",
        "{\"id\": \"q0001\", \"input\": \"question 0001\", \"expected\": \"another\"}\n",
    );
    let short = &version.as_str().unwrap()[..10];
    let view = folder.karat(&["dataset", "diff", "quiz", short, "--format", "json"]).expect(0).json();
    let kinds: Vec<_> = view["changes"].as_array().unwrap().iter().map(|change| change["kind"].clone()).collect();
    assert_eq!(kinds, ["removed", "removed", "removed", "relabelled"]);
}

#[test]
fn the_log_lists_every_version_that_was_run_and_that_of_the_files() {
    let server = wise_server();
    let folder = quiz(&server.url, 3, "");
    let log = || folder.karat(&["dataset", "log", "quiz", "--format", "json"]).expect(0).json()["versions"].clone();
    let only = log();
    assert_eq!(
        (&only[0]["first_seen"], &only[0]["changes"], only.as_array().unwrap().len()),
        (&json!(null), &json!(null), 1)
    );
    assert!(!folder.path(".karat").exists(), "looking does not create a database");
    folder.karat(&["run", "quiz"]).expect(0);
    let text = folder.read("datasets/quiz/examples.jsonl");
    folder.write("datasets/quiz/examples.jsonl", &text.replace("answer 0002", "answer 0003").replace("q0003", "q0004"));
    let versions = log();
    assert!(versions[0]["first_seen"].is_string() && versions[1]["first_seen"].is_null(), "{versions}");
    assert_eq!(versions[1]["changes"], json!({"added": 1, "removed": 1, "relabelled": 1, "edited": 0}));
    folder.karat(&["dataset", "log", "quiz"]).expect(0).prints(&["only in the files", "relabelled"]);
    folder.karat(&["dataset", "log", "quizz"]).expect(3).tells(&["did you mean \"quiz\""]);
}

#[test]
fn the_version_does_not_depend_on_the_file_format_the_order_or_the_field_names() {
    let jsonl = folder_with(
        "{\"id\": 1, \"input\": \"where is it\", \"expected\": \"track\", \"tags\": [\"x\", \"y\"], \"lang\": \"en\"}\n{\"id\": \"2\", \"input\": \"a, b\", \"expected\": [\"p\", \"q\"]}\n",
    );
    let csv = Folder::new();
    csv.write("karat.yaml", &workspace(&nowhere(), ""));
    csv.write(
        "datasets/set/examples.csv",
        "\u{feff}label,lang,question,id,tags\r\n\"[\"\"p\"\",\"\"q\"\"]\",,\"a, b\",2,\r\ntrack,en,where is it,1,y;x\r\n",
    );
    let version = |folder: &Folder| {
        folder.karat(&["dataset", "lint", "--format", "json"]).expect(0).json()["datasets"][0]["version"].clone()
    };
    assert_eq!(version(&jsonl), version(&csv));
}

#[test]
fn added_examples_are_new_last_lines_and_known_inputs_are_not_added_again() {
    let folder = measured(&nowhere(), "");
    let (file, card) = ("datasets/topics/examples.jsonl", "datasets/topics/dataset.yaml");
    folder.write(card, &folder.read(card).replace("engine]", "engine, fjords]"));
    let before = folder.read(file);
    let add = |arguments: &[&str], code: i32| {
        let fixed = ["dataset", "add", "topics", "--now", "2026-09-02", "--by", "ada", "--format", "json"];
        folder.karat(&[&fixed[..], arguments].concat()).expect(code)
    };
    let row: Value = serde_json::from_str(before.lines().next().unwrap()).unwrap();
    let known = json!({"text": row["input"], "label": "alpine"});
    folder.write("new.csv", "id,question,answer,tags\nn1,\"brand new, \"\"quoted\"\"\",desert,a;b\n");
    folder.write("more.jsonl", &format!("{known}\n{}\n", json!({"input": "another one", "created_at": "2026-01-05"})));
    let view = add(&["--file", "new.csv", "--file", "more.jsonl"], 0).json();
    assert_eq!((&view["known"][0]["example_id"], view["added"].as_array().unwrap().len()), (&row["id"], 2), "{view}");
    assert!(view["notes"][0].as_str().unwrap().contains("1 new example without an accepted answer"), "{view}");
    let record = "2026-08-0290";
    let view = add(&["--record", record, "--expected", "fjords"], 0).json();
    assert_eq!(view["added"][0]["example_id"], format!("site-{record}"));
    assert_eq!(add(&["--record", record], 0).json()["known"][0]["example_id"], format!("site-{record}"));
    let of_card = folder.read(card);
    folder.write(card, &of_card.replace("traffic: site", "traffic: elsewhere"));
    assert_ne!(folder.read(card), of_card);
    let view = add(&["--candidates", "3"], 0).json();
    folder.write(card, &of_card);
    let count = |list: &str| view[list].as_array().unwrap().len();
    assert!(count("added") >= 2 && count("added") + count("known") == 3, "{view}");

    let after = folder.read(file);
    let mut lines = after.strip_prefix(&before).unwrap().lines().map(|line| serde_json::from_str(line).unwrap());
    let new: Value = lines.next().unwrap();
    let expected = json!({"id": "n1", "input": "brand new, \"quoted\"", "expected": "desert", "tags": "a;b", "created_at": "2026-09-02"});
    assert_eq!(new, expected);
    let labelled: Value = lines.nth(1).unwrap();
    assert_eq!(
        (&labelled["labeled_by"], &labelled["source"]),
        (&json!("ada"), &json!(format!("traffic site/{record}")))
    );
    folder.karat(&["dataset", "lint", "topics"]).expect(0);

    folder.write("bad.jsonl", "{\"x\": 1}\nnonsense\n");
    add(&["--file", "bad.jsonl"], 3).tells(&[
        "2 bad rows; nothing was added",
        "bad.jsonl:1: missing input",
        "bad.jsonl:2",
    ]);
    let wrong = [json!({"input": "p", "label": "fjord"}), json!({"id": "n1", "input": "q"})];
    folder.write("wrong.jsonl", &format!("{}\n{}\n", wrong[0], wrong[1]));
    add(&["--file", "wrong.jsonl"], 3).tells(&["did you mean \"fjords\"?", "wrong.jsonl:2: the id \"n1\" is taken"]);
    add(&["--record", "gone"], 3).tells(&["\"site\" has no record \"gone\""]);
    add(&[], 2);
    assert_eq!(folder.read(file), after);
}
