//! Cost and time limits of runs, dry runs, and repeating failed requests.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::{Reply, Server};
use crate::workspace::{questions, quiz, quiz_of, right, suite, wise_server, workspace};

/// 0.001 per request, 0.0001 per prompt token (7 per request) and 0.001 per answer token (2 per answer), which is 0.0037
/// per answer.
const PRICE: &str = "    price: {input: 100, output: 1000, request: 0.001}\n";
const EACH: f64 = 0.0037;

fn priced(server: &Server, count: usize, rest: &str) -> Folder {
    let folder = quiz(&server.url, count, "");
    folder.write("karat.yaml", &workspace(&server.url, &format!("{PRICE}{rest}")));
    folder
}

fn cost(view: &Value) -> f64 {
    view["runs"][0]["cost"].as_f64().unwrap_or_else(|| panic!("no cost in {view}"))
}

#[test]
fn a_run_costs_what_its_tokens_and_requests_cost_and_cached_answers_nothing() {
    let server = wise_server();
    let folder = priced(&server, 10, "");
    let view = folder.run(&["quiz"], 0);
    assert!((cost(&view) - 10.0 * EACH).abs() < 1e-9, "{}", view["runs"][0]["cost"]);
    let cached = folder.run(&["quiz"], 0);
    assert_eq!((&cached["runs"][0]["cost"], &cached["runs"][0]["cached"]), (&json!(0.0), &json!(10)));
    let free = quiz(&server.url, 2, "").run(&["quiz"], 0);
    assert_eq!(free["runs"][0]["cost"], Value::Null, "an unknown price is not a price of 0");
}

#[test]
fn a_run_stops_before_it_passes_its_budget_and_resume_finishes_it() {
    let server = wise_server();
    let folder = priced(&server, 60, "    params: {max_tokens: 2}\n");
    let done = folder.karat(&["run", "quiz", "--max-cost", "0.12", "--format", "json"]).expect(4);
    let stopped = done.tells(&["budget", "0.12", "--resume"]).json();
    let run = &stopped["runs"][0];
    let answered = run["outcomes"]["scored"].as_u64().unwrap();
    assert!(cost(&stopped) <= 0.12, "{} was spent", cost(&stopped));
    assert!((cost(&stopped) - answered as f64 * EACH).abs() < 1e-9);
    assert!((10..60).contains(&answered), "{answered} answers");
    assert_eq!((&run["finished"], &run["verdict"]), (&json!(false), &json!("incomplete")));
    assert_eq!(server.total() as u64, answered, "a request was sent that is not accounted for");

    // The limit applies to the whole run: with the same limit nothing more is sent.
    folder.karat(&["run", "quiz", "--resume", "--max-cost", "0.12"]).expect(4).tells(&["budget"]);
    let after = server.total();
    assert!(after as f64 * EACH <= 0.12);
    let view = folder.run(&["quiz", "--resume"], 0);
    assert_eq!(view["runs"][0]["outcomes"]["scored"], 60);
    assert!((cost(&view) - 60.0 * EACH).abs() < 1e-9);
    assert_eq!(server.total(), 60, "a request was sent twice");
}

#[test]
fn a_budget_holds_even_if_the_length_of_answers_is_unknown() {
    // Answers cost thirty times as much as their prompts, and their length is not limited.
    let server = Server::start(|ask| Reply::Later(Duration::from_millis(20), right(ask.input)));
    let folder = quiz(&server.url, 200, "");
    folder.write("karat.yaml", &workspace(&server.url, "    price: {input: 100, output: 10000}\n"));
    let done = folder.karat(&["run", "quiz", "--max-cost", "0.2", "--format", "json"]).expect(4);
    let view = done.tells(&["budget"]).json();
    // An answer costs 0.0207; only answers in flight when the first ones arrive may exceed the budget.
    assert!(cost(&view) <= 0.2 + 1e-9, "{} was spent of 0.2", cost(&view));
}

#[test]
fn a_sufficient_budget_changes_nothing_and_one_without_a_price_is_refused() {
    let server = wise_server();
    let folder = priced(&server, 10, "");
    folder.run(&["quiz", "--max-cost", "5"], 0);
    for wrong in ["0", "-1", "much", "inf"] {
        folder.karat(&["run", "quiz", "--max-cost", wrong]).expect(2);
    }
    let free = quiz(&server.url, 2, "");
    free.karat(&["run", "quiz", "--max-cost", "5"]).expect(3).tells(&["price", "model", "hint: "]);
}

#[test]
fn a_run_stops_at_its_time_limit_and_can_be_resumed() {
    let server = Server::start(|ask| Reply::Later(Duration::from_millis(150), right(ask.input)));
    let folder = quiz(&server.url, 60, "");
    let started = Instant::now();
    let done = folder.karat(&["run", "quiz", "-j", "2", "--max-seconds", "1", "--format", "json"]).expect(4);
    assert!(started.elapsed() < Duration::from_secs(3), "it went on for {:?}", started.elapsed());
    let stopped = done.tells(&["stopped after 1 s", "--resume"]).json();
    let answered = stopped["runs"][0]["outcomes"]["scored"].as_u64().unwrap();
    assert!((2..30).contains(&answered), "{answered}");
    let view = folder.run(&["quiz", "--resume", "-j", "16"], 0);
    assert_eq!(view["runs"][0]["outcomes"]["scored"], 60);
    // Two were in flight when it stopped; on a busy machine a few more may have been sent while they were cancelled.
    assert!(server.total() <= 68, "stored answers were requested again: {}", server.total());
}

#[test]
fn a_dry_run_sends_nothing_and_estimates_requests_and_cost() {
    let server = wise_server();
    let folder = priced(&server, 10, "    params: {max_tokens: 50}\n");
    let plan = || folder.run(&["quiz", "--dry-run"], 0);
    let first = plan();
    let cell = &first["cells"][0];
    assert_eq!(first["schema"], "karat.plan/1");
    assert_eq!((&cell["suite"], &cell["endpoint"], &cell["prompt"]), (&json!("quiz"), &json!("model"), &Value::Null));
    assert_eq!((&cell["requests"], &cell["cached"], &cell["errors"]), (&json!(10), &json!(0), &json!(0)));
    // "question 0001" has 13 bytes, so about 4 tokens; an answer may have 50.
    assert_eq!((&cell["prompt_tokens"], &cell["answer_tokens"]), (&json!(40), &json!(500)));
    let expected = 10.0 * 0.001 + 40.0 * 0.0001 + 500.0 * 0.001;
    assert!((cell["cost"].as_f64().unwrap() - expected).abs() < 1e-9, "{cell}");
    assert_eq!(first["cost"], cell["cost"]);
    assert_eq!((server.total(), folder.count("SELECT count(*) FROM runs")), (0, 0));
    folder.karat(&["run", "quiz", "--dry-run"]).expect(0).prints(&["quiz", "model", "10", "0.51"]);
    assert_eq!(server.total(), 0);

    // A finished run shows how long answers are, and its answers need not be requested again.
    folder.run(&["quiz", "--limit", "4"], 0);
    let cell = plan()["cells"][0].clone();
    assert_eq!((&cell["requests"], &cell["cached"], &cell["answer_tokens"]), (&json!(6), &json!(4), &json!(12)));
    assert_eq!(folder.run(&["quiz", "--dry-run", "--no-cache", "--repeat", "3"], 0)["cells"][0]["requests"], 30);
    assert_eq!(server.total(), 4);
    folder.karat(&["run", "quiz", "--dry-run", "--max-cost", "1"]).expect(2);
}

#[test]
fn a_dry_run_counts_the_examples_whose_prompt_cannot_be_rendered() {
    let server = wise_server();
    let rows = "{\"id\": \"a\", \"input\": {\"text\": \"x\", \"tone\": \"dry\"}, \"expected\": \"x\"}\n{\"id\": \"b\", \"input\": {\"text\": \"y\"}, \"expected\": \"x\"}\n";
    let folder = quiz_of(&server.url, rows, "prompt: {text: \"{{ text }} {{ tone }}\"}\n");
    let cell = folder.run(&["quiz", "--dry-run"], 0)["cells"][0].clone();
    assert_eq!((&cell["requests"], &cell["errors"]), (&json!(1), &json!(1)));
    let first = cell["first_error"].as_str().unwrap();
    assert!(first.starts_with("b: ") && first.contains("tone"), "{first}");
    folder.karat(&["run", "quiz", "--dry-run"]).expect(0).prints(&["tone"]);
    assert_eq!(server.total(), 0);
}

#[test]
fn only_failed_requests_are_sent_again() {
    let server = Server::start(|ask| match (ask.input.ends_with('7'), ask.time) {
        (true, 1) => Reply::Json(400, json!({"error": {"message": "not today"}})),
        _ => Reply::Text(right(ask.input)),
    });
    let folder = quiz(&server.url, 40, "gates:\n  - min: 0.8\n");
    let first = folder.run(&["quiz"], 4);
    assert_eq!(
        first["runs"][0]["outcomes"],
        json!({"total": 40, "scored": 36, "errored": 4, "skipped": 0, "unscored": 0})
    );
    let second = folder.run(&["quiz", "--retry-errors"], 0);
    let run = &second["runs"][0];
    assert_eq!(run["outcomes"], json!({"total": 40, "scored": 40, "errored": 0, "skipped": 0, "unscored": 0}));
    assert_eq!((&run["run_id"], &run["errors"]), (&first["runs"][0]["run_id"], &json!([])));
    assert_eq!(server.total(), 44);
    assert!(server.counts().iter().all(|(input, count)| *count == 1 + usize::from(input.ends_with('7'))));
    assert_eq!(folder.count("SELECT count(*) FROM outcomes"), 40);

    folder.karat(&["run", "quiz", "--retry-errors"]).expect(0).tells(&["nothing left to do"]);
    assert_eq!(server.total(), 44);
}

#[test]
fn a_request_that_fails_again_remains_one_error() {
    let server = Server::start(|ask| match ask.input {
        "question 0002" => Reply::Json(400, json!({"error": {"message": format!("refusal {}", ask.time)}})),
        _ => Reply::Text(right(ask.input)),
    });
    let folder = quiz(&server.url, 5, "");
    folder.run(&["quiz"], 4);
    let run = folder.run(&["quiz", "--retry-errors"], 4)["runs"][0].clone();
    assert_eq!(run["outcomes"], json!({"total": 5, "scored": 4, "errored": 1, "skipped": 0, "unscored": 0}));
    assert!(run["errors"][0]["message"].as_str().unwrap().contains("refusal 2"), "{}", run["errors"]);
    folder.karat(&["run", "quiz", "--resume"]).expect(4).tells(&["nothing left to do"]);
    assert_eq!(server.counts()["question 0002"], 2, "--resume without --retry-errors sent a failed request again");
}

#[test]
fn resuming_a_complete_run_sends_nothing_and_exits_with_its_verdict() {
    let server =
        Server::answering(|input| if input.ends_with(['1', '2', '3', '4']) { right(input) } else { "?".to_owned() });
    let folder = quiz(&server.url, 20, "");
    folder.run(&["quiz", "--resume"], 0);
    let first = folder.run(&["quiz", "--resume"], 0);
    let second = folder.karat(&["run", "quiz", "--resume", "--format", "json"]).expect(0);
    assert_eq!(second.json(), first);
    second.tells(&["nothing left to do"]);
    assert_eq!((server.total(), folder.count("SELECT count(*) FROM runs")), (20, 1));

    let gated = quiz_of(&server.url, &questions(40), "gates:\n  - min: 0.9\n");
    gated.write("suites/quiz.yaml", &suite("quiz", "gates:\n  - min: 0.9\n"));
    gated.run(&["quiz"], 100);
    gated.karat(&["run", "quiz", "--resume"]).expect(100).tells(&["nothing left to do"]);
}

#[test]
fn budgets_cover_all_runs_of_a_command() {
    let server = Server::start(|ask| Reply::Later(Duration::from_millis(100), right(ask.input)));
    let folder = priced(&server, 20, "    params: {max_tokens: 2}\n");
    let suites = ["one", "two", "three"];
    for name in suites {
        folder.write(
            &format!("suites/{name}.yaml"),
            &suite("quiz", &format!("prompt: {{text: \"{name} {{{{ input }}}}\"}}\n")),
        );
    }
    let run = |arguments: &[&str]| folder.run(&[&suites[..], arguments].concat(), 4);
    let spent = |view: &Value| -> f64 {
        view["runs"].as_array().unwrap().iter().map(|run| run["cost"].as_f64().unwrap()).sum()
    };
    // Each suite costs 0.074.
    let view = run(&["--max-cost", "0.1"]);
    assert!(spent(&view) <= 0.1, "{} was spent of 0.1", spent(&view));
    // Each suite takes one second.
    let started = Instant::now();
    run(&["--max-seconds", "1.5", "-j", "2", "--no-cache"]);
    assert!(started.elapsed() < Duration::from_millis(3000), "1.5 s were allowed, and it took {:?}", started.elapsed());
}

#[test]
fn check_respects_budgets_and_says_how_to_continue() {
    let server = Server::start(|ask| Reply::Later(Duration::from_millis(100), right(ask.input)));
    let folder = quiz(&server.url, 60, "");
    let started = Instant::now();
    let done = folder.karat(&["check", "quiz", "-j", "2", "--max-seconds", "1"]).expect(4);
    assert!(started.elapsed() < Duration::from_secs(3));
    done.tells(&["stopped after 1 s", "karat check", "--resume"]);
    assert!(folder.count("SELECT count(*) FROM outcomes") < 60);
}
