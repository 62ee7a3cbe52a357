//! Compiles `proto/` with protox, so that no system `protoc` is needed, and keeps the descriptors for reflection.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

/// All protocol files, relative to `proto/`.
const FILES: [&str; 6] = [
    "tagbid/bidding/v1/bidding.proto",
    "tagbid/tags/v1/tags.proto",
    "tagbid/campaigns/v1/campaigns.proto",
    "tagbid/campaigns/v1/stream.proto",
    "tagbid/campaigns/v1/suppression.proto",
    "tagbid/ledger/v1/ledger.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(FILES, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Blobs and keys are shared with the frame that brought them instead of copied out of it.
        .bytes(".tagbid.tags.v1")
        // A request's bytes are the same each time: idempotency compares them.
        .btree_map(".tagbid.campaigns.v1")
        .compile_fds(descriptors)?;
    Ok(())
}
