//! Text for the cells of a CSV file that may be opened in a spreadsheet program.

use std::borrow::Cow;

/// Makes a text safe as the content of a cell: anything that a spreadsheet program would interpret as a formula gets a
/// leading apostrophe.
///
/// A formula starts with `=`, `+`, `-` or `@`, in ASCII or full width, possibly after white space or invisible
/// characters. A leading tab, carriage return or line feed is dangerous by itself (OWASP, CSV Injection). A plain
/// number such as `-3.5`, `+4`, `1e-5` or `-12%` is not changed. The function is idempotent. Quoting as required by CSV
/// (RFC 4180) is left to the writer of the file: a line break or separator in an unquoted cell would start a new cell.
#[must_use]
pub fn for_spreadsheet(text: &str) -> Cow<'_, str> {
    if is_formula(text) && !is_plain_number(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

fn is_formula(text: &str) -> bool {
    if text.starts_with(['\t', '\r', '\n', '\0']) {
        return true;
    }
    let first = text.chars().find(|c| !(c.is_whitespace() || super::terminal::is_unsafe(*c)));
    matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '﹦' | '﹢' | '﹣' | '﹫' | '−'))
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
            "\t=1",
            "\r=1",
            "\n=1",
            "\tx",
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
            "", "-3.5", "+4", "-0", "-.5", "-5.", "1e-5", "-1.2E+10", "-12%", "12", "abc", "a=b", "1+1", "'=1", " x",
            "x@y", "ünï", "(=1)",
        ];
        for text in texts {
            assert!(matches!(for_spreadsheet(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_cell_starts_a_formula_and_it_is_idempotent(text in "[=+@\\-\\t\\r\\n ＝1.e%a\\u{200B}]{0,12}") {
            let cell = for_spreadsheet(&text);
            let formula = cell.trim_start().starts_with(['=', '+', '-', '@']);
            prop_assert!(!formula || cell.parse::<f64>().is_ok() || cell.trim_end_matches('%').parse::<f64>().is_ok());
            prop_assert_eq!(for_spreadsheet(&cell), cell.as_ref());
        }
    }
}
