//! Compresses the embedding models, which are almost half of the binary.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR")?;
    for name in ["minilm.bin", "space.bin"] {
        let asset = Path::new("assets").join(name);
        println!("cargo:rerun-if-changed={}", asset.display());
        // Weights have no repeated strings, so the quickest level is as good as the others.
        let packed = zstd::bulk::compress(&std::fs::read(asset)?, 1)?;
        std::fs::write(Path::new(&out).join(name), packed)?;
    }
    Ok(())
}
