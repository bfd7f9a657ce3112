//! Short names of clusters from their terms.

use std::collections::BTreeSet;

/// Number of terms in a name, unless more are needed to make it unique.
const PARTS: usize = 2;

/// Number of leading terms among which a pair of words replaces its single words: "cancel subscription" is clearer than
/// "subscription / cancel".
const LEADING: usize = 5;

/// Name of a cluster without terms.
const UNNAMED: &str = "unnamed";

/// Names clusters by their terms, which are in order of importance as returned by [`super::class_terms`]. Names are
/// unique.
///
/// A name consists of the first two terms that share no word, such as "cancel subscription / box". Among the first five
/// terms, a pair of words replaces its single words. A cluster without terms is "unnamed". A name already used by an
/// earlier cluster is extended by further terms, or by an ordinal such as " (2)" if there are no more terms.
pub fn cluster_names(terms: &[Vec<String>]) -> Vec<String> {
    let mut used = BTreeSet::new();
    terms.iter().map(|terms| unused_name(&parts(terms), &mut used)).collect()
}

fn unused_name(parts: &[&str], used: &mut BTreeSet<String>) -> String {
    let extended = (PARTS..=parts.len().max(PARTS)).map(|count| join(parts, count));
    let numbered = (2..).map(|ordinal: u64| format!("{} ({ordinal})", join(parts, PARTS)));
    // There are more ordinals than names in use, so one is free.
    let name = extended.chain(numbered).find(|name| !used.contains(name)).unwrap_or_default();
    used.insert(name.clone());
    name
}

fn join(parts: &[&str], count: usize) -> String {
    if parts.is_empty() { UNNAMED.to_owned() } else { parts[..count.min(parts.len())].join(" / ") }
}

/// Terms, in order, no two of which share a word.
fn parts(terms: &[String]) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for (rank, term) in terms.iter().enumerate() {
        let sharing: Vec<usize> = (0..parts.len()).filter(|&p| share_a_word(parts[p], term)).collect();
        let replaces = rank < LEADING && is_pair(term) && sharing.iter().all(|&p| !is_pair(parts[p]));
        match sharing.first() {
            None => parts.push(term),
            Some(&first) if replaces => {
                parts[first] = term;
                let mut place = 0..parts.len();
                parts.retain(|_| place.next().is_none_or(|p| p == first || !sharing.contains(&p)));
            }
            Some(_) => {}
        }
    }
    parts
}

fn share_a_word(a: &str, b: &str) -> bool {
    a.split(' ').any(|word| b.split(' ').any(|other| other == word))
}

fn is_pair(term: &str) -> bool {
    term.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(terms: &[&str]) -> Vec<String> {
        terms.iter().map(|&t| t.to_owned()).collect()
    }

    #[test]
    fn a_name_has_two_terms_that_share_no_word() {
        let cases: [(&[&str], &str); 8] = [
            (&[], "unnamed"),
            (&["refund"], "refund"),
            (
                &["subscription", "cancel", "cancel subscription", "box", "subscription box"],
                "cancel subscription / box",
            ),
            (&["cancel subscription", "cancel", "subscription box", "box"], "cancel subscription / box"),
            (&["password", "email", "password reset", "link"], "password reset / email"),
            (&["order", "refund", "late", "late delivery", "refund order"], "refund order / late delivery"),
            (&["a", "b", "c", "d", "e", "a b"], "a / b"),
            (&["ab", "a", "a b"], "ab / a b"),
        ];
        for (terms, name) in cases {
            assert_eq!(cluster_names(&[list(terms)]), [name], "{terms:?}");
        }
    }

    #[test]
    fn equal_names_are_made_unique_by_a_further_term_and_then_by_number() {
        let terms = [
            list(&["a", "b"]),
            list(&["a", "b", "c"]),
            list(&["a", "b", "c"]),
            list(&["a", "b"]),
            list(&[]),
            list(&[]),
        ];
        assert_eq!(cluster_names(&terms), ["a / b", "a / b / c", "a / b (2)", "a / b (3)", "unnamed", "unnamed (2)"]);
    }

    proptest! {
        #[test]
        fn names_are_unique_and_not_empty(
            terms in proptest::collection::vec(proptest::collection::vec("[ab]( [ab])?", 0..4), 0..30)
        ) {
            let names = cluster_names(&terms);
            let distinct: BTreeSet<&String> = names.iter().collect();
            prop_assert_eq!(distinct.len(), terms.len());
            prop_assert!(names.iter().all(|name| !name.is_empty()));
        }
    }
}
