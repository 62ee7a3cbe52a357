//! What becomes of a bid when a dataset of offline tags does not answer, or answers from a while ago.

use std::sync::Mutex;

use tagbid_catalog::TagDefinition;
use tagbid_ports::{DatasetTags, Datasets, SourceStatus};
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_targeting::{TagKind, TagTest};
use tagbid_types::{DatasetId, NoBidReason, TagId};

use super::reasons::catalog_with;
use super::*;
use crate::explain::explain_line_item;

const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

/// A line item for who carries tag 1 and not tag 2, which are in the datasets 1 and 2.
fn worker(answer: TagAnswer) -> Worker {
    let catalog = catalog_with(|item, more| {
        let test =
            |id| TagTest { any_of: vec![TagId(id)], kind: TagKind::Any, min_weight: 0, max_age_s: None };
        let tag = |id| Expr::Leaf(Leaf::Tag(test(id)));
        item.targeting = Expr::All(vec![tag(1), Expr::Not(Box::new(tag(2)))]);
        more.extend((1..=2).map(|id| {
            let (id, dataset) = (TagId(id), Some(DatasetId(id)));
            Entity::Tag(Arc::new(TagDefinition { id, dataset, ..TagDefinition::default() }))
        }));
    });
    given_a_world(catalog, Arc::new(FakeClock::at(NOW)), Same(answer), Exchange::default())
}

/// What a dataset says, whose tags have its own number.
fn tags(dataset: u32, carried: bool, status: SourceStatus) -> DatasetTags {
    let tag = OfflineTag { id: TagId(dataset), weight: 100, ttl_s: 86_400 };
    let blob = carried.then(|| offline::encode(NOW, &[tag]).unwrap().into());
    DatasetTags { dataset: DatasetId(dataset), version: 1, as_of: None, status, blob }
}

fn answer(offline_status: SourceStatus, offline: Vec<DatasetTags>) -> TagAnswer {
    TagAnswer { offline_status, offline, ..TagAnswer::unknown(SourceStatus::Known) }
}

#[test]
fn a_dataset_that_failed_includes_and_excludes_nobody_and_the_others_count() {
    use SourceStatus::{Failed, Known, Late, Stale};
    let (wanted, unwanted) = (tags(1, true, Known), tags(2, false, Known));
    let unreadable = DatasetTags { blob: Some(Bytes::from_static(b"?")), ..unwanted.clone() };
    let cases = [
        ("all is known", Known, vec![wanted.clone(), unwanted.clone()], true),
        ("the exclusion is not known", Known, vec![wanted.clone(), tags(2, false, Failed)], false),
        ("the exclusion cannot be read", Known, vec![wanted.clone(), unreadable], false),
        ("the inclusion is not known", Known, vec![tags(1, false, Failed), unwanted.clone()], false),
        ("another dataset failed", Known, vec![wanted.clone(), unwanted, tags(3, false, Failed)], true),
        ("the exclusion is not active", Known, vec![wanted.clone()], true),
        ("it was so a moment ago", Stale, vec![tags(1, true, Stale), tags(2, false, Stale)], true),
        ("nothing is known", Late, vec![], false),
    ];
    for (case, status, offline, bids) in cases {
        let worker = worker(answer(status, offline));
        let asked = ask(&worker, REQUEST);
        assert_eq!(matches!(asked, Answer::Bids(_)), bids, "{case}: {asked:?}");
        let incoming = incoming(&worker, REQUEST);
        let explained = explain_line_item(&worker, &incoming, LineItemId(1)).now_or_never().unwrap().unwrap();
        assert_eq!(explained.impressions[0].reasons.is_empty(), bids, "{case}: {explained:?}");
        assert!(explained.impressions[0].reasons.iter().all(|one| one.code == NoBidReason::NoMatch));
    }
}

#[test]
fn what_was_known_a_moment_ago_is_used_and_counts_as_degraded() {
    use SourceStatus::{Known, Stale};
    let fresh = vec![tags(1, true, Known), tags(2, false, Known)];
    let stale = vec![tags(1, true, Stale), tags(2, false, Stale)];
    for (status, offline, degraded) in [(Known, fresh, 0), (Stale, stale, 1)] {
        let worker = worker(answer(status, offline));
        assert!(matches!(ask(&worker, REQUEST), Answer::Bids(_)));
        assert_eq!(worker.metrics().degraded_tags.get(), degraded);
    }
}

/// Remembers which datasets were asked for.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<Datasets>>>);

impl TagLookupSource for Asked {
    fn open(&self) -> Arc<dyn TagLookup> {
        Arc::new(self.clone())
    }
}

impl TagLookup for Asked {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        self.0.lock().unwrap().push(request.datasets);
        std::future::ready(TagAnswer::unknown(SourceStatus::Known)).boxed()
    }
}

#[test]
fn users_are_looked_up_in_what_line_items_name_and_now_and_then_in_everything() {
    let asked = Asked::default();
    let catalog = Catalog::clone(&worker(TagAnswer::default()).last_book().unwrap().catalog);
    let worker = given_lookups(catalog, Arc::new(FakeClock::at(NOW)), Arc::new(asked.clone()));
    for _ in 0..400 {
        ask(&worker, REQUEST);
    }
    let asked = asked.0.lock().unwrap();
    let both = [DatasetId(1), DatasetId(2)].into_iter().collect();
    let samples = asked.iter().filter(|one| one.is_all()).count();
    assert!(asked.iter().all(|one| one.is_all() || *one == both), "{asked:?}");
    // One request in four is a sample as long as there are few.
    assert!((1..300).contains(&samples), "{samples}");
}
