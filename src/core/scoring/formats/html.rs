//! HTML in answers.

use super::blocks::find_block;
use super::{Fault, check};

/// Elements without content and end tag.
const VOID: [&str; 16] = [
    "area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// Elements whose end tag may be left out.
const OPTIONAL_END: [&str; 21] = [
    "body", "caption", "colgroup", "dd", "dt", "head", "html", "li", "optgroup", "option", "p", "rb", "rp", "rt",
    "rtc", "tbody", "td", "tfoot", "th", "thead", "tr",
];

/// Elements whose start tag may be left out as well.
const OPTIONAL_START: [&str; 5] = ["body", "colgroup", "head", "html", "tbody"];

/// Elements whose content is text up to their end tag.
const RAW_TEXT: [&str; 8] = ["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"];

/// The other elements of the HTML standard, obsolete ones included.
const OTHER: [&str; 95] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "applet",
    "article",
    "aside",
    "audio",
    "b",
    "bdi",
    "bdo",
    "bgsound",
    "big",
    "blink",
    "blockquote",
    "button",
    "canvas",
    "center",
    "cite",
    "code",
    "data",
    "datalist",
    "del",
    "details",
    "dfn",
    "dialog",
    "dir",
    "div",
    "dl",
    "em",
    "fieldset",
    "figcaption",
    "figure",
    "font",
    "footer",
    "form",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "i",
    "ins",
    "kbd",
    "label",
    "legend",
    "main",
    "map",
    "mark",
    "marquee",
    "math",
    "menu",
    "meter",
    "nav",
    "nobr",
    "noscript",
    "object",
    "ol",
    "output",
    "picture",
    "plaintext",
    "pre",
    "progress",
    "q",
    "ruby",
    "s",
    "samp",
    "search",
    "section",
    "select",
    "slot",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "template",
    "time",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "portal",
    "listing",
    "menuitem",
    "image",
];

/// Whether an answer is HTML, alone or in one code fence: a document or a fragment with at least one element of the
/// HTML standard, with matched tags, and no text outside of the elements.
///
/// As lenient as browsers about end tags that may be left out (`</p>`, `</li>`, `</td>` and others), the case of names,
/// unquoted attributes, and `<` or `&` in text. Elements that are not in the standard are accepted if they are closed.
/// Whether an element may be inside another one is not checked.
///
/// # Errors
/// Returns the place and what is wrong there.
pub fn is_html(answer: &str) -> Result<(), String> {
    check(answer, |text| document(text, false))
}

/// The same of HTML that was found within a text: between the elements there may be text.
///
/// # Errors
/// Returns the place and what is wrong there.
pub fn is_html_with_text(part: &str) -> Result<(), String> {
    check(part, |text| document(text, true))
}

/// The content of the first code block labelled `html`, or else the part of the text from the first tag of an element
/// of the HTML standard, or document type, to the last tag.
pub fn find_html(text: &str) -> Option<&str> {
    find_block(text, &["html", "htm", "xhtml"]).or_else(|| {
        let tags = text.get(..=text.rfind('>')?)?;
        let (start, _) = tags.match_indices('<').find(|(at, _)| {
            let rest = tags.get(at + 1..).unwrap_or_default();
            is_known(&name(rest)) || rest.get(..8).is_some_and(|word| word.eq_ignore_ascii_case("!doctype"))
        })?;
        tags.get(start..)
    })
}

fn document(text: &str, allows_text: bool) -> Result<(), Fault> {
    let mut page = Page { text, open: Vec::new(), foreign: 0, has_element: false, allows_text };
    let mut at = 0;
    while at < text.len() {
        at = page.read(at)?;
    }
    match page.open.iter().find(|(name, _)| !OPTIONAL_END.contains(&name.as_str())) {
        Some((name, start)) => Err(Fault::new(*start, format!("the element <{name}> is not closed"))),
        None if !page.has_element => Err(Fault::new(0, "there is no HTML element")),
        None => Ok(()),
    }
}

struct Page<'a> {
    text: &'a str,
    /// Name and start of the elements that are open.
    open: Vec<(String, usize)>,
    /// How many of them are `svg` or `math`, in which other rules apply.
    foreign: usize,
    has_element: bool,
    /// Whether there may be text outside of the elements, as after `<body>`.
    allows_text: bool,
}

impl<'a> Page<'a> {
    fn rest(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }

    /// Reads a tag, a comment or text; returns its end.
    fn read(&mut self, at: usize) -> Result<usize, Fault> {
        let rest = self.rest(at);
        let mut after = rest.chars().skip(1);
        match (rest.chars().next(), after.next(), after.next()) {
            (Some('<'), Some('!'), _) if rest.starts_with("<!--") => self.comment_end(at),
            (Some('<'), Some('!' | '?'), _) => match rest.find('>') {
                Some(length) => Ok(at + length + 1),
                None => Err(Fault::new(at, "the declaration is not closed")),
            },
            (Some('<'), Some('/'), Some(c)) if c.is_ascii_alphabetic() => self.end_tag(at),
            (Some('<'), Some(c), _) if c.is_ascii_alphabetic() => self.start_tag(at),
            _ => self.text_end(at),
        }
    }

    fn comment_end(&self, at: usize) -> Result<usize, Fault> {
        // The standard ends `<!-->` and `<!--->` at once.
        let rest = self.rest(at + 4);
        let early = [">", "->"].into_iter().find(|end| rest.starts_with(end)).map(str::len);
        let late = || {
            rest.match_indices("--").find_map(|(length, _)| {
                let after = self.rest(at + 4 + length + 2).trim_start_matches('-');
                let mark = [">", "!>"].into_iter().find(|mark| after.starts_with(mark))?;
                Some(rest.len() - after.len() + mark.len())
            })
        };
        early.or_else(late).map(|length| at + 4 + length).ok_or_else(|| Fault::new(at, "the comment is not closed"))
    }

    fn text_end(&self, at: usize) -> Result<usize, Fault> {
        // The first character is text, even if it is a bracket.
        let first = self.rest(at).chars().next().map_or(0, char::len_utf8);
        let end = at + first + self.rest(at + first).find('<').unwrap_or(self.rest(at + first).len());
        let text = self.text.get(at..end).unwrap_or_default();
        if self.allows_text || !self.open.is_empty() || text.trim().is_empty() {
            Ok(end)
        } else {
            Err(Fault::new(at, "there is text outside of the elements"))
        }
    }

    fn start_tag(&mut self, at: usize) -> Result<usize, Fault> {
        let name = name(self.rest(at + 1));
        let end = self.tag_end(at, at + 1 + name.len())?;
        let closes_itself = self.text.get(..end).is_some_and(|tag| tag.ends_with("/>"));
        self.has_element |= is_known(&name);
        self.allows_text |= name == "body";
        if VOID.contains(&name.as_str()) || (closes_itself && (self.foreign > 0 || is_foreign(&name))) {
            return Ok(end);
        }
        if RAW_TEXT.contains(&name.as_str()) && self.foreign == 0 {
            return match self.raw_text_end(end, &name) {
                Some(end) => Ok(end),
                None => Err(Fault::new(at, format!("the element <{name}> is not closed"))),
            };
        }
        self.foreign += usize::from(is_foreign(&name));
        self.open.push((name, at));
        Ok(end)
    }

    fn end_tag(&mut self, at: usize) -> Result<usize, Fault> {
        let name = name(self.rest(at + 2));
        let end = self.tag_end(at, at + 2 + name.len())?;
        while self.open.last().is_some_and(|(open, _)| *open != name && OPTIONAL_END.contains(&open.as_str())) {
            self.open.pop();
        }
        match self.open.pop() {
            Some((open, _)) if open == name => {
                self.foreign -= usize::from(is_foreign(&name)).min(self.foreign);
                Ok(end)
            }
            last => {
                let problem = match &last {
                    Some((open, _)) => format!("</{name}> does not match <{open}>"),
                    None => format!("</{name}> has no start tag"),
                };
                self.open.extend(last);
                if OPTIONAL_START.contains(&name.as_str()) { Ok(end) } else { Err(Fault::new(at, problem)) }
            }
        }
    }

    /// The end of a tag whose name ends at a byte. Brackets in quoted values do not end it.
    fn tag_end(&self, start: usize, name_end: usize) -> Result<usize, Fault> {
        let mut at = name_end;
        loop {
            let Some(length) = self.rest(at).find(['>', '"', '\'']) else {
                return Err(Fault::new(start, "the tag is not closed"));
            };
            at += length;
            let mark = self.rest(at).chars().next().unwrap_or('>');
            if mark == '>' {
                return Ok(at + 1);
            }
            // Only a quotation mark after an equals sign starts a value.
            let is_value = self.text.get(name_end..at).is_some_and(|before| before.trim_end().ends_with('='));
            at += 1;
            if is_value {
                match self.rest(at).find(mark) {
                    Some(length) => at += length + 1,
                    None => return Err(Fault::new(at - 1, "the value of an attribute is not closed")),
                }
            }
        }
    }

    /// The end of the end tag that ends the text in an element.
    fn raw_text_end(&self, start: usize, name: &str) -> Option<usize> {
        let mut at = start;
        loop {
            at += self.rest(at).find("</")?;
            let rest = self.rest(at + 2);
            let found = rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
            let after = rest.get(name.len()..).unwrap_or_default();
            if found && after.starts_with(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')) {
                return self.tag_end(at, at + 2 + name.len()).ok();
            }
            at += 2;
        }
    }
}

/// The name of a tag, in lower case.
fn name(text: &str) -> String {
    let end = text
        .find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '<' | '=' | '"' | '\''))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_ascii_lowercase()
}

fn is_foreign(name: &str) -> bool {
    matches!(name, "svg" | "math")
}

fn is_known(name: &str) -> bool {
    [&VOID[..], &OPTIONAL_END, &RAW_TEXT, &OTHER].into_iter().any(|names| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_fragments_are_valid() {
        let valid = [
            "<!DOCTYPE html>\n<html lang=en><head><title>a < b</title></head><body>Text<br>more</body></html>\n",
            "<ul><li>one<li>two</ul>",
            "<table><tr><td>1<td>2<tr><th>3</table>",
            "<p>one<p>two",
            "<P CLASS=\"a>b\">x</p >",
            "<p>1 < 2 & 3 <3 </ x></p>",
            "<!-- note --><div><img src=a.png alt='x > y'><input disabled/></div>",
            "<script>if (a < b) { \"</div>\" }</script>",
            "<style>a > b {}</STYLE>",
            "<svg viewBox=\"0 0 1 1\"><circle r=1 /><title><b/></title></svg>",
            "<my-card title=x><b>y</b></my-card>",
            "<textarea><b></textarea>",
            "<p>é 東京 🙂</p>",
            "<dl><dt>a<dd>b</dl>",
            "<title>t</title></head><body>x",
            "<div><!-- -- > <b> --!></div>",
            "<!--><b>x</b>",
            "```html\n<b>x</b>\n```",
            "<div a='\"' b=\"'\" don't></div>",
        ];
        for answer in valid {
            assert_eq!(is_html(answer), Ok(()), "{answer}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases = [
            ("just text", "line 1, column 1: there is text outside of the elements"),
            ("Here: <b>x</b>", "line 1, column 1: there is text outside of the elements"),
            ("<b>x</b> and more", "line 1, column 9: there is text outside of the elements"),
            ("<div>\n<b>x</div>", "line 2, column 5: </div> does not match <b>"),
            ("<div>\n <p>x", "line 1, column 1: the element <div> is not closed"),
            ("<b></b></i>", "line 1, column 8: </i> has no start tag"),
            ("<b><i>x</b></i>", "line 1, column 8: </b> does not match <i>"),
            ("<foo>x</foo>", "line 1, column 1: there is no HTML element"),
            ("<div", "line 1, column 1: the tag is not closed"),
            ("<a href=\"x>y</a>", "line 1, column 9: the value of an attribute is not closed"),
            ("<script>x", "line 1, column 1: the element <script> is not closed"),
            ("<b>x</b><!-- y", "line 1, column 9: the comment is not closed"),
            ("<div/>", "line 1, column 1: the element <div> is not closed"),
            ("<!DOCTYPE html", "line 1, column 1: the declaration is not closed"),
            ("<!DOCTYPE html>", "line 1, column 1: there is no HTML element"),
        ];
        for (answer, error) in cases {
            assert_eq!(is_html(answer), Err(error.to_owned()), "{answer}");
        }
    }

    #[test]
    fn text_between_the_elements_is_allowed_in_what_was_found() {
        for (part, wrong) in [
            ("<b>x</b> and <i>y</i>", None),
            ("<b>x</b><br>on <i>y</i>", None),
            ("<b>x</b> and <i>y</b>", Some("</b> does not match <i>")),
            ("<foo>x</foo> and", Some("there is no HTML element")),
        ] {
            let found = is_html_with_text(part).err();
            assert_eq!(found.is_some(), wrong.is_some(), "{part}: {found:?}");
            assert!(found.unwrap_or_default().ends_with(wrong.unwrap_or_default()), "{part}");
        }
    }

    #[test]
    fn html_is_found_in_a_block_or_from_the_first_to_the_last_tag() {
        let cases = [
            ("Text\n```HTML\n<b>x</b>\n```\n<i>y</i>", Some("<b>x</b>")),
            ("Use <T> or <div>\n <b>x</b></div> 1 > 0", Some("<div>\n <b>x</b></div> 1 >")),
            ("See <!doctype html><p>x", Some("<!doctype html><p>")),
            ("1 < 2", None),
            ("<foo>", None),
            ("<b", None),
        ];
        for (text, expected) in cases {
            assert_eq!(find_html(text), expected, "{text}");
        }
    }
}
