use std::sync::atomic::AtomicU64;

use proptest::prelude::*;

use super::*;

/// A clock that a test turns.
#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed).cast_signed())
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::Relaxed))
    }
}

const SAMPLED: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn tracer_of(sample: f64, spans_per_s: u32, queue: usize) -> (Tracer, mpsc::Receiver<Vec<Span>>) {
    let options = TraceOptions { endpoint: "http://127.0.0.1:1".into(), sample, spans_per_s };
    Tracer::with_queue(&options, Arc::new(Hand(AtomicU64::new(5_000_000))), queue)
}

#[test]
fn a_caller_decides_and_where_none_does_the_lot() {
    let (never, _spans) = tracer_of(0.0, 1_000, 1);
    let (always, _spans) = tracer_of(1.0, 1_000, 1);
    let joined = never.begin(Some(SAMPLED), 1, || 7).unwrap();
    assert_eq!(joined.context.trace[..2], [0x4b, 0xf9]);
    assert_eq!((joined.parent.unwrap()[7], joined.remote), (0xb7, true));
    assert_eq!(joined.context.span, 7_u64.to_be_bytes());
    for tracer in [&never, &always] {
        assert_eq!(tracer.begin(Some(UNSAMPLED), 1, || 7), None);
    }
    for nothing in [None, Some(&b"00-nonsense"[..])] {
        assert_eq!(never.begin(nothing, 1, || 0), None, "a lot that always wins is not even drawn");
        let begun = always.begin(nothing, 1, || u64::MAX).unwrap();
        assert_eq!((begun.parent, begun.remote), (None, false));
    }
    let off = Tracer::default();
    assert!(!off.is_on() && off.begin(Some(SAMPLED), 1, || 7).is_none());
}

proptest! {
    /// About the share that was asked for is recorded.
    #[test]
    fn the_lot_is_fair(sample in 0.0..=1.0_f64) {
        let (tracer, _spans) = tracer_of(sample, u32::MAX, 1);
        let chosen = (0..4_000).filter(|_| tracer.begin(None, 1, || tracer.draw()).is_some()).count();
        // Four standard deviations of the fairest coin are 0.032.
        prop_assert!((chosen as f64 / 4_000.0 - sample).abs() < 0.05, "{chosen} of 4000 for {sample}");
    }
}

#[test]
fn callers_cannot_have_more_recorded_than_the_bound() {
    let (tracer, _spans) = tracer_of(0.0, 80, 1);
    let recorded = (0..1_000).filter(|_| tracer.begin(Some(SAMPLED), 8, || 7).is_some()).count();
    assert_eq!(recorded, 10);
    assert_eq!(tracer.0.unwrap().stats.limited.get(), 990);
}

#[test]
fn nobody_waits_for_a_full_queue_and_what_is_dropped_is_counted() {
    let (tracer, mut spans) = tracer_of(1.0, 1_000, 1);
    let begun = tracer.begin(None, 1, || 7).unwrap();
    let span = || Span::new(begun, "test".into(), Kind::Inside, Timestamp(1), Timestamp(2));
    tracer.record(vec![span()]);
    tracer.record(vec![span(), span()]);
    assert_eq!(tracer.0.as_ref().unwrap().stats.dropped_queue.get(), 2);
    assert_eq!(spans.try_recv().unwrap(), [span()]);
}

#[tokio::test]
async fn a_future_knows_its_span_and_nobody_elses() {
    let context = |n| TraceContext { trace: [n; 16], span: [n; 8] };
    let nested = within(Some(context(1)), async {
        tokio::task::yield_now().await;
        let inner = within(Some(context(2)), async { current() }).await;
        (inner, current(), within(None, async { current() }).await)
    });
    let (both, alone) = tokio::join!(nested, async {
        tokio::task::yield_now().await;
        current()
    });
    assert_eq!(both, (Some(context(2)), Some(context(1)), Some(context(1))));
    assert_eq!(alone, None);
}

#[test]
fn ids_differ_and_are_never_zero() {
    let (tracer, _spans) = tracer_of(1.0, u32::MAX, 1);
    let ids: std::collections::HashSet<_> =
        (0..1_000).map(|_| tracer.begin(None, 1, || tracer.draw()).unwrap().context.span).collect();
    assert_eq!(ids.len(), 1_000);
    let zero = tracer.begin(None, 1, || 0).unwrap().context;
    assert!(zero.trace != [0; 16] && zero.span != [0; 8]);
}

#[test]
fn the_wall_clock_is_read_once_for_all_moments() {
    let clock = Hand(AtomicU64::new(1_000));
    let wall = WallTime::at(&clock);
    assert_eq!(wall.of(Monotonic(400)), Timestamp(400));
    assert_eq!(wall.of(Monotonic(1_700)), Timestamp(1_700));
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let with = |endpoint: &str, sample, spans_per_s| {
        TraceOptions { endpoint: endpoint.into(), sample, spans_per_s }.check().err().unwrap_or_default()
    };
    assert_eq!(with("", 0.0, 1), "");
    assert!(with("collector:4317", 0.0, 1).starts_with("traces.endpoint"));
    assert!(with("http://c:4317", 1.5, 1).starts_with("traces.sample"));
    assert!(with("http://c:4317", f64::NAN, 1).starts_with("traces.sample"));
    assert!(with("http://c:4317", 1.0, 0).starts_with("traces.spans_per_s"));
}
