//! Places in JSON values: how they are written, and patterns that match them.

use std::fmt::{self, Display, Formatter};

/// Maximum length of a written path, in characters. Paths repeat the keys above them, so those of a deep answer with
/// long keys would otherwise need far more memory than the answer.
const MAX_PATH: usize = 200;

/// The place of a value during a walk, linked to the place of the value that contains it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    above: Option<(&'a Place<'a>, Step<'a>)>,
    depth: usize,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl Step<'_> {
    /// The start of a key that is far longer than a path may be, so that no time is spent on the rest.
    fn shortened(self) -> Self {
        match self {
            Self::Key(key) => Self::Key(key.get(..key.floor_char_boundary(2 * MAX_PATH)).unwrap_or(key)),
            Self::Index(_) => self,
        }
    }
}

impl<'a> Place<'a> {
    /// The whole document.
    pub(super) const ROOT: Place<'static> = Place { above: None, depth: 0 };

    /// The place of a field of an object here.
    pub(super) fn key(&'a self, key: &'a str) -> Place<'a> {
        Place { above: Some((self, Step::Key(key))), depth: self.depth + 1 }
    }

    /// The place of an element of an array here.
    pub(super) fn index(&'a self, index: usize) -> Place<'a> {
        Place { above: Some((self, Step::Index(index))), depth: self.depth + 1 }
    }

    fn steps_upwards(&self) -> impl Iterator<Item = Step<'a>> {
        std::iter::successors(self.above, |(place, _)| place.above).map(|(_, step)| step)
    }
}

/// Writes `items[0].price`, or `["a key"]` for a key that is not a plain word; nothing for the whole document. The
/// middle of a path of more than 200 characters is left out, as is the end of a key of more than 400 bytes.
impl Display for Place<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut end = String::new();
        let mut steps: Vec<Step<'_>> = self.steps_upwards().collect();
        steps.reverse();
        for step in steps.into_iter().map(Step::shortened) {
            match step {
                Step::Index(index) => end.push_str(&format!("[{index}]")),
                Step::Key(key) if is_plain(key) => {
                    end.push_str(if end.is_empty() { "" } else { "." });
                    end.push_str(key);
                }
                Step::Key(key) => end.push_str(&format!("[{}]", serde_json::Value::from(key))),
            }
        }
        f.write_str(&without_middle(end))
    }
}

fn is_plain(key: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@');
    !key.is_empty() && key.chars().all(is_word)
}

fn without_middle(text: String) -> String {
    let length = text.chars().count();
    if length <= MAX_PATH {
        return text;
    }
    let half = MAX_PATH / 2;
    text.chars().take(half).chain(['…']).chain(text.chars().skip(length - half + 1)).collect()
}

/// A pattern of places: `items[0].price`, `items[*].id`, `items.0.price`, or the JSON pointer `/items/0/price`.
///
/// `*` is any one key or index. `["a.b"]` is a key that is not a plain word. A leading `$`, as in JSONPath, is
/// accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    steps: Vec<Wanted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Any,
    Named(String),
}

impl PathPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Returns a sentence about what is wrong with it: no step at all, an empty step, or a bracket that is not closed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let steps = match text.strip_prefix('/') {
            Some(pointer) => {
                pointer.split('/').map(|step| wanted(&step.replace("~1", "/").replace("~0", "~"))).collect()
            }
            None => dotted(text).map_err(|problem| format!("the path \"{text}\" {problem}"))?,
        };
        Ok(Self { steps })
    }

    /// Whether the pattern matches exactly this place.
    pub(super) fn matches(&self, place: &Place<'_>) -> bool {
        let is_wanted = |(wanted, step): (&Wanted, Step<'_>)| match (wanted, step) {
            (Wanted::Any, _) => true,
            (Wanted::Named(name), Step::Key(key)) => name == key,
            (Wanted::Named(name), Step::Index(index)) => name.parse() == Ok(index),
        };
        self.steps.len() == place.depth && self.steps.iter().rev().zip(place.steps_upwards()).all(is_wanted)
    }
}

fn wanted(name: &str) -> Wanted {
    if name == "*" { Wanted::Any } else { Wanted::Named(name.to_owned()) }
}

fn dotted(text: &str) -> Result<Vec<Wanted>, &'static str> {
    let mut rest = text.strip_prefix('$').filter(|rest| rest.starts_with(['.', '['])).unwrap_or(text);
    let mut steps = Vec::new();
    if rest.is_empty() {
        return Err("is empty");
    }
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (step, after) = bracketed(inside)?;
            steps.push(step);
            rest = after;
        } else {
            let is_first = rest.len() == text.len();
            let name = if is_first { rest } else { rest.strip_prefix('.').unwrap_or_default() };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            if name.is_empty() {
                return Err("has an empty step");
            }
            steps.push(wanted(name));
            rest = after;
        }
    }
    Ok(steps)
}

fn bracketed(inside: &str) -> Result<(Wanted, &str), &'static str> {
    const OPEN: &str = "has a bracket that is not closed";
    if inside.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(inside).into_iter::<String>();
        let Some(Ok(name)) = names.next() else { return Err("has a quoted key that is not closed") };
        let after = inside.get(names.byte_offset()..).unwrap_or_default();
        return after.strip_prefix(']').map(|after| (Wanted::Named(name), after)).ok_or(OPEN);
    }
    let (name, after) = inside.split_once(']').ok_or(OPEN)?;
    let is_index = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    if is_index || name == "*" {
        Ok((wanted(name), after))
    } else {
        Err("has brackets without an index, * or a quoted key")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_written_as_people_write_them() {
        let root = Place::ROOT;
        let items = root.key("items");
        let item = items.index(2);
        let odd = item.key("a.b \"c\"");
        let cases = [
            (root, ""),
            (items, "items"),
            (item, "items[2]"),
            (item.key("price"), "items[2].price"),
            (odd, r#"items[2]["a.b \"c\""]"#),
            (odd.key("größe"), r#"items[2]["a.b \"c\""].größe"#),
            (root.index(0), "[0]"),
            (root.key(""), r#"[""]"#),
        ];
        for (place, expected) in cases {
            assert_eq!(place.to_string(), expected);
        }
        let long = "é".repeat(500);
        assert_eq!(item.key(&long).to_string().chars().count(), MAX_PATH);
    }

    #[test]
    fn patterns_match_places_in_every_notation() {
        let root = Place::ROOT;
        let (items, odd) = (root.key("items"), root.key("a.b"));
        let item = items.index(0);
        let price = item.key("price");
        let patterns = ["items[0].price", "items.0.price", "/items/0/price", "items[*].price", "*.*.*", "$.items[0].*"];
        for pattern in patterns {
            let pattern = PathPattern::parse(pattern).unwrap();
            assert!(pattern.matches(&price), "{pattern:?}");
            assert!(![root, items, item, odd].iter().any(|place| pattern.matches(place)), "{pattern:?}");
        }
        for pattern in ["[\"a.b\"]", "/a.b", "$[\"a.b\"]", "*"] {
            assert!(PathPattern::parse(pattern).unwrap().matches(&odd), "{pattern}");
        }
        assert!(!PathPattern::parse("[\"*\"]").unwrap().matches(&items));
        assert!(PathPattern::parse("[0][1]").unwrap().matches(&root.index(0).index(1)));
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_said() {
        let cases = [
            ("", "is empty"),
            ("a..b", "has an empty step"),
            (".a", "has an empty step"),
            ("a.", "has an empty step"),
            ("a[0", "has a bracket that is not closed"),
            ("a[x]", "has brackets without an index"),
            ("a[]", "has brackets without an index"),
            ("a[\"b]", "has a quoted key that is not closed"),
            ("a[\"b\"", "has a bracket that is not closed"),
            ("a[0]b", "has an empty step"),
        ];
        for (text, problem) in cases {
            let error = PathPattern::parse(text).unwrap_err();
            assert!(error.starts_with(&format!("the path \"{text}\" {problem}")), "{error}");
        }
    }

    /// Checks that the place below `place` with these keys is matched by the pattern it is written as.
    fn assert_matched(place: &Place<'_>, keys: &[String]) {
        match keys {
            [] => assert!(PathPattern::parse(&place.to_string()).unwrap().matches(place), "{place}"),
            [key, rest @ ..] => assert_matched(&place.key(key), rest),
        }
    }

    proptest! {
        #[test]
        fn a_written_place_is_parsed_as_a_pattern_of_it(keys in proptest::collection::vec(".{0,12}", 0..4), index in 0usize..9) {
            assert_matched(&Place::ROOT.index(index), &keys);
            assert_matched(&Place::ROOT.key("a").index(index), &keys);
        }

        #[test]
        fn no_pattern_panics(text in r#"[\[\]"*./$~a0 ]{0,12}"#) {
            let _ = PathPattern::parse(&text);
        }
    }
}
