//! A server with every kind of fault at once, and single examples that fail in every way: no outcome is lost, and other
//! examples are not affected.
//!
//! `KARAT_SCALE=10000 cargo test --test cli faults::` is the long form.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::runner::wait;
use crate::server::{Reply, Server};
use crate::workspace::{questions, quiz, quiz_of, right, workspace};

fn scale() -> usize {
    std::env::var("KARAT_SCALE").map_or(2000, |text| text.parse().expect("KARAT_SCALE is a number"))
}

/// On the first request, five of every hundred questions get 429, three get 500, and one each gets a reset, half a
/// body, and no response at all.
fn faulty_server() -> Server {
    Server::start(|ask| {
        let number: usize = ask.input.trim_start_matches("question ").parse().unwrap();
        // Multiplied by a number coprime to 100, so that the faults are spread out.
        match (ask.time, number * 37 % 100) {
            (1, 0..=4) => Reply::TooMany(1),
            (1, 5..=7) => Reply::Broken,
            (1, 8) => Reply::Reset,
            (1, 9) => Reply::Cut(right(ask.input)),
            (1, 10) => Reply::Stall,
            _ => Reply::Text(right(ask.input)),
        }
    })
}

#[test]
fn a_server_with_every_kind_of_fault_causes_no_error_and_no_missing_outcome() {
    let count = scale();
    let server = faulty_server();
    let folder = quiz_of(&server.url, &questions(count), "gates:\n  - min: 0.9\n");
    folder.write(
        "karat.yaml",
        &workspace(&server.url, "").replace("10s", "2s").replace("max_retries: 1", "max_retries: 4"),
    );
    let mut command = folder.command(&["run", "quiz", "-j", "64", "--format", "json"]);
    let done = wait(command.spawn().unwrap(), "karat run quiz on a faulty server").expect(0);
    let run = &done.json()["runs"][0];
    assert_eq!(run["outcomes"], json!({"total": count, "scored": count, "errored": 0, "skipped": 0, "unscored": 0}));
    assert_eq!(run["scores"]["exact"]["mean"], 1.0);
    assert_eq!(run["finished"], true);
    let counts = server.counts();
    assert_eq!(counts.len(), count);
    let (faults, asked) = (count * 11 / 100, server.total());
    assert!(asked >= count + faults && asked * 100 <= count * 115, "{asked} requests for {count} examples");
    assert_eq!(folder.count("SELECT count(DISTINCT example_id) FROM outcomes"), count as i64);
    assert_eq!(folder.count("SELECT count(*) FROM outcomes"), count as i64);
    assert_eq!(folder.count("SELECT count(*) FROM scores"), count as i64);
}

#[test]
fn examples_that_fail_in_every_way_have_one_outcome_each_and_do_not_affect_others() {
    let server = Server::start(|ask| match ask.input {
        "huge" => Reply::Text("x".repeat(10 << 20)),
        "bytes" => Reply::Bytes(b"{\"choices\": [{\"message\": {\"content\": \"\xff\xfe\"}}]}".to_vec()),
        "no json" => Reply::Bytes(b"<html>It works!</html>".to_vec()),
        "no answer" => Reply::Json(200, json!({"choices": []})),
        "error in 200" => Reply::Json(200, json!({"error": {"message": "quota is used up"}})),
        "stream" => Reply::EndlessStream,
        "body" => Reply::EndlessBody,
        "half" => Reply::Cut("half an answer".to_owned()),
        "reset" => Reply::Reset,
        "silence" => Reply::Stall,
        "forbidden" => Reply::Json(403, json!({"error": {"message": "not you"}})),
        "large" => Reply::Text(format!("answer {}", "y".repeat(1 << 20))),
        input => Reply::Text(right(input)),
    });
    let odd = [
        ("huge", "bad_answer", "larger than"),
        ("bytes", "bad_answer", "not UTF-8"),
        ("no json", "bad_answer", "not JSON"),
        ("no answer", "bad_answer", "choices[0]"),
        ("error in 200", "bad_answer", "quota is used up"),
        ("stream", "timeout", "no complete response within"),
        ("body", "bad_answer", "larger than"),
        ("half", "connect", ""),
        ("reset", "connect", ""),
        ("silence", "timeout", "no complete response within"),
        ("forbidden", "unauthorized", "not you"),
        ("no name", "prompt", "name"),
    ];
    let mut rows: String = odd.iter().map(|(input, ..)| row(input, *input != "no name")).collect();
    rows.push_str(&row("large", true));
    rows.extend((1..=30).map(|number| row(&format!("question {number:04}"), true)));
    let folder = quiz_of(&server.url, &rows, "prompt: {text: \"{{ name }}\"}\nerror_tolerance: 0.5\n");
    folder.write("suites/quiz.yaml", &folder.read("suites/quiz.yaml").replace("exact", "contains"));
    folder.write("karat.yaml", &workspace(&server.url, "    stream: true\n").replace("10s", "1s"));
    let view = folder.run(&["quiz"], 0);
    let run = &view["runs"][0];
    assert_eq!(run["outcomes"], json!({"total": 43, "scored": 31, "errored": 12, "skipped": 0, "unscored": 0}));
    assert_eq!(run["scores"]["contains"]["mean"], 1.0, "{}", run["misses"]);
    let connection = folder.database();
    for (id, kind, message) in odd {
        let sql = "SELECT error_kind, error_message FROM outcomes WHERE example_id = ?1";
        let (found, said): (String, String) =
            connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(found, kind, "{id}: {said}");
        assert!(said.contains(message) && said.len() < 1000, "{id}: {said}");
    }
    assert_eq!(server.counts().get("no name"), None);
    let kinds: Map<String, Value> = run["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["kind"].as_str().unwrap().to_owned(), error["count"].clone()))
        .collect();
    assert_eq!(json!(kinds), json!({"bad_answer": 6, "timeout": 2, "connect": 2, "unauthorized": 1, "prompt": 1}));
    // Permanent errors are not retried; transient ones are, once.
    assert_eq!((server.counts()["no json"], server.counts()["forbidden"], server.counts()["silence"]), (1, 1, 2));
}

/// An example whose input has the field `name`, or lacks it.
fn row(input: &str, named: bool) -> String {
    let field = if named { "name" } else { "title" };
    let expected = if input == "large" { "answer".to_owned() } else { right(input) };
    format!("{}\n", json!({"id": input, "input": {field: input}, "expected": expected}))
}

#[test]
fn a_server_that_is_down_for_a_while_costs_time_but_no_outcome() {
    let began = std::time::Instant::now();
    let server = Server::start(move |ask| {
        let gone = (Duration::from_millis(300)..Duration::from_millis(1300)).contains(&began.elapsed());
        if gone { Reply::Reset } else { Reply::Later(Duration::from_millis(20), right(ask.input)) }
    });
    let folder = quiz(&server.url, 200, "gates:\n  - min: 0.9\n");
    folder.write("karat.yaml", &workspace(&server.url, "").replace("max_retries: 1", "max_retries: 6"));
    let run = folder.run(&["quiz", "-j", "4"], 0)["runs"][0].clone();
    assert_eq!(run["outcomes"], json!({"total": 200, "scored": 200, "errored": 0, "skipped": 0, "unscored": 0}));
}

#[test]
fn an_answer_is_scored_unchanged_and_never_controls_the_terminal() {
    let odd =
        ["a\u{0}nul", "\u{1b}[31mred\u{1b}[0m", "{{ input }}", "line\nbreak\n", "\u{202e}turned", "ℝ 𝔘 🦀", "\u{7}"];
    let row = |number: usize, expected: &str| {
        format!("{}\n", json!({"id": format!("o{number}"), "input": format!("o{number}"), "expected": expected}))
    };
    let server = Server::start(move |ask| Reply::Text(odd[ask.input[1..].parse::<usize>().unwrap()].to_owned()));
    let rows: String = odd.iter().enumerate().map(|(number, text)| row(number, text)).collect();
    let folder = quiz_of(&server.url, &rows, "");
    folder.write("suites/quiz.yaml", "dataset: quiz\nendpoints: [model]\nscorers: [{type: exact, normalize: []}]\n");
    let run = folder.run(&["quiz"], 0)["runs"][0].clone();
    assert_eq!(run["scores"]["exact"]["mean"], 1.0, "{}", run["misses"]);
    assert_eq!(run["outcomes"]["scored"], odd.len());

    let wrong: String = (0..odd.len()).map(|number| row(number, "something else")).collect();
    folder.write("datasets/quiz/examples.jsonl", &wrong);
    let done = folder.karat(&["run", "quiz"]).expect(0).prints(&["First wrong answers", "turned"]);
    for steering in ['\u{0}', '\u{1b}', '\u{202e}', '\u{7}'] {
        assert!(!done.stdout.contains(steering), "{steering:?} reached the terminal: {done}");
    }
}
