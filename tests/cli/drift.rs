//! The kinds of drift told apart: what is asked, what is answered, and what the right answer is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::{Server, nowhere};
use crate::workspace::{AUGUST, TOPICS, decayed, import_months, measured, suite};

const FILE: &str = "datasets/topics/examples.jsonl";

/// The findings of a measurement of August.
fn drift(folder: &Folder) -> Vec<Value> {
    let view = folder.karat(&[&AUGUST[..], &["--format", "json"]].concat()).expect(0).json();
    view["drift"].as_array().unwrap().clone()
}

fn finding(found: &[Value], what: &str) -> Value {
    found.iter().find(|finding| finding["what"] == what).unwrap().clone()
}

fn topic(text: &str) -> String {
    TOPICS.into_iter().find(|topic| text.starts_with(&topic[..2])).unwrap_or("none").to_owned()
}

/// Adds an output to every record of a month.
fn answered(folder: &Folder, month: &str, answer: impl Fn(usize, &str) -> String) {
    let path = format!("traffic/{month}.jsonl");
    let with_output = |(number, line): (usize, &str)| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record["output"] = json!(answer(number, record["text"].as_str().unwrap()));
        format!("{record}\n")
    };
    folder.write(&path, &folder.read(&path).lines().enumerate().map(with_output).collect::<String>());
}

/// Changes the rows of the examples.
fn edit(folder: &Folder, change: impl Fn(usize, &mut Value)) {
    let row = |(number, line): (usize, &str)| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        change(number, &mut row);
        format!("{row}\n")
    };
    folder.write(FILE, &folder.read(FILE).lines().enumerate().map(row).collect::<String>());
}

#[test]
fn what_is_missing_is_named_and_nothing_is_made_up() {
    let folder = measured(&nowhere(), "");
    let found = drift(&folder);
    let statuses: Vec<(&Value, &Value)> = found.iter().map(|finding| (&finding["what"], &finding["status"])).collect();
    assert_eq!(
        json!(statuses),
        json!([
            ["inputs", "changed"],
            ["outputs", "not-measured"],
            ["answers", "not-measured"],
            ["labels", "not-measured"]
        ])
    );
    for finding in &found[1..] {
        assert_eq!((&finding["effect"], &finding["p_value"]), (&Value::Null, &Value::Null));
        assert!(finding["sentence"].as_str().unwrap().starts_with("Not measured: "), "{finding}");
    }
    let shown = folder.karat(&AUGUST).expect(0).stdout;
    assert!(shown.contains("Which kind of drift?") && shown.contains("not measured"), "{shown}");
}

#[test]
fn outputs_that_changed_within_a_topic_are_told_from_a_new_topic() {
    for changed in [false, true] {
        let folder = decayed(&nowhere(), "");
        answered(&folder, "june", |_, text| topic(text));
        answered(&folder, "august", |number, text| match topic(text).as_str() {
            "alpine" if changed && number % 5 > 0 => "bakery".into(),
            other => other.into(),
        });
        import_months(&folder);
        let outputs = finding(&drift(&folder), "outputs");
        assert_eq!(outputs["status"], if changed { "changed" } else { "no-change" }, "{outputs}");
        if changed {
            let effect = outputs["effect"].as_f64().unwrap();
            assert!((effect - 0.18).abs() < 0.08, "four in five of a quarter of the known traffic: {effect}");
            let evidence = outputs["evidence"].to_string();
            assert!(evidence.contains("alpine: ") && evidence.contains("bakery"), "{evidence}");
        } else {
            let sentence = outputs["sentence"].as_str().unwrap();
            assert!(sentence.contains("would have been found in four of five cases"), "{sentence}");
        }
    }
}

#[test]
fn an_endpoint_that_answers_differently_than_before_is_named_with_both_runs() {
    let changed = Arc::new(AtomicBool::new(false));
    let later = Arc::clone(&changed);
    let server = Server::answering(move |input| match topic(input).as_str() {
        "alpine" if later.load(Ordering::Relaxed) => "bakery".into(),
        other => other.into(),
    });
    let folder = decayed(&server.url, "");
    folder.write("suites/topics.yaml", &suite("topics", ""));
    import_months(&folder);
    let run = |folder: &Folder| {
        let arguments = ["run", "topics", "--repeat", "2", "--no-cache", "--format", "json"];
        folder.karat(&arguments).expect(0).json()["runs"][0]["run_id"].as_str().unwrap().to_owned()
    };
    let (first, _) = (run(&folder), run(&folder));
    let answers = finding(&drift(&folder), "answers");
    assert_eq!((&answers["status"], &answers["of"]), (&json!("no-change"), &json!("model")), "{answers}");
    changed.store(true, Ordering::Relaxed);
    let last = run(&folder);
    let answers = finding(&drift(&folder), "answers");
    assert_eq!((&answers["status"], &answers["compared"]), (&json!("changed"), &json!(60)), "{answers}");
    assert!((answers["effect"].as_f64().unwrap() - 0.2).abs() < 1e-9, "{answers}");
    let evidence = answers["evidence"].to_string();
    assert!(evidence.contains(&first) && evidence.contains(&last) && evidence.contains("12 examples"), "{evidence}");
    // Answers from the cache say nothing about the endpoint.
    folder.karat(&["run", "topics", "--repeat", "2"]).expect(0);
    let cached = finding(&drift(&folder), "answers");
    assert_eq!(cached["evidence"], answers["evidence"]);
}

#[test]
fn labels_that_were_reviewed_and_changed_are_a_change_of_meaning_and_a_few_corrections_are_not() {
    let reviewed = |folder: &Folder, flipped: usize| {
        edit(folder, |number, row| {
            if number < 40 {
                row["reviewed_at"] = json!("2026-08-15");
            }
            if number < flipped {
                row["expected"] = json!(if row["expected"] == "bakery" { "cinema" } else { "bakery" });
            }
        });
        finding(&drift(folder), "labels")
    };
    let folder = measured(&nowhere(), "");
    let few = reviewed(&folder, 2);
    assert_eq!((&few["status"], &few["compared"], &few["effect"]), (&json!("no-change"), &json!(40), &json!(0.05)));
    let folder = measured(&nowhere(), "");
    let many = reviewed(&folder, 12);
    assert_eq!((&many["status"], &many["compared"], &many["effect"]), (&json!("changed"), &json!(40), &json!(0.3)));
    assert!(many["lo"].as_f64().unwrap() > 0.15 && many["hi"].as_f64().unwrap() < 0.5, "{many}");
    let evidence = many["evidence"].to_string();
    assert!(evidence.contains("12 of 40 labels reviewed") && evidence.contains("alpine"), "{evidence}");
}
