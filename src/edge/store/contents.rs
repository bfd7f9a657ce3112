//! Texts and blobs, stored once by hash and compressed if that saves space.

use rusqlite::{Connection, OptionalExtension, params};

use crate::core::domain::content_hash_bytes;

/// Contents below this size in bytes are stored uncompressed, because compression would make them larger.
const COMPRESS_FROM: usize = 256;

const PLAIN: i64 = 0;
const ZSTD: i64 = 1;

/// Stores `data` unless it is stored already, and returns its row id.
pub(super) fn put(connection: &Connection, data: &[u8]) -> rusqlite::Result<i64> {
    let hash = hash(data);
    let found: Option<i64> = connection
        .prepare_cached("SELECT id FROM contents WHERE hash = ?1")?
        .query_row([&hash], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    let packed = (data.len() >= COMPRESS_FROM).then(|| zstd::bulk::compress(data, 3).ok()).flatten();
    let (codec, bytes) = match packed.filter(|packed| packed.len() < data.len()) {
        Some(packed) => (ZSTD, packed),
        None => (PLAIN, data.to_vec()),
    };
    connection
        .prepare_cached("INSERT INTO contents (hash, codec, data) VALUES (?1, ?2, ?3)")?
        .execute(params![hash, codec, bytes])?;
    Ok(connection.last_insert_rowid())
}

/// The hash that identifies a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHash([u8; 32]);

impl rusqlite::ToSql for ContentHash {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.0.as_slice().into())
    }
}

/// Computes the hash of a content.
pub(super) fn hash(data: &[u8]) -> ContentHash {
    ContentHash(content_hash_bytes("karat-content", data))
}

/// Unpacks the columns `codec, data` of a row, starting at column `first`.
pub(super) fn unpack(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Vec<u8>> {
    let codec: i64 = row.get(first)?;
    let data: Vec<u8> = row.get(first + 1)?;
    if codec == PLAIN {
        return Ok(data);
    }
    zstd::stream::decode_all(data.as_slice()).map_err(|error| damaged(first + 1, error))
}

/// Like [`unpack`], but returns text; bytes that are not UTF-8 are an error, because karat stores only text.
pub(super) fn unpack_text(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<String> {
    String::from_utf8(unpack(row, first)?).map_err(|error| damaged(first + 1, error))
}

/// The error for a column value that karat cannot have written; it is reported as a damaged database.
pub(super) fn damaged(
    column: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, error.into())
}
