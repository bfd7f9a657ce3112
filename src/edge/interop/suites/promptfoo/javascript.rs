//! JavaScript of one line, which promptfoo evaluates although it may be more than an expression.

/// What a name before a `/` is if the `/` begins a regular expression.
const BEFORE_PATTERN: [&str; 8] = ["return", "typeof", "case", "in", "of", "void", "delete", "instanceof"];

/// Statements that give no value.
const STATEMENTS: [&str; 12] =
    ["const", "let", "var", "if", "for", "while", "do", "switch", "throw", "try", "break", "continue"];

/// How deep texts may be within texts.
const MAX_DEPTH: usize = 16;

/// The code of a function: several lines as they are, and one line as the expression that it is. If it begins with a
/// declaration, its last statement is returned.
///
/// # Errors
/// A sentence if there is no last statement whose value could be returned.
pub(super) fn body(code: &str) -> Result<String, String> {
    let line = code.trim().trim_end_matches([';', ' ']);
    if code.contains('\n') || !begins_with_declaration(line) {
        return Ok(code.to_owned());
    }
    let refuse =
        || "its code declares variables and ends without a value; write it on several lines with return".to_owned();
    let chars: Vec<char> = line.chars().collect();
    let end = Scanner { chars: &chars, at: 0, within: 0 }.code().flatten().ok_or_else(refuse)?;
    let before: String = chars.iter().take(end + 1).collect();
    let last: String = chars.iter().skip(end + 1).collect();
    let last = last.trim();
    match first_word(last) {
        "return" => Ok(line.to_owned()),
        word if last.is_empty() || STATEMENTS.contains(&word) => Err(refuse()),
        _ => Ok(format!("{before} return {last}")),
    }
}

fn begins_with_declaration(code: &str) -> bool {
    let word = first_word(code);
    let after = code.get(word.len()..).and_then(|rest| rest.chars().next());
    ["const", "let", "var"].contains(&word) && after.is_some_and(char::is_whitespace)
}

fn first_word(code: &str) -> &str {
    let end = code.find(|c: char| !is_name(c)).unwrap_or(code.len());
    code.get(..end).unwrap_or_default()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Goes through code as far as is needed to tell what is in quotes and brackets.
struct Scanner<'a> {
    chars: &'a [char],
    at: usize,
    /// In how many texts the code is.
    within: usize,
}

impl Scanner<'_> {
    fn peek(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    /// Goes to the end, or to the brace that ends the code if it is within a text. The position of the last `;` that is
    /// not in brackets; `None` if a quote or bracket does not end.
    fn code(&mut self) -> Option<Option<usize>> {
        let within = self.within > 0;
        // After a value, a slash divides; elsewhere it begins a pattern.
        let (mut depth, mut last, mut after_value) = (0_usize, None, false);
        while let Some(c) = self.peek(0) {
            match c {
                '"' | '\'' | '`' => {
                    self.quoted(c)?;
                    after_value = true;
                    continue;
                }
                '/' if matches!(self.peek(1), Some('/' | '*')) => return None,
                '/' if !after_value => {
                    self.pattern()?;
                    after_value = true;
                    continue;
                }
                c if is_name(c) => {
                    let word: String = self.chars.iter().skip(self.at).take_while(|c| is_name(**c)).collect();
                    self.at += word.chars().count();
                    after_value = !BEFORE_PATTERN.contains(&word.as_str());
                    continue;
                }
                '}' if within && depth == 0 => return Some(last),
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.checked_sub(1)?,
                ';' if depth == 0 => last = Some(self.at),
                _ => {}
            }
            after_value = matches!(c, ')' | ']' | '}') || (c.is_whitespace() && after_value);
            self.at += 1;
        }
        (depth == 0 && !within).then_some(last)
    }

    /// Goes behind a text in quotes, whose parts in `${}` may have quotes themselves.
    fn quoted(&mut self, quote: char) -> Option<()> {
        self.at += 1;
        loop {
            let c = self.peek(0)?;
            self.at += if c == '\\' { 2 } else { 1 };
            if c == quote {
                return Some(());
            }
            if quote == '`' && c == '$' && self.peek(0) == Some('{') {
                self.at += 1;
                self.within = Some(self.within + 1).filter(|within| *within <= MAX_DEPTH)?;
                self.code()?;
                self.within -= 1;
                self.at += 1;
            }
        }
    }

    /// Goes behind a regular expression.
    fn pattern(&mut self) -> Option<()> {
        self.at += 1;
        let mut class = false;
        loop {
            let c = self.peek(0)?;
            self.at += if c == '\\' { 2 } else { 1 };
            match c {
                '[' => class = true,
                ']' => class = false,
                '/' if !class => return Some(()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_statement_after_declarations_is_returned() {
        for (code, expected) in [
            ("output.length > 3", "output.length > 3"),
            ("const a = 1\nreturn a", "const a = 1\nreturn a"),
            ("constant > 1; x", "constant > 1; x"),
            ("const s = JSON.parse(output).score; s > 0.5;", "const s = JSON.parse(output).score; return s > 0.5"),
            ("let a = 'x;y'; let b = \";\"; a + b", "let a = 'x;y'; let b = \";\"; return a + b"),
            ("var f = () => { return 1; }; f()", "var f = () => { return 1; }; return f()"),
            ("const r = /[/;]\\/;/; r.test(output)", "const r = /[/;]\\/;/; return r.test(output)"),
            ("const a = 4 / 2; const b = a / 2; b", "const a = 4 / 2; const b = a / 2; return b"),
            ("const t = `a;${[`;`, '}'].join(';')};`; t", "const t = `a;${[`;`, '}'].join(';')};`; return t"),
            ("const q = '{{ q }}'; output === q", "const q = '{{ q }}'; return output === q"),
            ("const a = 1; return a", "const a = 1; return a"),
            ("const a = 1; { pass: true }", "const a = 1; return { pass: true }"),
        ] {
            assert_eq!(body(code).as_deref(), Ok(expected), "{code}");
        }
    }

    #[test]
    fn code_without_a_last_value_is_refused() {
        let deep = format!("const a = {}; a", "`${".repeat(100_000));
        for code in [
            "const a = output.length",
            "const a = 1;",
            "let a = 1; if (a) { return true; }",
            "const a = 'x; a",
            "const a = (1; a",
            "const a = 1; // a",
            deep.as_str(),
        ] {
            assert!(body(code).unwrap_err().contains("several lines"), "{code}");
        }
    }
}
