//! Appending, numbering, rotating, one writer.

use tagbid_eventlog::{OpenError, Options};
use tagbid_ports::{AppendError, EventSink};

use crate::fixture::{World, made, notice};

#[test]
fn what_is_appended_is_read_back_once_and_in_order_over_segments_and_restarts() {
    let mut world = World::with(Options { segment_bytes: 64 << 10, ..Options::default() });
    let mut last = 0;
    for round in 0..6 {
        last = world.append_notices(last, 200).unwrap();
        assert_eq!(last, (round + 1) * 200);
        if round % 2 == 1 {
            world.open();
            assert_eq!(world.position("test"), last);
        }
    }
    assert!(world.segments().len() > 1, "{:?}", world.segments());
    assert_eq!(world.numbers(), (1..=1_200).collect::<Vec<_>>());
    let positions: Vec<_> = world.read().0.iter().map(|one| one.position).collect();
    assert_eq!(positions, (1..=1_200).collect::<Vec<_>>());
}

#[test]
fn a_batch_that_is_repeated_counts_once_and_one_too_early_is_told_where_to_begin() {
    let world = World::new();
    assert_eq!(world.append_notices(0, 10), Ok(10));
    assert_eq!(world.append_notices(0, 10), Ok(10), "the answer was lost, the batch comes again");
    assert_eq!(world.append_notices(5, 10), Ok(15), "half of it is there");
    assert_eq!(world.append_notices(16, 1), Err(AppendError::Gap { last: 15 }));
    assert_eq!(world.append(15, vec![]), Ok(15));
    assert_eq!(world.numbers(), (1..=15).collect::<Vec<_>>());
    assert_eq!(world.position("other"), 0);
}

#[test]
fn sources_are_numbered_each_by_itself() {
    let mut world = World::new();
    world.append_from("one", 0, vec![notice(world.now(), 1), notice(world.now(), 2)]).unwrap();
    world.append_from("two", 0, vec![notice(world.now(), 1)]).unwrap();
    // The next segment says where they stand by itself.
    crate::damage::end_segment(&world);
    world.append_from("one", 2, vec![notice(world.now(), 3)]).unwrap();
    assert_eq!(world.segments().len(), 2);
    world.open();
    std::fs::remove_file(&world.segments()[0]).unwrap();
    world.open();
    assert_eq!((world.position("one"), world.position("two")), (3, 1));
}

#[test]
fn many_callers_at_once_are_each_answered_for_their_own() {
    let world = World::with(Options { segment_bytes: 64 << 10, ..Options::default() });
    let append = |source: u64| {
        let (log, now) = (world.log().clone(), world.now());
        async move {
            let source: tagbid_ports::EventSource = format!("source-{source}").parse().unwrap();
            for after in (0..20).step_by(4) {
                let records = (after + 1..=after + 4).map(|number| (number, notice(now, number))).collect();
                let batch = tagbid_ports::EventBatch { source: source.clone(), after, records };
                // As from an outbox that did not hear the first answer.
                assert_eq!(log.append(batch.clone()).await, Ok(after + 4));
                assert_eq!(log.append(batch).await, Ok(after + 4));
            }
        }
    };
    world.runtime().block_on(futures_util::future::join_all((0..40).map(append)));
    let (events, damage) = world.read();
    assert_eq!((events.len(), damage), (800, vec![]));
    for source in 0..40 {
        let name = format!("source-{source}");
        let own = events
            .iter()
            .filter_map(|one| one.numbered.as_ref())
            .filter(|(source, _)| source.as_str() == name);
        assert_eq!(own.map(|(_, number)| *number).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    }
}

#[test]
fn a_log_has_a_bounded_number_of_sources() {
    let world = World::new();
    for source in 0..64 {
        world.append_from(&format!("s{source}"), 0, vec![notice(world.now(), 1)]).unwrap();
    }
    let refused = world.append_from("s64", 0, vec![notice(world.now(), 1)]);
    assert!(matches!(refused, Err(AppendError::Refused(problem)) if problem.contains("64 sources")));
    assert_eq!(world.append_from("s63", 1, vec![notice(world.now(), 2)]), Ok(2));
}

#[test]
fn what_can_never_be_appended_is_refused_by_name() {
    let world = World::new();
    let refused = |after, positions: &[u64], change: fn(&mut tagbid_ports::Event)| {
        let mut event = notice(world.now(), 1);
        change(&mut event);
        let records = positions.iter().map(|position| (*position, event.clone())).collect();
        let batch = tagbid_ports::EventBatch { source: "test".parse().unwrap(), after, records };
        match world.runtime().block_on(world.log().append(batch)) {
            Err(AppendError::Refused(problem)) => problem,
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(0, &[1, 1], |_| {}).contains("position 1 after 1"));
    assert!(refused(7, &[7], |_| {}).contains("position 7 after 7"));
    assert!(
        refused(0, &[1], |event| event.bid.as_mut().unwrap().auction = "x".repeat(257))
            .contains("auction is longer than 256")
    );
    assert!(refused(0, &vec![1; 5_000], |_| {}).contains("at most 4096"));
    assert_eq!(world.position("test"), 0);
}

#[test]
fn sampled_events_are_written_a_moment_later_and_more_than_fit_are_dropped_and_counted() {
    let world = World::with(Options { queue: 4, ..Options::default() });
    world.log().offer(made(world.now(), 1));
    world.wait_read(1);
    assert_eq!(world.read().0[0].event, made(world.now(), 1));
    assert_eq!(world.read().0[0].numbered, None);
    for number in 0..10_000 {
        world.log().offer(made(world.now(), number));
    }
    let dropped = metric(&world, "tagbid_events_dropped_total");
    assert!(dropped > 0 && dropped < 10_000, "{dropped} of 10,000");
    let count = usize::try_from(10_001 - dropped).unwrap();
    world.wait_read(count);
    assert_eq!(world.read().0.len(), count);
}

#[test]
fn what_was_offered_before_the_close_is_in_the_log() {
    let mut world = World::new();
    (0..100).for_each(|number| world.log().offer(made(world.now(), number)));
    world.close();
    assert_eq!(world.read().0.len(), 100);
}

#[test]
fn one_process_writes_and_the_next_waits_for_its_end() {
    let mut world = World::new();
    let mut second = World::new();
    let own = std::mem::replace(&mut second.dir, tempfile::tempdir().unwrap());
    drop(own);
    let path = world.path().to_owned();
    let tasks = tagbid_runtime::Tasks::new(tagbid_runtime::Drain::default());
    let open = |runtime: &tokio::runtime::Runtime| {
        let _inside = runtime.enter();
        let clock = std::sync::Arc::new(tagbid_testkit::FakeClock::default());
        tagbid_eventlog::EventLog::open(&path, &Options::default(), clock, &tasks)
    };
    let refused = open(second.runtime());
    assert!(matches!(refused, Err(OpenError::InUse { .. })), "{:?}", refused.err());
    world.close();
    open(second.runtime()).unwrap().close();
}

/// The value of a metric without labels.
pub(crate) fn metric(world: &World, name: &str) -> u64 {
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(world.log().collector());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}
