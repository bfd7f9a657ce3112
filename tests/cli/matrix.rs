//! Every prompt on every endpoint: endpoints run concurrently, within the limits of their hosts, and stop together.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::runner::{Folder, wait};
use crate::server::{Reply, Server};
use crate::workspace::{quiz, right, workspace};

/// A quiz of `count` questions on the endpoints `model` and `other`; `rest` is added to both.
fn quiz_on_two(first: &str, second: &str, count: usize, rest: &str) -> Folder {
    let folder = quiz(first, count, "");
    let other = format!(
        "{rest}  other:\n    type: openai\n    base_url: {second}\n    model: other-model\n    max_retries: 1\n{rest}"
    );
    folder.write("karat.yaml", &workspace(first, &other));
    folder.write("suites/quiz.yaml", "dataset: quiz\nendpoints: [model, other]\nscorers: [{type: exact}]\n");
    folder
}

fn slow_server(latency: Duration) -> Server {
    Server::start(move |ask| Reply::Later(latency, right(ask.input)))
}

fn endpoints(view: &Value) -> Vec<&str> {
    view["runs"].as_array().unwrap().iter().map(|run| run["endpoint"].as_str().unwrap()).collect()
}

#[test]
fn endpoints_on_different_hosts_take_the_time_of_one_and_are_listed_in_the_order_of_the_suite() {
    let latency = Duration::from_millis(200);
    // The first one is a little slower, so that the other one finishes first.
    let (first, second) = (slow_server(latency), slow_server(latency * 9 / 10));
    let folder = quiz_on_two(&first.url, &second.url, 20, "");
    let timed = |arguments: &[&str]| {
        let started = Instant::now();
        (folder.run(arguments, 0), started.elapsed())
    };
    let (_, one) = timed(&["quiz", "-j", "2", "-e", "model", "--no-cache"]);
    let (view, both) = timed(&["quiz", "-j", "2", "--no-cache"]);
    assert!(both < one * 3 / 2, "one endpoint took {one:?}, and both {both:?}");
    assert_eq!(endpoints(&view), ["model", "other"]);
    assert_eq!((first.total(), second.total()), (40, 20));
    // Run ids follow the order of the suite, too.
    let ids: Vec<&str> = view["runs"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert!(ids[0] < ids[1], "{ids:?}");
}

#[test]
fn endpoints_on_one_host_run_concurrently_and_share_its_limit() {
    let latency = Duration::from_millis(40);
    let arrivals: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let (seen, most) = (Arc::clone(&arrivals), Arc::new(Mutex::new(0)));
    let highest = Arc::clone(&most);
    let server = Server::start(move |ask| {
        let (now, mut arrivals) = (Instant::now(), seen.lock().unwrap());
        arrivals.push(now);
        let in_flight = arrivals.iter().filter(|arrival| now.duration_since(**arrival) < latency).count();
        let mut most = highest.lock().unwrap();
        *most = in_flight.max(*most);
        Reply::Later(latency, right(ask.input))
    });
    let folder = quiz_on_two(&server.url, &server.url, 40, "");
    folder.run(&["quiz", "-j", "3"], 0);
    assert_eq!((server.total(), *most.lock().unwrap()), (80, 3), "requests, and the most in flight");
    let models: Vec<Value> = server.requests().into_iter().map(|seen| seen.body["model"].clone()).collect();
    let early = &models[..40];
    assert!(early.contains(&json!("test-model")) && early.contains(&json!("other-model")), "{models:?}");
}

#[test]
fn the_same_model_under_two_names_is_called_once_for_each_example() {
    let server = slow_server(Duration::from_millis(5));
    let folder = quiz(&server.url, 10, "");
    let twin = workspace(&server.url, "").split_once("  model:\n").unwrap().1.to_owned();
    folder.write("karat.yaml", &workspace(&server.url, &format!("  twin:\n{twin}")));
    folder.write("suites/quiz.yaml", "dataset: quiz\nendpoints: [model, twin, model]\nscorers: [{type: exact}]\n");
    let view = folder.run(&["quiz"], 0);
    assert_eq!(endpoints(&view), ["model", "twin"]);
    assert_eq!((&view["runs"][0]["cached"], &view["runs"][1]["cached"]), (&json!(0), &json!(10)));
    assert_eq!(server.total(), 10);
}

#[test]
fn a_budget_is_shared_between_endpoints_and_stops_all_of_them() {
    let (first, second) = (slow_server(Duration::from_millis(10)), slow_server(Duration::from_millis(10)));
    // An answer costs 0.0037, and its estimate is only slightly higher.
    let price = "    price: {input: 100, output: 1000, request: 0.001}\n    params: {max_tokens: 2}\n";
    let folder = quiz_on_two(&first.url, &second.url, 60, price);
    let done = folder.karat(&["run", "quiz", "--max-cost", "0.2", "--format", "json"]).expect(4);
    let view = done.tells(&["budget", "0.2", "--resume"]).json();
    let cost: f64 = view["runs"].as_array().unwrap().iter().map(|run| run["cost"].as_f64().unwrap_or(0.0)).sum();
    assert!(cost > 0.1 && cost <= 0.2, "{cost} was spent of 0.2");
    assert_eq!(endpoints(&view), ["model", "other"]);
    assert!(view["runs"].as_array().unwrap().iter().all(|run| run["finished"] == false), "{view}");
    let view = folder.run(&["quiz", "--resume"], 0);
    assert_eq!((first.total(), second.total()), (60, 60), "a request was sent twice, or not at all: {view}");
}

#[test]
fn all_endpoints_together_stay_within_a_budget_even_if_answers_have_no_limit() {
    let (first, second) = (slow_server(Duration::from_millis(20)), slow_server(Duration::from_millis(20)));
    let folder = quiz_on_two(&first.url, &second.url, 100, "    price: {input: 100, output: 10000}\n");
    let view = folder.karat(&["run", "quiz", "--max-cost", "0.4", "--format", "json"]).expect(4).json();
    let cost: f64 = view["runs"].as_array().unwrap().iter().map(|run| run["cost"].as_f64().unwrap_or(0.0)).sum();
    assert!(cost > 0.2 && cost <= 0.4 + 1e-9, "{cost} was spent of 0.4");
    assert!(first.total() > 0 && second.total() > 0, "{} and {}", first.total(), second.total());
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_every_endpoint_and_resume_finishes_them() {
    let (first, second) = (slow_server(Duration::from_millis(100)), slow_server(Duration::from_millis(100)));
    let folder = quiz_on_two(&first.url, &second.url, 40, "");
    let child = folder.command(&["run", "quiz", "-j", "2"]).spawn().unwrap();
    let started = Instant::now();
    while first.total() < 4 || second.total() < 4 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing was sent");
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).stderr(Stdio::null()).status().unwrap().success());
    wait(child, "karat run quiz, interrupted").expect(4).tells(&["interrupted", "--resume"]);
    assert!(first.total() < 40 && second.total() < 40);
    let view = folder.run(&["quiz", "--resume", "-j", "16"], 0);
    assert_eq!(endpoints(&view), ["model", "other"]);
    assert_eq!(folder.count("SELECT count(*) FROM outcomes"), 80);
    assert_eq!(folder.count("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL"), 2);
}

#[test]
fn verbose_output_shows_the_events_of_the_run() {
    let server = Server::start(|ask| match ask.input {
        "question 0002" => Reply::Json(400, json!({"error": {"message": "not that one"}})),
        input => Reply::Text(right(input)),
    });
    let folder = quiz(&server.url, 3, "error_tolerance: 0.5\n");
    let done = folder.karat(&["-v", "run", "quiz"]).expect(0);
    let line = |words: &[&str]| {
        let found = done.stderr.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no line has {words:?}: {done}");
    };
    line(&["run started", "suite=quiz", "target=model", "total=3"]);
    line(&["sending", "example=q0001", "trial=0", "endpoint=model"]);
    line(&["answered", "example=q0001", "attempts=1"]);
    line(&["failed", "example=q0002", "kind=\"refused\"", "not that one"]);
    line(&["run ended", "done=3", "errors=1", "finished"]);
    folder.karat(&["-v", "run", "quiz"]).expect(0).tells(&["answered from the cache"]);
}
