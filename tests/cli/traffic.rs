//! Traffic on its way in: field maps, repetition, redaction, bad rows.

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::nowhere;
use crate::workspace::workspace;

/// What must never be kept. The key is made up, and put together here so that no scanner takes it for a real one.
fn personal() -> [(&'static str, String); 4] {
    [
        ("an e-mail address", "jane.roe@example.org".to_owned()),
        ("a key", format!("sk-{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6")),
        ("a card number", "4111 1111 1111 1111".to_owned()),
        ("a user", "customer-4711-jane".to_owned()),
    ]
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(&nowhere(), ""));
    folder
}

fn import(folder: &Folder, arguments: &[&str]) -> Value {
    let arguments = [&["traffic", "import", "--format", "json"], arguments].concat();
    folder.karat(&arguments).expect(0).json()["files"][0].clone()
}

fn stats(folder: &Folder) -> Value {
    folder.karat(&["traffic", "stats", "--format", "json"]).expect(0).json()["sources"].clone()
}

#[test]
fn fields_are_mapped_from_the_command_line_or_the_workspace() {
    let row = json!({"body": {"text": "where is it"}, "meta": [{"at": 1_789_374_600}], "uid": 7, "rate": 0.1, "reply": "soon"});
    let pairs = "input=body.text,ts=meta.0.at,user=uid,p=rate,output=reply";
    let by_flag = folder();
    by_flag.write("day.jsonl", &row.to_string());
    assert_eq!(import(&by_flag, &["day.jsonl", "--source", "site", "--map", pairs])["new"], 1);

    let by_file = folder();
    let map = "traffic:\n  site:\n    map: {input: body.text, ts: meta.0.at, user: uid, p: rate, output: reply}\n";
    by_file.write("karat.yaml", &workspace(&nowhere(), map));
    by_file.write("day.jsonl", &row.to_string());
    assert_eq!(import(&by_file, &["day.jsonl", "--source", "site"])["new"], 1);

    for folder in [by_flag, by_file] {
        let source = &stats(&folder)[0];
        assert_eq!(
            (&source["source"], &source["records"], &source["with_output"]),
            (&json!("site"), &json!(1), &json!(1))
        );
        assert_eq!((&source["weight"], &source["groups"]), (&json!(10.0), &json!(1)));
        assert_eq!(source["first"], "2026-09-14T08:30:00Z");
    }
}

#[test]
fn importing_a_file_again_or_as_csv_changes_nothing() {
    let folder = folder();
    let row = |number: usize| json!({"id": format!("r{number}"), "text": format!("text {}", number % 7), "ts": "2026-09-01", "user": number % 3});
    folder.write("day.jsonl", &(0..50).map(|number| row(number).to_string() + "\n").collect::<String>());
    let first = import(&folder, &["day.jsonl"]);
    assert_eq!((&first["rows"], &first["new"], &first["known"]), (&json!(50), &json!(50), &json!(0)));
    let before = stats(&folder);
    let again = import(&folder, &["day.jsonl"]);
    assert_eq!((&again["new"], &again["known"]), (&json!(0), &json!(50)));
    let csv: String =
        (0..50).map(|number| format!("r{number},text {},2026-09-01,{}\n", number % 7, number % 3)).collect();
    folder.write("day.csv", &format!("id,text,ts,user\n{csv}"));
    assert_eq!(import(&folder, &["day.csv"])["known"], 50);
    assert_eq!(stats(&folder), before);
    assert_eq!((&before[0]["distinct_inputs"], &before[0]["groups"]), (&json!(7), &json!(3)));
    assert_eq!(import(&folder, &["day.jsonl", "--source", "other"])["new"], 50, "sources are apart");
}

#[test]
fn rows_without_an_id_are_kept_as_often_as_they_stand_there() {
    let folder = folder();
    folder.write("day.jsonl", &"{\"text\": \"hello\", \"ts\": \"2026-09-01\"}\n".repeat(3));
    assert_eq!(import(&folder, &["day.jsonl"])["new"], 3);
    assert_eq!(import(&folder, &["day.jsonl"])["new"], 0);
}

#[test]
fn personal_data_and_keys_never_reach_the_database() {
    let folder = folder();
    let [(_, mail), (_, key), (_, card), (_, user)] = personal();
    let padding = "and then some more words so that the text is long enough to be compressed ".repeat(8);
    let rows = [
        json!({"id": mail, "text": format!("write to {mail} please"), "output": format!("your key is {key}"), "ts": "2026-09-01", "user": user}),
        json!({"id": "2", "text": format!("key {key}"), "output": format!("sent to {mail}"), "ts": "2026-09-01", "user": mail}),
        json!({"id": "3", "text": format!("card {card} {padding}"), "output": card, "ts": "2026-09-02", "user": key}),
        json!({"id": "4", "messages": [{"role": "user", "content": format!("I am {mail}")}], "ts": "2026-09-02"}),
    ];
    let mut text: String = rows.iter().map(|row| row.to_string() + "\n").collect();
    text.push_str(&format!("{{\"text\": \"no time, but {mail} and {key}\"}}\n{{\"text\": \"{mail} {key}\n"));
    folder.write("day.jsonl", &text);
    let done = folder.karat(&["traffic", "import", "day.jsonl", "--max-bad", "0.5"]).expect(0);
    assert!(done.stdout.contains("4 new") && done.stdout.contains("redacted"), "{done}");
    folder.karat(&["traffic", "stats"]).expect(0);

    let mut searched = 0;
    for file in std::fs::read_dir(folder.path(".karat")).unwrap() {
        let path = file.unwrap().path();
        assert_unseen(&std::fs::read(&path).unwrap(), &path.display().to_string());
        searched += 1;
    }
    assert!(searched >= 1);
    for text in contents(&folder) {
        assert_unseen(text.as_bytes(), &text);
    }
    assert_unseen(done.stdout.as_bytes(), "stdout");
    assert_unseen(done.stderr.as_bytes(), "stderr");
    let stored = contents(&folder).join("\n");
    assert!(stored.contains("write to [redacted:") && stored.contains("words so that the text"), "{stored}");
}

/// Every text that is kept, uncompressed.
fn contents(folder: &Folder) -> Vec<String> {
    let connection = folder.database();
    let mut statement = connection.prepare("SELECT codec, data FROM contents").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
    rows.map(|row| {
        let (codec, data) = row.unwrap();
        let data = if codec == 1 { zstd::stream::decode_all(data.as_slice()).unwrap() } else { data };
        String::from_utf8(data).unwrap()
    })
    .collect()
}

#[track_caller]
fn assert_unseen(bytes: &[u8], place: &str) {
    for (what, secret) in personal() {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{what} is in {place}");
    }
}

#[test]
fn bad_rows_are_kept_apart_with_their_line_and_counted() {
    let folder = folder();
    let good = |number: usize| format!("{{\"text\": \"question {number}\", \"ts\": \"2026-09-01\"}}\n");
    let mut text: String = (0..150).map(good).collect();
    text.push_str("{\"text\": \"no time\"}\n");
    text.push_str(&(150..200).map(good).collect::<String>());
    folder.write("day.jsonl", &text);
    let view = import(&folder, &["day.jsonl"]);
    assert_eq!((&view["rows"], &view["new"]), (&json!(201), &json!(200)));
    assert_eq!(view["rejected"][0]["line"], 151);
    assert!(view["rejected"][0]["reason"].as_str().unwrap().contains("no time"), "{view}");
    import(&folder, &["day.jsonl"]);
    assert_eq!(stats(&folder)[0]["rejected"], 1, "importing again counted the row twice");
    assert_eq!(folder.count("SELECT line FROM traffic_rejects"), 151);
    let table = folder.karat(&["traffic", "stats"]).expect(0);
    insta::assert_snapshot!(folder.stable(&table.stdout));
}

#[test]
fn records_without_a_time_take_the_one_given() {
    let folder = folder();
    folder.write("day.csv", "text\nhello\nworld\n");
    let done = import(&folder, &["day.csv", "--at", "2026-09-14", "--inclusion-probability", "0.05"]);
    assert_eq!(done["new"], 2);
    let source = &stats(&folder)[0];
    assert_eq!((&source["weight"], &source["first"]), (&json!(40.0), &json!("2026-09-14T00:00:00Z")));
}

#[test]
fn nothing_imported_yet_says_how() {
    folder().karat(&["traffic", "stats"]).expect(0).tells(&["no traffic yet", "karat traffic import FILE"]);
}
