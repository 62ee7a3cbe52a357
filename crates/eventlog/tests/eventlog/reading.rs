//! Readers: by time, by kind, from the end on, over segments that end, go and shrink.

use std::fs::OpenOptions;
use std::time::Duration;

use tagbid_eventlog::{Damage, Options, Query, ReadError, Reader, Start};
use tagbid_ports::{EventKind, EventSink};
use tagbid_types::{LineItemId, Timestamp};

use crate::damage::end_segment;
use crate::fixture::{World, made, notice, numbers, read_on};

fn reader(world: &World, query: Query) -> Reader {
    Reader::open(world.path(), query, Start::First, Timestamp(i64::MIN)).unwrap()
}

#[test]
fn a_tail_follows_what_is_written_over_segments() {
    let world = World::new();
    world.append_notices(0, 5).unwrap();
    let mut tail = Reader::open(world.path(), Query::default(), Start::End, Timestamp(i64::MIN)).unwrap();
    assert_eq!(read_on(&mut tail), (vec![], vec![]));
    for round in 0..4 {
        let after = 5 + round * 10;
        world.append_notices(after, 10).unwrap();
        if round % 2 == 0 {
            end_segment(&world);
        }
        let (events, damage) = read_on(&mut tail);
        assert_eq!((numbers(&events), damage), ((after + 1..=after + 10).collect(), vec![]));
    }
    assert_eq!(world.segments().len(), 3);
}

#[test]
fn a_tail_may_begin_before_the_first_event() {
    let world = World::new();
    let mut tail = Reader::open(world.path(), Query::default(), Start::End, Timestamp(i64::MIN)).unwrap();
    assert_eq!(read_on(&mut tail), (vec![], vec![]));
    world.append_notices(0, 3).unwrap();
    assert_eq!(numbers(&read_on(&mut tail).0), [1, 2, 3]);
}

#[test]
fn events_are_found_by_time_kind_and_ids() {
    let world = World::new();
    let start = world.now();
    for hour in 0..5 {
        world.append_notices(hour * 10, 10).unwrap();
        end_segment(&world);
    }
    let hour = |n: u64| Some(start.after(Duration::from_secs(n * 3_600)));
    let found = |query: Query| numbers(&read_on(&mut reader(&world, query)).0);
    assert_eq!(
        found(Query { from: hour(1), to: hour(3), ..Query::default() }),
        (11..=30).collect::<Vec<_>>()
    );
    assert_eq!(found(Query { from: hour(4), ..Query::default() }), (41..=50).collect::<Vec<_>>());
    assert_eq!(found(Query { to: hour(0), ..Query::default() }), [0_u64; 0]);
    let line_item = Query { line_item: Some(LineItemId(3)), to: hour(2), ..Query::default() };
    assert_eq!(found(line_item), [3, 10, 17]);
    assert_eq!(found(Query { auction: Some("42".into()), ..Query::default() }), [42]);

    world.log().offer(made(world.now(), 99));
    world.wait_read(51);
    let bids = Query { kinds: vec![EventKind::Bid, EventKind::Click], ..Query::default() };
    let (bids, damage) = read_on(&mut reader(&world, bids));
    assert_eq!((bids.len(), damage), (1, vec![]));
    assert_eq!(bids[0].event.bid.as_ref().unwrap().auction, "99");
}

#[test]
fn what_is_cut_beneath_a_tail_is_told_and_what_comes_instead_is_read() {
    let mut world = World::new();
    world.append_notices(0, 10).unwrap();
    let mut tail = world.reader();
    assert_eq!(read_on(&mut tail).0.len(), 10);
    world.close();
    let last = world.segments().pop().unwrap();
    let file = OpenOptions::new().write(true).open(&last).unwrap();
    file.set_len(file.metadata().unwrap().len() - 300).unwrap();
    world.open();
    let (events, damage) = read_on(&mut tail);
    assert_eq!(events, []);
    assert!(matches!(&damage[..], [Damage::CutBack { .. }]), "{damage:?}");
    let kept = world.position("test");
    assert!((7..10).contains(&kept), "{kept}");
    let fresh = (kept + 1..=kept + 20).map(|number| notice(world.now(), number)).collect();
    world.append(kept, fresh).unwrap();
    let (events, damage) = read_on(&mut tail);
    assert_eq!((numbers(&events), damage), ((kept + 1..=kept + 20).collect(), vec![]));
}

#[test]
fn a_directory_without_a_log_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let open = |path| Reader::open(path, Query::default(), Start::First, Timestamp(0)).unwrap_err();
    assert!(matches!(open(dir.path()), ReadError::NoLog { .. }));
    assert!(matches!(open(&dir.path().join("none")), ReadError::Io { .. }));
}

#[test]
fn segments_go_for_their_age_and_the_last_one_stays() {
    let mut world = World::with(Options { keep_days: 2, ..Options::default() });
    for day in 0..5 {
        world.append_notices(day * 10, 10).unwrap();
        end_segment(&world);
        world.clock.advance(crate::fixture::DAY - Duration::from_secs(3_600));
    }
    world.reopen();
    let (events, damage) = world.read();
    assert_eq!(numbers(&events), (31..=50).collect::<Vec<_>>());
    assert_eq!(damage, [], "what is gone for its age is not missing");
    world.clock.advance(crate::fixture::DAY * 30);
    world.reopen();
    assert_eq!(world.numbers(), (41..=50).collect::<Vec<_>>());
    assert_eq!(world.position("test"), 50);
    assert_eq!(world.append_notices(50, 1), Ok(51));
}
