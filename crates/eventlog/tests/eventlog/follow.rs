//! The list of people, followed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_eventlog::follow_people;
use tagbid_ports::{FeedError, SuppressionChange, SuppressionEvent, SuppressionFeed};
use tagbid_runtime::Drain;
use tagbid_testkit::wait_until;
use tagbid_types::Revision;

use crate::fixture::{SOON, World, key, notice_of};

/// A list that says the same to everybody who asks, and remembers from where on they asked.
#[derive(Default)]
struct List {
    changes: Mutex<Vec<SuppressionChange>>,
    asked: Mutex<Vec<Revision>>,
}

impl SuppressionFeed for List {
    fn subscribe(&self, from: Revision) -> BoxStream<'static, Result<SuppressionEvent, FeedError>> {
        self.asked.lock().unwrap().push(from);
        let all = self.changes.lock().unwrap();
        let changes: Vec<_> = all.iter().filter(|change| change.revision > from).cloned().collect();
        let users = (!changes.is_empty()).then_some(Ok(SuppressionEvent::Users(changes)));
        let events: Vec<_> = users.into_iter().chain([Ok(SuppressionEvent::CaughtUp)]).collect();
        // Then the connection breaks.
        let broken = futures_util::stream::iter([Err(FeedError::Broken("on purpose".into()))]);
        futures_util::stream::iter(events).chain(broken).boxed()
    }
}

#[test]
fn whoever_the_list_erases_is_hidden_up_to_then_and_who_is_suppressed_for_good() {
    let world = World::new();
    let now = world.now();
    let moment = |seconds: u64| now.after(Duration::from_secs(seconds));
    let at = |seconds: u64| Revision(moment(seconds).0.unsigned_abs());
    let events = [(1, 1), (2, 2), (3, 3)].map(|(number, user)| notice_of(moment(number), number, user));
    world.append(0, events.to_vec()).unwrap();

    let list = Arc::new(List::default());
    list.changes.lock().unwrap().extend([
        SuppressionChange::of(at(5), key(1), false),
        SuppressionChange::of(at(6), key(2), true),
        // Linked, never erased.
        SuppressionChange { erased: Revision(0), ..SuppressionChange::of(at(7), key(3), false) },
    ]);
    let drain = Drain::default();
    let feed: Arc<dyn SuppressionFeed> = Arc::<List>::clone(&list);
    let following = world.runtime().spawn(follow_people(world.log().clone(), feed, drain.clone()));

    wait_until("the list to be followed", SOON, || world.log().people_revision() >= at(6));
    let shown = || {
        let users = world.read().0.into_iter().map(|one| one.event.user.map(|user| user.key));
        users.collect::<Vec<_>>()
    };
    assert_eq!(shown(), [None, None, Some(key(3))]);
    world.append(3, vec![notice_of(moment(9), 4, 1), notice_of(moment(9), 5, 2)]).unwrap();
    assert_eq!(shown(), [None, None, Some(key(3)), Some(key(1)), None]);

    list.changes.lock().unwrap().push(SuppressionChange::of(at(10), key(1), false));
    wait_until("the next change", SOON, || shown()[3].is_none());
    drain.start();
    world.runtime().block_on(following).unwrap();
    let asked = list.asked.lock().unwrap();
    assert_eq!(asked[0], Revision(0));
    assert!(asked.last() >= Some(&at(6)), "it goes on from where it was: {asked:?}");
}
