//! Templates of Python's `str.format`.

use super::draft::literal;

/// A template of karat made of one of Python.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filled {
    /// The template.
    pub(super) text: String,
    /// Whether every field had a value; the others are in the text as they were written.
    pub(super) complete: bool,
}

/// A template of Python with the values of its fields, which are templates of karat. Everything else is literal.
pub(super) fn filled(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Filled {
    let (mut parts, mut plain, mut rest, mut complete) = (Vec::new(), String::new(), template, true);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        plain.push_str(before);
        let is_brace = brace.starts_with("{{") || brace.starts_with("}}");
        let name = brace.strip_prefix('{').and_then(|inner| inner.split_once('}')).map(|(name, _)| name);
        let width = match name.filter(|_| !is_brace).and_then(|name| Some((name, value(name)?))) {
            Some((name, value)) => {
                parts.extend([literal(&std::mem::take(&mut plain)), value]);
                name.len() + 2
            }
            None => {
                complete &= is_brace;
                plain.push_str(brace.get(..1).unwrap_or_default());
                1 + usize::from(is_brace)
            }
        };
        rest = brace.get(width..).unwrap_or_default();
    }
    plain.push_str(rest);
    parts.push(literal(&plain));
    Filled { text: parts.concat(), complete }
}

/// Whether a field is a name alone, and not an index, an attribute or a format.
pub(super) fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_their_values_and_everything_else_is_literal() {
        let value = |name: &str| (name == "a").then(|| "{{ input }}".to_owned());
        let cases = [
            ("x {a} y", "x {{ input }} y", true),
            ("{{a}} {{%", "{a} {{ '{%' }}", true),
            ("{{{a}}}", "{{ '{' }}{{ input }}}", true),
            ("{b} {a!r} {0} }", "{b} {a!r} {0} }", false),
            ("{", "{{ '{' }}", false),
        ];
        for (template, text, complete) in cases {
            let filled = filled(template, &value);
            assert_eq!((filled.text.as_str(), filled.complete), (text, complete), "{template}");
        }
    }

    #[test]
    fn only_names_can_be_variables() {
        let cases = [("a", true), ("_a1", true), ("1a", false), ("", false), ("a.b", false), ("a!r", false)];
        assert!(cases.iter().all(|(name, expected)| is_name(name) == *expected));
    }
}
