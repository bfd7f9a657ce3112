//! Text for the cells of a CSV file that may be opened in a spreadsheet program.

use std::borrow::Cow;

use super::terminal::is_unsafe;

/// The characters that a formula may start with, in ASCII and full width.
pub const FORMULA_SIGNS: [char; 13] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '−'];

/// The signs that ordinary text also starts with: numbers, items of lists, `;-)`.
const PLUS_AND_MINUS: [char; 7] = ['+', '-', '＋', '－', '﹢', '﹣', '−'];

/// What a formula needs to call a function or to refer to another program, file or sheet. Without it, a formula can only
/// calculate with its own numbers and cells.
const REACHES_OUT: [char; 4] = ['(', '|', '!', '#'];

/// Makes a text safe as the content of a cell: anything that a spreadsheet program would interpret as a formula gets a
/// leading apostrophe.
///
/// A formula starts with `=`, `+`, `-` or `@`, in ASCII or full width, possibly after white space or invisible
/// characters. A leading tab, carriage return or line feed is dangerous by itself (OWASP, CSV Injection). A plain
/// number such as `-3.5`, `+4`, `1e-5` or `-12%` is not changed. The function is idempotent. Quoting as required by CSV
/// (RFC 4180) is left to the writer of the file: a line break or separator in an unquoted cell would start a new cell.
///
/// Quotes do not help where a program expects another separator than the comma, as Excel does in countries with a decimal
/// comma: it then ends cells at every semicolon, or tab, and rows at every line break, inside quotes, too. A formula that
/// would start directly after one of these therefore gets an apostrophe in that place. There, `=` and `@` always count
/// as a formula, `+` and `-` only if what follows could call or refer to something, so `;-)`, `1;-2` and lists in
/// Markdown are not changed.
#[must_use]
pub fn for_spreadsheet(text: &str) -> Cow<'_, str> {
    let is_first_formula = is_formula(text) && !is_plain_number(text);
    if !is_first_formula && !text.contains([';', '\t', '\n', '\r']) {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len() + 8);
    for part in text.split_inclusive([';', '\n', '\r']) {
        let reaches_out = part.contains(REACHES_OUT);
        for cell in part.split_inclusive('\t') {
            let is_escaped = if result.is_empty() { is_first_formula } else { is_later_formula(cell, reaches_out) };
            if is_escaped {
                result.push('\'');
            }
            result.push_str(cell);
        }
    }
    if result.len() == text.len() { Cow::Borrowed(text) } else { Cow::Owned(result) }
}

/// Whether a cell that only some programs would see is a formula. The quotes around a cell may be the text's own.
fn is_later_formula(cell: &str, reaches_out: bool) -> bool {
    let first = cell.chars().find(|c| *c != '"' && !is_unsafe(*c));
    first.is_some_and(|c| FORMULA_SIGNS.contains(&c) && (reaches_out || !PLUS_AND_MINUS.contains(&c)))
}

fn is_formula(text: &str) -> bool {
    if text.starts_with(['\t', '\r', '\n', '\0']) {
        return true;
    }
    let first = text.chars().find(|c| !(c.is_whitespace() || is_unsafe(*c)));
    first.is_some_and(|c| FORMULA_SIGNS.contains(&c))
}

/// Whether a text is a number: an optional sign, digits with at most one decimal point, and an optional exponent or
/// percent sign.
fn is_plain_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = unsigned.strip_suffix('%').unwrap_or(unsigned);
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (number, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let some = !(whole.is_empty() && fraction.is_empty()) && exponent.is_none_or(|e| !e.is_empty());
    some && digits(whole) && digits(fraction) && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_get_an_apostrophe() {
        let texts = [
            "=1+1",
            "=cmd|'/c calc'!A1",
            "=HYPERLINK(\"http://x\")",
            "+1+1",
            "-1+1",
            "-2+3+cmd|' /C calc'!A0",
            "@SUM(A1)",
            "\tx",
            "\r\nx",
            " =1+1",
            "\u{FEFF}=1",
            "\u{200B}=1",
            "\u{A0}=1",
            "＝1+1",
            "＠x",
            "\u{2212}1+1",
            "-",
            "+",
            "--3",
            "-3.5.2",
            "-e5",
            "-1e",
            "+49 30 123456",
            "-inf",
            "-.",
            "=",
            "@",
            "\0=1",
        ];
        for text in texts {
            assert_eq!(for_spreadsheet(text), format!("'{text}"), "{text:?}");
        }
    }

    #[test]
    fn numbers_and_plain_text_are_unchanged() {
        let texts = [
            "",
            "-3.5",
            "+4",
            "-0",
            "-.5",
            "-5.",
            "1e-5",
            "-1.2E+10",
            "-12%",
            "12",
            "abc",
            "a=b",
            "1+1",
            "'=1",
            " x",
            "x@y",
            "ünï",
            "(=1)",
            "a; b",
            "a; -b",
            "a; =b",
            "thanks ;-)",
            "1;-2;+3",
            "x\t-4",
            "list:\n- a\n+ b",
            "a=b;c=d",
        ];
        for text in texts {
            assert!(matches!(for_spreadsheet(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn a_formula_after_another_separator_than_the_comma_gets_an_apostrophe() {
        let cases = [
            ("ok;=cmd|'/c calc'!A1", "ok;'=cmd|'/c calc'!A1"),
            ("ok;\"=1+1", "ok;'\"=1+1"),
            ("ok;;@SUM(A1)", "ok;;'@SUM(A1)"),
            ("ok;-1+cmd|'/c calc'!A1", "ok;'-1+cmd|'/c calc'!A1"),
            ("ok\t=1", "ok\t'=1"),
            ("ok;-1+\tWEBSERVICE(A1)", "ok;'-1+\tWEBSERVICE(A1)"),
            ("ok\n=1\r\n＝1", "ok\n'=1\r\n'＝1"),
            ("- see\n- WEBSERVICE(A1)", "'- see\n'- WEBSERVICE(A1)"),
            ("=1;=2", "'=1;'=2"),
            ("\t=1", "'\t'=1"),
        ];
        for (text, cell) in cases {
            assert_eq!(for_spreadsheet(text), cell, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_cell_starts_a_formula_and_it_is_idempotent(text in "[=+@\\-\\t\\r\\n ＝1.e%a;\"(\\u{200B}]{0,12}") {
            let cell = for_spreadsheet(&text);
            prop_assert!(![";=", ";@", "\t=", "\n@"].iter().any(|start| cell.contains(start)));
            let formula = cell.trim_start().starts_with(['=', '+', '-', '@']);
            prop_assert!(!formula || cell.parse::<f64>().is_ok() || cell.trim_end_matches('%').parse::<f64>().is_ok());
            prop_assert_eq!(for_spreadsheet(&cell), cell.as_ref());
        }
    }
}
