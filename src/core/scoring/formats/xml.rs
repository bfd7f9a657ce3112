//! XML in answers.

use std::collections::BTreeSet;
use std::ops::Range;

use super::super::reason::{excerpt, quoted};
use super::{Fault, check};

/// Whether an answer is a well-formed XML 1.0 document (fifth edition), alone or in one code fence: one root element,
/// matched tags, quoted attributes, and no entities except the five predefined ones and character references.
///
/// A document type declaration may name an external subset, which is not read. One with an internal subset is refused,
/// since that may declare entities whose expansion is huge. Namespaces are not checked.
///
/// # Errors
/// Returns the place and what is wrong there.
pub fn is_xml(answer: &str) -> Result<(), String> {
    check(answer, document)
}

/// The first complete XML element anywhere in a text, from its start tag to its end tag: of all tags from which a
/// well-formed element can be read, the first. Tags in comments and CDATA sections are text. Takes linear time.
///
/// A region is text as well if characters in it are not allowed in XML.
pub fn find_xml(text: &str) -> Option<&str> {
    text.split(|c| !is_allowed(c)).find_map(|part| {
        let reader = Reader::new(part);
        let mut at = 0;
        while let Some(offset) = part.get(at..)?.find('<') {
            let start = at + offset;
            let mut seen = Seen::default();
            match reader.element(start, &mut seen) {
                Ok(end) => return part.get(start..end),
                Err(_) if seen.inner.is_some() => return part.get(seen.inner?),
                Err(_) => at = seen.reached.max(start + 1),
            }
        }
        None
    })
}

fn document(text: &str) -> Result<(), Fault> {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        return Err(Fault::new(at, format!("the character U+{:04X} is not allowed in XML", u32::from(c))));
    }
    let reader = Reader::new(text);
    let start = text.len() - text.trim_start_matches('\u{feff}').len();
    let root = reader.prolog(reader.declaration(start)?)?;
    let mut at = reader.element(root, &mut Seen::default())?;
    loop {
        at = reader.skip_white_space(at);
        match reader.rest(at) {
            "" => return Ok(()),
            rest if rest.starts_with("<!--") || rest.starts_with("<?") => at = reader.item(at)?.1,
            _ => return Err(Fault::new(at, "expected nothing after the root element")),
        }
    }
}

/// What was read of an element that is not complete.
#[derive(Default)]
struct Seen {
    /// The first complete element in it.
    inner: Option<Range<usize>>,
    /// Where reading stopped.
    reached: usize,
}

/// A part of the content of an element.
enum Item<'a> {
    Start { name: &'a str, is_empty: bool },
    End { name: &'a str },
    Other,
}

struct Reader<'a> {
    text: &'a str,
    last_section_end: usize,
    last_instruction_end: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let last = |end: &str| text.rfind(end).unwrap_or_default();
        Self { text, last_section_end: last("]]>"), last_instruction_end: last("?>") }
    }

    fn rest(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }

    fn skip_white_space(&self, at: usize) -> usize {
        let rest = self.rest(at);
        at + (rest.len() - rest.trim_start_matches(is_space).len())
    }

    /// Reads the XML declaration, if there is one.
    fn declaration(&self, start: usize) -> Result<usize, Fault> {
        if !self.rest(start).strip_prefix("<?xml").is_some_and(|rest| rest.starts_with(is_space)) {
            return Ok(start);
        }
        let fault = |at| Fault::new(at, "the XML declaration is not valid");
        let mut at = start + "<?xml".len();
        for (name, is_required, is_valid) in DECLARED {
            let here = self.skip_white_space(at);
            if !self.rest(here).starts_with(name) {
                if is_required {
                    return Err(fault(here));
                }
                continue;
            }
            let (value, end) = self.attribute_value(here + name.len())?;
            if here == at || !is_valid(self.text.get(value).unwrap_or_default()) {
                return Err(fault(here));
            }
            at = end;
        }
        at = self.skip_white_space(at);
        if self.rest(at).starts_with("?>") { Ok(at + 2) } else { Err(fault(at)) }
    }

    /// Reads what precedes the root element; returns where that starts.
    fn prolog(&self, start: usize) -> Result<usize, Fault> {
        let mut at = start;
        let mut has_type = false;
        loop {
            at = self.skip_white_space(at);
            let rest = self.rest(at);
            if rest.starts_with("<!--") || rest.starts_with("<?") {
                at = self.item(at)?.1;
            } else if rest.starts_with("<!DOCTYPE") && !has_type {
                at = self.document_type(at)?;
                has_type = true;
            } else if rest.is_empty() {
                return Err(Fault::new(at, "there is no root element"));
            } else if !rest.starts_with('<') {
                let text = rest.split('<').next().unwrap_or_default();
                return Err(Fault::new(at, format!("expected XML, found {}", quoted(text))));
            } else {
                return Ok(at);
            }
        }
    }

    fn document_type(&self, start: usize) -> Result<usize, Fault> {
        let fault = |at| Fault::new(at, "the document type declaration is not valid");
        let after_keyword = start + "<!DOCTYPE".len();
        let name = self.skip_white_space(after_keyword);
        let after_name = self.name_end(name).filter(|_| name > after_keyword).ok_or_else(|| fault(name))?;
        let mut at = self.skip_white_space(after_name);
        let literals = match self.rest(at) {
            rest if rest.starts_with("SYSTEM") => 1,
            rest if rest.starts_with("PUBLIC") => 2,
            _ => 0,
        };
        if literals > 0 {
            at += "SYSTEM".len();
        }
        for _ in 0..literals {
            let quote = self.skip_white_space(at);
            at = self.literal_end(quote).filter(|_| quote > at).ok_or_else(|| fault(quote))?;
        }
        at = self.skip_white_space(at);
        match self.rest(at).chars().next() {
            Some('>') => Ok(at + 1),
            Some('[') => Err(Fault::new(at, "a document type with an internal subset is not accepted")),
            _ => Err(fault(at)),
        }
    }

    /// The end of a quoted text that may contain anything.
    fn literal_end(&self, quote: usize) -> Option<usize> {
        let mark = self.rest(quote).chars().next().filter(|mark| matches!(mark, '"' | '\''))?;
        self.rest(quote + 1).find(mark).map(|length| quote + 1 + length + 1)
    }

    /// Reads an element and returns its end.
    fn element(&self, start: usize, seen: &mut Seen) -> Result<usize, Fault> {
        let mut open: Vec<(&str, usize)> = Vec::new();
        let mut at = start;
        loop {
            let here = at;
            seen.reached = here;
            let (item, end) = self.item(here).map_err(|fault| {
                seen.reached = fault.at;
                unclosed(fault, open.last())
            })?;
            at = end;
            let begin = match (item, open.last()) {
                (Item::Start { name, is_empty: false }, _) => {
                    open.push((name, here));
                    continue;
                }
                (Item::Start { .. }, _) => here,
                (Item::End { name }, Some((expected, begin))) if name == *expected => {
                    let begin = *begin;
                    open.pop();
                    begin
                }
                (Item::End { name }, Some((expected, _))) => {
                    return Err(Fault::new(here, format!("</{name}> does not match <{expected}>")));
                }
                (Item::End { name }, None) => return Err(Fault::new(here, format!("</{name}> has no start tag"))),
                (Item::Other, Some(_)) => continue,
                (Item::Other, None) => return Err(Fault::new(here, "expected an element")),
            };
            if open.is_empty() {
                return Ok(at);
            }
            if seen.inner.as_ref().is_none_or(|inner| begin < inner.start) {
                seen.inner = Some(begin..at);
            }
        }
    }

    /// Reads one part of the content of an element; returns it and its end.
    fn item(&self, at: usize) -> Result<(Item<'a>, usize), Fault> {
        let rest = self.rest(at);
        if rest.is_empty() {
            return Err(Fault::new(at, "the text ends"));
        }
        if rest.starts_with("<!--") {
            return self.comment_end(at).map(|end| (Item::Other, end));
        }
        if rest.starts_with("<![CDATA[") {
            let end = (at < self.last_section_end).then(|| rest.find("]]>")).flatten();
            return match end {
                Some(length) => Ok((Item::Other, at + length + 3)),
                None => Err(Fault::new(at, "the CDATA section is not closed")),
            };
        }
        if rest.starts_with("<?") {
            return self.instruction_end(at).map(|end| (Item::Other, end));
        }
        if rest.starts_with("</") {
            let end = self.name_end(at + 2).ok_or_else(|| Fault::new(at, "expected a name after </"))?;
            let close = self.skip_white_space(end);
            if !self.rest(close).starts_with('>') {
                return Err(Fault::new(close, "expected > at the end of the tag"));
            }
            return Ok((Item::End { name: self.text.get(at + 2..end).unwrap_or_default() }, close + 1));
        }
        if rest.starts_with('<') { self.start_tag(at) } else { self.text_end(at).map(|end| (Item::Other, end)) }
    }

    fn comment_end(&self, at: usize) -> Result<usize, Fault> {
        let Some(length) = self.rest(at + 4).find("--") else {
            return Err(Fault::new(at, "the comment is not closed"));
        };
        let end = at + 4 + length + 2;
        match self.rest(end).starts_with('>') {
            true => Ok(end + 1),
            false => Err(Fault::new(end - 2, "-- is not allowed in a comment")),
        }
    }

    fn instruction_end(&self, at: usize) -> Result<usize, Fault> {
        let name_end = self.name_end(at + 2).ok_or_else(|| Fault::new(at, "expected a name after <?"))?;
        if self.text.get(at + 2..name_end).unwrap_or_default().eq_ignore_ascii_case("xml") {
            return Err(Fault::new(at, "the XML declaration has to be at the start"));
        }
        let rest = self.rest(name_end);
        let end = (at < self.last_instruction_end).then(|| rest.find("?>")).flatten();
        match end {
            Some(length) if length == 0 || rest.starts_with(is_space) => Ok(name_end + length + 2),
            Some(_) => Err(Fault::new(name_end, "expected white space after the name")),
            None => Err(Fault::new(at, "the processing instruction is not closed")),
        }
    }

    fn start_tag(&self, start: usize) -> Result<(Item<'a>, usize), Fault> {
        let name_end = self.name_end(start + 1).ok_or_else(|| Fault::new(start, "expected a name after <"))?;
        let name = self.text.get(start + 1..name_end).unwrap_or_default();
        let mut attributes = BTreeSet::new();
        let mut at = name_end;
        loop {
            let here = self.skip_white_space(at);
            let rest = self.rest(here);
            if rest.starts_with('>') {
                return Ok((Item::Start { name, is_empty: false }, here + 1));
            }
            if rest.starts_with("/>") {
                return Ok((Item::Start { name, is_empty: true }, here + 2));
            }
            let Some(end) = self.name_end(here) else {
                return Err(Fault::new(here, format!("expected an attribute or > in the tag <{name}")));
            };
            let attribute = self.text.get(here..end).unwrap_or_default();
            if here == at {
                return Err(Fault::new(here, "expected white space before the attribute"));
            }
            if !attributes.insert(attribute) {
                return Err(Fault::new(here, format!("the attribute {attribute} is repeated")));
            }
            at = self.attribute_value(end)?.1;
        }
    }

    /// Reads `="value"`; returns the value without quotes, and the end.
    fn attribute_value(&self, at: usize) -> Result<(Range<usize>, usize), Fault> {
        let equals = self.skip_white_space(at);
        if !self.rest(equals).starts_with('=') {
            return Err(Fault::new(equals, "expected = after the name of an attribute"));
        }
        let quote = self.skip_white_space(equals + 1);
        let Some(mark) = self.rest(quote).chars().next().filter(|mark| matches!(mark, '"' | '\'')) else {
            return Err(Fault::new(quote, "the value of an attribute has to be in quotation marks"));
        };
        let start = quote + 1;
        let mut at = start;
        loop {
            at += self.rest(at).find([mark, '<', '&']).unwrap_or(self.rest(at).len());
            match self.rest(at).chars().next() {
                Some('&') => at = self.reference_end(at)?,
                Some('<') => return Err(Fault::new(at, "< is not allowed in the value of an attribute")),
                Some(_) => return Ok((start..at, at + 1)),
                None => return Err(Fault::new(quote, "the value of an attribute is not closed")),
            }
        }
    }

    fn text_end(&self, start: usize) -> Result<usize, Fault> {
        let mut at = start;
        loop {
            at += self.rest(at).find(['<', '&', ']']).unwrap_or(self.rest(at).len());
            let rest = self.rest(at);
            match rest.chars().next() {
                Some('&') => at = self.reference_end(at)?,
                Some(']') if rest.starts_with("]]>") => return Err(Fault::new(at, "]]> is not allowed in text")),
                Some(']') => at += 1,
                _ => return Ok(at),
            }
        }
    }

    /// Reads a reference to a character or a predefined entity.
    fn reference_end(&self, at: usize) -> Result<usize, Fault> {
        let rest = self.rest(at + 1);
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
        let name = rest.get(..length).unwrap_or_default();
        if !self.rest(at + 1 + length).starts_with(';') {
            return Err(Fault::new(at, "& has to be written as &amp;"));
        }
        let code = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(hex), _) => Some(u32::from_str_radix(hex, 16)),
            (None, Some(decimal)) => Some(decimal.parse()),
            (None, None) => None,
        };
        let is_known = match code {
            Some(code) => code.ok().and_then(char::from_u32).is_some_and(is_allowed),
            None => matches!(name, "lt" | "gt" | "amp" | "apos" | "quot"),
        };
        let end = at + 1 + length + 1;
        if is_known { Ok(end) } else { Err(Fault::new(at, format!("&{}; is not known", excerpt(name)))) }
    }

    fn name_end(&self, at: usize) -> Option<usize> {
        let rest = self.rest(at);
        rest.chars().next().filter(|c| is_name_start(*c))?;
        Some(at + rest.find(|c| !is_name(c)).unwrap_or(rest.len()))
    }
}

/// Says which element is not closed if the text ends.
fn unclosed(fault: Fault, open: Option<&(&str, usize)>) -> Fault {
    match open {
        Some((name, start)) if fault.problem == "the text ends" => {
            Fault::new(*start, format!("the element <{name}> is not closed"))
        }
        _ => fault,
    }
}

/// The parts of an XML declaration: name, whether it is required, and which values are valid.
type Declared = (&'static str, bool, fn(&str) -> bool);
const DECLARED: [Declared; 3] =
    [("version", true, is_version), ("encoding", false, is_encoding), ("standalone", false, is_yes_or_no)];

fn is_version(text: &str) -> bool {
    text.strip_prefix("1.").is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
}

fn is_encoding(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_yes_or_no(text: &str) -> bool {
    matches!(text, "yes" | "no")
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The production `Char`.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The production `NameStartChar`.
fn is_name_start(c: char) -> bool {
    matches!(
        c,
        ':' | 'A'..='Z' | '_' | 'a'..='z'
            | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
            | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
            | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}'
    )
}

/// The production `NameChar`.
fn is_name(c: char) -> bool {
    is_name_start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        valid: bool,
    }

    #[derive(serde::Deserialize)]
    struct Fixture {
        xml: Vec<Case>,
    }

    #[test]
    fn documents_are_well_formed_if_expat_says_so() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../../../tests/fixtures/scoring/extraction.json")).unwrap();
        for case in &fixture.xml {
            let result = document(&case.text);
            assert_eq!(result.is_ok(), case.valid, "{} {result:?}", case.text);
        }
        assert!(fixture.xml.len() > 200);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases = [
            ("<a>\n<b></a>", "line 2, column 4: </a> does not match <b>"),
            ("<a>\n <b>1</b>", "line 1, column 1: the element <a> is not closed"),
            ("Sure! <a/>", "line 1, column 1: expected XML, found \"Sure! \""),
            ("<a/>\n<b/>", "line 2, column 1: expected nothing after the root element"),
            ("<a/> done", "line 1, column 6: expected nothing after the root element"),
            ("<a b=1/>", "line 1, column 6: the value of an attribute has to be in quotation marks"),
            ("<a>R&D</a>", "line 1, column 5: & has to be written as &amp;"),
            ("<a>&nbsp;</a>", "line 1, column 4: &nbsp; is not known"),
            ("<a\u{0}/>", "line 1, column 3: the character U+0000 is not allowed in XML"),
            ("<!-- a -->", "line 1, column 11: there is no root element"),
        ];
        for (answer, error) in cases {
            assert_eq!(is_xml(answer), Err(error.to_owned()), "{answer}");
        }
    }

    #[test]
    fn a_document_type_is_accepted_unless_it_declares_something() {
        let valid = [
            "<!DOCTYPE html><html/>",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE note SYSTEM \"Note.dtd\">\n<note/>",
            "<!DOCTYPE a PUBLIC '-//X//Y' \"x>y\" ><a/>",
            "\u{feff}<a/>",
        ];
        for answer in valid {
            assert_eq!(is_xml(answer), Ok(()), "{answer}");
        }
        let bomb = "<!DOCTYPE a [<!ENTITY b \"xx\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert_eq!(
            is_xml(bomb),
            Err("line 1, column 13: a document type with an internal subset is not accepted".to_owned())
        );
        for answer in ["<!DOCTYPE a><!DOCTYPE a><a/>", "<!DOCTYPE a SYSTEM><a/>", "<!DOCTYPE><a/>", "<a/><!DOCTYPE a>"]
        {
            assert!(is_xml(answer).is_err(), "{answer}");
        }
    }

    #[test]
    fn the_first_complete_element_is_found() {
        let cases = [
            ("Use List<String> like this: <a>1</a> & more <b/>", Some("<a>1</a>")),
            ("```xml\n<a>\n <b/>\n</a>\n```", Some("<a>\n <b/>\n</a>")),
            ("<p>one <br> two</p> <item n='1'/>", Some("<item n='1'/>")),
            ("<a><b>1</b><c>2</c>", Some("<b>1</b>")),
            ("<a><b><c/></b", Some("<c/>")),
            ("<a x='<b/>'>", Some("<b/>")),
            ("<a>\u{1}</a> <b>\u{2}<c/></b>", Some("<c/>")),
            ("<?xml version='1.0'?>\n<a/>", Some("<a/>")),
            ("<a><!-- <b/> -->", None),
            ("1 < 2 > 3", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(find_xml(text), expected, "{text}");
        }
    }
}
