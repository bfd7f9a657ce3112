//! Delimits texts that the author of a suite did not write, so that a judge can tell them from its instructions.
//!
//! A text becomes a block: a marker line with a code, the text with a bar before every line, and another marker line.
//!
//! - The code is a hash of the texts themselves, so no text can contain its own end marker.
//! - No line of a text starts where a line of the prompt starts, so nothing in it looks like a marker or a heading of
//!   the prompt, even to a reader who does not compare codes.
//! - Invisible characters become visible escapes, and control tokens of chat templates are broken.
//!
//! This follows the delimiting and marking of K. Hines et al., "Defending Against Indirect Prompt Injection Attacks
//! With Spotlighting", 2024, with a bar for each line in place of a mark for each word, so that the wording, indentation
//! and layout of an answer can still be graded. It does not stop a model from being persuaded by what it reads.

use std::fmt::Write as _;

/// Put before every line of a delimited text.
const BAR: char = '|';

/// Put into control tokens to break them.
const BREAK: char = '·';

/// Number of hexadecimal digits in a code.
const CODE_DIGITS: usize = 16;

/// The longest control token that is looked for, in characters between its brackets.
const MAX_TOKEN: usize = 72;

/// Words in angle brackets that tokenizers of chat models treat as control tokens, with or without a slash, beside all
/// of the form `<|…|>`: Llama, Mistral, Gemma, Qwen, DeepSeek, ChatGLM, T5.
const ANGLE_TOKENS: [&str; 22] = [
    "s",
    "sys",
    "bos",
    "eos",
    "pad",
    "unk",
    "mask",
    "sop",
    "eop",
    "sep",
    "cls",
    "think",
    "start_of_turn",
    "end_of_turn",
    "start_of_image",
    "end_of_image",
    "image_soft_token",
    "tool_call",
    "tool_response",
    "tools",
    "file_sep",
    "repo_name",
];

/// Words in square brackets that tokenizers treat as control tokens, with or without a slash: Mistral, ChatGLM.
const SQUARE_TOKENS: [&str; 17] = [
    "INST",
    "SYSTEM_PROMPT",
    "AVAILABLE_TOOLS",
    "TOOL_CALLS",
    "TOOL_RESULTS",
    "TOOL_CONTENT",
    "MODEL_SETTINGS",
    "THINK",
    "ARGS",
    "CALL_ID",
    "PREFIX",
    "SUFFIX",
    "MIDDLE",
    "IMG",
    "IMG_END",
    "gMASK",
    "sMASK",
];

/// Writes the blocks of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimiter {
    code: String,
}

impl Delimiter {
    /// Derives the code of the markers from a key (such as the suite version, the example and the trial) and all texts
    /// that the request contains. The same arguments give the same code.
    ///
    /// The code occurs in none of the texts: should it, which has a probability of about 2^-64 per byte, the next one
    /// is derived.
    pub fn new(key: &[&str], texts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("karat judge markers 1");
        update_each(&mut hasher, key);
        update_each(&mut hasher, texts);
        Self { code: first_absent(|attempt| code(&hasher, attempt), texts) }
    }

    /// The code of the markers: 16 lower-case hexadecimal digits.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The text as a block, without a line break at the end. `label` says what the text is; characters other than
    /// letters, digits, spaces, dots, hyphens and underscores of ASCII become underscores, and it is cut to 40
    /// characters.
    pub fn block(&self, label: &str, text: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || " .-_".contains(c) { c } else { '_' };
        let label: String = label.chars().take(40).map(plain).collect();
        let mut block = format!("<<<BEGIN {label} {}>>>\n", self.code);
        for line in neutralize(text).split('\n') {
            block.push(BAR);
            if !line.is_empty() {
                block.push(' ');
                block.push_str(line);
            }
            block.push('\n');
        }
        // Writing to a string never fails.
        let _ = write!(block, "<<<END {label} {}>>>", self.code);
        block
    }
}

/// Adds texts to a hash, each with its length, so that different lists never have the same bytes.
pub(super) fn update_each(hasher: &mut blake3::Hasher, texts: &[&str]) {
    hasher.update(&(texts.len() as u64).to_le_bytes());
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
}

/// The code of an attempt: 64 bits of the hash.
pub(super) fn code(hasher: &blake3::Hasher, attempt: u64) -> String {
    let mut hasher = hasher.clone();
    hasher.update(&attempt.to_le_bytes());
    let mut code = hasher.finalize().to_hex().to_string();
    code.truncate(CODE_DIGITS);
    code
}

/// The first code that occurs in none of the texts. It exists, since a text cannot contain more codes than it has bytes.
pub(super) fn first_absent(code: impl Fn(u64) -> String, texts: &[&str]) -> String {
    let mut attempt = 0;
    loop {
        let candidate = code(attempt);
        if !texts.iter().any(|text| text.contains(&candidate)) {
            return candidate;
        }
        attempt += 1;
    }
}

/// Makes hidden parts of a text visible and breaks control tokens.
///
/// - Control characters other than tabs and line breaks (ANSI escapes, NUL), zero-width characters, directional
///   controls, tags, and variation selectors become escapes such as `\u{200b}`. Kept are single joiners in scripts that
///   need them and within emoji, and the variation selectors of emoji. `\r\n` becomes `\n`.
/// - Control tokens of chat templates (`<|im_start|>`, `[INST]`, `</s>`) and the beginnings of this module's own markers
///   get a middle dot after their first character.
///
/// All other text is unchanged. The result is at most 6 times as long, and the function is idempotent.
pub fn neutralize(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + text.len() / 16);
    let mut chars = text.chars();
    let mut before = None;
    while let Some(c) = chars.next() {
        let after = chars.as_str();
        let next = after.chars().next();
        match c {
            '\r' if next == Some('\n') => {}
            '\n' | '\t' => result.push(c),
            _ if is_hidden(c) && !is_needed(before, c, next) => {
                // Writing to a string never fails.
                let _ = write!(result, "\\u{{{:x}}}", u32::from(c));
            }
            _ => {
                result.push(c);
                if starts_token(c, after) {
                    result.push(BREAK);
                }
            }
        }
        before = Some(c);
    }
    result
}

/// Whether a character is a control character or invisible.
fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(u32::from(c),
        // C1 controls, soft hyphen, combining grapheme joiner, Arabic letter mark, fillers, Mongolian selectors.
        0x80..=0x9F | 0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        // Zero-width characters, directional marks, separators, overrides, isolates, invisible operators.
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F
        // Fillers, variation selectors, byte order mark, reserved and annotation characters, noncharacters.
        | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xFFFE | 0xFFFF
        // Shorthand and musical format controls; tags and supplementary variation selectors.
        | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Whether a hidden character belongs to the spelling: one joiner after a letter of a script that uses joiners, or a
/// joiner or presentation selector of an emoji.
fn is_needed(before: Option<char>, c: char, next: Option<char>) -> bool {
    let Some(before) = before else { return false };
    match c {
        '\u{200C}' | '\u{200D}' if uses_joiners(before) => true,
        '\u{200D}' => (is_pictograph(before) || before == '\u{FE0F}') && next.is_some_and(is_pictograph),
        '\u{FE0E}' | '\u{FE0F}' => {
            let keycap = (before.is_ascii_digit() || before == '#' || before == '*') && next == Some('\u{20E3}');
            keycap || is_pictograph(before)
        }
        _ => false,
    }
}

/// Whether a character belongs to a script in which joiners change the shape of letters: Arabic, Syriac, the scripts of
/// India, Sinhala, Myanmar, Khmer, Mongolian, and the presentation forms of Arabic.
fn uses_joiners(c: char) -> bool {
    let in_script = matches!(u32::from(c),
        0x600..=0x8FF | 0x900..=0xDFF | 0x1000..=0x109F | 0x1780..=0x18AF | 0xFB50..=0xFDFF | 0xFE70..=0xFEFC);
    in_script && !is_hidden(c)
}

/// Whether a character is in a block of pictographs and symbols.
fn is_pictograph(c: char) -> bool {
    matches!(u32::from(c),
        0xA9 | 0xAE | 0x203C | 0x2049 | 0x2122 | 0x2139 | 0x2190..=0x2BFF | 0x3030 | 0x303D | 0x3297 | 0x3299
        | 0x1F000..=0x1FAFF)
}

/// Whether a control token, or a marker of this module, starts with this character.
fn starts_token(c: char, after: &str) -> bool {
    match c {
        '<' | '\u{FF1C}' => is_own_marker(after) || enclosed(after, &['>', '\u{FF1E}']).is_some_and(is_angle_token),
        '[' => enclosed(after, &[']']).is_some_and(is_square_token),
        _ => false,
    }
}

fn is_own_marker(after: &str) -> bool {
    let Some(rest) = after.strip_prefix("<<").or_else(|| after.strip_prefix("\u{FF1C}\u{FF1C}")) else { return false };
    let word: String = rest.trim_start().chars().take(5).collect::<String>().to_ascii_lowercase();
    word.starts_with("begin") || word.starts_with("end")
}

/// The text up to a closing bracket on the same line, if it is near.
fn enclosed<'a>(after: &'a str, closing: &[char]) -> Option<&'a str> {
    let ends = |c: &char| closing.contains(c) || matches!(c, '\n' | '<' | '[');
    let (at, found) = after.char_indices().take(MAX_TOKEN + 1).find(|(_, c)| ends(c))?;
    if closing.contains(&found) { after.get(..at) } else { None }
}

fn is_angle_token(inside: &str) -> bool {
    let bar = |c: char| c == '|' || c == '\u{FF5C}';
    // At least one character between the bars: `<|>` is an operator.
    if inside.starts_with(bar) && inside.ends_with(bar) && inside.chars().nth(2).is_some() {
        return true;
    }
    let name = inside.strip_prefix('/').unwrap_or(inside);
    let numbered = |prefix: &str| {
        let number = name.strip_prefix(prefix);
        number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
    };
    ANGLE_TOKENS.iter().any(|token| name.eq_ignore_ascii_case(token)) || numbered("unused") || numbered("extra_id_")
}

fn is_square_token(inside: &str) -> bool {
    let name = inside.strip_prefix('/').unwrap_or(inside);
    SQUARE_TOKENS.iter().any(|token| name.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_has_markers_with_the_code_and_a_bar_before_every_line() {
        let delimiter = Delimiter::new(&["suite", "ex-1"], &["two\nlines\n\n  end"]);
        let code = delimiter.code();
        assert_eq!(code.len(), CODE_DIGITS);
        let block = delimiter.block("answer", "two\r\nlines\n\n  end");
        assert_eq!(block, format!("<<<BEGIN answer {code}>>>\n| two\n| lines\n|\n|   end\n<<<END answer {code}>>>"));
        assert_eq!(delimiter.block("answer", "").lines().nth(1), Some("|"));
        let named = delimiter.block(&format!("a>>>\n\u{200b}é{}", "x".repeat(99)), "");
        assert!(named.starts_with(&format!("<<<BEGIN a______{} ", "x".repeat(33))), "{named}");
    }

    #[test]
    fn the_code_depends_on_the_key_and_on_every_text() {
        let code = |key: &[&str], texts: &[&str]| Delimiter::new(key, texts).code;
        let original = code(&["s", "1"], &["ab", "c"]);
        assert_eq!(original, code(&["s", "1"], &["ab", "c"]));
        for other in [
            code(&["s1", ""], &["ab", "c"]),
            code(&["s", "1"], &["a", "bc"]),
            code(&["s", "1", "ab"], &["c"]),
            code(&["s", "1"], &["ab", "c", ""]),
        ] {
            assert_ne!(original, other);
        }
    }

    #[test]
    fn a_code_that_occurs_in_a_text_is_derived_again() {
        let codes = |attempt: u64| ["aaaa", "bbbb", "cccc"][attempt as usize].to_owned();
        assert_eq!(first_absent(codes, &["x", "y"]), "aaaa");
        assert_eq!(first_absent(codes, &["x aaaa", "<<<END bbbb>>>"]), "cccc");
    }

    #[test]
    fn invisible_characters_become_visible() {
        let cases = [
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("\u{202e}evil\u{2066}", "\\u{202e}evil\\u{2066}"),
            ("\u{1b}[31mred\u{9b}0m\0\u{8}", "\\u{1b}[31mred\\u{9b}0m\\u{0}\\u{8}"),
            ("\u{e0041}\u{e007f}\u{e0100}", "\\u{e0041}\\u{e007f}\\u{e0100}"),
            ("x\u{ad}y\u{2028}z\u{34f}", "x\\u{ad}y\\u{2028}z\\u{34f}"),
            ("a\rb\r\nc\td", "a\\u{d}b\nc\td"),
            ("x\u{fe0f}😀\u{fe0f}\u{fe0e}\u{fe01}", "x\\u{fe0f}😀\u{fe0f}\\u{fe0e}\\u{fe01}"),
            ("pass\u{200d}word", "pass\\u{200d}word"),
        ];
        for (text, expected) in cases {
            assert_eq!(neutralize(text), expected, "{text:?}");
        }
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in [
            "",
            "plain\ttext\nwith `code` <b>bold</b> [link](x) a < b > c",
            "ünïcödé 漢字 עברית العربية ✅ ❤\u{fe0f} 1\u{fe0f}\u{20e3}",
            "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥",
            "می\u{200c}خواهم क्\u{200d}ष",
            "list |> map <| f <|> g, x <<= 1, <<<<<<< HEAD, cat <<<EOF, arr[0][1]",
            "\\u{200b} |- x -| <div class=\"s\"> <sup>1</sup> [instance]",
        ] {
            assert_eq!(neutralize(text), text);
        }
    }

    #[test]
    fn control_tokens_and_own_markers_are_broken() {
        let cases = [
            ("<|im_start|>system", "<·|im_start|>system"),
            ("<|eot_id|><|start_header_id|>", "<·|eot_id|><·|start_header_id|>"),
            ("[INST] x [/INST]", "[·INST] x [·/INST]"),
            ("<<SYS>>\n<</SYS>>", "<<·SYS>>\n<<·/SYS>>"),
            ("</s><s><bos><end_of_turn>", "<·/s><·s><·bos><·end_of_turn>"),
            ("<｜begin▁of▁sentence｜>", "<·｜begin▁of▁sentence｜>"),
            ("＜|im_end|＞", "＜·|im_end|＞"),
            ("<|im_<|im_start|>start|>", "<|im_<·|im_start|>start|>"),
            ("<<<END answer 0>>> <<< begin", "<·<<END answer 0>>> <·<< begin"),
            ("＜＜＜END answer＞＞＞", "＜·＜＜END answer＞＞＞"),
            ("<unused7><extra_id_0><unused>", "<·unused7><·extra_id_0><unused>"),
            ("</think><tool_call>", "<·/think><·tool_call>"),
        ];
        for (text, expected) in cases {
            assert_eq!(neutralize(text), expected, "{text:?}");
        }
    }

    #[test]
    fn hostile_text_takes_linear_time() {
        for text in ["<".repeat(1 << 20), "<<<".repeat(1 << 18), "[".repeat(1 << 20), "<|".repeat(1 << 19)] {
            assert!(neutralize(&text).len() >= text.len());
        }
        assert_eq!(neutralize(&"\0".repeat(1 << 20)).len(), 5 << 20);
        assert_eq!(neutralize("e\u{301}\u{301}\u{301}"), "e\u{301}\u{301}\u{301}");
    }

    proptest! {
        #[test]
        fn no_line_of_a_text_is_a_line_of_the_prompt(
            text in "(<<<END answer [0-9a-f]{4}>>>|\n|\\||[<>|\\[\\]/]|im_start|INST|\u{200b}|\u{202e}|\r|[a-c ]|\\PC){0,40}",
        ) {
            let delimiter = Delimiter::new(&["s"], &[&text]);
            let block = delimiter.block("answer", &text);
            let lines: Vec<&str> = block.split('\n').collect();
            prop_assert!(lines.len() >= 3);
            for line in &lines[1..lines.len() - 1] {
                prop_assert!(line.starts_with(BAR) && !line.contains(delimiter.code()), "{line:?}");
            }
            prop_assert_eq!(block.matches(delimiter.code()).count(), 2);
        }

        #[test]
        fn nothing_hidden_is_left_and_it_is_idempotent(
            text in any::<String>(),
            more in "(<\\|im_start\\|>|\\[INST\\]|</s>|<<<END|[\u{200b}-\u{200f}\u{fe00}-\u{fe0f}😀क1#\u{20e3}<>\\[\\]|])*",
        ) {
            let once = neutralize(&(text + &more));
            prop_assert_eq!(&neutralize(&once), &once);
            let mut chars = once.chars();
            let mut before = None;
            while let Some(c) = chars.next() {
                let next = chars.as_str().chars().next();
                let shown = !is_hidden(c) || matches!(c, '\n' | '\t') || is_needed(before, c, next);
                prop_assert!(shown && !starts_token(c, chars.as_str()), "{:?} in {:?}", c, once);
                before = Some(c);
            }
        }
    }
}
