//! Tests of the comparison of JSON.

use proptest::prelude::*;
use serde_json::json;

use super::fields::FieldOutcome;
use super::*;

fn found(expected: &Value, actual: &Value, options: &JsonOptions) -> Vec<String> {
    differences(expected, actual, options, 100).iter().map(Difference::to_string).collect()
}

fn equal(expected: &Value, actual: &Value, options: &JsonOptions) -> bool {
    differences(expected, actual, options, 1).is_empty()
}

fn without_order() -> JsonOptions {
    JsonOptions { ignore_order: true, ..JsonOptions::default() }
}

fn ignoring(paths: &[&str]) -> JsonOptions {
    JsonOptions {
        ignore: paths.iter().map(|path| PathPattern::parse(path).unwrap()).collect(),
        ..JsonOptions::default()
    }
}

fn near(absolute: f64, relative: f64) -> JsonOptions {
    JsonOptions { tolerance: Tolerance { absolute, relative }, ..JsonOptions::default() }
}

#[test]
fn every_difference_is_named_with_its_place() {
    let expected = json!({"items": [{"price": 12.5, "name": "pen"}, {"price": 1}], "total": 3, "note": null});
    let cases = [
        (json!({"items": [{"name": "pen", "price": 12.5}, {"price": 1.0}], "total": 3, "note": null}), vec![]),
        (
            json!({"items": [{"price": 12, "name": "Pen"}, {"price": "1"}], "total": 3, "note": null}),
            vec![
                "items[0].name is \"Pen\", expected \"pen\"",
                "items[0].price is 12, expected 12.5",
                "items[1].price is \"1\", expected 1",
            ],
        ),
        (
            json!({"items": [{"price": 12.5, "name": "pen"}], "total": [3], "more": 1}),
            vec!["items[1] is missing", "note is missing", "total is [3], expected 3", "more is not expected"],
        ),
        (
            json!({"items": [{"price": 12.5, "name": "pen"}, {"price": 1}, 7], "total": 3, "note": 0}),
            vec!["items[2] is not expected", "note is 0, expected null"],
        ),
        (
            json!([]),
            vec!["the answer is [], expected {\"items\":[{\"name\":\"pen\",\"price\":12.5},{\"price\":1}],\"note\":n…"],
        ),
    ];
    for (actual, problems) in cases {
        assert_eq!(found(&expected, &actual, &JsonOptions::default()), problems, "{actual}");
    }
}

#[test]
fn at_most_the_given_number_of_differences_is_found() {
    let (expected, actual) = (json!([1, 2, 3, 4]), json!([2, 3, 4, 5]));
    for (limit, found) in [(0, 1), (1, 1), (3, 3), (9, 4)] {
        assert_eq!(differences(&expected, &actual, &JsonOptions::default(), limit).len(), found);
    }
}

#[test]
fn the_part_in_which_long_texts_differ_is_shown() {
    let (expected, actual) = (json!(format!("{}yes and more", "é".repeat(90))), json!(format!("{}no", "é".repeat(90))));
    let end = "é".repeat(15);
    assert_eq!(
        found(&expected, &actual, &JsonOptions::default()),
        [format!("the answer is …{end}no\", expected …{end}yes and more\"")]
    );
}

#[test]
fn integers_are_exact_and_other_numbers_within_the_tolerance() {
    let cases = [
        (json!(1), json!(1.0), near(0.0, 0.0), true),
        (json!(0.1), json!(0.1), near(0.0, 0.0), true),
        (json!(0.1), json!(0.100001), near(0.0, 0.0), false),
        (json!(12.5), json!(12), near(0.5, 0.0), true),
        (json!(12), json!(12.4), near(0.5, 0.0), true),
        (json!(12), json!(13), near(5.0, 5.0), false),
        (json!(100.0), json!(101.0), near(0.0, 0.01), true),
        (json!(100.0), json!(102.0), near(0.0, 0.01), false),
        (json!(-100.0), json!(-101), near(0.0, 0.01), true),
        (json!(1e308), json!(-1e308), near(1.0, 10.0), false),
        (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), near(9.0, 9.0), false),
        (json!(u64::MAX), json!(-1), near(0.0, 0.0), false),
        (json!(0.0), json!(-0.0), near(0.0, 0.0), true),
        (json!(1), json!(true), near(0.0, 0.0), false),
        (json!("1"), json!(1), near(0.0, 0.0), false),
        (json!(1.0), json!(1.0), near(f64::NAN, -1.0), true),
        (json!(1.0), json!(1.5), near(f64::NAN, -1.0), false),
    ];
    for (expected, actual, options, same) in cases {
        assert_eq!(equal(&expected, &actual, &options), same, "{expected} {actual} {options:?}");
    }
}

#[test]
fn options_say_what_does_not_matter() {
    let lower = JsonOptions { ignore_case: true, ..JsonOptions::default() };
    let open = JsonOptions { extra_fields_allowed: true, ..JsonOptions::default() };
    let both = JsonOptions { ignore_order: true, ..near(0.2, 0.0) };
    let cases = [
        (json!("ΟΔΟΣ"), json!("οδος"), lower.clone(), true),
        (json!({"A": 1}), json!({"a": 1}), lower.clone(), false),
        (json!(["a", "B"]), json!(["b", "A"]), JsonOptions { ignore_order: true, ..lower }, true),
        (json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}, "d": 3}), open.clone(), true),
        (json!({"a": {"b": 1}}), json!({"a": {"c": 2}}), open.clone(), false),
        (json!([1]), json!([1, 2]), open, false),
        (json!([1, 2, 2]), json!([2, 1, 2]), without_order(), true),
        (json!([1, 2, 2]), json!([2, 1, 1]), without_order(), false),
        (json!([[1, 2], [3]]), json!([[3], [2, 1]]), without_order(), true),
        (json!([1, 2]), json!([2, 1]), JsonOptions::default(), false),
        // 1.0 has to give way: paired with 1.0, it would leave 1.2 and 0.8, which are too far apart.
        (json!([1.0, 1.2]), json!([1.0, 0.8]), both, true),
        (json!({"id": 1, "a": 2}), json!({"id": 9, "a": 2}), ignoring(&["id"]), true),
        (json!({"id": 1, "a": 2}), json!({"a": 2}), ignoring(&["id"]), true),
        (json!({"a": 2}), json!({"a": 2, "id": {"b": 1}}), ignoring(&["id"]), true),
        (json!([{"id": 1}, {"id": 2}]), json!([{"id": 3}, {"id": 4}]), ignoring(&["[*].id"]), true),
        (json!([{"id": 1}, {"id": 2}]), json!([{"id": 3}, {"id": 4}]), ignoring(&["/0/id"]), false),
        (json!([1]), json!([1, 2]), ignoring(&["[1]"]), true),
    ];
    for (expected, actual, options, same) in cases {
        assert_eq!(equal(&expected, &actual, &options), same, "{expected} {actual} {options:?}");
    }
}

#[test]
fn without_order_the_most_alike_elements_are_compared() {
    let expected = json!([{"name": "a", "n": 1}, {"name": "b", "n": 2}, {"name": "c", "n": 3}]);
    let actual = json!([{"name": "c", "n": 3}, {"name": "b", "n": 5}, {"name": "a", "n": 1}]);
    assert_eq!(found(&expected, &actual, &without_order()), ["[1].n is 5, expected 2"]);
    let fewer = json!([{"name": "c", "n": 4}]);
    assert_eq!(
        found(&expected, &fewer, &without_order()),
        ["[0] is missing", "[1] is missing", "[2].n is 4, expected 3"]
    );
}

#[test]
fn long_arrays_without_order_are_compared_in_a_short_time() {
    let numbers = |range: std::ops::Range<u32>| Value::from(range.map(Value::from).collect::<Vec<_>>());
    let reversed = Value::from((0..50_000).rev().map(|n| json!(f64::from(n))).collect::<Vec<_>>());
    assert!(equal(&numbers(0..50_000), &reversed, &without_order()));
    let shifted = found(&numbers(0..50_000), &numbers(1..50_001), &without_order());
    assert_eq!(shifted, ["[0] is 50000, expected 0"]);
    let rows = |from: u32| {
        let row = |n: u32| Value::from((0..40).map(|m| json!({"a": from + n + m})).collect::<Vec<_>>());
        Value::from((0..200).map(row).collect::<Vec<_>>())
    };
    assert!(!equal(&rows(0), &rows(100_000), &without_order()));
    let score = field_f1(&rows(0), &rows(100_000), &without_order());
    assert_eq!((score.correct, score.wrong, score.f1), (0, 8000, 0.0));
}

#[test]
fn deep_and_wide_values_need_little_memory() {
    let deep = (0..100).fold(json!(1), |inner, level| json!({format!("{level}{}", "k".repeat(4000)): [inner, level]}));
    let wide = Value::from((0..20_000).map(|n| json!({"k".repeat(9): n})).collect::<Vec<_>>());
    let long_key = json!({"k".repeat(1 << 19): vec![1; 20_000]});
    for options in [JsonOptions::default(), without_order()] {
        for value in [&deep, &wide, &long_key] {
            assert!(equal(value, value, &options));
            let score = field_f1(value, &Value::Null, &options);
            assert!(score.fields.iter().all(|field| field.path.chars().count() <= 200), "{:?}", score.fields.first());
            assert_eq!(score.f1, 0.0);
        }
    }
}

#[test]
fn fields_are_counted_by_outcome() {
    use FieldOutcome::{Correct, Extra, Missing, Wrong};
    let expected = json!({"a": 1, "b": {"c": "x", "d": []}, "e": [1, 2], "n": null});
    let actual = json!({"a": 1, "b": {"c": "y", "d": [5]}, "e": [1], "f": {"g": 1, "h": null}});
    let score = field_f1(&expected, &actual, &JsonOptions::default());
    let fields: Vec<_> = score.fields.iter().map(|field| (field.path.as_str(), field.outcome)).collect();
    assert_eq!(
        fields,
        [
            ("a", Correct),
            ("b.c", Wrong),
            ("b.d[0]", Extra),
            ("e[0]", Correct),
            ("e[1]", Missing),
            ("n", Correct),
            ("f.g", Extra),
        ]
    );
    assert_eq!((score.precision, score.recall, score.f1), (0.5, 0.6, 6.0 / 11.0));
    assert_eq!(score.fields[1].problem.as_deref(), Some("is \"y\", expected \"x\""));
}

#[test]
fn absent_null_and_empty_fields_follow_their_description() {
    let cases = [
        (json!({}), json!({}), (1, 0, 0, 0)),
        (json!({"a": null}), json!({}), (1, 0, 0, 0)),
        (json!({"a": {"b": null, "c": 1}}), json!({}), (1, 0, 1, 0)),
        (json!({}), json!({"a": null}), (0, 0, 0, 0)),
        (json!({"a": null}), json!({"a": 1}), (0, 1, 0, 0)),
        (json!({"a": 1}), json!({"a": null}), (0, 1, 0, 0)),
        (json!({"a": []}), json!({"a": []}), (1, 0, 0, 0)),
        (json!({"a": []}), json!({"a": {}}), (0, 1, 0, 0)),
        (json!({"a": []}), json!({}), (0, 0, 1, 0)),
        (json!({"a": ["x"]}), json!({"a": []}), (0, 0, 1, 0)),
        (json!({"a": 1}), json!({"a": {"b": 1, "c": 2}}), (0, 0, 1, 2)),
        (json!({"a": {"b": 1, "c": 2}}), json!({"a": 1}), (0, 0, 2, 1)),
        (json!({"a": {"b": 1}}), json!({"a": null}), (0, 0, 1, 0)),
        (json!({"a": {"b": 1}}), json!({"a": [1, 2]}), (0, 0, 1, 2)),
        (json!(1), json!(1.0), (1, 0, 0, 0)),
    ];
    for (expected, actual, counts) in cases {
        let score = field_f1(&expected, &actual, &JsonOptions::default());
        assert_eq!((score.correct, score.wrong, score.missing, score.extra), counts, "{expected} {actual}");
    }
    let nothing = field_f1(&json!({"a": 1}), &json!({"a": 2}), &ignoring(&["a"]));
    assert_eq!((nothing.precision, nothing.recall, nothing.f1), (1.0, 1.0, 1.0));
    let open = JsonOptions { extra_fields_allowed: true, ..JsonOptions::default() };
    let score = field_f1(&json!({"a": [1]}), &json!({"a": [1, 2], "b": 3}), &open);
    assert_eq!((score.correct, score.extra), (1, 1));
}

#[derive(serde::Deserialize)]
struct Case {
    expected: Value,
    actual: Value,
    absolute: f64,
    relative: f64,
    ignore_case: bool,
    ignore_order: bool,
    equal: bool,
    counts: Option<(usize, usize, usize, usize)>,
    rates: Option<(f64, f64, f64)>,
}

#[derive(serde::Deserialize)]
struct Fixture {
    json: Vec<Case>,
}

#[test]
fn equality_and_field_scores_equal_those_of_deepdiff_and_scikit_learn() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../../../tests/fixtures/scoring/extraction.json")).unwrap();
    for case in &fixture.json {
        let options = JsonOptions {
            tolerance: Tolerance { absolute: case.absolute, relative: case.relative },
            ignore_case: case.ignore_case,
            ignore_order: case.ignore_order,
            ..JsonOptions::default()
        };
        let pair = format!("{} {} {options:?}", case.expected, case.actual);
        assert_eq!(equal(&case.expected, &case.actual, &options), case.equal, "{pair}");
        let score = field_f1(&case.expected, &case.actual, &options);
        if let Some(counts) = case.counts {
            assert_eq!((score.correct, score.wrong, score.missing, score.extra), counts, "{pair}");
        }
        if let Some((precision, recall, f1)) = case.rates {
            let gaps = [score.precision - precision, score.recall - recall, score.f1 - f1];
            assert!(gaps.iter().all(|gap| gap.abs() < 1e-12), "{pair} {score:?}");
        }
    }
    assert!(fixture.json.len() > 100);
}

fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..4).prop_map(Value::from),
        (-3i32..4).prop_map(|n| json!(f64::from(n) / 4.0)),
        "[aAéß\u{301}]{0,2}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[ab.]{0,2}", inner), 0..4)
                .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

prop_compose! {
    fn any_options()(
        (absolute, relative) in (0.0..0.6, 0.0..0.6),
        (ignore_case, ignore_order, extra_fields_allowed) in any::<(bool, bool, bool)>(),
        paths in proptest::collection::vec(prop_oneof![Just("a"), Just("[0]"), Just("[*]"), Just("a[*].b")], 0..2),
    ) -> JsonOptions {
        let ignore = ignoring(&paths).ignore;
        JsonOptions { tolerance: Tolerance { absolute, relative }, ignore_case, ignore_order, ignore, extra_fields_allowed }
    }
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().rev().map(reversed).collect::<Vec<_>>().into(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), reversed(value))).collect(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn a_value_equals_itself(value in any_json(), options in any_options()) {
        prop_assert!(equal(&value, &value, &options));
        let score = field_f1(&value, &value, &options);
        prop_assert_eq!((score.precision, score.recall, score.f1), (1.0, 1.0, 1.0));
        let unordered = JsonOptions { ignore_order: true, ignore: Vec::new(), ..options };
        prop_assert!(equal(&value, &reversed(&value), &unordered));
    }

    #[test]
    fn scores_are_in_bounds_and_1_for_equal_values(a in any_json(), b in any_json(), options in any_options()) {
        let score = field_f1(&a, &b, &options);
        for rate in [score.precision, score.recall, score.f1] {
            prop_assert!((0.0..=1.0).contains(&rate));
        }
        let counted = score.correct + score.wrong + score.missing + score.extra;
        prop_assert_eq!(score.fields.len(), counted);
        let wrong = score.fields.iter().filter(|field| field.outcome != FieldOutcome::Correct);
        prop_assert!(wrong.clone().all(|field| field.problem.is_some()));
        if equal(&a, &b, &options) {
            prop_assert_eq!((score.f1, wrong.count()), (1.0, 0));
        }
    }

    #[test]
    fn comparison_is_symmetric_without_a_relative_tolerance(a in any_json(), b in any_json(), options in any_options()) {
        let tolerance = Tolerance { relative: 0.0, ..options.tolerance };
        let options = JsonOptions { tolerance, ignore: Vec::new(), extra_fields_allowed: false, ..options };
        prop_assert_eq!(equal(&a, &b, &options), equal(&b, &a, &options));
        if !options.ignore_order {
            let (one, other) = (field_f1(&a, &b, &options), field_f1(&b, &a, &options));
            prop_assert_eq!(one.wrong, other.wrong);
        }
    }

    #[test]
    fn a_quick_comparison_agrees_with_the_differences(a in any_json(), b in any_json(), options in any_options()) {
        let same = Comparer::new(&options).same(&Place::ROOT, &a, &b);
        prop_assert_eq!(same, Some(equal(&a, &b, &options)));
    }

    #[test]
    fn values_with_the_same_sorted_text_are_equal(a in any_json(), b in any_json(), options in any_options()) {
        let options = JsonOptions { ignore_order: true, ignore: Vec::new(), ..options };
        let comparer = Comparer::new(&options);
        let text = |value: &Value| comparer.sorted_text(&Place::ROOT, value);
        prop_assert_eq!(text(&a), text(&reversed(&a)));
        prop_assert!(text(&a) != text(&b) || equal(&a, &b, &options));
    }
}
