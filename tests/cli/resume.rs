//! Killed, stopped, or side by side: what was recorded stays, and a resumed run asks only for the rest.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::runner::{Folder, wait};
use crate::server::{Reply, Server};
use crate::workspace::{questions, quiz, right};

/// Examples of a run that is broken off.
const EXAMPLES: usize = 2000;

/// Requests under way at once.
const JOBS: usize = 16;

/// A server that takes a moment, so that a run lasts long enough to be broken off.
fn slow_server() -> Server {
    Server::start(|ask| Reply::Later(Duration::from_millis(8), right(ask.input)))
}

/// Starts the run and gives it once `answers` requests came in.
fn broken_off(folder: &Folder, server: &Server, answers: usize) -> Child {
    let mut child = folder.command(&["run", "quiz", "-j", &JOBS.to_string()]).spawn().unwrap();
    let started = Instant::now();
    while server.total() < answers {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be broken off");
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

/// Nothing that was `kept` was asked again, and of the rest no more than what was under way.
fn assert_frugal(server: &Server, kept: &BTreeSet<String>) {
    let counts = server.counts();
    assert_eq!(counts.len(), EXAMPLES);
    let again: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).map(|(input, _)| input).collect();
    assert!(again.len() <= JOBS, "{} examples were asked again", again.len());
    assert!(again.iter().all(|input| !kept.contains(*input)), "a recorded example was asked again");
    assert!(counts.values().all(|count| *count <= 2));
}

#[test]
fn a_run_killed_in_the_middle_is_finished_by_resume_without_asking_twice() {
    let server = slow_server();
    let folder = quiz(&server.url, EXAMPLES, "gates:\n  - min: 0.9\n");
    let mut child = broken_off(&folder, &server, 600);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "killed by a signal");
    let asked = server.total();
    let kept = recorded(&folder);
    assert!(kept.len() >= 300 && kept.len() < EXAMPLES, "{} outcomes were kept", kept.len());
    assert!(kept.len() + JOBS >= asked, "of {asked} answers only {} were kept", kept.len());
    assert_eq!(folder.count("SELECT count(*) FROM runs WHERE finished_at IS NULL"), 1);

    let listed = folder.karat(&["list"]).expect(0);
    assert!(listed.stdout.contains(&format!("{}/{EXAMPLES} unfinished", kept.len())), "{listed}");
    let done = folder.karat(&["run", "quiz", "--resume", "--format", "json"]).expect(0);
    assert_eq!(done.json()["runs"][0]["outcomes"]["scored"], EXAMPLES);
    assert_whole(&folder);
    assert_frugal(&server, &kept);
}

#[test]
fn a_run_stopped_by_ctrl_c_says_how_to_go_on_and_resume_finishes_it() {
    let server = slow_server();
    let folder = quiz(&server.url, EXAMPLES, "");
    let child = broken_off(&folder, &server, 400);
    signal(&child, "INT");
    let stopped = wait(child, "karat run quiz, stopped")
        .expect(4)
        .tells(&["what was answered is kept", "`karat run quiz --resume`"]);
    assert!(stopped.stdout.contains("INCOMPLETE"), "{stopped}");
    let kept = recorded(&folder);
    assert!(kept.len() >= 200 && kept.len() < EXAMPLES, "{} outcomes were kept", kept.len());

    let run: String = folder.database().query_row("SELECT run_id FROM runs", [], |row| row.get(0)).unwrap();
    folder.karat(&["run", "quiz", "--resume", &run]).expect(0);
    assert_whole(&folder);
    assert_frugal(&server, &kept);
}

#[test]
fn a_run_is_not_resumed_over_a_changed_dataset_suite_or_selection() {
    let server = slow_server();
    let folder = quiz(&server.url, EXAMPLES, "");
    let mut child = broken_off(&folder, &server, 50);
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let asked = server.total();

    folder.write("datasets/quiz/examples.jsonl", &questions(EXAMPLES).replace("answer 0007", "answer 0008"));
    folder.karat(&["run", "quiz", "--resume"]).expect(3).tells(&["cannot be resumed", "dataset", "hint: "]);
    folder.write("datasets/quiz/examples.jsonl", &questions(EXAMPLES));
    folder.write("suites/quiz.yaml", "dataset: quiz\nendpoints: [model]\nscorers: [{type: contains}]\n");
    folder.karat(&["run", "quiz", "--resume"]).expect(3).tells(&["cannot be resumed", "suite", "hint: "]);
    folder.write("suites/quiz.yaml", &crate::workspace::suite("quiz", ""));
    folder.karat(&["run", "quiz", "--resume", "--limit", "60"]).expect(3).tells(&["cannot be resumed", "--limit"]);
    folder.write("karat.yaml", &crate::workspace::workspace(&server.url, "").replace("test-model", "other-model"));
    folder.karat(&["run", "quiz", "--resume"]).expect(3).tells(&["cannot be resumed", "endpoint"]);
    assert_eq!(server.total(), asked, "a refused run asked something");
}

#[test]
fn several_processes_share_one_new_database() {
    let server = slow_server();
    let folder = quiz(&server.url, 60, "gates:\n  - min: 0.9\n");
    let start = || folder.command(&["run", "quiz"]).spawn().unwrap();
    let children: Vec<Child> = (0..4).map(|_| start()).collect();
    for child in children {
        wait(child, "karat run quiz, one of four").expect(0);
    }
    assert_eq!(folder.count("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL"), 4);
    assert_eq!(folder.count("SELECT count(*) FROM outcomes"), 240);
    assert!(server.counts().values().all(|count| *count == 4));
}
