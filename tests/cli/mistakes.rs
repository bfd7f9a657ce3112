//! Every kind of bad input: the right exit code, the place and the fix; never a panic, never a partial change.

use crate::runner::{Done, Folder};
use crate::server::nowhere;
use crate::workspace::{quiz, quiz_of, suite, workspace};

/// A workspace with three questions and an endpoint where no server listens.
fn small() -> Folder {
    quiz(&nowhere(), 3, "")
}

#[track_caller]
fn refused(done: Done, code: i32, texts: &[&str]) -> Done {
    let done = done.expect(code).tells(&["error: "]).tells(texts);
    assert_eq!(done.stdout, "", "a refused command printed data");
    done
}

#[test]
fn without_a_workspace_the_message_says_how_to_create_one() {
    let folder = Folder::new();
    refused(folder.karat(&["list"]), 3, &["karat.yaml", "hint: ", "`karat init`"]);
    refused(folder.karat(&["-C", "nowhere", "run", "x"]), 3, &["no karat.yaml in nowhere", "hint: "]);
    assert!(!folder.path(".karat").exists(), "a refused command created files");
}

#[test]
fn unknown_names_are_reported_with_the_known_ones() {
    let folder = small();
    refused(
        folder.karat(&["decay", "quzi"]),
        3,
        &["there is no dataset \"quzi\"", "datasets/quzi", "did you mean \"quiz\"?"],
    );
    refused(
        folder.karat(&["run", "quzi"]),
        3,
        &["there is no suite \"quzi\"", "suites/quzi.yaml", "did you mean \"quiz\"?"],
    );
    refused(
        folder.karat(&["run", "quiz", "-e", "modle"]),
        3,
        &["there is no endpoint \"modle\"", "karat.yaml", "hint: ", "model"],
    );
    refused(folder.karat(&["show", "nothing"]), 3, &["there is no dataset or run \"nothing\"", "`karat list`"]);
    refused(folder.karat(&["report", "quiz"]), 3, &["nothing was measured for quiz yet", "hint: "]);
    refused(folder.karat(&["run", "quiz", "--resume", "0199"]), 2, &["there is no run 0199", "`karat list`"]);
    refused(folder.karat(&["queue", "show", "quiz", "q0001"]), 3, &["q0001", "`karat queue list`"]);
    refused(folder.karat(&["dataset", "diff", "quiz"]), 3, &["not in karat.lock", "`karat dataset lock quiz`"]);

    folder.write("suites/lost.yaml", &suite("quzi", ""));
    refused(folder.karat(&["run", "lost"]), 3, &["there is no dataset \"quzi\"", "did you mean \"quiz\"?"]);
}

#[test]
fn a_bad_key_or_value_in_yaml_is_reported_with_line_column_and_the_nearest_known_one() {
    let cases = [
        (
            "karat.yaml",
            "endpoints:\n  m:\n    type: openai\n    base_ulr: http://x\n",
            "karat.yaml:4:5: unknown key \"base_ulr\"",
            "did you mean \"base_url\"?",
        ),
        ("karat.yaml", "endpoints:\n  m:\n    type: opnai\n", "karat.yaml:3:11: unknown value \"opnai\"", "openai"),
        (
            "karat.yaml",
            "decay:\n  min_karats: many\n",
            "karat.yaml:2:15: decay.min_karats is \"many\", but must be a number",
            "min_karats: ",
        ),
        ("karat.yaml", "decay:\n  min_karats: 42\n", "karat.yaml: decay.min_karats is 42", "between 0 and 24"),
        ("karat.yaml", "endpoints: [\n", "karat.yaml:", "hint: "),
        (
            "karat.yaml",
            "endpoints:\n  m: {type: openai, model: x}\n",
            "endpoints.m needs the key \"base_url\"",
            "karat.yaml",
        ),
        (
            "suites/quiz.yaml",
            "dataset: quiz\nendpoints: [model]\nscorer: [{type: exact}]\n",
            "suites/quiz.yaml:3:1: unknown key \"scorer\"",
            "did you mean \"scorers\"?",
        ),
        (
            "suites/quiz.yaml",
            "dataset: quiz\nendpoints: [model]\nscorers: [{type: exat}]\n",
            "unknown value \"exat\"",
            "did you mean \"exact\"?",
        ),
        (
            "suites/quiz.yaml",
            "dataset: quiz\nendpoints: [model]\nscorers: [{type: exact}]\ngates: [{min: 85}]\n",
            "suites/quiz.yaml",
            "between 0 and 1",
        ),
        (
            "suites/quiz.yaml",
            "dataset: quiz\nprompt: {{ input }}\nendpoints: [model]\nscorers: [exact]\n",
            "suites/quiz.yaml:2:10: is not valid YAML",
            "prompt: \"{{ input }}\"",
        ),
        (
            "suites/quiz.yaml",
            "dataset: quiz\nprompt: [1]\nendpoints: [model]\nscorers: [exact]\n",
            "suites/quiz.yaml:2:10: prompt[0] is 1, but must be a message such as {role: user",
            "hint: ",
        ),
        (
            "karat.yaml",
            "endpoints:\n  m: {type: exec, command: [a], api_key: \"${K}\"}\n",
            "karat.yaml:2:33: endpoints.m.api_key is a key of type openai",
            "not of exec",
        ),
        (
            "suites/quiz.yaml",
            "dataset: quiz\nendpoints: [model]\nscorers: [{type: regex, pattern: \"(\"}]\n",
            "suites/quiz.yaml",
            "regex",
        ),
        (
            "suites/quiz.yaml",
            "dataset: quiz\nprompt: {text: \"{{ inptu \"}\nendpoints: [model]\nscorers: [{type: exact}]\n",
            "suites/quiz.yaml",
            "error: ",
        ),
        (
            "datasets/quiz/dataset.yaml",
            "lables: [a]\n",
            "dataset.yaml:1:1: unknown key \"lables\"",
            "did you mean \"labels\"?",
        ),
    ];
    for (file, content, place, fix) in cases {
        let folder = small();
        folder.write(file, content);
        refused(folder.karat(&["run", "quiz"]), 3, &[place, fix]);
    }
}

#[test]
fn every_bad_row_of_a_dataset_is_listed_and_nothing_is_sent() {
    let rows = [
        "{\"id\": \"a\", \"input\": \"fine\", \"expected\": \"x\"}",
        "{\"id\": \"b\", \"input\": ",
        "{\"id\": \"a\", \"input\": \"the same id\", \"expected\": \"x\"}",
        "[1, 2]",
        "{\"expected\": \"no input\"}",
        "{\"input\": \"x\", \"reviewed_at\": \"soon\"}",
    ];
    let folder = quiz_of(&nowhere(), &rows.join("\n"), "");
    let done = refused(folder.karat(&["run", "quiz"]), 3, &["examples.jsonl has 5 bad rows", "hint: "]);
    for line in 2..=6 {
        assert!(done.stderr.contains(&format!("examples.jsonl:{line}: ")), "line {line} is not listed: {done}");
    }
    assert!(!done.stderr.contains("examples.jsonl:1: "), "{done}");
    assert_eq!(folder.count("SELECT count(*) FROM runs"), 0);
}

#[test]
fn an_empty_dataset_a_missing_file_and_two_files_are_refused() {
    let empty = quiz_of(&nowhere(), "\n\n", "");
    refused(empty.karat(&["run", "quiz"]), 3, &["examples.jsonl contains no examples", "hint: "]);
    let both = small();
    both.write("datasets/quiz/examples.csv", "input,expected\na,b\n");
    refused(both.karat(&["run", "quiz"]), 3, &["has both examples.jsonl and examples.csv", "hint: remove one"]);
    std::fs::remove_file(both.path("datasets/quiz/examples.csv")).unwrap();
    std::fs::remove_file(both.path("datasets/quiz/examples.jsonl")).unwrap();
    refused(both.karat(&["run", "quiz"]), 3, &["datasets/quiz has no examples", "hint: "]);
}

#[test]
fn a_filter_that_matches_nothing_is_refused() {
    refused(small().karat(&["run", "quiz", "--filter", "tag=none"]), 3, &["no example of quiz@", "--filter"]);
}

#[test]
fn a_literal_key_is_refused_and_never_shown() {
    let folder = small();
    let key = "sk-live-0123456789abcdef0123456789";
    folder.write("karat.yaml", &(workspace(&nowhere(), "") + &format!("    api_key: {key}\n")));
    let done = refused(folder.karat(&["run", "quiz"]), 3, &["endpoints.model.api_key contains a literal secret", "${"]);
    assert!(!done.stderr.contains(key), "{done}");
    folder.write("karat.yaml", &(workspace(&nowhere(), "") + &format!("    headers: {{X-Api-Key: {key}}}\n")));
    let done = refused(folder.karat(&["run", "quiz"]), 3, &["endpoints.model.headers.X-Api-Key", "hint: "]);
    assert!(!done.stderr.contains(key), "{done}");
}

#[test]
fn an_unset_variable_is_named_with_the_key_that_needs_it() {
    let folder = small();
    folder.write("karat.yaml", &(workspace(&nowhere(), "") + "    api_key: ${QUIZ_KEY}\n"));
    refused(folder.karat(&["run", "quiz"]), 3, &["endpoints.model.api_key", "QUIZ_KEY", "not set", ".env"]);
    refused(folder.karat_with(&[("QUIZ_KEY", "")], &["run", "quiz"]), 3, &["api_key"]);
    folder.write(".env", "QUIZ_KEY value without an equals sign\n");
    let done = refused(folder.karat(&["run", "quiz"]), 3, &[".env", "NAME=value"]);
    assert!(!done.stderr.contains("without an equals"), "a line of .env was shown: {done}");
}

#[test]
fn with_a_server_that_is_down_the_run_is_incomplete_and_errors_are_listed_separately() {
    let folder = small();
    let done = folder.karat(&["run", "quiz"]).expect(4);
    assert!(done.stdout.contains("INCOMPLETE") && done.stdout.contains("Endpoint errors"), "{done}");
    assert!(!done.stdout.contains("First wrong answers"), "an error was shown as a wrong answer: {done}");
    let run = &folder.karat(&["show", "quiz", "--format", "json"]).expect(0).json()["quality"]["runs"][0];
    assert_eq!(
        run["outcomes"],
        serde_json::json!({"total": 3, "scored": 0, "errored": 3, "skipped": 0, "unscored": 0})
    );
    assert_eq!(run["errors"][0]["count"], 3);
    assert_eq!(run["misses"], serde_json::json!([]));
}

#[test]
fn a_file_that_is_not_a_database_is_named_and_left_alone() {
    let folder = small();
    let text = "these are my notes, not a database\n".repeat(50);
    folder.write(".karat/karat.db", &text);
    refused(folder.karat(&["list"]), 5, &[".karat/karat.db is not a karat database", "hint: ", "store"]);
    assert_eq!(folder.read(".karat/karat.db"), text);
}

#[test]
fn a_database_of_a_newer_karat_or_of_another_program_is_refused() {
    let folder = small();
    folder.karat(&["list"]).expect(0);
    let edit =
        |sql: &str| rusqlite::Connection::open(folder.path(".karat/karat.db")).unwrap().execute_batch(sql).unwrap();
    edit("PRAGMA user_version = 999");
    refused(folder.karat(&["list"]), 5, &["karat.db has version 999", "hint: update karat"]);
    let other = small();
    std::fs::create_dir(other.path(".karat")).unwrap();
    rusqlite::Connection::open(other.path(".karat/karat.db"))
        .unwrap()
        .execute_batch("CREATE TABLE notes (text TEXT)")
        .unwrap();
    refused(other.karat(&["list"]), 5, &["is a database of another program", "hint: "]);
}

#[test]
fn a_database_that_cannot_be_opened_is_a_store_failure() {
    let folder = small();
    folder.write("karat.yaml", &format!("store: karat.yaml/karat.db\n{}", workspace(&nowhere(), "")));
    refused(folder.karat(&["list"]), 5, &["karat.yaml", "hint: "]);
    folder.write("karat.yaml", &format!("store: datasets\n{}", workspace(&nowhere(), "")));
    refused(folder.karat(&["list"]), 5, &["datasets", "hint: "]);
}

#[test]
fn wrong_flags_are_usage_errors() {
    let folder = small();
    folder.write("day.jsonl", "{\"text\": \"x\", \"ts\": \"2026-09-01\"}\n");
    folder.karat(&["traffic", "import", "day.jsonl"]).expect(0);
    let cases: [&[&str]; 15] = [
        &[],
        &["nonsense"],
        &["run"],
        &["run", "quiz", "--nonsense"],
        &["run", "quiz", "-j", "0"],
        &["run", "quiz", "-j", "513"],
        &["run", "quiz", "--filter", "tag"],
        &["run", "quiz", "--format", "yaml"],
        &["decay", "quiz", "--window", "soon"],
        &["decay", "quiz", "--now", "yesterday"],
        &["decay", "quiz", "-o", "report.docx"],
        &["traffic", "import", "day.jsonl", "--inclusion-probability", "7"],
        &["traffic", "import", "day.jsonl", "--map", "inptu=text"],
        &["queue", "list", "--state", "nonsense"],
        &["demo", "x", "--records", "5"],
    ];
    for case in cases {
        let done = folder.karat(case).expect(2);
        assert!(!done.stderr.is_empty() && done.stdout.is_empty(), "{done}");
    }
}

#[test]
fn a_traffic_file_with_too_many_bad_rows_is_refused_completely() {
    let folder = small();
    let good = |number: usize| format!("{{\"text\": \"question {number}\", \"ts\": \"2026-09-01\"}}\n");
    let mut text: String = (0..98).map(good).collect();
    text.push_str("{\"text\": \"no time\"}\n{\"text\": \n");
    folder.write("day.jsonl", &text);
    refused(
        folder.karat(&["traffic", "import", "day.jsonl"]),
        3,
        &[
            "2 of 100 rows of day.jsonl cannot be read; nothing was imported",
            "day.jsonl:99: no time",
            "day.jsonl:100: invalid JSON",
            "--max-bad",
        ],
    );
    assert_eq!(folder.count("SELECT (SELECT count(*) FROM traffic) + (SELECT count(*) FROM traffic_rejects)"), 0);
    folder.karat(&["traffic", "import", "day.jsonl", "--max-bad", "0.02"]).expect(0);
    assert_eq!(folder.count("SELECT count(*) FROM traffic"), 98);
}

#[test]
fn a_traffic_file_that_is_missing_empty_or_of_unknown_format_is_refused() {
    let folder = small();
    refused(folder.karat(&["traffic", "import", "none.jsonl"]), 3, &["cannot read none.jsonl", "hint: "]);
    folder.write("empty.jsonl", "\n");
    refused(folder.karat(&["traffic", "import", "empty.jsonl"]), 3, &["empty.jsonl contains no records"]);
    folder.write("day.parquet", "PAR1");
    refused(folder.karat(&["traffic", "import", "day.parquet"]), 3, &["cannot read day.parquet as Parquet"]);
    folder.write("day.xlsx", "PK");
    refused(folder.karat(&["traffic", "import", "day.xlsx"]), 3, &["day.xlsx is neither", ".jsonl, .json, .csv"]);
    refused(
        folder.karat(&["decay", "quiz"]),
        3,
        &["no traffic in the source \"default\"", "`karat traffic import FILE --source default`"],
    );
}

#[test]
fn the_only_source_with_traffic_needs_no_name_but_one_of_several_does() {
    let folder = small();
    folder.write("day.jsonl", "{\"input\": \"What is the answer?\", \"timestamp\": \"2026-09-01T10:00:00Z\"}\n");
    folder.karat(&["traffic", "import", "day.jsonl", "--source", "site"]).expect(0);
    let done = folder.karat(&["decay", "quiz", "--format", "json"]);
    assert!(done.stdout.contains("\"karats\""), "{}{}", done.stdout, done.stderr);
    folder.karat(&["traffic", "import", "day.jsonl", "--source", "app"]).expect(0);
    let message = ["no traffic in the source \"default\"", "sources with traffic: app, site", "pass --source"];
    refused(folder.karat(&["decay", "quiz"]), 3, &message);
}

#[test]
fn a_report_that_cannot_be_written_is_named_and_the_others_are_written() {
    let folder = small();
    folder.karat(&["run", "quiz"]).expect(4);
    let done = folder.karat(&["report", "quiz", "-o", "karat.yaml/report.html", "-o", "report.md"]);
    done.expect(1).tells(&["cannot write karat.yaml/report.html", "hint: ", "caused by: "]);
    assert!(folder.read("report.md").contains("INCOMPLETE"));
}
