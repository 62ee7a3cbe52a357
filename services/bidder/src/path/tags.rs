//! Tags: one call, answered by its deadline or not at all; then bidding goes on without.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use tagbid_ports::{DatasetTags, Datasets, LookupRequest, SourceStatus, TagAnswer, TagLookup, UserKeys};
use tagbid_tagset::{BlobError, LiveTag, offline::Offline, realtime::Realtime};
use tagbid_targeting::{Knowledge, UserTag};
use tagbid_types::{Monotonic, Permission, Timestamp, Use};

use crate::book::Book;
use crate::caps::Told;

/// What is known of the user.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'a> {
    /// Tags that hold now, sorted by id.
    pub(crate) tags: &'a [UserTag],
    /// Which sources answered.
    pub(crate) knowledge: Knowledge,
    /// Datasets that did not, while others did.
    pub(crate) lost: Lost,
    /// Whether the user asked not to be known.
    pub(crate) suppressed: Suppressed,
    /// A lookup was made and did not answer in full.
    pub(crate) degraded: bool,
    /// How often the user was shown what.
    pub(crate) told: Told<'a>,
}

/// What a user is looked up for, as far as consent allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Tags of these datasets.
    pub(crate) datasets: Datasets,
    /// How often they were shown what.
    pub(crate) counts: bool,
}

impl Wanted {
    /// What the book has a use for.
    pub(crate) fn by(book: &Book) -> Self {
        Self { datasets: book.datasets(), counts: book.has_caps() }
    }

    /// As much of it as may be asked; none where that is nothing.
    fn within(self, permission: Permission) -> Option<Self> {
        let tags = permission.allows(Use::TagLookup);
        let counts = self.counts && permission.allows(Use::Frequency);
        let datasets = if tags { self.datasets } else { Datasets::NONE };
        (tags || counts).then_some(Self { datasets, counts })
    }
}

/// Datasets that did not answer; at first none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost(pub(crate) Datasets);

impl Default for Lost {
    fn default() -> Self {
        Self(Datasets::NONE)
    }
}

/// Whether a user asked not to be known. A key of theirs goes anywhere only where it is certain that they did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Suppressed {
    /// They did.
    Yes,
    /// They did not.
    No,
    /// Nobody was asked, or nobody answered.
    #[default]
    Unknown,
}

/// Looks the user up where consent allows. Without permission or an id nothing is known, which is not the same as
/// a user without tags: tests of tags are unknown then.
pub(crate) async fn tags<'a>(
    lookup: &dyn TagLookup,
    user: Option<UserKeys>,
    wanted: Wanted,
    permission: Permission,
    deadline: Monotonic,
    now: Timestamp,
    arena: &'a Bump,
) -> Known<'a> {
    let Some((user, Wanted { datasets, counts })) = user.zip(wanted.within(permission)) else {
        return Known::default();
    };
    let UserKeys { user, previous, others } = user;
    let request = LookupRequest { user, previous, others, frequency: counts, datasets, deadline };
    let answer = lookup.lookup(request).await;
    if answer.suppressed {
        return Known { suppressed: Suppressed::Yes, ..Known::default() };
    }
    if permission.allows(Use::TagLookup) {
        read(&answer, now, arena)
    } else {
        // Real-time tags come with every answer; these may not be looked at.
        Known { suppressed: suppressed(&answer), told: told(&answer, arena), ..Known::default() }
    }
}

/// The tag store reads the mark of suppression together with the real-time tags, or neither.
fn suppressed(answer: &TagAnswer) -> Suppressed {
    if answer.realtime_status == SourceStatus::Known { Suppressed::No } else { Suppressed::Unknown }
}

fn told<'a>(answer: &TagAnswer, arena: &'a Bump) -> Told<'a> {
    if answer.frequency_status != SourceStatus::Known {
        return Told::Unknown;
    }
    Told::Counts(answer.frequency.as_ref().map(|blob| &*arena.alloc_slice_copy(blob)))
}

fn read<'a>(answer: &TagAnswer, now: Timestamp, arena: &'a Bump) -> Known<'a> {
    let mut tags = ArenaVec::with_capacity_in(128, arena);
    let mut lost = Datasets::NONE;
    for dataset in &answer.offline {
        if !read_dataset(dataset, now, &mut tags) {
            lost.insert(dataset.dataset);
        }
    }
    let offline = answer.offline_status.is_usable();
    let mut realtime = answer.realtime_status == SourceStatus::Known;
    let suppressed = suppressed(answer);
    if let Some(blob) = &answer.realtime {
        let read = Realtime::parse(blob).and_then(|blob| {
            keep_whole(&mut tags, |tags| blob.live(now, |tag| tags.push(user_tag(tag, true))))
        });
        realtime &= read.is_ok();
    }
    tags.sort_unstable_by_key(|tag| tag.id);
    Known {
        tags: tags.into_bump_slice(),
        knowledge: Knowledge { offline, realtime },
        lost: Lost(lost),
        suppressed,
        degraded: !(answer.offline_status == SourceStatus::Known && realtime && lost.is_empty()),
        told: told(answer, arena),
    }
}

/// Whether what the dataset has of the user is known; then its tags that hold now are added.
fn read_dataset(dataset: &DatasetTags, now: Timestamp, tags: &mut ArenaVec<'_, UserTag>) -> bool {
    let Some(blob) = &dataset.blob else { return dataset.status.is_usable() };
    let read = Offline::parse(blob)
        .and_then(|blob| keep_whole(tags, |tags| blob.live(now, |tag| tags.push(user_tag(tag, false)))));
    dataset.status.is_usable() && read.is_ok()
}

/// A blob that turns out unreadable half-way leaves nothing behind.
fn keep_whole<'a>(
    tags: &mut ArenaVec<'a, UserTag>,
    read: impl FnOnce(&mut ArenaVec<'a, UserTag>) -> Result<(), BlobError>,
) -> Result<(), BlobError> {
    let before = tags.len();
    let result = read(tags);
    if result.is_err() {
        tags.truncate(before);
    }
    result
}

fn user_tag(tag: LiveTag, realtime: bool) -> UserTag {
    UserTag { id: tag.id, realtime, weight: tag.weight, age_s: tag.age_s }
}
