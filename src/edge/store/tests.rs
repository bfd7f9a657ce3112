use std::time::Duration;

use super::*;
use crate::core::domain::{
    CallError, CallErrorKind, Outcome, OutcomeResult, Response, Score, TrafficRecord, Usage, Window, parse_timestamp,
};

fn header(run_id: &str) -> RunHeader {
    RunHeader {
        run_id: run_id.into(),
        suite: "s".into(),
        suite_version: "sv".into(),
        dataset: "d".into(),
        dataset_version: "dv".into(),
        endpoint: "e".into(),
        endpoint_fingerprint: "f".into(),
        total: 2,
        started_at: "2026-09-01T00:00:00Z".into(),
    }
}

fn answered(id: &str, output: &str) -> Outcome {
    let response = Response {
        output: output.into(),
        model: Some("m".into()),
        usage: Usage { prompt_tokens: Some(3), completion_tokens: None },
        latency: Duration::from_millis(12),
        attempts: 1,
    };
    let scores =
        vec![("exact".to_owned(), Score::Value(1.0, None)), ("other".to_owned(), Score::Skipped("why".into()))];
    Outcome { example_id: id.into(), trial: 0, result: OutcomeResult::Answered { response, scores } }
}

async fn record(store: &Store, outcome: Outcome) -> Result<(), Failure> {
    store.record_outcome("run-1", outcome).wait().await
}

#[tokio::test]
async fn outcomes_read_back_and_an_error_has_no_output_and_no_score() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a/karat.db")).unwrap();
    store.begin_run(header("run-1")).unwrap();
    record(&store, answered("1", &"long ".repeat(200))).await.unwrap();
    let error = CallError::new(CallErrorKind::Timeout, "slow");
    record(&store, Outcome { example_id: "2".into(), trial: 0, result: OutcomeResult::Failed(error) }).await.unwrap();
    let outcomes = store.outcomes("run-1").unwrap();
    assert_eq!(outcomes[0].output.as_deref(), Some("long ".repeat(200).as_str()));
    assert_eq!(outcomes[0].scores["other"], Score::Skipped("why".into()));
    assert_eq!(outcomes[1].error, Some(("timeout".into(), "slow".into())));
    assert!(outcomes[1].output.is_none() && outcomes[1].scores.is_empty());
}

#[tokio::test]
async fn an_outcome_recorded_twice_stays_as_it_first_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    store.begin_run(header("run-1")).unwrap();
    record(&store, answered("1", "first")).await.unwrap();
    record(&store, answered("1", "second")).await.unwrap();
    let outcomes = store.outcomes("run-1").unwrap();
    assert_eq!((outcomes.len(), outcomes[0].output.as_deref()), (1, Some("first")));
}

#[tokio::test]
async fn a_write_that_fails_takes_nothing_else_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    store.begin_run(header("run-1")).unwrap();
    let good = store.record_outcome("run-1", answered("1", "x"));
    let orphan = store.record_outcome("no such run", answered("1", "x"));
    let after = store.record_outcome("run-1", answered("2", "x"));
    assert!(good.wait().await.is_ok() && after.wait().await.is_ok());
    assert_eq!(orphan.wait().await.unwrap_err().kind, crate::core::domain::FailureKind::Store);
    assert_eq!(store.outcomes("run-1").unwrap().len(), 2);
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("karat.db");
    drop(Store::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    drop(connection);
    let failure = Store::open(&path).err().unwrap();
    assert!(failure.message.contains("version 999, but this karat knows versions up to 2"), "{failure}");
    assert_eq!(failure.hint.as_deref(), Some("update karat, or set \"store\" in karat.yaml to another path"));
}

#[test]
fn a_file_that_is_no_database_and_another_programs_database_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.db");
    std::fs::write(&path, "this is not a database, but it is long enough to be looked at".repeat(20)).unwrap();
    assert!(Store::open(&path).err().unwrap().message.ends_with("is not a karat database"));
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(Store::open(&foreign).err().unwrap().message.ends_with("is a database of another program"));
    let directory = Store::open(folder.path()).err().unwrap();
    assert!(directory.message.starts_with("cannot open the database"), "{directory}");
}

#[test]
fn two_stores_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("karat.db");
    let stores: Vec<Store> = (0..4).map(|_| Store::open(&path).unwrap()).collect();
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for step in 0..20 {
                    store.begin_run(header(&format!("run-{number}-{step}"))).unwrap();
                }
            });
        }
    });
    assert_eq!(stores[0].recent_runs(1000).unwrap().len(), 80);
}

fn traffic(id: &str, at: &str) -> TrafficRecord {
    TrafficRecord {
        structure: None,
        record_id: id.into(),
        at: parse_timestamp(at).unwrap(),
        input: format!("text of {id}"),
        output: None,
        group: Some("g".into()),
        inclusion_probability: 0.5,
    }
}

#[test]
fn traffic_is_kept_once_and_found_by_its_window() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    let records =
        vec![traffic("a", "2026-08-31T23:59:59Z"), traffic("b", "2026-09-01"), traffic("c", "2026-09-30T23:59:59Z")];
    assert_eq!(store.keep_traffic("s", records.clone()).unwrap(), 3);
    assert_eq!(store.keep_traffic("s", records).unwrap(), 0);
    let month = Window::parse("2026-09", parse_timestamp("2026-09-01").unwrap()).unwrap();
    let found: Vec<_> = store.traffic("s", month).unwrap().into_iter().map(|stored| stored.record.record_id).collect();
    assert_eq!(found, ["b", "c"]);
    let last = parse_timestamp("2026-09-30T23:59:59Z").unwrap();
    let days = Window::parse("30d", last).unwrap();
    assert_eq!(store.traffic("s", days).unwrap().len(), 2, "the window ends just after the last record");
    let stats = store.traffic_stats().unwrap().remove(0);
    assert_eq!((stats.records, stats.weight, stats.groups), (3, 6.0, 1));
}

#[test]
fn vectors_are_kept_by_text_and_space() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    store.keep_vectors("a", vec![("x".into(), vec![1.0, -0.5])]).unwrap();
    let found = store.vectors("a", &["y", "x"]).unwrap();
    assert_eq!(found.get(&1), Some(&vec![1.0, -0.5]));
    assert!(!found.contains_key(&0) && store.vectors("b", &["x"]).unwrap().is_empty());
}
