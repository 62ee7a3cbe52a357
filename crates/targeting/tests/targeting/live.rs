//! Line items that go dead or live while candidates are pulled.

use bumpalo::Bump;
use tagbid_targeting::{Attributes, Engine, LiveSet, Slot};

use crate::engines::{Subject, every_engine};
use crate::generate::{self, Choices};
use crate::model::{self, LineItem, Share};

const ITEMS: u32 = 40;

/// An item is live for a search as it is at the moment when the search reaches it: what went dead never surfaces, and
/// what went live behind the place that the search has come to does.
#[test]
fn a_search_sees_every_change_that_comes_before_it() {
    model::holds_for_bytes(500, 400..1_500, |bytes, share| {
        // Items take what bytes they need; what is over decides what turns.
        let (bytes, flips) = bytes.split_at(bytes.len() - 100);
        let choices = &mut Choices::new(bytes);
        let arena = Bump::new();
        let request = generate::request(choices, &arena);
        let requests = std::slice::from_ref(&request);
        let items: Vec<_> = (0..ITEMS).map(|slot| LineItem::any(choices, Slot(slot), requests)).collect();
        every_engine!(pulls(&items, &request, flips, share));
    });
}

/// Pulls one candidate after the other, turning three items over before each.
fn pulls<S: Subject>(items: &[LineItem], request: &Attributes<'_>, flips: &[u8], share: &Share) {
    let lists = model::lists(&[]);
    let (subject, _) = S::build(items, &lists, &[]);
    let arena = Bump::new();
    let probe = subject.engine().probe(request, &arena);
    let live = LiveSet::all(ITEMS);
    let expected = model::candidates(items, request, &lists, &live);
    share.count(items.len(), expected.len());
    let mut ahead = expected.into_iter();
    let mut found = subject.engine().candidates(&probe, &live, &arena);
    for three in flips.chunks(3) {
        for flip in three {
            live.set(Slot(u32::from(*flip) % ITEMS), *flip >= 128);
        }
        let next = ahead.find(|candidate| live.contains(candidate.slot));
        assert_eq!(found.next(), next);
        if next.is_none() {
            return;
        }
    }
}
