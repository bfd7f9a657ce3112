//! Runs that are killed, stopped or concurrent: recorded outcomes are never lost, and a resumed run sends only the
//! rest.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::runner::{Folder, wait};
use crate::server::{Reply, Server};
use crate::workspace::{questions, quiz, right};

/// Number of examples of a run that is interrupted.
const EXAMPLES: usize = 2000;

/// Number of concurrent requests.
const JOBS: usize = 16;

/// How many requests a kill can waste: those in flight, and answers not yet on disk.
const IN_HAND: usize = 4 * JOBS;

/// A server that responds slowly enough for a run to be interrupted.
fn slow_server() -> Server {
    Server::start(|ask| Reply::Later(Duration::from_millis(8), right(ask.input)))
}

/// Starts the run and returns it when `answers` requests have been received.
fn broken_off(folder: &Folder, server: &Server, answers: usize) -> Child {
    let mut child = folder.command(&["run", "quiz", "-j", &JOBS.to_string()]).spawn().unwrap();
    let started = Instant::now();
    while server.total() < answers {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be interrupted");
        assert!(started.elapsed() < Duration::from_secs(60), "only {} requests came in", server.total());
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

/// Inputs with a recorded outcome.
fn recorded(folder: &Folder) -> BTreeSet<String> {
    let connection = folder.database();
    let mut statement = connection.prepare("SELECT example_id FROM outcomes").unwrap();
    let ids = statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
    ids.map(|id| id.replace('q', "question ")).collect()
}

/// Every example has exactly one outcome, all of one finished run.
fn assert_whole(folder: &Folder) {
    assert_eq!(folder.count("SELECT count(*) FROM runs"), 1);
    assert_eq!(folder.count("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL"), 1);
    assert_eq!(folder.count("SELECT count(*) FROM outcomes"), EXAMPLES as i64);
    assert_eq!(
        folder.count("SELECT count(DISTINCT example_id) FROM outcomes WHERE output IS NOT NULL"),
        EXAMPLES as i64
    );
    assert_eq!(folder.count("SELECT count(*) FROM scores WHERE value = 1.0"), EXAMPLES as i64);
    let intact: String = folder.database().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
}

/// No `stored` outcome was requested again, and of the rest no more than was in flight.
fn assert_frugal(server: &Server, stored: &BTreeSet<String>) {
    let counts = server.counts();
    assert_eq!(counts.len(), EXAMPLES);
    let again: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).map(|(input, _)| input).collect();
    assert!(again.len() <= IN_HAND, "{} examples were sent again", again.len());
    assert!(again.iter().all(|input| !stored.contains(*input)), "a recorded example was sent again");
    assert!(counts.values().all(|count| *count <= 2));
}

#[test]
fn a_run_killed_in_the_middle_is_finished_by_resume_without_sending_requests_twice() {
    let server = slow_server();
    let folder = quiz(&server.url, EXAMPLES, "gates:\n  - min: 0.9\n");
    let mut child = broken_off(&folder, &server, 600);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "killed by a signal");
    let asked = server.total();
    let stored = recorded(&folder);
    assert!(stored.len() >= 300 && stored.len() < EXAMPLES, "{} outcomes were stored", stored.len());
    assert!(stored.len() + IN_HAND >= asked, "of {asked} answers only {} were stored", stored.len());
    assert_eq!(folder.count("SELECT count(*) FROM runs WHERE finished_at IS NULL"), 1);

    let listed = folder.karat(&["list"]).expect(0);
    assert!(listed.stdout.contains(&format!("{}/{EXAMPLES} unfinished", stored.len())), "{listed}");
    let done = folder.karat(&["run", "quiz", "--resume", "--format", "json"]).expect(0);
    assert_eq!(done.json()["runs"][0]["outcomes"]["scored"], EXAMPLES);
    assert_whole(&folder);
    assert_frugal(&server, &stored);
}

#[test]
fn a_run_stopped_by_ctrl_c_says_how_to_continue_and_resume_finishes_it() {
    let server = slow_server();
    let folder = quiz(&server.url, EXAMPLES, "");
    let child = broken_off(&folder, &server, 400);
    signal(&child, "INT");
    let stopped = wait(child, "karat run quiz, stopped")
        .expect(4)
        .tells(&["finished outcomes are stored", "`karat run quiz --resume`"]);
    assert!(stopped.stdout.contains("INCOMPLETE"), "{stopped}");
    let stored = recorded(&folder);
    assert!(stored.len() >= 200 && stored.len() < EXAMPLES, "{} outcomes were stored", stored.len());

    let run: String = folder.database().query_row("SELECT run_id FROM runs", [], |row| row.get(0)).unwrap();
    folder.karat(&["run", "quiz", "--resume", &run]).expect(0);
    assert_whole(&folder);
    assert_frugal(&server, &stored);
}

#[test]
fn a_run_is_not_resumed_with_a_changed_dataset_suite_or_selection() {
    let server = slow_server();
    let folder = quiz(&server.url, EXAMPLES, "");
    let mut child = broken_off(&folder, &server, 50);
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let asked = server.total();

    folder.write("datasets/quiz/examples.jsonl", &questions(EXAMPLES).replace("answer 0007", "answer 0008"));
    let refused = |texts: &[&str]| folder.karat(&["run", "quiz", "--resume"]).expect(3).tells(texts);
    refused(&["cannot be resumed", "dataset: q0007 relabelled", "hint: "]);
    let rows = questions(EXAMPLES);
    let without_first = rows.split_once('\n').unwrap().1;
    let added = "{\"id\": \"new\", \"input\": \"new\", \"expected\": \"new\"}\n";
    folder.write("datasets/quiz/examples.jsonl", &format!("{without_first}{added}"));
    refused(&["dataset: q0001 removed", "dataset: new added"]);
    folder.write("datasets/quiz/examples.jsonl", &questions(EXAMPLES));
    folder.write("suites/quiz.yaml", "dataset: quiz\nendpoints: [model]\nscorers: [{type: contains}]\n");
    refused(&["cannot be resumed", "suite scorers: - ", "suite scorers: + ", "contains", "hint: "]);
    folder.write("suites/quiz.yaml", &crate::workspace::suite("quiz", "prompt: {text: \"Say: {{ input }}\"}\n"));
    refused(&["suite prompt: - ", "suite prompt: + ", "Say: {{ input }}"]);
    folder.write("suites/quiz.yaml", &crate::workspace::suite("quiz", ""));
    folder.karat(&["run", "quiz", "--resume", "--limit", "60"]).expect(3).tells(&["cannot be resumed", "--limit"]);
    folder.write("karat.yaml", &crate::workspace::workspace(&server.url, "").replace("test-model", "other-model"));
    folder.karat(&["run", "quiz", "--resume"]).expect(3).tells(&["cannot be resumed", "endpoint"]);
    assert_eq!(server.total(), asked, "a refused run sent a request");
}

#[test]
fn eight_processes_share_one_new_database() {
    let server = slow_server();
    let folder = quiz(&server.url, 60, "gates:\n  - min: 0.9\n");
    let start = || folder.command(&["run", "quiz", "--no-cache"]).spawn().unwrap();
    let children: Vec<Child> = (0..8).map(|_| start()).collect();
    for child in children {
        let done = wait(child, "karat run quiz, one of eight").expect(0);
        assert!(!done.stderr.contains("locked") && !done.stderr.contains("another process"), "{done}");
    }
    assert_eq!(folder.count("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL"), 8);
    assert_eq!(folder.count("SELECT count(*) FROM outcomes"), 480);
    assert!(server.counts().values().all(|count| *count == 8));
    let intact: String = folder.database().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
}

/// How often the run of [`a_run_killed_again_and_again_ends_as_if_nothing_had_happened`] is killed.
/// `KARAT_KILLS=100 cargo test --test cli killed_again` is the long form.
fn kills() -> usize {
    std::env::var("KARAT_KILLS").map_or(3, |text| text.parse().expect("KARAT_KILLS is a number"))
}

/// A number below `bound` that differs at every call and in every run of the tests.
fn random(bound: usize) -> usize {
    use std::hash::{BuildHasher, Hasher};
    let drawn = std::collections::hash_map::RandomState::new().build_hasher().finish();
    usize::try_from(drawn % bound.max(1) as u64).unwrap()
}

/// All stored outcomes; none if the database does not exist yet.
fn stored(folder: &Folder) -> BTreeMap<String, (Option<String>, i64, Option<f64>)> {
    let path = folder.path(".karat/karat.db");
    let Ok(connection) = rusqlite::Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
    else {
        return BTreeMap::new();
    };
    let sql = "SELECT example_id || '/' || trial, error_kind, answered_at, latency_ms FROM outcomes";
    let Ok(mut statement) = connection.prepare(sql) else { return BTreeMap::new() };
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_run_killed_again_and_again_ends_as_if_nothing_had_happened() {
    const COUNT: usize = 400;
    // Right, wrong, and in error, each always for the same questions.
    let server = || {
        Server::start(|ask| {
            let answer = match ask.input.as_bytes() {
                [.., b'7'] => "no idea".to_owned(),
                [.., b'1', b'9'] => return Reply::Json(400, serde_json::json!({"error": {"message": "too hard"}})),
                _ => right(ask.input),
            };
            Reply::Later(Duration::from_millis(5), answer)
        })
    };
    let gates = "gates:\n  - min: 0.8\nerror_tolerance: 0.1\n";
    let (killed, whole) = (server(), server());
    let folder = quiz(&killed.url, COUNT, gates);
    let (mut done, mut before) = (0, BTreeMap::new());
    let all = kills();
    while done < all {
        let mut child = folder.command(&["run", "quiz", "--resume", "-j", "4"]).spawn().unwrap();
        let left = COUNT - before.len();
        let (start, more) = (killed.total(), random(2 * left / (all - done + 2) + 1));
        let started = Instant::now();
        while killed.total() < start + more && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(60), "the run makes no progress");
            std::thread::sleep(Duration::from_micros(300));
        }
        // Also before the first request, and between requests.
        std::thread::sleep(Duration::from_micros(random(if more == 0 { 60_000 } else { 6_000 }) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        done += 1;
        let after = stored(&folder);
        for (id, outcome) in &before {
            assert_eq!(after.get(id), Some(outcome), "kill {done} changed the stored outcome of {id}");
        }
        before = after;
    }
    let resumed = folder.karat(&["run", "quiz", "--resume", "-j", "4", "--format", "json"]).expect(0);
    let after = stored(&folder);
    assert!(before.iter().all(|(id, outcome)| after.get(id) == Some(outcome)));
    assert_eq!((after.len(), folder.count("SELECT count(*) FROM runs")), (COUNT, 1));
    assert_eq!(folder.count("SELECT count(*) FROM scores"), COUNT as i64 * 99 / 100);
    let intact: String = folder.database().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
    // A kill can waste only what was in flight or not yet on disk.
    assert!(killed.total() <= COUNT + all * 16, "{} requests and {all} kills", killed.total());

    let other = quiz(&whole.url, COUNT, gates);
    let uninterrupted = other.karat(&["run", "quiz", "--format", "json"]).expect(0);
    let comparable = |done: &crate::runner::Done| {
        let mut view = done.json();
        for key in ["run_id", "started_at", "latency"] {
            view["runs"][0].as_object_mut().unwrap().remove(key);
        }
        // Error messages contain the server's port.
        folder.stable(&view.to_string())
    };
    assert_eq!(comparable(&resumed), comparable(&uninterrupted));
    assert!(resumed.stdout.contains("no idea") && resumed.stdout.contains("too hard"));
}

/// Text that hardly compresses.
fn noise(input: &str, length: usize) -> String {
    let mut state = input.bytes().fold(7_u64, |state, byte| state.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + ((state >> 40) % 90) as u8)
    };
    (0..length).map(|_| draw()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_no_stored_outcome_and_the_run_continues_elsewhere() {
    let may_mount = Command::new("unshare").args(["-rm", "sh", "-c", "mount -t tmpfs none /mnt"]).output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: a full disk cannot be tested here, since `unshare -rm` may not mount a tmpfs");
        return;
    }
    const COUNT: usize = 200;
    let server = Server::start(|ask| Reply::Text(format!("{} {}", right(ask.input), noise(ask.input, 40_000))));
    let folder = quiz(&server.url, COUNT, "gates:\n  - min: 0.9\n");
    folder.write("suites/quiz.yaml", &folder.read("suites/quiz.yaml").replace("exact", "contains"));
    std::fs::create_dir(folder.path("small")).unwrap();
    std::fs::create_dir(folder.path("large")).unwrap();
    let config = |store: &str| {
        folder.write("karat.yaml", &crate::workspace::workspace(&server.url, &format!("store: {store}/karat.db\n")))
    };
    config("small");
    let script = "mount -t tmpfs -o size=3m none small || exit 99; \"$@\"; code=$?; cp small/* large/; exit $code";
    let inner = folder.command(&["run", "quiz", "-j", "4"]);
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", script, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(folder.root());
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let full = folder.finish(command).expect(5);
    assert!(!full.stderr.contains("damaged"), "{full}");
    let full = full.tells(&[
        "no space is left for the database",
        "small/karat.db",
        "hint: ",
        "free some space",
        "karat run --resume",
    ]);
    assert_eq!(full.stdout, "");

    config("large");
    let rows = || {
        let connection = rusqlite::Connection::open(folder.path("large/karat.db")).unwrap();
        let sql = "SELECT example_id, answered_at, latency_ms FROM outcomes ORDER BY example_id";
        let mut statement = connection.prepare(sql).unwrap();
        let rows =
            statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, f64>(2)?)));
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let before = rows();
    assert!((10..COUNT).contains(&before.len()), "{} outcomes fitted", before.len());
    let asked = server.total();
    assert!(before.len() + 16 >= asked, "of {asked} answers only {} were stored", before.len());
    let view = folder.run(&["quiz", "--resume"], 0);
    assert_eq!(view["runs"][0]["outcomes"]["scored"], COUNT);
    let after = rows();
    assert!(before.iter().all(|row| after.contains(row)), "a stored outcome has changed");
    assert_eq!((after.len(), server.total()), (COUNT, asked + COUNT - before.len()));
}

#[test]
fn resume_finishes_the_runs_of_one_command_and_ignores_older_runs() {
    let server = Server::start(|ask| Reply::Later(Duration::from_millis(60), right(ask.input)));
    let folder = quiz(&server.url, 20, "");
    folder.write(
        "suites/quiz.yaml",
        "dataset: quiz\nendpoints: [model]\nscorers: [{type: exact}]\nprompts:\n  first: {text: \"{{ input }}\"}\n  second: {messages: [{role: system, content: Answer.}, {role: user, content: \"{{ input }}\"}]}\n",
    );
    let both = |more: &[&'static str]| [&["run", "quiz", "--no-cache"], more].concat();
    folder.karat(&both(&["--now", "2026-01-01T00:00:00Z"])).expect(0);
    let today = ["--now", "2026-01-02T00:00:00Z", "-j", "1", "--max-seconds", "0.5"];
    folder.karat(&both(&today)).expect(4);
    assert_eq!(folder.count("SELECT count(*) FROM runs"), 3, "the second prompt was never run");
    for time in 1..=2 {
        let view = folder.karat(&both(&["--resume", "--format", "json"])).expect(0).json();
        for run in [&view["runs"][0], &view["runs"][1]] {
            assert_eq!((&run["started_at"], &run["outcomes"]["scored"]), (&"2026-01-02T00:00:00Z".into(), &20.into()));
        }
        assert_eq!(folder.count("SELECT count(*) FROM runs"), 4, "time {time}");
        assert_eq!(folder.count("SELECT count(*) FROM outcomes"), 80, "time {time}");
    }
}
