//! Label tasks go out, labels come back: into the golden set's own file, the queue and the random slice.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::runner::{Done, Folder, wait};
use crate::server::nowhere;
use crate::workspace::{AUGUST, EMERGED, TOPICS, measured};

const FILE: &str = "datasets/topics/examples.jsonl";
const CARD: &str = "datasets/topics/dataset.yaml";

/// [`measured`], with the new topic among the labels.
fn prepared() -> Folder {
    let folder = measured(&nowhere(), "");
    folder.write(CARD, &folder.read(CARD).replace("engine]", "engine, fjords]"));
    folder
}

fn export(folder: &Folder, file: &str, options: &[&str]) -> Done {
    folder.karat(&[&["queue", "export", "topics", "-o", file, "--now", "2026-09-02"], options].concat()).expect(0)
}

fn import(folder: &Folder, arguments: &[&str], code: i32) -> Done {
    folder.karat(&[&["queue", "import", "--now", "2026-09-05", "--format", "json"], arguments].concat()).expect(code)
}

/// The rows of an exported file in JSONL.
fn rows(folder: &Folder, file: &str) -> Vec<Value> {
    folder.read(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The topic that a text was made for.
fn topic(row: &Value) -> &'static str {
    let text = row["input"].as_str().unwrap();
    TOPICS.into_iter().chain([EMERGED]).find(|topic| text.starts_with(&topic[..2])).unwrap()
}

/// Writes the rows as labelled by `annotator`: as `label` says, or not at all.
fn fill_in(
    folder: &Folder,
    file: &str,
    rows: &[Value],
    annotator: &str,
    label: impl Fn(usize, &Value) -> Option<String>,
) {
    let filled = rows.iter().enumerate().map(|(at, row)| {
        let mut row = row.clone();
        (row["label"], row["annotator"]) = (json!(label(at, &row)), json!(annotator));
        row["labeled_at"] = json!("2026-09-03");
        format!("{row}\n")
    });
    folder.write(file, &filled.collect::<String>());
}

/// The right label of every row.
fn rightly(_: usize, row: &Value) -> Option<String> {
    Some(topic(row).to_owned())
}

fn coverage(folder: &Folder) -> f64 {
    folder.karat(&[&AUGUST[..], &["--format", "json"]].concat()).expect(0).json()["coverage"]["value"].as_f64().unwrap()
}

/// Everything that an import may change.
fn state(folder: &Folder) -> (String, i64, i64, i64) {
    let count = |table: &str| folder.count(&format!("SELECT count(*) FROM {table}"));
    (folder.read(FILE), count("labels"), count("queue_steps"), count("label_tasks WHERE settled IS NOT NULL"))
}

#[test]
fn a_set_that_decayed_covers_the_new_topic_once_its_candidates_are_labelled() {
    let folder = prepared();
    let (before, covered) = (folder.read(FILE), coverage(&folder));
    export(&folder, "tasks.jsonl", &[]).tells(&["20 candidates", "records drawn at random", "a label does not settle"]);
    let tasks = rows(&folder, "tasks.jsonl");
    assert!(tasks.iter().all(|row| row.as_object().unwrap().len() == 6 && row["label"].is_null()), "{:?}", tasks[0]);
    fill_in(&folder, "ann.jsonl", &tasks, "ann", rightly);
    fill_in(&folder, "bo.jsonl", &tasks, "bo", rightly);
    let view = import(&folder, &["ann.jsonl", "bo.jsonl", "--min-labels", "2"], 0).json();
    assert_eq!((&view["schema"], &view["labels"]), (&json!("karat.label-import/1"), &json!(2 * tasks.len())));
    assert_eq!((&view["agreement"]["alpha"], &view["agreement"]["pairs"][0]["kappa"]), (&json!(1.0), &json!(1.0)));
    let added = view["added"].as_array().unwrap();
    let new: Vec<&Value> = added.iter().filter(|example| example["answers"] == json!([EMERGED])).collect();
    assert!(new.len() * 10 >= added.len() * 7 && new.len() >= 5, "{} of {}", new.len(), added.len());
    // Two of the candidates were drawn at random, too.
    assert!(view["slice_labels"].as_u64().is_some_and(|labels| (20..=22).contains(&labels)), "{view}");
    assert_ne!(view["version_before"], view["version_after"]);

    let after = folder.read(FILE);
    assert!(after.starts_with(&before), "untouched lines stay as they are");
    let first: Value = serde_json::from_str(after[before.len()..].lines().next().unwrap()).unwrap();
    assert_eq!((&first["labeled_by"], &first["labeled_at"]), (&json!("ann, bo"), &json!("2026-09-03")));
    assert!(first["source"].as_str().unwrap().starts_with("traffic site/2026-08-"), "{first}");
    let recovered = coverage(&folder);
    assert!(covered < 0.85 && recovered > covered + 0.1, "{covered} and then {recovered}");

    let known = state(&folder);
    let again = import(&folder, &["ann.jsonl", "bo.jsonl", "--min-labels", "2"], 0).json();
    assert_eq!((&again["new_labels"], &again["added"]), (&json!(0), &json!([])));
    assert_eq!(state(&folder), known, "the same file twice changes nothing");
}

#[test]
fn a_label_confirms_the_answer_of_a_flagged_example_or_replaces_it() {
    let folder = prepared();
    let text = folder.read(FILE);
    // Two examples without a date are flagged; the label of one is wrong.
    let undated = text.replace("\"id\":\"alpine-03\",", "\"id\":\"alpine-03\",\"note\":1,");
    let line = |text: &str, id: &str| text.lines().find(|line| line.contains(&format!("\"{id}\""))).unwrap().to_owned();
    let without_date = |id: &str| line(&undated, id).replace(",\"reviewed_at\":\"2026-06-30\"", "");
    let wrong = without_date("bakery-02").replace("\"expected\":\"bakery\"", "\"expected\":\"cinema\"");
    let undated = undated
        .replace(&line(&undated, "bakery-02"), &wrong)
        .replace(&line(&undated, "alpine-03"), &without_date("alpine-03"));
    folder.write(FILE, &undated);
    folder.karat(&AUGUST).expect(0);
    export(&folder, "tasks.csv", &["--candidates", "0", "--random", "0", "--with-reasons"]);
    let csv = folder.read("tasks.csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let tasks: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert!(tasks.iter().all(|task| task["reasons"].contains("undated: ")), "{tasks:?}");
    let mut filled = String::from("task_id,label,annotator\n");
    for task in &tasks {
        filled.push_str(&format!("{},{},ann\n", task["task_id"], topic(&json!({"input": task["input"]}))));
    }
    folder.write("filled.csv", &filled);
    let view = import(&folder, &["filled.csv"], 0).json();
    assert_eq!(view["confirmed"][0]["example_id"], "alpine-03", "{view}");
    let relabelled = &view["relabelled"][0];
    assert_eq!((&relabelled["before"], &relabelled["answers"]), (&json!(["cinema"]), &json!(["bakery"])), "{view}");
    assert_eq!((&view["flipped"]["count"], &view["flipped"]["of"]), (&json!(1), &json!(2)));
    let after = folder.read(FILE);
    let changed: Vec<(&str, &str)> = undated.lines().zip(after.lines()).filter(|(old, new)| old != new).collect();
    assert_eq!(changed.len(), 2);
    assert!(line(&after, "alpine-03").contains("\"reviewed_at\":\"2026-09-05\""), "{}", line(&after, "alpine-03"));
    let state = |id: &str| {
        let log = folder.karat(&["queue", "log", "topics", id, "--format", "json"]).expect(0).json();
        let step = log["steps"].as_array().unwrap().iter().rfind(|step| step["code"] == "undated").unwrap().clone();
        (step["to"].clone(), step["by"].clone(), step["reason"].clone())
    };
    assert_eq!(state("alpine-03"), (json!("dismissed"), json!("ann"), json!("1 of 1 annotator")));
    assert_eq!(state("bakery-02"), (json!("relabelled"), json!("ann"), json!("1 of 1 annotator")));
    // An imported label is undone like any other decision, and one at a time.
    folder.karat(&["queue", "undo", "topics", "bakery-02", "--by", "bo"]).expect(0);
    assert_eq!(line(&folder.read(FILE), "bakery-02"), line(&undated, "bakery-02"));
    assert_eq!((state("bakery-02").0, state("alpine-03").0), (json!("queued"), json!("dismissed")));
    assert_eq!(line(&folder.read(FILE), "alpine-03"), line(&after, "alpine-03"));
}

#[test]
fn a_tie_waits_for_another_label_or_refuses_the_import() {
    let folder = prepared();
    export(&folder, "tasks.jsonl", &["--random", "0", "--candidates", "4"]);
    let tasks = rows(&folder, "tasks.jsonl");
    fill_in(&folder, "ann.jsonl", &tasks, "ann", rightly);
    fill_in(
        &folder,
        "bo.jsonl",
        &tasks,
        "bo",
        |at, row| if at == 0 { Some("alpine".into()) } else { rightly(at, row) },
    );
    let before = state(&folder);
    let id = tasks[0]["task_id"].as_str().unwrap();
    import(&folder, &["ann.jsonl", "bo.jsonl", "--refuse-ties"], 3).tells(&["tied on 1 task", id, "alpine or fjords"]);
    assert_eq!(state(&folder), before);
    let view = import(&folder, &["ann.jsonl", "bo.jsonl"], 0).json();
    assert_eq!((view["ties"][0]["task_id"].as_str(), view["added"].as_array().unwrap().len()), (Some(id), 3));
    let alpha = view["agreement"]["alpha"].as_f64();
    assert!(alpha.is_some_and(|alpha| alpha < 1.0), "{view}");
    fill_in(&folder, "cy.jsonl", &tasks[..1], "cy", rightly);
    let view = import(&folder, &["cy.jsonl"], 0).json();
    assert_eq!(view["added"][0]["answers"], json!([EMERGED]));
    assert_eq!(view["added"][0]["by"], json!(["ann", "cy"]));
    // An annotator who changes a label changes the example.
    fill_in(&folder, "cy.jsonl", &tasks[..1], "cy", |_, _| Some("alpine".into()));
    folder.write("cy.jsonl", &folder.read("cy.jsonl").replace("2026-09-03", "2026-09-04"));
    let view = import(&folder, &["cy.jsonl"], 0).json();
    assert_eq!((&view["relabelled"][0]["answers"], &view["added"]), (&json!(["alpine"]), &json!([])), "{view}");
}

#[test]
fn labels_that_cannot_be_used_are_listed_together_and_change_nothing() {
    let folder = measured(&nowhere(), "");
    export(&folder, "tasks.jsonl", &["--random", "0"]);
    let tasks = rows(&folder, "tasks.jsonl");
    let before = state(&folder);
    import(&folder, &["tasks.jsonl"], 3).tells(&["has no labels", "still without a label"]);
    let task = |label: &str| json!({"task_id": tasks[0]["task_id"], "label": label, "annotator": "ann"});
    let bad = [
        json!({"task_id": "0123456789abcdef", "label": "alpine", "annotator": "ann"}),
        task("alpine"),
        task("desert"),
        json!({"task_id": tasks[1]["task_id"], "label": "alpin", "annotator": "ann"}),
        json!({"label": "alpine"}),
        json!({"task_id": tasks[2]["task_id"], "label": "alpine", "annotator": "ann", "labeled_at": "soon"}),
    ];
    let text: String = bad.iter().map(|row| format!("{row}\n")).collect();
    folder.write("bad.jsonl", &format!("{text}nonsense\n"));
    let done = import(&folder, &["bad.jsonl"], 3);
    done.tells(&[
        "6 labels cannot be imported; nothing was changed",
        "bad.jsonl, line 1: the task \"0123456789abcdef\" was not exported from this workspace",
        "bad.jsonl, line 3: ann labels this task \"desert\" here and \"alpine\" in bad.jsonl, line 2",
        "bad.jsonl, line 4: \"alpin\" is not among the labels of topics; did you mean \"alpine\"?",
        "bad.jsonl, line 5: no task_id",
        "bad.jsonl, line 6: labeled_at \"soon\" is not a date",
        "bad.jsonl, line 7",
    ]);
    // The new topic is not yet a label.
    fill_in(&folder, "new.jsonl", &tasks, "ann", rightly);
    import(&folder, &["new.jsonl"], 3).tells(&["\"fjords\" is not among the labels", "dataset.yaml"]);
    import(&folder, &["nowhere.csv"], 3).tells(&["nowhere.csv"]);
    assert_eq!(state(&folder), before);
}

#[test]
fn an_example_that_changed_after_the_export_is_not_relabelled() {
    let folder = prepared();
    let text = folder.read(FILE).replacen(",\"reviewed_at\":\"2026-06-30\"", "", 1);
    folder.write(FILE, &text);
    folder.karat(&AUGUST).expect(0);
    export(&folder, "tasks.jsonl", &["--random", "0", "--candidates", "0"]);
    fill_in(&folder, "ann.jsonl", &rows(&folder, "tasks.jsonl"), "ann", |_, _| Some("desert".into()));
    let first = text.lines().next().unwrap();
    folder.write(FILE, &text.replace(first, &first.replace("\"expected\":\"alpine\"", "\"expected\":\"cinema\"")));
    let before = state(&folder);
    import(&folder, &["ann.jsonl"], 3).tells(&["has changed since it was exported", "export the tasks again"]);
    assert_eq!(state(&folder), before);
    folder.write(FILE, &text);
    import(&folder, &["ann.jsonl"], 0);
}

#[test]
fn tasks_of_label_studio_come_back_with_annotations() {
    let folder = prepared();
    export(&folder, "tasks.json", &["--format", "label-studio", "--random", "0"]).tells(&["tasks.config.xml"]);
    assert!(folder.read("tasks.config.xml").contains("<Choice value=\"fjords\"/>"));
    let mut tasks: Vec<Value> = serde_json::from_str(&folder.read("tasks.json")).unwrap();
    for task in &mut tasks {
        let label = topic(&json!({"input": task["data"]["text"]}));
        let result =
            json!([{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}]);
        task["annotations"] = json!([{"completed_by": 7, "was_cancelled": false, "created_at": "2026-09-03T10:00:00Z", "result": result}]);
    }
    folder.write("project.json", &serde_json::to_string(&tasks).unwrap());
    let view = import(&folder, &["project.json"], 0).json();
    assert_eq!(view["added"].as_array().unwrap().len(), tasks.len());
    assert_eq!(view["added"][0]["by"], json!(["7"]));
    folder.karat(&["queue", "export", "topics", "-o", "tasks.xlsx"]).expect(2).tells(&["xlsx", "label-studio"]);
}

#[test]
fn a_killed_import_is_in_the_file_and_in_the_database_or_in_neither() {
    let folder = prepared();
    export(&folder, "tasks.jsonl", &["--random", "5"]);
    fill_in(&folder, "ann.jsonl", &rows(&folder, "tasks.jsonl"), "ann", rightly);
    let (file, database) = (folder.read(FILE), std::fs::read(folder.path(".karat/karat.db")).unwrap());
    let mut seen = std::collections::BTreeSet::new();
    for attempt in 0..24_u64 {
        for name in ["karat.db-wal", "karat.db-shm"] {
            let _ = std::fs::remove_file(folder.path(".karat").join(name));
        }
        std::fs::write(folder.path(".karat/karat.db"), &database).unwrap();
        folder.write(FILE, &file);
        let mut child = folder.command(&["queue", "import", "ann.jsonl"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(attempt * attempt));
        child.kill().unwrap();
        child.wait().unwrap();
        // Any command completes or undoes what was interrupted.
        folder.karat(&["queue", "list"]).expect(0);
        let changed = folder.read(FILE) != file;
        assert_eq!(folder.count("SELECT count(*) FROM labels") > 0, changed, "attempt {attempt}");
        assert_eq!(folder.count("SELECT count(*) FROM unfinished_edits"), 0);
        folder.karat(&["dataset", "lint", "topics"]).expect(0);
        seen.insert(changed);
    }
    assert!(seen.contains(&true), "no attempt was fast enough");
}

#[test]
fn two_imports_at_once_both_arrive_in_the_file() {
    let folder = prepared();
    export(&folder, "tasks.jsonl", &["--random", "0"]);
    let tasks = rows(&folder, "tasks.jsonl");
    let half = tasks.len() / 2;
    fill_in(&folder, "one.jsonl", &tasks[..half], "ann", rightly);
    fill_in(&folder, "two.jsonl", &tasks[half..], "bo", rightly);
    let before = folder.read(FILE).lines().count();
    let both = ["one.jsonl", "two.jsonl"].map(|file| folder.command(&["queue", "import", file]).spawn().unwrap());
    for child in both {
        wait(child, "queue import").expect(0);
    }
    assert_eq!(folder.read(FILE).lines().count(), before + tasks.len());
    folder.karat(&["dataset", "lint", "topics"]).expect(0);
    assert_eq!(folder.count("SELECT count(*) FROM labels"), tasks.len() as i64);
}
