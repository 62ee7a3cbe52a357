//! Whatever happens to the bytes: what is whole is read, what is not is told.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use tagbid_eventlog::{Damage, Options};

use crate::fixture::{World, numbers, read_on};
use crate::writing::metric;

/// Three segments of 20 records together; the last one goes on. Written once, and copied for each case.
static THREE_SEGMENTS: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::with(Options { segment_s: 1, ..Options::default() });
    for (after, count) in [(0, 8), (8, 7), (15, 5)] {
        world.append_notices(after, count).unwrap();
        if after < 15 {
            end_segment(&world);
        }
    }
    assert_eq!(world.segments().len(), 3);
    world.close();
    world
});

/// A copy of them, closed.
fn three_segments() -> World {
    let world = World::closed(Options::default());
    for entry in fs::read_dir(THREE_SEGMENTS.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), world.path().join(entry.file_name())).unwrap();
    }
    world
}

/// Waits until the segment that is written has its end.
pub(crate) fn end_segment(world: &World) {
    let last = world.segments().pop().unwrap();
    let before = fs::metadata(&last).unwrap().len();
    world.clock.advance(Duration::from_secs(world.options.segment_s));
    tagbid_testkit::wait_until("the segment's end", crate::fixture::SOON, || {
        fs::metadata(&last).unwrap().len() > before
    });
}

fn flip(path: &Path, at: usize, change: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= change;
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// After any cut of the last segment a prefix of what was appended is there, and appending it all again fills in the rest,
    /// each record once.
    #[test]
    fn any_cut_is_repaired_by_appending_again(cut in any::<prop::sample::Index>()) {
        let mut world = three_segments();
        let last = world.segments().pop().unwrap();
        let bytes = fs::read(&last).unwrap();
        // What is left of a header is nothing that a crash leaves: a segment gets its name when it has one.
        let cut = 128 + cut.index(bytes.len() - 128);
        fs::write(&last, &bytes[..cut]).unwrap();
        let whole = numbers(&world.read().0);
        prop_assert_eq!(&whole, &(1..=whole.len() as u64).collect::<Vec<_>>());
        prop_assert!(whole.len() >= 15);

        world.open();
        prop_assert_eq!(world.position("test"), whole.len() as u64);
        prop_assert_eq!(world.append_notices(0, 20), Ok(20));
        prop_assert_eq!(world.numbers(), (1..=20).collect::<Vec<_>>());
    }

    /// Any changed byte of any segment costs one record at most, and is told with file and offset; everything else is read,
    /// and the log goes on.
    #[test]
    fn any_changed_byte_is_told_and_costs_one_record(
        which in 0_usize..3,
        at in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        let mut world = three_segments();
        let file = world.segments()[which].clone();
        let at = at.index(fs::read(&file).unwrap().len());
        flip(&file, at, change);

        let mut reader = world.reader();
        let (events, damage) = read_on(&mut reader);
        let read = numbers(&events);
        prop_assert!(read.len() >= 19, "{:?}", read);
        prop_assert!(read.is_sorted());
        let is_there = |offset: &u64, bytes: &u64| (*offset..offset + bytes).contains(&(at as u64));
        let told = damage.iter().any(|one| {
            matches!(one, Damage::Bytes { file: named, offset, bytes } if *named == file && is_there(offset, bytes))
        });
        let at_the_end = which == 2 && reader.left() > 0;
        prop_assert!(told || at_the_end, "{:?}", damage);
        let lost: u64 = damage.iter().map(|one| match one {
            Damage::Lost { positions, .. } => positions.end - positions.start,
            _ => 0,
        }).sum();
        prop_assert!(at_the_end || lost == 20 - read.len() as u64, "{:?}", damage);

        world.open();
        let last = world.position("test");
        prop_assert!(last >= 19);
        prop_assert_eq!(world.append_notices(last, 3), Ok(last + 3));
        let (events, _) = world.read();
        prop_assert!(numbers(&events).ends_with(&[last + 1, last + 2, last + 3]));
    }
}

/// Where whole records of a segment begin and end, by their numbers.
fn records(bytes: &[u8]) -> Vec<(u64, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    // Behind two headers: length of the payload, kind, position.
    let mut at = 128;
    while at + 21 <= bytes.len() {
        let end = at + 21 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if bytes[at + 4] == 1 {
            found.push((u64::from_le_bytes(bytes[at + 5..at + 13].try_into().unwrap()), at..end));
        }
        at = end;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever stands in place of some bytes of a segment, all records outside are read, nothing else is, and it is told.
    #[test]
    fn garbage_costs_what_it_covers(
        which in 0_usize..3,
        from in any::<prop::sample::Index>(),
        covered in 0_usize..300,
        garbage in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let world = three_segments();
        let file = world.segments()[which].clone();
        let bytes = fs::read(&file).unwrap();
        let from = 128 + from.index(bytes.len() - 128);
        let to = (from + covered).min(bytes.len());
        prop_assume!(bytes[from..to] != garbage);
        fs::write(&file, [&bytes[..from], &garbage, &bytes[to..]].concat()).unwrap();

        // What is only moved is whole.
        let is_whole = |place: &std::ops::Range<usize>| place.end <= from || place.start >= to;
        let others = world.segments().into_iter().filter(|path| *path != file);
        let whole = others.flat_map(|path| records(&fs::read(path).unwrap()).into_iter().map(|(number, _)| number));
        let left = records(&bytes).into_iter().filter(|(_, place)| is_whole(place)).map(|(number, _)| number);
        let mut expected: Vec<u64> = whole.chain(left).collect();
        expected.sort_unstable();
        let mut reader = world.reader();
        let (events, damage) = read_on(&mut reader);
        prop_assert_eq!(numbers(&events), expected);
        prop_assert!(!damage.is_empty() || reader.left() > 0);
    }
}

#[test]
fn a_torn_end_is_cut_and_damage_before_it_is_counted_and_left() {
    let mut world = three_segments();
    let last = world.segments().pop().unwrap();
    let length = fs::metadata(&last).unwrap().len();
    flip(&last, 600, 1);
    let mut bytes = fs::read(&last).unwrap();
    bytes.extend([0; 77]);
    fs::write(&last, bytes).unwrap();
    world.open();
    assert_eq!(fs::metadata(&last).unwrap().len(), length);
    assert_eq!(metric(&world, "tagbid_events_torn_bytes_total"), 77);
    assert_eq!(metric(&world, "tagbid_events_damage_total"), 1);
}

#[test]
fn a_segment_that_is_gone_is_told() {
    let world = three_segments();
    fs::remove_file(&world.segments()[1]).unwrap();
    let (events, damage) = world.read();
    assert_eq!(numbers(&events), (1..=8).chain(16..=20).collect::<Vec<_>>());
    assert!(matches!(&damage[..], [Damage::Lost { positions, .. }] if *positions == (9..16)), "{damage:?}");
}

#[test]
fn a_segment_without_a_head_stops_the_start_with_what_to_do() {
    let mut world = three_segments();
    let last = world.segments().pop().unwrap();
    flip(&last, 20, 1);
    flip(&last, 84, 1);
    let problem = world.try_open().unwrap_err().to_string();
    assert!(problem.contains("move the file away"), "{problem}");
    fs::remove_file(&last).unwrap();
    world.open();
    assert_eq!(world.position("test"), 15, "the segment before says where sources stand");
}

#[test]
fn where_sources_stand_survives_damage_to_it() {
    let mut world = three_segments();
    // Both lists of sources, behind the two headers of 64 bytes: 21 bytes of head, then the payload.
    let last = world.segments().pop().unwrap();
    flip(&last, 128 + 21, 1);
    flip(&last, 128 + 21 + 8 + 21, 1);
    world.open();
    assert_eq!(world.position("test"), 20);
}
