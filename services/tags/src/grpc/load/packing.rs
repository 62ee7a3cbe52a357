//! Tags in columns, as senders of many have them.

use tagbid_tagset::MAX_TAGS;
use tagbid_wire::pb::tags as pb;

use crate::grpc::refusal::Violation;

/// Whether the columns are about the same tags.
pub(super) fn check(packed: &pb::PackedTags) -> Result<(), Violation> {
    let (ids, names) = (packed.ids.len(), packed.names.len());
    let (tags, weights, lifetimes) = (ids + names, packed.weights.len(), packed.lifetimes_s.len());
    if ids > 0 && names > 0 {
        return Err(Violation::new("packed.names", "came beside ids: send one of the two"));
    }
    count(tags)?;
    if weights != tags {
        return Err(Violation::new(
            "packed.weights",
            format!("{weights} for {tags} tags: send one for each"),
        ));
    }
    if lifetimes > 1 && lifetimes != tags {
        let problem = format!("{lifetimes} for {tags} tags: send one for each, one for all, or none");
        return Err(Violation::new("packed.lifetimes_s", problem));
    }
    Ok(())
}

/// Whether a user may have so many tags, before those that mean the same are one.
pub(super) fn count(tags: usize) -> Result<(), Violation> {
    match tags > MAX_TAGS {
        true => Err(Violation::new("tags", format!("{tags} tags: send at most {MAX_TAGS}"))),
        false => Ok(()),
    }
}

/// Seconds that the n-th tag lives.
pub(super) fn lifetime(packed: &pb::PackedTags, n: usize, default: u32) -> u32 {
    let said = match packed.lifetimes_s[..] {
        [all] => Some(all),
        _ => packed.lifetimes_s.get(n).copied(),
    };
    said.filter(|seconds| *seconds > 0).unwrap_or(default)
}
