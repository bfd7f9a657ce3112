//! A random slice of traffic, labelled to check everything else.

use crate::core::domain::content_hash;

/// The indexes of `size` records drawn uniformly without replacement, in the order drawn. A larger slice with the same seed contains
/// the smaller one, and the order of `record_ids` does not matter.
pub fn random_slice(record_ids: &[&str], size: usize, seed: u64) -> Vec<usize> {
    let key = |id: &str| content_hash("karat-slice", format!("{seed}\n{id}").as_bytes());
    let mut order: Vec<usize> = (0..record_ids.len()).collect();
    order.sort_by_cached_key(|row| (key(record_ids[*row]), record_ids[*row]));
    order.truncate(size);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_slice_contains_a_smaller_one_whatever_the_order_of_the_records() {
        let ids: Vec<String> = (0..50).map(|number| format!("r{number}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let small = random_slice(&ids, 5, 1);
        assert_eq!(random_slice(&ids, 20, 1)[..5], small);
        let reversed: Vec<&str> = ids.iter().rev().copied().collect();
        let again: Vec<usize> = random_slice(&reversed, 5, 1).into_iter().map(|row| ids.len() - 1 - row).collect();
        assert_eq!(again, small);
        assert_ne!(random_slice(&ids, 5, 2), small);
        assert_eq!(random_slice(&ids, 99, 1).len(), 50);
        assert!(random_slice(&[], 5, 1).is_empty());
    }

    #[test]
    fn every_record_is_drawn_equally_often() {
        let ids = ["a", "b", "c", "d"];
        let mut drawn = [0_u32; 4];
        (0..2_000).for_each(|seed| drawn[random_slice(&ids, 1, seed)[0]] += 1);
        assert!(drawn.iter().all(|count| (400..600).contains(count)), "{drawn:?}");
    }
}
