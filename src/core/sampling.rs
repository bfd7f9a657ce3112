//! A weighted sample of a large window, on which everything is measured.

/// A record of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    /// Its place among all records.
    pub row: usize,
    /// The weight it has in the sample.
    pub weight: f64,
}

/// Draws a sample of `size` records, given by their id and weight, in their order. Heavy records are more likely to be
/// drawn, and the weights in the sample have the same sum as before. `None` if there are no more than `size` records.
///
/// This is priority sampling (Duffield, Lund & Thorup 2007), where each record's random number is the hash of its id and
/// the seed: windows that overlap share most of their sample, so that its vectors are already stored. Records whose
/// weight is zero, negative, NaN or infinite are never drawn.
pub fn weighted_sample(records: &[(&str, f64)], size: usize, seed: u64) -> Option<Vec<Sampled>> {
    if records.len() <= size {
        return None;
    }
    let usable = |weight: f64| weight > 0.0 && weight.is_finite();
    let rows = records.iter().enumerate().filter(|(_, (_, weight))| usable(*weight));
    let mut priorities: Vec<(f64, usize)> = rows.map(|(row, (id, weight))| (weight / uniform(id, seed), row)).collect();
    priorities.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let threshold = priorities.get(size).map_or(0.0, |(priority, _)| *priority);
    priorities.truncate(size);
    let total: f64 = records.iter().map(|(_, weight)| *weight).filter(|weight| usable(*weight)).sum();
    let drawn = |row: usize| records[row].1;
    let certain: f64 = priorities.iter().map(|(_, row)| drawn(*row)).filter(|weight| *weight > threshold).sum();
    let others = priorities.iter().filter(|(_, row)| drawn(*row) <= threshold).count();
    let share = (total - certain) / others.max(1) as f64;
    let weight = |row: usize| if drawn(row) > threshold { drawn(row) } else { share };
    let mut sample: Vec<Sampled> =
        priorities.into_iter().map(|(_, row)| Sampled { row, weight: weight(row) }).collect();
    sample.sort_by_key(|sampled| sampled.row);
    Some(sample)
}

/// A number in (0, 1] that depends on the id and the seed alone.
pub fn uniform(id: &str, seed: u64) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(id.as_bytes());
    let mut bits = [0; 8];
    bits.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    // 53 bits, as many as a double holds.
    ((u64::from_le_bytes(bits) >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(records: &[(String, f64)], size: usize, seed: u64) -> Option<Vec<Sampled>> {
        let records: Vec<(&str, f64)> = records.iter().map(|(id, weight)| (id.as_str(), *weight)).collect();
        weighted_sample(&records, size, seed)
    }

    fn records(range: std::ops::Range<usize>, weight: impl Fn(usize) -> f64) -> Vec<(String, f64)> {
        range.map(|n| (format!("r{n}"), weight(n))).collect()
    }

    #[test]
    fn a_window_that_is_small_enough_is_not_sampled() {
        for count in 0..4 {
            assert_eq!(sample(&records(0..count, |_| 1.0), 3, 0).is_some(), count > 3);
        }
    }

    #[test]
    fn a_sample_has_the_size_the_order_and_the_total_weight_that_are_expected() {
        let mut all = records(0..2_000, |n| 1.0 + (n % 7) as f64);
        all.extend([("nan".into(), f64::NAN), ("zero".into(), 0.0), ("inf".into(), f64::INFINITY)]);
        let sample = sample(&all, 300, 1).unwrap();
        assert_eq!(sample.len(), 300);
        assert!(sample.is_sorted_by_key(|sampled| sampled.row) && sample.iter().all(|sampled| sampled.row < 2_000));
        let total: f64 = all[..2_000].iter().map(|(_, weight)| weight).sum();
        let kept: f64 = sample.iter().map(|sampled| sampled.weight).sum();
        assert!((kept - total).abs() < 1e-6 * total, "{kept} {total}");
    }

    #[test]
    fn shares_of_the_traffic_are_the_same_in_the_sample() {
        // A third of the records, with a fifth of the traffic; and one record with a tenth of it.
        let mut all = records(0..3_000, |n| if n % 3 == 0 { 1.0 } else { 2.0 });
        all.push(("heavy".into(), 5_000.0 / 9.0));
        let mean = |of: &dyn Fn(&Sampled) -> bool| {
            let share = |seed| {
                let sample = sample(&all, 400, seed).unwrap();
                let total: f64 = sample.iter().map(|sampled| sampled.weight).sum();
                sample.iter().filter(|sampled| of(sampled)).map(|sampled| sampled.weight).sum::<f64>() / total
            };
            (0..200).map(share).sum::<f64>() / 200.0
        };
        assert!((mean(&|sampled| sampled.row % 3 == 0 && sampled.row < 3_000) - 0.18).abs() < 0.005);
        assert!((mean(&|sampled| sampled.row == 3_000) - 0.1).abs() < 1e-9, "a heavy record is always drawn");
    }

    #[test]
    fn windows_that_overlap_share_most_of_their_sample() {
        let drawn = |range: std::ops::Range<usize>| -> Vec<usize> {
            let start = range.start;
            sample(&records(range, |_| 1.0), 500, 3).unwrap().iter().map(|sampled| start + sampled.row).collect()
        };
        let (tonight, yesterday) = (drawn(100..5_100), drawn(0..5_000));
        assert!(tonight.iter().filter(|row| yesterday.contains(row)).count() > 450);
        assert_eq!(drawn(0..5_000), yesterday);
    }
}
