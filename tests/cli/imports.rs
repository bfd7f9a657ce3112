//! Imports of other tools' suites, datasets and traffic; exports; templates.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::runner::{Done, Folder};
use crate::server::nowhere;
use crate::workspace::{AUGUST, decayed, workspace};

/// A fixture of this repository.
fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &target) } else { std::fs::write(target, std::fs::read(path).unwrap()).unwrap() }
    }
}

#[test]
fn a_suite_is_imported_once_and_runs_at_once() {
    let folder = Folder::new();
    let rows = [
        json!({"question": "2 + 2?", "answer": "4"}),
        json!({"question": "2 + 3?", "answer": "5"}),
        json!({"question": "write to jane.roe@example.org", "answer": "6"}),
    ];
    folder.write("sums.jsonl", &rows.map(|row| row.to_string() + "\n").concat());
    let import = ["import", "huggingface", "sums.jsonl", "--into", "evals"];
    let dry = folder.karat(&[&import[..], &["--dry-run"]].concat()).expect(0);
    dry.prints(&["would be created", "[redacted:email]", "nothing was written"]);
    assert!(!folder.path("evals").exists());

    let done = folder.karat(&[&import[..], &["--format", "json"]].concat()).expect(0).json();
    assert_eq!((&done["schema"], &done["suites"]), (&json!("karat.suite_import/1"), &json!(["sums"])));
    assert_eq!(done["datasets"], json!([{"name": "sums", "examples": 3}]));
    assert!(!folder.read("evals/datasets/sums/examples.jsonl").contains("jane.roe"));
    folder.karat(&["-C", "evals", "run", "sums"]).expect(0);

    let before = folder.read("evals/suites/sums.yaml");
    let again = folder.karat(&[&import[..], &["--format", "json"]].concat()).expect(0).json();
    let states: Vec<&Value> = again["files"].as_array().unwrap().iter().map(|file| &file["state"]).collect();
    assert!(states.iter().all(|state| **state == "unchanged"), "{again}");

    folder.write("evals/suites/sums.yaml", &format!("{before}# mine\n"));
    folder.karat(&import).expect(3).tells(&["1 files exist already", "suites/sums.yaml", "--force"]);
    assert!(folder.read("evals/suites/sums.yaml").ends_with("# mine\n"), "nothing was replaced");
    folder.karat(&[&import[..], &["--force"]].concat()).expect(0).prints(&["changed"]);
    assert_eq!(folder.read("evals/suites/sums.yaml"), before);
}

#[test]
fn what_another_tool_checks_is_counted_and_what_is_not_carried_over_is_listed() {
    let folder = Folder::new();
    copy(Path::new(&fixture("import/promptfoo-desk")), &folder.path("desk"));
    let done = folder.karat(&["import", "promptfoo", "desk", "--into", "evals"]).expect(0);
    assert!(!format!("{done}").contains("sk-not-a-real"), "{done}");
    insta::assert_snapshot!(done.stdout);
    let view = folder.karat(&["import", "promptfoo", "desk", "--into", "evals", "--format", "json"]).expect(0).json();
    assert!(view["files"].as_array().unwrap().iter().all(|file| file["state"] == "unchanged"), "{view}");
}

#[test]
fn a_new_workspace_starts_from_the_suites_of_another_tool() {
    let folder = Folder::new();
    folder.write("rows.jsonl", "{\"question\": \"2 + 2?\", \"answer\": \"4\"}\n");
    let init = ["init", "evals", "--from", "huggingface", "rows.jsonl"];
    folder.karat(&init).expect(0).tells(&["karat -C evals run rows"]);
    folder.karat(&init).expect(3).tells(&["is already a workspace"]);
    folder.karat(&["init", "x", "--from", "promptfo", "rows.jsonl"]).expect(2).tells(&["promptfoo"]);
    folder.karat(&["import", "langfuse", "missing.jsonl"]).expect(3).tells(&["missing.jsonl"]);
}

#[test]
fn too_many_bad_rows_change_nothing_and_are_listed_with_their_lines() {
    let folder = Folder::new();
    folder.write("rows.jsonl", "{\"question\": \"2 + 2?\", \"answer\": \"4\"}\n{\"question\": secret words\n");
    let import = ["import", "huggingface", "rows.jsonl", "--into", "evals"];
    let done = folder.karat(&import).expect(3).tells(&["1 of 2 rows", "rows.jsonl:2:", "--max-bad"]);
    assert!(!done.stderr.contains("secret words"), "{done}");
    assert!(!folder.path("evals").exists());
    folder.karat(&[&import[..], &["--max-bad", "0.5"]].concat()).expect(0).prints(&["rows.jsonl:2: rejected"]);
}

#[test]
fn every_template_runs_at_once_without_a_network() {
    for template in ["example", "classify", "rag", "chat", "extract", "tools"] {
        let folder = Folder::new();
        folder.karat(&["init", "--template", template]).expect(0).tells(&[&format!("karat run {template}")]);
        folder.karat(&["doctor"]).expect(0);
        let run = folder.run(&[template], 0);
        let outcomes = &run["runs"][0]["outcomes"];
        assert!(outcomes["scored"].as_u64() >= Some(10) && outcomes["errored"] == 0, "{template}: {outcomes}");
    }
    let folder = Folder::new();
    folder.karat(&["init", "--template", "rag"]).expect(0);
    folder.run(&["retriever"], 0);
}

/// A finished run in a new workspace.
fn finished() -> Folder {
    let folder = Folder::new();
    folder.karat(&["init", "--template", "classify"]).expect(0);
    folder.run(&["classify"], 0);
    folder
}

#[test]
fn outcomes_are_exported_in_every_format() {
    let folder = finished();
    let count = folder.count("SELECT count(*) FROM outcomes");
    let export = |name: &str| -> Done { folder.karat(&["export", "last", "-o", name]).expect(0) };
    for name in ["o.csv", "o.jsonl", "o.otlp.jsonl", "o.promptfoo.json", "o.parquet"] {
        export(name).tells(&[&format!("wrote {name}: {count} outcomes")]);
    }
    let rows: Vec<Value> = folder.read("o.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len() as i64, count);
    let right = rows.iter().filter(|row| row["scores"]["exact"]["value"] == 1.0).count() as i64;
    assert_eq!(right, folder.count("SELECT count(*) FROM scores WHERE scorer = 'exact' AND value = 1"));
    assert_eq!(folder.read("o.csv").lines().count() as i64, count + 1);
    let results: Value = serde_json::from_str(&folder.read("o.promptfoo.json")).unwrap();
    assert_eq!(results["results"]["stats"]["successes"], right);
    let piped = folder.karat(&["export", "last", "--format", "jsonl"]).expect(0);
    assert_eq!(piped.stdout, folder.read("o.jsonl"));

    folder.karat(&["export", "last", "-o", "o.json"]).expect(2).tells(&["does not tell the format", "--format"]);
    folder.karat(&["export", "last", "--format", "parquet"]).expect(2).tells(&["-o outcomes.parquet"]);
    folder.karat(&["export", "nothing", "-o", "n.csv"]).expect(2).tells(&["nothing"]);
    assert!(!folder.path("n.csv").exists());
}

#[test]
fn exported_outcomes_are_read_again_as_rows() {
    let folder = finished();
    folder.karat(&["export", "last", "-o", "o.parquet"]).expect(0);
    folder.karat(&["export", "last", "-o", "o.jsonl"]).expect(0);
    let map = ["--map", "id=example_id,ts=answered_at", "--format", "json"];
    let import = |file: &str| folder.karat(&[&["traffic", "import", file], &map[..]].concat()).expect(0).json();
    let (first, second) = (import("o.jsonl"), import("o.parquet"));
    assert_eq!(first["files"][0]["new"], second["files"][0]["known"], "{second}");
    assert_eq!(second["files"][0]["new"], 0);
}

/// Imports traffic in a new workspace, and returns the result and the folder.
fn traffic(arguments: &[&str]) -> (Value, Folder) {
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&nowhere(), ""));
    let arguments = [&["traffic", "import", "--format", "json"], arguments].concat();
    (folder.karat(&arguments).expect(0).json(), folder)
}

#[test]
fn a_dry_run_shows_the_first_records_and_stores_nothing() {
    let file = fixture("traffic/langfuse-api-v1.json");
    let (view, folder) = traffic(&[&file, "--dry-run"]);
    assert_eq!((&view["dry_run"], &view["files"][0]["format"]), (&json!(true), &json!("langfuse")));
    assert!(!view["first"].as_array().unwrap().is_empty(), "{view}");
    assert_eq!(folder.count("SELECT count(*) FROM traffic"), 0);
}

#[test]
fn compressed_files_folders_patterns_and_standard_input_are_read_alike() {
    let rows: String =
        (0..40).map(|n| format!("{{\"id\": \"r{n}\", \"text\": \"text {n}\", \"ts\": \"2026-09-01\"}}\n")).collect();
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&nowhere(), ""));
    let (first, last) = rows.split_at(rows.match_indices('\n').nth(19).unwrap().0 + 1);
    std::fs::create_dir(folder.path("logs")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(first.as_bytes()).unwrap();
    std::fs::write(folder.path("logs/a.jsonl.gz"), gz.finish().unwrap()).unwrap();
    std::fs::write(folder.path("logs/b.jsonl.zst"), zstd::encode_all(last.as_bytes(), 0).unwrap()).unwrap();
    folder.write("logs/.hidden", "not rows");
    let import =
        |input: &[&str]| folder.karat(&[&["traffic", "import", "--format", "json"], input].concat()).expect(0).json();
    let sums = |view: &Value, field: &str| -> u64 {
        view["files"].as_array().unwrap().iter().map(|file| file[field].as_u64().unwrap()).sum()
    };
    assert_eq!(sums(&import(&["logs"]), "new"), 40);
    assert_eq!(sums(&import(&["logs/*.gz", "logs/b*"]), "known"), 40);

    let mut command = folder.command(&["traffic", "import", "-", "--source", "piped", "--format", "json"]);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(rows.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sums(&view, "new"), 40);
    folder.karat(&["traffic", "import", "logs/*.csv"]).expect(2).tells(&["logs/*.csv"]);
}

#[test]
fn bad_rows_on_one_line_empty_files_and_repeated_rows_do_not_stop_an_import() {
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&nowhere(), ""));
    std::fs::create_dir_all(folder.path("logs/1")).unwrap();
    std::fs::create_dir_all(folder.path("logs/2")).unwrap();
    let row = |n: usize| json!({"id": n.to_string(), "text": format!("text {n}"), "ts": "2026-09-01"});
    let mut rows: Vec<Value> = (0..400).map(row).collect();
    rows[7]["text"] = json!("");
    rows[9]["ts"] = json!("soon");
    folder.write("logs/1/part.json", &json!(rows).to_string());
    rows[9]["id"] = json!("x");
    folder.write("logs/2/part.json", &json!(rows).to_string());
    folder.write("logs/0.jsonl", "");

    let import = ["traffic", "import", "logs", "--format", "json"];
    let counts = |view: &Value| -> Vec<Value> {
        let files = view["files"].as_array().unwrap().iter();
        files
            .map(|file| json!([file["rows"], file["new"], file["known"], file["rejected"].as_array().unwrap().len()]))
            .collect()
    };
    let expected = [json!([0, 0, 0, 0]), json!([400, 398, 0, 2]), json!([400, 0, 398, 2])];
    let dry = folder.karat(&[&import[..], &["--dry-run"]].concat()).expect(0).json();
    assert_eq!(counts(&dry), expected, "as the import itself counts");
    assert_eq!(counts(&folder.karat(&import).expect(0).json()), expected);
    assert_eq!(folder.count("SELECT count(*) FROM traffic_rejects"), 4);
    folder.karat(&import).expect(0);
    assert_eq!(folder.count("SELECT count(*) FROM traffic_rejects"), 4, "importing again replaces them");
}

#[test]
fn an_exclusion_that_matches_nothing_and_a_map_for_another_format_are_told() {
    let (file, folder) = (fixture("traffic/langfuse-api-v1.json"), Folder::new());
    folder.write("karat.yaml", &workspace(&nowhere(), ""));
    let import = ["traffic", "import", &file];
    folder.karat(&[&import[..], &["--exclude", "environment=stagin"]].concat()).expect(0).tells(&["left out no row"]);
    let mapped = ["--from", "langfuse", "--map", "input=body"];
    folder.karat(&[&import[..], &mapped].concat()).expect(2).tells(&["--map is for plain rows"]);
}

#[test]
fn a_file_with_too_many_bad_rows_leaves_the_others_unstored_too() {
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&nowhere(), ""));
    folder.write("a.jsonl", "{\"text\": \"fine\", \"ts\": \"2026-09-01\"}\n");
    folder.write("b.jsonl", "{\"text\": \"no time\"}\n");
    folder.karat(&["traffic", "import", "a.jsonl", "b.jsonl"]).expect(3).tells(&["b.jsonl:1:"]);
    assert_eq!(folder.count("SELECT count(*) FROM traffic"), 0);
    folder.karat(&["traffic", "import", "a.jsonl", "--from", "otpl"]).expect(2).tells(&["otlp"]);
}

/// The rows of a month of traffic as written by [`decayed`].
fn month(folder: &Folder, name: &str) -> Vec<Value> {
    folder.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A request as an observation of Langfuse.
fn in_langfuse(row: &Value) -> Value {
    json!({
        "id": row["id"], "traceId": format!("t-{}", row["id"]), "type": "GENERATION", "name": "chat", "parentObservationId": null,
        "startTime": row["time"], "endTime": row["time"], "userId": row["user"], "model": "m-1", "environment": "default",
        "input": {"messages": [{"role": "user", "content": row["text"]}]},
        "output": {"role": "assistant", "content": "done"}
    })
}

/// A request as a payload of LiteLLM's loggers.
fn in_litellm(row: &Value) -> Value {
    let at: jiff::Timestamp = row["time"].as_str().unwrap().parse().unwrap();
    json!({
        "id": row["id"], "trace_id": format!("t-{}", row["id"]), "call_type": "acompletion", "status": "success", "response_cost": 0.1,
        "startTime": at.as_second() as f64, "endTime": at.as_second() as f64 + 1.0, "model": "m-1", "end_user": row["user"],
        "metadata": {}, "messages": [{"role": "user", "content": row["text"]}],
        "response": {"choices": [{"message": {"role": "assistant", "content": "done"}, "finish_reason": "stop"}]}
    })
}

/// A request as a span of OpenTelemetry, in an export request of its own.
fn in_otlp(row: &Value) -> Value {
    let at: jiff::Timestamp = row["time"].as_str().unwrap().parse().unwrap();
    let hex = blake3::hash(row["id"].as_str().unwrap().as_bytes()).to_hex();
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let messages =
        |role: &str, text: &Value| json!([{"role": role, "parts": [{"type": "text", "content": text}]}]).to_string();
    let span = json!({
        "traceId": hex[..32], "spanId": hex[32..48], "name": "chat m-1", "kind": 3,
        "startTimeUnixNano": at.as_nanosecond().to_string(), "endTimeUnixNano": (at.as_nanosecond() + 5).to_string(),
        "attributes": [
            text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "m-1"),
            text("user.id", row["user"].as_str().unwrap()),
            text("gen_ai.input.messages", &messages("user", &row["text"])),
            text("gen_ai.output.messages", &messages("assistant", &json!("done")))
        ]
    });
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
}

/// Writes a request as a tool does.
type Form = fn(&Value) -> Value;

#[test]
fn the_same_requests_in_three_formats_give_the_same_coverage_to_the_last_digit() {
    let forms: [(&str, Form); 3] = [("langfuse", in_langfuse), ("otlp", in_otlp), ("litellm", in_litellm)];
    let mut found = Vec::new();
    for (name, form) in forms {
        let folder = decayed(&nowhere(), "");
        for month_name in ["june", "august"] {
            let rows = month(&folder, &format!("traffic/{month_name}.jsonl"));
            folder.write(
                &format!("{month_name}.jsonl"),
                &rows.iter().map(|row| form(row).to_string() + "\n").collect::<String>(),
            );
        }
        let import = ["traffic", "import", "june.jsonl", "august.jsonl", "--source", "site", "--format", "json"];
        let view = folder.karat(&import).expect(0).json();
        assert_eq!((&view["files"][0]["format"], &view["files"][1]["new"]), (&json!(name), &json!(300)), "{view}");
        let decay = folder.karat(&[&AUGUST[..], &["--format", "json"]].concat()).expect(0).json();
        found.push((name, ["coverage", "reference_coverage", "drift_gap"].map(|figure| decay[figure].clone())));
    }
    assert!(found[0].1.iter().all(|figure| figure["value"].is_f64()), "{found:?}");
    for (name, figures) in &found {
        assert_eq!(figures, &found[0].1, "{name}");
    }
}
