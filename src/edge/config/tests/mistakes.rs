use super::*;

/// The file, what is written in it, and parts of the expected message and hint.
const MISTAKES: &[(File, &str, &str, &str)] = &[
    // Values of the wrong type.
    (
        Suite,
        "prompt: 5",
        "s.yaml:4:9: prompt is 5, but must be text, a list of messages, or",
        "prompt: The prompt to send: \"{{ input }}\"",
    ),
    (Suite, "prompt: {text: [a]}", "s.yaml:4:16: prompt.text is a list, but must be text", "text: A single user"),
    (Suite, "prompts: \"{{ input }}\"", "prompts is \"{{ input }}\", but must be a mapping", "such as {short: "),
    (Suite, "prompts: [a, b]", "prompts is a list, but must be a mapping", "such as {short: "),
    (Suite, "prompt: {messages: [{role: user}]}", "prompt.messages[0] needs a role, and exactly one of", "{user: "),
    (Suite, "prompt: {messages: [7]}", "prompt.messages[0] is 7, but must be a message such as {role: user", ""),
    (Suite, "dataset: {name: d}", "s.yaml:3:10: dataset is a mapping, but must be text", "such as support"),
    (Suite, "dataset:", "dataset is empty, but must be text", "such as support"),
    (
        Suite,
        "endpoints: {m: {type: baseline}}",
        "endpoints is a mapping, but must be text",
        "endpoints: The endpoints to run",
    ),
    (Suite, "endpoints: a, b", "endpoints is \"a, b\", but must be a list: [a, b]", ""),
    (
        Suite,
        "repeat: three",
        "repeat is \"three\", but must be a whole number, 0 or more",
        "How many times each example is sent",
    ),
    (Suite, "repeat: 0", "repeat is 0, but must be between 1 and 1000", "Default: 1"),
    (Suite, "repeat: 2.5", "repeat is 2.5, but must be a whole number", ""),
    (Suite, "scorers: [5]", "scorers[0] is 5, but must be a scorer's name such as exact", "such as exact or"),
    (Suite, "scorers: []", "scorers is empty, but a suite needs at least one scorer", "scorers: [exact]"),
    (Suite, "scorers: exactly", "unknown value \"exactly\" of scorers", "did you mean \"exact\"?"),
    (Suite, "scorers: [{regex: x}]", "scorers[0] needs the key \"type\"", "write {type: regex, …}"),
    (Suite, "scorers: [regex]", "scorers[0] needs the key \"pattern\"", "such as '^[A-D]$'"),
    (
        Suite,
        "scorers: [{type: exact, pattern: x}]",
        "scorers[0].pattern is a key of type regex, citations, not of exact",
        "normalize, value, name",
    ),
    (Suite, "scorers: [{type: exact, reduce: best}]", "scorers[0].reduce: \"best\" is not a reducer; use mean", ""),
    (Suite, "gates: [85]", "gates[0] is 85, but must be a minimum between 0 and 1, such as 0.85", ""),
    (Suite, "gates: 85%", "gates is \"85%\", but must be a minimum between 0 and 1", "such as [0.85]"),
    (Suite, "gates: [{min: 85}]", "gates[0].min is 85, but must be between 0 and 1, such as 0.85", ""),
    (Suite, "gates: [{scorer: exact}]", "gates[0] needs exactly one of min and baseline", "min: 0.85"),
    (Suite, "gates: {exact: 0.85}", "unknown key \"exact\" in gates", "known here: scorer, contract"),
    (Suite, "gates: [{min: 0.9, scorer: exac}]", "gates[0] refers to the scorer \"exac\"", "did you mean \"exact\"?"),
    (Suite, "error_tolerance: 2%", "error_tolerance is \"2%\", but must be a number", "Default: 0.02"),
    // Keys of other tools.
    (Suite, "providers: [m]", "s.yaml:4:1: unknown key \"providers\"", "did you mean \"endpoints\"?"),
    (Suite, "assert: [exact]", "unknown key \"assert\"", "did you mean \"scorers\"?"),
    (Suite, "tests: t.csv", "unknown key \"tests\"", "did you mean \"dataset\"?"),
    // The whole file.
    (Card, "- a\n", "dataset.yaml:1:1: the file is a list, but must be a mapping with keys such as owner", ""),
    (Card, "labels: billing, delivery", "labels is \"billing, delivery\", but must be a list: [billing, delivery]", ""),
    (
        Card,
        "review_every_days: 90d",
        "review_every_days is \"90d\", but must be a whole number",
        "in days, such as 180",
    ),
    // The workspace.
    (
        Workspace,
        "endpoints: [openai:chat:x]",
        "karat.yaml:1:12: endpoints is a list, but must be a mapping of names",
        "",
    ),
    (
        Workspace,
        "endpoints: {m: gpt-x}",
        "endpoints.m is \"gpt-x\", but must be a mapping with a type, or an id such as",
        "",
    ),
    (
        Workspace,
        "endpoints: {m: {model: x}}",
        "karat.yaml:1:16: endpoints.m needs the key \"type\"",
        "one of openai, anthropic",
    ),
    (
        Workspace,
        "endpoints:\n  m:\n    type: opnai\n",
        "karat.yaml:3:11: unknown value \"opnai\" of endpoints.m.type",
        "\"openai\"",
    ),
    (
        Workspace,
        "endpoints:\n  m:\n    type: exec\n    command: [a]\n    api_key: ${K}\n",
        "karat.yaml:5:5: endpoints.m.api_key is a key of type openai, anthropic, gemini, http, not of exec",
        "the keys of type exec are type, command",
    ),
    (
        Workspace,
        "endpoints: {m: {type: gemini, model: x, temperature: 0}}",
        "unknown key \"temperature\" in endpoints.m",
        "params: {temperature: ",
    ),
    (
        Workspace,
        "endpoints: {m: {type: gemini, model: x, price: 0.15}}",
        "endpoints.m.price is 0.15, but must be a mapping",
        "{input: 0.15, output: 0.6}",
    ),
    (
        Workspace,
        "endpoints: {m: {type: gemini, model: x, timeout: 30000}}",
        "timeout is \"30000\", but must be a duration such as 30s",
        "",
    ),
    (
        Workspace,
        "endpoints: {m: {type: gemini, model: x, headers: [\"a: b\"]}}",
        "headers is a list, but must be a mapping",
        "{x-team: search",
    ),
    (
        Workspace,
        "endpoints: {m: {type: gemini, model: x, params: temperature=0}}",
        "params is \"temperature=0\", but must be a mapping",
        "{temperature: 0",
    ),
    (
        Workspace,
        "endpoints: {m: {type: gemini, model: x, max_retries: -1}}",
        "max_retries is -1, but must be a whole number, 0 or more",
        "Default: 4",
    ),
    (
        Workspace,
        "endpoints: {m: {type: gemini, model: x, stream: maybe}}",
        "stream is \"maybe\", but must be true or false",
        "",
    ),
    (
        Workspace,
        "endpoints: {m: {type: exec, command: 'a \"b c\"'}}",
        "command is \"a \\\"b c\\\"\", but must be a list, because no shell parses it",
        "",
    ),
    (Workspace, "embedder: {type: builtin}", "embedder is a mapping, but must be text", "a name under \"embedders\""),
    (Workspace, "embedders: {e: builtin}", "embedders.e is \"builtin\", but must be a mapping with a type", ""),
    (
        Workspace,
        "embedders: {e: {type: bert, path: p, max_tokens: 2}}",
        "embedders.e.max_tokens is 2, but must be 3 or more",
        "",
    ),
    (Workspace, "cache: soon", "cache is \"soon\", but must be a duration such as 12h", ""),
    (Workspace, "cache: {ttl: soon}", "cache.ttl is \"soon\", but must be a duration such as 90m", ""),
    (Workspace, "traffic: production", "traffic is \"production\", but must be a mapping", "{default: {map: "),
    (
        Workspace,
        "traffic: {a: {map: [text]}}",
        "traffic.a.map is a list, but must be a mapping",
        "{input: question.text",
    ),
    (Workspace, "traffic: {a: {sample_rate: 10%}}", "traffic.a.sample_rate is \"10%\", but must be a number", ""),
    (Workspace, "decay: 18", "decay is 18, but must be a mapping with keys such as window, min_karats", ""),
    (Workspace, "decay: {min_karat: 18}", "unknown key \"min_karat\" in decay", "did you mean \"min_karats\"?"),
    (
        Workspace,
        "decay: {policy: {neighbours: few}}",
        "decay.policy.neighbours is \"few\", but must be a whole number",
        "",
    ),
    // Invalid YAML.
    (Suite, "prompt: {{ input }}", "s.yaml:4:10: is not valid YAML", "prompt: \"{{ input }}\""),
    (Suite, "prompt: Label: {{ input }}", "s.yaml:4:14: is not valid YAML", "prompt: \"{{ input }}\""),
    (Workspace, "endpoints: {m: {type: gemini, api_key: ${K}}}", "is not valid YAML", "{api_key: \"${KEY}\"}"),
    (Workspace, "decay:\n\twindow: 30d\n", "karat.yaml:2:", "spaces, not with tabs"),
    (Workspace, "store: a\nstore: b\n", "karat.yaml:2:1: the key \"store\" appears twice", "remove one"),
    (Workspace, "store: a\n---\nstore: b\n", "karat.yaml:3:1: a second document starts", "---"),
    (Workspace, "store: [\n", "karat.yaml:", "brackets"),
];

#[test]
fn a_mistake_is_reported_with_its_place_what_was_found_and_what_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (file, text, message, hint) in MISTAKES {
        let failure = match load(folder.path(), *file, text) {
            Ok(_) => {
                wrong.push(format!("{text}\n  is accepted"));
                continue;
            }
            Err(failure) => failure,
        };
        let told = failure.message.replace(&format!("{}/", folder.path().display()), "");
        let hinted = failure.hint.unwrap_or_default();
        let without_place = !told.contains(".yaml:") && !told.contains("prompt.messages[0] needs");
        if !told.contains(message) || !hinted.contains(hint) || hinted.is_empty() || without_place {
            wrong.push(format!("{text}\n  {told}\n  {hinted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn error_messages_never_contain_secrets() {
    let folder = tempfile::tempdir().unwrap();
    for text in [
        "endpoints: {m: {type: gemini, model: x, api_key: sk-canary}}",
        "endpoints: {m: {type: gemini, model: x, headers: {authorization: sk-canary}}}",
        "embedders: {m: {type: openai, base_url: u, model: x, api_key: sk-canary}}",
        "endpoints: {m: {type: exec, command: [a], api_key: sk-canary}}",
    ] {
        let failure = load(folder.path(), Workspace, text).unwrap_err();
        assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
    }
}
