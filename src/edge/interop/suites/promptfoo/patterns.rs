//! Regular expressions of JavaScript as those of Rust.

use serde_json::{Map, Value, json};

use super::templates::is_template;
use super::tree::object;

/// What may follow the conditions at the beginning of a pattern without adding one: it matches at the beginning of any
/// text.
const ANYTHING: [&str; 4] = ["", ".*", "[\\s\\S]*", "[\\s\\S]*$"];

/// The scorer that matches what a pattern of JavaScript matches. Templates in it are left as they are.
///
/// # Errors
/// What the pattern uses that Rust's do not have.
pub(super) fn scorer(pattern: &str) -> Result<Map<String, Value>, String> {
    if let Some((looks, rest)) = leading_looks(pattern) {
        // An alternative has none of the conditions, and a quantifier makes the last one optional.
        if has_alternatives(rest) || begins_with_quantifier(rest) {
            return Err("look-around".to_owned());
        }
        let mut of = Vec::new();
        for (positive, inner) in looks {
            of.push((positive, translate(&format!("^(?:{inner})"))?));
        }
        if !ANYTHING.contains(&rest) {
            of.push((true, translate(&format!("^{rest}"))?));
        }
        return Ok(all(of));
    }
    Ok(regex(true, &translate(pattern)?))
}

fn regex(positive: bool, pattern: &str) -> Map<String, Value> {
    let mut scorer = object([("type", json!("regex")), ("pattern", json!(pattern))]);
    if !positive {
        scorer.insert("not".to_owned(), json!(true));
    }
    scorer
}

fn all(of: Vec<(bool, String)>) -> Map<String, Value> {
    match of.as_slice() {
        [(positive, one)] => regex(*positive, one),
        several => {
            let of: Vec<Value> = several.iter().map(|(positive, one)| Value::Object(regex(*positive, one))).collect();
            object([("type", json!("all")), ("of", Value::Array(of))])
        }
    }
}

/// The conditions of a pattern that begins with `^(?=…)` or `^(?!…)`, and the rest of it.
fn leading_looks(pattern: &str) -> Option<(Vec<(bool, &str)>, &str)> {
    let mut rest = pattern.strip_prefix('^')?;
    let mut looks = Vec::new();
    while let Some((positive, after)) = rest
        .strip_prefix("(?=")
        .map(|after| (true, after))
        .or_else(|| rest.strip_prefix("(?!").map(|after| (false, after)))
    {
        let end = closing(after)?;
        looks.push((positive, after.get(..end)?));
        rest = after.get(end + 1..)?;
    }
    (!looks.is_empty()).then_some((looks, rest))
}

/// Where the group ends that the text is within.
fn closing(text: &str) -> Option<usize> {
    outermost(text).find(|&(_, c)| c == ')').map(|(at, _)| at)
}

/// Whether a pattern begins with what repeats the part before it.
fn begins_with_quantifier(pattern: &str) -> bool {
    let counted = pattern.strip_prefix('{').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    counted || pattern.starts_with(['*', '+', '?'])
}

/// Whether a pattern is several, separated by `|`.
fn has_alternatives(text: &str) -> bool {
    outermost(text).any(|(_, c)| c == '|')
}

/// The characters of a pattern with a meaning that are in neither a group nor a class, among them the `)` of a group that
/// the text is within.
fn outermost(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut depth, mut escaped, mut class) = (0_usize, false, false);
    text.char_indices().filter(move |&(_, c)| {
        match c {
            _ if escaped => {
                escaped = false;
                return false;
            }
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class && depth == 0 => return true,
            ')' if !class => depth -= 1,
            _ => return !class && depth == 0,
        }
        false
    })
}

/// Translates a pattern.
///
/// # Errors
/// What it uses that Rust's do not have.
fn translate(pattern: &str) -> Result<String, String> {
    let mut translation = Translation { chars: pattern.chars().collect(), at: 0, out: String::new() };
    translation.run()?;
    let out = translation.out;
    if !is_template(&out) {
        regex::Regex::new(&out).map_err(|_| "the pattern is not valid".to_owned())?;
    }
    Ok(out)
}

struct Translation {
    chars: Vec<char>,
    at: usize,
    out: String,
}

impl Translation {
    fn peek(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, c)| self.peek(offset) == Some(c))
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.peek(0) {
            if self.starts_with("{{") || self.starts_with("{%") {
                self.template();
                continue;
            }
            match c {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => self.group()?,
                '{' if !self.is_quantifier() => self.push("\\{", 1),
                '{' => {
                    let end = self.chars.iter().skip(self.at).position(|c| *c == '}').unwrap_or(0);
                    self.copy(end + 1);
                }
                '}' | ']' => self.push(&format!("\\{c}"), 1),
                _ => self.copy(1),
            }
        }
        Ok(())
    }

    fn push(&mut self, text: &str, taken: usize) {
        self.out.push_str(text);
        self.at += taken;
    }

    fn copy(&mut self, count: usize) {
        self.out.extend(self.chars.iter().skip(self.at).take(count));
        self.at += count;
    }

    /// Copies a template up to its end.
    fn template(&mut self) {
        let close = if self.starts_with("{{") { ['}', '}'] } else { ['%', '}'] };
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let end = rest.windows(2).position(|pair| pair == close).map_or(rest.len(), |end| end + 2);
        self.copy(end);
    }

    /// Whether `{n}`, `{n,}` or `{n,m}` begins here.
    fn is_quantifier(&self) -> bool {
        let inner: String = self.chars.iter().skip(self.at + 1).take_while(|c| **c != '}').collect();
        let (from, to) = inner.split_once(',').unwrap_or((&inner, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        !from.is_empty()
            && digits(from)
            && digits(to)
            && self.chars.get(self.at + 1 + inner.chars().count()) == Some(&'}')
    }

    fn group(&mut self) -> Result<(), String> {
        for look in ["(?=", "(?!", "(?<=", "(?<!"] {
            if self.starts_with(look) {
                return Err("look-around".to_owned());
            }
        }
        let length = if self.starts_with("(?") { 2 } else { 1 };
        self.copy(length);
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        if self.starts_with("[^]") {
            self.push("(?s:.)", 3);
            return Ok(());
        }
        if self.starts_with("[]") {
            self.push("[^\\s\\S]", 2);
            return Ok(());
        }
        self.copy(1);
        if self.peek(0) == Some('^') {
            self.copy(1);
        }
        while let Some(c) = self.peek(0) {
            match c {
                ']' => {
                    self.copy(1);
                    return Ok(());
                }
                '\\' => self.escape(true)?,
                '[' | '&' | '~' => self.push(&format!("\\{c}"), 1),
                '-' if self.peek(1) == Some('-') || self.out.ends_with('[') || self.peek(1) == Some(']') => {
                    self.push("\\-", 1);
                }
                _ => self.copy(1),
            }
        }
        Err("a class that does not end".to_owned())
    }

    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(c) = self.peek(1) else { return Err("a backslash at its end".to_owned()) };
        let translated = match (c, in_class) {
            ('d', false) => "[0-9]".to_owned(),
            ('d', true) => "0-9".to_owned(),
            ('D', _) => "[^0-9]".to_owned(),
            ('w', false) => "[A-Za-z0-9_]".to_owned(),
            ('w', true) => "A-Za-z0-9_".to_owned(),
            ('W', _) => "[^A-Za-z0-9_]".to_owned(),
            ('b', false) => "(?-u:\\b)".to_owned(),
            ('b', true) => "\\x08".to_owned(),
            ('0', _) => "\\x00".to_owned(),
            ('1'..='9', _) | ('k', false) => return Err("a back reference".to_owned()),
            ('u', _) => return self.code_point(),
            ('c', _) => return Err("a control character".to_owned()),
            ('x' | 's' | 'S' | 't' | 'n' | 'r' | 'f' | 'v' | 'B' | 'p' | 'P', _) => format!("\\{c}"),
            (c, _)
                if c.is_ascii_alphanumeric()
                    || ['<', '>', '_', ' ', '"', '\'', '`', ',', ';', '=', '!', '%', '@', ':'].contains(&c) =>
            {
                c.to_string()
            }
            (c, _) if c.is_ascii() => format!("\\{c}"),
            (c, _) => c.to_string(),
        };
        self.push(&translated, 2);
        Ok(())
    }

    fn code_point(&mut self) -> Result<(), String> {
        let digits = |text: String| (!text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit())).then_some(text);
        let braced: String = self.chars.iter().skip(self.at + 3).take_while(|c| **c != '}').collect();
        let plain: String = self.chars.iter().skip(self.at + 2).take(4).collect();
        let (hex, taken) = match self.peek(2) {
            Some('{') => (digits(braced.clone()), braced.chars().count() + 4),
            _ => (digits(plain), 6),
        };
        let hex = hex.ok_or("a code point that is not valid")?;
        self.push(&format!("\\x{{{hex}}}"), taken);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_match_in_javascript() {
        let cases = [
            (r"^\d{2}$", "12", "1٣"),
            (r#"{"a":\s*\d+}"#, r#"{"a": 1}"#, "{}"),
            (r"[\w.-]+@[\w-]+\.com", "a.b@c.com", "@.com"),
            (r"\bword\b", "a word", "words"),
            (r"a\/b\-c\_d", "a/b-c_d", "ab"),
            (r"[[{]", "{", "x"),
            (r"\u00e9", "é", "e"),
            (r"(?<year>\d{4})", "in 2024", "in 24"),
            (r"x{,2}", "x{,2}", "xx"),
            (r"[^]", "\n", ""),
        ];
        for (pattern, yes, no) in cases {
            let scorer = scorer(pattern).unwrap();
            let regex = regex::Regex::new(scorer["pattern"].as_str().unwrap()).unwrap();
            assert!(regex.is_match(yes) && !regex.is_match(no), "{pattern}: {regex}");
        }
    }

    #[test]
    fn leading_conditions_become_scorers_of_their_own_and_others_are_refused() {
        let not = scorer("^(?!.*sorry)").unwrap();
        assert_eq!((&not["pattern"], &not["not"]), (&json!("^(?:.*sorry)"), &json!(true)));
        let both = scorer("^(?=.*a)(?=.*b).+$").unwrap();
        assert_eq!(both["of"].as_array().unwrap().len(), 3);
        for (pattern, expected) in
            [("a(?=b)", "look-around"), (r"(a)\1", "a back reference"), ("(", "not valid"), (r"\", "backslash")]
        {
            assert!(scorer(pattern).unwrap_err().contains(expected), "{pattern}");
        }
        assert_eq!(scorer("^{{ name }}\\d").unwrap()["pattern"], json!("^{{ name }}[0-9]"));
    }

    /// Whether an answer passes a scorer of patterns.
    fn passes(scorer: &Value, answer: &str) -> bool {
        let passed = match scorer["of"].as_array() {
            Some(parts) => parts.iter().all(|part| passes(part, answer)),
            None => regex::Regex::new(scorer["pattern"].as_str().unwrap()).unwrap().is_match(answer),
        };
        passed != (scorer.get("not") == Some(&json!(true)))
    }

    #[test]
    fn leading_conditions_hold_at_the_beginning_only() {
        for (pattern, answer, expected) in [
            ("^(?!Sorry|I cannot)", "Well, I cannot", true),
            ("^(?!Sorry|I cannot)", "I cannot", false),
            ("^(?=yes|no)", "maybe no", false),
            ("^(?=yes|no)", "no", true),
            ("^(?!.*sorry).*$", "Hello\nWorld", false),
            ("^(?!.*sorry).*$", "Hello", true),
            ("^(?!.*sorry).*", "Hello\nWorld", true),
            ("^(?!.*sorry)[\\s\\S]*$", "Hello\nWorld", true),
            ("^(?!.*sorry)[\\s\\S]+", "", false),
            ("^(?=.*[|)])(a|b)[|]$", "a|", true),
        ] {
            assert_eq!(passes(&Value::Object(scorer(pattern).unwrap()), answer), expected, "{pattern} {answer:?}");
        }
        for pattern in ["^(?=.*a)x|c", "^(?=.*a)?x", "^(?!a)*"] {
            assert_eq!(scorer(pattern).unwrap_err(), "look-around", "{pattern}");
        }
    }
}
