//! The redactor, which applies all detectors to a text.

use std::borrow::Cow;
use std::ops::Range;

use super::assignment::Assignments;
use super::detectors::{Detector, rows_of_digits};
use super::fold::Folded;
use super::kind::{RedactionCounts, RedactionKind};
use super::numbers::Shapes;

/// Maximum number of rounds. A replacement can expose another match only if the two interfered with each other; no text
/// is known to need this many rounds.
pub(super) const MAX_ROUNDS: usize = 16;

/// A pattern of the redactor could not be compiled. This is a bug in the program, not a problem of the input.
#[derive(Debug, thiserror::Error)]
#[error("a redaction pattern is invalid: {0}")]
pub struct RedactorError(#[from] regex::Error);

/// A redacted text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// The text with placeholders; borrowed if nothing was replaced.
    pub text: Cow<'a, str>,
    /// The number of replacements made. Placeholders that were already in the text are not counted.
    pub counts: RedactionCounts,
}

/// Finds and replaces secrets and personal data. Create it once and share it, since compiling the patterns is slow.
#[derive(Debug, Clone)]
pub struct Redactor {
    detectors: Vec<Detector>,
    assignments: Assignments,
    shapes: Shapes,
}

/// A match, with its range in the folded text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    kind: RedactionKind,
    range: Range<usize>,
}

impl Redactor {
    /// Compiles the patterns.
    ///
    /// # Errors
    ///
    /// Returns a `RedactorError` if a pattern is invalid, which the tests of this module rule out.
    pub fn new() -> Result<Self, RedactorError> {
        Ok(Self { detectors: Detector::all()?, assignments: Assignments::new()?, shapes: Shapes::new()? })
    }

    /// Replaces every match by the placeholder of its kind, such as `[redacted:email]`. All other text remains
    /// unchanged, byte for byte.
    ///
    /// Overlapping matches are replaced by one placeholder, of the kind that comes first in `RedactionKind`. The result
    /// is a fixed point: redacting it again changes nothing.
    pub fn redact<'a>(&self, text: &'a str) -> Redacted<'a> {
        self.redact_only(text, |_, _| true)
    }

    /// Like [`Self::redact`], but replaces only the matches that are wanted, given the kind and the text of each. What is
    /// not wanted remains, unless it overlaps a match that is replaced.
    pub fn redact_only<'a>(&self, text: &'a str, wanted: impl Fn(RedactionKind, &str) -> bool) -> Redacted<'a> {
        let mut redacted = Redacted { text: Cow::Borrowed(text), counts: RedactionCounts::default() };
        for _ in 0..MAX_ROUNDS {
            let Some(next) = self.round(&redacted.text, &wanted, &mut redacted.counts) else {
                break;
            };
            redacted.text = Cow::Owned(next);
        }
        redacted
    }

    /// The secrets and personal data in a text, in order, each with its kind.
    pub fn find(&self, text: &str) -> Vec<(RedactionKind, String)> {
        let folded = Folded::new(text);
        let spans = merge(self.spans(folded.text()), folded.text());
        let found = spans.into_iter().filter_map(|span| {
            let range = folded.original_range(span.range)?;
            Some((span.kind, text.get(range)?.to_owned()))
        });
        found.collect()
    }

    /// Replaces the wanted matches of one round; `None` if there are none.
    fn round(
        &self,
        text: &str,
        wanted: &impl Fn(RedactionKind, &str) -> bool,
        counts: &mut RedactionCounts,
    ) -> Option<String> {
        let folded = Folded::new(text);
        let mut found = self.spans(folded.text());
        found.retain(|span| {
            let original = folded.original_range(span.range.clone()).and_then(|range| text.get(range));
            original.is_none_or(|original| wanted(span.kind, original))
        });
        let spans = merge(found, folded.text());
        if spans.is_empty() {
            return None;
        }
        let mut result = String::with_capacity(text.len());
        let mut copied = 0;
        for span in spans {
            let Some(range) = folded.original_range(span.range) else { continue };
            let Some(between) = text.get(copied..range.start) else { continue };
            result.push_str(between);
            result.push_str(span.kind.placeholder());
            counts.record(span.kind);
            copied = range.end;
        }
        result.push_str(text.get(copied..).unwrap_or_default());
        Some(result)
    }

    fn spans(&self, text: &str) -> Vec<Span> {
        let (mut found, digits) = (Vec::new(), rows_of_digits(text));
        for detector in &self.detectors {
            detector.scan(&self.shapes, text, &digits, |range| found.push(Span { kind: detector.kind, range }));
        }
        self.assignments.scan(text, |kind, range| found.push(Span { kind, range }));
        // The `@` after the credentials of a URL does not belong to an e-mail address.
        let urls: Vec<usize> =
            found.iter().filter(|s| s.kind == RedactionKind::UrlCredentials).map(|s| s.range.end).collect();
        let is_url = |span: &Span| urls.iter().any(|end| span.range.start < *end && *end < span.range.end);
        found.retain(|span| span.kind != RedactionKind::Email || !is_url(span));
        found
    }

    /// Whether the whole text is a single placeholder.
    pub(super) fn is_placeholder(text: &str) -> bool {
        RedactionKind::ALL.iter().any(|kind| kind.placeholder() == text)
    }
}

/// Merges overlapping matches into one, of the kind with the highest precedence, so that no part of either is left.
///
/// A match that overlaps an existing placeholder is extended to include it; a match that is exactly one placeholder is
/// dropped. The result is sorted and free of overlaps.
fn merge(mut found: Vec<Span>, text: &str) -> Vec<Span> {
    if found.is_empty() {
        return found;
    }
    let there = placeholders(text);
    let around = |at: usize| {
        let after = there.partition_point(|range| range.start <= at);
        after.checked_sub(1).and_then(|i| there.get(i)).filter(|range| at < range.end)
    };
    for Span { range, .. } in &mut found {
        let last = range.end.checked_sub(1).and_then(around).map_or(range.end, |there| there.end);
        let first = around(range.start).map_or(range.start, |there| there.start);
        *range = first..range.end.max(last);
    }
    found.retain(|span| !span.range.is_empty() && around(span.range.start) != Some(&span.range));
    found.sort_unstable_by_key(|span| (span.range.start, span.range.end, span.kind));
    let mut merged: Vec<Span> = Vec::with_capacity(found.len());
    for span in found {
        match merged.last_mut() {
            Some(last) if span.range.start < last.range.end => {
                last.range.end = last.range.end.max(span.range.end);
                last.kind = last.kind.min(span.kind);
            }
            _ => merged.push(span),
        }
    }
    merged
}

/// The ranges of all placeholders in a text, in order.
fn placeholders(text: &str) -> Vec<Range<usize>> {
    let at = |(start, _): (usize, &str)| {
        let rest = text.get(start..)?;
        let kind = RedactionKind::ALL.iter().find(|kind| rest.starts_with(kind.placeholder()))?;
        Some(start..start + kind.placeholder().len())
    };
    text.match_indices("[redacted:").filter_map(at).collect()
}

#[cfg(test)]
impl Redactor {
    /// A redactor shared by all tests, since compiling the patterns takes longer than most tests.
    pub(super) fn shared() -> &'static Self {
        static SHARED: std::sync::LazyLock<Redactor> = std::sync::LazyLock::new(|| Redactor::new().unwrap());
        &SHARED
    }

    /// The matches found by a family of detectors.
    pub(super) fn found<'t>(&self, family: &str, text: &'t str) -> Vec<&'t str> {
        let mut found = Vec::new();
        if family == "assignment" {
            self.assignments.scan(text, |kind, range| found.push(Span { kind, range }));
        }
        for detector in self.detectors.iter().filter(|detector| detector.family() == family) {
            detector.scan(&self.shapes, text, &rows_of_digits(text), |range| {
                found.push(Span { kind: detector.kind, range })
            });
        }
        merge(found, "").into_iter().map(|span| &text[span.range]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RedactionKind::{ApiKey, Email, Password, Phone};

    fn merged(spans: &[(usize, usize, RedactionKind)], text: &str) -> Vec<(usize, usize, RedactionKind)> {
        let spans = spans.iter().map(|(start, end, kind)| Span { kind: *kind, range: *start..*end }).collect();
        merge(spans, text).into_iter().map(|span| (span.range.start, span.range.end, span.kind)).collect()
    }

    #[test]
    fn overlapping_matches_become_one_of_the_kind_with_precedence() {
        let found = [(5, 9, Phone), (0, 6, Email), (8, 12, ApiKey), (12, 14, Phone)];
        assert_eq!(merged(&found, ""), [(0, 12, ApiKey), (12, 14, Phone)]);
    }

    #[test]
    fn the_order_of_discovery_does_not_matter() {
        let mut spans = [(0, 6, Email), (0, 6, Password), (3, 8, Phone)];
        let forwards = merged(&spans, "");
        spans.reverse();
        assert_eq!(forwards, merged(&spans, ""));
        assert_eq!(forwards, [(0, 8, Password)]);
    }

    #[test]
    fn only_wanted_matches_are_replaced_and_only_where_they_were_found() {
        let passwords = |kind, found: &str| kind == Password && !found.contains("${");
        let cases = [
            ("{\"user\":\"u\",\"password\":\"p\"} pp", "{\"user\":\"u\",\"password\":\"[redacted:password]\"} pp"),
            ("a@b.com: password=hunter2", "a@b.com: password=[redacted:password]"),
            ("password=x${PASSWORD}", "password=x${PASSWORD}"),
            ("a@b.com", "a@b.com"),
        ];
        for (text, expected) in cases {
            let redacted = Redactor::shared().redact_only(text, passwords);
            assert_eq!(redacted.text, expected, "{text}");
            assert_eq!(redacted.counts.total(), u64::from(text != expected), "{text}");
        }
    }

    #[test]
    fn a_placeholder_is_included_whole_or_left_unchanged() {
        let text = "ab [redacted:email] cd";
        assert_eq!(placeholders(text), std::iter::once(3..19).collect::<Vec<_>>());
        assert_eq!(merged(&[(3, 18, Password)], text), []);
        assert_eq!(merged(&[(0, 7, Password)], text), [(0, 19, Password)]);
        assert!(Redactor::is_placeholder("[redacted:email]"));
        assert!(!Redactor::is_placeholder("[redacted:nonsense]"));
        assert!(placeholders("[redacted:nonsense] [redacted:").is_empty());
    }
}
