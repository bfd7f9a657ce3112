//! Words that are one edit apart.

/// The word, and the word without each of its letters. Two words one edit apart have a form in common (Garbe 2012,
/// symmetric delete), so such words are found without comparing all pairs; the reverse does not hold.
pub fn forms(word: &[char]) -> Vec<Vec<char>> {
    let without = |left_out: usize| [&word[..left_out], &word[left_out + 1..]].concat();
    std::iter::once(word.to_vec()).chain((0..word.len()).map(without)).collect()
}

/// Whether the words differ by one insertion, deletion, substitution or swap of neighbouring letters (Damerau 1964).
pub fn one_edit(a: &[char], b: &[char]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let start = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (short, long) = (&short[start..], &long[start..]);
    match (short, long) {
        (_, [_, rest @ ..]) if short == rest => true,
        ([_, s @ ..], [_, l @ ..]) if s == l => true,
        ([x, y, s @ ..], [p, q, l @ ..]) => x == q && y == p && s == l,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_is_an_insertion_deletion_substitution_or_swap() {
        let cases = [
            ("balance", "balance", false),
            ("balance", "balnce", true),
            ("balance", "ballance", true),
            ("balance", "balamce", true),
            ("balance", "balacne", true),
            ("balance", "abalance", true),
            ("balance", "balances", true),
            ("balance", "blaacne", false),
            ("balance", "balan", false),
            ("ab", "ba", true),
            ("ab", "cd", false),
            ("über", "uber", true),
            ("", "a", true),
            ("", "", false),
        ];
        for (a, b, expected) in cases {
            let letters = |word: &str| word.chars().collect::<Vec<char>>();
            let (a, b) = (letters(a), letters(b));
            assert_eq!((one_edit(&a, &b), one_edit(&b, &a)), (expected, expected), "{a:?} {b:?}");
            let shared = forms(&a).iter().any(|form| forms(&b).contains(form));
            assert!(shared || !expected, "{a:?} and {b:?} have no form in common");
        }
    }
}
