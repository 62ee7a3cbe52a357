//! The list of people.

use tagbid_catalog::people::{Id, PeopleChange};
use tagbid_ports::SuppressionChange;
use tagbid_tagset::{MacKey, UserKey};

use super::*;
use crate::store::people::{self, Entry};

fn key(byte: u8) -> UserKey {
    UserKey([byte; 16])
}

async fn change(session: &mut dyn Session, change: PeopleChange, keys: &[u8], now: Timestamp) -> Revision {
    let entries: Vec<_> = keys.iter().map(|byte| Entry::of(key(*byte))).collect();
    people::change(session, change, &entries, now).await.unwrap().revision
}

/// These ids are one person; the list's position after that.
async fn link(session: &mut dyn Session, keys: &[u8]) -> Revision {
    let ids = keys.iter().map(|byte| Id { key: key(*byte), mac: Some(1) }).collect();
    let entry = Entry { ids, if_listed: Vec::new() };
    people::change(session, PeopleChange::Link, &[entry], NOW).await.unwrap().revision
}

fn told(revision: u64, user: u8, suppressed: bool) -> SuppressionChange {
    SuppressionChange::of(Revision(revision), key(user), suppressed)
}

async fn is_suppressed(session: &mut dyn Session, user: u8) -> bool {
    let rows = people::get(session, &[key(user)]).await.unwrap();
    rows.get(&key(user)).is_some_and(|row| row.suppressed)
}

pub(super) async fn suppressions_are_a_list_with_positions(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    let slow_clock = Timestamp(0);
    let set = change(session.as_mut(), PeopleChange::Suppress, &[1, 2, 3], slow_clock).await;
    assert_eq!(set, Revision(3));
    assert_eq!(change(session.as_mut(), PeopleChange::Lift, &[1], slow_clock).await, Revision(4));
    session.commit().await.unwrap();

    let mut session = store.read().await.unwrap();
    assert!(!is_suppressed(session.as_mut(), 1).await);
    assert!(is_suppressed(session.as_mut(), 2).await);
    let page = people::after(session.as_mut(), Revision(0), 2).await.unwrap();
    assert_eq!(page, [told(2, 2, true), told(3, 3, true)]);
    let page = people::after(session.as_mut(), Revision(3), 2).await.unwrap();
    assert_eq!(page, [told(4, 1, false)]);
}

pub(super) async fn a_lift_of_somebody_who_is_not_suppressed_changes_nobody(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    change(session.as_mut(), PeopleChange::Suppress, &[1], NOW).await;
    let lifted = change(session.as_mut(), PeopleChange::Lift, &[1, 2], NOW).await;
    assert_eq!(change(session.as_mut(), PeopleChange::Lift, &[1, 2], NOW).await, lifted);
    let page = people::after(session.as_mut(), Revision(0), 9).await.unwrap();
    assert_eq!(page, [told(lifted.0, 1, false)]);
}

pub(super) async fn an_erased_user_is_told_and_may_come_back(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    change(session.as_mut(), PeopleChange::Suppress, &[1], NOW).await;
    let erased = change(session.as_mut(), PeopleChange::Erase, &[1, 2], NOW).await.0;
    let page = people::after(session.as_mut(), Revision(0), 9).await.unwrap();
    assert_eq!(page, [told(erased - 1, 1, true), told(erased, 2, false)], "who is suppressed stays so");
    let again = change(session.as_mut(), PeopleChange::Erase, &[2], NOW).await.0;
    let page = people::after(session.as_mut(), Revision(erased), 9).await.unwrap();
    assert_eq!(page, [told(again, 2, false)]);
}

pub(super) async fn a_person_is_told_with_all_ids_and_suppressed_with_all(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    let session = session.as_mut();
    link(session, &[1, 2]).await;
    let linked = link(session, &[2, 3]).await;
    assert_eq!(link(session, &[3, 1]).await, linked, "what is known is no change");
    let page = people::after(session, Revision(0), 9).await.unwrap();
    let others: Vec<_> = page.iter().map(|one| (one.user, one.others.clone(), one.erased)).collect();
    let of = |user, others: [u8; 2]| (key(user), others.map(key).to_vec(), Revision(0));
    assert_eq!(others, [of(1, [2, 3]), of(2, [1, 3]), of(3, [1, 2])]);

    let suppressed = change(session, PeopleChange::Suppress, &[2], NOW).await.0;
    let page = people::after(session, linked, 9).await.unwrap();
    assert!(page.iter().all(|one| one.suppressed && one.erased.0 > linked.0), "{page:?}");
    assert_eq!((page.len(), page[2].revision.0), (3, suppressed));
    let later = link(session, &[1, 4]).await;
    assert!(is_suppressed(session, 4).await);
    let page = people::after(session, Revision(later.0 - 1), 9).await.unwrap();
    assert_eq!((page[0].user, page[0].others.len(), page[0].erased), (key(4), 3, later));

    // An erasure leaves no links.
    change(session, PeopleChange::Lift, &[4], NOW).await;
    let erased = change(session, PeopleChange::Erase, &[4], NOW).await.0;
    let page = people::after(session, Revision(0), 9).await.unwrap();
    assert_eq!(
        page,
        [(1, 3), (2, 2), (3, 1), (4, 0)].map(|(user, before)| told(erased - before, user, false))
    );
}

pub(super) async fn pages_of_the_list_have_whole_persons(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    let session = session.as_mut();
    link(session, &[1, 9]).await;
    let middle = link(session, &[2, 8]).await;
    let page = people::after(session, Revision(0), 3).await.unwrap();
    let others: Vec<_> = page.iter().map(|one| (one.user, one.others.clone())).collect();
    let of = |user, other| (key(user), vec![key(other)]);
    assert_eq!(others, [of(1, 9), of(9, 1), of(2, 8)]);
    assert_eq!(people::after(session, Revision(middle.0 - 1), 3).await.unwrap()[0].others, [key(2)]);
}

pub(super) async fn positions_of_a_restored_list_go_on_after_those_that_were_lost(database: Database) {
    let store = database.open().await;
    let mut lost = store.write().await.unwrap();
    let told = change(lost.as_mut(), PeopleChange::Suppress, &[1], NOW).await;
    drop(lost);
    let mut session = store.write().await.unwrap();
    let later = NOW.after(Duration::from_secs(1));
    let first = change(session.as_mut(), PeopleChange::Suppress, &[1], later).await;
    assert!(first > told, "{first:?} {told:?}");
}

/// Takes the step of the schema back that made persons.
pub(super) async fn undo(session: &mut dyn Session) {
    for undo in [
        "DROP INDEX suppressions_by_person",
        "ALTER TABLE suppressions DROP COLUMN erased",
        "ALTER TABLE suppressions DROP COLUMN person",
        "ALTER TABLE suppressions DROP COLUMN mac",
        "DROP TABLE mac_keys",
        "DELETE FROM schema_version WHERE version = 3",
    ] {
        session.execute(undo, &[]).await.unwrap();
    }
}

pub(super) async fn suppressions_before_persons_are_brought_along(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    undo(session.as_mut()).await;
    let old =
        "INSERT INTO suppressions (user_key, revision, suppressed) VALUES ('AQEBAQEBAQEBAQEBAQEBAQ', 7, 1)";
    session.execute(old, &[]).await.unwrap();
    session.commit().await.unwrap();
    drop(store);

    let store = database.open().await;
    let mut session = store.read().await.unwrap();
    assert_eq!(people::after(session.as_mut(), Revision(0), 9).await.unwrap(), [told(7, 1, true)]);
    assert_eq!(people::suppressed_by_mac(session.as_mut()).await.unwrap(), [(None, 1)]);
}

pub(super) async fn mac_keys_are_noted_with_what_rests_on_them(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    let session = session.as_mut();
    let [one, two] = [1, 2].map(|version| MacKey::new(version, &[version; 32]).unwrap().fingerprint());
    for key in [two, one, two] {
        people::note_mac_key(session, key).await.unwrap();
    }
    assert_eq!(people::mac_keys(session).await.unwrap(), [one, two]);
    link(session, &[1, 2]).await;
    assert_eq!(people::suppressed_by_mac(session).await.unwrap(), []);
    change(session, PeopleChange::Suppress, &[1, 9], NOW).await;
    let mut found = people::suppressed_by_mac(session).await.unwrap();
    found.sort_unstable();
    assert_eq!(found, [(None, 1), (Some(1), 2)]);
}
