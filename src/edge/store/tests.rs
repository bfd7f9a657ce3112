use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::cache::CacheStats;
use super::outcomes::RecordedTrial;
use super::*;
use crate::core::domain::{
    CallError, CallErrorKind, Flag, Outcome, OutcomeResult, ReasonCode, RecordedOutcome, RequestKey, Response, RunId,
    Score, TrafficRecord, Usage, Window, content_hash, parse_timestamp, short,
};
use crate::core::labelling::Labels;
use crate::core::queue::{ChangedRow, Decided, FlagChange, QueueState, QueueStep};

fn id(run_id: &str) -> RunId {
    RunId::new(run_id)
}

fn at(text: &str) -> Timestamp {
    parse_timestamp(text).unwrap()
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn header(run_id: &str) -> RunHeader {
    RunHeader {
        run_id: RunId::new(run_id),
        suite: "s".into(),
        suite_version: "sv".into(),
        dataset: "d".into(),
        dataset_version: "dv".into(),
        endpoint: "e".into(),
        endpoint_fingerprint: "f".into(),
        prompt: None,
        repeats: 1,
        selection: String::new(),
        total: 2,
        started_at: at("2026-09-01T00:00:00Z"),
    }
}

fn answered(id: &str, output: &str) -> Outcome {
    let response = Response {
        model: Some("m".into()),
        usage: Usage { prompt_tokens: Some(3), completion_tokens: None },
        ..Response::new(output.into(), Duration::from_millis(12))
    };
    let scores =
        Some(vec![("exact".to_owned(), Score::Value(1.0, None)), ("other".to_owned(), Score::Skipped("why".into()))]);
    let result = OutcomeResult::Answered { response, scores };
    Outcome { example_id: id.into(), trial: 0, key: None, cost: None, result }
}

fn failed(id: &str) -> Outcome {
    let result = OutcomeResult::Failed(CallError::new(CallErrorKind::Timeout, "slow"));
    Outcome { example_id: id.into(), trial: 0, key: None, cost: None, result }
}

fn outcomes(store: &Store) -> Result<Vec<RecordedOutcome>, Failure> {
    let mut outcomes = Vec::new();
    store.each_outcome(&id("run-1"), &mut |outcome| outcomes.push(outcome))?;
    Ok(outcomes)
}

async fn record(store: &Store, outcome: Outcome) -> Result<(), Failure> {
    store.record_outcome(&id("run-1"), outcome, second(1_000)).wait().await
}

#[tokio::test]
async fn outcomes_read_back_and_an_error_has_no_output_and_no_score() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a/karat.db")).unwrap();
    store.start_run(header("run-1")).unwrap();
    record(&store, answered("1", &"long ".repeat(200))).await.unwrap();
    record(&store, failed("2")).await.unwrap();
    let outcomes = outcomes(&store).unwrap();
    assert_eq!(outcomes[0].output.as_deref(), Some("long ".repeat(200).as_str()));
    assert_eq!(outcomes[0].scores["other"], Score::Skipped("why".into()));
    assert_eq!(outcomes[1].error, Some((CallErrorKind::Timeout, "slow".into())));
    assert!(outcomes[1].output.is_none() && outcomes[1].scores.is_empty());
}

#[tokio::test]
async fn damaged_contents_are_an_error_that_names_the_database() {
    let damages: [(&str, &str); 3] = [
        ("plain bytes that are not text", "UPDATE contents SET codec = 0, data = x'61ff62'"),
        ("compressed bytes that do not unpack", "UPDATE contents SET codec = 1, data = x'28b52ffd00ff'"),
        ("truncated compressed bytes", "UPDATE contents SET data = substr(data, 1, length(data) - 3)"),
    ];
    for (name, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("karat.db")).unwrap();
        store.start_run(header("run-1")).unwrap();
        record(&store, answered("1", &"long ".repeat(200))).await.unwrap();
        Connection::open(store.path()).unwrap().execute(damage, []).unwrap();
        let failure = outcomes(&store).unwrap_err();
        assert_eq!(failure.kind, crate::core::domain::FailureKind::Store, "{name}");
        assert_eq!(failure.message, format!("the database {} is damaged", store.path().display()), "{name}");
    }
}

#[tokio::test]
async fn a_time_that_karat_cannot_have_written_is_damage() {
    type Read = fn(&Store) -> Option<Failure>;
    let damages: [(&str, Read); 2] = [
        ("UPDATE runs SET started_at = 'yesterday'", |store| store.run("run-1").err()),
        ("UPDATE runs SET finished_at = '2026-13-01'", |store| store.recent_runs(1).err()),
    ];
    for (damage, read) in damages {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("karat.db")).unwrap();
        store.start_run(header("run-1")).unwrap();
        record(&store, failed("1")).await.unwrap();
        assert!(read(&store).is_none(), "{damage}");
        Connection::open(store.path()).unwrap().execute(damage, []).unwrap();
        let failure = read(&store).unwrap();
        assert!(failure.message.ends_with("is damaged") && failure.message.contains("karat.db"), "{failure}");
    }
}

#[tokio::test]
async fn an_answer_recorded_twice_remains_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    store.start_run(header("run-1")).unwrap();
    record(&store, answered("1", "first")).await.unwrap();
    record(&store, answered("1", "second")).await.unwrap();
    let outcomes = outcomes(&store).unwrap();
    assert_eq!((outcomes.len(), outcomes[0].output.as_deref()), (1, Some("first")));
}

#[tokio::test]
async fn an_error_is_replaced_by_a_later_attempt_but_an_answer_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    store.start_run(header("run-1")).unwrap();
    record(&store, failed("1")).await.unwrap();
    assert_eq!(store.run_totals(&id("run-1")).unwrap(), RunTotals { recorded: 1, errors: 1, unscored: 0, cost: 0.0 });
    record(&store, Outcome { cost: Some(0.25), ..answered("1", "second") }).await.unwrap();
    record(&store, failed("1")).await.unwrap();
    let outcomes = outcomes(&store).unwrap();
    assert_eq!((outcomes.len(), outcomes[0].output.as_deref(), outcomes[0].scores.len()), (1, Some("second"), 2));
    assert_eq!(store.run_totals(&id("run-1")).unwrap(), RunTotals { recorded: 1, errors: 0, unscored: 0, cost: 0.25 });
    assert_eq!(
        store.recorded_trials(&id("run-1"), "1").unwrap(),
        [RecordedTrial { trial: 0, is_error: false, is_unscored: false, has_failed_score: false }]
    );
}

#[tokio::test]
async fn an_answer_is_reused_by_other_runs_until_it_is_too_old_and_a_reused_answer_is_not_cached_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    ["run-1", "run-2"].into_iter().for_each(|run| store.start_run(header(run)).unwrap());
    let (key, other) = (RequestKey([7; 16]), RequestKey([8; 16]));
    let keyed = |key, outcome| Outcome { key: Some(key), ..outcome };
    record(&store, keyed(key, answered("1", "x"))).await.unwrap();
    record(&store, keyed(other, failed("2"))).await.unwrap();
    let mut again = answered("1", "x");
    if let OutcomeResult::Answered { response, .. } = &mut again.result {
        response.cached = true;
    }
    store.record_outcome(&id("run-2"), keyed(key, again), second(5_000)).wait().await.unwrap();
    let found = store.cached_answer(key, second(1_000), Some(&id("run-3"))).unwrap().unwrap();
    assert_eq!((found.output.as_str(), found.cached, found.latency), ("x", true, Duration::from_millis(12)));
    assert!(store.cached_answer(key, second(1_001), Some(&id("run-3"))).unwrap().is_none(), "it is too old");
    assert!(
        store.cached_answer(key, second(0), Some(&id("run-1"))).unwrap().is_none(),
        "a run does not reuse its own answers"
    );
    assert!(store.cached_answer(other, second(0), Some(&id("run-3"))).unwrap().is_none(), "an error is not an answer");
    let stats = CacheStats { answers: 1, usable: 0, oldest: Some(second(1_000)), newest: Some(second(1_000)) };
    assert_eq!(store.cache_stats(second(1_001)).unwrap(), stats);
    assert_eq!((store.clear_cache(Some(second(1_000))).unwrap(), store.clear_cache(None).unwrap()), (0, 1));
    assert_eq!(outcomes(&store).unwrap().len(), 2);
}

#[test]
fn a_dataset_version_in_parts_reads_back_in_order_and_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    let row = |id: u32| format!("{{\"id\":\"{id}\",\"input\":\"x\"}}");
    let parts = || vec![store.save_part([row(2), row(1)].join("\n")).unwrap(), store.save_part(row(3)).unwrap()];
    store.save_dataset("d", "v1", parts(), at("2026-01-01T00:00:00Z")).unwrap();
    store.save_dataset("d", "v1", parts(), at("2026-01-02T00:00:00Z")).unwrap();
    let stored = store.stored_examples("d", "v").unwrap().unwrap();
    let found: Vec<_> = stored.map(|example| example.map(|example| (example.id, example.line)).unwrap()).collect();
    assert_eq!(found, [("2".to_owned(), 1), ("1".to_owned(), 2), ("3".to_owned(), 3)]);
    assert!(store.stored_examples("d", "w").unwrap().is_none());
}

#[tokio::test]
async fn a_write_that_fails_does_not_undo_other_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    store.start_run(header("run-1")).unwrap();
    let good = store.record_outcome(&id("run-1"), answered("1", "x"), second(0));
    let orphan = store.record_outcome(&id("no such run"), answered("1", "x"), second(0));
    let after = store.record_outcome(&id("run-1"), answered("2", "x"), second(0));
    assert!(good.wait().await.is_ok() && after.wait().await.is_ok());
    assert_eq!(orphan.wait().await.unwrap_err().kind, crate::core::domain::FailureKind::Store);
    assert_eq!(outcomes(&store).unwrap().len(), 2);
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
    let latest = format!("version 999, but this karat supports versions up to {}", migrate::MIGRATIONS.len());
    assert!(failure.message.contains(&latest), "{failure}");
    assert_eq!(failure.hint.as_deref(), Some("update karat, or set \"store\" in karat.yaml to another path"));
}

#[test]
fn a_file_that_is_not_a_database_and_another_programs_database_are_refused() {
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
                    store.start_run(header(&format!("run-{number}-{step}"))).unwrap();
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
        sample_rate: 0.5,
        model: None,
    }
}

#[test]
fn traffic_is_stored_once_and_found_by_its_window() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    let records =
        vec![traffic("a", "2026-08-31T23:59:59Z"), traffic("b", "2026-09-01"), traffic("c", "2026-09-30T23:59:59Z")];
    assert_eq!(store.save_traffic("s", records.clone()).unwrap(), [true; 3]);
    assert_eq!(store.save_traffic("s", records).unwrap(), [false; 3]);
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
fn vectors_are_stored_by_text_and_space() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    store.save_vectors("a", vec![("x".into(), vec![1.0, -0.5])]).unwrap();
    let found = store.vectors("a", &["y", "x"]).unwrap();
    assert_eq!(found.get(&1), Some(&vec![1.0, -0.5]));
    assert!(!found.contains_key(&0) && store.vectors("b", &["x"]).unwrap().is_empty());
}

/// A database as karat left it at version 4, with records of some users and some without a user.
fn version_4(path: &Path, records: &[(&str, Option<&str>)]) {
    let connection = Connection::open(path).unwrap();
    for sql in [
        include_str!("migrations/0001_initial.sql"),
        include_str!("migrations/0002_spaces.sql"),
        include_str!("migrations/0003_runner.sql"),
        include_str!("migrations/0004_names.sql"),
    ] {
        connection.execute_batch(sql).unwrap();
    }
    connection.pragma_update(None, "user_version", 4).unwrap();
    connection.pragma_update(None, "application_id", 0x4b41_5241).unwrap();
    let input = contents::put(&connection, b"text").unwrap();
    for (id, user) in records {
        let sql = "INSERT INTO traffic (source, record_id, at, input, grp, sample_rate) VALUES ('s', ?1, 1, ?2, ?3, 1)";
        connection.execute(sql, rusqlite::params![id, input, user]).unwrap();
    }
}

#[test]
fn an_upgrade_hashes_users_under_a_key_and_recognises_records_imported_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("karat.db");
    let plain = |label, text: &str| short(&content_hash(label, text.as_bytes()), 16).to_owned();
    let (jane, joe) = (plain("karat-user", "jane@example.org"), plain("karat-user", "joe"));
    let row = plain("karat-record", "a row without an id");
    let second = format!("{row}-2");
    // The last id is a trace id that only looks like a hash.
    let own = "00f067aa0ba902b7";
    version_4(&path, &[("a", Some(&jane)), (&row, Some(&jane)), (&second, Some(&joe)), (own, None)]);

    let store = Store::open(&path).unwrap();
    assert!(store.notes()[0].contains("secret key"), "{:?}", store.notes());
    let key = store.user_key().unwrap();
    let window = Window::parse("1970-01", parse_timestamp("1970-01-01").unwrap()).unwrap();
    let mut found: Vec<_> = store.traffic("s", window).unwrap().into_iter().map(|stored| stored.record).collect();
    found.sort_by(|a, b| a.group.cmp(&b.group).then(a.record_id.len().cmp(&b.record_id.len())));
    let users: Vec<_> = found.iter().map(|record| record.group.clone()).collect();
    let mut expected = vec![None, Some(key.user("jane@example.org")), Some(key.user("jane@example.org"))];
    expected.push(Some(key.user("joe")));
    expected.sort();
    assert_eq!(users, expected);

    let hidden = key.record("a row without an id");
    let again = ["a".to_owned(), hidden.clone(), format!("{hidden}-2"), own.to_owned()];
    let again = again.map(|id| traffic(&id, "1970-01-01"));
    assert_eq!(store.save_traffic("s", again.to_vec()).unwrap(), [false; 4], "records imported again are recognised");
    assert_eq!(store.save_traffic("s", vec![traffic("00f067aa0ba902b8", "1970-01-01")]).unwrap(), [true]);
    drop(store);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for old in [&jane, &joe, &row] {
            assert!(!bytes.windows(16).any(|window| window == old.as_bytes()), "an old hash remains in the file");
        }
    }
    let store = Store::open(&path).unwrap();
    assert!(store.notes().is_empty() && store.user_key().unwrap().user("joe") == key.user("joe"));
}

#[test]
fn concurrent_first_uses_of_a_database_agree_on_one_key_and_databases_have_different_keys() {
    let folder = tempfile::tempdir().unwrap();
    let users = |name: &str| {
        let stores: Vec<Store> = (0..3).map(|_| Store::open(&folder.path().join(name)).unwrap()).collect();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = stores.iter().map(|store| scope.spawn(|| store.user_key().unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().user("jane")).collect()
        });
        assert!(keys.iter().all(|user| *user == keys[0]) && stores[0].notes().is_empty());
        keys[0].clone()
    };
    assert_ne!(users("a.db"), users("b.db"));
}

/// A database as karat left it at version 2, with a run and a dataset version.
fn version_2(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(include_str!("migrations/0001_initial.sql")).unwrap();
    connection.execute_batch(include_str!("migrations/0002_spaces.sql")).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    connection.pragma_update(None, "application_id", 0x4b41_5241).unwrap();
    let rows = "{\"id\":\"1\",\"input\":\"a\"}\n{\"id\":\"2\",\"input\":\"b\"}";
    let put = |text: &str| contents::put(&connection, text.as_bytes()).unwrap();
    let (dataset, output) = (put(rows), put("x"));
    connection.execute("INSERT INTO dataset_versions VALUES ('d', 'dv', ?1, '2026-01-01')", [dataset]).unwrap();
    connection
        .execute("INSERT INTO runs VALUES ('run-1', 's', 'sv', 'd', 'dv', 'e', 'f', 1, '2026-01-01', '2026-01-01')", [])
        .unwrap();
    connection
        .execute("INSERT INTO outcomes VALUES ('run-1', '1', 0, ?1, NULL, NULL, 1, 12.0, 3, NULL, 'm')", [output])
        .unwrap();
    connection.execute("INSERT INTO scores VALUES ('run-1', '1', 0, 'exact', 1.0, NULL)", []).unwrap();
}

#[test]
fn a_database_of_version_2_is_upgraded_with_its_runs_and_its_datasets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("karat.db");
    version_2(&path);
    let store = Store::open(&path).unwrap();
    let run = store.run("run-1").unwrap().unwrap();
    assert_eq!((run.header.repeats, run.header.prompt, run.header.selection.as_str(), run.done), (1, None, "", 1));
    let outcome = outcomes(&store).unwrap().remove(0);
    assert_eq!((outcome.output.as_deref(), outcome.cached, outcome.cost), (Some("x"), false, None));
    let stored = store.stored_examples("d", "dv").unwrap().unwrap();
    assert_eq!(stored.map(|example| example.unwrap().id).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(store.cache_stats(second(0)).unwrap().answers, 0, "answers without a request key are not cached");
    assert_eq!(store.integrity().unwrap(), Vec::<String>::new());
    drop(store);
    Store::open(&path).unwrap();
}

/// An empty database of an older version, without the code of its migrations.
fn at_version(path: &Path, version: usize) -> Connection {
    let connection = Connection::open(path).unwrap();
    for (sql, _) in &migrate::MIGRATIONS[..version] {
        connection.execute_batch(sql).unwrap();
    }
    connection.pragma_update(None, "user_version", version as i64).unwrap();
    connection.pragma_update(None, "application_id", 0x4b41_5241).unwrap();
    connection
}

/// Adds a finished run to a database of version 3 or later.
fn add_run(connection: &Connection, id: &str) {
    let sql = "INSERT INTO runs (run_id, suite, suite_version, dataset, dataset_version, endpoint, endpoint_fingerprint, \
               total, started_at, finished_at, repeats, selection) VALUES (?1, 's', 'sv', 'd', 'dv', 'e', 'f', 2, \
               '2026-09-01T00:00:00Z', '2026-09-01T00:01:00Z', 1, '')";
    connection.execute(sql, [id]).unwrap();
}

#[test]
fn a_run_of_version_8_has_no_verdict_and_can_be_tagged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("karat.db");
    add_run(&at_version(&path, 8), "r8");
    let store = Store::open(&path).unwrap();
    let run = store.run("r8").unwrap().unwrap();
    let past = store.past_run(run.clone()).unwrap();
    assert_eq!((past.verdict, past.gates.len(), past.score), (None, 0, None));
    store.tag_run("main", &run, second(10)).unwrap();
    store.tag_run("main", &run, second(11)).unwrap();
    let tags: Vec<String> = store.run_tags().unwrap().into_iter().map(|tag| tag.tag).collect();
    assert_eq!(tags, ["main"]);
}

#[test]
fn a_decision_that_version_6_left_unfinished_is_read_by_later_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("karat.db");
    let connection = at_version(&path, 6);
    let step = json!({
        "dataset": "d", "example_id": "1", "code": "undated", "at": "2026-09-02T00:00:00Z", "from": "queued",
        "to": "retired", "by": "ada", "reason": null, "detail": null,
    });
    let content = json!([{"step": step, "snoozed_until": null}]).to_string();
    let sql = "INSERT INTO unfinished_edits (path, before, after, content) VALUES ('f', 'b', 'a', ?1)";
    connection.execute(sql, [content]).unwrap();
    drop(connection);
    let edit = Store::open(&path).unwrap().unfinished_edits().unwrap().remove(0);
    assert_eq!(edit.decisions.decided[0].step.to, QueueState::Retired);
    assert_eq!(edit.decisions.labels, Labels::default());
}

fn traffic_score(record_id: &str, scorer: &str, score: Score) -> TrafficScore {
    TrafficScore {
        identity: format!("identity of {scorer}"),
        source: "site".into(),
        record_id: record_id.into(),
        suite: "s".into(),
        suite_version: "sv".into(),
        scorer: scorer.into(),
        score,
    }
}

#[tokio::test]
async fn scores_of_traffic_are_found_by_what_they_were_made_with_also_in_an_upgraded_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("karat.db");
    let store = Store::open(&path).unwrap();
    let records = vec![traffic("a", "2026-08-01"), traffic("b", "2026-08-02"), traffic("c", "2026-09-02")];
    store.save_traffic("site", records).unwrap();
    drop(store);
    // As the version before left it.
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("DROP TABLE traffic_scores; ALTER TABLE traffic DROP COLUMN model").unwrap();
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "user_version", version - 3).unwrap();
    drop(connection);
    let store = Store::open(&path).unwrap();
    let scores = vec![
        traffic_score("a", "polite", Score::Value(0.5, Some("so so".into()))),
        traffic_score("b", "polite", Score::Skipped("no context".into())),
        traffic_score("c", "polite", Score::Failed("the judge did not answer".into())),
        traffic_score("a", "short", Score::Value(1.0, None)),
    ];
    store.record_traffic_scores(scores, second(1)).wait().await.unwrap();
    store
        .record_traffic_scores(vec![traffic_score("a", "short", Score::Value(0.0, None))], second(2))
        .wait()
        .await
        .unwrap();
    let polite = store.traffic_scores("identity of polite", "site").unwrap();
    assert_eq!(polite.len(), 2, "a failure is not stored: {polite:?}");
    assert_eq!(polite["a"], Score::Value(0.5, Some("so so".into())));
    assert_eq!(polite["b"], Score::Skipped("no context".into()));
    assert_eq!(store.traffic_scores("identity of short", "site").unwrap()["a"], Score::Value(0.0, None));
    assert!(store.traffic_scores("identity of short", "other").unwrap().is_empty());
    // Whoever erases a record erases its scores.
    let erase = |connection: &Connection| connection.execute("DELETE FROM traffic WHERE record_id = 'a'", []).map(drop);
    store.writer().write(erase).unwrap();
    assert_eq!(store.traffic_scores("identity of polite", "site").unwrap().len(), 1);
    assert!(store.traffic_scores("identity of short", "site").unwrap().is_empty());
    let august = store.count_window("site", Window::parse("2026-08", second(0)).unwrap()).unwrap();
    assert_eq!((august.records, august.with_output.len()), (1, 0));
}

fn decay_save(id: &str, at: &str, state: QueueState) -> DecaySave {
    let flag = Flag {
        example_id: "1".into(),
        code: ReasonCode::TrafficVanished,
        score: 0.7,
        threshold: 0.5,
        evidence: "gone".into(),
        basis: "b".into(),
    };
    let window = json!({"from": "2026-08-01T00:00:00Z", "to": "2026-09-01T00:00:00Z", "records": 1, "weight": 1.0});
    let view = json!({
        "schema": "karat.decay/1", "dataset": "d", "dataset_version": format!("of {id}"), "taxonomy": null, "space": "s",
        "window": window, "reference": null, "karats": null, "coverage": null, "reference_coverage": null,
        "drift_gap": null, "alarm": null, "shift": [], "clusters": [], "unassigned_mass": 0.0,
        "not_embeddable_mass": 0.0, "golden": 1, "live": 1, "examples": [], "signals": [], "candidates": [],
        "estimate": null, "gates": [], "verdict": "inconclusive", "notes": [at],
    });
    let view = serde_json::from_value(view).unwrap();
    let clustering = StoredClustering {
        version: format!("clusters {at}"),
        reference: "2026-06".into(),
        parent: None,
        content: "{}".into(),
    };
    DecaySave {
        parts: vec![format!("row {at}")],
        clustering: Some(clustering),
        changes: vec![FlagChange {
            flag,
            from: None,
            to: state,
            evidence_hash: "h".into(),
            snoozed_until: None,
            traffic_share: Some(0.25),
        }],
        measurement: MeasurementRow { measurement_id: id.into(), measured_at: at.into(), view },
    }
}

#[test]
fn a_decay_measurement_that_cannot_be_saved_completely_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    store.save_decay(decay_save("one", "2026-09-01", QueueState::Queued)).unwrap();
    let found = || {
        let versions = store.clusterings("d", "s").unwrap().into_iter().map(|stored| stored.version);
        let contents: i64 = store.reader().query_row("SELECT count(*) FROM contents", [], |row| row.get(0)).unwrap();
        (store.flags("d").unwrap(), versions.collect::<Vec<_>>(), store.measurements("d", "s", 9).unwrap(), contents)
    };
    let before = found();
    assert_eq!((before.0.len(), before.1.len(), before.2.len()), (1, 1, 1));
    assert_eq!((before.0[0].state, before.0[0].last_seen.as_str()), (QueueState::Queued, "2026-09-01"));
    // The last row written has the id of an existing measurement.
    let again = store.save_decay(decay_save("one", "2026-09-02", QueueState::Cleared)).unwrap_err();
    assert_eq!(again.kind, crate::core::domain::FailureKind::Store);
    assert_eq!(found(), before);
    store.save_decay(decay_save("two", "2026-09-02", QueueState::Cleared)).unwrap();
    let after = found();
    assert_eq!((after.1.len(), after.2.len()), (2, 2));
    assert_eq!((after.0[0].state, after.0[0].last_seen.as_str()), (QueueState::Cleared, "2026-09-02"));
    assert_eq!(after.0[0].first_seen, "2026-09-01");
    assert!(store.stored_examples("d", "of two").unwrap().is_some());
}

#[test]
fn earlier_looks_are_those_at_the_same_source_with_a_drift_gap() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("karat.db")).unwrap();
    let look = |source: &str| json!({"source": source, "level": 0.0024, "spent": 0.0005, "alarm_level": 0.05, "alarm_period": 90});
    let gap = json!({"value": 0.1, "lo": 0.0, "hi": 0.2, "p_value": 0.01});
    let cases = [
        ("without a gap", json!(null), json!(null)),
        ("by an older version", gap.clone(), json!(null)),
        ("at this source", gap.clone(), look("site")),
        ("at another source", gap, look("app")),
    ];
    for (number, (what, gap, look)) in cases.into_iter().enumerate() {
        let mut save = decay_save(what, &format!("2026-09-0{}", number + 1), QueueState::Queued);
        let mut view = serde_json::to_value(&save.measurement.view).unwrap();
        view["reference"] = view["window"].clone();
        (view["drift_gap"], view["look"]) = (gap, look);
        save.measurement.view = serde_json::from_value(view).unwrap();
        store.save_decay(save).unwrap();
    }
    let looks = store.looks("d", "s", "site").unwrap();
    let found: Vec<(&str, bool)> =
        looks.iter().map(|look| (look.look.dataset_version.as_str(), look.given.is_some())).collect();
    assert_eq!(found, [("of at this source", true), ("of by an older version", false)], "the newest is first");
    let (level, promise) = looks[0].given.unwrap();
    assert_eq!((level.level, level.spent, promise.level, promise.period), (0.0024, 0.0005, 0.05, 90));
    assert!(store.looks("d", "other", "site").unwrap().is_empty());
}

#[test]
fn a_decision_can_be_undone_once_and_one_from_before_the_upgrade_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("karat.db");
    version_4(&path, &[]);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("migrations/0005_user_key.sql")).unwrap();
    connection.execute_batch(include_str!("migrations/0006_queue.sql")).unwrap();
    connection.pragma_update(None, "user_version", 6).unwrap();
    let sql = "INSERT INTO queue_steps (dataset, example_id, code, at, from_state, to_state, by_whom) \
               VALUES ('d', 'e', 'undated', '2026-01-01T00:00:00Z', 'queued', 'confirmed', 'ada')";
    connection.execute(sql, []).unwrap();
    drop(connection);

    let store = Store::open(&path).unwrap();
    let old = store.logged_steps("d", Some("e"), 0).unwrap();
    assert_eq!((old.len(), old[0].decision, old[0].undone), (1, None, false));
    let step = QueueStep { from: Some(QueueState::Confirmed), to: QueueState::Dismissed, ..old[0].step.clone() };
    let row = Some(ChangedRow { before: "old".into(), after: "new".into() });
    let decided = Decided { step, snoozed_until: None, row: row.clone(), undoes: None };
    let number = store.decide(vec![decided.clone()].into()).unwrap();
    let undoing = Decided { row: None, undoes: Some(number), ..decided };
    store.decide(vec![undoing].into()).unwrap();
    let log = store.logged_steps("d", None, old[0].id).unwrap();
    let found: Vec<_> = log.iter().map(|logged| (logged.decision, logged.undone, logged.row.clone())).collect();
    assert_eq!(found, [(Some(number), true, row), (None, false, None)]);
    assert_eq!(store.last_step().unwrap(), log[1].id);
    assert!(store.logged_steps("other", None, 0).unwrap().is_empty());
}

#[tokio::test]
async fn a_database_of_version_10_gets_validations_whose_items_are_replaced_and_whose_calls_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("karat.db");
    add_run(&at_version(&path, 10), "r10");
    let store = Store::open(&path).unwrap();
    let header = |id: &str, identity: &str, run: Option<&str>| ValidationHeader {
        validation_id: id.into(),
        suite: "s".into(),
        scorer: "rubric".into(),
        identity: identity.into(),
        judge: "judge grader".into(),
        labels_hash: "h".into(),
        run_id: run.map(RunId::new),
        started_at: at("2026-09-02T00:00:00Z"),
    };
    let (first, of_run) = (header("v1", "i1", None), header("v0", "i1", Some("r10")));
    store.start_validation(&of_run).unwrap();
    store.start_validation(&first).unwrap();
    assert_eq!(store.unfinished_validation(&header("v2", "i1", None)).unwrap(), Some(first.clone()));
    assert_eq!(store.unfinished_validation(&header("v2", "i2", None)).unwrap(), None, "another judge");
    assert_eq!(store.first_validation(&header("v2", "i2", None)).unwrap(), None, "it is not finished");
    let item = |score: Score| ValidationItem {
        item: 3,
        score,
        verdicts: vec![json!({"score": 1.0})],
        models: vec!["m".into()],
        calls: 2,
        cost: Some(0.5),
    };
    for score in [Score::Failed("no answer".into()), Score::Value(1.0, None)] {
        store.record_validation_item("v1", &item(score), second(5)).unwrap().wait().await.unwrap();
    }
    let found = store.validation_items("v1").unwrap();
    assert_eq!(found, [ValidationItem { calls: 4, cost: Some(1.0), ..item(Score::Value(1.0, None)) }]);
    assert_eq!(store.latest_validation("s", "rubric", "i1").unwrap(), None);
}
