//! Tests of the comparison of tool calls.

use proptest::prelude::*;
use serde_json::json;

use super::super::json_compare::Tolerance;
use super::CallMode::{AnyOrder, ExactOrder, NoCalls, OrderedSubset, Subset};
use super::*;

fn wanted(name: &str, arguments: Value) -> ExpectedCall {
    ExpectedCall { name: name.to_owned(), arguments: Some(arguments), schema: None }
}

fn any_arguments(name: &str) -> ExpectedCall {
    ExpectedCall { name: name.to_owned(), ..ExpectedCall::default() }
}

fn call(name: &str, arguments: Value) -> ToolCall {
    ToolCall { name: name.to_owned(), arguments }
}

fn matched(expected: &[ExpectedCall], actual: &[ToolCall], mode: CallMode) -> (f64, f64, Vec<String>) {
    let score = match_calls(expected, actual, mode, &JsonOptions::default());
    (score.precision, score.recall, score.problems)
}

#[test]
fn modes_say_which_calls_have_to_occur() {
    let expected = [wanted("f", json!({"a": 1})), any_arguments("g")];
    let (f, g, h) = (call("f", json!({"a": 1.0})), call("g", json!({"b": 2})), call("h", json!({})));
    let swapped = [g.clone(), f.clone()];
    type Case<'a> = (&'a [ToolCall], CallMode, f64, f64, &'a [&'a str]);
    let cases: [Case; 15] = [
        (&[f.clone(), g.clone()], ExactOrder, 1.0, 1.0, &[]),
        (&swapped, ExactOrder, 0.5, 0.5, &["the call to \"g\" is number 1, expected as number 2"]),
        (&swapped, AnyOrder, 1.0, 1.0, &[]),
        (&swapped, Subset, 1.0, 1.0, &[]),
        (&swapped, OrderedSubset, 1.0, 0.5, &["the call to \"g\" is number 1, expected as number 2"]),
        (&[h.clone(), f.clone(), h.clone(), g.clone()], OrderedSubset, 1.0, 1.0, &[]),
        (&[h.clone(), g.clone(), f.clone()], Subset, 1.0, 1.0, &[]),
        (&[h.clone(), g.clone(), f.clone()], AnyOrder, 2.0 / 3.0, 1.0, &["the call to \"h\" is not expected"]),
        (&[f.clone(), h.clone(), g.clone()], ExactOrder, 2.0 / 3.0, 1.0, &["the call to \"h\" is not expected"]),
        (&[f.clone(), f.clone()], AnyOrder, 0.5, 0.5, &["\"g\" is not called", "the call to \"f\" is not expected"]),
        (&[h.clone(), g.clone()], Subset, 1.0, 0.5, &["\"f\" is not called"]),
        (&[], AnyOrder, 0.0, 0.0, &["\"f\" is not called", "\"g\" is not called"]),
        (&[], Subset, 0.0, 0.0, &["\"f\" is not called", "\"g\" is not called"]),
        (&[], NoCalls, 1.0, 1.0, &[]),
        (&[f, h], NoCalls, 0.0, 0.0, &["the call to \"f\" is not expected", "the call to \"h\" is not expected"]),
    ];
    for (actual, mode, precision, recall, problems) in cases {
        let problems = problems.iter().map(ToString::to_string).collect();
        assert_eq!(matched(&expected, actual, mode), (precision, recall, problems), "{mode:?} {actual:?}");
    }
    assert_eq!(matched(&[], &[], AnyOrder), (1.0, 1.0, vec![]));
    assert_eq!(matched(&[], &[call("f", json!({}))], Subset), (1.0, 1.0, vec![]));
}

#[test]
fn wrong_arguments_are_named() {
    let expected = [wanted("f", json!({"city": "London", "days": [1, 2]}))];
    let cases = [
        (
            json!({"city": "Paris", "days": [1, 3]}),
            "arguments.city is \"Paris\", expected \"London\"; arguments.days[1] is 3, expected 2",
        ),
        (json!({"city": "London", "days": [1, 2], "x": 1}), "arguments.x is not expected"),
        (json!({"days": [1, 2]}), "arguments.city is missing"),
        (json!("{\"city\""), "arguments is \"{\\\"city\\\"\", expected {\"city\":\"London\",\"days\":[1,2]}"),
    ];
    for (arguments, problem) in cases {
        let (precision, _, problems) = matched(&expected, &[call("f", arguments)], AnyOrder);
        assert_eq!((precision, problems), (0.0, vec![format!("call to \"f\": {problem}")]));
    }
    let two = [call("f", json!({})), call("f", json!({"city": "London", "days": [1]}))];
    let (_, _, problems) = matched(&expected, &two, Subset);
    assert_eq!(problems, ["call to \"f\": arguments.days[1] is missing"]);
}

#[test]
fn options_and_schemas_apply_to_arguments() {
    let options = JsonOptions {
        tolerance: Tolerance { absolute: 0.01, relative: 0.0 },
        ignore_case: true,
        extra_fields_allowed: true,
        ..JsonOptions::default()
    };
    let expected = [wanted("f", json!({"city": "paris", "x": 1.5}))];
    let actual = [call("f", json!({"city": "Paris", "x": 1.501, "unit": "C"}))];
    assert_eq!(match_calls(&expected, &actual, ExactOrder, &options).problems, Vec::<String>::new());
    assert_eq!(match_calls(&expected, &actual, ExactOrder, &JsonOptions::default()).f1, 0.0);
    let schema = ArgumentSchema::compile(&json!({"properties": {"unit": {"enum": ["F"]}}})).unwrap();
    let checked = [ExpectedCall { schema: Some(schema), ..expected[0].clone() }];
    let score = match_calls(&checked, &actual, ExactOrder, &options);
    assert_eq!((score.f1, score.problems.len()), (0.0, 1));
    assert!(score.problems[0].starts_with("call to \"f\": arguments/unit: "), "{:?}", score.problems);
}

#[test]
fn null_expects_no_arguments() {
    assert_eq!(matched(&[wanted("f", Value::Null)], &[call("f", json!({}))], AnyOrder).0, 1.0);
    assert_eq!(matched(&[wanted("f", Value::Null)], &[call("f", json!({"a": 1}))], AnyOrder).0, 0.0);
}

#[test]
fn the_f1_of_names_is_that_of_sets() {
    type Case<'a> = (&'a [&'a str], &'a [&'a str], f64, f64, f64);
    let cases: [Case; 6] = [
        (&["a", "b"], &["b", "a", "a"], 1.0, 1.0, 1.0),
        (&["a", "b"], &["a"], 1.0, 0.5, 2.0 / 3.0),
        (&["a"], &["a", "b", "c"], 1.0 / 3.0, 1.0, 0.5),
        (&["a"], &["b"], 0.0, 0.0, 0.0),
        (&["a"], &[], 0.0, 0.0, 0.0),
        (&[" ", "a "], &["a"], 1.0, 1.0, 1.0),
    ];
    for (expected, actual, precision, recall, f1) in cases {
        let score = tool_call_f1(expected, actual);
        assert_eq!((score.precision, score.recall, score.f1), (precision, recall, f1), "{expected:?} {actual:?}");
        assert_eq!(score.problems.is_empty(), f1 == 1.0);
    }
    assert_eq!(tool_call_f1(&["a"], &["b"]).problems, ["\"a\" is not called", "the call to \"b\" is not expected"]);
    assert_eq!(tool_call_f1(&[], &[]).f1, 1.0);
}

#[test]
fn many_calls_are_compared_and_few_problems_are_listed() {
    let text = format!("[{}]", vec![r#"{"name":"f","args":{"a":1}}"#; 30_000].join(","));
    let calls = parse_calls(&text).unwrap();
    let expected: Vec<ExpectedCall> = (0..20).map(|n| wanted("f", json!({"a": n}))).collect();
    for mode in [ExactOrder, AnyOrder, NoCalls] {
        let score = match_calls(&expected, &calls, mode, &JsonOptions::default());
        assert_eq!(score.problems.len(), MAX_PROBLEMS + 1);
        assert!(score.problems[10].starts_with("and "), "{:?}", score.problems);
    }
}

fn any_calls() -> impl Strategy<Value = Vec<(String, i32)>> {
    proptest::collection::vec(("[fgh]", 0..3), 0..6)
}

proptest! {
    #[test]
    fn f1_is_1_if_and_only_if_there_is_no_problem(expected in any_calls(), actual in any_calls(), open in any::<bool>()) {
        let wanted: Vec<ExpectedCall> = expected
            .iter()
            .map(|(name, n)| if open && *n == 0 { any_arguments(name) } else { wanted(name, json!({"n": n})) })
            .collect();
        let calls: Vec<ToolCall> = actual.iter().map(|(name, n)| call(name, json!({"n": n}))).collect();
        let mut scores = Vec::new();
        for mode in [ExactOrder, AnyOrder, Subset, OrderedSubset, NoCalls] {
            let score = match_calls(&wanted, &calls, mode, &JsonOptions::default());
            for rate in [score.precision, score.recall, score.f1] {
                prop_assert!((0.0..=1.0).contains(&rate));
            }
            prop_assert_eq!(score.f1 == 1.0, score.problems.is_empty(), "{:?} {:?}", mode, score);
            scores.push(score);
        }
        prop_assert!(scores[0].recall <= scores[1].recall);
        prop_assert!(wanted.is_empty() || scores[1].recall == scores[2].recall);
        if !open {
            prop_assert_eq!(scores[0].f1 == 1.0, expected == actual);
            let (mut one, mut other) = (expected, actual);
            one.sort();
            other.sort();
            prop_assert_eq!(scores[1].f1 == 1.0, one == other);
        }
    }

    #[test]
    fn pairs_in_order_are_the_longest_common_subsequence(a in "[ab]{0,8}", b in "[ab]{0,8}") {
        let fits: Vec<Vec<bool>> = a.bytes().map(|x| b.bytes().map(|y| x == y).collect()).collect();
        let pairs: Vec<usize> = longest_common_subsequence(&fits, b.len()).into_iter().flatten().collect();
        prop_assert!(pairs.is_sorted_by(|x, y| x < y));
        let is_part = |set: u32| {
            let mut rest = b.bytes();
            a.bytes().enumerate().filter(|(index, _)| set & (1 << index) != 0).all(|(_, x)| rest.any(|y| x == y))
        };
        let longest = (0..1_u32 << a.len()).filter(|set| is_part(*set)).map(u32::count_ones).max();
        prop_assert_eq!(Some(pairs.len() as u32), longest);
    }
}
