//! Decisions about flagged examples: in the queue, in its log, and in the golden set's own file.

use std::time::Duration;

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::{Server, nowhere};
use crate::workspace::{AUGUST, TOPICS, VANISHED, decayed, import_months, measured};

const FILE: &str = "datasets/topics/examples.jsonl";

/// The flags of the workspace in all states.
fn flags(folder: &Folder) -> Vec<Value> {
    let view = folder.karat(&["queue", "list", "topics", "--state", "all", "--format", "json"]).expect(0).json();
    view["flags"].as_array().unwrap().clone()
}

fn state(folder: &Folder, id: &str) -> String {
    let flag = flags(folder).into_iter().find(|flag| flag["example_id"] == id).unwrap();
    flag["state"].as_str().unwrap().to_owned()
}

/// The first flagged example of [`measured`].
fn first(folder: &Folder) -> String {
    flags(folder)[0]["example_id"].as_str().unwrap().to_owned()
}

fn resolve(folder: &Folder, id: &str, decision: &[&str], code: i32) -> crate::runner::Done {
    let arguments = [&["queue", "resolve", "topics", id, "--by", "ada", "--now", "2026-09-02"], decision].concat();
    folder.karat(&arguments).expect(code)
}

fn line_of<'a>(text: &'a str, id: &str) -> &'a str {
    text.lines().find(|line| line.contains(&format!("\"{id}\""))).unwrap()
}

#[test]
fn relabelling_changes_one_line_of_the_file_and_the_log_tells_who_and_why() {
    let folder = measured(&nowhere(), "");
    let (id, before) = (first(&folder), folder.read(FILE));
    let done = resolve(&folder, &id, &["--relabel", "bakery", "--reason", "renamed in March"], 0);
    done.tells(&["changed line", "examples.jsonl"]).prints(&[&id, "relabelled", "ada", "bakery; renamed in March"]);
    let after = folder.read(FILE);
    let changed: Vec<(&str, &str)> = before.lines().zip(after.lines()).filter(|(old, new)| old != new).collect();
    assert_eq!(changed.len(), 1);
    let (old, new): (Value, Value) =
        (serde_json::from_str(changed[0].0).unwrap(), serde_json::from_str(changed[0].1).unwrap());
    let mut expected = old;
    (expected["expected"], expected["labeled_at"], expected["labeled_by"]) =
        (json!("bakery"), json!("2026-09-02"), json!("ada"));
    assert_eq!(new, expected);

    let steps = folder.karat(&["queue", "log", "topics", &id, "--format", "json"]).expect(0).json();
    assert_eq!(steps["schema"], "karat.queue-log/1");
    let steps = steps["steps"].as_array().unwrap().clone();
    let found: Vec<_> = steps.iter().map(|step| (&step["from"], &step["to"], &step["by"])).collect();
    let expected = [(json!(null), json!("queued"), json!(null)), (json!("queued"), json!("relabelled"), json!("ada"))];
    assert_eq!(found, expected.each_ref().map(|(from, to, by)| (from, to, by)));
    assert_eq!((&steps[1]["detail"], &steps[1]["reason"]), (&json!("bakery"), &json!("renamed in March")));
    assert!(!folder.karat(&["queue", "list", "topics"]).expect(0).stdout.contains(&id));
}

#[test]
fn a_decision_that_cannot_be_carried_out_changes_nothing() {
    let folder = measured(&nowhere(), "");
    let (id, before, known) = (first(&folder), folder.read(FILE), flags(&folder));
    resolve(&folder, &id, &["--relabel", "bakerry"], 3).tells(&["\"bakerry\"", "labels of topics", "did you mean"]);
    resolve(&folder, "alpine-99", &["--dismiss"], 3).tells(&["alpine-99", "not flagged"]);
    resolve(&folder, &id, &["--dismiss", "--flag", "flaky"], 3).tells(&["not flagged as flaky", "traffic-vanished"]);
    resolve(&folder, &id, &["--dismiss", "--flag", "stale"], 2).tells(&["stale", "traffic-vanished"]);
    resolve(&folder, &id, &["--dismiss", "--retire"], 2);
    resolve(&folder, &id, &["--relabel", " "], 2).tells(&["cannot be empty"]);
    resolve(&folder, &id, &["--snooze", "soon"], 2).tells(&["soon", "30d"]);
    resolve(&folder, &id, &[], 2);
    folder.write(FILE, &format!("{before}nonsense\n"));
    resolve(&folder, &id, &["--retire"], 3).tells(&["bad row"]);
    folder.write(FILE, &before);
    assert_eq!((folder.read(FILE), flags(&folder)), (before, known));
}

#[test]
fn a_dismissed_flag_returns_only_if_its_evidence_changes() {
    let folder = measured(&nowhere(), "");
    let (id, before) = (first(&folder), folder.read(FILE));
    resolve(&folder, &id, &["--dismiss", "--reason", "seasonal"], 0);
    folder.karat(&AUGUST).expect(0);
    assert_eq!((state(&folder, &id).as_str(), folder.read(FILE)), ("dismissed", before));
    // Another reference window is other evidence.
    folder.karat(&[&AUGUST[..], &["--reference", "2026-06-02..2026-07-01"]].concat()).expect(0);
    assert_eq!(state(&folder, &id), "queued");
}

#[test]
fn a_snoozed_flag_returns_when_its_time_has_passed() {
    let folder = measured(&nowhere(), "");
    let id = first(&folder);
    resolve(&folder, &id, &["--snooze", "30d"], 0).prints(&["snoozed", "until 2026-10-02"]);
    let measure = |now: &str| folder.karat(&["decay", "topics", "--window", "2026-08", "--now", now]).expect(0);
    measure("2026-10-01");
    assert_eq!(state(&folder, &id), "snoozed");
    measure("2026-10-03");
    assert_eq!(state(&folder, &id), "queued");
}

#[test]
fn retired_examples_and_regression_tests_no_longer_count_and_are_not_flagged_again() {
    let folder = measured(&nowhere(), "");
    let ids: Vec<String> =
        flags(&folder).iter().take(2).map(|flag| flag["example_id"].as_str().unwrap().to_owned()).collect();
    let live = |folder: &Folder| {
        folder.karat(&[&AUGUST[..], &["--format", "json"]].concat()).expect(0).json()["live"].as_u64().unwrap()
    };
    let before = live(&folder);
    resolve(&folder, &ids[0], &["--retire", "--reason", "not sold"], 0);
    resolve(&folder, &ids[1], &["--regression-only"], 0);
    let text = folder.read(FILE);
    let retired: Value = serde_json::from_str(line_of(&text, &ids[0])).unwrap();
    assert_eq!((&retired["status"], &retired["retired_reason"]), (&json!("retired"), &json!("not sold")));
    assert!(line_of(&text, &ids[1]).contains("regression-only"));
    assert_eq!(live(&folder), before - 2);
    assert_eq!((state(&folder, &ids[0]), state(&folder, &ids[1])), ("retired".into(), "regression-only".into()));
}

#[test]
fn an_example_that_is_confirmed_to_be_wrong_is_not_live_until_it_is_corrected() {
    let folder = measured(&nowhere(), "");
    let text = folder.read(FILE);
    let row: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let conflict = json!({"id": "other", "input": row["input"], "expected": "desert", "reviewed_at": "2026-06-30"});
    folder.write(FILE, &format!("{text}{conflict}\n"));
    let live =
        || folder.karat(&[&AUGUST[..], &["--format", "json"]].concat()).expect(0).json()["live"].as_u64().unwrap();
    let before = live();
    resolve(&folder, "other", &["--confirm"], 0);
    assert_eq!((live(), state(&folder, "other").as_str()), (before - 1, "confirmed"));
    folder.write(
        FILE,
        &folder
            .read(FILE)
            .replace("\"expected\":\"desert\",\"id\":\"other\"", "\"expected\":\"alpine\",\"id\":\"other\""),
    );
    assert_eq!(live(), before, "the answers no longer differ");
    let conflicting =
        flags(&folder).into_iter().find(|flag| flag["code"] == "conflicting" && flag["example_id"] == "other");
    assert_eq!(conflicting.unwrap()["state"], "cleared");
}

#[test]
fn the_queue_lists_one_row_per_example_with_the_most_traffic_first() {
    let folder = measured(&nowhere(), "");
    // A flagged example with traffic comes before those whose traffic has vanished.
    let text =
        folder.read(FILE).replace("\"id\":\"bakery-03\",", "\"id\":\"bakery-03\",\"valid_until\":\"2026-08-31\",");
    let undated = line_of(&text, "cinema-05").replace("\"reviewed_at\":\"2026-06-30\"", "\"note\":\"\"");
    let undated = text.replace(line_of(&text, "cinema-05"), &undated);
    folder.write(FILE, &undated);
    folder.karat(&AUGUST).expect(0);
    let listed: Vec<Value> = flags(&folder);
    assert_eq!(listed[0]["example_id"], "cinema-05", "{}", listed[0]);
    assert!(listed[0]["traffic_share"].as_f64().unwrap() > 0.0);
    let expired = listed.iter().find(|flag| flag["example_id"] == "bakery-03").unwrap();
    assert_eq!(expired["traffic_share"], json!(null), "an expired example is not live");
    assert!(listed.iter().any(|flag| flag["example_id"].as_str().unwrap().starts_with(VANISHED)));
}

#[test]
fn a_killed_decision_is_carried_out_in_the_file_and_in_the_queue_or_in_neither() {
    let folder = measured(&nowhere(), "");
    let (id, before) = (first(&folder), folder.read(FILE));
    let mut seen = std::collections::BTreeSet::new();
    for attempt in 0..24_u64 {
        let reason = format!("attempt {attempt}");
        folder.write(FILE, &before);
        let arguments = [
            "queue",
            "resolve",
            "topics",
            &id,
            "--flag",
            "traffic-vanished",
            "--by",
            "ada",
            "--relabel",
            "bakery",
            "--reason",
            &reason,
        ];
        let mut child = folder.command(&arguments).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(attempt * attempt));
        child.kill().unwrap();
        child.wait().unwrap();
        let steps = folder.karat(&["queue", "log", "topics", &id, "--format", "json"]).expect(0).json();
        let logged = steps["steps"].as_array().unwrap().iter().any(|step| step["reason"] == reason.as_str());
        let changed = folder.read(FILE) != before;
        assert_eq!(logged, changed, "attempt {attempt}");
        seen.insert(changed);
        assert_eq!(folder.count("SELECT count(*) FROM unfinished_edits"), 0);
    }
    assert!(seen.contains(&true), "no attempt was fast enough");
}

#[test]
fn an_interrupted_decision_about_a_file_that_has_changed_since_is_dropped_with_a_warning() {
    let folder = measured(&nowhere(), "");
    let (id, before) = (first(&folder), state(&folder, &first(&folder)));
    let step = json!({
        "dataset": "topics", "example_id": id, "code": "traffic-vanished", "at": "2026-09-02T00:00:00Z", "from": "queued",
        "to": "retired", "by": "ada", "reason": null, "detail": null,
    });
    let decided = json!([{"step": step, "snoozed_until": null}]);
    let decided = json!({"decided": decided, "labels": {"rows": [], "settled": []}}).to_string();
    let connection = rusqlite::Connection::open(folder.path(".karat/karat.db")).unwrap();
    let sql = "INSERT INTO unfinished_edits (path, before, after, content) VALUES (?1, 'b', 'a', ?2)";
    connection.execute(sql, [FILE, &decided]).unwrap();
    drop(connection);
    folder.karat(&["queue", "list"]).expect(0).tells(&["warning: a decision about", &id, "decide or import again"]);
    assert_eq!((state(&folder, &id), folder.count("SELECT count(*) FROM unfinished_edits")), (before, 0));
    let again = folder.karat(&["queue", "list"]).expect(0);
    assert!(!again.stderr.contains("warning"), "{again}");
}

#[test]
fn a_label_that_the_model_and_the_nearest_examples_contradict_is_disputed_until_it_is_corrected() {
    let topic =
        |input: &str| TOPICS.into_iter().find(|topic| input.starts_with(&topic[..2])).unwrap_or("none").to_owned();
    let server = Server::answering(topic);
    let folder = decayed(&server.url, "");
    import_months(&folder);
    let text = folder.read(FILE);
    let wrong = line_of(&text, "alpine-03").replace("\"expected\":\"alpine\"", "\"expected\":\"desert\"");
    folder.write(FILE, &text.replace(line_of(&text, "alpine-03"), &wrong));
    let disputed = || -> Vec<Value> {
        folder.karat(&["run", "topics"]).expect(0);
        folder.karat(&AUGUST).expect(0);
        flags(&folder).into_iter().filter(|flag| flag["code"] == "label-disputed").collect()
    };
    let found = disputed();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["example_id"], &found[0]["state"]), (&json!("alpine-03"), &json!("queued")));
    let evidence = found[0]["evidence"].as_str().unwrap();
    assert!(evidence.starts_with("model, nearest-examples answer \"alpine\" instead of \"desert\""), "{evidence}");
    resolve(&folder, "alpine-03", &["--flag", "label-disputed", "--relabel", "alpine"], 0);
    assert_eq!(disputed()[0]["state"], "relabelled");
    assert!(
        folder
            .karat(&["decay", "topics", "--window", "2026-08"])
            .expect(0)
            .stdout
            .lines()
            .all(|line| !line.contains("label-disputed"))
    );
}

#[test]
fn an_example_in_a_prompt_or_in_training_data_is_exposed_until_it_is_removed_there() {
    let folder = measured(&nowhere(), "  training_files: [data/train.jsonl, data/notes.txt]\n");
    let text = folder.read(FILE);
    let input = |id: &str| -> String {
        serde_json::from_str::<Value>(line_of(&text, id)).unwrap()["input"].as_str().unwrap().to_owned()
    };
    let trained = json!({"messages": [{"role": "user", "content": format!("{}!", input("bakery-02").to_uppercase())}]});
    folder.write("data/train.jsonl", &format!("{{}}\n{trained}\n"));
    folder.karat(&AUGUST).expect(3).tells(&["data/notes.txt", "decay.training_files"]);
    folder.write("data/notes.txt", "nothing of interest\n");
    let suite = folder.read("suites/topics.yaml");
    folder.write(
        "suites/topics.yaml",
        &format!("{suite}prompt: |\n  Such as: {} -> cinema\n  {{{{ input }}}}\n", input("cinema-04")),
    );
    let exposed = || -> Vec<(Value, Value, Value)> {
        folder.karat(&AUGUST).expect(0);
        let found = flags(&folder).into_iter().filter(|flag| flag["code"] == "exposed");
        let mut found: Vec<(Value, Value, Value)> =
            found.map(|flag| (flag["example_id"].clone(), flag["state"].clone(), flag["evidence"].clone())).collect();
        found.sort_by_key(|(id, ..)| id.to_string());
        found
    };
    let found = exposed();
    let ids: Vec<&Value> = found.iter().map(|(id, ..)| id).collect();
    assert_eq!(ids, [&json!("bakery-02"), &json!("cinema-04")], "{found:?}");
    assert!(found[0].2.as_str().unwrap().starts_with("its text is in data/train.jsonl:2, "), "{found:?}");
    assert!(found[1].2.as_str().unwrap().starts_with("its text is in the prompt of topics:1, "), "{found:?}");
    folder.write("data/train.jsonl", "{}\n");
    assert_eq!(exposed()[0].1, "cleared");
}
