//! Comparisons of runs, tags, gates against baselines, canaries, plans and histories.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::{Reply, Server};
use crate::workspace::{questions, quiz, right, suite, wise_server, workspace};

/// The number in a question.
fn number(input: &str) -> usize {
    input.rsplit(' ').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The lines without times, which differ from run to run.
fn without_latency(text: &str) -> String {
    // The head of their table is as wide as they are.
    let varies = |line: &str| line.contains("latency") || line.contains("ms") || line.starts_with("What ");
    let steady = text.lines().filter(|line| !varies(line));
    steady.map(|line| format!("{line}\n")).collect()
}

/// A server that answers the first `wrong` of every ten questions wrongly.
fn server_with(wrong: usize) -> Server {
    Server::answering(move |input| if number(input) % 10 < wrong { "no idea".to_owned() } else { right(input) })
}

/// A quiz of `count` questions on the endpoints `model` and `other`.
fn two_endpoints(first: &str, second: &str, count: usize, rest: &str) -> Folder {
    let folder = quiz(first, count, "");
    let other =
        format!("  other:\n    type: openai\n    base_url: {second}\n    model: other-model\n    max_retries: 0\n");
    folder.write("karat.yaml", &workspace(first, &other));
    folder.write(
        "suites/quiz.yaml",
        &format!("dataset: quiz\nendpoints: [model, other]\nscorers: [{{type: exact}}]\n{rest}"),
    );
    folder
}

#[test]
fn two_endpoints_are_compared_on_their_common_examples() {
    let (good, bad) = (server_with(1), server_with(3));
    let folder = two_endpoints(&good.url, &bad.url, 200, "");
    folder.run(&["quiz"], 0);
    let done = folder.karat(&["compare", "model", "other"]).expect(0);
    insta::assert_snapshot!("compare_two_endpoints", folder.stable(&without_latency(&done.stdout)));
    let view = folder.karat(&["compare", "model", "other", "--format", "json"]).expect(0).json();
    let score = &view["scores"][0];
    assert_eq!((&view["schema"], &view["verdict"]), (&json!("karat.compare/1"), &json!("worse")));
    assert_eq!((&score["n"], &score["worse"], &score["better"]), (&json!(200), &json!(40), &json!(0)));
    let first = &view["new_failures"][0];
    assert_eq!((&first["candidate_output"], &first["base_score"]), (&json!("no idea"), &json!(1.0)));
    assert!(first["base_output"].as_str().unwrap().starts_with("answer "), "{first}");
    let back = folder.karat(&["compare", "other", "model", "--gate", "--format", "json"]).expect(0).json();
    assert_eq!(back["gate"]["verdict"], "pass");
    folder.karat(&["compare", "model", "other", "--gate"]).expect(100);
    folder.karat(&["compare", "model", "model"]).expect(2).tells(&["mean the same run", "karat list"]);
    folder.karat(&["compare", "model", "modle"]).expect(2).tells(&["no finished run is meant by \"modle\"", "model"]);
}

#[test]
fn a_comparison_is_written_as_html_markdown_and_json() {
    let (good, bad) = (server_with(1), server_with(3));
    let folder = two_endpoints(&good.url, &bad.url, 100, "");
    folder.run(&["quiz"], 0);
    folder.karat(&["compare", "model", "other", "-o", "c.html", "-o", "c.md", "-o", "c.json"]).expect(0);
    let html = folder.read("c.html");
    assert!(html.contains("other against model") && html.contains("New failures"), "{html}");
    let markdown = folder.read("c.md");
    assert!(markdown.contains("## other against model: worse") && markdown.contains("| exact | worse |"), "{markdown}");
    let report: Value = serde_json::from_str(&folder.read("c.json")).unwrap();
    assert_eq!(report["comparisons"][0]["verdict"], "worse");
}

#[test]
fn examples_that_were_edited_between_two_versions_are_not_compared() {
    let server = wise_server();
    let folder = quiz(&server.url, 30, "");
    folder.run(&["quiz"], 0);
    let version = |folder: &Folder| {
        let view = folder.karat(&["list", "--format", "json"]).expect(0).json();
        view["runs"][0]["dataset_version"].as_str().unwrap()[..8].to_owned()
    };
    let before = version(&folder);
    let edited = questions(31).replace("\"answer 0003\"", "\"another\"").replace("\"q0005\"", "\"renamed\"");
    // A review date changes the version, but not what is compared.
    folder.write("datasets/quiz/examples.jsonl", &edited.replace("2026-09-01", "2026-09-02"));
    folder.run(&["quiz"], 0);
    let after = version(&folder);
    let of = |version: &str| format!("quiz@{version}");
    let view = folder.karat(&["compare", &of(&before), &of(&after), "--format", "json"]).expect(0).json();
    let examples = &view["examples"];
    assert_eq!(
        (&examples["common"], &examples["added"], &examples["removed"], &examples["edited"]),
        (&json!(28), &json!(2), &json!(1), &json!(1))
    );
    assert_eq!(examples["edited_ids"], json!(["q0003"]));
}

#[test]
fn a_gate_compares_with_the_run_that_has_the_tag() {
    let wrong = Arc::new(AtomicUsize::new(1));
    let shared = Arc::clone(&wrong);
    let server = Server::answering(move |input| {
        if number(input) % 10 < shared.load(Ordering::Relaxed) { "no idea".to_owned() } else { right(input) }
    });
    let gates = "gates:\n  - {scorer: exact, baseline: main, margin: 0.05}\n";
    let folder = quiz(&server.url, 200, gates);
    let missing = folder.run(&["quiz", "--no-cache"], 103);
    let detail = missing["runs"][0]["gates"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("karat tag main RUN"), "{detail}");
    folder.karat(&["tag", "main"]).expect(0).tells(&["main is now"]);
    folder.karat(&["tag"]).expect(0).prints(&["main", "quiz on model"]);
    let same = folder.run(&["quiz", "--no-cache", "--tag", "nightly"], 0);
    assert_eq!(same["runs"][0]["gates"][0]["verdict"], "pass");
    folder.karat(&["tag"]).expect(0).prints(&["main", "nightly"]);
    folder.karat(&["run", "quiz", "--tag", "a b"]).expect(2).tells(&["\"a b\" cannot be a tag"]);
    wrong.store(3, Ordering::Relaxed);
    let worse = folder.run(&["quiz", "--no-cache"], 100);
    let gate = &worse["runs"][0]["gates"][0];
    assert_eq!((&gate["name"], &gate["verdict"]), (&json!("exact not worse than main by 0.05"), &json!("fail")));
    // The stored result stays, also after the tag has moved.
    let id = worse["runs"][0]["run_id"].as_str().unwrap();
    folder.karat(&["tag", "main", id]).expect(0);
    let shown = folder.karat(&["show", id, "--format", "json"]).expect(0).json();
    assert_eq!(shown["quality"]["runs"][0]["gates"][0], *gate);
    folder.karat(&["tag", "last-pass"]).expect(2).tells(&["cannot be a tag"]);
    folder.karat(&["tag", "--delete", "main"]).expect(0);
    folder.karat(&["tag", "--delete", "main"]).expect(2).tells(&["no run has the tag main"]);
}

#[test]
fn the_third_inconclusive_warning_in_a_row_demands_a_decision() {
    // 90 % right of 40 against a minimum of 85 %.
    let server = server_with(1);
    let folder = quiz(&server.url, 40, "gates:\n  - {min: 0.85, on_inconclusive: warn}\n");
    for night in 1..=4 {
        let now = format!("2026-10-0{night}");
        let view = folder.run(&["quiz", "--no-cache", "--now", &now], if night < 3 { 0 } else { 103 });
        let gate = &view["runs"][0]["gates"][0];
        assert_eq!(gate["verdict"], "inconclusive", "night {night}");
        assert_eq!(gate["detail"].as_str().unwrap().contains("times in a row"), night >= 3, "night {night}: {gate}");
    }
}

#[test]
fn slices_contracts_latency_and_parity_are_gated_and_shown() {
    let server = Server::answering(|input| {
        let number = number(input);
        let label = if number % 20 == 1 { "reject" } else { "approve" };
        if number % 10 == 3 { format!("{{\"labels\": \"{label}\"}}") } else { format!("{{\"label\": \"{label}\"}}") }
    });
    let rows: String = (1..=200)
        .map(|number| {
            let row = json!({
                "id": format!("q{number:04}"), "input": format!("question {number:04}"), "expected": "approve",
                "tags": [if number % 10 == 3 { "odd" } else { "plain" }], "metadata": {"gender": if number % 2 == 0 { "f" } else { "m" }},
            });
            format!("{row}\n")
        })
        .collect();
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&server.url, ""));
    folder.write("datasets/quiz/examples.jsonl", &rows);
    folder.write(
        "suites/quiz.yaml",
        "dataset: quiz\nendpoints: [model]\nscorers:\n  - {type: json_schema, name: shape, schema: {type: object, required: [label], \
         properties: {label: {enum: [approve, reject]}}}}\nslices: [{by: tag, critical: [plain]}, gender]\n\
         gates:\n  - {contract: shape, min: 0.97}\n  - {scorer: shape, min: 0.5, slice: tag=odd}\n  - {latency: p95, max: 60000}\n\
         parity: {group: gender, positive: '{\"label\": \"approve\"}', limit: 0.3}\n",
    );
    let view = folder.run(&["quiz"], 100);
    let run = &view["runs"][0];
    let gates: Vec<(&str, &str)> = run["gates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gate| (gate["name"].as_str().unwrap(), gate["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(
        gates,
        [
            ("contract shape >= 0.97", "fail"),
            ("contract shape on tag=plain >= 0.97", "pass"),
            ("shape on tag=odd >= 0.5", "fail"),
            ("latency p95 <= 60000 ms", "pass"),
        ]
    );
    let odd = run["slices"].as_array().unwrap().iter().find(|slice| slice["slice"] == "tag=odd").unwrap();
    assert_eq!((&odd["lower"], &odd["score"]["mean"]), (&json!(true), &json!(0.0)));
    let parity = &run["parity"]["measures"][0];
    assert_eq!((&parity["measure"], &parity["largest"]), (&json!("demographic_parity"), &json!("f")));
    let text = folder.karat(&["show", run["run_id"].as_str().unwrap()]).expect(0);
    insta::assert_snapshot!("slices_and_parity", folder.stable(&without_latency(&text.stdout)));
}

#[test]
fn a_missing_key_in_json_answers_is_a_breaking_change() {
    let with = |key: &'static str| {
        Server::answering(move |input| format!("{{\"{key}\": {}, \"ok\": true}}", number(input) % 3))
    };
    let (old, new) = (with("label"), with("class_label"));
    let folder = two_endpoints(&old.url, &new.url, 60, "");
    folder.write(
        "suites/quiz.yaml",
        "dataset: quiz\nendpoints: [model, other]\nscorers: [{type: json_schema, schema: {required: [label]}}]\n",
    );
    folder.run(&["quiz"], 0);
    let view = folder.karat(&["compare", "model", "other", "--format", "json"]).expect(0).json();
    let change = &view["contract"][0];
    assert_eq!(
        (&view["contract_answers"], &change["path"], &change["breaking"]),
        (&json!(60), &json!("$.label"), &json!("yes"))
    );
    assert_eq!((&change["kind"]["kind"], &change["kind"]["to"]), (&json!("renamed"), &json!("$.class_label")));
}

#[test]
fn a_canary_stops_as_soon_as_it_is_certain() {
    let (good, bad) = (server_with(1), server_with(4));
    let folder = two_endpoints(&good.url, &bad.url, 100, "");
    let canary = |baseline: &str, candidate: &str, rest: &[&str]| {
        let mut arguments = vec!["canary", "quiz", "--baseline", baseline, "--candidate", candidate];
        arguments.extend(rest);
        folder.karat(&arguments)
    };
    let done = canary("model", "other", &["--format", "json", "--now", "2026-10-01"]).expect(100).json();
    assert_eq!((&done["schema"], &done["decision"]), (&json!("karat.canary/1"), &json!("roll_back")));
    let pairs = done["pairs"].as_u64().unwrap();
    assert!(pairs < 150 && done["hi"].as_f64().unwrap() <= 0.0, "{done}");
    assert_eq!(folder.count("SELECT count(*) FROM runs"), 0, "a canary is not a run");
    let back = canary("other", "model", &["--format", "json"]).expect(0).json();
    assert_eq!(back["decision"], "promote");
    canary("model", "other", &["--budget", "5"]).expect(103).prints(&["No decision: the budget is spent"]);
    canary("model", "model", &[]).expect(2).tells(&["the same endpoint"]);
    canary("model", "other", &["--margin", "0"]).expect(2).tells(&["the margin must be above 0"]);
}

#[test]
fn an_interrupted_canary_continues_with_the_pairs_it_has() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let server = Server::start(move |ask| {
        counted.fetch_add(1, Ordering::Relaxed);
        Reply::Text(right(ask.input))
    });
    let folder = two_endpoints(&server.url, &server.url, 50, "");
    let arguments = |rest: &[&'static str]| {
        let mut all = vec!["canary", "quiz", "--baseline", "model", "--candidate", "other", "--format", "json"];
        all.extend(rest);
        all
    };
    // The price is reached after about 20 pairs, long before there is a decision.
    let prices = "    price: {request: 0.01}\n";
    let text = folder.read("karat.yaml").replace("    max_retries: 0\n", &format!("    max_retries: 0\n{prices}"));
    folder.write("karat.yaml", &text);
    let stopped = folder.karat(&arguments(&["--max-cost", "0.2", "--jobs", "1"])).expect(4).json();
    let first = stopped["pairs"].as_u64().unwrap();
    assert!((15..=25).contains(&first), "{first}");
    let before = sent.load(Ordering::Relaxed);
    let whole = folder.karat(&arguments(&["--resume"])).expect(0).json();
    assert_eq!((&whole["canary_id"], &whole["decision"]), (&stopped["canary_id"], &json!("promote")));
    let pairs = whole["pairs"].as_u64().unwrap();
    let after = sent.load(Ordering::Relaxed) - before;
    assert!(after as u64 <= 2 * (pairs - first + 10), "{after} requests for {} new pairs", pairs - first);
}

#[test]
fn power_says_how_many_examples_a_gate_needs() {
    let server = server_with(2);
    let folder = quiz(&server.url, 100, "gates:\n  - min: 0.7\n");
    folder.karat(&["power", "quiz"]).expect(3).tells(&["has no finished run", "--repeat 3"]);
    folder.run(&["quiz"], 0);
    let view =
        folder.karat(&["power", "quiz", "--effect", "0.05", "--power", "0.9", "--format", "json"]).expect(0).json();
    let row = &view["rows"][0];
    assert_eq!(
        (&row["question"], &row["examples"], &row["within"]),
        (&json!("exact >= 0.7"), &json!(100), &Value::Null)
    );
    // (1.96 + 1.28)² · 0.16 · 100/99 / 0.05² = 679, and 1.9 for Student's t.
    assert_eq!(row["needed"], json!([{"repeats": 1, "examples": 682}]));
    folder.karat(&["power", "quiz"]).expect(0).prints(&["exact >= 0.7", "n at 1 repeat"]);
}

#[test]
fn the_history_of_a_suite_marks_the_night_of_a_change_and_what_changed() {
    let wrong = Arc::new(AtomicUsize::new(1));
    let shared = Arc::clone(&wrong);
    let server = Server::answering(move |input| {
        if number(input) % 10 < shared.load(Ordering::Relaxed) {
            "no idea".to_owned()
        } else {
            right(input.trim_start_matches("Q: "))
        }
    });
    let folder = quiz(&server.url, 100, "");
    let night = |day: usize| folder.run(&["quiz", "--no-cache", "--now", &format!("2026-10-{day:02}")], 0);
    (1..=3).for_each(|day| drop(night(day)));
    wrong.store(3, Ordering::Relaxed);
    folder.write("suites/quiz.yaml", &format!("{}prompt: \"Q: {{{{ input }}}}\"\n", suite("quiz", "")));
    (4..=5).for_each(|day| drop(night(day)));
    let view = folder.karat(&["show", "--suite", "quiz", "--format", "json"]).expect(0).json();
    let nights = view["lines"][0]["nights"].as_array().unwrap();
    let changed: Vec<bool> = nights.iter().map(|night| !night["change"].is_null()).collect();
    assert_eq!(changed, [false, false, false, true, false]);
    assert_eq!(nights[3]["changed"], json!(["prompt"]));
    assert!((nights[3]["change"]["difference"].as_f64().unwrap() + 0.2).abs() < 1e-9);
    folder.karat(&["show", "--suite", "quiz"]).expect(0).prints(&["−20.0", "prompt"]);
    folder.karat(&["list"]).expect(0).prints(&["0.700", "PASS"]);
    folder.karat(&["show", "--suite", "none"]).expect(3).tells(&["has no finished run"]);
}

#[test]
fn published_scores_are_shown_beside_the_measured_ones() {
    let server = server_with(3);
    let folder = quiz(&server.url, 100, "");
    let claims = "    claims:\n      - {score: 0.95, source: model card, prompt: 5 examples, context_length: 8192}\n      - {score: 0.7, source: paper}\n";
    folder.write("karat.yaml", &workspace(&server.url, claims));
    let view = folder.run(&["quiz"], 0);
    let claims = &view["runs"][0]["claims"];
    assert_eq!((&claims[0]["claim_is"], &claims[1]["claim_is"]), (&json!("above"), &json!("within")));
    assert_eq!((&claims[0]["prompt"], &claims[0]["context_length"]), (&json!("5 examples"), &json!(8192)));
    let id = view["runs"][0]["run_id"].as_str().unwrap().to_owned();
    folder.karat(&["show", &id]).expect(0).prints(&["Claimed and measured", "not reached here", "model card"]);
}

#[test]
fn gates_that_make_no_sense_are_refused() {
    let folder = quiz("http://127.0.0.1:9", 3, "");
    let cases = [
        ("{scorer: exact, latency: p95, max: 5}", "gates[0] has more than one of scorer, contract, latency and cost"),
        ("{latency: p95, min: 0.5}", "needs exactly one of max and baseline"),
        ("{scorer: exact}", "needs exactly one of min and baseline"),
        ("{scorer: exact, min: 0.8, baseline: main}", "needs exactly one of min and baseline"),
        ("{contract: exact, min: 0.9}", "refers to the json_schema scorer \"exact\", but the suite has none"),
        ("{karats: 30}", "needs karats between 0 and 24"),
        ("{karats: 20}, {karats: 18}", "gates[1] is a second gate on karats"),
        ("{min: 0.8, on_inconclusive: maybe}", "on_inconclusive"),
        ("{latency: p99, max: 5}", "latency"),
    ];
    for (gate, message) in cases {
        folder.write("suites/quiz.yaml", &suite("quiz", &format!("gates: [{gate}]\n")));
        folder.karat(&["run", "quiz"]).expect(3).tells(&[message]);
    }
}
