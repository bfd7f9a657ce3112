//! How many sentences a text has, by rules.

use super::chars::{Kind, is_cjk};

/// Titles, which a name follows; with a small first letter they are words or units.
const TITLES: [&str; 27] = [
    "Adm", "Capt", "Cmdr", "Col", "Dr", "Dra", "Fr", "Gen", "Gov", "Hon", "Lt", "Maj", "Messrs", "Mr", "Mrs", "Ms",
    "Mt", "Mx", "Pres", "Prof", "Rep", "Rev", "Sen", "Sgt", "Sra", "St", "Supt",
];

/// Abbreviations that no sentence ends with.
const NEVER_LAST: [&str; 8] = ["approx", "bzw", "ca", "cf", "incl", "resp", "viz", "vs"];

/// Abbreviations that a sentence may end with, if the next one starts with a capital letter.
const SOMETIMES_LAST: [&str; 32] = [
    "al", "apr", "assn", "aug", "ave", "blvd", "bros", "co", "corp", "dec", "dept", "ed", "eds", "est", "etc", "feb",
    "fri", "govt", "inc", "jan", "jr", "ltd", "nov", "oct", "rd", "sept", "sep", "sr", "tel", "univ", "usw", "uc",
];

/// Abbreviations in front of a number, which are also words or ends of sentences otherwise.
const BEFORE_NUMBER: [&str; 16] =
    ["app", "art", "ch", "eq", "eqs", "fig", "figs", "no", "nos", "nr", "op", "p", "para", "pp", "sec", "vol"];

/// The number of sentences of a text.
///
/// A sentence ends with `.`, `!`, `?` or `…`, with closing quotes and brackets after it, in front of white space, a Han
/// character, a kana or the end, or with `。`, `！`, `？`, `｡`, `।`, `॥`, `۔` or `؟` anywhere. It also ends at a blank
/// line, before an item of a list, and before and after a heading of Markdown; and every sentence contains a letter or
/// digit.
///
/// A full stop does not end a sentence after an initial (`J.`), an abbreviation (`Dr.`, `e.g.`, `U.S.`; `etc.` and
/// `p.m.` only if no capital letter follows; `No.` only if a digit follows) or the number of a list item. An ellipsis,
/// and a mark within quotes or brackets, does not end one if a small letter follows. The abbreviations are English,
/// with a few from other European languages, so that the number is an estimate.
pub(crate) fn sentence_count(text: &str) -> usize {
    blocks(text).into_iter().map(sentences_in_block).sum()
}

/// The parts of a text that sentences do not reach beyond: paragraphs, list items and headings.
fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let (mut start, mut at, mut after_heading) = (0, 0, false);
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        let heading = content.starts_with('#');
        if content.is_empty() || heading || after_heading || is_list_item(content) {
            blocks.extend(text.get(start..at));
            start = at;
        }
        at += line.len();
        after_heading = heading;
    }
    blocks.extend(text.get(start..));
    blocks
}

fn is_list_item(line: &str) -> bool {
    let after_number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let marks: &[char] = if after_number.len() < line.len() { &['.', ')'] } else { &['-', '*', '+', '•'] };
    after_number.strip_prefix(marks).is_some_and(|rest| rest.starts_with([' ', '\t']))
}

fn sentences_in_block(block: &str) -> usize {
    let mut count = 0;
    let mut begun = false;
    let mut chars = block.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        begun |= Kind::of(c).alphanumeric;
        if !begun || !ends_with_space(c) && !ends_anywhere(c) {
            continue;
        }
        let mut end = at + c.len_utf8();
        while let Some((at, c)) = chars.next_if(|(_, c)| ends_with_space(*c) || ends_anywhere(*c) || closes(*c)) {
            end = at + c.len_utf8();
        }
        let (before, after) = (block.get(..at).unwrap_or_default(), block.get(end..).unwrap_or_default());
        if ends_sentence(before, block.get(at..end).unwrap_or_default(), after) {
            count += 1;
            begun = false;
        }
    }
    count + usize::from(begun)
}

fn ends_with_space(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…')
}

fn ends_anywhere(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '｡' | '।' | '॥' | '۔' | '؟')
}

/// Quotes, brackets and marks of emphasis that may follow the end of a sentence and belong to it.
fn closes(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | ')'
            | ']'
            | '}'
            | '*'
            | '_'
            | '`'
            | '’'
            | '”'
            | '»'
            | '›'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
            | '〉'
    )
}

/// Whether marks end a sentence. They start with one that may, and the rest are more of them and closing quotes.
fn ends_sentence(before: &str, marks: &str, after: &str) -> bool {
    if marks.contains(ends_anywhere) {
        return true;
    }
    if after.starts_with(|c: char| !c.is_whitespace() && !is_cjk(c)) {
        return false;
    }
    let Some(next) = after.trim_start().chars().next() else { return true };
    let weak = marks.starts_with(['…']) || marks.starts_with("..") || marks.contains(closes);
    if weak && next.is_lowercase() {
        return false;
    }
    marks.starts_with("..") || !marks.starts_with('.') || !is_abbreviation(before, next)
}

/// Whether a full stop in front of `next` belongs to the word before it.
fn is_abbreviation(before: &str, next: char) -> bool {
    let lead = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '.');
    let word = before.get(lead.len()..).unwrap_or_default();
    let is = |list: &[&str]| list.iter().any(|abbreviation| abbreviation.eq_ignore_ascii_case(word));
    let is_letters = |part: &str| part.chars().all(char::is_alphabetic) && matches!(part.chars().count(), 1 | 2);
    if word.contains('.') && word.split('.').all(is_letters) {
        let time_of_day = word.eq_ignore_ascii_case("a.m") || word.eq_ignore_ascii_case("p.m");
        return !(time_of_day && next.is_uppercase());
    }
    let mut chars = word.chars();
    let initial = matches!((chars.next(), chars.next()), (Some(first), None) if first.is_uppercase());
    let number = !word.is_empty() && word.len() <= 3 && word.chars().all(|c| c.is_ascii_digit());
    let numbers_item = number && lead.chars().all(char::is_whitespace);
    initial
        || numbers_item
        || TITLES.contains(&word)
        || is(&NEVER_LAST)
        || (is(&SOMETIMES_LAST) && !next.is_uppercase())
        || (is(&BEFORE_NUMBER) && next.is_numeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{hostile, texts};
    use super::*;

    #[test]
    fn sentences_end_with_a_mark_before_white_space() {
        let cases = [
            ("", 0),
            (" \n\n ", 0),
            ("?!", 0),
            ("🙂", 0),
            ("Hello", 1),
            ("Hello.", 1),
            ("Hello. World", 2),
            ("hello. world. ", 2),
            ("Is it?! Yes! Good…", 3),
            ("Version 2.0 is out. See example.com. Done", 3),
            ("It costs 3.14. Or 1,000. I have 3. You have 4.", 4),
            ("Что? Да! Нет.", 3),
            ("今天天气很好。我们去公园吧！你觉得呢？", 3),
            ("他说：“你好。”然后走了。", 2),
            ("你好!很高兴. 再见", 3),
            ("यह एक वाक्य है। यह दूसरा है।", 2),
            ("هل هذا جيد؟ نعم.", 2),
            ("Great job! 🎉 Next one.", 2),
        ];
        for (text, expected) in cases {
            assert_eq!(sentence_count(text), expected, "{text:?}");
        }
    }

    #[test]
    fn abbreviations_and_initials_do_not_end_a_sentence() {
        let cases = [
            ("Dr. Smith met Mr. J. R. R. Tolkien, e.g. on St. Mary's St. at 3.5 p.m. on Monday.", 1),
            ("J.R.R. Tolkien, Ph.D. and B.A. of the U.S. Army.", 1),
            ("He came at 5 p.m. Then he left.", 2),
            ("Fruit, nuts, etc. are sold. Nuts, etc. They are.", 3),
            ("No. 5 is alive. No. It is not. See fig. 3, pp. 4 to 5.", 4),
            ("It took 5 ms. Then one more rep. Done.", 3),
            ("Ms. Jones vs. Rep. Lee et al. (2020), approx. five.", 1),
            ("I live in the U.S.", 1),
            ("(e.g. this) and i.e. that", 1),
        ];
        for (text, expected) in cases {
            assert_eq!(sentence_count(text), expected, "{text:?}");
        }
    }

    #[test]
    fn quotes_brackets_and_ellipses_end_a_sentence_unless_a_small_letter_follows() {
        let cases = [
            ("Well... maybe. Wait... What? Hm… yes.", 4),
            ("\"Stop!\" he said. (It was late.) She left.", 3),
            ("He left. \"Why?\" she asked. “No.” Silence.", 4),
            ("**Bold.** Next _one._", 2),
        ];
        for (text, expected) in cases {
            assert_eq!(sentence_count(text), expected, "{text:?}");
        }
    }

    #[test]
    fn blank_lines_list_items_and_headings_separate_sentences() {
        let cases = [
            ("one\ntwo", 1),
            ("one\n \ntwo", 2),
            ("one\r\n\r\ntwo", 2),
            ("Items:\n- one\n- two. Three\n* four", 5),
            ("1. First.\n2. Second one\n10) third", 3),
            ("# Title\nText here", 2),
            ("Text\n## Title", 2),
            ("-5 is less\nthan 3.5\nor 4.", 1),
        ];
        for (text, expected) in cases {
            assert_eq!(sentence_count(text), expected, "{text:?}");
        }
    }

    #[test]
    fn long_texts_are_counted() {
        for text in hostile() {
            assert!(sentence_count(&text) <= text.chars().count());
        }
    }

    proptest! {
        #[test]
        fn paragraphs_have_the_sentences_of_both(a in texts(), b in texts()) {
            prop_assert_eq!(sentence_count(&format!("{a}\n\n{b}")), sentence_count(&a) + sentence_count(&b));
        }

        #[test]
        fn a_text_has_sentences_if_it_has_letters_or_digits(text in texts()) {
            let count = sentence_count(&text);
            prop_assert_eq!(count > 0, text.chars().any(char::is_alphanumeric));
            prop_assert!(count <= text.chars().filter(|c| c.is_alphanumeric()).count());
        }
    }
}
