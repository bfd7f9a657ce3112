//! The report as one HTML file that loads nothing from anywhere.

mod page;
mod parts;

use askama::Template;

use super::Format;
use crate::core::domain::{Failure, FlowResult};
use crate::core::privacy::sanitize::for_terminal;
use crate::core::view::Report;
use page::Page;

pub(super) const FORMAT: Format = Format { name: "html", extensions: &["html", "htm"], render: html };

/// The whole report as one self-contained page: its style is inside it, it has no script, and its content security
/// policy forbids both scripts and requests.
///
/// The template escapes all text; control and direction characters are made visible afterwards, over the whole page, so
/// that no field can be forgotten.
///
/// # Errors
/// A failure of the template engine, which writes to memory, is passed on.
fn html(report: &Report) -> FlowResult<String> {
    let text = Page::new(report)
        .render()
        .map_err(|e| Failure::other("the report could not be written as HTML").caused_by(e))?;
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
    fn the_page_may_load_nothing_and_refers_to_nothing_elsewhere() {
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
