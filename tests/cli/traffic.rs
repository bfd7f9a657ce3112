//! Import of traffic: field maps, repeated imports, redaction, bad rows.

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::nowhere;
use crate::workspace::{AUGUST, EMERGED, decayed, workspace};

/// Data that must never be stored. The key is made up, and assembled here so that no scanner takes it for a real one.
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
fn fields_are_mapped_by_the_command_line_or_the_workspace() {
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
    assert_eq!(import(&folder, &["day.jsonl", "--source", "other"])["new"], 50, "sources are independent");
}

#[test]
fn rows_without_an_id_are_stored_as_often_as_they_occur() {
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

/// Personal data and secrets in every kind of field. Each row is a new topic in the traffic, so that decay shows it.
fn canaries() -> Vec<Value> {
    let rows = [
        json!({"text": "mail canary-a@example.org about fjords"}),
        json!({"input": {"question": "reset please", "password": "hunter2zz", "api_key": "abcdef123zz", "phone": "4155552671"}}),
        json!({"input": {"question": "deep", "a": [{"b": {"passphrase": "canary-b"}}], "user": {"Phone": {"home": 4155552672_u64}}}}),
        json!({"input": {"question": "numbers", "password": 271_828_182, "card": 4_111_111_111_111_111_u64, "secrets": ["canary-c", "canary-d"]}}),
        json!({"input": {"question": "keys", "canary-e@example.org": 1, "nested": {"4111 1111 1111 1129": [true]}}}),
        json!({"messages": [{"role": "user", "content": "chat", "token": "canary-f"}, {"role": "user", "content": [{"type": "text", "text": "I am canary-g@example.org", "auth_token": "canary-h"}]}]}),
        json!({"messages": [{"role": "user", "content": "call"}, {"role": "assistant", "tool_calls": [{"function": {"arguments": "{\"secret\": \"canary-i\", \"mobile\": 4155552673}"}}]}]}),
        json!({"input": "{\"question\": \"text that is JSON\", \"token\": \"canary-j\", \"list\": [{\"cookie\": \"canary-k\"}]}"}),
        json!({"text": "plain", "output": {"answer": "done", "session_token": "canary-l", "phones": ["4155552674"]}}),
        json!({"text": "plain", "output": "your password is canary-m5 and {\"api_key\": \"canary-n5\"}"}),
        json!({"text": "plain", "metadata": {"password": "canary-o", "note": "canary-p@example.org"}, "password": "canary-q"}),
        json!({"text": "plain", "user": "canary-r@example.org"}),
        json!({"text": "plain", "user": {"id": "canary-s", "email": "canary-t@example.org"}}),
        json!({"text": "plain", "id": "canary-u@example.org"}),
        json!({"text": "plain", "id": {"token": "canary-v"}}),
    ];
    let dated = |(number, mut row): (usize, Value)| {
        row["ts"] = json!(format!("2026-08-{:02}", number + 1));
        row
    };
    rows.into_iter().enumerate().map(dated).collect()
}

/// Parts of [`canaries`] that must not be found anywhere.
const CANARIES: [&str; 10] = [
    "canary-",
    "hunter2zz",
    "abcdef123zz",
    "4155552671",
    "4155552672",
    "4155552673",
    "4155552674",
    "271828182",
    "4111111111111111",
    "4111 1111 1111 1129",
];

#[test]
fn secrets_in_every_kind_of_field_appear_in_no_database_export_or_report() {
    let folder = decayed(&nowhere(), "");
    let rows: String = canaries().iter().map(|row| row.to_string() + "\n").collect();
    folder.write("traffic/canaries.jsonl", &rows);
    let mut shown = Vec::new();
    let mut karat = |arguments: &[&str]| {
        let done = folder.karat(arguments);
        assert!(matches!(done.code, Some(0 | 100..=103)), "{done}");
        shown.push((arguments.join(" "), done.stdout.clone() + &done.stderr));
        done
    };
    let files = ["traffic/canaries.jsonl", "traffic/june.jsonl", "traffic/august.jsonl"];
    let import = [&["traffic", "import", "--source", "site", "--format", "json"], &files[..]].concat();
    let redacted = karat(&import).json()["files"][0]["redacted"].clone();
    assert_eq!(
        redacted,
        json!({"api_key": 2, "bearer_token": 5, "card_number": 2, "email": 3, "password": 6, "phone": 4}),
    );
    karat(&import);
    karat(&["traffic", "stats", "--format", "json"]);
    let reports = ["-o", "d.html", "-o", "d.md", "-o", "d.json", "-o", "d.xml", "-o", "d.csv", "--records", "r.jsonl"];
    karat(&[&AUGUST[..], &reports, &["--format", "json"]].concat()).prints(&[EMERGED.get(..2).unwrap()]);
    karat(&["show", "topics"]);
    karat(&["queue", "list", "--format", "json"]);
    karat(&["queue", "export", "topics", "-o", "q.csv"]);
    karat(&["report", "topics", "-o", "t.html", "-o", "t.md", "-o", "t.json", "-o", "t.xml", "-o", "t.csv"]);

    let mut places: Vec<(String, Vec<u8>)> = shown.into_iter().map(|(what, text)| (what, text.into_bytes())).collect();
    for path in [".", ".karat"].into_iter().flat_map(|name| std::fs::read_dir(folder.path(name)).unwrap()) {
        let path = path.unwrap().path();
        if path.is_file() {
            places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    assert!(places.len() >= 20, "{}", places.len());
    places.extend(contents(&folder).into_iter().map(|text| (format!("the database: {text}"), text.into_bytes())));
    for (place, bytes) in places {
        for canary in CANARIES {
            assert!(!bytes.windows(canary.len()).any(|w| w == canary.as_bytes()), "{canary} is in {place}");
        }
    }
}

#[test]
fn a_database_with_unkeyed_hashes_is_upgraded_with_a_note_and_recognises_its_records() {
    let folder = folder();
    let row = r#"{"id": "jane@example.org", "text": "hello", "ts": "2026-09-01", "user": "jane@example.org"}"#;
    folder.write("day.jsonl", row);
    std::fs::create_dir(folder.path(".karat")).unwrap();
    let connection = rusqlite::Connection::open(folder.path(".karat/karat.db")).unwrap();
    for sql in [
        include_str!("../../src/edge/store/migrations/0001_initial.sql"),
        include_str!("../../src/edge/store/migrations/0002_spaces.sql"),
        include_str!("../../src/edge/store/migrations/0003_runner.sql"),
        include_str!("../../src/edge/store/migrations/0004_names.sql"),
        "PRAGMA user_version = 4; PRAGMA application_id = 0x4b415241; INSERT INTO contents VALUES (1, x'00', 0, x'68')",
    ] {
        connection.execute_batch(sql).unwrap();
    }
    let hash = |label: &str| {
        let hash = blake3::hash(format!("{label}\0jane@example.org").as_bytes()).to_hex();
        hash[..16].to_owned()
    };
    let sql =
        "INSERT INTO traffic (source, record_id, at, input, grp, sample_rate) VALUES ('default', ?1, 1, 1, ?2, 1)";
    connection.execute(sql, [hash("karat-record"), hash("karat-user")]).unwrap();
    drop(connection);
    folder.karat(&["traffic", "stats"]).expect(0).tells(&["note: users, and records whose id identified one"]);
    let again = folder.karat(&["traffic", "import", "day.jsonl", "--format", "json"]).expect(0);
    assert_eq!((&again.json()["files"][0]["known"], again.stderr.as_str()), (&json!(1), ""));
    assert_eq!(folder.count("SELECT count(*) FROM traffic WHERE length(record_id) = 32 AND length(grp) = 32"), 1);
}

/// All stored texts, uncompressed.
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
fn bad_rows_are_recorded_with_their_line_and_counted() {
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
fn records_without_a_time_get_the_given_one() {
    let folder = folder();
    folder.write("day.csv", "text\nhello\nworld\n");
    let done = import(&folder, &["day.csv", "--at", "2026-09-14", "--inclusion-probability", "0.05"]);
    assert_eq!(done["new"], 2);
    let source = &stats(&folder)[0];
    assert_eq!((&source["weight"], &source["first"]), (&json!(40.0), &json!("2026-09-14T00:00:00Z")));
}

#[test]
fn without_traffic_the_message_says_how_to_import_it() {
    folder().karat(&["traffic", "stats"]).expect(0).tells(&["no traffic yet", "karat traffic import FILE"]);
}
