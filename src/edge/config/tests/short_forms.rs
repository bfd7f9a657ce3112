use super::*;

/// Short forms, each with its full form.
const FORMS: &[(File, &str, &str)] = &[
    (Suite, "prompt: \"{{ input }}\"", "prompt: {text: \"{{ input }}\"}"),
    (Suite, "prompt: |\n  Label:\n  {{ input }}", "prompt: {text: \"Label:\\n{{ input }}\\n\"}"),
    (Suite, "prompt: file://p.txt", "prompt: {file: p.txt}"),
    (Suite, "prompt: [{role: user, content: hi}]", "prompt: {messages: [{role: user, content: hi}]}"),
    (
        Suite,
        "prompt:\n- role: system\n  content: a\n- b",
        "prompt: {messages: [{role: system, content: a}, {user: b}]}",
    ),
    (
        Suite,
        "prompt: [{system: a}, {user: b}, {assistant: c}]",
        "prompt: {messages: [{role: system, content: a}, {role: user, content: b}, {role: assistant, content: c}]}",
    ),
    (Suite, "prompt: {messages: hi}", "prompt: {messages: [{role: user, content: hi}]}"),
    (Suite, "prompt: {messages: {role: user, content: hi}}", "prompt: {messages: [{role: user, content: hi}]}"),
    (Suite, "prompts: {a: A, b: file://p.txt}", "prompts: {a: {text: A}, b: {file: p.txt}}"),
    (Suite, "scorers: exact", "scorers: [{type: exact}]"),
    (Suite, "scorers:\n- exact\n- contains", "scorers: [{type: exact}, {type: contains}]"),
    (Suite, "scorers: {type: regex, pattern: x}", "scorers: [{type: regex, pattern: x}]"),
    (Suite, "scorers: {type: exact, normalize: trim}", "scorers: [{type: exact, normalize: [trim]}]"),
    (Suite, "gates: 0.85", "gates: [{min: 0.85}]"),
    (Suite, "gates:\n- 0.85\n- 1", "gates: [{min: 0.85}, {min: 1.0}]"),
    (Suite, "gates: {min: 0.85}", "gates: [{min: 0.85}]"),
    (Suite, "gates: {min: 0.85, endpoints: m}", "gates: [{min: 0.85, endpoints: [m]}]"),
    (Suite, "endpoints: openai:chat:gpt-x", "endpoints: [openai:chat:gpt-x]"),
    (Card, "labels: billing", "labels: [billing]"),
    (
        Workspace,
        "endpoints: {m: openai:chat:gpt-x}",
        "endpoints: {m: {type: openai, base_url: \"https://api.openai.com/v1\", model: gpt-x, api_key: \"${OPENAI_API_KEY}\"}}",
    ),
    (
        Workspace,
        "endpoints: {m: {type: exec, command: python3 m.py}}",
        "endpoints: {m: {type: exec, command: [python3, m.py]}}",
    ),
    (
        Workspace,
        "endpoints: {m: {type: http, base_url: u, body: {}, output: o, ok_statuses: 200}}",
        "endpoints: {m: {type: http, base_url: u, body: {}, output: o, ok_statuses: [200]}}",
    ),
    (
        Workspace,
        "embedders: {e: {type: model2vec, path: p, text: {fields: question}}}",
        "embedders: {e: {type: model2vec, path: p, text: {fields: [question]}}}",
    ),
    (Workspace, "cache: 2h", "cache: {ttl: 2h}"),
    (Workspace, "cache: false", "cache: {ttl: 0s}"),
    (Workspace, "cache: {ttl: 0}", "cache: {ttl: 0s}"),
    (Workspace, "cache: true", "cache: {ttl: 12h}"),
    (Workspace, "decay: {window: 30}", "decay: {window: 30d}"),
];

/// Input that is accepted although it is not a documented form: numbers where text is expected, and keys without a
/// value.
const LENIENT: &[(File, &str, &str)] = &[
    (Suite, "scorers: {type: contains, value: 42}", "scorers: [{type: contains, value: \"42\"}]"),
    (Suite, "scorers: {type: contains, value: yes}", "scorers: [{type: contains, value: \"yes\"}]"),
    (Card, "labels: [1, 2.50, yes, no]", "labels: [\"1\", \"2.50\", \"yes\", \"no\"]"),
    (
        Workspace,
        "endpoints: {m: {type: gemini, model: 1.50, timeout: 30}}",
        "endpoints: {m: {type: gemini, model: \"1.50\", timeout: 30s}}",
    ),
    (
        Workspace,
        "endpoints: {m: {type: gemini, model: x, headers: {x-version: 2}}}",
        "endpoints: {m: {type: gemini, model: x, headers: {x-version: \"2\"}}}",
    ),
    (Workspace, "decay:\ntraffic:\nendpoints:\n", "{}"),
    (Workspace, "traffic: {production: }", "traffic: {production: {}}"),
    (Suite, "gates:", "gates: []"),
    (Card, "", "{}"),
    (Workspace, "", "{}"),
];

#[test]
fn a_short_form_is_read_like_its_full_form() {
    let folder = tempfile::tempdir().unwrap();
    for (file, short, full) in FORMS.iter().chain(LENIENT) {
        let load =
            |text: &str| load(folder.path(), *file, text).unwrap_or_else(|failure| panic!("{text}: {failure:#?}"));
        assert_eq!(load(short), load(full), "{short}");
    }
}

#[test]
fn the_json_schemas_accept_the_short_forms_and_the_full_ones() {
    for (file, short, full) in FORMS {
        let kind = match file {
            Workspace => SchemaKind::Workspace,
            Suite => SchemaKind::Suite,
            Card => SchemaKind::Dataset,
        };
        let schema: serde_json::Value = serde_json::from_str(&json_schema(kind).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for text in [short, full] {
            let text = completed(*file, text);
            let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
            if let Err(error) = validator.validate(&value) {
                panic!("{text}: {error} at {}", error.instance_path());
            }
        }
    }
}
