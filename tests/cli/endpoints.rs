//! Kinds of endpoints: streams, programs, any JSON API, endpoints by id, conversations, and every prompt on every
//! endpoint.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::{Reply, Server};
use crate::workspace::{questions, quiz, quiz_of, right, suite, wise_server, workspace};

/// A quiz whose endpoint requests streams.
fn streamed_quiz(server: &Server, count: usize) -> Folder {
    let folder = quiz(&server.url, count, "");
    folder.write("karat.yaml", &workspace(&server.url, "    stream: true\n"));
    folder
}

#[test]
fn a_stream_is_assembled_and_its_time_to_first_token_and_rate_are_measured() {
    let server = wise_server();
    let folder = streamed_quiz(&server, 12);
    let view = folder.run(&["quiz"], 0);
    let run = &view["runs"][0];
    assert_eq!(run["scores"]["exact"]["mean"], 1.0);
    assert_eq!(run["outcomes"], json!({"total": 12, "scored": 12, "errored": 0, "skipped": 0, "unscored": 0}));
    assert_eq!((&run["prompt_tokens"], &run["completion_tokens"]), (&json!(84), &json!(24)));
    let latency = &run["latency"];
    let (first, all) = (latency["ttft_p50_ms"].as_f64().unwrap(), latency["p50_ms"].as_f64().unwrap());
    assert!(first > 0.0 && first + 4.0 <= all, "the first word took {first} ms, the whole answer {all} ms: {latency}");
    assert!(latency["ttft_p95_ms"].as_f64().unwrap() >= first);
    // One token follows the first one, at least 4 ms later.
    let rate = latency["tokens_per_second"].as_f64().unwrap();
    assert!(rate > 1.0 && rate <= 250.0, "{latency}");
    assert!(server.requests().iter().all(|seen| seen.body["stream"] == true));

    let plain = quiz(&server.url, 2, "");
    let latency = &plain.run(&["quiz"], 0)["runs"][0]["latency"];
    assert_eq!((&latency["ttft_p50_ms"], &latency["tokens_per_second"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_stream_cut_off_in_the_middle_is_requested_again_and_succeeds() {
    let server = Server::start(|ask| match ask.time {
        1 if ask.input.ends_with('3') => Reply::Cut(right(ask.input)),
        1 if ask.input.ends_with('4') => Reply::Ended(right(ask.input)),
        _ => Reply::Text(right(ask.input)),
    });
    let folder = streamed_quiz(&server, 10);
    let run = &folder.run(&["quiz"], 0)["runs"][0];
    assert_eq!(run["scores"]["exact"]["mean"], 1.0, "half an answer counted as one: {}", run["misses"]);
    assert_eq!((server.counts()["question 0003"], server.counts()["question 0004"], server.total()), (2, 2, 12));
    assert_eq!(folder.count("SELECT count(*) FROM outcomes WHERE attempts = 2"), 2);
}

#[test]
fn a_stream_that_is_always_cut_off_is_an_error_and_never_half_an_answer() {
    let server = Server::start(|ask| Reply::Cut(right(ask.input)));
    let folder = streamed_quiz(&server, 2);
    let run = &folder.run(&["quiz"], 4)["runs"][0];
    assert_eq!(run["outcomes"]["errored"], 2);
    assert_eq!(run["errors"][0]["kind"], "connect");
    assert_eq!(run["misses"], json!([]));
}

/// Whether python3 is installed; prints a message that the test is skipped if it is not.
fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("SKIPPED: there is no python3 to test endpoints of type exec with");
    }
    found
}

#[test]
fn a_program_answers_line_by_line_and_a_request_is_retried_if_it_dies() {
    if !has_python() {
        return;
    }
    let folder = quiz("http://127.0.0.1:9/v1", 200, "gates:\n  - min: 0.9\n");
    folder.write(
        "karat.yaml",
        "embedder: hashed-ngrams\nendpoints:\n  model:\n    type: exec\n    command: [python3, model.py]\n    workers: 3\n    timeout: 20s\n    params: {word: answer}\n",
    );
    folder.write(
        "model.py",
        "import json, os, sys\n\
         for line in sys.stdin:\n\
         \x20   ask = json.loads(line)\n\
         \x20   with open('asked.txt', 'a') as log: log.write(f\"{os.getpid()} {ask['id']}\\n\")\n\
         \x20   mark = 'died.' + ask['id']\n\
         \x20   if ask['id'].endswith('50') and not os.path.exists(mark):\n\
         \x20       open(mark, 'w').close()\n\
         \x20       os._exit(7)\n\
         \x20   text = ask['messages'][-1]['content'].replace('question', ask['params']['word'])\n\
         \x20   print(json.dumps({'id': ask['id'], 'output': text, 'model': 'script-1', 'usage': {'completion_tokens': 2}}), flush=True)\n",
    );
    let run = &folder.run(&["quiz"], 0)["runs"][0];
    assert_eq!(run["outcomes"], json!({"total": 200, "scored": 200, "errored": 0, "skipped": 0, "unscored": 0}));
    assert_eq!((&run["scores"]["exact"]["mean"], &run["models"]), (&json!(1.0), &json!(["script-1"])));
    assert_eq!(run["completion_tokens"], 400);
    let log = folder.read("asked.txt");
    assert_eq!(log.lines().count(), 202, "two requests failed once, and only they were sent again");
    let workers: std::collections::BTreeSet<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!((2..=5).contains(&workers.len()), "3 workers and a new one for each that died: {workers:?}");

    // A changed program is a different endpoint: its run cannot be resumed, and the cache has no answers for it.
    let script = folder.read("model.py").replace("ask['params']['word']", "'nothing'");
    folder.write("model.py", &script);
    folder.karat(&["run", "quiz", "--resume"]).expect(3).tells(&["cannot be resumed", "endpoint"]);
    assert_eq!(folder.run(&["quiz"], 100)["runs"][0]["scores"]["exact"]["mean"], 0.0);
}

#[cfg(unix)]
#[test]
fn programs_end_when_the_run_that_uses_them_is_interrupted() {
    if !has_python() {
        return;
    }
    let folder = quiz("http://127.0.0.1:9/v1", 8, "");
    folder.write(
        "karat.yaml",
        "embedder: hashed-ngrams\nendpoints:\n  model: {type: exec, command: [python3, slow.py], workers: 2}\n",
    );
    folder.write(
        "slow.py",
        "import os, sys, time\nopen(f'worker.{os.getpid()}', 'w').close()\nsys.stdin.readline()\ntime.sleep(60)\n",
    );
    let child = folder.command(&["run", "quiz"]).spawn().unwrap();
    let workers = || -> Vec<String> {
        let names = std::fs::read_dir(folder.root()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter_map(|name| name.to_str()?.strip_prefix("worker.").map(str::to_owned)).collect()
    };
    let started = std::time::Instant::now();
    while workers().len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(30), "no worker was started");
        std::thread::sleep(Duration::from_millis(10));
    }
    let signal = |name: &str, id: &str| Command::new("kill").args([name, id]).stderr(Stdio::null()).status().unwrap();
    assert!(signal("-INT", &child.id().to_string()).success());
    crate::runner::wait(child, "karat run quiz, interrupted").expect(4).tells(&["--resume"]);
    assert!(started.elapsed() < Duration::from_secs(40));
    let ended = std::time::Instant::now();
    while workers().iter().any(|id| signal("-0", id).success()) {
        assert!(ended.elapsed() < Duration::from_secs(5), "a worker outlived the run");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn any_json_api_is_called_with_a_template_and_its_answer_is_found_by_a_path() {
    let server = Server::start(|ask| {
        let text = right(ask.input);
        Reply::Json(200, json!({"served": "v7", "result": [{"text": text}], "count": {"in": 5, "out": 2}}))
    });
    let folder = quiz(
        &server.url,
        5,
        "prompt:\n  messages:\n    - {role: system, content: Answer.}\n    - {role: user, content: \"{{ input }}\"}\n",
    );
    folder.write("karat.yaml", &format!(
        "embedder: hashed-ngrams\nendpoints:\n  model:\n    type: http\n    base_url: {}/ask?version=3\n    body:\n      question: \"{{{{ prompt }}}}\"\n      rules: [\"{{{{ system }}}}\"]\n      about: {{example: \"{{{{ id }}}}\", all: \"{{{{ messages }}}}\"}}\n    output: result.0.text\n    model_path: served\n    prompt_tokens_path: /count/in\n    completion_tokens_path: count.out\n    headers: {{X-Team: quality}}\n",
        server.url
    ));
    let run = &folder.run(&["quiz"], 0)["runs"][0];
    assert_eq!((&run["scores"]["exact"]["mean"], &run["models"]), (&json!(1.0), &json!(["v7"])));
    assert_eq!((&run["prompt_tokens"], &run["completion_tokens"]), (&json!(25), &json!(10)));
    let requests = server.requests();
    let seen = requests.iter().find(|seen| seen.body["about"]["example"] == "q0001").unwrap();
    assert_eq!((seen.target.as_str(), seen.headers["x-team"].as_str()), ("/v1/ask?version=3", "quality"));
    let messages = json!([{"role": "system", "content": "Answer."}, {"role": "user", "content": "question 0001"}]);
    let expected =
        json!({"question": "question 0001", "rules": ["Answer."], "about": {"example": "q0001", "all": messages}});
    assert_eq!(seen.body, expected);
}

#[test]
fn an_endpoint_given_by_id_needs_a_key_but_no_definition() {
    let folder = quiz("http://127.0.0.1:9/v1", 3, "");
    for (id, variable) in [
        ("openai:chat:gpt-x", "OPENAI_API_KEY"),
        ("openai/gpt-x", "OPENAI_API_KEY"),
        ("anthropic:messages:some-model", "ANTHROPIC_API_KEY"),
        ("groq/some-model", "GROQ_API_KEY"),
    ] {
        let done = folder.karat(&["run", "quiz", "-e", id]).expect(3).tells(&[id, variable, "not set", "hint: "]);
        assert_eq!(done.stdout, "");
    }
    folder.karat(&["run", "quiz", "-e", "opnai:chat:gpt-x"]).expect(3).tells(&["no endpoint", "openai:chat:MODEL"]);
    assert_eq!(folder.count("SELECT count(*) FROM runs"), 0);
}

#[test]
fn a_conversation_with_tools_is_passed_on_completely() {
    let server = Server::answering(|_| "It is sunny.".to_owned());
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather in Bern?"}]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Bern\"}"}}
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny, 21 degrees"},
    ]);
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    let input = json!({"messages": messages, "tools": tools, "tool_choice": "auto"});
    let example = json!({"id": "talk", "input": input, "expected": "It is sunny."});
    let plain = json!({"id": "list", "input": [{"role": "user", "content": "And now?"}], "expected": "It is sunny."});
    let folder = quiz_of(&server.url, &format!("{example}\n{plain}\n"), "");
    assert_eq!(folder.run(&["quiz"], 0)["runs"][0]["scores"]["exact"]["mean"], 1.0);
    let mut bodies: Vec<Value> = server.requests().into_iter().map(|seen| seen.body).collect();
    bodies.sort_by_key(|body| body["tools"].is_null());
    assert_eq!((&bodies[0]["messages"], &bodies[0]["tools"]), (&messages, &tools));
    assert_eq!((&bodies[0]["tool_choice"], &bodies[0]["model"]), (&json!("auto"), &json!("test-model")));
    assert_eq!(bodies[1]["messages"], json!([{"role": "user", "content": "And now?"}]));
    assert_eq!(bodies[1].get("tools"), None);
}

/// A suite with two prompts on two endpoints of one server.
fn matrix(server: &Server) -> Folder {
    let folder = quiz(&server.url, 6, "");
    let other = format!(
        "  other:\n    type: openai\n    base_url: {}\n    model: other-model\n    max_retries: 1\n",
        server.url
    );
    folder.write("karat.yaml", &workspace(&server.url, &other));
    folder.write(
        "suites/quiz.yaml",
        "dataset: quiz\nendpoints: [model, other]\nscorers: [{type: exact}]\nprompts:\n  short: {text: \"{{ input }}\"}\n  long:\n    messages:\n      - {role: system, content: Take your time.}\n      - {role: user, content: \"{{ input }}\"}\n",
    );
    folder
}

#[test]
fn every_prompt_runs_on_every_endpoint_and_the_results_are_compared() {
    // Without its instructions the other model is wrong.
    let server = Server::start(|ask| {
        let body = &ask.seen.body;
        let is_lost = body["model"] == "other-model" && body["messages"][0]["role"] == "user";
        Reply::Text(if is_lost { "no idea".to_owned() } else { right(ask.input) })
    });
    let folder = matrix(&server);
    let view = folder.run(&["quiz"], 0);
    let cells: Vec<Value> = view["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| json!([run["endpoint"], run["prompt"], run["scores"]["exact"]["mean"]]))
        .collect();
    let expected =
        json!([["model", "long", 1.0], ["model", "short", 1.0], ["other", "long", 1.0], ["other", "short", 0.0]]);
    assert_eq!(json!(cells), expected);
    assert_eq!(server.total(), 24);

    folder.karat(&["run", "quiz"]).expect(0).prints(&["Side by side", "short", "long", "other"]);
    folder.karat(&["report", "quiz", "-o", "r.md"]).expect(0);
    let report = folder.read("r.md");
    assert!(report.contains("quality   other · short 0.000 raw") && report.contains("### Side by side"), "{report}");
    let one = folder.karat(&["run", "quiz", "--prompt", "short", "-e", "model"]).expect(0);
    assert!(!one.stdout.contains("Side by side"), "{one}");
    let short = folder.run(&["quiz", "--prompt", "short"], 0);
    let prompts: Vec<_> = short["runs"].as_array().unwrap().iter().map(|run| run["prompt"].as_str().unwrap()).collect();
    assert_eq!(prompts, ["short", "short"]);
    folder
        .karat(&["run", "quiz", "--prompt", "shrot"])
        .expect(2)
        .tells(&["the suite quiz has no prompt \"shrot\"", "did you mean \"short\"?"]);
}

#[test]
fn each_run_of_a_matrix_is_resumed_separately() {
    let server = wise_server();
    let folder = matrix(&server);
    folder.run(&["quiz", "--prompt", "long", "-e", "model"], 0);
    assert_eq!(server.total(), 6);
    let view = folder.run(&["quiz", "--resume"], 0);
    assert_eq!(view["runs"].as_array().unwrap().len(), 4);
    assert_eq!(server.total(), 24, "a complete run was sent again, or another one was not resumed");
    assert_eq!(folder.count("SELECT count(*) FROM runs"), 4);
}

#[test]
fn a_change_of_the_model_within_a_run_or_since_the_last_run_is_noted() {
    let server = Server::start(|ask| {
        let model = match (ask.time, ask.input) {
            (2, "question 0004") => "model-2026-09",
            (1 | 2, _) => "model-2026-05",
            _ => "model-2026-10",
        };
        Reply::Model(model.to_owned(), right(ask.input))
    });
    let folder = quiz(&server.url, 8, "");
    let notes = |view: &Value| {
        view["runs"][0]["notes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|note| note.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(notes(&folder.run(&["quiz"], 0)), Vec::<String>::new());
    let within = notes(&folder.run(&["quiz", "--no-cache"], 0));
    assert!(within[0].contains("during the run") && within[0].contains("model-2026-05, model-2026-09"), "{within:?}");
    let since = notes(&folder.run(&["quiz", "--no-cache"], 0));
    assert!(since.len() == 1 && since[0].contains("model-2026-10; in the last run"), "{since:?}");
}

#[test]
fn the_note_on_a_changed_model_is_in_table_and_reports() {
    let server = Server::start(|ask| Reply::Model(format!("model-v{}", ask.time), right(ask.input)));
    let folder = quiz(&server.url, 3, "");
    folder.karat(&["run", "quiz"]).expect(0);
    folder.karat(&["run", "quiz", "--no-cache"]).expect(0).prints(&["model-v2", "in the last run", "model-v1"]);
    folder.karat(&["report", "quiz", "-o", "r.md", "-o", "r.html"]).expect(0);
    for file in ["r.md", "r.html"] {
        assert!(folder.read(file).contains("model-v1"), "{file} says nothing of the change");
    }
}

#[test]
fn a_warning_on_stderr_announces_the_end_of_a_model() {
    let server = wise_server();
    let folder = quiz(&server.url, 2, "");
    folder.write("karat.yaml", &workspace(&server.url, "    eol: 2026-12-31\n"));
    let on = |day: &str| folder.karat(&["run", "quiz", "--now", day]).expect(0);
    on("2026-12-01").tells(&["warning: ", "model", "2026-12-31", "in 30 days"]);
    on("2027-02-01").tells(&["warning: ", "was to be switched off on 2026-12-31"]);
    let early = on("2026-06-01");
    assert!(!early.stderr.contains("2026-12-31"), "{early}");
}

#[test]
fn slow_requests_are_sent_concurrently() {
    let server = Server::start(|ask| Reply::Later(Duration::from_millis(300), right(ask.input)));
    let folder = quiz_of(&server.url, &questions(16), "");
    folder.write("suites/quiz.yaml", &suite("quiz", ""));
    let started = std::time::Instant::now();
    folder.karat(&["run", "quiz", "-j", "16"]).expect(0);
    assert!(started.elapsed() < Duration::from_millis(2400), "16 requests of 0.3 s took {:?}", started.elapsed());
}

#[test]
fn common_short_forms_in_settings_work() {
    let server = wise_server();
    let folder = quiz(&server.url, 3, "");
    folder.write(
        "suites/quiz.yaml",
        "dataset: quiz\nprompt: \"{{ input }}\"\nendpoints: model\nscorers: exact\ngates: 0.2\n",
    );
    folder.karat(&["run", "quiz"]).expect(0);
    let full = "dataset: quiz\nprompt: {messages: [{role: user, content: \"{{ input }}\"}]}\nendpoints: [model]\n\
                scorers: [{type: exact}]\ngates: [{scorer: exact, min: 0.2}]\n";
    folder.write("suites/quiz.yaml", full);
    folder.karat(&["run", "quiz"]).expect(0);
    assert_eq!(server.total(), 3, "equal requests were sent again");
}
