//! Generated protocol code and every conversion to and from it. Generated types are named in services' and clients'
//! gRPC edges and nowhere else: everything behind an edge speaks the plain types of `ports` and `catalog`.

/// Metadata by which a process says of which MAC keys its user keys are made: a `KeyRing` of `tagset` as text.
pub const USER_KEYS: &str = "tagbid-user-keys";

/// Refuses a caller that says of which MAC keys its user keys are made, when this process would not find its users, or it
/// not those of this process.
pub fn check_user_keys(
    metadata: &tonic::metadata::MetadataMap,
    ours: tagbid_tagset::KeyRing,
) -> Result<(), tonic::Status> {
    let Some(theirs) = metadata.get(USER_KEYS) else { return Ok(()) };
    let theirs = theirs.to_str().ok().and_then(|text| text.parse().ok());
    let theirs =
        theirs.ok_or_else(|| tonic::Status::invalid_argument(format!("{USER_KEYS} is no ring of keys")))?;
    ours.check(theirs).map_err(|problem| tonic::Status::failed_precondition(problem.to_string()))
}

pub mod campaigns;
pub mod events;
pub mod frequency;
pub mod leases;
pub mod ledger;
pub mod tags;

pub mod raw;

/// Code generated from `proto/`, one module a package.
pub mod pb {
    #![expect(clippy::allow_attributes_without_reason, reason = "generated code gives none")]

    /// `tagbid.bidding.v1`
    pub mod bidding {
        tonic::include_proto!("tagbid.bidding.v1.BiddingService");
    }
    /// `tagbid.tags.v1`
    pub mod tags {
        tonic::include_proto!("tagbid.tags.v1");
    }
    /// `tagbid.campaigns.v1`
    pub mod campaigns {
        tonic::include_proto!("tagbid.campaigns.v1");
    }
    /// `com.iabtechlab.openrtb.v2`: the oracle that our own reader is compared with.
    #[expect(
        clippy::large_enum_variant,
        clippy::len_without_is_empty,
        reason = "the IAB's messages are what they are, and only tests make them"
    )]
    pub mod openrtb {
        tonic::include_proto!("com.iabtechlab.openrtb.v2");
    }
    /// `tagbid.ledger.v1`
    pub mod ledger {
        tonic::include_proto!("tagbid.ledger.v1");
    }
    /// `tagbid.events.v1`
    pub mod events {
        tonic::include_proto!("tagbid.events.v1");
    }
}

/// Full names of the services of a package such as "tagbid.tags.v1".
pub fn services(package: &str) -> Vec<String> {
    let set: prost_types::FileDescriptorSet = prost::Message::decode(DESCRIPTORS).unwrap_or_default();
    let files = set.file.iter().filter(|file| file.package() == package);
    files.flat_map(|file| &file.service).map(|service| format!("{package}.{}", service.name())).collect()
}

/// Descriptors of all of `proto/`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
