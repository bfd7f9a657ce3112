use std::time::Duration;

use serde_json::{Map, json};
use tempfile::TempDir;

use super::*;
use crate::core::domain::{Message, Usage, content_hash};
use crate::edge::endpoint::{CassetteEntry, CassetteHeader, CassetteWriter};

fn header() -> CassetteHeader {
    CassetteHeader {
        endpoint: "gpt".into(),
        fingerprint: "f".repeat(64),
        suite: "support".into(),
        suite_version: "sv".into(),
        dataset: "tickets".into(),
        dataset_version: "dv".into(),
        prompt: None,
        repeats: 2,
    }
}

fn request(id: &str, trial: u32, text: &str) -> Request {
    let messages = vec![Message::text("system", "Sei kurz."), Message::text("user", text)];
    let key = RequestKey::new(&messages, &Map::new(), trial);
    let (fields, options) = (Map::new(), Map::new());
    Request { example_id: id.into(), trial, input: text.into(), fields, messages, options, key }
}

fn response() -> Response {
    Response {
        model: Some("m-1".into()),
        usage: Usage { prompt_tokens: Some(7), completion_tokens: Some(2) },
        ttft: Some(Duration::from_nanos(1_234_567)),
        attempts: 2,
        ..Response::new("größer\n".into(), Duration::from_nanos(12_345_678))
    }
}

fn refusal() -> CallError {
    CallError { attempts: 3, ..CallError::new(CallErrorKind::RateLimited, "too often") }
}

fn entries() -> Vec<CassetteEntry> {
    let mut with_tools = request("b", 0, "zwei");
    with_tools.options.insert("tools".into(), json!([{"type": "function"}]));
    with_tools.key = RequestKey::new(&with_tools.messages, &with_tools.options, 0);
    vec![
        CassetteEntry::new(&request("a", 0, "eins"), Ok(&response())),
        CassetteEntry::new(&request("a", 1, "eins"), Err(&refusal())),
        CassetteEntry::new(&with_tools, Ok(&Response::new(String::new(), Duration::ZERO))),
    ]
}

struct Recorded {
    folder: TempDir,
    path: PathBuf,
}

impl Recorded {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/a.jsonl");
        let mut writer = CassetteWriter::create(&path, &header()).unwrap();
        entries().iter().for_each(|entry| writer.write(entry).unwrap());
        writer.finish().unwrap();
        Self { folder, path }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    /// The error message from opening the cassette after `text` has changed it.
    fn refused(&self, text: &str) -> String {
        let path = self.folder.path().join("b.jsonl");
        std::fs::write(&path, text).unwrap();
        match Replay::open("r".into(), &path) {
            Ok(_) => panic!("opened: {text}"),
            Err(failure) => failure.message.replace(&path.display().to_string(), "FILE"),
        }
    }

    fn replay(&self) -> Replay {
        Replay::open("r".into(), &self.path).unwrap()
    }
}

#[test]
fn the_text_of_a_cassette_is_fixed() {
    let recorded = Recorded::new();
    let text = recorded.text();
    let lines: Vec<&str> = text.lines().collect();
    let key = request("a", 0, "eins").key.hex();
    assert_eq!(
        lines[0],
        format!(
            r#"{{"cassette":"karat.cassette/1","endpoint":"gpt","fingerprint":"{}","suite":"support","suite_version":"sv","dataset":"tickets","dataset_version":"dv","prompt":null,"repeats":2}}"#,
            "f".repeat(64)
        )
    );
    assert_eq!(
        lines[1],
        format!(
            r#"{{"id":"a","trial":0,"request":"{key}","messages":[{{"role":"system","content":"Sei kurz."}},{{"role":"user","content":"eins"}}],"output":"größer\n","model":"m-1","usage":{{"prompt_tokens":7,"completion_tokens":2}},"latency_ms":12.346,"ttft_ms":1.235,"attempts":2}}"#
        )
    );
    assert!(
        lines[2].ends_with(r#""error":{"kind":"rate_limited","message":"too often"},"attempts":3}"#),
        "{}",
        lines[2]
    );
    assert!(
        lines[3].contains(r#""options":{"tools":[{"type":"function"}]},"output":"","latency_ms":0.0"#),
        "{}",
        lines[3]
    );
    assert!(text.ends_with('\n') && lines.len() == 4);
    assert_eq!(Recorded::new().text(), text, "equal entries are written as equal bytes");
}

#[cfg(unix)]
#[test]
fn a_finished_cassette_can_be_read_by_everyone_and_an_unfinished_one_leaves_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let recorded = Recorded::new();
    assert_eq!(std::fs::metadata(&recorded.path).unwrap().permissions().mode() & 0o777, 0o644);
    let mut writer = CassetteWriter::create(&recorded.folder.path().join("c.jsonl"), &header()).unwrap();
    writer.write(&entries()[0]).unwrap();
    drop(writer);
    let left: Vec<_> = std::fs::read_dir(recorded.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [recorded.folder.path().join("runs")]);
}

#[tokio::test]
async fn answers_and_errors_are_replayed_unchanged() {
    let replay = Recorded::new().replay();
    assert_eq!((replay.entries(), replay.name()), (3, "r"));
    assert!(!replay.is_cacheable());
    let answer = replay.call(&request("a", 0, "eins")).await.unwrap();
    let expected = response();
    assert_eq!((answer.output, answer.model, answer.usage), (expected.output, expected.model, expected.usage));
    assert_eq!((answer.latency, answer.ttft), (Duration::from_micros(12_346), Some(Duration::from_micros(1_235))));
    assert!(answer.cached && answer.attempts == 2);
    let error = replay.call(&request("a", 1, "eins")).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str(), error.attempts), (CallErrorKind::RateLimited, "too often", 3));
}

#[tokio::test]
async fn the_same_request_from_another_example_is_answered_but_a_changed_one_is_not() {
    let recorded = Recorded::new();
    let replay = recorded.replay();
    assert_eq!(replay.call(&request("renamed", 0, "eins")).await.unwrap().output, "größer\n");
    let file = recorded.path.display();
    let error = replay.call(&request("c", 0, "drei")).await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Refused);
    let missing = format!("the cassette {file} has no answer for example c, trial 0");
    assert!(error.message.starts_with(&missing), "{}", error.message);
    for changed in [request("a", 0, "EINS"), request("b", 0, "zwei")] {
        let error = replay.call(&changed).await.unwrap_err();
        let told = format!("the request for example {} is not the recorded one", changed.example_id);
        assert_eq!(error.kind, CallErrorKind::Refused);
        assert!(error.message.contains(&told) && error.message.ends_with("record it again"), "{}", error.message);
    }
    assert!(replay.call(&request("a", 2, "eins")).await.is_err(), "another repeat is another request");
}

#[test]
fn the_fingerprint_is_the_hash_of_the_bytes() {
    let recorded = Recorded::new();
    let hash = content_hash("cassette", recorded.text().as_bytes());
    assert_eq!(recorded.replay().fingerprint(), hash);
    std::fs::write(&recorded.path, recorded.text() + "\n").unwrap();
    assert_ne!(recorded.replay().fingerprint(), hash, "a blank line changes the file but does no harm");
    assert_eq!(recorded.replay().entries(), 3);
}

#[tokio::test]
async fn an_error_of_an_unknown_kind_is_internal() {
    let recorded = Recorded::new();
    std::fs::write(&recorded.path, recorded.text().replace("rate_limited", "out_of_cheese")).unwrap();
    let error = recorded.replay().call(&request("a", 1, "eins")).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (CallErrorKind::Internal, "too often"));
}

#[test]
fn errors_in_lines_name_the_file_and_the_line() {
    let recorded = Recorded::new();
    let text = recorded.text();
    let cases = [
        (String::new(), "the cassette FILE is empty"),
        ("{\"id\": 1}\n".into(), "FILE, line 1: this is not a cassette"),
        ("\u{0}\u{1}".into(), "FILE, line 1: this is not a cassette"),
        (text.replace("cassette/1", "cassette/2"), "FILE, line 1: the cassette has the format \"karat.cassette/2\""),
        (text.replace("\"repeats\":2", "\"repeats\":-2"), "FILE, line 1: the header is invalid"),
        (text.replace("\"error\":{", "\"error\":["), "FILE, line 3: "),
        (text.replace("\"output\":\"\"", "\"output\":7"), "FILE, line 4: "),
        (text.replace("\"output\":\"\",", ""), "FILE, line 4: neither output nor error is given"),
        (text.replace("\"error\":{", "\"output\":\"x\",\"error\":{"), "FILE, line 3: both output and error are given"),
        (text.replace("12.346", "-1"), "FILE, line 2: latency_ms -1 is not a duration"),
        (text.replace("12.346", "1e300"), "FILE, line 2: latency_ms"),
        (text.replace("\"request\":\"", "\"request\":\"+"), "FILE, line 2: request is not 32 hex digits"),
        (text.replace("\"trial\":1", "\"trial\":0"), "FILE, line 3: example a, trial 0 appears twice"),
        (text.trim_end().trim_end_matches('}').to_owned(), "FILE, line 4: "),
    ];
    for (text, begin) in cases {
        let told = recorded.refused(&text);
        assert!(told.starts_with(begin), "{told}\nis not\n{begin}");
    }
    let missing = Replay::open("r".into(), &recorded.folder.path().join("gone")).err().unwrap();
    assert!(missing.message.starts_with("there is no cassette "), "{}", missing.message);
}

#[tokio::test]
async fn a_cassette_that_changes_while_it_is_open_is_noticed() {
    let recorded = Recorded::new();
    let replay = recorded.replay();
    std::fs::write(&recorded.path, "{}\n").unwrap();
    let error = replay.call(&request("a", 0, "eins")).await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Internal);
    assert!(error.message.ends_with("has changed since it was opened"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_read_their_own_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let mut writer = CassetteWriter::create(&path, &header()).unwrap();
    for number in 0..500 {
        let text = format!("t{number}");
        let answer = Response::new(format!("{number} {}", "x".repeat(number)), Duration::ZERO);
        writer.write(&CassetteEntry::new(&request(&number.to_string(), 0, &text), Ok(&answer))).unwrap();
    }
    writer.finish().unwrap();
    let replay = std::sync::Arc::new(Replay::open("r".into(), &path).unwrap());
    let mut calls = tokio::task::JoinSet::new();
    for number in (0..500).rev() {
        let replay = std::sync::Arc::clone(&replay);
        calls.spawn(async move {
            let answer = replay.call(&request(&number.to_string(), 0, &format!("t{number}"))).await.unwrap();
            answer.output.starts_with(&format!("{number} "))
        });
    }
    assert!(calls.join_all().await.into_iter().all(|is_own| is_own));
}
