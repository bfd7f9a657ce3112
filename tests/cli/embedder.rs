//! Embedding spaces are shown, pinned, migrated and retired; a changed model is noticed; an interruption mixes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::nowhere;
use crate::workspace::{AUGUST, Draws, decayed, import_months, measured};

/// Adds embedders to a workspace.
fn define(folder: &Folder, embedders: &str) {
    folder.write("karat.yaml", &format!("{}embedders:\n{embedders}", folder.read("karat.yaml")));
}

fn space(folder: &Folder) -> String {
    let shown = folder.karat(&["embedder", "show", "--format", "json"]).expect(0).json();
    shown["space"]["id"].as_str().unwrap().to_owned()
}

fn august(folder: &Folder) -> Value {
    folder.karat(&[&AUGUST[..], &["--format", "json"]].concat()).expect(0).json()
}

/// A slow embeddings server whose model rotates vectors by the given angle (in thousandths).
fn server(pause: Duration) -> (String, Arc<AtomicU64>) {
    let angle = Arc::new(AtomicU64::new(0));
    let turned = Arc::clone(&angle);
    let embed = move |Json(body): Json<Value>| {
        let turn = turned.load(Ordering::SeqCst) as f32 / 1000.0;
        async move {
            tokio::time::sleep(pause).await;
            let texts = body["input"].as_array().unwrap().clone();
            let vector = |text: &Value| {
                let mut vector = vec![0.05_f32; 26];
                let letters = text.as_str().unwrap().bytes().filter(u8::is_ascii_lowercase);
                letters.for_each(|byte| vector[usize::from(byte - b'a')] += 1.0);
                let (a, b) = (vector[4], vector[19]);
                (vector[4], vector[19]) = (a * turn.cos() - b * turn.sin(), a * turn.sin() + b * turn.cos());
                vector
            };
            let data: Vec<Value> =
                texts.iter().enumerate().map(|(i, text)| json!({"index": i, "embedding": vector(text)})).collect();
            Json(json!({"data": data}))
        }
    };
    (serve(Router::new().route("/v1/embeddings", post(embed))), angle)
}

/// Serves on loopback until the tests end; returns the base URL.
fn serve(router: Router) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    url
}

#[test]
fn a_space_is_compared_cut_over_to_reverted_and_retired() {
    let folder = measured(&nowhere(), "");
    let old = space(&folder);
    let before = august(&folder);
    let measurements = "SELECT count(*) FROM decay_measurements";
    let stored = folder.count(measurements);

    let compared = folder.karat(&["embedder", "migrate", "builtin", "--now", "2026-09-01"]).expect(0);
    compared.prints(&["hashed-ngrams-", "builtin-", "adjusted Rand", "neighbours", "hashed-ngrams is in use"]);
    assert_eq!(folder.count(measurements), stored, "a comparison stores no result");
    assert_eq!(space(&folder), old);
    assert!(!folder.path("karat.lock").exists());

    let view = folder.karat(&["embedder", "migrate", "builtin", "--cut-over", "--format", "json"]).expect(0).json();
    assert_eq!((&view["embedded"], &view["cut_over"]), (&json!(0), &json!(true)), "existing vectors are reused");
    let agreement = &view["datasets"][0];
    assert!(agreement["neighbour_overlap"].as_f64().unwrap() > 0.1, "{agreement}");
    let new = space(&folder);
    assert!(new.starts_with("builtin-") && view["to"]["space"] == new.as_str());
    let after = folder.karat(&[&AUGUST[..], &["--format", "json"]].concat()).expect(0);
    let after = after.tells(&["karat.yaml names the embedder \"hashed-ngrams\", but karat.lock pins \"builtin\""]);
    assert_eq!(after.json()["space"], new.as_str());

    folder.karat(&["embedder", "retire", "builtin"]).expect(3).tells(&["is in use and cannot be retired"]);
    folder.karat(&["embedder", "migrate", "hashed-ngrams", "--cut-over"]).expect(0);
    assert_eq!(space(&folder), old);
    let again = august(&folder);
    assert_eq!(
        (&again["coverage"], &again["clusters"]),
        (&before["coverage"], &before["clusters"]),
        "the figures are the same as before"
    );

    let retired = folder.karat(&["embedder", "retire", "builtin"]).expect(0);
    assert!(retired.stdout.starts_with(&format!("retired {new}: ")), "{retired}");
    assert_eq!(folder.count("SELECT count(*) FROM vectors WHERE space LIKE 'builtin-%'"), 0);
    assert!(folder.count("SELECT count(*) FROM decay_measurements WHERE space LIKE 'builtin-%'") > 0, "results remain");
    folder.karat(&["embedder", "retire", "builtin"]).expect(3).tells(&["nothing is stored in \"builtin\"", "hint: "]);
}

#[test]
fn without_a_name_the_pinned_embedder_is_used_or_else_the_sentence_transformer() {
    let folder = decayed(&nowhere(), "");
    let yaml = folder.read("karat.yaml");
    let named = |name: &str| folder.write("karat.yaml", &yaml.replace("embedder: hashed-ngrams\n", name));
    named("");
    assert!(space(&folder).starts_with("minilm-"));
    named("embedder: builtin\n");
    folder.karat(&["embedder", "migrate", "builtin", "--cut-over"]).expect(0);
    let pinned = space(&folder);
    assert!(pinned.starts_with("builtin-"));
    // `fast` is another name of the same table; without a name, the pinned one stays in use.
    for name in ["embedder: fast\n", ""] {
        named(name);
        let shown = folder.karat(&["embedder", "show"]).expect(0);
        assert!(!shown.stderr.contains("karat.yaml names"), "{shown}");
        assert_eq!(space(&folder), pinned);
    }
}

#[test]
fn a_model_with_changed_files_is_refused_with_the_name_of_the_file() {
    let folder = decayed(&nowhere(), "");
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spaces/model2vec");
    std::fs::create_dir(folder.path("model")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(fixture.join(name), folder.path("model").join(name)).unwrap();
    }
    folder.write("karat.yaml", &folder.read("karat.yaml").replace("embedder: hashed-ngrams", "embedder: small"));
    define(&folder, "  small: {type: model2vec, path: model}\n");
    folder.karat(&["dataset", "lock"]).expect(0);
    assert!(folder.read("karat.lock").contains(&space(&folder)), "the lock pins the space");
    folder.karat(&["embedder", "show"]).expect(0).prints(&["pinned in karat.lock", "model.safetensors: "]);

    folder.write("model/config.json", "{\"normalize\": false}");
    let done = folder.karat(&["decay", "topics"]).expect(3);
    done.tells(&["karat.lock pins model2vec-", "config.json: ", "normalisation: was unit, is none", "--cut-over"]);
    folder.karat(&["embedder", "migrate", "small", "--cut-over"]).expect(0).prints(&["nothing can be compared"]);
    assert!(folder.read("karat.lock").contains(&space(&folder)));
    std::fs::remove_file(folder.path("model/model.safetensors")).unwrap();
    folder.karat(&["decay", "topics"]).expect(3).tells(&["model/model.safetensors", "downloads nothing"]);
}

#[test]
fn a_server_whose_model_changed_silently_is_refused() {
    let (url, angle) = server(Duration::ZERO);
    let folder = decayed(&nowhere(), "");
    folder.write("karat.yaml", &folder.read("karat.yaml").replace("embedder: hashed-ngrams", "embedder: far"));
    define(&folder, &format!("  far: {{type: openai, base_url: {url}, model: m, api_key: '${{FAR_KEY}}'}}\n"));
    let key = [("FAR_KEY", "sk-canary-embeddings")];
    for month in ["june", "august"] {
        let file = format!("traffic/{month}.jsonl");
        folder.karat_with(&key, &["traffic", "import", &file, "--source", "site"]).expect(0);
    }
    folder.karat_with(&key, &["dataset", "lock"]).expect(0);
    folder.karat_with(&key, &AUGUST).expect(0);
    angle.store(5, Ordering::SeqCst);
    folder.karat_with(&key, &AUGUST).expect(0);

    folder.write("traffic/new.jsonl", "{\"id\": \"n\", \"text\": \"entirely new text\", \"time\": \"2026-08-20\"}\n");
    folder.karat_with(&key, &["traffic", "import", "traffic/new.jsonl", "--source", "site"]).expect(0);
    angle.store(900, Ordering::SeqCst);
    let done = folder.karat_with(&key, &AUGUST).expect(3);
    done.tells(&["the server behind the embedder \"far\" no longer returns the same vectors", "\"revision\""]);

    folder.write("karat.yaml", &folder.read("karat.yaml").replace("model: m,", "model: m, revision: '2',"));
    folder.karat_with(&key, &["embedder", "migrate", "far", "--cut-over"]).expect(0);
    folder.karat_with(&key, &AUGUST).expect(0);
    // A machine with an empty database recognises the model by the lock.
    std::fs::remove_dir_all(folder.path(".karat")).unwrap();
    folder
        .karat_with(&key, &["traffic", "import", "traffic/june.jsonl", "traffic/august.jsonl", "--source", "site"])
        .expect(0);
    angle.store(0, Ordering::SeqCst);
    folder
        .karat_with(&key, &AUGUST)
        .expect(3)
        .tells(&["the vector of a probe text differs from the one in karat.lock"]);
    let database = std::fs::read(folder.path(".karat/karat.db")).unwrap();
    assert!(!database.windows(9).any(|bytes| bytes == b"sk-canary"), "the key is in the database");
}

#[test]
fn a_key_is_needed_only_for_embedding_and_a_missing_one_is_named() {
    let (url, _) = server(Duration::ZERO);
    let folder = decayed(&nowhere(), "");
    folder.write("karat.yaml", &folder.read("karat.yaml").replace("embedder: hashed-ngrams", "embedder: far"));
    let far = format!("base_url: '{url}?t=${{FAR_TENANT}}', headers: {{X-Team: 'team ${{FAR_HEADER}}'}}");
    define(&folder, &format!("  far: {{type: openai, {far}, model: m, api_key: '${{FAR_KEY}}'}}\n"));
    let keys = [("FAR_KEY", "sk-canary-key"), ("FAR_HEADER", "canary-header"), ("FAR_TENANT", "canary-tenant")];
    folder.karat(&["dataset", "lock"]).expect(3).tells(&["embedders.far.", "is not set", "hint: "]);
    folder.karat_with(&keys, &["dataset", "lock"]).expect(0);
    import_months(&folder);
    for command in [
        &["dataset", "lock"][..],
        &["list"],
        &["traffic", "stats"],
        &["queue", "list"],
        &["embedder", "show"],
        &["cache", "stats"],
    ] {
        folder.karat(command).expect(0);
    }
    folder.karat(&["doctor", "--offline"]).expect(3).prints(&["secret FAR_KEY", "is not set"]);
    folder.karat(&AUGUST).expect(3).tells(&["embedders.far.headers.X-Team needs the variable FAR_HEADER"]);
    folder.karat_with(&keys, &AUGUST).expect(0);
    for command in [&["show", "topics"][..], &["queue", "export", "topics"], &["report", "topics"]] {
        folder.karat(command).expect(0);
    }
}

#[test]
fn the_secrets_of_an_embedder_appear_nowhere_even_if_a_server_repeats_them() {
    let url = serve(Router::new().fallback(async |uri: axum::http::Uri, headers: axum::http::HeaderMap| {
        assert_eq!(headers["authorization"], "Bearer sk-canary-key");
        let told = format!("no {headers:?} for {uri}");
        (axum::http::StatusCode::UNAUTHORIZED, Json(json!({"error": {"message": told}})))
    }));
    let answers = crate::server::Server::answering(|_| "sk-canary-key and canary-header and canary-tenant".to_owned());
    let folder = measured(&answers.url, "");
    let far = format!("base_url: '{url}/${{FAR_TENANT}}', headers: {{X-Team: 'team ${{FAR_HEADER}}'}}");
    define(&folder, &format!("  far: {{type: openai, {far}, model: m, api_key: '${{FAR_KEY}}'}}\n"));
    folder.write("karat.yaml", &folder.read("karat.yaml").replace("embedder: hashed-ngrams", "embedder: far"));
    let keys = [("FAR_KEY", "sk-canary-key"), ("FAR_HEADER", "canary-header"), ("FAR_TENANT", "canary-tenant")];
    let failed = folder.karat_with(&keys, &AUGUST).expect(4).tells(&["***"]);
    assert!(!failed.stderr.contains("canary"), "{failed}");
    let run = folder.karat_with(&keys, &["run", "topics", "--limit", "3", "--format", "json"]);
    assert!(run.stdout.contains("*** and *** and ***") && !run.stdout.contains("canary"), "{run}");
}

#[cfg(unix)]
#[test]
fn a_migration_killed_at_any_moment_leaves_the_old_space_in_use_and_nothing_mixed() {
    let kills = std::env::var("KARAT_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    let (url, _) = server(Duration::from_millis(20));
    let far = format!("  far: {{type: openai, base_url: {url}, model: m, batch: 16}}\n");
    let folder = measured(&nowhere(), "");
    define(&folder, &far);
    let (old, before) = (space(&folder), august(&folder));
    let mut moment = 40_u64;
    for kill in 0..kills {
        let mut child = folder.command(&["embedder", "migrate", "far", "--cut-over"]).spawn().unwrap();
        // Spread over the whole migration, at different moments each time.
        moment = (moment * 1_103 + 12_345 + kill) % 1_400;
        std::thread::sleep(Duration::from_millis(moment));
        let finished = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        if finished || space(&folder) != old {
            folder.karat(&["embedder", "migrate", "hashed-ngrams", "--cut-over"]).expect(0);
        }
        let now = august(&folder);
        for part in ["space", "coverage", "clusters", "examples", "shift"] {
            assert_eq!(now[part], before[part], "{part} after kill {kill} at {moment} ms");
        }
        let mixed =
            "SELECT count(*) FROM (SELECT space FROM vectors GROUP BY space HAVING count(DISTINCT length(data)) > 1)";
        assert_eq!(folder.count(mixed), 0);
    }
    folder.karat(&["embedder", "migrate", "far", "--cut-over"]).expect(0);
    let fresh = decayed(&nowhere(), "");
    fresh.write("karat.yaml", &fresh.read("karat.yaml").replace("embedder: hashed-ngrams", "embedder: far"));
    define(&fresh, &far);
    import_months(&fresh);
    let (moved, anew) = (august(&folder), august(&fresh));
    for part in ["space", "coverage", "clusters"] {
        assert_eq!(moved[part], anew[part], "{part} after the migration");
    }
}

#[test]
fn a_text_rule_selects_other_turns_of_a_conversation() {
    let folder = decayed(&nowhere(), "");
    define(&folder, "  chat: {type: hashed-ngrams, text: {messages: all}}\n");
    let request = Draws(1).sentence("alpine");
    let messages = json!([
        {"role": "user", "content": format!("{request} jane.roe@example.org")},
        {"role": "user", "content": "and now"}
    ]);
    let record = json!({"id": "c", "messages": messages, "time": "2026-08-03"});
    folder.write("traffic/chat.jsonl", &format!("{record}\n"));
    folder.karat(&["traffic", "import", "traffic/chat.jsonl", "--source", "site"]).expect(0);
    folder.karat(&["embedder", "migrate", "chat"]).expect(0);
    let embedded = |text: &str| {
        folder.count(&format!(
            "SELECT count(*) FROM vectors v JOIN contents c ON c.id = v.content WHERE c.data = CAST('{text}' AS BLOB)"
        ))
    };
    assert_eq!(embedded(&format!("{request} [redacted:email]")), 1);
}

#[test]
fn invalid_embedders_are_refused_with_the_key() {
    let cases = [
        ("embedder: bultin\n", &["there is no embedder \"bultin\"", "did you mean \"builtin\"?"][..]),
        ("embedders:\n  a: {type: model2vec}\n", &["embedders.a needs the key \"path\""]),
        (
            "embedders:\n  a: {type: builtin, path: x}\n",
            &["embedders.a.path is a key of type model2vec, bert, not of builtin"],
        ),
        (
            "embedders:\n  a: {type: openai, base_url: u, model: m, api_key: sk-1}\n",
            &["embedders.a.api_key contains a literal secret"],
        ),
        (
            "embedders:\n  a: {type: openai, base_url: u, model: m, batch: 0}\n",
            &["embedders.a.batch is 0, but must be 1 or more"],
        ),
        ("embedders:\n  a: {type: builtin, text: {chunks: 3}}\n", &["chunks", "karat.yaml"]),
        (
            "embedder: a\nembedders:\n  a: {type: model2vec, path: nowhere}\n",
            &["nowhere/config_sentence_transformers.json"],
        ),
    ];
    for (yaml, texts) in cases {
        let folder = decayed(&nowhere(), "");
        folder.write("karat.yaml", yaml);
        folder.karat(&["embedder", "show"]).expect(3).tells(texts);
    }
}
