//! Thrift's compact protocol, as far as the counts in a Parquet file need it. Nothing is allocated. What two readers could
//! understand in two ways is an error, so that the `parquet` crate reads every structure the way it was checked: a field
//! of another type than Parquet defines, fields that are repeated or not in their order, and lists of flags.

/// Maximum number of structures in a list.
const MAX_STRUCTURES: u64 = 100_000;

/// Maximum depth of structures.
const MAX_DEPTH: u8 = 32;

/// Types of fields.
pub(super) mod kind {
    /// Any type; the field is skipped.
    pub const ANY: u8 = 0;
    /// A flag, whose value is its type: 1 or 2.
    pub const BOOL: u8 = 1;
    /// An integer of 8 bits.
    pub const BYTE: u8 = 3;
    /// An integer of 16 bits.
    pub const I16: u8 = 4;
    /// An integer of 32 bits.
    pub const I32: u8 = 5;
    /// An integer of 64 bits.
    pub const I64: u8 = 6;
    /// A floating-point number of 64 bits.
    pub const DOUBLE: u8 = 7;
    /// Bytes.
    pub const BINARY: u8 = 8;
    /// A list.
    pub const LIST: u8 = 9;
    /// A structure.
    pub const STRUCT: u8 = 12;
}

/// What cannot be read is `None`.
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The type of the last field of a structure that is read.
    found: u8,
}

impl<'a> Compact<'a> {
    /// Reads from the start of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, found: 0 }
    }

    /// Number of bytes read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// The next bytes.
    pub(super) fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let end = self.at.checked_add(usize::try_from(count).ok()?)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// An integer without a sign, as it is.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// An integer of any size.
    pub(super) fn integer(&mut self) -> Option<i64> {
        let zigzag = self.unsigned()?;
        Some((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()))
    }

    /// The flag that is the field just found.
    pub(super) fn flag(&self) -> bool {
        self.found == kind::BOOL
    }

    /// Bytes with their length.
    pub(super) fn binary(&mut self) -> Option<&'a [u8]> {
        let length = self.unsigned()?;
        self.take(length)
    }

    /// The element type and the length of a list.
    fn list(&mut self) -> Option<(u8, u64)> {
        let header = self.byte()?;
        let length = match header >> 4 {
            15 => self.unsigned()?,
            short => u64::from(short),
        };
        let element = header & 0x0f;
        (element != kind::STRUCT || length <= MAX_STRUCTURES).then_some((element, length))
    }

    /// The length of a list of structures.
    pub(super) fn structures(&mut self) -> Option<u64> {
        let (element, length) = self.list()?;
        // Some writers give an empty list no type.
        (element == kind::STRUCT || length == 0).then_some(length)
    }

    /// Skips a list of structures whose fields have these types.
    pub(super) fn skip_structures(&mut self, kinds: &[u8]) -> Option<()> {
        let length = self.structures()?;
        (0..length).try_for_each(|_| self.skip_structure(kinds))
    }

    /// Skips a structure whose fields have these types.
    pub(super) fn skip_structure(&mut self, kinds: &[u8]) -> Option<()> {
        self.structure(kinds, &mut |_, _| Some(false))
    }

    /// Skips a list of integers and returns its length.
    pub(super) fn skip_integers(&mut self) -> Option<u64> {
        let (element, length) = self.list()?;
        (element == kind::I32 || length == 0).then_some(())?;
        (0..length).try_for_each(|_| self.unsigned().map(drop))?;
        Some(length)
    }

    /// Reads a structure whose field `n` has the type `kinds[n - 1]`, with its fields in the order of their numbers.
    /// `each` returns whether it has read the value of the field with this number; otherwise it is skipped.
    pub(super) fn structure(
        &mut self,
        kinds: &[u8],
        each: &mut dyn FnMut(&mut Self, i16) -> Option<bool>,
    ) -> Option<()> {
        let mut last = 0_i16;
        loop {
            let Some((number, found)) = self.field(last)? else { return Some(()) };
            // Of a field that is there twice, one reader may take the first value and another one the last.
            if number <= last {
                return None;
            }
            last = number;
            self.found = found;
            let expected = usize::try_from(number).ok().and_then(|n| kinds.get(n.checked_sub(1)?).copied());
            let fits = match expected.unwrap_or(kind::ANY) {
                kind::ANY => true,
                kind::BOOL => found <= 2,
                expected => found == expected,
            };
            if !fits {
                return None;
            }
            if expected.is_none_or(|expected| expected == kind::ANY) || !each(self, number)? {
                self.skip(found, MAX_DEPTH)?;
            }
        }
    }

    /// The number and type of the next field; the inner `None` is the end of the structure.
    fn field(&mut self, last: i16) -> Option<Option<(i16, u8)>> {
        let header = self.byte()?;
        if header & 0x0f == 0 {
            return Some(None);
        }
        let number = match header >> 4 {
            0 => i16::try_from(self.integer()?).ok()?,
            delta => last.checked_add(i16::from(delta))?,
        };
        Some(Some((number, header & 0x0f)))
    }

    fn skip(&mut self, found: u8, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match found {
            1 | 2 => Some(()),
            3 => self.byte().map(drop),
            4..=6 => self.unsigned().map(drop),
            7 => self.take(8).map(drop),
            8 => self.binary().map(drop),
            9 | 10 => {
                let (element, length) = self.list()?;
                (0..length).try_for_each(|_| self.skip_element(element, depth))
            }
            11 => self.skip_map(depth),
            12 => {
                while let Some((_, found)) = self.field(0)? {
                    self.skip(found, depth)?;
                }
                Some(())
            }
            13 => self.take(16).map(drop),
            _ => None,
        }
    }

    fn skip_map(&mut self, depth: u8) -> Option<()> {
        let length = self.unsigned()?;
        if length == 0 {
            return Some(());
        }
        let kinds = self.byte()?;
        (0..length).try_for_each(|_| {
            self.skip_element(kinds >> 4, depth)?;
            self.skip_element(kinds & 0x0f, depth)
        })
    }

    /// Elements take at least one byte, so a length is bounded by the bytes that follow. Flags are refused: each is a
    /// byte, but the `parquet` crate skips them as if they had none, and neither a footer nor a page has a list of them.
    fn skip_element(&mut self, element: u8, depth: u8) -> Option<()> {
        match element {
            1 | 2 => None,
            other => self.skip(other, depth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_read_as_the_protocol_writes_them() {
        let cases: [(&[u8], Option<i64>); 7] = [
            (&[0], Some(0)),
            (&[1], Some(-1)),
            (&[2], Some(1)),
            (&[0xac, 0x02], Some(150)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Some(i64::MIN)),
            (&[0x80], None),
            (&[0x80; 20], None),
        ];
        for (bytes, integer) in cases {
            assert_eq!(Compact::new(bytes).integer(), integer, "{bytes:?}");
        }
    }

    #[test]
    fn a_field_with_another_type_than_expected_is_an_error() {
        // Field 1 is an integer, or bytes.
        let read = |bytes: &[u8]| {
            let mut found = Vec::new();
            let mut each = |thrift: &mut Compact<'_>, _| {
                found.push(thrift.integer()?);
                Some(true)
            };
            Compact::new(bytes).structure(&[kind::I32], &mut each).map(|()| found)
        };
        assert_eq!(read(&[0x15, 6, 0]), Some(vec![3]));
        assert_eq!(read(&[0x18, 1, b'x', 0]), None);
        assert_eq!(read(&[0x28, 1, b'x', 0]), Some(vec![]));
    }

    #[test]
    fn fields_that_are_repeated_or_not_in_their_order_are_errors() {
        let read = |bytes: &[u8]| Compact::new(bytes).skip_structure(&[kind::I32, kind::I32]);
        assert_eq!(read(&[0x15, 6, 0x15, 8, 0]), Some(()));
        // The number itself, twice as the protocol has it, instead of the distance to the last one.
        assert_eq!(read(&[0x05, 2, 6, 0x05, 4, 8, 0]), Some(()));
        assert_eq!(read(&[0x15, 6, 0x05, 2, 8, 0]), None);
        assert_eq!(read(&[0x25, 6, 0x05, 2, 8, 0]), None);
        assert_eq!(read(&[0x05, 0, 6, 0]), None);
        assert_eq!(read(&[0x05, 1, 6, 0]), None);
    }

    #[test]
    fn flags_are_read_as_fields_and_refused_as_elements() {
        let read = |bytes: &[u8]| Compact::new(bytes).skip_structure(&[]);
        assert_eq!(read(&[0x11, 0x12, 0]), Some(()));
        // Two elements in a list, a set and a map.
        for list in [0x19, 0x1a] {
            assert_eq!(read(&[list, 0x23, 1, 2, 0]), Some(()));
            assert_eq!(read(&[list, 0x21, 1, 2, 0]), None);
            assert_eq!(read(&[list, 0x22, 1, 2, 0]), None);
        }
        assert_eq!(read(&[0x1b, 1, 0x33, 1, 2, 0]), Some(()));
        assert_eq!(read(&[0x1b, 1, 0x13, 1, 2, 0]), None);
        assert_eq!(read(&[0x1b, 1, 0x32, 1, 2, 0]), None);
        let mut flags = Vec::new();
        let mut each = |thrift: &mut Compact<'_>, _| {
            flags.push(thrift.flag());
            Some(true)
        };
        assert_eq!(Compact::new(&[0x11, 0x12, 0]).structure(&[kind::BOOL, kind::BOOL], &mut each), Some(()));
        assert_eq!(flags, [true, false]);
    }

    proptest! {
        #[test]
        fn random_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut thrift = Compact::new(&bytes);
            let _ = thrift.structure(&[kind::I32, kind::LIST], &mut |_, _| Some(false));
            prop_assert!(thrift.at() <= bytes.len());
        }
    }
}
