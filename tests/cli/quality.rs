//! Runs over real HTTP: retries, errors that are not wrong answers, gates.

use serde_json::{Value, json};

use crate::runner::{Done, Folder};
use crate::server::{Reply, Server};
use crate::workspace::{questions, quiz, quiz_of, right, wise_server, workspace};

fn number(input: &str) -> usize {
    input.trim_start_matches("question ").parse().unwrap()
}

fn run_json(folder: &Folder, code: i32) -> Value {
    folder.karat(&["run", "quiz", "--format", "json"]).expect(code).json()
}

#[test]
fn a_429_is_retried_after_a_wait_and_is_not_an_error() {
    let server = Server::start(|ask| match ask.time {
        1 if number(ask.input) <= 4 => Reply::TooMany(1),
        _ => Reply::Text(right(ask.input)),
    });
    let folder = quiz(&server.url, 12, "gates:\n  - min: 0.7\n");
    let started = std::time::Instant::now();
    let view = run_json(&folder, 0);
    assert!(started.elapsed().as_secs_f64() >= 1.0, "Retry-After was not waited for");
    assert_eq!(
        view["runs"][0]["outcomes"],
        json!({"total": 12, "scored": 12, "errored": 0, "skipped": 0, "unscored": 0})
    );
    assert_eq!(view["runs"][0]["scores"]["exact"]["mean"], 1.0);
    assert_eq!(server.total(), 16);
    assert_eq!(folder.count("SELECT count(*) FROM outcomes WHERE attempts = 2"), 4);
}

#[test]
fn a_server_that_always_fails_gives_errors_that_are_not_wrong_answers() {
    let server = Server::start(|_| Reply::Broken);
    let folder = quiz(&server.url, 6, "gates:\n  - min: 0.7\n");
    let view = run_json(&folder, 4);
    let run = &view["runs"][0];
    assert_eq!(run["outcomes"], json!({"total": 6, "scored": 0, "errored": 6, "skipped": 0, "unscored": 0}));
    assert_eq!(run["scores"]["exact"], json!({"mean": null, "lo": null, "hi": null, "n": 0}));
    assert_eq!((&run["misses"], &run["verdict"]), (&json!([]), &json!("incomplete")));
    assert_eq!(run["errors"][0]["count"], 6);
    assert!(run["errors"][0]["message"].as_str().unwrap().contains("500"), "{}", run["errors"]);
    assert_eq!(server.counts().values().copied().collect::<Vec<_>>(), [2; 6], "max_retries is 1");
}

#[test]
fn a_few_errors_do_not_lower_the_score_but_are_not_hidden() {
    let server =
        Server::start(
            |ask| if number(ask.input).is_multiple_of(4) { Reply::Broken } else { Reply::Text(right(ask.input)) },
        );
    let folder = quiz(&server.url, 40, "gates:\n  - min: 0.8\n");
    let run = &run_json(&folder, 4)["runs"][0];
    assert_eq!(run["outcomes"], json!({"total": 40, "scored": 30, "errored": 10, "skipped": 0, "unscored": 0}));
    assert_eq!(run["scores"]["exact"]["mean"], 1.0);

    let tolerant = quiz(&server.url, 40, "gates:\n  - min: 0.8\nerror_tolerance: 0.25\n");
    assert_eq!(run_json(&tolerant, 0)["verdict"], "pass");
}

#[test]
fn the_json_form_of_a_run_is_stable() {
    let server =
        Server::answering(|input| if number(input).is_multiple_of(5) { "no idea".to_owned() } else { right(input) });
    let folder = quiz(&server.url, 10, "gates:\n  - min: 0.3\n");
    insta::assert_snapshot!(folder.stable(&folder.karat(&["run", "quiz", "--format", "json"]).expect(0).stdout));
}

#[test]
fn the_table_of_a_run_is_stable() {
    let server = Server::start(|ask| match number(ask.input) {
        3 => Reply::Broken,
        4 => Reply::Text("no idea".to_owned()),
        _ => Reply::Text(right(ask.input)),
    });
    let folder = quiz(&server.url, 10, "gates:\n  - min: 0.3\nerror_tolerance: 0.2\n");
    insta::assert_snapshot!(folder.stable(&folder.karat(&["run", "quiz"]).expect(0).stdout));
}

#[test]
fn the_exit_code_tells_whether_gates_pass_fail_or_are_inconclusive() {
    let half =
        || Server::answering(|input| if number(input).is_multiple_of(2) { right(input) } else { "no idea".to_owned() });
    let cases: [(Server, &str, i32, &str); 5] = [
        (wise_server(), "gates:\n  - min: 0.8\n", 0, "pass"),
        (half(), "gates:\n  - min: 0.8\n", 100, "fail"),
        (half(), "gates:\n  - min: 0.5\n", 103, "inconclusive"),
        (half(), "gates:\n  - {min: 0.5, require_decision: false}\n", 0, "pass"),
        (half(), "", 0, "pass"),
    ];
    for (server, gates, code, verdict) in cases {
        let folder = quiz(&server.url, 40, gates);
        let view = run_json(&folder, code);
        assert_eq!(view["verdict"], verdict, "{gates}");
    }
}

#[test]
fn a_run_without_scores_is_inconclusive_and_never_passes() {
    let server = wise_server();
    let unlabelled = "{\"id\": \"a\", \"input\": \"question 1\"}\n{\"id\": \"b\", \"input\": \"question 2\"}\n";
    for gates in ["", "gates:\n  - min: 0.5\n"] {
        let view = run_json(&quiz_of(&server.url, unlabelled, gates), 103);
        assert_eq!(view["verdict"], "inconclusive");
        assert_eq!(
            view["runs"][0]["outcomes"],
            json!({"total": 2, "scored": 0, "errored": 0, "skipped": 2, "unscored": 0})
        );
    }
}

#[test]
fn retired_examples_are_not_sent_and_filter_and_limit_select_examples() {
    let server = wise_server();
    let rows = questions(6)
        + "{\"id\": \"old\", \"input\": \"question 9999\", \"expected\": \"x\", \"status\": \"retired\"}\n";
    let folder = quiz_of(&server.url, &rows, "");
    assert_eq!(run_json(&folder, 0)["runs"][0]["outcomes"]["total"], 6);
    assert!(!server.counts().contains_key("question 9999"));
    let few: Done = folder.karat(&["run", "quiz", "--limit", "2", "--format", "json"]).expect(0);
    assert_eq!(few.json()["runs"][0]["outcomes"]["scored"], 2);
    let one = folder.karat(&["run", "quiz", "--filter", "id=q0003", "--format", "json"]).expect(0);
    assert_eq!(one.json()["runs"][0]["outcomes"]["total"], 1);
}

#[test]
fn a_key_reaches_the_server_and_nothing_else() {
    let server =
        Server::start(|ask| if number(ask.input) == 2 { Reply::Broken } else { Reply::Text(right(ask.input)) });
    let folder = quiz(&server.url, 3, "error_tolerance: 0.5\n");
    let key = "quizkey0123456789abcdefghijklmnop";
    folder.write("karat.yaml", &(workspace(&server.url, "") + "    api_key: ${QUIZ_KEY}\n"));
    folder.write(".env", &format!("QUIZ_KEY={key}\n"));
    let done = folder.karat(&["run", "quiz", "--format", "json"]).expect(0);
    assert!(
        server.authorizations().iter().all(|sent| *sent == format!("Bearer {key}")),
        "{:?}",
        server.authorizations()
    );
    assert_eq!(server.authorizations().len(), 4);
    folder
        .karat(&["report", "quiz", "-o", "r.html", "-o", "r.md", "-o", "r.json", "-o", "r.xml", "-o", "r.csv"])
        .expect(0);
    assert!(!done.stdout.contains(key) && !done.stderr.contains(key), "{done}");
    for file in ["r.html", "r.md", "r.json", "r.xml", "r.csv"] {
        assert!(!folder.read(file).contains(key), "{file}");
    }
    for file in std::fs::read_dir(folder.path(".karat")).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{}", path.display());
    }
    let other = folder.karat_with(
        &[("QUIZ_KEY", "another-key-from-the-environment")],
        &["run", "quiz", "--limit", "1", "--no-cache"],
    );
    other.expect(0);
    assert_eq!(
        server.authorizations().last().unwrap(),
        "Bearer another-key-from-the-environment",
        "the environment wins over .env"
    );
}
