//! Values and prose for a terminal: sanitized and wrapped, with verdicts in colour.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm, wrap};

use crate::core::privacy::sanitize::for_terminal;
use crate::core::verdict::Verdict;
use crate::core::view::{Cell, HeadlineLine};

/// Minimum width of any layout.
pub(super) const NARROWEST: usize = 40;

/// The capabilities of a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Number of columns; less than 40 counts as 40.
    pub width: usize,
    /// Whether verdicts are coloured.
    pub colour: bool,
}

/// A value as shown in a terminal. This is the only place where terminal control characters are removed from text, and
/// the only place where colour is set; only verdicts are coloured.
pub(super) fn shown(cell: &Cell, colour: bool) -> String {
    match cell {
        Cell::Text(text) => for_terminal(text).into_owned(),
        Cell::Phrase(phrase) => phrase.0.iter().map(|cell| shown(cell, colour)).collect(),
        // The word carries the meaning; the colour only makes it easier to find.
        Cell::Verdict(verdict) if colour => {
            let code = match verdict {
                Verdict::Pass => "32",
                Verdict::Fail => "31",
                Verdict::Inconclusive => "33",
                Verdict::Incomplete => "35",
            };
            format!("\u{1b}[{code}m{}\u{1b}[0m", verdict.name())
        }
        _ => cell.to_string(),
    }
}

/// A value after a label, wrapped to the width of the screen and ending in a newline. All lines but the first are
/// indented. Runs of spaces are preserved, a percent sign stays on the line of its number, and a word longer than a
/// line is broken.
pub(super) fn labelled(label: &str, cell: impl Into<Cell>, screen: Screen, indent: usize) -> String {
    let text = format!("{}{}", for_terminal(label), shown(&cell.into(), screen.colour)).replace(" %", "\u{a0}%");
    let indent = " ".repeat(indent);
    let options = Options::new(screen.width.max(NARROWEST))
        .subsequent_indent(&indent)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    wrap(&text, options).iter().map(|line| format!("{}\n", line.trim_end().replace("\u{a0}%", " %"))).collect()
}

/// A wrapped paragraph.
pub(super) fn paragraph(cell: impl Into<Cell>, screen: Screen) -> String {
    labelled("", cell, screen, 0)
}

/// Renders the headline; the continuation of a long line is indented to its text.
pub fn terminal_headline(lines: &[HeadlineLine], screen: Screen) -> String {
    lines.iter().map(|line| labelled(&line.padded_label(), line.text.clone(), screen, HeadlineLine::TEXT)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn wrapped(text: &str, width: usize, indent: usize) -> String {
        labelled("", text, Screen { width, colour: false }, indent)
    }

    #[test]
    fn continuation_lines_are_indented_to_the_text() {
        let text = "quality   one two three four five six seven eight nine ten eleven";
        assert_eq!(
            wrapped(text, 40, HeadlineLine::TEXT),
            "quality   one two three four five six\n          seven eight nine ten eleven\n"
        );
    }

    #[test]
    fn a_percent_sign_stays_on_the_line_of_its_number() {
        let text = format!("{} 91 % of", "x".repeat(37));
        assert_eq!(wrapped(&text, 40, 0), format!("{}\n91 % of\n", "x".repeat(37)));
    }

    #[test]
    fn a_word_longer_than_the_line_is_broken() {
        let out = wrapped(&"y".repeat(90), 40, 2);
        assert_eq!((out.lines().count(), out.matches('y').count()), (3, 90));
        assert!(out.lines().all(|line| line.width() <= 40), "{out}");
    }

    #[test]
    fn a_verdict_is_coloured_but_the_same_word_in_a_text_is_not() {
        let both = crate::core::view::phrase![Verdict::Fail, " FAIL"];
        assert_eq!(shown(&both.into(), true), "\u{1b}[31mFAIL\u{1b}[0m FAIL");
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_no_word_is_lost(text in "[ -~äß漢字👩]{0,200}", width in 40usize..120) {
            let out = wrapped(&text, width, 10);
            prop_assert!(out.lines().all(|line| line.width() <= width));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&out), letters(&text));
        }
    }
}
