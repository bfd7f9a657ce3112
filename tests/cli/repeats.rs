//! Examples sent several times, and reducers that combine their scores.

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::{Reply, Server};
use crate::workspace::{quiz, quiz_of, right, wise_server};

/// A server that answers correctly only the first of every three times.
fn fickle_server() -> Server {
    Server::start(|ask| Reply::Text(if ask.time % 3 == 1 { right(ask.input) } else { "no idea".to_owned() }))
}

fn write_suite(folder: &Folder, reducers: &[&str], rest: &str) {
    let scorers: Vec<String> = reducers
        .iter()
        .map(|reduce| format!("  - {{type: exact, name: \"{reduce}\", reduce: \"{reduce}\"}}\n"))
        .collect();
    folder
        .write("suites/quiz.yaml", &format!("dataset: quiz\nendpoints: [model]\nscorers:\n{}{rest}", scorers.concat()));
}

#[test]
fn each_example_is_repeated_and_reducers_combine_the_scores_of_its_answers() {
    let server = fickle_server();
    let folder = quiz(&server.url, 10, "");
    write_suite(&folder, &["mean", "any", "all", "majority", "pass@2", "pass^2", "pass^3"], "");
    let view = folder.run(&["quiz", "--repeat", "3"], 0);
    let run = &view["runs"][0];
    assert!(server.counts().values().all(|count| *count == 3), "{:?}", server.counts());
    assert_eq!(
        (&run["repeats"], &run["outcomes"]["total"], &run["outcomes"]["scored"]),
        (&json!(3), &json!(30), &json!(30))
    );
    let near = |name: &str, expected: f64| {
        let score = &run["scores"][name];
        let mean = score["mean"].as_f64().unwrap();
        assert!((mean - expected).abs() < 1e-9, "{name}: {score}");
        assert_eq!(score["n"], 10, "{name}: an example counts once, however often it was sent");
    };
    near("mean", 1.0 / 3.0);
    near("any", 1.0);
    near("all", 0.0);
    near("majority", 0.0);
    // One of three is right: two of the three pairs contain it, and in none are both right.
    near("pass@2", 2.0 / 3.0);
    near("pass^2", 0.0);
    near("pass^3", 0.0);
    assert_eq!(folder.count("SELECT count(*) FROM outcomes"), 30);
    assert_eq!(folder.count("SELECT count(DISTINCT trial) FROM outcomes"), 3);
    // A wrong answer is listed once per example.
    let misses = run["misses"].as_array().unwrap();
    assert_eq!(misses.len(), 10);
}

#[test]
fn the_command_line_overrides_the_number_of_repeats_in_the_suite() {
    let server = wise_server();
    let folder = quiz(&server.url, 4, "repeat: 2\n");
    assert_eq!(folder.run(&["quiz"], 0)["runs"][0]["outcomes"]["total"], 8);
    assert_eq!(folder.run(&["quiz", "--repeat", "1", "--no-cache"], 0)["runs"][0]["outcomes"]["total"], 4);
    assert_eq!(server.total(), 12);
}

#[test]
fn additional_repeats_are_sent_only_if_the_cache_lacks_them() {
    let server = wise_server();
    let folder = quiz(&server.url, 5, "");
    folder.run(&["quiz"], 0);
    let run = &folder.run(&["quiz", "--repeat", "3"], 0)["runs"][0];
    assert_eq!((&run["cached"], &run["outcomes"]["total"]), (&json!(5), &json!(15)));
    assert_eq!(server.total(), 15, "each of three repeats is a separate request");
}

#[test]
fn a_reducer_that_needs_more_repeats_is_refused_with_the_fix() {
    let server = wise_server();
    let folder = quiz(&server.url, 3, "");
    write_suite(&folder, &["pass^3"], "");
    for arguments in [&["run", "quiz"][..], &["run", "quiz", "--repeat", "2"], &["run", "quiz", "--dry-run"]] {
        let done = folder.karat(arguments).expect(3).tells(&["needs 3 repeats", "hint: ", "repeat: 3", "--repeat 3"]);
        assert_eq!(done.stdout, "");
    }
    assert_eq!((server.total(), folder.count("SELECT count(*) FROM runs")), (0, 0));
    write_suite(&folder, &["pass^3"], "repeat: 3\n");
    assert_eq!(folder.run(&["quiz"], 0)["runs"][0]["scores"]["pass^3"]["mean"], 1.0);
}

#[test]
fn repeats_that_fail_are_errors_and_do_not_lower_the_score() {
    let server = Server::start(|ask| match (ask.input, ask.time) {
        ("question 0002", 2..) => Reply::Json(400, json!({"error": {"message": "no more"}})),
        _ => Reply::Text(right(ask.input)),
    });
    let folder = quiz(&server.url, 4, "error_tolerance: 0.5\n");
    let view = folder.run(&["quiz", "--repeat", "3"], 0);
    let run = &view["runs"][0];
    assert_eq!(run["outcomes"], json!({"total": 12, "scored": 10, "errored": 2, "skipped": 0, "unscored": 0}));
    assert_eq!((&run["scores"]["exact"]["mean"], &run["scores"]["exact"]["n"]), (&json!(1.0), &json!(4)));
}

#[test]
fn repeats_do_not_narrow_the_interval_beyond_what_the_examples_justify() {
    let half =
        |input: &str| if input.ends_with(['0', '2', '4', '6', '8']) { right(input) } else { "no idea".to_owned() };
    let server = Server::answering(half);
    let score = |repeat: &str| {
        let folder = quiz(&server.url, 20, "");
        folder.run(&["quiz", "--repeat", repeat], 0)["runs"][0]["scores"]["exact"].clone()
    };
    let (once, often): (Value, Value) = (score("1"), score("5"));
    assert_eq!((&once["mean"], &once["n"]), (&often["mean"], &often["n"]));
    let width = |score: &Value| score["hi"].as_f64().unwrap() - score["lo"].as_f64().unwrap();
    assert!(
        width(&often) > 0.9 * width(&once),
        "repeating the same twenty examples five times changed {once} to {often}"
    );
}

#[test]
fn a_run_with_repeats_is_resumed_with_its_repeats() {
    let server = Server::start(|ask| match (ask.input, ask.time) {
        ("question 0003", 2) => Reply::Json(400, json!({"error": {"message": "once"}})),
        _ => Reply::Text(right(ask.input)),
    });
    let folder = quiz_of(&server.url, &crate::workspace::questions(5), "");
    folder.run(&["quiz", "--repeat", "3", "-j", "1"], 4);
    folder
        .karat(&["run", "quiz", "--retry-errors", "--repeat", "2"])
        .expect(3)
        .tells(&["cannot be resumed", "--repeat"]);
    let run = &folder.run(&["quiz", "--retry-errors"], 0)["runs"][0];
    assert_eq!((&run["repeats"], &run["outcomes"]["scored"]), (&json!(3), &json!(15)));
    assert_eq!(server.total(), 16);
}
