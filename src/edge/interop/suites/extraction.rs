//! Patterns that extract an answer, as patterns that look for the accepted answer in place of their only group.

use regex::Regex;

use super::draft::literal;

/// The place of the accepted answer in the pattern of a scorer.
pub(super) const EXPECTED: &str = "{expected}";

/// No word goes on before, and none behind; both match no characters.
const START: &str = r"\b{start-half}";
const END: &str = r"\b{end-half}";

/// The same where the group matches numbers: 5 is no part of 25, -5, 5.5 or 1,5.
const NUMBER_START: &str = r"(?:^|[^\w.,\-])";
const NUMBER_END: &str = r"(?:[.,]?\s|[.,]?$|[^\w.,])";

/// The longest pattern that is looked into, in bytes.
const MAX_PATTERN: usize = 4 << 10;

/// Where upper and lower case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// Nowhere.
    Kept,
    /// In the accepted answer, and not in what stands around it.
    IgnoredInAnswer,
    /// Everywhere.
    Ignored,
}

/// The pattern with the accepted answer in place of its only group, as the text of a scorer. `None` if there is no such
/// group of which every match has one, or if the pattern has syntax that karat lacks.
pub(super) fn looked_for(pattern: &str, case: Case) -> Option<String> {
    if pattern.contains(EXPECTED) || pattern.len() > MAX_PATTERN {
        return None;
    }
    let atoms = atoms(pattern)?;
    let at = only_group(&atoms)?;
    let group = atoms.get(at)?;
    let (before, after) = (pattern.get(..group.start)?, pattern.get(group.end..)?);
    let of_numbers = ["1.5", "1,5", "-1"].into_iter().any(|text| group.matches(text));
    let start = match atoms.get(..at)? {
        [] if of_numbers => NUMBER_START,
        near if is_open(near.iter().rev()) => START,
        _ => "",
    };
    let end = match atoms.get(at + 1..)? {
        [] if of_numbers => NUMBER_END,
        near if is_open(near.iter()) => END,
        _ => "",
    };
    let flag = if case == Case::Ignored { "(?i)" } else { "" };
    // Two braces in a row would be a template.
    let before = before.strip_suffix(r"\{").map_or_else(|| before.to_owned(), |rest| format!(r"{rest}\x7B"));
    Regex::new(&format!("{flag}{before}{start}x{end}{after}")).ok()?;
    let answer = if case == Case::IgnoredInAnswer { format!("(?i:{EXPECTED})") } else { EXPECTED.to_owned() };
    Some(format!("{flag}{}{start}{answer}{end}{}", literal(&before), literal(after)))
}

/// A part of a pattern that a quantifier is about: a character, a class, a group.
#[derive(Debug)]
struct Atom<'p> {
    /// Without its quantifier.
    text: &'p str,
    start: usize,
    /// Behind its quantifier.
    end: usize,
    quantifier: &'p str,
    /// How many groups that capture it is and contains.
    captures: usize,
}

impl Atom<'_> {
    fn is_optional(&self) -> bool {
        ["?", "*", "{0", "{,"].iter().any(|start| self.quantifier.starts_with(start))
    }

    /// Whether it only sets flags, such as `(?i)`.
    fn is_flags(&self) -> bool {
        let flags = self.text.strip_prefix("(?").and_then(|rest| rest.strip_suffix(')'));
        flags.is_some_and(|flags| flags.chars().all(|c| c.is_ascii_alphabetic() || c == '-'))
    }

    fn matches(&self, text: &str) -> bool {
        Regex::new(&format!("^(?:{})$", self.text)).is_ok_and(|regex| regex.is_match(text))
    }

    /// Whether it matches characters of words as well as others, so that it may take a part of a longer word.
    fn is_mixed(&self) -> bool {
        let any = |chars: [&str; 4]| chars.into_iter().any(|char| self.matches(char));
        any(["a", "Z", "7", "_"]) && any([" ", ".", ",", ")"])
    }
}

/// Whether an answer beside these atoms, of which the nearest is the first, could be cut from a longer word: they match
/// a part of the word, or nothing. What has to be there is a boundary of its own.
fn is_open<'a, 'p: 'a>(atoms: impl Iterator<Item = &'a Atom<'p>>) -> bool {
    for atom in atoms.filter(|atom| !atom.is_flags()) {
        if atom.is_mixed() {
            return true;
        }
        if !atom.is_optional() {
            return false;
        }
    }
    true
}

/// The place of the only group that captures. A group within another one, or with a quantifier, may match nothing, and
/// then the pattern would match without an answer.
fn only_group(atoms: &[Atom<'_>]) -> Option<usize> {
    let mut captures = atoms.iter().enumerate().filter(|(_, atom)| atom.captures > 0);
    match (captures.next(), captures.next()) {
        (Some((at, atom)), None) => {
            let is_plain = atom.captures == 1 && atom.quantifier.is_empty() && does_capture(atom.text);
            is_plain.then_some(at)
        }
        _ => None,
    }
}

/// The atoms of a pattern; `None` if it has alternatives that are in no group, or is not complete.
fn atoms(pattern: &str) -> Option<Vec<Atom<'_>>> {
    let (mut atoms, mut start) = (Vec::new(), 0);
    while start < pattern.len() {
        let rest = pattern.get(start..)?;
        let (length, captures) = match rest.chars().next()? {
            '|' | ')' => return None,
            '(' => group(rest)?,
            '[' => (class(rest)?, 0),
            '\\' => (1 + rest.chars().nth(1)?.len_utf8(), 0),
            other => (other.len_utf8(), 0),
        };
        let (text, quantifier) = (rest.get(..length)?, quantifier(rest.get(length..)?));
        let end = start + length + quantifier.len();
        atoms.push(Atom { text, start, end, quantifier, captures });
        start = end;
    }
    Some(atoms)
}

/// The length of the group with which a text begins, and how many groups in it capture.
fn group(text: &str) -> Option<(usize, usize)> {
    let (mut at, mut depth, mut captures) = (0, 0_usize, 0);
    loop {
        let rest = text.get(at..)?;
        at += match rest.chars().next()? {
            '\\' => 1 + rest.chars().nth(1)?.len_utf8(),
            '[' => class(rest)?,
            other => other.len_utf8(),
        };
        match rest.chars().next()? {
            '(' => {
                depth += 1;
                captures += usize::from(does_capture(rest));
            }
            ')' if depth == 1 => return Some((at, captures)),
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
}

/// The length of the class of characters with which a text begins.
fn class(text: &str) -> Option<usize> {
    // A bracket that stands first is one of the characters.
    let first = ["[^]", "[]", "[^", "["].into_iter().find(|start| text.starts_with(start))?.len();
    let mut escaped = false;
    for (at, c) in text.char_indices().filter(|(at, _)| *at >= first) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Whether the group with which a text begins captures what it matches.
fn does_capture(text: &str) -> bool {
    let is_named =
        text.starts_with("(?P<") || (text.starts_with("(?<") && !text.starts_with("(?<=") && !text.starts_with("(?<!"));
    text.starts_with('(') && (!text.starts_with("(?") || is_named)
}

/// The quantifier with which a text begins; empty if it begins with none.
fn quantifier(text: &str) -> &str {
    let in_braces = || {
        let inner = text.strip_prefix('{')?.split_once('}')?.0;
        let is_range = !inner.is_empty() && inner.chars().all(|c| c.is_ascii_digit() || c == ',');
        is_range.then_some(inner.len() + 2)
    };
    let length = match text.chars().next() {
        Some('?' | '*' | '+') => 1,
        _ => in_braces().unwrap_or(0),
    };
    let is_lazy = length > 0 && text.get(length..).is_some_and(|rest| rest.starts_with(['?', '+']));
    text.get(..length + usize::from(is_lazy)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_group_of_a_pattern_is_replaced_by_the_accepted_answer() {
        let cases = [
            (r"#### (\-?[0-9\.\,]+)", r"#### {expected}(?:[.,]?\s|[.,]?$|[^\w.,])"),
            (r"answer is \(?([A-D])\)?\.", r"answer is \(?{expected}\)?\."),
            (r"answer is \(?([A-D])\)?", r"answer is \(?{expected}\b{end-half}\)?"),
            (r"(?i)the (?:final )?answer: (?P<a>\w+)$", r"(?i)the (?:final )?answer: {expected}$"),
            (r"[(](x)", r"[(]{expected}\b{end-half}"),
            (r"[])](x)]", r"[])]{expected}]"),
            (r"([-0-9]+)", r"(?:^|[^\w.,\-]){expected}(?:[.,]?\s|[.,]?$|[^\w.,])"),
            (r"([A-D])", r"\b{start-half}{expected}\b{end-half}"),
            (r"answer.*([A-D])", r"answer.*\b{start-half}{expected}\b{end-half}"),
            (r"(?:answer )?([A-D]):", r"(?:answer )?\b{start-half}{expected}:"),
            (r"is (\d+).", r"is {expected}\b{end-half}."),
            (r"is (\d+)\s*.+", r"is {expected}\b{end-half}\s*.+"),
            (r"weighs (\d+)kg", r"weighs {expected}kg"),
            (r"boxed\{(\w+)\}", r"boxed\x7B{expected}\}"),
            (r"a{2}?(\w+)b", r"a{2}?{expected}b"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(looked_for(pattern, Case::Kept).as_deref(), Some(expected), "{pattern}");
        }
        assert_eq!(looked_for("is (x)!", Case::Ignored).as_deref(), Some("(?i)is {expected}!"));
        assert_eq!(looked_for("is (x)!", Case::IgnoredInAnswer).as_deref(), Some("is (?i:{expected})!"));
        assert_eq!(looked_for("[{{](x)!", Case::Kept).as_deref(), Some("[{{ '{{' }}]{expected}!"));
    }

    #[test]
    fn a_pattern_that_may_match_without_an_answer_is_refused() {
        let patterns = [
            r"ANSWER: (\w+)|UNKNOWN",
            r"answer:?\s*([A-D])?",
            r"answer: (?:([A-D]) )*",
            r"(?:answer is ([A-D])|none)",
            r"(-?[$0-9.,]{2,})|(-?[0-9]+)",
            "[A-D]",
            "(a(b))",
            "(a)(b)",
            "(a){2}",
            "(a)|b",
            "a)",
            "(a",
            "[a(b)",
            "(?<=a)(b)",
            r"(a)\1",
            "a{{(b)",
            "(a){expected}",
            "\\",
        ];
        for pattern in patterns {
            assert_eq!(looked_for(pattern, Case::Kept), None, "{pattern}");
        }
    }

    #[test]
    fn the_answer_is_no_part_of_a_longer_word_or_number() {
        let is_match = |pattern: &str, answer: &str, text: &str| {
            let pattern = looked_for(pattern, Case::Kept).unwrap().replace(EXPECTED, &regex::escape(answer));
            Regex::new(&pattern).unwrap().is_match(text)
        };
        let cases = [
            (r"The answer is (\-?[0-9\.\,]+).", "5", "The answer is 5.", true),
            (r"The answer is (\-?[0-9\.\,]+).", "5", "The answer is 50.", false),
            ("([-0-9]+)", "5", "It is 5.", true),
            ("([-0-9]+)", "5", "It is 25.", false),
            ("([-0-9]+)", "5", "It is 5.25", false),
            ("([-0-9]+)", "5", "It is -5", false),
            ("([A-D])", "B", "(B)", true),
            ("([A-D])", "B", "A BAD idea", false),
            (r"answer is \(?([A-D])\)?", "A", "answer is (A)", true),
            (r"answer is \(?([A-D])\)?", "A", "answer is Apple", false),
            (r"is (.*)\.", "C++", "It is C++.", true),
            (r"(\d+)kg", "5", "5kg", true),
        ];
        for (pattern, answer, text, expected) in cases {
            assert_eq!(is_match(pattern, answer, text), expected, "{pattern} {answer} {text}");
        }
    }
}
