//! Breaks lines of prose and colours verdicts.

use unicode_normalization::char::is_combining_mark;

use crate::core::privacy::sanitize::for_terminal;
use crate::core::verdict::Verdict;

/// Where the text of a headline starts, after its label.
pub(super) const LABEL: usize = 10;
/// No layout is narrower.
pub(super) const NARROWEST: usize = 40;

/// `text` broken at spaces into lines of at most `width` columns, all but the first indented; ends in a newline.
/// Runs of spaces stay, and a percent sign stays with its figure. A word longer than a line is cut.
pub(super) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let width = width.max(NARROWEST);
    let text = for_terminal(text);
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in words(&text) {
        let bare = word.trim_start();
        let fits = columns(word) <= room;
        if !fits && room < width {
            lines.push(" ".repeat(indent));
            room = width.saturating_sub(indent);
        }
        for c in if fits { word } else { bare }.chars() {
            if columns_of(c) > room {
                lines.push(" ".repeat(indent));
                room = width.saturating_sub(indent);
            }
            if let Some(last) = lines.last_mut() {
                last.push(c);
            }
            room = room.saturating_sub(columns_of(c));
        }
    }
    lines.iter().map(|text| format!("{}\n", text.trim_end())).collect()
}

/// Words, each with the spaces before it; `%` belongs to the word before.
fn words(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut before = ' ';
    for (place, c) in text.char_indices() {
        if c == ' ' && before != ' ' && !text.get(place..).is_some_and(|rest| rest.starts_with(" %")) {
            starts.push(place);
        }
        before = c;
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| text.get(*start..end)).collect()
}

/// Columns a terminal gives `text`.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Two for East Asian wide characters and emoji, none for combining marks (after Unicode's UAX #11), else one.
fn columns_of(c: char) -> usize {
    match c {
        c if is_combining_mark(c) => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// Colours the names of verdicts where they stand as words. The words carry the meaning; the colour only helps to find
/// them.
pub(super) fn coloured(text: &str) -> String {
    let codes =
        [(Verdict::Pass, "32"), (Verdict::Fail, "31"), (Verdict::Inconclusive, "33"), (Verdict::Incomplete, "35")];
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        match codes.iter().find(|(verdict, _)| verdict.name() == bare) {
            Some((_, code)) => {
                out.push_str(&format!("\u{1b}[{code}m{bare}\u{1b}[0m{}", &word.strip_prefix(bare).unwrap_or_default()))
            }
            None => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_lines_hang_under_their_text() {
        let text = "quality   one two three four five six seven eight nine ten eleven";
        assert_eq!(
            wrapped(text, 40, LABEL),
            "quality   one two three four five six\n          seven eight nine ten eleven\n"
        );
    }

    #[test]
    fn a_percent_sign_stays_with_its_figure() {
        let text = format!("{} 91 % of", "x".repeat(37));
        assert_eq!(wrapped(&text, 40, 0), format!("{}\n91 % of\n", "x".repeat(37)));
    }

    #[test]
    fn a_word_longer_than_the_line_is_cut() {
        assert_eq!(wrapped(&"y".repeat(90), 40, 2).lines().map(columns).collect::<Vec<_>>(), [40, 40, 14]);
    }

    #[test]
    fn only_whole_words_are_coloured() {
        assert_eq!(coloured("PASS PASSPORT (FAIL)"), "\u{1b}[32mPASS\u{1b}[0m PASSPORT (\u{1b}[31mFAIL\u{1b}[0m)");
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_no_word_is_lost(text in "[ -~äß漢字]{0,200}", width in 40usize..120) {
            let out = wrapped(&text, width, 10);
            prop_assert!(out.lines().all(|line| columns(line) <= width));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&out), letters(&text));
        }
    }
}
