//! Outputs read one at a time.

use serde_json::Value;

use super::node::{JsonType, Marks, Node};
use crate::core::domain::unfenced;

/// Maximum number of paths of a shape.
const MAX_PATHS: usize = 2_000;

/// Maximum number of new paths read from one output.
const MAX_NEW_PATHS: usize = 4 * MAX_PATHS;

/// The shape of the JSON outputs of one endpoint: which keys, types and values they have at each path.
///
/// The order of outputs does not matter to [`changes`](super::changes). Memory is bounded by the number of paths,
/// 2,000, and grows by a few bits per path and output. Paths longer than 32 steps are not read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    pub(super) root: Node,
    outputs: u64,
    truncated: bool,
}

impl Shape {
    /// Reads one output, which may be wrapped in one Markdown code fence.
    ///
    /// JSON nested deeper than 128 levels counts as not JSON.
    pub fn add(&mut self, output: &str) {
        let number = self.outputs as usize;
        self.outputs += 1;
        let Ok(value) = serde_json::from_str::<Value>(unfenced(output)) else {
            return self.root.lacking.insert(number);
        };
        let mut room = MAX_NEW_PATHS;
        self.root.add(&value, number, 0, &mut room);
        self.truncated |= self.root.prune(MAX_PATHS) || room == 0;
    }

    /// Number of outputs read.
    pub fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Number of outputs that are objects or arrays, at most `outputs`.
    pub fn structured(&self) -> u64 {
        let of = |kind| self.root.types.get(&kind).map_or(0, Marks::count);
        of(JsonType::Object) + of(JsonType::Array)
    }

    /// Whether there were more paths than are kept, so changes at some paths are not seen.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::changes;
    use super::super::node::Step;
    use super::*;

    fn shape<S: AsRef<str>>(outputs: impl IntoIterator<Item = S>) -> Shape {
        let mut shape = Shape::default();
        outputs.into_iter().for_each(|output| shape.add(output.as_ref()));
        shape
    }

    /// All paths with the number of outputs that have them, and those with a parent that lacks them.
    fn paths(shape: &Shape) -> Vec<(String, u64, u64)> {
        fn walk(node: &Node, path: &str, all: &mut Vec<(String, u64, u64)>) {
            all.push((path.to_owned(), node.seen.count(), node.lacking.count()));
            node.children.iter().for_each(|(step, child)| walk(child, &format!("{path}{}", step.text()), all));
        }
        let mut all = Vec::new();
        walk(&shape.root, "$", &mut all);
        all
    }

    fn listed(expected: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
        expected.iter().map(|(path, seen, lacking)| ((*path).to_owned(), *seen, *lacking)).collect()
    }

    #[test]
    fn fenced_json_is_read_and_other_text_is_counted() {
        let outputs = ["{\"a\": 1}", "```json\n{\"a\": 1}\n```", "Here: {\"a\": 1}", "", "NaN", "[1", " \n[]"];
        let shape = shape(outputs);
        assert_eq!((shape.outputs(), shape.root.lacking.count(), shape.is_truncated()), (7, 4, false));
        assert_eq!(paths(&shape), listed(&[("$", 3, 4), ("$.a", 2, 0)]));
    }

    #[test]
    fn elements_share_a_path_and_unusual_keys_are_quoted() {
        let shape = shape([r#"{"a b": 1, "x": [[{"p-q": 1}], []], "_1": {"": null}, "1": 0, "é\"": 0}"#]);
        let names: Vec<String> = paths(&shape).into_iter().map(|(path, _, _)| path).collect();
        let expected = [
            "$",
            "$[\"\"]",
            "$[\"1\"]",
            "$._1",
            "$._1[\"\"]",
            "$[\"a b\"]",
            "$.x",
            "$.x[]",
            "$.x[][]",
            "$.x[][][\"p-q\"]",
            "$[\"é\\\"\"]",
        ];
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        assert_eq!(
            sorted(names),
            sorted(expected[..1].iter().chain(&expected[2..]).map(|path| (*path).into()).collect())
        );
    }

    #[test]
    fn a_key_lacks_where_any_parent_lacks_it_whenever_it_is_first_seen() {
        let outputs = ["{}", r#"{"i": []}"#, r#"{"i": [{"a": 1}]}"#, r#"{"i": [{}, {"a": null}]}"#, "[]", "5"];
        let expected = listed(&[("$", 6, 0), ("$.i", 3, 1), ("$.i[]", 2, 1), ("$.i[].a", 2, 1)]);
        assert_eq!(paths(&shape(outputs)), expected);
        assert_eq!(paths(&shape(outputs.iter().rev())), expected);
    }

    #[test]
    fn an_enum_has_few_short_and_repeated_values() {
        let repeat =
            |values: Vec<Value>, times: usize| shape(vec![values; times].concat().iter().map(Value::to_string));
        let cases = [
            ((0..12).map(|i| json!(i.to_string())).collect(), 3, true),
            ((0..13).map(|i| json!(i.to_string())).collect(), 3, false),
            (vec![json!("a"), json!("b")], 2, false),
            (vec![json!("a".repeat(40))], 3, true),
            (vec![json!("é".repeat(41))], 3, false),
            ((0..6).map(|i| json!(-i)).collect(), 3, true),
            ((0..7).map(|i| json!(i)).collect(), 3, false),
            (vec![json!(1), json!(2.5)], 9, false),
            (vec![json!(true), json!(null)], 9, true),
            (vec![json!(null), json!([])], 9, false),
        ];
        for (values, times, expected) in cases {
            let shape = repeat(values.clone(), times);
            assert_eq!(shape.root.is_enum(), expected, "{values:?}");
        }
    }

    #[test]
    fn paths_are_limited_and_those_kept_do_not_depend_on_the_order() {
        let wide: Vec<String> = (0..90)
            .map(|i| json!({format!("k{i:02}"): (0..40).map(|j| (format!("{j:02}"), j)).collect::<std::collections::BTreeMap<_, _>>()}).to_string())
            .collect();
        let (forward, back) = (shape(&wide), shape(wide.iter().rev()));
        assert!(forward.is_truncated());
        assert_eq!(paths(&forward).len(), MAX_PATHS);
        assert_eq!(paths(&forward), paths(&back));
    }

    #[test]
    fn an_object_with_any_number_of_keys_is_a_dictionary() {
        let ids: Vec<String> =
            (0..700).map(|i| json!({"scores": {format!("id{i}"): {"v": i}, "n": {}}, "z": 1}).to_string()).collect();
        let expected = listed(&[
            ("$", 700, 0),
            ("$.scores", 700, 0),
            ("$.scores.{}", 700, 0),
            ("$.scores.{}.v", 700, 700),
            ("$.z", 700, 0),
        ]);
        for shape in [shape(&ids), shape(ids.iter().rev())] {
            let mut paths = paths(&shape);
            // Whether a dictionary lacks a key has no meaning.
            paths[2].2 = 0;
            assert_eq!(paths, expected);
        }
    }

    #[test]
    fn hostile_outputs_are_read_within_limits() {
        let deep = format!("{}1{}", "[".repeat(127), "]".repeat(127));
        let too_deep = "{\"a\":".repeat(100_000);
        let key = format!("{{\"{}\": 1}}", "k".repeat(100_000));
        let many = json!((0..100_000).map(|i| (format!("{i}"), Value::Null)).collect::<serde_json::Map<_, _>>());
        let branch =
            |inner: &Value| json!((0..30).map(|i| (format!("{i}"), inner.clone())).collect::<serde_json::Map<_, _>>());
        let tree = branch(&branch(&branch(&json!(1)))).to_string();
        let shape = shape([deep, too_deep, key, many.to_string(), tree, "\0\u{feff}```".into(), "1e999".into()]);
        assert_eq!((shape.outputs(), shape.root.lacking.count()), (7, 3));
        assert!(paths(&shape).len() <= MAX_PATHS);
        assert!(shape.root.children.contains_key(&Step::Any));
        assert_eq!(changes(&shape, &shape, None), []);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from),
            ".{0,50}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a-d]|.{0,3}", inner), 0..5)
                    .prop_map(|keys| Value::Object(keys.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_is_read(outputs in prop::collection::vec("(```)?[\\[\\]{}\":,0-9a-z \\PC]{0,40}(```)?", 0..8)) {
            let shape = shape(&outputs);
            prop_assert_eq!(shape.outputs(), outputs.len() as u64);
            prop_assert!(shape.root.lacking.count() <= shape.outputs());
            prop_assert_eq!(changes(&shape, &shape, None), vec![]);
        }

        #[test]
        fn a_shape_does_not_differ_from_itself_and_the_order_does_not_matter(
            some in prop::collection::vec(any_json(), 0..40), others in prop::collection::vec(any_json(), 0..40), schema in any_json()
        ) {
            let texts = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>();
            let (some, others) = (texts(&some), texts(&others));
            let (base, candidate) = (shape(&some), shape(&others));
            prop_assert_eq!(changes(&base, &base, Some(&schema)), vec![]);
            let found = changes(&base, &candidate, Some(&schema));
            prop_assert_eq!(&found, &changes(&shape(some.iter().rev()), &shape(others.iter().rev()), Some(&schema)));
            for change in found {
                prop_assert!(!change.reason.is_empty() && change.path.starts_with('$'));
                prop_assert!(Value::from(change.base_share).is_f64() && (0.0..=1.0).contains(&change.base_share));
                prop_assert!((0.0..=1.0).contains(&change.candidate_share));
            }
        }
    }
}
