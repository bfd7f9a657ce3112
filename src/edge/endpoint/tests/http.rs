use proptest::prelude::*;

use super::*;
use crate::core::domain::CallErrorKind;
use crate::edge::endpoint::test_support::{
    KEY, body_of, call, conversation, error_of, fingerprint, hostile_json, json_reply, plain_request, request,
    settings, survives, with_params,
};
use crate::edge::net::fault_server::{FaultServer, Reply};

fn template(body: Value) -> HttpTemplate {
    HttpTemplate { body, output: "text".into(), ..HttpTemplate::default() }
}

fn body_with(params: Value, body: Value, request: &Request) -> Result<Value, String> {
    HttpApi::new(&with_params(params), template(body)).unwrap().body(request)
}

fn body(body: Value) -> Result<Value, String> {
    body_with(json!({}), body, &plain_request())
}

fn at(output: &str, answer: &Value) -> Result<String, String> {
    let template = HttpTemplate { output: output.into(), ..HttpTemplate::default() };
    HttpApi::new(&settings("http://h"), template).unwrap().read(answer).map(|answer| answer.output)
}

fn refused(template: HttpTemplate) -> String {
    error_of(HttpApi::new(&settings("http://h"), template))
}

const MESSAGES: &str = r#"[{"content":"be brief","role":"system"},{"content":"hä?","role":"user"}]"#;

#[test]
fn every_string_in_the_body_is_a_template() {
    let template = json!({
        "q": "{{ system }}: {{ prompt }} ({{ id }}/{{ trial }}, {{ model }})",
        "list": ["{{ input }}", 7, null, true, {"{{ key }}": "plain"}],
    });
    let expected = json!({
        "q": "be brief: hä? (e/0, m)",
        "list": ["input", 7, null, true, {"{{ key }}": "plain"}],
    });
    assert_eq!(body(template), Ok(expected));
}

#[test]
fn a_string_that_is_a_single_expression_is_replaced_by_its_value() {
    let messages = json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hä?"}]);
    let params = json!({"temperature": 0.5, "stop": ["a"], "seed": 18446744073709551615_u64, "nothing": null});
    let cases = [
        ("{{ messages }}", messages.clone()),
        ("{{messages}}", messages.clone()),
        ("{{- messages -}}\n", messages),
        ("{{ params }}", params.clone()),
        ("{{ params.stop }}", json!(["a"])),
        ("{{ params.seed }}", json!(18446744073709551615_u64)),
        ("{{ params.nothing }}", Value::Null),
        ("{{ params.temperature * 2 }}", json!(1.0)),
        ("{{ params.missing|default(7) }}", json!(7)),
        ("{{ {'a': {'b': trial}} }}", json!({"a": {"b": 0}})),
        ("{{ prompt if system else none }}", json!("hä?")),
        ("{{ '7' }}", json!("7")),
        ("{{ messages|length > 1 }}", json!(true)),
        ("{{ messages|tojson }}", json!(MESSAGES)),
        (" {{ trial }}", json!(" 0")),
        ("{{ trial }}{{ trial }}", json!("00")),
        ("{{ '{{' }} }}", json!("{{ }}")),
        ("{% if trial == 0 %}first{% endif %}", json!("first")),
        ("{ { not one } }\n", json!("{ { not one } }\n")),
        ("", json!("")),
    ];
    for (text, expected) in cases {
        assert_eq!(
            body_with(params.clone(), json!({"x": text}), &plain_request()),
            Ok(json!({"x": expected})),
            "{text}"
        );
    }
}

#[test]
fn messages_and_options_are_passed_completely() {
    let request = conversation();
    let sent = body_with(
        json!({}),
        json!({"m": "{{ messages }}", "o": "{{ options }}", "t": "{{ options.tools }}"}),
        &request,
    )
    .unwrap();
    assert_eq!(sent["m"], request.messages.iter().map(Message::to_json).collect::<Value>());
    assert_eq!((&sent["o"], &sent["t"]), (&Value::Object(request.options.clone()), &request.options["tools"]));
}

#[test]
fn nothing_in_an_example_is_evaluated_or_escaped() {
    let hostile = "<b>&\"'</b> {{ model }} {% raw %} \u{0}";
    let request = request(&json!([{"role": "user", "content": hostile}]), json!({}));
    let sent = body_with(json!({}), json!(["{{ prompt }}", "p: {{ prompt }}", "{{ messages[0].content }}"]), &request);
    assert_eq!(sent, Ok(json!([hostile, format!("p: {hostile}"), hostile])));
}

#[test]
fn an_unknown_variable_is_named_with_its_place() {
    let known = "known variables: id, input, messages, model, options, params, prompt, system, trial";
    for text in ["{{ nope }}", "a {{ nope }}", "{{ nope|tojson }}", "{% if nope %}{% endif %}"] {
        assert_eq!(body(json!({"a": [1, text]})), Err(format!("body.a.1: `nope` is undefined; {known}")), "{text}");
    }
    let error = body(json!({"a": "{{ params.nope }}"})).unwrap_err();
    assert!(error.starts_with("body.a: `params.nope` is undefined"), "{error}");
    let assistant = request(&json!([{"role": "assistant", "content": "x"}]), json!({}));
    let error = body_with(json!({}), json!("{{ prompt }}"), &assistant).unwrap_err();
    assert!(error.starts_with("body: `prompt` is undefined"), "{error}");
}

#[test]
fn rendering_is_bounded() {
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    let half = "{{ 'x' * 5000000 }}";
    for (value, part) in [
        (json!(nested), "more than 1000000 instructions"),
        (json!("a {{ 'x' * 9000000 }}"), "longer than 8 MiB"),
        (json!("{{ 'x' * 9000000 }}"), "longer than 8 MiB"),
        (json!([half, half]), "longer than 8 MiB"),
        (json!("{{ 1 // 0 }}"), "body: "),
    ] {
        let error = body(value.clone()).unwrap_err();
        assert!(error.contains(part), "{value}: {error}");
    }
}

#[test]
fn places_with_the_same_spelling_are_not_confused() {
    let template = json!({"a.b": "one {{ trial }}", "a": {"b": "two {{ trial }}"}});
    assert_eq!(body(template), Ok(json!({"a.b": "one 0", "a": {"b": "two 0"}})));
}

#[test]
fn invalid_templates_and_settings_are_refused() {
    let with = |change: fn(&mut HttpTemplate)| {
        let mut template = template(json!({}));
        change(&mut template);
        refused(template)
    };
    let cases = [
        (refused(template(json!({"messages": ["{{ prompt"]}))), "body.messages.0, line 1: "),
        (refused(template(json!({"a": "x\n{% if %}"}))), "body.a, line 2: "),
        (refused(template(json!("{{ a | }}"))), "body, line 1: "),
        (with(|t| t.method = "FETCH".into()), "method is \"FETCH\""),
        (with(|t| t.output = "a..b".into()), "output is \"a..b\", a path with an empty step"),
        (with(|t| t.model_path = Some(".a".into())), "model_path is \".a\""),
        (with(|t| t.prompt_tokens_path = Some("a.".into())), "prompt_tokens_path is \"a.\""),
        (with(|t| t.completion_tokens_path = Some(".".into())), "completion_tokens_path is \".\""),
        (with(|t| t.ok_statuses = vec![99]), "ok_statuses contains 99, which is not an HTTP status"),
        (with(|t| t.retry_statuses = vec![600]), "retry_statuses contains 600"),
        (
            with(|t| (t.ok_statuses, t.retry_statuses) = (vec![200, 202], vec![202])),
            "202 is in both ok_statuses and retry_statuses",
        ),
    ];
    for (message, expected) in cases {
        assert!(message.starts_with(&format!("endpoint \"local\": {expected}")), "{message}: {expected}");
    }
}

#[test]
fn an_output_is_found_by_its_path() {
    let answer =
        json!({"a": [{"b.c": "dots", "d": {"x": 1, "a": [true]}}], "/": {"~": "slash"}, "": "empty", "0": "zero"});
    let cases = [
        ("a.0.d.x", "1"),
        ("a.0.d", r#"{"a":[true],"x":1}"#),
        ("/a/0/b.c", "dots"),
        ("/~1/~0", "slash"),
        ("/", "empty"),
        ("0", "zero"),
    ];
    for (path, expected) in cases {
        assert_eq!(at(path, &answer).as_deref(), Ok(expected), "{path}");
    }
    assert_eq!(at("", &json!("bare")).as_deref(), Ok("bare"));
    assert_eq!(at("", &json!([1, 2])).as_deref(), Ok("[1,2]"));
}

#[test]
fn the_error_for_a_missing_path_says_where_it_ended_and_what_is_there() {
    let answer = json!({"choices": [{"text": "x", "index": 0}], "none": null, "empty": {}});
    let cases = [
        ("choices.0.message.content", "\"choices.0\" is an object with the keys index, text"),
        ("choices.1", "\"choices\" is a list of 1"),
        ("choices.text", "\"choices\" is a list of 1"),
        ("output", "the answer is an object with the keys choices, empty, none"),
        ("choices.0.text.x", "\"choices.0.text\" is text"),
        ("choices.0.index.x", "\"choices.0.index\" is a number"),
        ("none.x", "\"none\" is null"),
        ("empty.x", "\"empty\" is an empty object"),
    ];
    for (path, expected) in cases {
        assert_eq!(at(path, &answer), Err(format!("the response has nothing at \"{path}\": {expected}")));
    }
    assert_eq!(at("none", &answer), Err("the response has null at \"none\"".to_owned()));
    let many: Value = (10..40).map(|index| (format!("k{index}"), json!(1))).collect();
    assert!(at("x", &many).unwrap_err().ends_with("k10, k11, k12, k13, k14, k15, k16, k17, k18, k19, k20, k21, …"));
}

#[test]
fn model_and_token_counts_are_found_by_their_paths() {
    let template = HttpTemplate {
        model_path: Some("meta.model".into()),
        prompt_tokens_path: Some("/meta/in".into()),
        completion_tokens_path: Some("meta.out".into()),
        ..template(json!({}))
    };
    let api = HttpApi::new(&settings("http://h"), template).unwrap();
    let read = api.read(&json!({"text": "yes", "meta": {"model": "m-1", "in": 7, "out": "two"}})).unwrap();
    assert_eq!((read.output.as_str(), read.model.as_deref()), ("yes", Some("m-1")));
    assert_eq!(read.usage, Usage { prompt_tokens: Some(7), completion_tokens: None });
    assert_eq!(api.read(&json!({"text": "yes"})).unwrap().model, None);
}

#[test]
fn the_fingerprint_depends_on_the_template() {
    let print = |change: fn(&mut HttpTemplate)| {
        let mut template = template(json!({"q": "{{ prompt }}"}));
        change(&mut template);
        let base = settings("http://h/ask");
        let api = HttpApi::new(&base, template).unwrap();
        fingerprint(base, Box::new(api))
    };
    let first = print(|_| {});
    let same: [fn(&mut HttpTemplate); 2] = [|t| t.method = "post".into(), |t| t.ok_statuses = Vec::new()];
    let other: [fn(&mut HttpTemplate); 5] = [
        |t| t.body = json!({}),
        |t| t.method = "PUT".into(),
        |t| t.output = "x".into(),
        |t| t.model_path = Some("m".into()),
        |t| t.ok_statuses = vec![200],
    ];
    assert!(same.iter().all(|change| print(*change) == first));
    assert!(other.iter().all(|change| print(*change) != first));
}

#[tokio::test]
async fn requests_are_sent_to_the_url_itself_with_the_given_method() {
    let server = FaultServer::start(vec![
        Reply::http(422, "", br#"{"message":"busy"}"#),
        Reply::http(418, "content-type: application/json\r\n", br#"{"text":"yes"}"#),
    ]);
    let template = HttpTemplate {
        method: "put".into(),
        ok_statuses: vec![200, 418],
        retry_statuses: vec![422],
        ..template(json!({"q": "{{ prompt }}", "m": "{{ messages }}"}))
    };
    let base = ApiSettings { model: String::new(), ..settings(&format!("{}/ask?x=1", server.url)) };
    let api = HttpApi::new(&base, template).unwrap();
    let response = call(base, Box::new(api)).await.unwrap();
    assert_eq!((response.output.as_str(), response.attempts), ("yes", 2));
    for sent in server.requests() {
        assert!(sent.starts_with("PUT /ask?x=1 HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains(&format!("authorization: Bearer {KEY}\r\n")));
        assert_eq!(body_of(&sent)["q"], "hä?");
        assert_eq!(body_of(&sent)["m"][0], json!({"role": "system", "content": "be brief"}));
    }
}

#[tokio::test]
async fn a_failure_described_in_a_successful_response_is_shown_and_a_bad_template_is_a_prompt_error() {
    let server = FaultServer::start(vec![json_reply(&json!({"error": {"message": format!("bad key {KEY}")}}))]);
    let base = settings(&server.url);
    let failed = call(base.clone(), Box::new(HttpApi::new(&base, template(json!({}))).unwrap())).await.unwrap_err();
    assert_eq!(failed.kind, CallErrorKind::BadAnswer);
    assert!(failed.message.ends_with("with the keys error; the server says: bad key ***"), "{failed}");
    let api = HttpApi::new(&base, template(json!("{{ nope }}"))).unwrap();
    let failed = call(base, Box::new(api)).await.unwrap_err();
    assert_eq!((failed.kind, server.requests().len()), (CallErrorKind::Prompt, 1));
}

const WORDS: &[&str] = &["text", "a", "0", "1", "model", "in", "out", "error", "message"];

proptest! {
    #[test]
    fn no_answer_causes_a_panic(answers in prop::collection::vec(hostile_json(WORDS), 1..4), path in "[a01./~]{0,8}") {
        let template = HttpTemplate {
            output: path,
            model_path: Some("model.0".into()),
            prompt_tokens_path: Some("/in/out".into()),
            ..template(json!({}))
        };
        if let Ok(api) = HttpApi::new(&settings("http://h"), template) {
            survives(&api, &answers, "");
        }
    }

    #[test]
    fn no_template_causes_a_panic(text in r"([{][{%#]|[%}#-][}]| |\n|if|for|in|prompt|messages|[.|()\[\]01'-]){0,20}") {
        if let Ok(api) = HttpApi::new(&settings("http://h"), template(json!({"x": text}))) {
            let _ = api.body(&conversation());
        }
    }

    #[test]
    fn plain_text_is_sent_unchanged(text in "[^{]{0,40}") {
        prop_assert_eq!(body(json!({"x": &text})), Ok(json!({"x": text})));
    }
}
