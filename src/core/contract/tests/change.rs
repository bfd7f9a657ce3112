use serde_json::json;

use super::ChangeKind::*;
use super::*;

/// The shape of `count` outputs, for each pair.
fn shape(outputs: &[(Value, usize)]) -> Shape {
    let mut shape = Shape::default();
    for (output, count) in outputs {
        (0..*count).for_each(|_| shape.add(&output.to_string()));
    }
    shape
}

/// The changes, each as text.
fn found(base: &[(Value, usize)], candidate: &[(Value, usize)], schema: Option<Value>) -> Vec<String> {
    let line = |c: ShapeChange| {
        let kind = match c.kind {
            Renamed { to } => format!("Renamed {to}"),
            TypeChanged { from, to } => {
                let names = |types: Vec<JsonType>| types.iter().map(|kind| kind.name()).collect::<Vec<_>>().join("|");
                format!("{} -> {}", names(from), names(to))
            }
            EnumChanged { gone, new } => format!("-{} +{}", gone.join(","), new.join(",")),
            kind => format!("{kind:?}"),
        };
        let percent = |share: f64| (100.0 * share).round();
        let (before, after) = (percent(c.base_share), percent(c.candidate_share));
        format!("{:?}: {} {kind} {before} -> {after}: {}", c.breaking, c.path, c.reason)
    };
    changes(&shape(base), &shape(candidate), schema.as_ref()).into_iter().map(line).collect()
}

fn requires_label() -> Value {
    json!({"type": "object", "properties": {"label": {"type": "string", "enum": ["a", "b"]}, "note": {}}, "required": ["label"]})
}

#[test]
fn a_missing_or_rarer_key_breaks_a_consumer_that_requires_it() {
    let with = json!({"label": "a", "note": "n", "more": 1});
    let without = json!({});
    let base = [(with.clone(), 100)];
    assert_eq!(
        found(&base, &[(without.clone(), 100)], Some(requires_label())),
        [
            r#"Yes: $.label Missing 100 -> 0: the schema requires "label""#,
            r#"No: $.more Missing 100 -> 0: the schema does not mention "more""#,
            r#"No: $.note Missing 100 -> 0: the schema does not require "note""#,
        ]
    );
    let rarer = [(with, 80), (without, 20)];
    assert_eq!(
        found(&base, &rarer, Some(requires_label()))[0],
        r#"Yes: $.label LessFrequent 100 -> 80: the schema requires "label""#
    );
    assert_eq!(
        found(&base, &rarer, None)[0],
        "Unknown: $.label LessFrequent 100 -> 80: no schema says what the consumer needs"
    );
    assert_eq!(
        found(&[(json!({"a": 1}), 50), (json!({}), 50)], &[(json!({"a": 1}), 10), (json!({}), 90)], None),
        ["No: $.a LessFrequent 50 -> 10: the base does not always have it either"]
    );
    assert_eq!(
        found(&rarer, &base, None)[0],
        "No: $.label MoreFrequent 80 -> 100: consumers usually ignore what they do not use"
    );
}

#[test]
fn a_new_key_breaks_only_a_consumer_that_does_not_allow_it() {
    let (base, candidate) = ([(json!({"a": 1}), 50)], [(json!({"a": 1, "b": 2}), 50)]);
    let cases = [
        (None, "No: $.b New 0 -> 100: consumers usually ignore what they do not use"),
        (Some(json!({})), r#"No: $.b New 0 -> 100: the schema allows "b""#),
        (
            Some(json!({"properties": {"a": {}}, "additionalProperties": false})),
            r#"Yes: $.b New 0 -> 100: the schema does not allow "b""#,
        ),
        (
            Some(json!({"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": false})),
            r#"Yes: $.b New 0 -> 100: the schema does not allow "b""#,
        ),
        (
            Some(json!({"properties": {"b": {"type": "string"}}, "additionalProperties": false})),
            "Yes: $.b New 0 -> 100: the schema does not allow integer here",
        ),
        (
            Some(json!({"anyOf": [{"additionalProperties": false}, {}]})),
            r#"Unknown: $.b New 0 -> 100: the schema may not allow "b": it depends on other parts of the output"#,
        ),
        (
            Some(json!({"patternProperties": {"^b$": {}}, "additionalProperties": false})),
            r#"Unknown: $.b New 0 -> 100: the schema may not allow "b": it depends on other parts of the output"#,
        ),
    ];
    for (schema, expected) in cases {
        assert_eq!(found(&base, &candidate, schema), [expected]);
    }
}

#[test]
fn a_renamed_key_is_recognised() {
    let free = |key: &str| (0..60).map(|i| (json!({key: format!("text {i}"), "id": i}), 1)).collect::<Vec<_>>();
    let cases = [
        (
            vec![(json!({"label": "a"}), 30), (json!({"label": "b"}), 30)],
            vec![(json!({"category": "a"}), 30), (json!({"category": "b"}), 30)],
            r#"Renamed $.category 100 -> 100: $.category has the same type and mostly the same content"#,
        ),
        (
            free("label_text"),
            free("labelText"),
            "Renamed $.labelText 100 -> 100: $.labelText has the same type, a similar name, and is as frequent",
        ),
        (
            free("label"),
            free("summary"),
            "Renamed $.summary 100 -> 100: $.summary has the same type, is as frequent, and is the only new key here",
        ),
        (
            vec![(json!({"label": {"x": 1, "y": 2}}), 60)],
            vec![(json!({"position": {"x": 1, "y": 2}}), 60)],
            "Renamed $.position 100 -> 100: $.position has the same type and mostly the same content",
        ),
    ];
    for (base, candidate, expected) in cases {
        let changes = found(&base, &candidate, Some(requires_label()));
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(changes[0].contains(expected), "{changes:?}");
    }
}

#[test]
fn keys_of_other_types_or_values_are_not_a_rename() {
    let cases = [
        (vec![(json!({"a": "x"}), 60)], vec![(json!({"b": 1}), 60)]),
        (vec![(json!({"a": "x"}), 60)], vec![(json!({"b": "y"}), 60)]),
        (vec![(json!({"a": [1]}), 60)], vec![(json!({"b": [1]}), 20), (json!({}), 40)]),
        (vec![(json!({"o": {"a": 1}}), 60)], vec![(json!({"o": {}, "a": 1}), 60)]),
    ];
    for (base, candidate) in cases {
        let changes = found(&base, &candidate, None);
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(changes[0].contains("Missing") && changes[1].contains("New"), "{changes:?}");
    }
    let two = found(&[(json!({"status": "x", "kind": "k"}), 60)], &[(json!({"state": "x", "sort": "k"}), 60)], None);
    assert!(two[0].contains("$.kind Renamed $.sort") && two[1].contains("$.status Renamed $.state"), "{two:?}");
}

#[test]
fn a_renamed_key_breaks_a_consumer_that_requires_the_old_name() {
    let (base, candidate) = ([(json!({"label": "a"}), 60)], [(json!({"tag": "a"}), 60)]);
    let start = "$.label Renamed $.tag 100 -> 100: $.tag has the same type and mostly the same content; ";
    let cases = [
        (Some(requires_label()), "Yes", r#"the schema requires "label""#),
        (Some(json!({"properties": {"label": {}}})), "No", r#"the schema does not require "label""#),
        (None, "Unknown", "no schema says what the consumer needs"),
    ];
    for (schema, breaking, why) in cases {
        assert_eq!(found(&base, &candidate, schema), [format!("{breaking}: {start}{why}")]);
    }
}

#[test]
fn a_type_that_the_schema_does_not_allow_is_breaking() {
    let typed = |value: Value| [(json!({"v": value}), 60)];
    let cases = [
        (json!(1), json!(1.5), json!({"type": "integer"}), "Yes: $.v integer -> number", "does not allow number"),
        (json!(1.5), json!(1), json!({"type": "number"}), "No: $.v number -> integer", "allows integer"),
        (json!("1"), json!(1), json!({"type": ["string", "null"]}), "Yes: $.v string -> integer", "does not allow"),
        (json!("a"), json!(null), json!({"anyOf": [{"type": "null"}, {}]}), "No: $.v string -> null", "allows null"),
        (json!("a"), json!(null), json!({"enum": ["a", "b"]}), "Yes: $.v string -> null", "does not allow null"),
        (json!("a"), json!([]), json!({"not": {"type": "null"}}), "Unknown: $.v string -> array", "too complex"),
    ];
    for (before, after, schema, start, reason) in cases {
        let changes = found(&typed(before), &typed(after), Some(json!({"properties": {"v": schema}})));
        let [change] = &changes[..] else { panic!("{changes:?}") };
        assert!(change.starts_with(start) && change.contains(reason), "{change}");
    }
}

#[test]
fn without_a_schema_only_types_that_the_base_has_are_safe() {
    let integer = [(json!(1), 60)];
    assert_eq!(
        found(&integer, &[(json!(1.5), 60)], None),
        ["Unknown: $ integer -> number 0 -> 100: no schema says what the consumer needs"]
    );
    assert_eq!(
        found(&[(json!(1.5), 60)], &integer, None),
        ["No: $ number -> integer 0 -> 100: the base also has number here"]
    );
    assert_eq!(
        found(&[(json!("a"), 50), (json!(null), 10)], &[(json!("a"), 30), (json!(null), 30)], None),
        ["No: $ null|string -> null|string 17 -> 50: the base also has null here"]
    );
}

#[test]
fn null_and_absent_are_told_apart() {
    let (value, null, absent) = (json!({"v": "x"}), json!({"v": null}), json!({}));
    let base = [(value.clone(), 60)];
    assert_eq!(
        found(&base, &[(value.clone(), 40), (null.clone(), 20)], None),
        ["Unknown: $.v string -> null|string 0 -> 33: no schema says what the consumer needs"]
    );
    assert_eq!(
        found(&base, &[(value, 40), (absent.clone(), 20)], None),
        ["Unknown: $.v LessFrequent 100 -> 67: no schema says what the consumer needs"]
    );
    let optional = Some(json!({"properties": {"v": {"type": "string"}}}));
    assert_eq!(
        found(&[(absent, 60)], &[(null, 60)], optional),
        ["Yes: $.v New 0 -> 100: the schema does not allow null here"]
    );
}

#[test]
fn an_enum_that_gained_or_lost_values_is_reported() {
    let labels = |counts: &[(&str, usize)]| counts.iter().map(|(l, n)| (json!({"label": l}), *n)).collect::<Vec<_>>();
    let base = labels(&[("a", 50), ("b", 50)]);
    let gained = labels(&[("a", 45), ("b", 35), ("c", 20)]);
    assert_eq!(
        found(&base, &gained, Some(requires_label())),
        [r#"Yes: $.label - +"c" 0 -> 20: the schema does not allow "c" here"#]
    );
    let open = Some(json!({"properties": {"label": {"type": "string"}}}));
    assert_eq!(found(&base, &gained, open), [r#"No: $.label - +"c" 0 -> 20: the schema allows "c" here"#]);
    assert_eq!(found(&gained, &base, None), [r#"No: $.label -"c" + 20 -> 0: there are only fewer values"#]);
    let shifted = labels(&[("a", 90), ("b", 10)]);
    assert_eq!(found(&base, &shifted, None), [""; 0], "another mix of values has the same shape");
    let ratings: Vec<_> = (0..60).map(|i| (json!({"label": i % 5}), 1)).collect();
    let more: Vec<_> = (0..60).map(|i| (json!({"label": i % 6}), 1)).collect();
    assert_eq!(found(&ratings, &more, None), ["Unknown: $.label - +5 0 -> 17: no schema says what the consumer needs"]);
}

#[test]
fn an_enum_that_became_free_text_is_reported() {
    let base = [(json!({"label": "a"}), 50), (json!({"label": "b"}), 50)];
    let text = |start: &str| (0..100).map(|i| (json!({"label": format!("{start} {i:02}")}), 1)).collect::<Vec<_>>();
    let (short, long) = (text("text"), text(&"long ".repeat(10)));
    let open = || Some(json!({"properties": {"label": {"type": "string"}}}));
    let expected = r#"the values are no longer from a small set; the schema does not allow "text 00" here"#;
    assert!(found(&base, &short, Some(requires_label()))[0].ends_with(expected));
    let start = "$.label - + 0 -> 100: the values are no longer from a small set; the schema";
    assert_eq!(found(&base, &long, open()), [format!("No: {start} allows other strings here")]);
    assert_eq!(
        found(&base, &long, Some(requires_label())),
        [format!("Yes: {start} does not allow other strings here")]
    );
    assert_eq!(found(&short, &base, None), [""; 0], "fewer values than any text are safe");
}

#[test]
fn values_that_are_rare_on_both_sides_are_not_a_change() {
    let rare = |names: std::ops::Range<usize>| {
        let rare = names.map(|i| (json!(format!("rare {i}")), 1));
        rare.chain([(json!("common"), 95)]).collect::<Vec<_>>()
    };
    assert_eq!(found(&rare(0..6), &rare(6..12), None), [""; 0]);
}

#[test]
fn nested_arrays_are_counted_in_whole_outputs() {
    let schema = json!({
        "properties": {"rows": {"items": {"type": "array", "items": {"$ref": "#/$defs/cell"}}}},
        "$defs": {"cell": {"type": "object", "required": ["price"]}}
    });
    let cell = |value: Value| (json!({"rows": [[value, {"price": 1}, {"price": 2}], []]}), 40);
    assert_eq!(
        found(&[cell(json!({"price": 1}))], &[cell(json!({}))], Some(schema.clone())),
        [r#"Yes: $.rows[][].price LessFrequent 100 -> 0: the schema requires "price""#]
    );
    assert_eq!(
        found(&[cell(json!({"price": 3}))], &[cell(json!({"price": 3, "tax": 1}))], Some(schema.clone())),
        [r#"No: $.rows[][].tax New 0 -> 100: the schema allows "tax""#]
    );
    let many = |price: Value| (json!({"rows": [vec![json!({"price": price}); 500]]}), 3);
    assert_eq!(found(&[many(json!(1))], &[many(json!("1"))], Some(schema)), [""; 0], "only 3 outputs are independent");
}

#[test]
fn empty_arrays_break_a_consumer_that_requires_an_element() {
    let (base, candidate) = ([(json!({"tags": ["a"]}), 50)], [(json!({"tags": []}), 50)]);
    let schema = |least: u64| Some(json!({"properties": {"tags": {"type": "array", "minItems": least}}}));
    assert_eq!(found(&base, &candidate, schema(1)), ["Yes: $.tags[] Missing 100 -> 0: the schema requires an element"]);
    assert_eq!(found(&base, &candidate, schema(0)), ["No: $.tags[] Missing 100 -> 0: the schema allows empty arrays"]);
}

#[test]
fn outputs_that_are_not_json_are_breaking() {
    let (mut base, mut candidate) = (Shape::default(), Shape::default());
    for i in 0..50 {
        base.add("```json\n{\"a\": 1}\n```");
        candidate.add(if i < 30 { "{\"a\": 1}" } else { "Sorry" });
    }
    let [worse] = &changes(&base, &candidate, None)[..] else { panic!("one change") };
    assert_eq!((&worse.kind, worse.breaking, worse.path.as_str()), (&NotJson, Breaking::Yes, "$"));
    assert!(worse.base_share.abs() < 1e-12 && (worse.candidate_share - 0.4).abs() < 1e-12, "{worse:?}");
    let [better] = &changes(&candidate, &base, None)[..] else { panic!("one change") };
    assert_eq!(better.breaking, Breaking::No);
}

#[test]
fn small_and_insignificant_changes_are_not_reported() {
    let some = |with: usize, without: usize| vec![(json!({"a": 1, "b": 1}), with), (json!({"a": 1}), without)];
    let cases = [
        (some(200, 0), some(199, 1), 0),
        (some(100, 100), some(101, 99), 0),
        (some(3, 0), some(0, 3), 0),
        (some(20_000, 0), some(19_900, 100), 0),
        (some(20_000, 0), some(19_700, 300), 1),
        (some(0, 20_000), some(100, 19_900), 1),
        (some(0, 0), some(0, 20), 0),
    ];
    for (base, candidate, expected) in cases {
        let changes = found(&base, &candidate, None);
        assert_eq!(changes.len(), expected, "{changes:?}");
    }
}

#[test]
fn the_keys_of_a_dictionary_are_one_path() {
    let keyed = |start: usize, value: Value| {
        (start..start + 60).map(|i| (json!({"by_id": {format!("user {i}"): value}}), 1)).collect::<Vec<_>>()
    };
    assert_eq!(found(&keyed(0, json!(1)), &keyed(1_000, json!(1)), None), [""; 0]);
    let schema = json!({"properties": {"by_id": {"additionalProperties": {"type": "integer"}}}});
    assert_eq!(
        found(&keyed(0, json!(1)), &keyed(0, json!("1")), Some(schema)),
        ["Yes: $.by_id.{} integer -> string 0 -> 100: the schema does not allow string here"]
    );
}

#[test]
fn schemas_are_followed_through_references_and_combinations() {
    let (base, candidate) = ([(json!({"o": {"k": 1}}), 50)], [(json!({"o": {}}), 50)]);
    let requires = json!({"required": ["k"]});
    let cases = [
        (json!({"properties": {"o": requires}}), Breaking::Yes),
        (json!({"additionalProperties": requires}), Breaking::Yes),
        (json!({"allOf": [{"properties": {"o": requires}}, {}]}), Breaking::Yes),
        (json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"properties": {"o": requires}}}}), Breaking::Yes),
        (
            json!({"properties": {"o": {"anyOf": [{"type": "null"}, {"type": "object", "required": ["k"]}]}}}),
            Breaking::Yes,
        ),
        (json!({"properties": {"o": {"oneOf": [requires, {"required": ["x"]}]}}}), Breaking::Unknown),
        (json!({"properties": {"o": {"$ref": "https://example.com/a.json"}}}), Breaking::Unknown),
        (json!({"properties": {"o": {"if": {}, "then": requires}}}), Breaking::Unknown),
        (json!({"patternProperties": {"o": requires}}), Breaking::Unknown),
        (json!({"$ref": "#"}), Breaking::Unknown),
        (json!({"anyOf": vec![json!({"$ref": "#"}); 50]}), Breaking::Unknown),
        (json!({"properties": {"o": {"type": "string"}}}), Breaking::Unknown),
        (json!({"properties": {"o": {}}}), Breaking::No),
        (json!(true), Breaking::No),
        (json!(5), Breaking::No),
    ];
    for (schema, expected) in cases {
        let [change] = &changes(&shape(&base), &shape(&candidate), Some(&schema))[..] else { panic!("one change") };
        assert_eq!(change.breaking, expected, "{schema} {change:?}");
    }
    let pair = |value: Value| [(json!([1, value]), 50)];
    for (items, expected) in [
        (json!({"items": {"type": "integer"}}), "Yes"),
        (json!({"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false}), "No"),
    ] {
        let changes = found(&pair(json!(1)), &pair(json!("a")), Some(items));
        assert!(changes.len() == 1 && changes[0].starts_with(expected), "{changes:?}");
    }
}

#[test]
fn samples_of_the_same_outputs_rarely_differ() {
    let mut state = 7_u64;
    let mut next = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut sample = || {
        let mut shape = Shape::default();
        for _ in 0..150 {
            let label = ["a", "b", "c", "d", "e", "f"][(next(6) * next(7) / 6) as usize];
            let mut output = json!({"label": label, "n": next(3), "tags": vec!["t"; next(3) as usize]});
            if next(3) == 0 {
                output["note"] = if next(2) == 0 { Value::Null } else { json!("x") };
            }
            shape.add(&output.to_string());
        }
        shape
    };
    let different = (0..400).filter(|_| !changes(&sample(), &sample(), None).is_empty()).count();
    assert!(different <= 20, "{different} of 400, more than the expected rate");
}
