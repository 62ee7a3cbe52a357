//! What was answered, by user: bounded in bytes, given out only where it answers the question. No clock, no socket.

use std::time::Duration;

use ahash::RandomState;
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};
use tagbid_ports::{DatasetTags, Datasets, LookupRequest, SourceStatus, TagAnswer};
use tagbid_types::Monotonic;

use super::{FRESH, Who, only_asked, who};

/// What an entry costs beside its blobs: key, answer, and the cache's own tables (measured with quick_cache 0.7).
const OVERHEAD: usize = 96 + size_of::<(Who, Entry)>();

/// For sizing tables before there is anything to size them by: a user with 60 tags.
const TYPICAL: u64 = 640;

/// An answer and the question that it answers.
#[derive(Clone, Debug)]
struct Entry {
    /// Before the store was asked: what it says held then or later.
    asked: Monotonic,
    frequency: bool,
    datasets: Datasets,
    answer: TagAnswer,
}

#[derive(Clone, Copy, Debug)]
struct Bytesize;

impl Weighter<Who, Entry> for Bytesize {
    fn weight(&self, who: &Who, entry: &Entry) -> u64 {
        (OVERHEAD + size_of_val(&*who.2) + size_of_val(&*entry.answer.offline) + blob_bytes(&entry.answer))
            as u64
    }
}

/// A worker's answers.
pub(super) struct Shelf {
    /// None when no bytes are allowed.
    cache: Option<Cache<Who, Entry, Bytesize, RandomState>>,
    stale: Duration,
}

impl Shelf {
    pub(super) fn new(bytes: u64, stale: Duration) -> Self {
        let items = usize::try_from(bytes / TYPICAL).unwrap_or(usize::MAX);
        let cache = (bytes > 0)
            .then(|| Cache::with(items, bytes, Bytesize, RandomState::new(), DefaultLifecycle::default()));
        Self { cache, stale }
    }

    /// An answer to this question that is not older than [`FRESH`].
    pub(super) fn fresh(&self, request: &LookupRequest, now: Monotonic) -> Option<TagAnswer> {
        let entry = self.cache.as_ref()?.get(&who(request))?;
        let suffices = entry.datasets.covers(&request.datasets) && (entry.frequency || !request.frequency);
        let answers = suffices && now.since(entry.asked) < FRESH;
        answers.then(|| only_asked(entry.answer.clone(), request))
    }

    /// The offline tags that this question asks for as they were, if that is not too long ago. Nothing of somebody who was
    /// suppressed.
    pub(super) fn stale(&self, request: &LookupRequest, now: Monotonic) -> Option<Vec<DatasetTags>> {
        let entry = self.cache.as_ref()?.get(&who(request))?;
        let usable = entry.datasets.covers(&request.datasets) && !entry.answer.suppressed;
        let answers = usable && now.since(entry.asked) < self.stale;
        answers.then(|| {
            let offline = entry.answer.offline.iter().filter(|one| request.datasets.contains(one.dataset));
            offline.cloned().map(as_stale).collect()
        })
    }

    /// Keeps an answer. One that was asked for earlier than what is there tells nothing new.
    pub(super) fn keep(&mut self, request: &LookupRequest, asked: Monotonic, answer: &TagAnswer) {
        let Some(cache) = &mut self.cache else { return };
        let who = who(request);
        if cache.peek(&who).is_some_and(|there| there.asked > asked) {
            return;
        }
        let LookupRequest { frequency, datasets, .. } = *request;
        cache.insert(who, Entry { asked, frequency, datasets, answer: compact(answer) });
    }

    /// Users and bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        self.cache.as_ref().map_or((0, 0), |cache| (cache.len(), cache.weight()))
    }
}

fn as_stale(tags: DatasetTags) -> DatasetTags {
    let status = if tags.status == SourceStatus::Known { SourceStatus::Stale } else { tags.status };
    DatasetTags { status, ..tags }
}

fn blob_bytes(answer: &TagAnswer) -> usize {
    blobs(answer).map(Bytes::len).sum()
}

fn blobs(answer: &TagAnswer) -> impl Iterator<Item = &Bytes> {
    let offline = answer.offline.iter().map(|one| &one.blob);
    offline.chain([&answer.realtime, &answer.frequency]).flatten()
}

/// The answer with all blobs in one piece of memory of its own: as they come, each keeps the whole message alive that brought
/// it.
fn compact(answer: &TagAnswer) -> TagAnswer {
    let mut all = Vec::with_capacity(blob_bytes(answer));
    blobs(answer).for_each(|blob| all.extend_from_slice(blob));
    let mut all = Bytes::from(all);
    let mut kept = answer.clone();
    let own = kept.offline.iter_mut().map(|one| &mut one.blob);
    for blob in own.chain([&mut kept.realtime, &mut kept.frequency]).flatten() {
        *blob = all.split_to(blob.len());
    }
    kept.offline.shrink_to_fit();
    kept
}
