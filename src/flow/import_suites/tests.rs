//! Tests of importing, with a format that hands over what a test wants.

use serde_json::json;

use super::*;

/// Hands over what a test wants.
struct Made(fn(&mut dyn Sink));

impl SuiteFormat for Made {
    fn name(&self) -> &'static str {
        "made"
    }

    fn reads(&self) -> &'static str {
        ""
    }

    fn read(&self, _: &Path, out: &mut dyn Sink) -> Result<(), Failure> {
        (self.0)(out);
        Ok(())
    }
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn options(root: &Path) -> SuiteImportOptions {
    SuiteImportOptions { root: root.to_owned(), max_bad: 0.01, has_flags: true, ..SuiteImportOptions::default() }
}

fn run(read: fn(&mut dyn Sink), options: &SuiteImportOptions) -> Result<SuiteImport, Failure> {
    import_suites(&Made(read), Path::new("config.yaml"), options, &|_| {})
}

fn read(root: &Path, file: &str) -> String {
    fs::read_to_string(root.join(file)).unwrap()
}

/// The notes about a file, as line, what and why.
fn notes<'n>(done: &'n SuiteImport, file: &str) -> Vec<(u64, &'n str, &'n str)> {
    let of = done.notes.iter().filter(|note| note.file == Path::new(file));
    of.map(|note| (note.line, note.what.as_str(), note.why.as_str())).collect()
}

/// Adds a dataset with these rows.
fn rows(out: &mut dyn Sink, name: &str, rows: &[Value]) -> String {
    let dataset = out.dataset(name, map(json!({"description": "Rows."})));
    for (line, row) in (1..).zip(rows) {
        out.example(&dataset, line, map(row.clone())).unwrap();
    }
    dataset
}

/// Adds a suite with these keys beside the usual ones.
fn suite(out: &mut dyn Sink, name: &str, keys: Value) -> String {
    let dataset = rows(out, name, &[json!({"input": "x", "expected": "y"})]);
    let mut suite = map(json!({"dataset": dataset, "endpoints": ["baseline"], "scorers": ["exact"]}));
    suite.extend(map(keys));
    out.endpoint("baseline", map(json!({"type": "baseline"})));
    out.suite(name, suite)
}

fn small(out: &mut dyn Sink) {
    let endpoint =
        out.endpoint("gpt", map(json!({"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"})));
    let row = json!({"input": {"topic": "write to jane.roe@example.org"}, "expected": "x"});
    let dataset = rows(out, "faq", &[row]);
    out.suite(
        "faq",
        map(json!({"dataset": dataset, "endpoints": [endpoint], "scorers": ["exact"], "prompt": "{{ topic }}"})),
    );
    out.file("prompts/a.txt".into(), b"key sk-abcdefghijklmnopqrstuvwxyz123456 ${OPENAI_API_KEY}\n".to_vec());
    out.carried("equals", Carried::Directly);
}

#[test]
fn a_workspace_is_written_whole_redacted_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let dry = run(small, &SuiteImportOptions { dry_run: true, ..options.clone() }).unwrap();
    assert!(dry.first[0].1.contains("[redacted:email]"), "{:?}", dry.first);
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is written");

    let done = run(small, &options).unwrap();
    assert_eq!(done.files.len(), 6);
    assert!(done.files.values().all(|state| *state == FileState::Created));
    let examples = read(folder.path(), "datasets/faq/examples.jsonl");
    assert_eq!(examples, "{\"input\": {\"topic\":\"write to [redacted:email]\"}, \"expected\": \"x\"}\n");
    assert_eq!(read(folder.path(), "prompts/a.txt"), "key [redacted:api_key] ${OPENAI_API_KEY}\n");
    load_suite(&folder.path().join("suites/faq.yaml")).unwrap();

    let again = run(small, &options).unwrap();
    assert!(again.files.values().all(|state| *state == FileState::Unchanged), "{:?}", again.files);
    fs::write(folder.path().join("suites/faq.yaml"), "dataset: faq\n").unwrap();
    assert!(run(small, &options).unwrap_err().message.contains("1 files exist already"));
    assert_eq!(
        run(small, &SuiteImportOptions { force: true, ..options }).unwrap().files[Path::new("suites/faq.yaml")],
        FileState::Changed
    );
}

#[test]
fn what_karat_could_not_load_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let broken = |out: &mut dyn Sink| drop(suite(out, "s", json!({"scorers": [{"type": "nothing"}]})));
    let failure = run(broken, &options(folder.path())).unwrap_err();
    assert!(failure.message.contains("what was made of it cannot be used: suites/s.yaml:"), "{failure:?}");
    let twice = |out: &mut dyn Sink| {
        rows(out, "d", &[json!({"id": "1", "input": "a"}), json!({"id": "1", "input": "b"})]);
    };
    let failure = run(twice, &options(folder.path())).unwrap_err();
    assert!(failure.details[0].starts_with("datasets/d/examples.jsonl:2: the id \"1\""), "{failure:?}");
    let bad = |out: &mut dyn Sink| out.bad_row(Path::new("a.jsonl"), 7, "no input".to_owned());
    assert!(run(bad, &options(folder.path())).unwrap_err().details[0].contains("a.jsonl:7: no input"));
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn a_file_is_changed_only_where_a_secret_was_found_and_a_note_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let secret = |out: &mut dyn Sink| {
        out.file("prompts/a.txt".into(), b"Please reply politely.\n{\"user\":\"u\",\"password\":\"p\"}\n".to_vec());
        out.file("prompts/b.txt".into(), b"Please reply to help@example.org.\n".to_vec());
    };
    let done = run(secret, &options(folder.path())).unwrap();
    let prompt = "Please reply politely.\n{\"user\":\"u\",\"password\":\"[redacted:password]\"}\n";
    assert_eq!(read(folder.path(), "prompts/a.txt"), prompt);
    assert_eq!(read(folder.path(), "prompts/b.txt"), "Please reply to help@example.org.\n");
    let notes = notes(&done, "prompts/a.txt");
    assert!(matches!(notes.as_slice(), [(2, "secrets", why)] if why.contains("[redacted:password]")), "{notes:?}");
    assert_eq!(done.notes.len(), 1);
}

/// Adds a suite on a model with this temperature.
fn asked(out: &mut dyn Sink, name: &str, temperature: Value) {
    let params = json!({"temperature": temperature});
    let definition = json!({"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m", "params": params});
    let endpoint = out.endpoint("gpt", map(definition));
    suite(out, name, json!({"endpoints": [endpoint]}));
}

#[test]
fn an_endpoint_of_the_workspace_does_not_stand_in_for_another_one_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (first, second) =
        (|out: &mut dyn Sink| asked(out, "a", json!(0)), |out: &mut dyn Sink| asked(out, "b", json!(1)));
    run(first, &options(root)).unwrap();
    // People add prices, which do not change answers.
    let settings = read(root, "karat.yaml").replace("    params:", "    price: {input: 1, output: 2}\n    params:");
    fs::write(root.join("karat.yaml"), &settings).unwrap();
    let again = run(first, &options(root)).unwrap();
    assert!(again.notes.is_empty() && read(root, "karat.yaml") == settings, "{:?}", again.notes);

    let done = run(second, &options(root)).unwrap();
    let notes = notes(&done, "karat.yaml");
    let tells =
        |why: &str| why.contains("params.temperature is 0 in karat.yaml and 1 in the import") && why.contains("gpt-2");
    assert!(matches!(notes.as_slice(), [(0, "endpoints.gpt", why)] if tells(why)), "{notes:?}");
    assert_eq!(load_suite(&root.join("suites/b.yaml")).unwrap().endpoints, ["gpt-2"]);
    assert_eq!(load_suite(&root.join("suites/a.yaml")).unwrap().endpoints, ["gpt"]);
    let (config, _) = load_workspace(root).unwrap();
    assert_eq!(config.endpoints.keys().collect::<Vec<_>>(), ["baseline", "gpt", "gpt-2"]);
    let again = run(second, &options(root)).unwrap();
    assert!(again.files.values().all(|state| *state == FileState::Unchanged), "{:?}", again.files);
}

#[test]
fn cards_and_what_suites_take_from_rows_are_redacted_as_rows_are() {
    let folder = tempfile::tempdir().unwrap();
    let personal = |out: &mut dyn Sink| {
        let labels = json!(["jane.roe@example.org", "none"]);
        let card = json!({"description": "Kept by jane.roe@example.org.", "labels": labels});
        let dataset = out.dataset("d", map(card));
        out.example(&dataset, 1, map(json!({"input": "x", "expected": "jane.roe@example.org"}))).unwrap();
        let scorers = json!([{"type": "classification", "labels": labels}]);
        let prompt = "Mail to jane.roe@example.org: yes\nMail to {{ input }}:";
        suite(out, "s", json!({"dataset": dataset, "scorers": scorers, "prompt": prompt}));
    };
    let done = run(personal, &options(folder.path())).unwrap();
    for file in ["datasets/d/dataset.yaml", "datasets/d/examples.jsonl", "suites/s.yaml"] {
        let text = read(folder.path(), file);
        assert!(!text.contains("jane.roe") && text.contains("[redacted:email]"), "{text}");
    }
    let notes = notes(&done, "suites/s.yaml");
    assert!(matches!(notes.as_slice(), [(0, "prompt, scorers", why)] if why.contains("[redacted:email]")), "{notes:?}");

    let folder = tempfile::tempdir().unwrap();
    let written = |out: &mut dyn Sink| {
        let shown = out.redact(json!("I am jane.roe@example.org"));
        let prompt = format!("Refer to help@example.org.\n{}\n{{{{ input }}}}", shown.as_str().unwrap());
        suite(out, "s", json!({"prompt": prompt}));
    };
    let done = run(written, &options(folder.path())).unwrap();
    let text = read(folder.path(), "suites/s.yaml");
    assert!(text.contains("Refer to help@example.org.") && text.contains("I am [redacted:email]"), "{text}");
    assert_eq!((done.redactions.total(), done.notes.len()), (1, 0));
}

#[test]
fn a_check_of_a_row_that_redaction_changes_is_reported_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let own = |out: &mut dyn Sink| {
        let fine = json!({"input": "x", "assert": [{"type": "contains", "value": "y"}]});
        let changed =
            json!({"input": "x", "assert": [{"type": "contains", "value": "jane.roe@example.org", "not": true}]});
        let mut all = vec![fine];
        all.extend(vec![changed; 25]);
        rows(out, "d", &all);
    };
    let done = run(own, &options(folder.path())).unwrap();
    let notes_of_rows = notes(&done, "datasets/d/examples.jsonl");
    assert_eq!(notes_of_rows.len(), 20);
    let (line, what, why) = notes_of_rows[0];
    assert_eq!((line, what), (2, "assert: contains"));
    assert!(why.contains("any answer passes it") && why.contains("line 2"), "{why}");
    assert!(notes(&done, "config.yaml")[0].2.starts_with("5 more checks"), "{:?}", done.notes);
}

#[test]
fn ids_that_are_redacted_do_not_collide() {
    let folder = tempfile::tempdir().unwrap();
    let people = |out: &mut dyn Sink| {
        let row = |id: &str, input: &str| json!({"id": id, "input": input, "expected": "y"});
        rows(out, "d", &[row("jane@example.org", "a"), row("joe@example.org", "b"), row("3", "c")]);
    };
    run(people, &options(folder.path())).unwrap();
    let text = read(folder.path(), "datasets/d/examples.jsonl");
    let ids: Vec<bool> = text.lines().map(|line| line.contains("\"id\"")).collect();
    assert_eq!(ids, [false, false, true]);
}

#[test]
fn bad_rows_are_counted_and_only_the_first_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let bad = |out: &mut dyn Sink| {
        rows(out, "d", &[json!({"input": "x"})]);
        (1..=1500).for_each(|line| out.bad_row(Path::new("a.jsonl"), line, "no input".to_owned()));
    };
    let failure = run(bad, &options(folder.path())).unwrap_err();
    assert!(failure.message.starts_with("1500 of 1501 rows"), "{failure:?}");
    assert_eq!(failure.details[20], "… and 1480 more");
    let done = run(bad, &SuiteImportOptions { max_bad: 1.0, ..options(folder.path()) }).unwrap();
    assert_eq!(done.bad_rows.len(), 1000);
    assert!(notes(&done, "config.yaml")[0].2.contains("1500 rows cannot be read"), "{:?}", done.notes);
}

#[cfg(target_os = "linux")]
#[test]
fn only_one_file_is_open_however_many_datasets_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let (format, options) = (Made(|_| ()), options(folder.path()));
    let mut draft = Draft::new(&format, Path::new("config.yaml"), &options).unwrap();
    let names: Vec<String> =
        (0..50).map(|number| rows(&mut draft, &format!("d{number}"), &[json!({"input": "a"})])).collect();
    // In turns, too.
    for name in &names {
        draft.example(name, 2, map(json!({"input": "b"}))).unwrap();
    }
    let place = draft.folder.path().canonicalize().unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|file| fs::read_link(file.path()).ok());
    assert_eq!(open.filter(|path| path.starts_with(&place)).count(), 1);
    draft.finish_rows().unwrap();
    for name in &names {
        assert_eq!(
            read(&place, &format!("datasets/{name}/examples.jsonl")),
            "{\"input\": \"a\"}\n{\"input\": \"b\"}\n"
        );
    }
}

#[test]
fn hints_name_options_that_the_command_has() {
    let folder = tempfile::tempdir().unwrap();
    let init = SuiteImportOptions { has_flags: false, ..options(folder.path()) };
    let bad = |out: &mut dyn Sink| out.bad_row(Path::new("a.jsonl"), 7, "no input".to_owned());
    let hint = run(bad, &init).unwrap_err().hint.unwrap();
    let command = format!("`karat import made config.yaml --into {} ", folder.path().display());
    assert!(hint.contains(&format!("{command}--max-bad 0.1`")), "{hint}");
    assert!(run(bad, &options(folder.path())).unwrap_err().hint.unwrap().ends_with("with --max-bad 0.1"));
    fs::create_dir(folder.path().join("suites")).unwrap();
    fs::write(folder.path().join("suites/faq.yaml"), "dataset: faq\n").unwrap();
    let hint = run(small, &init).unwrap_err().hint.unwrap();
    assert!(hint.contains(&format!("{command}--force`")), "{hint}");
    assert!(run(small, &options(folder.path())).unwrap_err().hint.unwrap().contains("with --into"));
}

#[test]
fn lines_for_git_are_listed_and_a_file_that_cannot_be_read_is_found_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let ignore = folder.path().join(GITIGNORE);
    fs::write(&ignore, b"caf\xe9\n").unwrap();
    let failure = run(small, &options(folder.path())).unwrap_err();
    assert!(failure.message.contains(".gitignore"), "{failure:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is written");
    fs::write(&ignore, "target\n").unwrap();
    let dry = run(small, &SuiteImportOptions { dry_run: true, ..options(folder.path()) }).unwrap();
    assert_eq!(dry.files[Path::new(GITIGNORE)], FileState::Changed);
    assert_eq!(read(folder.path(), GITIGNORE), "target\n");
    let done = run(small, &options(folder.path())).unwrap();
    assert_eq!(done.files[Path::new(GITIGNORE)], FileState::Changed);
    assert_eq!(read(folder.path(), GITIGNORE), "target\n/.karat/\n/.env\n/reports/\n");
    assert!(!run(small, &options(folder.path())).unwrap().files.contains_key(Path::new(GITIGNORE)));
}

#[test]
fn a_suite_that_refers_to_a_file_outside_of_the_import_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = |out: &mut dyn Sink| {
        out.file("prompts/a.txt".into(), b"{{ input }}\n".to_vec());
        suite(out, "own", json!({"prompt": {"file": "../prompts/a.txt"}}));
        suite(out, "hosts", json!({"prompt": "file:///etc/hosts"}));
        suite(out, "above", json!({"vars": {"tone": "file://../../tone.txt"}}));
        let judge = json!({"type": "rubric", "judge": "baseline", "criteria": "file:///etc/hosts"});
        suite(out, "judged", json!({"scorers": [judge]}));
    };
    let done = run(hostile, &options(folder.path())).unwrap();
    assert_eq!(done.suites, ["own"]);
    for (name, key) in [("hosts", "prompt"), ("above", "vars.tone"), ("judged", "scorers[0].criteria")] {
        let file = format!("suites/{name}.yaml");
        let notes = notes(&done, &file);
        assert!(matches!(notes.as_slice(), [(0, what, why)] if *what == key && why.contains("left out")), "{notes:?}");
        assert!(!folder.path().join(file).exists());
    }
}
