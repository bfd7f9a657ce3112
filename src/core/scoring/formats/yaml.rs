//! YAML in answers.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Location;
use serde_saphyr::options::NonFiniteFloatPolicy;

use super::blocks::find_block;
use super::{Fault, byte_at, check};

/// Whether an answer is valid YAML 1.2, alone or in one code fence, with at least one document. Every document has to
/// be a mapping or a sequence, since almost every text is a valid YAML scalar.
///
/// Keys must not be repeated, and anchors must not contain themselves. Documents nested more than 64 levels deep, with
/// more than 250,000 values, or with too many aliases are refused (the limits of serde-saphyr 2.1).
///
/// # Errors
/// Returns the place and what is wrong there.
pub fn is_yaml(answer: &str) -> Result<(), String> {
    check(answer, |text| {
        let options = serde_saphyr::options! { non_finite_float_policy: NonFiniteFloatPolicy::PassThrough };
        let documents = serde_saphyr::from_multiple_with_options::<Document>(text, options).map_err(|error| {
            let error = error.without_snippet();
            let place =
                error.location().map_or(0, |location: Location| byte_at(text, location.line(), location.column()));
            Fault::new(place, sentence(&error.to_string()))
        })?;
        match documents.as_slice() {
            [] => Err(Fault::new(0, "there is no YAML document")),
            documents if documents.iter().all(|Document { has_parts }| *has_parts) => Ok(()),
            _ => Err(Fault::new(0, "expected a mapping or a sequence, found a single value")),
        }
    })
}

/// The content of the first code block labelled `yaml` or `yml`.
pub fn find_yaml(text: &str) -> Option<&str> {
    find_block(text, &["yaml", "yml"])
}

/// A message in plain words, without its place, which is added later.
fn sentence(message: &str) -> &str {
    let first = message.lines().next().unwrap_or_default();
    let first = first.split_once(" at line ").map_or(first, |(problem, _)| problem);
    match first {
        _ if first.starts_with("budget breached: Depth") => "the YAML is nested deeper than can be checked",
        _ if first.starts_with("budget breached") => "there is more YAML than can be checked",
        _ if first.starts_with("recursive references") => "an anchor contains itself",
        _ => first.split_once(", set DuplicateKeyPolicy").map_or(first, |(problem, _)| problem),
    }
}

/// A document of which only the kind matters.
struct Document {
    has_parts: bool,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kind)
    }
}

struct Kind;

/// Scalars, whatever their type.
macro_rules! scalars {
    ($($method:ident($type:ty)),*) => {
        $(fn $method<E>(self, _: $type) -> Result<Document, E> {
            Ok(Document { has_parts: false })
        })*
    };
}

impl<'de> Visitor<'de> for Kind {
    type Value = Document;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML document")
    }

    scalars!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_i128(i128), visit_u128(u128), visit_f64(f64));
    scalars!(visit_str(&str), visit_bytes(&[u8]));

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document { has_parts: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Document, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Document { has_parts: true })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Document, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Document { has_parts: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_and_sequences_are_valid() {
        let valid = [
            "a: 1",
            "- a\n- b: [1, {c: d}]",
            "{}",
            "a: 1\n---\n- 2\n",
            "1: a\ntrue: b\n[x]: c",
            "a: &x [1]\nb: *x\nc: !Ref y\n<<: {d: 1}",
            "text: |\n  # no comment\n  b\n# comment",
            "é: 東京 🙂",
            "a:\n  - .nan\n  - .inf\n  - 0x1F\n  - 99999999999999999999999999",
            "```yml\na: 1\n```",
            "{\"a\": [1, 2]}",
        ];
        for answer in valid {
            assert_eq!(is_yaml(answer), Ok(()), "{answer}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        let cases = [
            ("a bare sentence", "line 1, column 1: expected a mapping or a sequence, found a single value"),
            ("42", "line 1, column 1: expected a mapping or a sequence, found a single value"),
            ("a: 1\n---\nb", "line 1, column 1: expected a mapping or a sequence, found a single value"),
            ("# nothing", "line 1, column 1: there is no YAML document"),
            ("a: 1\nb: [1, 2", "line 2, column"),
            ("a: 1\n  b: 2", "line 2, column"),
            ("a: b: c", "line 1, column"),
            ("a: *x", "line 1, column 4: alias references unknown anchor"),
            ("a: &x [*x]", "line 1, column 8: an anchor contains itself"),
            ("{a: 1, a: 2}", "line 1, column 8: duplicate mapping key: a"),
            (&deep, "line 1, column 65: the YAML is nested deeper than can be checked"),
            ("a: \"b", "line 1, column"),
            ("a:\n\t- b", "line 2, column"),
        ];
        for (answer, error) in cases {
            let result = is_yaml(answer).unwrap_err();
            assert!(result.starts_with(error), "{answer}: {result}");
        }
    }

    #[test]
    fn aliases_that_multiply_are_refused() {
        let levels = (1..=12).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
        let bomb = format!("a0: &a0 [x, x]\n{}", levels.collect::<String>());
        assert!(is_yaml(&bomb).is_err());
    }

    #[test]
    fn labelled_blocks_are_found() {
        assert_eq!(find_yaml("Here:\n```YAML\na: 1\n```\n"), Some("a: 1"));
        assert_eq!(find_yaml("a: 1"), None);
    }
}
