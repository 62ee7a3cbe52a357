//! How many users of a sample an expression may match.

use std::time::Duration;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use tagbid_ports::Stratum;
use tagbid_runtime::sample::AdaptiveSample;
use tagbid_tagset::offline::Offline;
use tagbid_tagset::realtime::Realtime;
use tagbid_tagset::{BlobError, LiveTag};
use tagbid_targeting::{
    Attributes, Class, Engine, Expr, Item, Knowledge, Lists, Scan, Slot, UserTag, possible,
};
use tagbid_types::{Clock, Cpm, Timestamp};

use super::Kept;

/// Longest evaluation. Usual ones take some ten milliseconds; the largest expression there can be, seconds.
const LIMIT: Duration = Duration::from_secs(2);

/// Users between two looks at the clock.
const LOOK_EVERY: usize = 64;

/// Counts those who carry a tag now, and those of them of whom the expression is not certainly false. In words why not.
pub(super) fn count(
    targeting: &Expr,
    users: &AdaptiveSample<Kept>,
    clock: &dyn Clock,
) -> Result<Stratum, &'static str> {
    let (until, now) = (clock.monotonic().after(LIMIT), clock.now());
    let asked = possible(targeting);
    let item = Item {
        slot: Slot(0),
        targeting: &asked,
        bound: Cpm::ZERO,
        class: Class::default(),
        raises: Vec::new(),
        tests: Vec::new(),
    };
    let (engine, refused) = Scan::build([item], &Lists::default());
    if !refused.is_empty() {
        return Err("the expression is too large");
    }
    let mut counted = Stratum { scale: users.scale(), ..Stratum::default() };
    let mut arena = Bump::new();
    for (position, (_, user)) in users.iter().enumerate() {
        if position % LOOK_EVERY == LOOK_EVERY - 1 && clock.monotonic() >= until {
            return Err("the expression is too large to be evaluated over all sampled users");
        }
        arena.reset();
        // A blob that cannot be read tells of nobody.
        let Ok(tags) = live(user, now, &arena) else { continue };
        if !tags.is_empty() {
            let mut attributes = Attributes::default();
            (attributes.tags, attributes.knowledge) = (&tags, Knowledge::COMPLETE);
            let probe = engine.probe(&attributes, &arena);
            counted.sampled += 1;
            counted.matching += u64::from(engine.matches(&probe, Slot(0)));
        }
    }
    Ok(counted)
}

/// The tags that the user carries at this moment, by id.
fn live<'a>(user: &Kept, now: Timestamp, arena: &'a Bump) -> Result<ArenaVec<'a, UserTag>, BlobError> {
    let mut tags = ArenaVec::new_in(arena);
    let carried =
        |tag: LiveTag, realtime| UserTag { id: tag.id, realtime, weight: tag.weight, age_s: tag.age_s };
    for dataset in &user.offline {
        Offline::parse(&dataset.blob)?.live(now, |tag| tags.push(carried(tag, false)))?;
    }
    if let Some(blob) = &user.realtime {
        Realtime::parse(blob)?.live(now, |tag| tags.push(carried(tag, true)))?;
    }
    tags.sort_unstable_by_key(|tag| tag.id);
    Ok(tags)
}
