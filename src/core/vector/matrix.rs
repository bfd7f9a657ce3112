//! The matrix of unit rows.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{from_hex, to_hex};

/// Tolerance of the length of a stored row.
const UNIT_TOLERANCE: f64 = 1e-3;

/// Embedding vectors as a row-major `f32` matrix of shape (rows, dimension). Each row has unit length or is all zeros.
/// An all-zero row represents an item that is not embeddable: it has a row so that row numbers match the items, but is
/// ignored by every search and fit.
///
/// The serialized form is `{"dim", "len", "bits"}`, where `bits` contains the hexadecimal IEEE 754 patterns of all
/// numbers. It preserves every bit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vectors {
    dim: usize,
    len: usize,
    data: Vec<f32>,
}

impl Vectors {
    /// Creates an empty matrix for vectors with `dim` components. If `dim` is 0, no row is embeddable.
    pub fn new(dim: usize) -> Self {
        Self { dim, len: 0, data: Vec::new() }
    }

    /// Creates an empty matrix with capacity for `rows` rows of `dim` components.
    pub fn with_capacity(dim: usize, rows: usize) -> Self {
        Self { dim, len: 0, data: Vec::with_capacity(dim.saturating_mul(rows)) }
    }

    /// Creates a matrix from rows that already have unit length (within 1e-3) or are all zeros, without changing any
    /// bit. Returns `None` if `data` does not consist of whole rows, if a number is NaN or infinite, if a row has
    /// another length, or if `dim` is 0 and `data` is not empty.
    pub fn from_unit_rows(dim: usize, data: Vec<f32>) -> Option<Self> {
        if dim == 0 {
            return data.is_empty().then(|| Self::new(0));
        }
        let whole = data.len().is_multiple_of(dim);
        let valid = |row: &[f32]| {
            let length = norm(row.iter().map(|&x| f64::from(x)));
            row.iter().all(|&x| x == 0.0) || (length - 1.0).abs() <= UNIT_TOLERANCE
        };
        (whole && data.chunks_exact(dim).all(valid)).then(|| Self { dim, len: data.len() / dim, data })
    }

    /// Appends a vector, scaled to unit length. A zero vector, a vector with a NaN or infinite component, or one with
    /// the wrong number of components is stored as all zeros, which marks the row as not embeddable.
    pub fn push(&mut self, vector: &[f32]) {
        if vector.len() == self.dim {
            self.push_scaled(vector.iter().map(|&x| f64::from(x)));
        } else {
            self.push_scaled(std::iter::empty());
        }
    }

    /// Like [`Self::push`], for sums in `f64` such as centroids before scaling.
    pub(crate) fn push_sum(&mut self, sum: &[f64]) {
        if sum.len() == self.dim {
            self.push_scaled(sum.iter().copied());
        } else {
            self.push_scaled(std::iter::empty());
        }
    }

    /// Appends a copy of a unit (or zero) row without changing its bits.
    pub fn push_row(&mut self, row: &[f32]) {
        if row.len() == self.dim {
            self.data.extend_from_slice(row);
            self.len += 1;
        } else {
            self.push_scaled(std::iter::empty());
        }
    }

    fn push_scaled(&mut self, values: impl Iterator<Item = f64> + Clone) {
        self.len += 1;
        let norm = norm(values.clone());
        if norm > 0.0 && norm.is_finite() {
            // Adding zero converts -0 to 0, so that rows that compare equal have equal bits.
            self.data.extend(values.map(|x| (x / norm) as f32 + 0.0));
        }
        self.data.resize(self.len * self.dim, 0.0);
    }

    /// The i-th row, with `dim` components; an empty slice beyond the last row.
    pub fn row(&self, i: usize) -> &[f32] {
        if i < self.len { &self.data[i * self.dim..(i + 1) * self.dim] } else { &[] }
    }

    /// Number of rows, including those that are not embeddable.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of components per row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Whether the i-th row is a unit vector; false for all-zero rows and beyond the last row.
    pub fn is_embeddable(&self, i: usize) -> bool {
        self.row(i).iter().any(|&x| x != 0.0)
    }

    /// A copy of the given rows, in the given order, with unchanged bits. A row number beyond the last row yields a row
    /// that is not embeddable.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut selected = Self::with_capacity(self.dim, rows.len());
        for &i in rows {
            selected.push_row(self.row(i));
        }
        selected
    }

    /// Like [`Self::select`], but without a copy if all rows are requested in order.
    pub fn part(&self, rows: &[usize]) -> Cow<'_, Self> {
        let all = rows.len() == self.len && rows.iter().enumerate().all(|(place, row)| place == *row);
        if all { Cow::Borrowed(self) } else { Cow::Owned(self.select(rows)) }
    }

    /// All rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        (0..self.len).map(|i| self.row(i))
    }

    /// All numbers, row after row.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}

#[derive(Serialize, Deserialize)]
struct Stored {
    dim: usize,
    len: usize,
    bits: String,
}

impl Serialize for Vectors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored { dim: self.dim, len: self.len, bits: to_hex(&self.data) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Vectors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let data = from_hex(&stored.bits)
            .ok_or_else(|| D::Error::custom("bits is not a sequence of eight-digit hexadecimal numbers"))?;
        let rows = Self::from_unit_rows(stored.dim, data)
            .ok_or_else(|| D::Error::custom("bits does not consist of whole unit or zero rows"))?;
        if stored.dim > 0 && rows.len != stored.len {
            return Err(D::Error::custom("len is not the number of rows in bits"));
        }
        Ok(Self { len: stored.len, ..rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_vector_without_direction_is_stored_as_zeros() {
        let mut v = Vectors::new(2);
        let cases: [&[f32]; 6] = [&[0.0, -0.0], &[f32::NAN, 1.0], &[1.0, f32::INFINITY], &[1.0], &[1.0, 2.0, 3.0], &[]];
        for (i, case) in cases.iter().enumerate() {
            v.push(case);
            assert!(!v.is_embeddable(i), "{case:?}");
            assert_eq!(v.row(i), [0.0, 0.0]);
        }
        assert_eq!(v.len(), 6);
        assert_eq!(v.as_slice().len(), 12);
    }

    #[test]
    fn the_smallest_and_largest_numbers_are_scaled_without_loss() {
        let mut v = Vectors::new(2);
        for scale in [1e-45f32, 1e-38, 1.0, 1e38] {
            v.push(&[scale, 0.0]);
            v.push(&[scale, -scale]);
        }
        for i in 0..v.len() {
            let expected = if i % 2 == 0 { [1.0, 0.0] } else { [0.70710677, -0.70710677] };
            assert_eq!(v.row(i), expected);
        }
    }

    #[test]
    fn rows_beyond_the_end_are_empty_and_select_as_not_embeddable() {
        let mut v = Vectors::new(2);
        v.push(&[3.0, 4.0]);
        assert!(v.row(1).is_empty());
        assert!(!v.is_embeddable(1));
        let selected = v.select(&[9, 0, 0]);
        assert_eq!(selected.rows().collect::<Vec<_>>(), [[0.0, 0.0], [0.6, 0.8], [0.6, 0.8]]);
        assert!(matches!(selected.part(&[0, 1, 2]), Cow::Borrowed(_)));
        assert_eq!(selected.part(&[0, 2]).into_owned(), selected.select(&[0, 2]));
    }

    #[test]
    fn unit_rows_are_accepted_and_other_rows_rejected() {
        assert_eq!(Vectors::from_unit_rows(2, vec![0.6, 0.8, 0.0, 0.0]).map(|v| v.len()), Some(2));
        for (dim, data) in
            [(2, vec![1.0]), (2, vec![1.0, 1.0]), (2, vec![f32::NAN, 0.0]), (0, vec![1.0]), (1, vec![f32::INFINITY])]
        {
            assert_eq!(Vectors::from_unit_rows(dim, data.clone()), None, "{dim} {data:?}");
        }
        assert_eq!(Vectors::from_unit_rows(0, vec![]), Some(Vectors::new(0)));
    }

    #[test]
    fn a_matrix_of_dimension_zero_counts_its_rows() {
        let mut v = Vectors::new(0);
        v.push(&[]);
        v.push(&[]);
        assert_eq!((v.len(), v.rows().count(), v.is_embeddable(0)), (2, 2, false));
        let text = serde_json::to_string(&v).unwrap();
        assert_eq!(serde_json::from_str::<Vectors>(&text).unwrap(), v);
    }

    #[test]
    fn a_corrupt_text_is_rejected() {
        for text in [
            r#"{"dim":2,"len":1,"bits":"3f8"}"#,
            r#"{"dim":2,"len":1,"bits":"3f8000003f800000"}"#,
            r#"{"dim":2,"len":2,"bits":"3f80000000000000"}"#,
            r#"{"dim":0,"len":0,"bits":"3f800000"}"#,
        ] {
            assert!(serde_json::from_str::<Vectors>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn rows_have_unit_length_and_survive_serialization(
            rows in proptest::collection::vec(proptest::collection::vec(any::<f32>(), 5), 0..20)
        ) {
            let mut v = Vectors::with_capacity(5, rows.len());
            rows.iter().for_each(|row| v.push(row));
            for (i, row) in v.rows().enumerate() {
                let length = norm(row.iter().map(|&x| f64::from(x)));
                let expected = if v.is_embeddable(i) { 1.0 } else { 0.0 };
                prop_assert!((length - expected).abs() < 1e-6);
            }
            let back: Vectors = serde_json::from_str(&serde_json::to_string(&v).unwrap()).unwrap();
            prop_assert_eq!(&back, &v);
            prop_assert_eq!(Vectors::from_unit_rows(5, v.as_slice().to_vec()), Some(v));
        }
    }
}
