//! Judges held against people: on the answers of a stored run, and on a calibration set that is judged over real HTTP.
#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::runner::{Done, Folder};
use crate::server::{Ask, Reply, Server};
use crate::workspace::{questions, right};

/// The id that a verdict must carry; `None` if the request is not one to a judge.
fn verdict_id(ask: &Ask<'_>) -> Option<String> {
    let (_, rest) = ask.input.rsplit_once("with the text \"")?;
    ask.input.contains("verdict_id").then(|| rest.split_once('"').unwrap().0.to_owned())
}

/// The number of the question that is asked or judged.
fn number(text: &str) -> usize {
    text.split_once("question ").unwrap().1[..4].parse().unwrap()
}

/// A judge's verdict.
fn verdict(ask: &Ask<'_>, pass: bool) -> String {
    let id = verdict_id(ask).unwrap();
    json!({"reason": "as agreed", "score": u8::from(pass), "verdict_id": id}).to_string()
}

/// Whether the answer to a question is right: three of four are.
fn is_right(number: usize) -> bool {
    !number.is_multiple_of(4)
}

/// A judge with known errors: it fails a tenth of the right answers and passes a fifth of the wrong ones.
fn erring(number: usize) -> bool {
    if is_right(number) { number % 10 != 1 } else { number.is_multiple_of(20) }
}

/// A server that answers three of four questions correctly, and whose judge passes answers by the number of the question.
fn server(judge: impl Fn(usize) -> bool + Send + Sync + 'static) -> Server {
    Server::start(move |ask| match verdict_id(&ask) {
        Some(_) => Reply::Text(verdict(&ask, judge(number(ask.input)))),
        None if is_right(number(ask.input)) => Reply::Text(right(ask.input)),
        None => Reply::Text("no idea".to_owned()),
    })
}

/// A workspace with `count` questions, the endpoint `model`, and the judge `grader` on the same server.
fn judged(server: &Server, count: usize, rest: &str) -> Folder {
    let folder = Folder::new();
    let api = |name: &str, model: &str| {
        format!(
            "  {name}:\n    type: openai\n    base_url: {}\n    model: {model}\n    timeout: 5s\n    max_retries: 0\n{rest}",
            server.url
        )
    };
    let endpoints = format!("{}{}", api("model", "test-model"), api("grader", "gpt-grader"));
    folder.write("karat.yaml", &format!("embedder: hashed-ngrams\nendpoints:\n{endpoints}"));
    folder.write("datasets/quiz/examples.jsonl", &questions(count));
    let scorers = "[{type: rubric, judge: grader, criteria: names the number}]";
    folder.write("suites/quiz.yaml", &format!("dataset: quiz\nendpoints: [model]\nscorers: {scorers}\n"));
    folder
}

/// Labels by one person who is never wrong, about the answers to these questions.
fn labels(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|n| format!("{}\n", json!({"id": format!("q{n:04}"), "label": is_right(n)}))).collect()
}

/// The same with the answers: a calibration set.
fn calibration(count: usize) -> String {
    let row = |n: usize| {
        let output = if is_right(n) { format!("answer {n:04}") } else { "no idea".to_owned() };
        let model = if n.is_multiple_of(2) { "gpt-small" } else { "claude-small" };
        json!({"id": format!("q{n:04}"), "label": is_right(n), "output": output, "model": model}).to_string() + "\n"
    };
    (1..=count).map(row).collect()
}

const VALIDATE: [&str; 5] = ["judge", "validate", "quiz", "--labels", "labels.jsonl"];

fn validate(folder: &Folder, arguments: &[&str]) -> Done {
    folder.karat(&[&VALIDATE, arguments, &["--format", "json"]].concat())
}

fn value(of: &Value) -> f64 {
    of.as_f64().unwrap_or_else(|| panic!("{of} is no number"))
}

#[test]
fn a_judge_of_known_errors_is_held_against_people_and_the_score_of_its_run_is_corrected() {
    let server = server(erring);
    let folder = judged(&server, 200, "");
    let before = folder.run(&["quiz"], 0);
    let judged = value(&before["runs"][0]["scores"]["rubric"]["mean"]);
    assert!(before["runs"][0]["judge"]["validation"].is_null());
    let notes = before["runs"][0]["notes"].to_string();
    assert!(notes.contains("was not validated against people: karat judge validate quiz --labels FILE"), "{notes}");
    let calls = server.total();

    // Labelled at random, as far as the judge's errors are concerned.
    folder.write("labels.jsonl", &labels((1..=200).filter(|n| n * 7 % 200 < 100)));
    let view = validate(&folder, &[]).expect(0).json();
    assert_eq!(server.total(), calls, "nothing is called");
    assert_eq!(
        (&view["schema"], &view["of"], &view["sample"]),
        (&json!("karat.judge_validation/1"), &json!("run"), &json!("random"))
    );
    assert_eq!((&view["n"], &view["left_out"], &view["sample_assumed"]), (&json!(100), &json!([]), &json!(true)));
    let right = (1..=200).filter(|n| n * 7 % 200 < 100 && is_right(*n) == erring(*n)).count();
    let accuracy = &view["agreement"]["accuracy"];
    assert_eq!((&accuracy["count"], &accuracy["of"]), (&json!(right), &json!(100)));
    assert!(value(&accuracy["lo"]) < value(&accuracy["value"]) && value(&view["agreement"]["kappa"]["value"]) > 0.5);
    let score = &view["scores"][0];
    assert_eq!((value(&score["judged"]), &score["method"]), (judged, &json!("prediction_powered")));
    let (lo, hi) = (value(&score["corrected"]["lo"]), value(&score["corrected"]["hi"]));
    assert!(lo <= 0.75 && 0.75 <= hi, "the score by people is 0.75: {score}");
    assert!((value(&score["corrected"]["value"]) - 0.75).abs() < (judged - 0.75).abs(), "{score}");

    for (sample, method) in [("elsewhere", "rogan_gladen"), ("by-verdict", "post_stratified")] {
        let view = validate(&folder, &["--sample", sample]).expect(0).json();
        assert_eq!((&view["scores"][0]["method"], &view["sample_assumed"]), (&json!(method), &json!(false)));
        let corrected = &view["scores"][0]["corrected"];
        assert!(value(&corrected["lo"]) <= 0.75 && value(&corrected["hi"]) >= 0.75, "{method}: {corrected}");
    }
    let text =
        folder.karat(&VALIDATE).expect(0).prints(&["The judge agrees with people on", "of 100 answers", "kappa"]);
    text.prints(&["Confusion matrix", "sensitivity", "prediction-powered", "assumed to be a random sample"]);

    // The report of the run carries the validation.
    let after = folder.run(&["quiz"], 0);
    let found = &after["runs"][0]["judge"]["validation"];
    assert_eq!(
        (&found["n"], &found["scorer"], &found["agreement"]["count"]),
        (&json!(100), &json!("rubric"), &json!(right))
    );
    assert_eq!(found["score"]["method"], "rogan_gladen", "another run than the labelled one");
    assert!(!after["runs"][0]["notes"].to_string().contains("validated"), "{}", after["runs"][0]["notes"]);
    folder.karat(&["run", "quiz"]).expect(0).prints(&["Agrees with people", "of 100 answers"]);
}

#[test]
fn several_people_may_label_an_answer_and_what_is_left_out_is_counted() {
    let server = server(is_right);
    let folder = judged(&server, 12, "");
    folder.karat(&["run", "quiz"]).expect(0);
    let mut text = "id,label,annotator\n".to_owned();
    for n in 1..=12 {
        let wrong = |wrong: bool| if is_right(n) != wrong { "pass" } else { "fail" };
        text += &format!("q{n:04},{},ana\nq{n:04},{},bo\n", wrong(false), wrong(n == 3));
    }
    text += "q0005,right,cy\nq9999,yes,ana\n";
    folder.write("labels.csv", &text);
    let arguments = ["judge", "validate", "quiz", "--labels", "labels.csv", "--format", "json"];
    let view = folder.karat(&arguments).expect(0).json();
    assert_eq!((&view["labels_given"], &view["answers"], &view["n"]), (&json!(26), &json!(13), &json!(11)));
    let reasons: Vec<(&Value, &Value)> =
        view["left_out"].as_array().unwrap().iter().map(|out| (&out["reason"], &out["count"])).collect();
    assert_eq!(reasons, [(&json!("tie"), &json!(1)), (&json!("not_in_run"), &json!(1))]);
    assert_eq!(view["people"]["answers"], 12);
    assert!((0.5..1.0).contains(&value(&view["people"]["alpha"]["value"])));
    assert_eq!(view["scores"][0]["corrected"], Value::Null, "11 labels are too few");
    assert!(view["scores"][0]["detail"].as_str().unwrap().contains("fewer than 20"));
}

#[test]
fn a_judge_no_better_than_chance_is_called_so_and_corrects_nothing() {
    let server = server(|_| true);
    let folder = judged(&server, 80, "");
    folder.karat(&["run", "quiz"]).expect(0);
    folder.write("labels.jsonl", &labels(1..=60));
    let view = validate(&folder, &[]).expect(0).json();
    assert_eq!((&view["better_than_chance"], &view["scores"][0]["corrected"]), (&json!(false), &Value::Null));
    assert_eq!(view["scores"][0]["judged"], 1.0);
    folder.karat(&VALIDATE).expect(0).prints(&["no better than chance", "cannot be corrected"]);
}

#[test]
fn what_cannot_be_validated_is_said() {
    let server = server(is_right);
    let folder = judged(&server, 4, "");
    folder.write("labels.jsonl", &labels(1..=4));
    folder.karat(&VALIDATE).expect(3).tells(&["no finished run", "karat run quiz"]);
    folder.karat(&["run", "quiz"]).expect(0);
    folder.write("labels.jsonl", "{\"id\": \"q0001\", \"label\": \"so so\"}\n{\"label\": 1}\n");
    folder.karat(&VALIDATE).expect(3).tells(&["labels.jsonl:1", "so so", "labels.jsonl:2", "no id"]);
    folder.write("labels.jsonl", "{\"id\": \"other\", \"label\": 1}\n");
    folder.karat(&VALIDATE).expect(3).tells(&["no label is about an answer of run"]);
    folder.write("labels.jsonl", &labels(1..=4));
    folder.karat(&[&VALIDATE[..], &["--scorer", "rubrik"]].concat()).expect(2).tells(&["rubrik", "rubric"]);
    folder.karat(&[&VALIDATE[..], &["--run", "nonsense"]].concat()).expect(2);
    folder.write("labels.jsonl", "{\"id\": \"zz\", \"output\": \"x\", \"label\": 1}\n");
    folder.karat(&VALIDATE).expect(3).tells(&["labels.jsonl:1", "no input", "zz"]);
    folder.karat(&[&VALIDATE[..], &["--sample", "random"]].concat()).expect(2).tells(&["no sample of a run"]);
    folder.karat(&["judge", "validate", "--help"]).expect(0).prints(&["Examples:", "--sample"]);
}

#[test]
fn a_calibration_set_is_judged_now_and_a_changed_judge_is_found_by_the_first_verdicts() {
    let strict = Arc::new(AtomicBool::new(false));
    let stricter = Arc::clone(&strict);
    let server = server(move |n| erring(n) && !(stricter.load(Ordering::SeqCst) && n.is_multiple_of(5)));
    let folder = judged(&server, 160, "    price: {request: 0.01}\n");
    folder.karat(&["run", "quiz"]).expect(0);
    let before = server.total();
    folder.write("labels.jsonl", &calibration(160));
    let first = validate(&folder, &[]).expect(0).json();
    assert_eq!((server.total() - before, &first["calls"], &first["n"]), (160, &json!(160), &json!(160)));
    assert!((value(&first["cost"]) - 1.6).abs() < 1e-9);
    assert_eq!(
        (&first["of"], &first["sample"], &first["drift"]),
        (&json!("calibration_set"), &json!("elsewhere"), &Value::Null)
    );
    assert_eq!(first["models"], json!(["test-model-1"]));
    assert_eq!((&first["family"]["family"], &first["family"]["own"]), (&json!("openai"), &json!(80)));
    let score = &first["scores"][0];
    assert_eq!((&score["endpoint"], &score["method"]), (&json!("model"), &json!("rogan_gladen")));
    assert!((value(&score["corrected"]["value"]) - 0.75).abs() < 1e-9, "the run has the same answers: {score}");
    // What the judge sees is what it sees in a run.
    let sent: Vec<_> = server.requests().into_iter().filter(|seen| seen.body["model"] == "gpt-grader").collect();
    let of = |n: usize| {
        sent.iter().filter(|seen| seen.body.to_string().contains(&format!("question {n:04}"))).collect::<Vec<_>>()
    };
    let [run, now] = of(7)[..] else { panic!("asked {} times", of(7).len()) };
    assert_eq!(run.body, now.body);

    // The order of the rows does not matter.
    let mut rows: Vec<String> = calibration(160).lines().map(str::to_owned).collect();
    rows.reverse();
    folder.write("labels.jsonl", &rows.join("\n"));
    let same = validate(&folder, &[]).expect(0).json();
    assert_eq!((server.total() - before, &same["labels_hash"]), (320, &first["labels_hash"]));
    assert_eq!(
        (&same["drift"]["verdict"], &same["drift"]["n"], &same["drift"]["same_judge"]),
        (&json!("unchanged"), &json!(160), &json!(true))
    );

    strict.store(true, Ordering::SeqCst);
    let config = folder.read("karat.yaml");
    folder.write("karat.yaml", &config.replace("gpt-grader", "gpt-grader-2"));
    let changed = validate(&folder, &[]).expect(0).json();
    let drift = &changed["drift"];
    assert_eq!((&drift["verdict"], &drift["same_judge"]), (&json!("changed"), &json!(false)));
    assert_eq!(drift["validation_id"], first["validation_id"], "compared with the first one");
    assert!(value(&drift["score"]["difference"]) < -0.05 && value(&drift["differing"]["value"]) > 0.05);
    assert_eq!(changed["scores"][0]["corrected"], Value::Null, "another judge scored the run");
    folder.karat(&VALIDATE).expect(0).prints(&["Drift: changed since", "not those of then"]);
}

#[test]
fn a_validation_that_was_killed_continues_without_asking_again() {
    let server = Server::start(|ask| Reply::Later(Duration::from_millis(10), verdict(&ask, erring(number(ask.input)))));
    let folder = judged(&server, 200, "");
    folder.write("labels.jsonl", &calibration(200));
    let mut child = folder.command(&[&VALIDATE[..], &["-j", "4"]].concat()).spawn().unwrap();
    let started = Instant::now();
    while server.total() < 80 {
        assert!(child.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (stored, before) = (folder.count("SELECT count(*) FROM judge_validation_items"), server.total());
    assert!(stored >= 70, "{stored} of {before} are stored");
    let view = validate(&folder, &[]).expect(0).tells(&["continuing the validation"]).json();
    assert_eq!((server.total() - before) as i64, 200 - stored, "something stored was asked for again");
    assert_eq!((&view["n"], &view["finished"]), (&json!(200), &json!(true)));
    assert_eq!(folder.count("SELECT count(*) FROM judge_validations"), 1);
}

#[test]
fn an_interrupted_validation_says_what_is_missing() {
    let server = Server::start(|ask| Reply::Later(Duration::from_millis(20), verdict(&ask, true)));
    let folder = judged(&server, 100, "");
    folder.write("labels.jsonl", &calibration(100));
    let child = folder.command(&[&VALIDATE[..], &["-j", "2", "--format", "json"]].concat()).spawn().unwrap();
    while server.total() < 20 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let done = crate::runner::wait(child, "karat judge validate").expect(4).tells(&["unfinished", "continue with"]);
    let view = done.json();
    let n = view["n"].as_u64().unwrap();
    assert!((1..100).contains(&n) && view["finished"] == false);
    assert_eq!(
        view["left_out"][0],
        json!({"reason": "not_asked", "count": 100 - n, "lines": view["left_out"][0]["lines"]})
    );
}

#[test]
fn the_budget_stops_a_validation_and_the_same_command_continues() {
    let server = server(erring);
    let folder = judged(&server, 40, "    price: {request: 0.01}\n    params: {max_tokens: 50}\n");
    folder.write("labels.jsonl", &calibration(40));
    let done = validate(&folder, &["--max-cost", "0.25", "-j", "3"]).expect(4).tells(&["budget"]);
    let spent = value(&done.json()["cost"]);
    assert!(spent <= 0.25 + 1e-9 && spent > 0.15, "{spent} was spent");
    let view = validate(&folder, &[]).expect(0).json();
    assert_eq!((&view["n"], server.total()), (&json!(40), 40));
    let unpriced = judged(&server, 4, "");
    unpriced.write("labels.jsonl", &calibration(4));
    validate(&unpriced, &["--max-cost", "1"]).expect(3).tells(&["has no price"]);
}

#[test]
fn a_judge_that_fails_is_never_a_zero_and_only_what_is_missing_is_asked_again() {
    let broken = Arc::new(AtomicBool::new(true));
    let fails = Arc::clone(&broken);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let server = Server::start(move |ask| {
        counted.fetch_add(1, Ordering::SeqCst);
        let n = number(ask.input);
        match n {
            1 if fails.load(Ordering::SeqCst) => Reply::Broken,
            2 if fails.load(Ordering::SeqCst) => Reply::Text("I would say: great!".to_owned()),
            3 if fails.load(Ordering::SeqCst) => Reply::Reset,
            _ => Reply::Text(verdict(&ask, is_right(n))),
        }
    });
    let folder = judged(&server, 10, "");
    folder.write("labels.jsonl", &calibration(10));
    let done = validate(&folder, &[]).expect(4).tells(&["the judge failed on 3 of 10 answers"]);
    let view = done.json();
    assert_eq!(
        (&view["n"], &view["left_out"][0]["reason"], &view["left_out"][0]["count"]),
        (&json!(7), &json!("judge_failed"), &json!(3))
    );
    assert_eq!((view["failures"].as_array().unwrap().len(), &view["finished"]), (3, &json!(false)));
    assert_eq!(view["agreement"]["accuracy"]["value"], 1.0);
    assert_eq!(folder.count("SELECT count(*) FROM judge_validation_items WHERE score IS NULL"), 3);
    broken.store(false, Ordering::SeqCst);
    let before = asked.load(Ordering::SeqCst);
    let view = validate(&folder, &[]).expect(0).json();
    assert_eq!((asked.load(Ordering::SeqCst) - before, &view["n"], &view["failures"]), (3, &json!(10), &json!([])));
}

#[test]
fn a_pairwise_judge_that_prefers_the_first_place_is_found() {
    let server = Server::start(|ask| {
        let id = verdict_id(&ask).unwrap();
        Reply::Text(json!({"reason": "first", "verdict": "A", "verdict_id": id}).to_string())
    });
    let folder = judged(&server, 30, "");
    let scorers = "[{type: pairwise, judge: grader, criteria: shorter}]";
    folder.write("suites/quiz.yaml", &format!("dataset: quiz\nendpoints: [model]\nscorers: {scorers}\n"));
    folder.write("labels.jsonl", &calibration(30));
    let view = validate(&folder, &[]).expect(0).json();
    let position = &view["position"];
    assert_eq!(
        (&position["bias"], &position["toward_first"], &view["calls"]),
        (&json!("favours"), &json!(30), &json!(60))
    );
    assert_eq!((&view["pass_mark"], &view["better_than_chance"]), (&json!(0.5), &json!(false)));
    assert!(view["graded"]["mean_absolute_error"]["value"].is_number());
}
