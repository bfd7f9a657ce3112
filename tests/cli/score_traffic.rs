//! Production's answers, scored by cluster and by month beside the golden set, and never made into labels.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::judges::{is_judging, verdict};
use crate::runner::Folder;
use crate::server::{Ask, Reply, Server, nowhere};
use crate::workspace::{Draws, TOPICS, measured, questions, workspace};

/// The topic whose answers are often too long.
const WORSE: &str = "bakery";

/// Rows of two months of traffic with answers: most about bakery are too long, and some answers of alpine contain an
/// address. Every tenth record was sampled at a third of the rate, and users ask several times.
fn answered_months() -> String {
    let mut draws = Draws(77);
    let mut text = String::new();
    for (month, each) in [("2026-07", 20), ("2026-08", 30)] {
        for (number, topic) in TOPICS.iter().flat_map(|topic| (0..each).map(move |_| *topic)).enumerate() {
            let is_long = topic == WORSE && !number.is_multiple_of(4);
            let output = match (topic, number % 6) {
                _ if is_long => "a very long answer that nobody will ever read".to_owned(),
                ("alpine", 0) => "write to mia@example.org".to_owned(),
                _ => "gladly".to_owned(),
            };
            let row = json!({
                "id": format!("{month}-{number:03}"), "text": draws.sentence(topic), "output": output,
                "time": format!("{month}-{:02}T08:00:00Z", number % 28 + 1),
                "user": format!("user-{}", draws.below(90)), "p": if number.is_multiple_of(10) { 0.3 } else { 0.9 },
            });
            text.push_str(&format!("{row}\n"));
        }
    }
    // A request without an answer says nothing here.
    text + &json!({"id": "silent", "text": "alone", "time": "2026-08-03"}).to_string()
}

/// Number of rows of every table except those that a measurement may fill.
fn everything_else(folder: &Folder) -> BTreeMap<String, i64> {
    let database = folder.database();
    let mut names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let filled = ["traffic_scores", "contents", "vectors"];
    let counted = names.into_iter().filter(|name| !filled.contains(&name.as_str()));
    counted.map(|name| (name.clone(), folder.count(&format!("SELECT count(*) FROM \"{name}\"")))).collect()
}

/// The part of a list with this name.
fn part<'a>(parts: &'a Value, name: &str) -> &'a Value {
    parts.as_array().unwrap().iter().find(|part| part["part"] == name).unwrap_or_else(|| panic!("{name}: {parts}"))
}

const TWO_MONTHS: [&str; 8] =
    ["score-traffic", "tone", "--source", "bot", "--window", "2026-07-01..2026-09-01", "--now", "2026-09-01"];

fn with<'a>(arguments: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [arguments, rest].concat()
}

/// The measured workspace with answered traffic, and the suite `tone`, whose golden set was run.
fn toned() -> Folder {
    let server = Server::answering(|_| "gladly".to_owned());
    let folder = measured(&server.url, "");
    folder.write(
        "suites/tone.yaml",
        "dataset: topics\nendpoints: [model]\nscorers:\n  - {type: length, name: short, max: 30}\n  - no_pii\n  - exact\n  - {type: latency, max_ms: 9000}\n",
    );
    folder.write("traffic/bot.jsonl", &answered_months());
    folder.karat(&["traffic", "import", "traffic/bot.jsonl", "--source", "bot"]).expect(0);
    folder.run(&["tone"], 0);
    folder
}

#[test]
fn production_s_answers_are_scored_by_cluster_and_month_beside_the_golden_set() {
    let folder = toned();
    let before = everything_else(&folder);
    let files = [folder.read("datasets/topics/examples.jsonl"), folder.read("datasets/topics/dataset.yaml")];
    let done = folder.karat(&with(&TWO_MONTHS, &["--format", "json"])).expect(0);
    let view = done.json();
    assert_eq!(view["schema"], "karat.traffic_scores/1");
    assert_eq!((&view["with_output"], &view["sampled"]), (&json!(250), &json!(250)));
    assert!((60..=90).contains(&view["groups"].as_u64().unwrap()), "{}", view["groups"]);
    assert_eq!((&view["window"]["records"], &view["finished"]), (&json!(251), &json!(true)));
    assert_eq!(view["golden_run"]["endpoint"], "model");
    let refused: Vec<&str> =
        view["not_applicable"].as_array().unwrap().iter().map(|of| of["scorer"].as_str().unwrap()).collect();
    assert_eq!(refused, ["exact", "latency"]);

    let short = &view["scorers"][0];
    assert_eq!((&short["scorer"], &short["binary"]), (&json!("short"), &json!(true)));
    assert!(
        view["summary"]
            .as_str()
            .unwrap()
            .contains("250 sampled records (250 with an output in 2026-07-01..2026-09-01) pass short"),
        "{view}"
    );
    assert_eq!((&short["overall"]["golden"]["mean"], &short["overall"]["golden"]["n"]), (&json!(1.0), &json!(60)));
    assert_eq!(short["overall"]["verdict"], "lower");
    let lower: Vec<&Value> =
        short["clusters"].as_array().unwrap().iter().filter(|part| part["verdict"] == "lower").collect();
    assert_eq!(lower.len(), 1, "{short}");
    assert!(lower[0]["name"].as_str().unwrap().starts_with("ba"), "{}", lower[0]);
    assert!(lower[0]["hi"].as_f64().unwrap() < 0.0 && lower[0]["p_adjusted"].as_f64().unwrap() < 0.05);
    assert!(lower[0]["golden"]["n"].as_u64().unwrap() >= 5);
    let months: Vec<(&str, u64)> = short["months"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["part"].as_str().unwrap(), part["traffic"]["n"].as_u64().unwrap()))
        .collect();
    assert_eq!(months, [("2026-07", 100), ("2026-08", 150)]);
    // The addresses were replaced at import, and still count.
    let pii = &view["scorers"][1];
    let leaks = pii["overall"]["traffic"]["n"].as_u64().unwrap() - pii["passed"].as_u64().unwrap();
    assert!(leaks >= 7, "{pii}");

    assert_eq!(everything_else(&folder), before, "something became more than a score");
    assert_eq!([folder.read("datasets/topics/examples.jsonl"), folder.read("datasets/topics/dataset.yaml")], files);
    assert_eq!(folder.count("SELECT count(*) FROM traffic_scores"), 500);
    let again = folder.karat(&with(&TWO_MONTHS, &["--format", "json"])).expect(0);
    assert_eq!(again.stdout, done.stdout, "the same command gives the same bytes");
    folder.karat(&TWO_MONTHS).expect(0).prints(&[
        "pass short",
        "By cluster of traffic",
        "By month",
        "lower than the golden set",
        "Not applicable",
        "it needs an accepted answer",
        "no label, flag or example",
    ]);
}

#[test]
fn a_sample_keeps_the_shares_of_traffic_and_depends_on_its_seed_alone() {
    let folder = toned();
    let sampled = |seed: &str| {
        let done = folder.karat(&with(&TWO_MONTHS, &["--sample", "120", "--seed", seed, "--format", "json"])).expect(0);
        done.json()
    };
    let (one, other) = (sampled("1"), sampled("2"));
    assert_eq!((&one["sampled"], &one["with_output"]), (&json!(120), &json!(250)));
    assert_ne!(one["scorers"], other["scorers"]);
    // Records that were sampled at a third of the rate represent three times as many requests, in the sample as well.
    let all = folder.karat(&with(&TWO_MONTHS, &["--format", "json"])).expect(0).json();
    let mean = |view: &Value| view["scorers"][0]["overall"]["traffic"]["mean"].as_f64().unwrap();
    for view in [&one, &other] {
        assert!((mean(view) - mean(&all)).abs() < 0.12, "{} {}", mean(view), mean(&all));
    }
    assert_eq!(part(&all["scorers"][0]["months"], "2026-07")["verdict"], "lower");
}

#[test]
fn what_cannot_be_scored_is_refused_with_a_hint() {
    let folder = measured(&nowhere(), "");
    folder.write("suites/exact.yaml", "dataset: topics\nendpoints: [model]\nscorers: [exact, {type: cost, max: 1}]\n");
    folder.write("suites/tone.yaml", "dataset: topics\nendpoints: [model]\nscorers: [no_pii]\n");
    folder.karat(&["score-traffic", "exact"]).expect(3).tells(&[
        "no scorer of the suite exact can score",
        "exact: it needs an accepted answer",
        "no_pii, refusal",
    ]);
    folder.karat(&["score-traffic", "tone"]).expect(3).tells(&["has an output", "--map output=PATH"]);
    folder.karat(&["score-traffic", "tone", "--window", "2020-01"]).expect(3).tells(&["no traffic in 2020-01"]);
    folder.karat(&["score-traffic", "tone", "--scorer", "nopii"]).expect(3).tells(&["no_pii"]);
    folder.karat(&["score-traffic", "tone", "--window", "soon"]).expect(2).tells(&["--window"]);
}

/// A workspace with `count` answers of production, and a suite whose judge `grader` is on the server.
fn judged(server: &Server, count: usize, scorer: &str, price: &str) -> Folder {
    let folder = Folder::new();
    let grader = format!(
        "  grader:\n    type: openai\n    base_url: {}\n    model: grader-model\n    timeout: 2s\n    max_retries: 0\n{price}",
        server.url
    );
    folder.write("karat.yaml", &workspace(&server.url, &grader));
    folder.write("datasets/quiz/examples.jsonl", &questions(3));
    folder.write("suites/quiz.yaml", &format!("dataset: quiz\nendpoints: [model]\nscorers: [{scorer}, no_pii]\n"));
    let row = |number: usize| {
        json!({
            "id": format!("r{number:04}"), "text": format!("please {number:04}"), "output": format!("done {number:04}"),
            "time": format!("2026-08-{:02}", number % 28 + 1),
        })
    };
    folder.write("traffic.jsonl", &(1..=count).map(|number| format!("{}\n", row(number))).collect::<String>());
    folder.karat(&["traffic", "import", "traffic.jsonl"]).expect(0);
    folder
}

const RUBRIC: &str = "{type: rubric, name: polite, judge: grader, criteria: polite}";

const AUGUST: [&str; 4] = ["score-traffic", "quiz", "--window", "2026-08"];

#[test]
fn a_judge_that_fails_is_never_a_zero_and_only_what_is_missing_is_asked_again() {
    let broken = Arc::new(AtomicBool::new(true));
    let fails = Arc::clone(&broken);
    let server = Server::start(move |ask: Ask<'_>| {
        assert!(is_judging(&ask), "production is never asked");
        if !fails.load(Ordering::SeqCst) {
            return Reply::Text(verdict(&ask, 1.0));
        }
        match ["0001", "0002", "0003", "0004"].iter().position(|number| ask.input.contains(&format!("done {number}"))) {
            Some(0) => Reply::Stall,
            Some(1) => Reply::Broken,
            Some(2) => Reply::Text("great!".to_owned()),
            Some(3) => Reply::Cut(verdict(&ask, 1.0)),
            _ => Reply::Text(verdict(&ask, 1.0)),
        }
    });
    let folder = judged(&server, 12, RUBRIC, "");
    let done = folder.karat(&with(&AUGUST, &["--format", "json"])).expect(4);
    let view = done.json();
    let polite = &view["scorers"][0];
    assert_eq!((&polite["overall"]["traffic"]["mean"], &polite["overall"]["traffic"]["n"]), (&json!(1.0), &json!(8)));
    assert_eq!((&polite["errors"], &view["errors"], &view["finished"]), (&json!(4), &json!(4), &json!(true)));
    assert_eq!(polite["evaluator"], "judge grader");
    assert_eq!(view["scorers"][1]["overall"]["traffic"]["n"], 12);
    assert_eq!(folder.count("SELECT count(*) FROM traffic_scores WHERE value = 0"), 0);
    assert_eq!(folder.count("SELECT count(*) FROM traffic_scores WHERE scorer = 'polite'"), 8);

    broken.store(false, Ordering::SeqCst);
    let asked = server.total();
    let view = folder.karat(&with(&AUGUST, &["--format", "json"])).expect(0).json();
    assert_eq!((server.total() - asked, &view["reused"]), (4, &json!(8)));
    assert_eq!(view["scorers"][0]["overall"]["traffic"]["n"], 12);
    let shown = folder.karat(&AUGUST).expect(0).prints(&["decay was not measured", "has no finished run"]);
    assert!(!shown.stdout.contains("By cluster"), "{shown}");
    // A gate or another prompt of the suite changes no score; another judge's question does.
    folder.write(
        "suites/quiz.yaml",
        &format!("dataset: quiz\nendpoints: [model]\nscorers: [{RUBRIC}]\ngates: [{{min: 0.5}}]\n"),
    );
    folder.karat(&AUGUST).expect(0);
    assert_eq!(server.total() - asked, 4, "a judge was asked for what is known");
    folder.write(
        "suites/quiz.yaml",
        &format!(
            "dataset: quiz\nendpoints: [model]\nscorers: [{}]\n",
            RUBRIC.replace("criteria: polite", "criteria: kind")
        ),
    );
    folder.karat(&AUGUST).expect(0);
    assert_eq!(server.total() - asked, 16);
}

#[test]
fn the_budget_holds_and_the_same_command_continues() {
    let server = Server::start(|ask: Ask<'_>| Reply::Text(verdict(&ask, 1.0)));
    let folder = judged(&server, 30, RUBRIC, "    price: {request: 0.01}\n    params: {max_tokens: 50}\n");
    let done = folder.karat(&with(&AUGUST, &["--max-cost", "0.12", "--format", "json"])).expect(4).tells(&["budget"]);
    let view = done.json();
    let spent = view["cost"].as_f64().unwrap();
    assert!(spent <= 0.12 + 1e-9 && spent > 0.08, "{spent}");
    assert!((spent - server.total() as f64 * 0.01).abs() < 1e-9);
    assert_eq!(view["finished"], false);
    let view = folder.karat(&with(&AUGUST, &["--format", "json"])).expect(0).json();
    assert_eq!((view["scorers"][0]["overall"]["traffic"]["n"].as_u64(), server.total()), (Some(30), 30));
    let unpriced = judged(&server, 2, RUBRIC, "");
    unpriced.karat(&with(&AUGUST, &["--max-cost", "1"])).expect(3).tells(&["has no price"]);
}

#[test]
fn a_command_that_was_killed_continues_and_asks_for_nothing_twice() {
    let server = Server::start(|ask: Ask<'_>| Reply::Later(Duration::from_millis(12), verdict(&ask, 0.5)));
    let folder = judged(&server, 200, RUBRIC, "");
    let mut child = folder.command(&with(&AUGUST, &["-j", "4"])).spawn().unwrap();
    let started = std::time::Instant::now();
    while server.total() < 80 {
        assert!(child.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let stored = folder.count("SELECT count(*) FROM traffic_scores WHERE scorer = 'polite'");
    assert!((60..200).contains(&stored), "{stored}");
    let before = server.total();
    let view = folder.karat(&with(&AUGUST, &["--format", "json"])).expect(0).json();
    assert_eq!((server.total() - before) as i64, 200 - stored, "something stored was asked for again");
    assert_eq!(view["reused"], stored);
    let polite = &view["scorers"][0]["overall"]["traffic"];
    assert_eq!((&polite["mean"], &polite["n"]), (&json!(0.5), &json!(200)));
    let asked = server.total();
    folder.karat(&AUGUST).expect(0);
    assert_eq!(server.total(), asked, "the second command costs nothing");
}
