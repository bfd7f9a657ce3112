//! Secrets are sent in requests and appear nowhere else, even if a server repeats them.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::runner::{Done, Folder};
use crate::server::{Reply, Server};
use crate::workspace::{questions, quiz_of};

const KEY: &str = "canarykey0123456789abcdefghij";
const HEADER: &str = "canaryheader0123456789abcdefg";
// In a URL the quote is written as "%22".
const QUERY: &str = "canaryquery\"0123456789abcdefgh";
const VARIABLE: &str = "canaryvariable0123456789abcde";
const QUOTED: &str = "canary\"quoted\\ and spaced+0123";

const CANARIES: [(&str, &str); 5] = [
    ("CANARY_KEY", KEY),
    ("CANARY_HEADER", HEADER),
    ("CANARY_URL", QUERY),
    ("CANARY_VAR", VARIABLE),
    ("CANARY_QUOTED", QUOTED),
];

/// A server that repeats everything it receives, in answers and in every kind of error.
fn echoing_server() -> Server {
    Server::start(|ask| {
        let all = format!("{} {:?} {}", ask.seen.target, ask.seen.headers, ask.seen.body);
        let values: Vec<&str> = ask.seen.headers.values().map(String::as_str).collect();
        let echo = format!("{all} {} {}", values.join(" "), ask.input);
        let number = ask.input.split("question ").nth(1).and_then(|rest| rest[..4].parse().ok()).unwrap_or(0);
        match number % 8 {
            1 => Reply::Json(400, json!({"error": {"message": echo}})),
            2 => Reply::Json(500, json!({"detail": echo})),
            3 => Reply::Json(401, json!(echo)),
            4 => Reply::Bytes(echo.into_bytes()),
            5 => Reply::Json(200, json!({"error": {"message": echo}})),
            6 => Reply::Model(format!("model-of {echo}"), "fine".to_owned()),
            _ => Reply::Text(echo),
        }
    })
}

fn workspace(server: &Server) -> Folder {
    let rest = "prompt:\n  text: \"{{ vars.token }} {{ vars.deep.list[0] }} {{ input }}\"\nvars:\n  token: \"${CANARY_VAR}\"\n  deep: {list: [\"Bearer ${CANARY_QUOTED}\"]}\nerror_tolerance: 1\n";
    let folder = quiz_of(&server.url, &questions(24), rest);
    folder.write(
        "karat.yaml",
        &format!(
            "embedder: hashed-ngrams\nendpoints:\n  model:\n    type: openai\n    base_url: {}?key=${{CANARY_URL}}\n    model: test-model\n    timeout: 10s\n    max_retries: 1\n    api_key: ${{CANARY_KEY}}\n    headers: {{X-Auth-Token: \"token ${{CANARY_HEADER}}\"}}\n",
            server.url
        ),
    );
    folder
}

/// All files of the workspace except those in which the user stores secrets.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| !path.ends_with(".env"))
        .collect()
}

/// The text as percent-encoded in a URL.
fn in_url(secret: &str) -> String {
    secret.replace('"', "%22").replace(' ', "%20")
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    let is_in = |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
    let json = serde_json::to_string(secret).unwrap();
    is_in(secret) || is_in(&json[1..json.len() - 1]) || is_in(&in_url(secret))
}

#[track_caller]
fn assert_silent(done: &Done) {
    for (name, secret) in CANARIES {
        assert!(!holds(done.stdout.as_bytes(), secret), "{name} is on stdout: {done}");
        assert!(!holds(done.stderr.as_bytes(), secret), "{name} is on stderr: {done}");
    }
}

/// Runs everything that writes output or data, with secrets from the environment or from `.env`.
fn nothing_leaks(by_environment: bool) {
    let server = echoing_server();
    let folder = workspace(&server);
    if !by_environment {
        // Text in single quotes is taken literally.
        let lines: String = CANARIES.iter().map(|(name, secret)| format!("{name}='{secret}'\n")).collect();
        folder.write(".env", &lines);
    }
    let environment: &[(&str, &str)] = if by_environment { &CANARIES } else { &[] };
    let karat = |arguments: &[&str]| {
        let done = folder.karat_with(environment, arguments);
        assert_silent(&done);
        done
    };
    let verbose = karat(&["--help"]).stdout.contains("--verbose");
    let loud: &[&str] = if verbose { &["-v"] } else { &[] };
    karat(&[&["run", "quiz", "--dry-run"], loud].concat()).expect(0);
    let first = karat(&[&["run", "quiz", "--record", "c.jsonl", "--format", "json"], loud].concat()).expect(0);
    let run = first.json()["runs"][0].clone();
    assert!(run["outcomes"]["errored"].as_u64().unwrap() >= 12, "nothing failed: {run}");
    assert!(run["misses"].as_array().unwrap().len() >= 6, "nothing was answered: {run}");
    assert!(run["misses"].to_string().contains("***"), "the server repeated nothing: {run}");
    karat(&[&["run", "quiz"], loud].concat()).expect(0);
    karat(&[&["run", "quiz", "--retry-errors"], loud].concat()).expect(0);
    karat(&["run", "quiz", "--no-cache", "--limit", "9"]).expect(0);
    karat(&["report", "quiz", "-o", "r.html", "-o", "r.md", "-o", "r.json", "-o", "r.xml", "-o", "r.csv"]).expect(0);
    karat(&["show", "quiz"]).expect(0);
    karat(&["list"]).expect(0);

    let received = server.requests();
    for (name, secret) in CANARIES {
        let is_in = |seen: &crate::server::Seen| {
            seen.target.contains(&in_url(secret))
                || seen.headers.values().any(|value| value.contains(secret))
                || seen.body["messages"][0]["content"].as_str().unwrap().contains(secret)
        };
        assert!(received.iter().all(is_in), "the server did not get {name}");
    }
    let all = files(folder.root());
    assert!(all.len() >= 10 && all.iter().any(|path| path.ends_with("c.jsonl")), "{all:?}");
    for path in all {
        let bytes = std::fs::read(&path).unwrap();
        for (name, secret) in CANARIES {
            assert!(!holds(&bytes, secret), "{name} is in {}", path.display());
        }
    }
    // Answers are compressed in the database, so they are read through SQL as well.
    let shown = karat(&["show", "quiz", "--format", "json"]).expect(0);
    assert!(shown.stdout.contains("***"));

    // A cassette without secrets answers a run that has no secrets.
    let replay = "embedder: hashed-ngrams\nendpoints:\n  model: {type: replay, cassette: c.jsonl}\n";
    folder.write("karat.yaml", replay);
    let again = karat(&["run", "quiz", "--format", "json"]).expect(0).json();
    let of = |run: &serde_json::Value| json!([run["outcomes"], run["scores"]]);
    assert_eq!(of(&again["runs"][0]), of(&run));
}

#[test]
fn secrets_from_the_environment_appear_only_in_requests() {
    nothing_leaks(true);
}

#[test]
fn secrets_from_dotenv_appear_only_in_requests() {
    nothing_leaks(false);
}

#[test]
fn a_different_secret_is_the_same_request_and_the_same_run() {
    let server = Server::answering(|_| "fine".to_owned());
    let folder = workspace(&server);
    let with = |key: &str, arguments: &[&str]| {
        let environment: Vec<(&str, String)> =
            CANARIES.iter().map(|(name, secret)| (*name, format!("{secret}{key}"))).collect();
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, secret)| (*name, secret.as_str())).collect();
        folder.karat_with(&environment, arguments)
    };
    with("one", &["run", "quiz"]).expect(0);
    let second = with("two", &["run", "quiz", "--format", "json"]).expect(0).json();
    assert_eq!(second["runs"][0]["cached"], 24, "a new key changed the requests");
    with("two", &["run", "quiz", "--resume"]).expect(0).tells(&["nothing left to do"]);
    let missing = folder.karat(&["run", "quiz"]).expect(3);
    missing.tells(&["is not set", "CANARY_", "hint: "]);
}
