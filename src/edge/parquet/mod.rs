//! Parquet: reads the rows of a file as JSON objects, and writes exported outcomes.
//!
//! Rows are read one row group at a time, and of each column only the pages that the next rows need. Files are not
//! trusted: every count that memory depends on is checked before the `parquet` crate sees it (`footer`, `pages`),
//! and a panic of that crate ends the rows with an error.

#[cfg(feature = "parquet")]
mod columns;
#[cfg(feature = "parquet")]
mod footer;
#[cfg(feature = "parquet")]
mod pages;
#[cfg(feature = "parquet")]
mod read;
#[cfg(feature = "parquet")]
mod schema;
#[cfg(feature = "parquet")]
mod thrift;
#[cfg(feature = "parquet")]
mod value;
#[cfg(feature = "parquet")]
mod write;

#[cfg(feature = "parquet")]
pub use self::read::{metadata_value, rows};
#[cfg(feature = "parquet")]
pub use self::write::ParquetWriter;

#[cfg(not(feature = "parquet"))]
pub use self::missing::{ParquetWriter, metadata_value, rows};

#[cfg(not(feature = "parquet"))]
mod missing {
    use std::fs::File;
    use std::io::{self, Write};
    use std::marker::PhantomData;

    use crate::core::export::{ExportedOutcome, Exporter, Header, Summary};
    use crate::core::tabular::Row;

    const REASON: &str = "karat was built without Parquet";

    /// Rows of a Parquet file, of which there are none here.
    pub type Rows = std::iter::Empty<io::Result<Row>>;

    /// The rows of a Parquet file.
    ///
    /// # Errors
    /// Always, since karat was built without Parquet.
    pub fn rows(_: File) -> Result<Rows, String> {
        Err(REASON.to_owned())
    }

    /// A value of the file's own metadata.
    ///
    /// # Errors
    /// Always, since karat was built without Parquet.
    pub fn metadata_value(_: &File, _: &str) -> Result<Option<String>, String> {
        Err(REASON.to_owned())
    }

    /// The writer of exported outcomes, of which there is none here.
    #[derive(Debug)]
    pub struct ParquetWriter<W> {
        out: PhantomData<W>,
    }

    impl<W: Write + Send> ParquetWriter<W> {
        /// Writes to `out`.
        ///
        /// # Errors
        /// Always, since karat was built without Parquet.
        pub fn new(_: W) -> Result<Self, String> {
            Err(REASON.to_owned())
        }
    }

    impl<W> Exporter for ParquetWriter<W> {
        fn begin(&mut self, _: &Header) -> io::Result<()> {
            Err(io::Error::other(REASON))
        }

        fn write(&mut self, _: &ExportedOutcome) -> io::Result<()> {
            Err(io::Error::other(REASON))
        }

        fn end(&mut self, _: &Summary) -> io::Result<()> {
            Err(io::Error::other(REASON))
        }
    }
}

#[cfg(feature = "parquet")]
#[cfg(test)]
mod tests;

#[cfg(not(feature = "parquet"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_parquet_says_so() {
        let reason = rows(tempfile::tempfile().unwrap()).unwrap_err();
        assert_eq!(reason, "karat was built without Parquet");
        assert_eq!(ParquetWriter::new(Vec::new()).err(), Some(reason.clone()));
        assert_eq!(metadata_value(&tempfile::tempfile().unwrap(), "key"), Err(reason));
    }
}
