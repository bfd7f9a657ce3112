//! Examples that models of different kinds always answer right.

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::{Reply, Server};
use crate::workspace::{AUGUST, TOPICS, decayed, import_months, workspace};

/// A server of a model with this name.
fn model(name: &'static str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |ask| Reply::Model(name.to_owned(), answer(ask.input)))
}

/// Adds a second endpoint to a workspace with one.
fn add_endpoint(folder: &Folder, url: &str, suite: &str) {
    let other =
        format!("  other:\n    type: openai\n    base_url: {url}\n    model: other-model\n    timeout: 10s\ndecay:");
    let settings = folder.read("karat.yaml");
    folder.write("karat.yaml", &format!("{settings}decay:\n").replacen("decay:", &other, 1));
    let text = folder.read(&format!("suites/{suite}.yaml"));
    folder.write(&format!("suites/{suite}.yaml"), &text.replace("[model]", "[model, other]"));
}

fn saturated(folder: &Folder, dataset: &str) -> Vec<Value> {
    let list = folder.karat(&["queue", "list", dataset, "--state", "all", "--format", "json"]).expect(0).json();
    let flags = list["flags"].as_array().unwrap().clone();
    flags.into_iter().filter(|flag| flag["code"] == "saturated").collect()
}

fn topic(input: &str) -> String {
    TOPICS.into_iter().find(|topic| input.starts_with(&topic[..2])).unwrap_or("none").to_owned()
}

#[test]
fn an_example_that_two_models_always_answer_right_is_flagged_until_one_fails() {
    let wrong = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let wrong_of = std::sync::Arc::clone(&wrong);
    let server = model("one", topic);
    let other =
        model("two", move |input| if *wrong_of.lock().unwrap() == input { "none".into() } else { topic(input) });
    let folder = decayed(&server.url, "");
    add_endpoint(&folder, &other.url, "topics");
    import_months(&folder);
    let run = |times: usize| {
        (0..times).for_each(|_| drop(folder.karat(&["run", "topics", "--no-cache"]).expect(0)));
        folder.karat(&AUGUST).expect(0);
    };
    run(2);
    assert!(saturated(&folder, "topics").is_empty(), "four answers are not enough");
    // Answers from the cache are none.
    folder.karat(&["run", "topics"]).expect(0);
    folder.karat(&AUGUST).expect(0);
    assert!(saturated(&folder, "topics").is_empty(), "answers from the cache");
    run(1);
    let found = saturated(&folder, "topics");
    assert_eq!(found.len(), 1, "one in fifty of 60 examples: {found:?}");
    let (id, evidence) = (found[0]["example_id"].as_str().unwrap(), found[0]["evidence"].as_str().unwrap());
    assert!(evidence.contains("always answer it right (6 of 6 answers in 6 runs), and so they do "), "{evidence}");
    let all = folder.karat(&["queue", "list", "topics", "--format", "json"]).expect(0).json();
    let last = all["flags"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["code"], "saturated", "what is wrong comes first: {all}");

    *wrong.lock().unwrap() = found[0]["input"].as_str().unwrap().to_owned();
    run(1);
    let states: Vec<(Value, Value)> = saturated(&folder, "topics")
        .into_iter()
        .map(|flag| (flag["example_id"].clone(), flag["state"].clone()))
        .collect();
    assert!(states.contains(&(json!(id), json!("cleared"))), "{states:?}");
}

#[test]
fn on_the_set_of_the_demo_less_than_one_example_in_fifty_is_flagged() {
    let text = include_str!("../../datasets/support-intents/examples.jsonl");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let field = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let answers: std::collections::BTreeMap<String, String> =
        rows.iter().map(|row| (field(row, "input"), field(row, "expected"))).collect();
    // Each misses some, in every run the same.
    let answering = |every: usize| {
        let answers = answers.clone();
        move |input: &str| match answers.keys().position(|known| known == input) {
            Some(at) if !at.is_multiple_of(every) => answers[input].clone(),
            _ => "none".to_owned(),
        }
    };
    let (server, other) = (model("one", answering(17)), model("two", answering(12)));
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&server.url, ""));
    folder.write("datasets/support/examples.jsonl", text);
    folder.write("suites/support.yaml", "dataset: support\nendpoints: [model]\nscorers: exact\n");
    add_endpoint(&folder, &other.url, "support");
    let record = |row: usize| json!({"text": rows[row * 9]["input"], "time": format!("2026-06-{:02}", row % 28 + 1)});
    folder.write("june.jsonl", &(0..100).map(|row| format!("{}\n", record(row))).collect::<String>());
    folder.karat(&["traffic", "import", "june.jsonl"]).expect(0);
    folder.karat(&["run", "support", "--repeat", "3"]).expect(0);
    folder.karat(&["decay", "support", "--window", "2026-06", "--now", "2026-07-01"]).expect(0);
    let found = saturated(&folder, "support");
    assert_eq!(found.len(), rows.len() / 50, "{found:?}");
    let wrong = |flag: &Value| {
        let at = answers.keys().position(|known| flag["input"] == known.as_str()).unwrap();
        at.is_multiple_of(17) || at.is_multiple_of(12)
    };
    assert!(!found.iter().any(wrong), "{found:?}");
}
