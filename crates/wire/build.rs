//! Compiles `proto/` with protox, so that no system `protoc` is needed, and keeps the descriptors for reflection.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;
use tonic_build::manual::{Builder, Method, Service};
use tonic_prost_build::FileDescriptorSet;

/// All protocol files, relative to `proto/`.
const FILES: [&str; 14] = [
    "tagbid/bidding/v1/bidding.proto",
    "tagbid/tags/v1/snapshots.proto",
    "tagbid/tags/v1/tags.proto",
    "tagbid/tags/v1/ingest.proto",
    "tagbid/campaigns/v1/campaigns.proto",
    "tagbid/campaigns/v1/reach.proto",
    "tagbid/campaigns/v1/registry.proto",
    "tagbid/campaigns/v1/snapshots.proto",
    "tagbid/campaigns/v1/stream.proto",
    "tagbid/campaigns/v1/suppression.proto",
    "tagbid/ledger/v1/ledger.proto",
    "tagbid/ledger/v1/leases.proto",
    "tagbid/ledger/v1/reports.proto",
    "tagbid/events/v1/events.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(FILES, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    bidding_service();
    tonic_prost_build::configure()
        // Blobs and keys are shared with the frame that brought them instead of copied out of it.
        .bytes(".tagbid.tags.v1")
        // A request's bytes are the same each time: idempotency compares them.
        .btree_map(".tagbid.campaigns.v1")
        .compile_fds(without_service(descriptors, FILES[0]))?;
    Ok(())
}

/// The file's messages alone: its service is made by [`bidding_service`].
fn without_service(mut descriptors: FileDescriptorSet, name: &str) -> FileDescriptorSet {
    for file in descriptors.file.iter_mut().filter(|file| file.name.as_deref() == Some(name)) {
        file.service.clear();
    }
    descriptors
}

/// `BiddingService` takes and gives OpenRTB messages as bytes: the bidder reads them with its own borrowing reader.
fn bidding_service() {
    let method = |name: &str, route: &str| Method::builder().name(name).route_name(route);
    let bid = method("bid", "Bid")
        .input_type("bytes::Bytes")
        .output_type("bytes::Bytes")
        .codec_path("crate::raw::RawCodec")
        .build();
    let explain = method("explain", "Explain")
        .input_type("crate::pb::campaigns::ExplainRequest")
        .output_type("crate::pb::campaigns::ExplainResponse")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let funnel = method("get_funnel", "GetFunnel")
        .input_type("crate::pb::campaigns::GetFunnelRequest")
        .output_type("crate::pb::campaigns::GetFunnelResponse")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let service = Service::builder()
        .name("BiddingService")
        .package("tagbid.bidding.v1")
        .method(bid)
        .method(explain)
        .method(funnel)
        .build();
    Builder::new().compile(&[service]);
}
