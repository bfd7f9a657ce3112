//! The models in this binary, which `build.rs` compresses.

/// The largest size of a model.
const MAX_BYTES: usize = 32 << 20;

/// A model as it was before it was compressed; empty if it is damaged, so that reading it fails.
pub(super) fn unpacked(packed: &[u8]) -> Vec<u8> {
    zstd::bulk::decompress(packed, MAX_BYTES).unwrap_or_default()
}
