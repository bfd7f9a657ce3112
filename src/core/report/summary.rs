//! The short form a continuous-integration page shows.

use super::markdown::{code_block, table_text};
use super::tables;
use crate::core::privacy::sanitize::{for_markdown, truncate_chars};
use crate::core::view::{DecayView, HeadlineLine, Report, line};

/// Rows shown of each table.
const ROWS: usize = 10;
/// Lines shown of the headline.
const HEADLINE: usize = 20;
/// Bytes it stays below, so that several reports fit under the page's limit of a mebibyte a step.
const LIMIT: usize = 60_000;
/// Room for the closing remark.
const REMARK: usize = 100;

/// A few lines of Markdown for `GITHUB_STEP_SUMMARY`: the headline, the traffic without examples, the strongest flags.
/// Always shorter than 60 000 bytes; datasets that do not fit are counted in the last line.
pub fn step_summary(report: &Report) -> String {
    let mut out = format!(
        "## {}: {}\n\n{}",
        for_markdown(&line(&report.title, 120)),
        report.verdict.name(),
        code_block(headline(&report.headline))
    );
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

/// The first lines and the last, which holds the verdicts; spaces stay, since they align the labels.
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
    fn it_stays_below_its_limit_however_much_there_is_to_say() {
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
