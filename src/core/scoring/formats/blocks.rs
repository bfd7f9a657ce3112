//! Fenced code blocks in Markdown.

/// A fenced code block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// The first word after the opening fence, usually a language; empty if there is none.
    pub label: &'a str,
    /// The lines between the fences.
    pub content: &'a str,
}

/// The fenced code blocks of a text, in order (CommonMark, except that a fence may be indented further, as in lists).
///
/// A block starts at a line that begins with at least three backticks or tildes, and ends at a line that consists of at
/// least as many of them, or at the end of the text.
pub fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (line, after) = split_line(rest);
            if line.is_empty() && after.is_empty() {
                return None;
            }
            rest = after;
            if let Some((fence, info)) = opening(line) {
                let (content, after) = until_closing(after, fence);
                rest = after;
                return Some(Block { label: label(info), content });
            }
        }
    })
}

/// The trimmed content of the first code block with one of the labels, compared without case.
pub fn find_block<'a>(text: &'a str, labels: &[&str]) -> Option<&'a str> {
    let mut blocks = blocks(text);
    let block = blocks.find(|block| labels.iter().any(|label| label.eq_ignore_ascii_case(block.label)))?;
    Some(block.content.trim())
}

/// The first line with its line break, and the rest.
fn split_line(text: &str) -> (&str, &str) {
    text.split_at(text.find('\n').map_or(text.len(), |newline| newline + 1))
}

/// The fence that a line opens, and what follows it.
fn opening(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let info = line.trim_start_matches(mark);
    let fence = line.get(..line.len() - info.len())?;
    // Backticks after the fence: the line is text with code in it.
    (fence.len() >= 3 && !(mark == '`' && info.contains('`'))).then_some((fence, info))
}

/// The text before the line that closes a fence, and the text after it.
fn until_closing<'a>(text: &'a str, fence: &str) -> (&'a str, &'a str) {
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let bare = line.trim();
        if bare.starts_with(fence) && bare.bytes().all(|b| Some(&b) == fence.as_bytes().first()) {
            return (text.get(..text.len() - rest.len()).unwrap_or_default(), after);
        }
        rest = after;
    }
    (text, "")
}

fn label(info: &str) -> &str {
    let word = info.split(|c: char| c.is_whitespace() || c == ',').find(|word| !word.is_empty()).unwrap_or_default();
    word.trim_matches(|c: char| matches!(c, '{' | '}' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, &str)> {
        blocks(text).map(|block| (block.label, block.content)).collect()
    }

    #[test]
    fn blocks_are_found_with_their_labels() {
        let cases: [(&str, Vec<(&str, &str)>); 12] = [
            ("", vec![]),
            ("no ``` block", vec![]),
            ("```\na\n```", vec![("", "a\n")]),
            ("Here:\n\n```sql title\r\nSELECT 1\r\n```\nbye", vec![("sql", "SELECT 1\r\n")]),
            ("~~~ {.xml}\n```\n~~~", vec![("xml", "```\n")]),
            ("````md\n```\n````\n", vec![("md", "```\n")]),
            ("```a\n1\n```\n```b\n2\n````", vec![("a", "1\n"), ("b", "2\n")]),
            ("1. ok\n   ```yaml\n   a: 1\n   ```", vec![("yaml", "   a: 1\n")]),
            ("```sql\nSELECT 1", vec![("sql", "SELECT 1")]),
            ("```sql SELECT 1```", vec![]),
            ("```a\n``` x\n```", vec![("a", "``` x\n")]),
            ("```", vec![("", "")]),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_first_block_with_a_label_is_found() {
        let text = "```\n0\n```\n```SQL\n 1 \n```\n```sql\n2\n```";
        assert_eq!(find_block(text, &["postgres", "sql"]), Some("1"));
        assert_eq!(find_block(text, &["xml"]), None);
        assert_eq!(find_block(text, &[""]), Some("0"));
    }
}
