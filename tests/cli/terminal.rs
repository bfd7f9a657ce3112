//! Terminal output: lines within the width, no colour in pipes, and no errors when a pipe closes.

use std::process::Stdio;

use crate::runner::{Folder, wait};
use crate::server::{Server, nowhere};
use crate::workspace::{AUGUST, measured, quiz, wise_server};

/// A workspace with a run in which every answer is wrong, a decay measurement and a queue; and its server.
fn used() -> (Server, Folder) {
    let server = wise_server();
    let folder = measured(&server.url, "  min_karats: 18\n");
    folder.karat(&["run", "topics"]).expect(100);
    (server, folder)
}

/// The width of a line in columns: every character here is one column wide, except control characters.
fn columns(line: &str) -> usize {
    line.chars().filter(|c| !c.is_control()).count()
}

#[test]
fn tables_fit_into_80_columns() {
    let (_server, folder) = used();
    let commands: [&[&str]; 8] = [
        &["list"],
        &["queue", "list"],
        &AUGUST,
        &["show", "topics"],
        &["run", "topics"],
        &["traffic", "stats"],
        &["check", "topics", "--window", "2026-08", "--now", "2026-09-01"],
        &["--help"],
    ];
    for command in commands {
        let done = folder.karat_with(&[("COLUMNS", "80")], command);
        assert!(!done.stdout.is_empty(), "{done}");
        for line in done.stdout.lines() {
            assert!(columns(line) <= 80, "{} columns in `karat {}`: {line}", columns(line), command.join(" "));
        }
    }
}

#[test]
fn without_a_terminal_nothing_is_coloured_and_no_progress_bar_is_drawn() {
    let (_server, folder) = used();
    for command in [&["run", "topics"][..], &AUGUST, &["list"]] {
        let done = folder.karat_with(&[("TERM", "xterm-256color")], command);
        assert!(
            !done.stdout.contains('\u{1b}') && !done.stderr.contains('\u{1b}') && !done.stderr.contains('\r'),
            "{done}"
        );
    }
}

#[test]
fn data_goes_to_stdout_and_quiet_prints_nothing_else() {
    let server = wise_server();
    let folder = quiz(&server.url, 3, "");
    let done = folder.karat(&["--quiet", "run", "quiz", "--format", "json"]).expect(0);
    assert_eq!(done.stderr, "");
    assert_eq!(done.json()["schema"], "karat.run/1");
    assert_eq!(folder.karat(&["queue", "list", "-q"]).expect(0).stderr, "");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let (_server, folder) = used();
    let commands: [&[&str]; 8] = [
        &["list"],
        &["show", "topics"],
        &["queue", "list"],
        &["report", "topics", "--format", "html"],
        &AUGUST,
        &["--help"],
        &["completions", "bash"],
        &["schema", "suite"],
    ];
    for command in commands {
        // The reading end of the pipe is closed before the program writes.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut piped = folder.command(command);
        piped.stdout(Stdio::from(writer)).arg("--quiet");
        if command == ["--help"] {
            piped.arg("--help");
        }
        let child = piped.spawn().unwrap();
        drop(piped);
        let done = wait(child, &command.join(" "));
        assert_eq!(done.stderr, "", "{done}");
        assert!(done.code.is_some_and(|code| code != 101), "{done}");
    }
}

#[test]
fn with_a_closed_pipe_reports_are_still_written_and_the_gate_still_counts() {
    let (_server, folder) = used();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut piped = folder.command(&[&AUGUST[..], &["-o", "r.html", "--records", "records.jsonl"]].concat());
    piped.stdout(Stdio::from(writer));
    let child = piped.spawn().unwrap();
    drop(piped);
    let done = wait(child, "karat decay -o r.html, nobody reading");
    assert!(folder.path("records.jsonl").is_file() && folder.path("r.html").is_file(), "no report: {done}");
    done.expect(103);
}

#[test]
fn a_workspace_without_runs_lists_everything_else() {
    let folder = quiz(&nowhere(), 1, "");
    let done = folder.karat(&["list"]).expect(0);
    assert_eq!(done.stdout, "datasets   quiz\nsuites     quiz\nendpoints  model (openai)\nruns       none\n");
}
