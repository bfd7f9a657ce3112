//! Reuse of answers: the cache, and cassettes that replace a server.

use std::time::Duration;

use regex::{Captures, Regex};
use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::{Reply, Server, nowhere};
use crate::workspace::{questions, quiz, quiz_of, right, suite, wise_server, workspace};

#[test]
fn a_second_run_is_answered_from_the_cache_with_the_latency_of_the_first() {
    let server = Server::start(|ask| Reply::Later(Duration::from_millis(60), right(ask.input)));
    let folder = quiz(&server.url, 10, "gates:\n  - min: 0.5\n");
    let first = folder.run(&["quiz"], 0)["runs"][0].clone();
    let started = std::time::Instant::now();
    let second = folder.run(&["quiz"], 0)["runs"][0].clone();
    assert_eq!(server.total(), 10, "the second run sent requests again");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!((&first["cached"], &second["cached"]), (&json!(0), &json!(10)));
    assert!(second["latency"]["p50_ms"].as_f64().unwrap() >= 60.0, "{second}");
    for same in ["latency", "scores", "models", "prompt_tokens", "completion_tokens", "outcomes", "verdict"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    assert_ne!(first["run_id"], second["run_id"]);
    folder.karat(&["run", "quiz"]).expect(0).prints(&["Cached"]);

    assert_eq!(folder.run(&["quiz", "--no-cache"], 0)["runs"][0]["cached"], 0);
    assert_eq!(server.total(), 20, "--no-cache did not ask");
}

#[test]
fn only_the_same_request_to_the_same_endpoint_is_answered_from_the_cache() {
    let server = wise_server();
    let folder = quiz(&server.url, 4, "");
    let cached = || folder.run(&["quiz"], 0)["runs"][0]["cached"].clone();
    assert_eq!(cached(), 0);
    folder.write("suites/quiz.yaml", &suite("quiz", "prompt: {text: \"{{ input }}\"}\n"));
    assert_eq!(cached(), 4, "the same request under another name was sent again");
    folder.write("suites/quiz.yaml", &suite("quiz", "prompt: {text: \" {{ input }}\"}\n"));
    assert_eq!(cached(), 0, "another prompt got the answers to an earlier one");
    folder.write("suites/quiz.yaml", &suite("quiz", ""));
    folder.write("datasets/quiz/examples.jsonl", &(questions(5).replace("answer 0002", "other")));
    assert_eq!(cached(), 4, "an added or relabelled example does not change the requests of others");
    folder.write("karat.yaml", &workspace(&server.url, "    params: {temperature: 1}\n"));
    assert_eq!(cached(), 0, "other params got the answers to earlier ones");
    folder.write("karat.yaml", &workspace(&server.url, "").replace("test-model", "another"));
    assert_eq!(cached(), 0, "another model got the answers of an earlier one");
}

#[test]
fn answers_from_the_cache_are_scored_again() {
    let server = wise_server();
    let folder = quiz(&server.url, 4, "");
    folder.run(&["quiz"], 0);
    folder.write(
        "suites/quiz.yaml",
        "dataset: quiz\nendpoints: [model]\nscorers: [{type: regex, pattern: \"000[12]\"}]\n",
    );
    let run = &folder.run(&["quiz"], 0)["runs"][0];
    assert_eq!((&run["cached"], &run["scores"]["regex"]["mean"]), (&json!(4), &json!(0.5)));
    assert_eq!(server.total(), 4);
}

#[test]
fn errors_are_never_cached() {
    let server = Server::start(|ask| match (ask.input, ask.time) {
        ("question 0002", 1) => Reply::Json(400, json!({"error": {"message": "not now"}})),
        _ => Reply::Text(right(ask.input)),
    });
    let folder = quiz(&server.url, 3, "");
    assert_eq!(folder.run(&["quiz"], 4)["runs"][0]["outcomes"]["errored"], 1);
    let run = &folder.run(&["quiz"], 0)["runs"][0];
    assert_eq!((&run["cached"], &run["outcomes"]["errored"]), (&json!(2), &json!(0)));
}

#[test]
fn cache_statistics_are_shown_and_clearing_the_cache_leaves_runs_unchanged() {
    let server = wise_server();
    let folder = quiz(&server.url, 6, "");
    let stats = || folder.karat(&["cache", "stats", "--format", "json"]).expect(0).json();
    let (schema, empty) = (json!("karat.cache/1"), stats());
    assert_eq!((&empty["schema"], &empty["answers"], &empty["oldest"]), (&schema, &json!(0), &Value::Null));
    folder.run(&["quiz"], 0);
    folder.run(&["quiz"], 0);
    let full = stats();
    assert_eq!((&full["answers"], &full["serving"], &full["ttl_seconds"]), (&json!(6), &json!(6), &json!(43_200)));
    assert!(full["oldest"].as_str().unwrap() <= full["newest"].as_str().unwrap());
    folder.karat(&["cache", "stats"]).expect(0).prints(&["6 responses"]);

    folder.karat(&["cache", "clear", "--older-than", "1h"]).expect(0).prints(&["0 responses"]);
    folder.karat(&["cache", "clear", "--older-than", "soon"]).expect(2).tells(&["soon", "hint: "]);
    assert_eq!(stats()["answers"], 6);
    let before = folder.karat(&["show", "quiz", "--format", "json"]).expect(0).json();
    folder.karat(&["cache", "clear"]).expect(0).prints(&["6 responses"]);
    assert_eq!(stats()["answers"], 0);
    assert_eq!(folder.karat(&["show", "quiz", "--format", "json"]).expect(0).json()["quality"], before["quality"]);
    assert_eq!(folder.run(&["quiz"], 0)["runs"][0]["cached"], 0);
    assert_eq!(server.total(), 12);
}

#[test]
fn a_ttl_of_zero_disables_the_cache_and_old_answers_are_not_reused() {
    let server = wise_server();
    let folder = quiz(&server.url, 3, "");
    folder.write("karat.yaml", &workspace(&server.url, "cache: {ttl: 0s}\n"));
    folder.run(&["quiz"], 0);
    assert_eq!(folder.run(&["quiz"], 0)["runs"][0]["cached"], 0);
    assert_eq!(folder.karat(&["cache", "stats", "--format", "json"]).expect(0).json()["serving"], 0);
    folder.write("karat.yaml", &workspace(&server.url, "cache: {ttl: 1s}\n"));
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(folder.run(&["quiz"], 0)["runs"][0]["cached"], 0, "an expired answer was reused");
    folder.write("karat.yaml", &workspace(&server.url, "cache: {ttl: 1h}\n"));
    assert_eq!(folder.run(&["quiz"], 0)["runs"][0]["cached"], 3);
    assert_eq!(server.total(), 9);
    folder.write("karat.yaml", &workspace(&server.url, "cache: {ttl: soon}\n"));
    folder.karat(&["run", "quiz"]).expect(3).tells(&["cache.ttl", "\"soon\"", "hint: "]);
}

#[test]
fn reusing_an_answer_does_not_extend_its_life() {
    let server = wise_server();
    let folder = quiz(&server.url, 3, "");
    folder.write("karat.yaml", &workspace(&server.url, "cache: {ttl: 3s}\n"));
    folder.run(&["quiz"], 0);
    std::thread::sleep(Duration::from_millis(1600));
    assert_eq!(folder.run(&["quiz"], 0)["runs"][0]["cached"], 3);
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(folder.run(&["quiz"], 0)["runs"][0]["cached"], 0, "the copy of an expired answer was reused");
}

/// Seven right answers, one wrong one, one error and one skipped example, with one slow retry.
fn mixed_server() -> Server {
    Server::start(|ask| match (ask.input, ask.time) {
        ("question 0003", _) => Reply::Text("no idea".to_owned()),
        ("question 0005", _) => Reply::Json(400, json!({"error": {"message": "too hard"}})),
        ("question 0006", 1) => Reply::Broken,
        _ => Reply::Text(right(ask.input)),
    })
}

fn mixed_rows() -> String {
    questions(9) + "{\"id\": \"q0010\", \"input\": \"question 0010\"}\n"
}

const GATES: &str = "gates:\n  - {min: 0.3}\nerror_tolerance: 0.2\n";

/// A new workspace that answers from the cassette.
fn replayed(cassette: &str) -> Folder {
    let folder = quiz_of(&nowhere(), &mixed_rows(), GATES);
    folder.write("karat.yaml", "embedder: hashed-ngrams\nendpoints:\n  model: {type: replay, cassette: c.jsonl}\n");
    folder.write("c.jsonl", cassette);
    folder
}

/// The cassette of a run against [`mixed_server`], and the result of the run.
fn recorded() -> (String, Value) {
    let server = mixed_server();
    let folder = quiz_of(&server.url, &mixed_rows(), GATES);
    let done = folder.karat(&["run", "quiz", "--record", "c.jsonl", "--format", "json"]).expect(0);
    (folder.read("c.jsonl"), done.tells(&["recorded c.jsonl"]).json())
}

#[test]
fn a_cassette_gives_the_same_scores_without_a_server() {
    let (cassette, first) = recorded();
    assert_eq!(cassette.lines().count(), 11, "a header and an entry per outcome");
    let ids: Vec<Value> =
        cassette.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert!(ids.is_sorted_by_key(ToString::to_string), "entries are in the order of the dataset: {ids:?}");
    let again = replayed(&cassette).run(&["quiz"], 0);
    let (first, again) = (&first["runs"][0], &again["runs"][0]);
    for same in [
        "scores",
        "outcomes",
        "errors",
        "misses",
        "gates",
        "models",
        "verdict",
        "prompt_tokens",
        "suite_version",
        "dataset_version",
    ] {
        assert_eq!(first[same], again[same], "{same}");
    }
    assert_eq!((&first["cached"], &again["cached"]), (&json!(0), &json!(9)));
}

/// A report without the time at which it was written, the only time in it that is not on 2026-01-01.
fn without_today(report: &str) -> String {
    let times = Regex::new(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?(Z|\+00:00)?)?").unwrap();
    let keep =
        |found: &Captures<'_>| if found[0].starts_with("2026-01-01") { found[0].to_owned() } else { String::new() };
    times.replace_all(report, keep).into_owned()
}

#[test]
fn a_run_on_a_cassette_at_a_fixed_time_gives_the_same_bytes_everywhere() {
    let (cassette, _) = recorded();
    let reports = ["r.json", "r.md", "r.html", "r.xml"];
    let run = || {
        let folder = replayed(&cassette);
        let now = "2026-01-01T00:00:00Z";
        let json = folder.karat(&["run", "quiz", "--now", now, "--format", "json"]).expect(0);
        let table = folder.karat(&["run", "quiz", "--now", now]).expect(0);
        let id = json.json()["runs"][0]["run_id"].as_str().unwrap().to_owned();
        let mut arguments = vec!["report", &id];
        arguments.extend(reports.iter().flat_map(|report| ["-o", report]));
        folder.karat(&arguments).expect(0);
        (json.stdout, table.stdout, reports.map(|report| without_today(&folder.read(report))))
    };
    let (first, second) = (run(), run());
    assert_eq!(first.0, second.0);
    assert_eq!(first.1, second.1);
    for (name, report) in reports.iter().zip(&first.2) {
        assert!(report.contains("exact"), "{name}: {report}");
    }
    for ((name, one), other) in reports.iter().zip(&first.2).zip(&second.2) {
        assert_eq!(one, other, "{name}");
    }
}

#[test]
fn a_changed_prompt_is_not_in_the_cassette() {
    let (cassette, _) = recorded();
    let folder = replayed(&cassette);
    folder.write("suites/quiz.yaml", &suite("quiz", "prompt: {text: \"Please: {{ input }}\"}\n"));
    let run = folder.run(&["quiz"], 4)["runs"][0].clone();
    assert_eq!(run["outcomes"], json!({"total": 10, "scored": 0, "errored": 10, "skipped": 0, "unscored": 0}));
    let message = run["errors"][0]["message"].as_str().unwrap();
    for part in ["c.jsonl", "is not the recorded one", "record it again"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn only_an_added_example_is_missing_from_a_cassette() {
    let (cassette, _) = recorded();
    let folder = replayed(&cassette);
    let row = "{\"id\": \"q0011\", \"input\": \"question 0011\", \"expected\": \"answer 0011\"}\n";
    folder.write("datasets/quiz/examples.jsonl", &(mixed_rows() + row));
    let run = folder.run(&["quiz"], 0)["runs"][0].clone();
    assert_eq!(run["outcomes"], json!({"total": 11, "scored": 8, "errored": 2, "skipped": 1, "unscored": 0}));
    let sql = "SELECT error_message LIKE '%has no answer for example q0011%' FROM outcomes WHERE example_id = 'q0011'";
    assert_eq!(folder.count(sql), 1);
}

#[test]
fn a_replay_recorded_again_has_the_same_entries() {
    let (cassette, _) = recorded();
    let folder = replayed(&cassette);
    folder.karat(&["run", "quiz", "--record", "again.jsonl"]).expect(0);
    let again = folder.read("again.jsonl");
    let entries = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(entries(&again), entries(&cassette));
}

#[test]
fn an_interrupted_and_resumed_run_is_recorded_completely() {
    let server = mixed_server();
    let folder = quiz_of(&server.url, &mixed_rows(), GATES);
    folder.karat(&["run", "quiz", "--record", "c.jsonl", "-j", "1", "--max-seconds", "0.000001"]).expect(4);
    assert!(!folder.path("c.jsonl").exists(), "an unfinished run was recorded");
    folder.karat(&["run", "quiz", "--resume", "--record", "c.jsonl"]).expect(0);
    assert_eq!(folder.read("c.jsonl").lines().count(), 11);
    let before = folder.read("c.jsonl");
    // A finished run is recorded from its stored outcomes.
    folder.karat(&["run", "quiz", "--resume", "--record", "later.jsonl"]).expect(0);
    assert_eq!(folder.read("later.jsonl"), before);
}

#[test]
fn a_missing_or_damaged_cassette_is_reported_with_its_line() {
    let (cassette, _) = recorded();
    let folder = replayed(&cassette);
    std::fs::remove_file(folder.path("c.jsonl")).unwrap();
    folder.karat(&["run", "quiz"]).expect(3).tells(&["there is no cassette", "c.jsonl", "hint: "]);
    let half: String = cassette[..cassette.len() - 40].to_owned();
    folder.write("c.jsonl", &half);
    folder.karat(&["run", "quiz"]).expect(3).tells(&["c.jsonl, line 11", "hint: "]);
    assert_eq!(folder.count("SELECT count(*) FROM runs"), 0);
}

#[test]
fn a_cassette_contains_one_run() {
    let (cassette, _) = recorded();
    let folder = replayed(&cassette);
    folder.write("suites/other.yaml", &suite("quiz", GATES));
    let done = folder.karat(&["run", "quiz", "other", "--record", "both.jsonl"]).expect(2);
    done.tells(&["--record", "hint: "]);
    assert!(!folder.path("both.jsonl").exists());
}

#[test]
fn a_cassette_that_cannot_be_written_is_reported_before_anything_is_sent() {
    let server = wise_server();
    let folder = quiz(&server.url, 3, "");
    let done = folder.karat(&["run", "quiz", "--record", "karat.yaml/c.jsonl"]);
    assert!(matches!(done.code, Some(1 | 3)), "{done}");
    assert_eq!(server.total(), 0, "requests were sent although the cassette cannot be written");
    done.tells(&["karat.yaml/c.jsonl", "hint: "]);
}
