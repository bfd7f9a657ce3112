//! Scorers of whether an answer is well-formed.

use super::Answer;
use super::formats::{
    SqlDialect, find_html, find_json, find_sql, find_xml, find_yaml, is_html, is_html_with_text, is_json, is_sql,
    is_xml, is_yaml,
};
use super::reason::{listed, short};
use super::rule::{Compile, Rule};
use crate::core::domain::scorer::extraction::{IsHtml, IsJson, IsSql, IsXml, IsYaml};
use crate::core::domain::{Example, Score, unfenced};

/// Checks a text, with the reason if it is not well-formed.
type Check = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Finds the part of an answer to check; `None` if there is none.
type Find = fn(&str) -> Option<&str>;

struct WellFormed {
    name: &'static str,
    check: Check,
    /// Only if text may stand around it.
    find: Option<Find>,
}

impl std::fmt::Debug for WellFormed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WellFormed").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Rule for WellFormed {
    fn score(&self, answer: &Answer<'_>, _: &Example) -> Score {
        let checked = match self.find {
            None => (self.check)(answer.output),
            // If nothing can be made out, the answer as a whole may still be what is looked for.
            Some(find) => (self.check)(find(answer.output).unwrap_or(answer.output)),
        };
        match checked {
            Ok(()) => Score::pass(true, None),
            Err(reason) => Score::pass(false, Some(short(&format!("expected {}: {reason}", self.name)))),
        }
    }

    fn requirement(&self) -> String {
        format!("{} {}", if self.find.is_some() { "contain" } else { "be" }, self.name)
    }
}

fn rule(
    name: &'static str,
    find: Option<Find>,
    check: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static,
) -> Result<Box<dyn Rule>, String> {
    Ok(Box::new(WellFormed { name, check: Box::new(check), find }))
}

impl Compile for IsJson {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        match self.anywhere {
            true => rule("JSON", Some(find_json), |text| match find_json(text) {
                Some(_) => is_json(text),
                None => Err("there is no object or array".to_owned()),
            }),
            false => rule("JSON", None, is_json),
        }
    }
}

impl Compile for IsXml {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let elements = self.elements.clone();
        rule("XML", self.anywhere.then_some(find_xml as Find), move |text| {
            is_xml(text)?;
            let has = |element: &&String| {
                let text = unfenced(text);
                [">", " ", "/", "\n", "\t", "\r"].iter().any(|end| text.contains(&format!("<{element}{end}")))
            };
            let missing: Vec<&str> = elements.iter().filter(|element| !has(element)).map(String::as_str).collect();
            match missing.is_empty() {
                true => Ok(()),
                false => Err(format!("the elements {} are missing", listed(missing.into_iter()))),
            }
        })
    }
}

impl Compile for IsYaml {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        rule("YAML", self.anywhere.then_some(find_yaml as Find), is_yaml)
    }
}

impl Compile for IsSql {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let dialect = match &self.dialect {
            None => SqlDialect::default(),
            Some(name) => SqlDialect::named(name).ok_or_else(|| format!("there is no SQL dialect \"{name}\""))?,
        };
        rule("SQL", self.anywhere.then_some(find_sql as Find), move |text| is_sql(text, dialect))
    }
}

impl Compile for IsHtml {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        match self.anywhere {
            true => rule("HTML", Some(find_html), is_html_with_text),
            false => rule("HTML", None, is_html),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::compiled::example;
    use super::*;

    fn value(rule: &dyn Compile, answer: &str) -> Option<f64> {
        rule.compile().unwrap().score(&Answer::text(answer), &example(vec![])).value()
    }

    #[test]
    fn an_answer_is_well_formed_as_a_whole_or_somewhere() {
        let (whole, anywhere) = (IsJson { anywhere: false }, IsJson { anywhere: true });
        assert_eq!(value(&whole, r#"{"a": 1}"#), Some(1.0));
        assert_eq!(value(&whole, r#"Sure: {"a": 1}"#), Some(0.0));
        assert_eq!(value(&anywhere, r#"Sure: {"a": 1}."#), Some(1.0));
        assert_eq!(value(&anywhere, "none"), Some(0.0));
        assert_eq!((value(&whole, "42"), value(&anywhere, "42")), (Some(1.0), Some(0.0)));
        assert_eq!(value(&IsYaml::default(), "a: 1\nb: [2]"), Some(1.0));
        assert_eq!(value(&IsSql::default(), "SELECT a FROM b WHERE c = 1"), Some(1.0));
        assert_eq!(value(&IsSql::default(), "SELEKT a FROM b"), Some(0.0));
        assert_eq!(value(&IsHtml::default(), "<p>Hello <b>there</b></p>"), Some(1.0));
        let (whole, anywhere) = (IsHtml::default(), IsHtml { anywhere: true });
        assert_eq!(value(&whole, "A <b>parcel</b><br>on <i>Monday</i>."), Some(0.0));
        assert_eq!(value(&anywhere, "A <b>parcel</b><br>on <i>Monday</i>."), Some(1.0));
        assert!(IsSql { dialect: Some("klingon".into()), anywhere: false }.compile().is_err());
    }

    #[test]
    fn xml_must_have_the_elements_that_are_named() {
        let elements =
            |names: &[&str]| IsXml { anywhere: true, elements: names.iter().map(|n| (*n).to_owned()).collect() };
        let answer = "So: <answer><source id=\"1\"/>Paris</answer>";
        assert_eq!(value(&elements(&["answer", "source"]), answer), Some(1.0));
        let missing = elements(&["quote"]).compile().unwrap().score(&Answer::text(answer), &example(vec![]));
        assert_eq!(missing, Score::pass(false, Some("expected XML: the elements \"quote\" are missing".into())));
    }
}
