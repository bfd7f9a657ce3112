//! Conversations, whose turns are sent one after the other, and suites with a matrix.
#![cfg(unix)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::{Reply, Server};
use crate::workspace::workspace;

/// A conversation of three turns, two of which have an accepted answer.
fn rows(count: usize) -> String {
    let row = |number: usize| {
        let turns = json!([format!("hello {number}"), {"user": "and then?", "expected": "turn 2"}, {"user": "bye", "expected": "turn 3"}]);
        json!({"id": format!("c{number:03}"), "turns": turns}).to_string() + "\n"
    };
    (1..=count).map(row).collect()
}

fn conversations(server: &Server, count: usize, rest: &str) -> Folder {
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&server.url, ""));
    folder.write("datasets/talk/examples.jsonl", &rows(count));
    let prompt = "prompt: [{system: Be brief.}, {user: \"{{ input }}!\"}]";
    folder
        .write("suites/talk.yaml", &format!("dataset: talk\nendpoints: [model]\nscorers: [exact]\n{prompt}\n{rest}\n"));
    folder
}

/// A server that says which turn it is.
fn counting() -> Server {
    Server::start(|ask| {
        let users =
            ask.seen.body["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "user").count();
        Reply::Later(Duration::from_millis(2), format!("turn {users}"))
    })
}

#[test]
fn each_turn_is_sent_with_the_answers_so_far_and_the_last_one_is_scored() {
    let server = counting();
    let folder = conversations(&server, 1, "");
    let view = folder.run(&["talk"], 0);
    assert_eq!(view["runs"][0]["scores"]["exact"]["mean"], 1.0);
    let last = server.requests().pop().unwrap().body["messages"].clone();
    let expected = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello 1!"}, {"role": "assistant", "content": "turn 1"},
        {"role": "user", "content": "and then?!"}, {"role": "assistant", "content": "turn 2"},
        {"role": "user", "content": "bye!"},
    ]);
    assert_eq!(last, expected);
    assert_eq!((server.total(), &view["runs"][0]["prompt_tokens"]), (3, &json!(21)));
    let again = folder.run(&["talk"], 0);
    assert_eq!((server.total(), &again["runs"][0]["cached"]), (3, &json!(1)));
}

#[test]
fn every_turn_may_be_scored_with_its_own_answers() {
    let server = Server::start(|ask| {
        let users =
            ask.seen.body["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "user").count();
        Reply::Text(if users == 2 { "something else".to_owned() } else { format!("turn {users}") })
    });
    let folder = conversations(&server, 2, "turns: every");
    let view = folder.run(&["talk"], 0);
    let run = &view["runs"][0];
    assert_eq!(run["scores"]["exact"]["mean"], 0.5, "one of the two turns with an accepted answer is right");
    assert!(run["misses"][0]["reason"].as_str().unwrap().starts_with("turn 2: expected"), "{}", run["misses"][0]);
}

#[test]
fn a_killed_conversation_continues_with_the_turn_that_is_missing() {
    let server = counting();
    let folder = conversations(&server, 200, "");
    let mut child = folder.command(&["run", "talk", "-j", "4"]).spawn().unwrap();
    let started = std::time::Instant::now();
    while server.total() < 200 {
        assert!(child.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (stored, before) = (folder.count("SELECT count(*) FROM turns"), server.total() as i64);
    assert!(before - stored <= 16, "{before} were asked, {stored} stored");
    let view = folder.run(&["talk", "--resume"], 0);
    assert_eq!(view["runs"][0]["scores"]["exact"]["n"], 200);
    assert_eq!(server.total() as i64 - before, 600 - stored, "a stored turn was asked for again");
}

#[test]
fn a_turn_that_fails_makes_the_conversation_an_error_that_names_it() {
    let server =
        Server::start(|ask| if ask.input == "bye!" { Reply::Broken } else { Reply::Text("turn 2".to_owned()) });
    let folder = conversations(&server, 1, "");
    let done = folder.karat(&["run", "talk", "--format", "json"]).expect(4);
    let message = done.json()["runs"][0]["errors"][0]["message"].to_string();
    assert!(message.contains("turn 3"), "{message}");
}

#[test]
fn a_recorded_conversation_replays_without_a_network() {
    let server = counting();
    let folder = conversations(&server, 2, "");
    folder.karat(&["run", "talk", "--record", "talk.jsonl"]).expect(0);
    let config = std::fs::read_to_string(folder.path("karat.yaml")).unwrap();
    folder.write("karat.yaml", &format!("{config}  recorded: {{type: replay, cassette: talk.jsonl}}\n"));
    let before = server.total();
    let view = folder.run(&["talk", "-e", "recorded"], 0);
    assert_eq!((&view["runs"][0]["scores"]["exact"]["mean"], server.total()), (&json!(1.0), before));
}

#[test]
fn every_combination_of_a_matrix_is_a_run_of_its_own() {
    let server = Server::answering(|input| input.to_owned());
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&server.url, ""));
    folder.write("datasets/talk/examples.jsonl", "{\"id\": \"a\", \"input\": \"hi\"}\n");
    folder.write(
        "suites/talk.yaml",
        "dataset: talk\nendpoints: [model]\nprompt: \"{{ vars.language }}: {{ input }} ({{ vars.tone }})\"\nvars: file://vars.yaml\n\
         matrix: {language: [en, de]}\nscorers: [{type: contains, value: \"{{ vars.language }}: hi (kind)\"}]\n",
    );
    folder.write("suites/vars.yaml", "tone: kind\n");
    let view = folder.run(&["talk"], 0);
    let runs: Vec<(&Value, &Value)> = view["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| (&run["prompt"], &run["scores"]["contains"]["mean"]))
        .collect();
    assert_eq!(runs, [(&json!("language=en"), &json!(1.0)), (&json!("language=de"), &json!(1.0))]);
    let one = folder.run(&["talk", "--prompt", "language=de", "--no-cache"], 0);
    assert_eq!(one["runs"].as_array().unwrap().len(), 1);
}
