//! Matched stretches of a text: collecting, merging, and the placeholders that are already there.

use super::kind::RedactionKind;

const OPENING: &str = "[redacted:";

/// A match: `start..end` in bytes of the folded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: RedactionKind,
}

impl Span {
    pub(super) fn new(start: usize, end: usize, kind: RedactionKind) -> Self {
        Self { start, end, kind }
    }
}

/// The placeholders of a text, in order.
pub(super) fn placeholders(text: &str) -> Vec<Span> {
    text.match_indices(OPENING)
        .filter_map(|(start, _)| {
            let rest = text.get(start..)?;
            let kind = RedactionKind::ALL.into_iter().find(|kind| rest.starts_with(kind.placeholder()))?;
            Some(Span::new(start, start + kind.placeholder().len(), kind))
        })
        .collect()
}

/// Whether the whole text is one placeholder.
pub(super) fn is_placeholder(text: &str) -> bool {
    RedactionKind::ALL.into_iter().any(|kind| kind.placeholder() == text)
}

/// Merges overlapping matches into one of the kind that comes first, so that no part of either is left behind.
///
/// A placeholder that is touched by a match is swallowed whole; a match that is nothing but one placeholder is dropped. The result is
/// in order and free of overlaps.
pub(super) fn merge(mut found: Vec<Span>, placeholders: &[Span]) -> Vec<Span> {
    for span in &mut found {
        swallow(span, placeholders);
    }
    let is_placeholder = |span: &Span| {
        let there = placeholders.span_at(span.start);
        there.is_some_and(|p| (p.start, p.end) == (span.start, span.end))
    };
    found.retain(|span| span.start < span.end && !is_placeholder(span));
    found.sort_unstable_by_key(|span| (span.start, span.end, span.kind));
    let mut merged: Vec<Span> = Vec::with_capacity(found.len());
    for span in found {
        match merged.last_mut() {
            Some(last) if span.start < last.end => {
                last.end = last.end.max(span.end);
                last.kind = last.kind.min(span.kind);
            }
            _ => merged.push(span),
        }
    }
    merged
}

fn swallow(span: &mut Span, placeholders: &[Span]) {
    if let Some(first) = placeholders.span_at(span.start) {
        span.start = first.start;
    }
    if let Some(last) = span.end.checked_sub(1).and_then(|end| placeholders.span_at(end)) {
        span.end = span.end.max(last.end);
    }
}

/// Look-up in an ordered list of spans that do not overlap.
trait SpanAt {
    /// The span that contains a position.
    fn span_at(&self, position: usize) -> Option<&Span>;
}

impl SpanAt for [Span] {
    fn span_at(&self, position: usize) -> Option<&Span> {
        let after = self.partition_point(|span| span.start <= position);
        self.get(after.checked_sub(1)?).filter(|span| position < span.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RedactionKind::{ApiKey, Email, Password, Phone};

    fn triples(spans: &[Span]) -> Vec<(usize, usize, RedactionKind)> {
        spans.iter().map(|s| (s.start, s.end, s.kind)).collect()
    }

    #[test]
    fn overlapping_matches_become_one_of_the_most_serious_kind() {
        let found =
            vec![Span::new(5, 9, Phone), Span::new(0, 6, Email), Span::new(8, 12, ApiKey), Span::new(12, 14, Phone)];
        assert_eq!(triples(&merge(found, &[])), [(0, 12, ApiKey), (12, 14, Phone)]);
    }

    #[test]
    fn the_order_of_discovery_does_not_matter() {
        let spans = [Span::new(0, 6, Email), Span::new(0, 6, Password), Span::new(3, 8, Phone)];
        let forwards = merge(spans.to_vec(), &[]);
        let backwards = merge(spans.into_iter().rev().collect(), &[]);
        assert_eq!(forwards, backwards);
        assert_eq!(triples(&forwards), [(0, 8, Password)]);
    }

    #[test]
    fn a_placeholder_is_swallowed_whole_or_left_alone() {
        let text = "ab [redacted:email] cd";
        let there = placeholders(text);
        assert_eq!(triples(&there), [(3, 19, Email)]);
        assert_eq!(triples(&merge(vec![Span::new(3, 18, Password)], &there)), []);
        assert_eq!(triples(&merge(vec![Span::new(0, 7, Password)], &there)), [(0, 19, Password)]);
        assert!(is_placeholder("[redacted:email]"));
        assert!(!is_placeholder("[redacted:nonsense]"));
        assert_eq!(placeholders("[redacted:nonsense] [redacted:"), []);
    }
}
