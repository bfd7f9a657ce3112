//! What several annotators say about one task.

use std::collections::BTreeMap;

use super::task::answers_of;

/// The result of a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consensus {
    /// More annotators gave these answers than any others.
    Agreed {
        /// The accepted answers.
        answers: Vec<String>,
        /// Who gave them, sorted.
        by: Vec<String>,
        /// Number of annotators.
        of: usize,
    },
    /// No answer has more votes than all others.
    Tied {
        /// The answers with the most votes, sorted.
        labels: Vec<String>,
        /// Number of annotators.
        of: usize,
    },
    /// Too few annotators have labelled it yet.
    Waiting {
        /// Number of annotators so far.
        of: usize,
    },
}

/// Counts the labels of one task, each as (annotator, label), at most one per annotator. Needs at least `min_labels` of them, and at
/// least one.
pub fn consensus(votes: &[(&str, &str)], min_labels: usize) -> Consensus {
    if votes.len() < min_labels.max(1) {
        return Consensus::Waiting { of: votes.len() };
    }
    let mut counts: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    votes.iter().for_each(|(annotator, label)| counts.entry(answers_of(label)).or_default().push(annotator));
    let most = counts.values().map(Vec::len).max().unwrap_or(0);
    let mut leading = counts.into_iter().filter(|(_, by)| by.len() == most);
    let (first, others) = (leading.next(), leading.map(|(answers, _)| answers.join(" | ")).collect::<Vec<_>>());
    match first {
        Some((answers, by)) if others.is_empty() => {
            let mut by: Vec<String> = by.into_iter().map(str::to_owned).collect();
            by.sort();
            Consensus::Agreed { answers, by, of: votes.len() }
        }
        first => {
            let first = first.map(|(answers, _)| answers.join(" | "));
            Consensus::Tied { labels: first.into_iter().chain(others).collect(), of: votes.len() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_label_wins_and_a_tie_is_a_tie() {
        let agreed = |answers: &[&str], by: &[&str], of| Consensus::Agreed {
            answers: answers.iter().map(|answer| (*answer).to_owned()).collect(),
            by: by.iter().map(|name| (*name).to_owned()).collect(),
            of,
        };
        let tied =
            |labels: &[&str], of| Consensus::Tied { labels: labels.iter().map(|l| (*l).to_owned()).collect(), of };
        type Case<'a> = (&'a [(&'a str, &'a str)], usize, Consensus);
        let cases: [Case<'_>; 8] = [
            (&[], 0, Consensus::Waiting { of: 0 }),
            (&[("ann", "x")], 1, agreed(&["x"], &["ann"], 1)),
            (&[("ann", "x")], 2, Consensus::Waiting { of: 1 }),
            (&[("ann", "x"), ("bo", "y")], 1, tied(&["x", "y"], 2)),
            (&[("cy", "x"), ("bo", "y"), ("ann", " x ")], 1, agreed(&["x"], &["ann", "cy"], 3)),
            (&[("a", "x"), ("b", "y"), ("c", "z"), ("d", "x"), ("e", "z")], 1, tied(&["x", "z"], 5)),
            (&[("a", r#"["q","p"]"#), ("b", r#"["p","q"]"#), ("c", "p")], 1, agreed(&["p", "q"], &["a", "b"], 3)),
            (&[("a", "x"), ("b", "X")], 1, tied(&["X", "x"], 2)),
        ];
        for (votes, min_labels, expected) in cases {
            assert_eq!(consensus(votes, min_labels), expected, "{votes:?}");
        }
    }
}
