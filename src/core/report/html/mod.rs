//! The report as a single HTML file that loads no external resources.

mod page;
mod parts;

use askama::Template;

use super::Format;
use crate::core::domain::{Failure, FlowResult};
use crate::core::privacy::sanitize::for_terminal;
use crate::core::view::Report;
use page::Page;

pub(super) const FORMAT: Format = Format { name: "html", extensions: &["html", "htm"], render: html };

/// Renders the whole report as one self-contained page: its style sheet is inline, it has no scripts, and its content
/// security policy forbids both scripts and requests.
///
/// The template escapes all text. Control and direction characters are made visible afterwards in the whole page, so
/// that no field can be forgotten.
///
/// # Errors
/// Returns an error if the template engine fails.
fn html(report: &Report) -> FlowResult<String> {
    let text = Page::new(report)
        .render()
        .map_err(|e| Failure::other("could not write the report as HTML").caused_by(e))?;
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        out.push_str(&for_terminal(line));
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_no_control, assert_no_markup, empty, rich};
    use super::*;

    fn body(page: &str) -> &str {
        page.find("<body").and_then(|start| page.get(start..)).unwrap()
    }

    #[test]
    fn the_html_form_of_a_rich_report() {
        insta::assert_snapshot!(body(&html(&rich()).unwrap()));
    }

    #[test]
    fn the_html_form_of_an_empty_report() {
        insta::assert_snapshot!(body(&html(&empty()).unwrap()));
    }

    #[test]
    fn hostile_text_stays_text() {
        let page = html(&rich()).unwrap();
        assert_no_markup(&page);
        assert_no_control(&page);
    }

    #[test]
    fn the_page_loads_and_references_nothing_external() {
        let page = html(&rich()).unwrap();
        let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">";
        assert!(page.contains(policy));
        for reference in ["src=\"", "href=\"http", "url(", "@import", "<iframe", "<form"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn every_id_is_used_once_and_every_tag_is_closed() {
        for report in [rich(), empty()] {
            let page = html(&report).unwrap();
            let mut ids: Vec<_> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            let all = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), all);
            for tag in [
                "div", "section", "table", "tr", "td", "th", "details", "ul", "li", "dl", "p", "span", "h2", "h3",
                "article",
            ] {
                let opened = page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
                assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
            }
        }
    }
}
