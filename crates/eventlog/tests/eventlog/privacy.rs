//! User keys go: after some days, and when somebody is erased.

use std::fs;
use std::time::Duration;

use tagbid_eventlog::{Damage, Erasure, Options};
use tagbid_ports::EventSink;
use tagbid_types::{Revision, Timestamp};

use crate::damage::end_segment;
use crate::fixture::{DAY, World, key, made, notice_of, numbers, on_disk, read_on};
use crate::writing::metric;

/// Whose keys a new reader shows, by the number of the notice.
fn shown(world: &World) -> Vec<(u64, u8)> {
    let (events, damage) = world.read();
    assert_eq!(damage, []);
    let user = |one: &tagbid_eventlog::Logged| {
        let user = (0..10).find(|user| one.event.user.is_some_and(|found| found.key == key(*user)))?;
        Some((one.numbered.as_ref()?.1, user))
    };
    events.iter().filter_map(user).collect()
}

fn until(user: u8, until: Timestamp) -> Erasure {
    Erasure { user: key(user), until }
}

#[test]
fn the_erased_are_hidden_at_once_from_readers_under_way_and_then_gone_from_the_disk() {
    let mut world = World::new();
    let now = world.now();
    world.append(0, vec![notice_of(now, 1, 1), notice_of(now, 2, 2), notice_of(now, 3, 1)]).unwrap();
    let mut under_way = world.reader();
    assert!(matches!(under_way.read(), Ok(Some(_))));
    assert_eq!(shown(&world), [(1, 1), (2, 2), (3, 1)]);

    world.log().erase(&[until(1, now)], Revision(7)).unwrap();
    assert_eq!(shown(&world), [(2, 2)]);
    let (rest, _) = read_on(&mut under_way);
    assert_eq!((numbers(&rest), rest[1].event.user), (vec![2, 3], None));

    // What comes late about the time before is written without the key; what comes after the erasure may have it.
    let later = now.after(Duration::from_secs(60));
    world.append(3, vec![notice_of(now, 4, 1), notice_of(later, 5, 1)]).unwrap();
    world.log().offer(tagbid_ports::Event { user: notice_of(now, 0, 1).user, ..made(now, 0) });
    world.wait_read(6);
    assert_eq!(shown(&world), [(2, 2), (5, 1)]);
    assert_eq!(world.log().people_revision(), Revision(7));

    end_segment(&world);
    world.log().erase(&[until(1, later)], Revision(8)).unwrap();
    assert!(on_disk(world.path(), &key(1).0));
    world.reopen();
    assert!(!on_disk(world.path(), &key(1).0), "the segment is made anew without it");
    assert_eq!(shown(&world), [(2, 2)]);
    assert_eq!(world.numbers(), [1, 2, 3, 4, 5]);
    assert_eq!(world.log().people_revision(), Revision(8));
    assert_eq!(world.append_notices(5, 1), Ok(6));
}

#[test]
fn keys_go_when_they_are_old_and_events_stay() {
    let mut world = World::with(Options { user_key_days: 2, ..Options::default() });
    world.append(0, vec![notice_of(world.now(), 1, 1)]).unwrap();
    end_segment(&world);
    world.clock.advance(DAY);
    world.append(1, vec![notice_of(world.now(), 2, 1)]).unwrap();
    end_segment(&world);
    world.reopen();
    assert_eq!(shown(&world), [(1, 1), (2, 1)]);
    world.clock.advance(DAY);
    world.reopen();
    assert_eq!(shown(&world), [(2, 1)]);
    world.clock.advance(DAY);
    world.reopen();
    assert_eq!(shown(&world), []);
    assert!(!on_disk(world.path(), &key(1).0));
    assert_eq!(world.numbers(), [1, 2]);
    // An outbox that is days behind brings no old keys in.
    world.append(2, vec![notice_of(Timestamp(world.now().0 - 3 * 86_400_000_000), 3, 1)]).unwrap();
    assert!(!on_disk(world.path(), &key(1).0));
}

#[test]
fn keys_that_are_too_old_are_not_shown_by_a_reader_even_where_nobody_removed_them() {
    let world = World::new();
    world.append(0, vec![notice_of(world.now(), 1, 1)]).unwrap();
    let query = tagbid_eventlog::Query::default();
    let from = world.now().after(Duration::from_secs(1));
    let mut reader =
        tagbid_eventlog::Reader::open(world.path(), query, tagbid_eventlog::Start::First, from).unwrap();
    assert_eq!(read_on(&mut reader).0[0].event.user, None);
}

#[test]
fn no_days_mean_no_keys() {
    let world = World::with(Options { user_key_days: 0, ..Options::default() });
    world.append(0, vec![notice_of(world.now(), 1, 1)]).unwrap();
    assert!(!on_disk(world.path(), &key(1).0));
    assert_eq!(shown(&world), []);
}

#[test]
fn a_rewrite_that_was_cut_off_by_a_crash_costs_nothing() {
    let mut world = World::new();
    world.append(0, vec![notice_of(world.now(), 1, 1)]).unwrap();
    end_segment(&world);
    world.close();
    let segment = world.segments()[0].clone();
    let unfinished = segment.with_extension("seg.new");
    fs::write(&unfinished, &fs::read(&segment).unwrap()[..200]).unwrap();
    assert_eq!(shown(&world), [(1, 1)], "readers do not look at it");
    world.open();
    assert!(!unfinished.exists());
    assert_eq!(shown(&world), [(1, 1)]);
}

#[test]
fn damage_goes_with_the_keys_that_it_may_have_and_its_gap_stays() {
    let mut world = World::new();
    world.append(0, (1..=9).map(|number| notice_of(world.now(), number, 1)).collect()).unwrap();
    end_segment(&world);
    world.close();
    let segment = world.segments()[0].clone();
    let mut bytes = fs::read(&segment).unwrap();
    let place = bytes.windows(16).rposition(|window| window == key(1).0).unwrap();
    bytes[place - 1] ^= 1;
    fs::write(&segment, bytes).unwrap();
    world.open();
    world.log().erase(&[until(1, Timestamp(i64::MAX))], Revision(1)).unwrap();
    world.reopen();
    assert!(!on_disk(world.path(), &key(1).0));
    let (events, damage) = world.read();
    assert_eq!(numbers(&events), (1..=8).collect::<Vec<_>>());
    assert!(matches!(&damage[..], [Damage::Lost { positions, .. }] if *positions == (9..10)), "{damage:?}");
}

#[test]
fn without_the_list_of_the_erased_no_key_is_shown_and_the_log_asks_for_all_of_it() {
    let mut world = World::new();
    world.append(0, vec![notice_of(world.now(), 1, 1), notice_of(world.now(), 2, 2)]).unwrap();
    world.log().erase(&[until(1, world.now())], Revision(7)).unwrap();
    fs::remove_file(world.path().join("erased")).unwrap();
    let (events, damage) = world.read();
    assert!(events.iter().all(|one| one.event.user.is_none()));
    assert!(matches!(&damage[..], [Damage::Hidden { .. }]), "{damage:?}");
    world.open();
    assert_eq!(world.log().people_revision(), Revision(0));
    world.log().erase(&[until(1, world.now())], Revision(7)).unwrap();
    world.log().people_complete().unwrap();
    assert_eq!(shown(&world), [(2, 2)]);
    assert_eq!(metric(&world, "tagbid_events_hidden_users"), 1);
}
