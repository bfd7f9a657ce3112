//! The short report shown on the summary page of a CI job.

use super::markdown::{code_block, table_text};
use super::tables;
use crate::core::privacy::sanitize::{for_markdown, truncate_chars};
use crate::core::view::{DecayView, HeadlineLine, Report, line};

/// Maximum number of rows per table.
const ROWS: usize = 10;
/// Maximum number of headline lines.
const HEADLINE: usize = 20;
/// Upper bound of the size in bytes, so that several reports fit within the page's limit of 1 MiB per step.
const LIMIT: usize = 60_000;
/// Bytes reserved for the closing remark.
const REMARK: usize = 100;

/// Renders a short Markdown report for `GITHUB_STEP_SUMMARY`: the headline, comparisons, traffic without examples, and the
/// strongest flags. Always shorter than 60,000 bytes; the last line counts the datasets that do not fit.
pub fn step_summary(report: &Report) -> String {
    let mut out = format!(
        "## {}: {}\n\n{}",
        for_markdown(&line(&report.title, 120)),
        report.verdict.name(),
        code_block(headline(&report.headline))
    );
    for view in &report.comparisons {
        let section = format!(
            "\n{}\n\n{}",
            for_markdown(&line(&tables::compare_sentence(view).to_string(), 400)),
            table_text(&tables::compared_scores(view))
        );
        if out.len() + section.len() + REMARK <= LIMIT {
            out.push_str(&section);
        }
    }
    for (place, view) in report.decay.iter().enumerate() {
        let section = section(view);
        if out.len() + section.len() + REMARK > LIMIT {
            out.push_str(&format!("\n… and {} more datasets in the full report.\n", report.decay.len() - place));
            break;
        }
        out.push_str(&section);
    }
    out
}

/// The first lines and the last one, which contains the verdicts. Spaces are preserved because they align the labels.
fn headline(lines: &[HeadlineLine]) -> Vec<String> {
    let shortened = |line: &HeadlineLine| truncate_chars(&line.to_string(), 300).into_owned();
    match lines {
        [first @ .., last] if lines.len() > HEADLINE => {
            let shown = first.iter().take(HEADLINE - 2).map(shortened);
            let skipped = format!("… {} more lines", lines.len() - HEADLINE + 1);
            shown.chain([skipped, shortened(last)]).collect()
        }
        _ => lines.iter().map(shortened).collect(),
    }
}

fn section(view: &DecayView) -> String {
    let mut out = String::new();
    for table in [tables::unrepresented(view, ROWS), tables::flagged(view, ROWS)] {
        if table.rows.is_empty() {
            continue;
        }
        let title = format!("{}: {}", line(&view.dataset, 80), table.title.to_lowercase());
        out.push_str(&format!("\n### {}\n\n{}", for_markdown(&title), table_text(&table)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_no_control, assert_no_link, assert_no_markup, empty, rich};
    use super::*;
    use crate::core::view::phrase;

    #[test]
    fn the_summary_of_a_rich_report() {
        insta::assert_snapshot!(step_summary(&rich()));
    }

    #[test]
    fn the_summary_of_an_empty_report() {
        insta::assert_snapshot!(step_summary(&empty()));
    }

    #[test]
    fn hostile_text_stays_text() {
        let text = step_summary(&rich());
        assert_no_markup(&text);
        assert_no_link(&text);
        assert_no_control(&text);
    }

    #[test]
    fn it_stays_below_its_limit_however_long_the_report_is() {
        let mut report = rich();
        let mut view = report.decay[0].clone();
        let hostile = "<|*_`".repeat(2_000);
        view.clusters.iter_mut().for_each(|cluster| cluster.exemplars = vec![hostile.clone(); 9]);
        view.examples = vec![view.examples[0].clone(); 60];
        view.examples.iter_mut().for_each(|example| example.input = hostile.clone());
        report.decay = vec![view; 300];
        report.headline = vec![HeadlineLine { label: "quality".into(), text: phrase![hostile] }; 300];
        let text = step_summary(&report);
        assert!(text.len() < 60_000, "{}", text.len());
        assert!(text.trim_end().ends_with("more datasets in the full report."));
    }
}
