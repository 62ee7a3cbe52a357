//! What requests have in common: ids of requests, etags, pages, drafts.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use prost_types::FieldMask;
use tagbid_catalog::{Entity, EntityKey, EntityKind, Report};
use tagbid_types::{AdvertiserId, Revision};
use tagbid_wire::campaigns::{MaskError, Resource, merge, parse_etag};

use crate::error::CampaignsError;
use crate::request::{Draft, Once, Revised, Wanted};

/// Longest request id in bytes.
const MAX_REQUEST_ID: usize = 100;
/// Entities on a page when the caller does not say, and at most.
const PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

/// The request's idempotency, if it has an id. `request` comes without it, so that the digest is of what is asked.
pub(super) fn once(
    method: &str,
    request_id: String,
    request: &impl Message,
) -> Result<Option<Once>, CampaignsError> {
    if request_id.is_empty() {
        return Ok(None);
    }
    if request_id.len() > MAX_REQUEST_ID {
        let problem = format!("has {} bytes", request_id.len());
        let remedy = format!("use at most {MAX_REQUEST_ID}, such as a UUID");
        return Err(CampaignsError::field("request_id", problem, remedy));
    }
    if request_id.trim().is_empty() || request_id.chars().any(char::is_control) {
        return Err(CampaignsError::field(
            "request_id",
            "is not printable",
            "use printable characters, such as a UUID, or leave it out",
        ));
    }
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(method.as_bytes());
    hash.update(&[0]);
    hash.update(&request.encode_to_vec());
    let mut text = String::with_capacity(64);
    for byte in hash.finish().as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Some(Once { request_id, digest: text }))
}

/// The revision that the caller has read; none when it does not care.
pub(super) fn expected(etag: &str) -> Result<Option<Revision>, CampaignsError> {
    if etag.is_empty() {
        return Ok(None);
    }
    let revision = parse_etag(etag).ok_or_else(|| {
        CampaignsError::field(
            "etag",
            "is not an etag of this service",
            "send back metadata.etag as it came, or leave it out",
        )
    })?;
    Ok(Some(revision))
}

/// The message of a request that must have one.
pub(super) fn required<R: Resource>(message: Option<R>) -> Result<R, CampaignsError> {
    message.ok_or_else(|| CampaignsError::field(R::KIND.as_str(), "is missing", "fill it in"))
}

/// The entity of a message, and the problems of reading it.
pub(super) fn draft<R: Resource>(message: &R) -> Draft {
    let mut report = Report::on(R::KIND.as_str());
    let entity = message.read(&mut report);
    Draft { entity, report }
}

/// A draft of a new entity: ids and metadata of the request mean nothing.
pub(super) fn new_draft<R: Resource>(message: &R) -> Draft {
    let mut draft = draft(message);
    if let Some(entity) = &mut draft.entity {
        // Zero fits every kind.
        let _ = entity.set_id(0);
        *entity.header_mut() = Default::default();
    }
    draft
}

/// `current` with the masked fields of `update`.
pub(super) fn revise<R: Resource>(
    current: &Entity,
    update: &R,
    mask: Option<&FieldMask>,
) -> Result<Revised, CampaignsError> {
    let stored = write::<R>(current)?;
    let merged = merge(&stored, update, mask).map_err(|error| match error {
        MaskError::Refused(problems) => CampaignsError::Invalid(problems),
        MaskError::Descriptor(_) => CampaignsError::Internal(error.to_string()),
    })?;
    Ok(Revised { draft: draft(&merged.resource), fields: merged.paths })
}

/// The message of an entity.
pub(super) fn write<R: Resource>(entity: &Entity) -> Result<R, CampaignsError> {
    R::write(entity).ok_or_else(|| CampaignsError::Internal(format!("{} is no {}", entity.key(), R::KIND)))
}

/// The key of a resource.
pub(super) fn key<R: Resource>(id: u64) -> EntityKey {
    EntityKey { kind: R::KIND, id }
}

/// What a list request asks for; zeros in `advertiser` and `parent` mean all. The parent of a tag is a dataset, that of a
/// line item a campaign.
pub(super) fn wanted<R: Resource>(
    page_size: u32,
    page_token: &str,
    archived: bool,
    (advertiser, parent): (u64, u64),
) -> Result<Wanted, CampaignsError> {
    let limit = match page_size {
        0 => PAGE,
        size => size.min(MAX_PAGE),
    };
    let kind = if R::KIND == EntityKind::Tag { EntityKind::Dataset } else { EntityKind::Campaign };
    Ok(Wanted {
        kind: R::KIND,
        advertiser: (advertiser != 0).then_some(AdvertiserId(advertiser)),
        parent: (parent != 0).then_some(EntityKey { kind, id: parent }),
        archived,
        after: read_token::<R>(page_token)?,
        limit,
    })
}

/// The token of the page after this id.
pub(super) fn page_token<R: Resource>(next: Option<u64>) -> String {
    next.map(|after| URL_SAFE_NO_PAD.encode(format!("{}:{after}", R::KIND.as_str()))).unwrap_or_default()
}

fn read_token<R: Resource>(token: &str) -> Result<u64, CampaignsError> {
    if token.is_empty() {
        return Ok(0);
    }
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let after = text.as_deref().and_then(|text| text.split_once(':')).and_then(|(kind, after)| {
        let same = kind == R::KIND.as_str();
        after.parse().ok().filter(|_| same)
    });
    after.ok_or_else(|| {
        CampaignsError::field(
            "page_token",
            "is not a token of this list",
            "send back next_page_token as it came, or leave it out for the first page",
        )
    })
}
