use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::core::domain::CallErrorKind::{BadAnswer, Connect, Refused, Server, Timeout};

/// Answers with its process id, the request's id and its trial; sleeps, dies or writes too much if the input says so.
const SCRIPT: &str = r#"
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    wish = asked["input"]
    if wish.startswith("sleep "):
        time.sleep(float(wish[6:]))
    if wish == "crash":
        sys.stderr.write("warming up\n\x1b[31mValueError: boom\x1b[0m\n\n")
        sys.exit(3)
    if wish == "half":
        sys.stdout.write('{"output": "x')
        sys.stdout.flush()
        sys.exit(0)
    if wish == "close":
        sys.stdout.flush()
        os.close(1)
        time.sleep(60)
    if wish == "garbage":
        print("Loading model\x07 ...", flush=True)
        continue
    if wish == "bytes":
        sys.stdout.buffer.write(b'{"output": "\xff\xfe"}\n')
        sys.stdout.flush()
        continue
    if wish == "twice":
        print(json.dumps({"output": "first"}) + "\n" + json.dumps({"output": "second"}), flush=True)
        continue
    if wish == "giant":
        print(json.dumps({"output": "x" * (5 << 20)}), flush=True)
        continue
    if wish == "endless":
        while True:
            sys.stdout.write("x" * 65536)
    if wish == "chatty":
        sys.stderr.write("noise " * 200000)
        sys.stderr.flush()
    if wish == "say":
        print(asked["params"]["answer"], flush=True)
        continue
    if wish == "echo":
        print(json.dumps({"output": asked}), flush=True)
        continue
    print(json.dumps({"output": "%d %s %d" % (os.getpid(), asked["id"], asked["trial"])}), flush=True)
"#;

/// A folder with the script; `None` if Python is not installed.
fn folder() -> Option<TempDir> {
    let found = std::process::Command::new("python3").arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: python3 is not installed, the tests of program endpoints need it");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("answer.py"), SCRIPT).unwrap();
    Some(folder)
}

fn settings(folder: &Path, command: &[&str]) -> ExecSettings {
    let ms = Duration::from_millis;
    ExecSettings {
        name: "program".into(),
        command: command.iter().map(ToString::to_string).collect(),
        folder: folder.to_owned(),
        workers: 1,
        // Long enough that a busy machine does not turn other failures into timeouts.
        timeout: ms(20_000),
        retry: RetryPolicy { max_retries: 0, base: ms(1), cap: ms(2), max_retry_after: ms(10) },
        params: Map::new(),
        revision: None,
    }
}

fn script(folder: &TempDir) -> ExecSettings {
    settings(folder.path(), &["python3", "answer.py"])
}

fn endpoint(settings: ExecSettings) -> ExecEndpoint {
    ExecEndpoint::new(settings).unwrap()
}

fn saying(folder: &TempDir, answer: &str) -> ExecEndpoint {
    let params = json!({ "answer": answer }).as_object().unwrap().clone();
    endpoint(ExecSettings { params, ..script(folder) })
}

fn request(id: &str, input: &str) -> Request {
    let key = crate::core::domain::RequestKey::new(&[], &Map::new(), 2);
    let (fields, options) = (Map::new(), Map::new());
    Request { example_id: id.into(), trial: 2, input: input.into(), fields, messages: vec![], options, key }
}

async fn ask(endpoint: &ExecEndpoint, id: &str, input: &str) -> Result<Response, CallError> {
    endpoint.call(&request(id, input)).await
}

/// The process that answered, after a check that it answered this request.
fn process(answer: &Response, id: &str) -> u32 {
    let words: Vec<&str> = answer.output.split(' ').collect();
    assert_eq!(words[1..], [id, "2"]);
    words[0].parse().unwrap()
}

async fn answers_again(endpoint: &ExecEndpoint) {
    process(&ask(endpoint, "after", "plain").await.unwrap(), "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_reused_and_every_request_gets_its_own_answer() {
    let Some(folder) = folder() else { return };
    let endpoint = Arc::new(endpoint(ExecSettings { workers: 4, ..script(&folder) }));
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let endpoint = Arc::clone(&endpoint);
        calls.spawn(async move {
            let id = format!("e{number}");
            process(&ask(&endpoint, &id, "plain").await.unwrap(), &id)
        });
    }
    let processes: BTreeSet<u32> = calls.join_all().await.into_iter().collect();
    assert!(processes.len() <= 4, "{processes:?}");
}

#[tokio::test]
async fn the_request_is_one_line_with_all_its_fields() {
    let Some(folder) = folder() else { return };
    let params = json!({"temperature": 0}).as_object().unwrap().clone();
    let endpoint = endpoint(ExecSettings { params, ..script(&folder) });
    let mut asked = request("e 1", "echo");
    asked.messages = vec![Message::text("user", "zwei\nZeilen")];
    asked.options.insert("tools".into(), json!([]));
    let answer = endpoint.call(&asked).await.unwrap();
    assert_eq!(
        answer.output,
        "{\"id\":\"e 1\",\"input\":\"echo\",\"messages\":[{\"content\":\"zwei\\nZeilen\",\"role\":\"user\"}],\
         \"options\":{\"tools\":[]},\"params\":{\"temperature\":0},\"trial\":2}"
    );
    assert!(answer.latency > Duration::ZERO && !answer.cached);
}

#[tokio::test]
async fn the_fields_of_an_input_that_is_an_object_are_sent_as_they_are() {
    let Some(folder) = folder() else { return };
    let mut asked = request("e", "echo");
    asked.fields = json!({"q": "x", "strict": true}).as_object().unwrap().clone();
    let answer = endpoint(script(&folder)).call(&asked).await.unwrap();
    assert!(answer.output.contains("\"fields\":{\"q\":\"x\",\"strict\":true}"), "{}", answer.output);
}

#[test]
fn answers_to_other_inputs_are_not_those_of_a_program_even_if_the_messages_are_equal() {
    let Some(folder) = folder() else { return };
    let endpoint = saying(&folder, "{}");
    let mut fields = request("a", "hi");
    fields.fields.insert("lang".into(), "de".into());
    let keys = [endpoint.key(&request("a", "hi")), endpoint.key(&request("a", "ho")), endpoint.key(&fields)];
    assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    assert_eq!(endpoint.key(&request("b", "hi")), keys[0], "whichever example it is for");
}

#[tokio::test]
async fn an_answer_is_read_with_its_model_and_usage() {
    let Some(folder) = folder() else { return };
    let full = r#"{"output": "yes", "model": "m1", "usage": {"prompt_tokens": 7, "completion_tokens": 2}, "id": "e"}"#;
    let answer = ask(&saying(&folder, full), "e", "say").await.unwrap();
    assert_eq!((answer.output.as_str(), answer.model.as_deref(), answer.attempts), ("yes", Some("m1"), 1));
    assert_eq!(answer.usage, Usage { prompt_tokens: Some(7), completion_tokens: Some(2) });
    let answer =
        ask(&saying(&folder, r#"{"output": {"b": 1, "a": [true]}, "error": null}"#), "e", "say").await.unwrap();
    assert_eq!(answer.output, r#"{"a":[true],"b":1}"#);
}

#[tokio::test]
async fn an_error_from_the_program_is_final_unless_it_asks_for_a_retry() {
    let Some(folder) = folder() else { return };
    let cases = [(r#"{"error": "no such label"}"#, Refused, 1), (r#"{"error": "busy\n", "retry": true}"#, Server, 3)];
    for (answer, kind, attempts) in cases {
        let retry = RetryPolicy { max_retries: 2, ..script(&folder).retry };
        let endpoint = ExecEndpoint { retry, ..saying(&folder, answer) };
        let error = ask(&endpoint, "e", "say").await.unwrap_err();
        assert_eq!((error.kind, error.attempts), (kind, attempts), "{answer}");
        assert!(error.message.starts_with("the program says: ") && !error.message.contains('\n'), "{}", error.message);
    }
}

#[tokio::test]
async fn a_worker_is_reused_after_it_reports_an_error() {
    let Some(folder) = folder() else { return };
    let endpoint = saying(&folder, r#"{"error": "no"}"#);
    let first = process(&ask(&endpoint, "a", "plain").await.unwrap(), "a");
    ask(&endpoint, "b", "say").await.unwrap_err();
    assert_eq!(process(&ask(&endpoint, "c", "plain").await.unwrap(), "c"), first);
}

#[tokio::test]
async fn a_slow_answer_is_a_timeout_but_the_next_call_succeeds() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(ExecSettings { timeout: Duration::from_secs(2), ..script(&folder) });
    let first = process(&ask(&endpoint, "a", "plain").await.unwrap(), "a");
    let error = ask(&endpoint, "b", "sleep 30").await.unwrap_err();
    assert_eq!(error.kind, Timeout);
    assert!(error.message.contains("\"python3 answer.py\" did not answer within 2 s"), "{}", error.message);
    assert_ne!(process(&ask(&endpoint, "c", "plain").await.unwrap(), "c"), first);
}

#[tokio::test]
async fn a_crash_is_reported_with_the_exit_status_and_the_last_line_of_stderr() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(script(&folder));
    let error = ask(&endpoint, "e", "crash").await.unwrap_err();
    assert_eq!(error.kind, Connect);
    let expected = "the program \"python3 answer.py\" ended (exit status: 3) without answering; its stderr ends with: \
                    [31mValueError: boom [0m";
    assert_eq!(error.message, expected);
    answers_again(&endpoint).await;
    let error = ask(&endpoint, "e", "half").await.unwrap_err();
    assert!(error.message.contains("ended (exit status: 0) in the middle of an answer"), "{}", error.message);
    answers_again(&endpoint).await;
}

#[tokio::test]
async fn a_worker_that_dies_between_two_requests_fails_neither_of_them() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(script(&folder));
    let first = process(&ask(&endpoint, "a", "plain").await.unwrap(), "a");
    std::process::Command::new("sh").args(["-c", &format!("kill -9 {first}")]).status().unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_ne!(process(&ask(&endpoint, "b", "plain").await.unwrap(), "b"), first);
}

#[tokio::test]
async fn a_program_that_closes_its_stdout_fails_quickly() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(script(&folder));
    let begun = Instant::now();
    let error = ask(&endpoint, "e", "close").await.unwrap_err();
    assert_eq!(error.kind, Connect);
    assert!(error.message.contains("closed its stdout without answering"), "{}", error.message);
    assert!(begun.elapsed() < Duration::from_secs(15));
    answers_again(&endpoint).await;
}

#[tokio::test]
async fn a_line_that_is_not_a_json_object_is_a_bad_answer_and_ends_the_worker() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(script(&folder));
    for (input, told) in [("garbage", "it wrote: Loading model ..."), ("bytes", "did not answer with a JSON object")] {
        let before = process(&ask(&endpoint, "a", "plain").await.unwrap(), "a");
        let error = ask(&endpoint, "b", input).await.unwrap_err();
        assert_eq!(error.kind, BadAnswer);
        assert!(error.message.contains(told), "{}", error.message);
        assert_ne!(process(&ask(&endpoint, "c", "plain").await.unwrap(), "c"), before);
    }
    for answer in
        ["[1]", "{}", r#"{"output": "x", "id": "other"}"#, r#"{"output": "x", "trial": 0}"#, "", "{\"output\":"]
    {
        assert_eq!(ask(&saying(&folder, answer), "e", "say").await.unwrap_err().kind, BadAnswer, "{answer}");
    }
}

#[tokio::test]
async fn a_second_line_is_never_the_answer_to_the_next_request() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(script(&folder));
    assert_eq!(ask(&endpoint, "a", "twice").await.unwrap().output, "first");
    answers_again(&endpoint).await;
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(script(&folder));
    for input in ["giant", "endless"] {
        let error = ask(&endpoint, "a", input).await.unwrap_err();
        assert_eq!(error.kind, BadAnswer);
        assert!(error.message.ends_with("is longer than 4 MiB"), "{}", error.message);
        answers_again(&endpoint).await;
    }
}

#[tokio::test]
async fn a_megabyte_on_stderr_blocks_nothing() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(script(&folder));
    process(&ask(&endpoint, "a", "chatty").await.unwrap(), "a");
    answers_again(&endpoint).await;
}

#[tokio::test]
async fn a_request_larger_than_a_pipe_is_written_while_the_program_writes() {
    let Some(folder) = folder() else { return };
    let loud = "import sys\nsys.stdout.write('{\"output\": \"' + 'y' * 1000000)\nsys.stdout.flush()\n\
                size = len(sys.stdin.readline())\nprint('%d\"}' % size, flush=True)\n";
    std::fs::write(folder.path().join("loud.py"), loud).unwrap();
    let endpoint = endpoint(settings(folder.path(), &["python3", "loud.py"]));
    let answer = ask(&endpoint, "a", &"z".repeat(1_000_000)).await.unwrap();
    assert!(answer.output.len() > 1_000_000 && answer.output.ends_with(char::is_numeric));
}

#[tokio::test]
async fn a_cancelled_call_does_not_shift_later_answers() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(script(&folder));
    let first = process(&ask(&endpoint, "a", "plain").await.unwrap(), "a");
    let given_up = tokio::time::timeout(Duration::from_millis(100), ask(&endpoint, "b", "sleep 0.3")).await;
    assert!(given_up.is_err());
    for id in ["c", "d", "e"] {
        assert_ne!(process(&ask(&endpoint, id, "plain").await.unwrap(), id), first);
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let retry = RetryPolicy { max_retries: 1, ..settings(folder.path(), &[]).retry };
    let missing = endpoint(ExecSettings { retry, ..settings(folder.path(), &["no-such-program-here", "x"]) });
    let error = ask(&missing, "e", "x").await.unwrap_err();
    assert_eq!((error.kind, error.attempts), (Connect, 2));
    assert_eq!(error.message, "the program \"no-such-program-here\" was not found: is it installed?");
    let nowhere = endpoint(settings(&folder.path().join("gone"), &["sh"]));
    assert!(ask(&nowhere, "e", "x").await.unwrap_err().message.contains("does not exist"));
    std::fs::write(folder.path().join("plain.txt"), "x").unwrap();
    let plain = endpoint(settings(folder.path(), &["./plain.txt"]));
    let message = ask(&plain, "e", "x").await.unwrap_err().message;
    assert!(message.contains("cannot be started"), "{message}");
}

#[test]
fn invalid_settings_are_refused() {
    let here = Path::new(".");
    for settings in
        [settings(here, &[]), settings(here, &[" "]), ExecSettings { workers: 0, ..settings(here, &["sh"]) }]
    {
        assert!(
            ExecEndpoint::new(settings).is_err_and(|failure| failure.message.starts_with("endpoint \"program\": "))
        );
    }
}

#[test]
fn everything_that_may_change_answers_changes_the_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answer.py");
    std::fs::write(&file, "1").unwrap();
    let base = || settings(folder.path(), &["python3", "answer.py"]);
    let of = |settings: ExecSettings| endpoint(settings).fingerprint().to_owned();
    let first = of(base());
    assert_eq!(of(ExecSettings { workers: 7, timeout: Duration::ZERO, name: "other".into(), ..base() }), first);
    let params = json!({"a": 1}).as_object().unwrap().clone();
    assert_ne!(of(ExecSettings { params, ..base() }), first);
    assert_ne!(of(ExecSettings { revision: Some("2".into()), ..base() }), first);
    assert_ne!(of(settings(folder.path(), &["python3", "answer.py", "-v"])), first);
    std::fs::write(&file, "2").unwrap();
    assert_ne!(of(base()), first);
    std::fs::write(&file, "1").unwrap();
    assert_eq!(of(base()), first);
}

#[tokio::test]
async fn a_dropped_endpoint_leaves_no_process_behind() {
    let Some(folder) = folder() else { return };
    let endpoint = endpoint(script(&folder));
    let process = process(&ask(&endpoint, "a", "plain").await.unwrap(), "a");
    drop(endpoint);
    let lives = || std::process::Command::new("sh").args(["-c", &format!("kill -0 {process} 2>&-")]).status();
    let begun = Instant::now();
    while lives().unwrap().success() {
        assert!(begun.elapsed() < Duration::from_secs(10), "process {process} is still running");
        // Starting another child makes the runtime reap those that have ended.
        let _ = tokio::process::Command::new("true").status().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
