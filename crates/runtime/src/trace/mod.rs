//! Traces: which requests are recorded, what of them, and how it gets to a collector without anybody waiting for that.
//!
//! A request is recorded where its caller says so (`traceparent`, W3C Trace Context), or, where nobody says anything, one in so
//! many; within a bound on spans a second, because a caller is not to decide what we send. Of one that is not recorded nothing
//! is kept and nothing allocated. What belongs to one that is learns so from its task ([`current`]): calls to other roles
//! carry it on.
//!
//! A process has one [`Tracer`], as it has one log.

mod export;
mod limit;
mod options;
mod rpc;
mod span;
mod stats;

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use tagbid_types::{Clock, Monotonic, Timestamp, TraceContext, Traceparent};
use tokio::sync::mpsc;

use crate::Tasks;

pub use options::TraceOptions;
pub use rpc::TraceCalls;
pub use span::{Field, Kind, Span, Value};

use export::Export;
use limit::Limit;
use stats::Stats;

/// Traces that wait for the exporter; whole ones are dropped and counted beyond that.
const QUEUE: usize = 1_024;

tokio::task_local! {
    static CURRENT: TraceContext;
}

static TRACER: OnceLock<Tracer> = OnceLock::new();
static OFF: Tracer = Tracer(None);

/// The process's tracer; one that records nothing until [`Tracer::install`].
pub fn tracer() -> &'static Tracer {
    TRACER.get().unwrap_or(&OFF)
}

/// The span that the calling task is in; none: it is not recorded.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

/// Runs a future in a span, so that whatever it calls is a part of that.
pub async fn within<F: Future>(context: Option<TraceContext>, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    poll_fn(|task| match context {
        None => future.as_mut().poll(task),
        Some(context) => CURRENT.sync_scope(context, || future.as_mut().poll(task)),
    })
    .await
}

/// Runs a call to another role as a span: of the current trace, or where there is none perhaps of one that it begins.
pub async fn call<F: Future, const N: usize>(name: &'static str, fields: [Field; N], future: F) -> F::Output {
    let tracer = tracer();
    let begun = match current() {
        Some(parent) => tracer.child(parent, 1, || tracer.draw()),
        None => tracer.begin(None, 1, || tracer.draw()),
    };
    let Some(begun) = begun else { return future.await };
    let began = tracer.now();
    let result = within(Some(begun.context), future).await;
    tracer.record(vec![Span {
        fields: fields.into(),
        ..Span::new(begun, name.into(), Kind::Client, began, tracer.now())
    }]);
    result
}

/// A span that is to be recorded, under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The span.
    pub context: TraceContext,
    /// The span that it is a part of.
    pub parent: Option<[u8; 8]>,
    /// Whether that is another process's.
    pub remote: bool,
}

/// Decides which requests are recorded, and takes their spans. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Inner>>);

struct Inner {
    clock: Arc<dyn Clock>,
    /// A request that begins a trace is recorded where a random number is below; 0: none is.
    threshold: u64,
    limit: Limit,
    seed: u64,
    drawn: AtomicU64,
    queue: mpsc::Sender<Vec<Span>>,
    stats: Arc<Stats>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("threshold", &self.threshold).finish_non_exhaustive()
    }
}

impl Tracer {
    /// A tracer as these settings say, with its exporter among the tasks; one that records nothing where they name no
    /// collector. An error names the setting.
    pub fn start(options: &TraceOptions, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<Self, String> {
        options.check()?;
        if options.endpoint.is_empty() {
            return Ok(Self(None));
        }
        let (tracer, spans) = Self::with_queue(options, clock, QUEUE);
        let stats = tracer.0.as_ref().map(|inner| Arc::clone(&inner.stats)).unwrap_or_default();
        let export = Export::to(&options.endpoint, spans, stats)?;
        tasks.spawn("trace exporter", export.run(tasks.drain().clone()));
        Ok(tracer)
    }

    fn with_queue(
        options: &TraceOptions,
        clock: Arc<dyn Clock>,
        queue: usize,
    ) -> (Self, mpsc::Receiver<Vec<Span>>) {
        let (queue, spans) = mpsc::channel(queue);
        let inner = Inner {
            clock,
            threshold: options.threshold(),
            limit: Limit::new(options.spans_per_s),
            seed: crate::breaker::random(),
            drawn: AtomicU64::new(0),
            queue,
            stats: Arc::default(),
        };
        (Self(Some(Arc::new(inner))), spans)
    }

    /// Makes this the process's tracer. Once; later calls change nothing.
    pub fn install(self) {
        // The first is in force already.
        let _later = TRACER.set(self);
    }

    /// What became of spans, also where none are recorded: dashboards ask for it everywhere.
    pub fn collector(&self) -> Box<dyn Collector> {
        let stats = self.0.as_ref().map(|inner| Arc::clone(&inner.stats));
        Box::new(stats::Exposition(stats.unwrap_or_default()))
    }

    /// Whether anything may be recorded.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The span of a request that may have a `traceparent`, if it is to be recorded: as the caller says, else by lot. One that
    /// cannot be read counts as none. `spans`: the most that will be recorded of it. `draw` gives random bits.
    pub fn begin(
        &self,
        traceparent: Option<&[u8]>,
        spans: u32,
        mut draw: impl FnMut() -> u64,
    ) -> Option<Begun> {
        let inner = self.0.as_ref()?;
        match traceparent.and_then(Traceparent::parse) {
            Some(caller) if !caller.sampled => None,
            Some(caller) => inner.admit(spans).then(|| Begun {
                context: TraceContext { trace: caller.context.trace, span: id(&mut draw) },
                parent: Some(caller.context.span),
                remote: true,
            }),
            None => {
                let chosen = inner.threshold != 0 && draw() <= inner.threshold;
                (chosen && inner.admit(spans)).then(|| Begun {
                    context: TraceContext { trace: trace_id(&mut draw), span: id(&mut draw) },
                    parent: None,
                    remote: false,
                })
            }
        }
    }

    /// A part of a span of this process.
    pub fn child(&self, of: TraceContext, spans: u32, draw: impl FnMut() -> u64) -> Option<Begun> {
        self.part(of, false, spans, draw)
    }

    /// A part of a span of another process, which said that it is recorded.
    pub fn join(&self, of: TraceContext, spans: u32, draw: impl FnMut() -> u64) -> Option<Begun> {
        self.part(of, true, spans, draw)
    }

    fn part(
        &self,
        of: TraceContext,
        remote: bool,
        spans: u32,
        mut draw: impl FnMut() -> u64,
    ) -> Option<Begun> {
        let admitted = self.0.as_ref()?.admit(spans);
        let context = TraceContext { trace: of.trace, span: id(&mut draw) };
        admitted.then_some(Begun { context, parent: Some(of.span), remote })
    }

    /// Random bits, good enough to tell spans apart. Workers have their own.
    pub fn draw(&self) -> u64 {
        self.0.as_ref().map_or(0, |inner| mix(inner.seed, inner.drawn.fetch_add(1, Ordering::Relaxed)))
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.0.as_ref().map_or(Timestamp(0), |inner| inner.clock.now())
    }

    /// Hands spans of one trace to the exporter. Never waits: where the queue is full they are dropped and counted.
    pub fn record(&self, spans: Vec<Span>) {
        let Some(inner) = &self.0 else { return };
        let count = spans.len() as u64;
        if inner.queue.try_send(spans).is_err() {
            inner.stats.dropped_queue.add(count);
        }
    }
}

impl Inner {
    fn admit(&self, spans: u32) -> bool {
        let admitted = self.limit.take(spans, self.clock.monotonic());
        if !admitted {
            self.stats.limited.inc();
        }
        admitted
    }
}

/// An id is never zero.
fn id(draw: &mut impl FnMut() -> u64) -> [u8; 8] {
    draw().max(1).to_be_bytes()
}

fn trace_id(draw: &mut impl FnMut() -> u64) -> [u8; 16] {
    (u128::from(draw()) << 64 | u128::from(draw().max(1))).to_be_bytes()
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): a counter as random bits.
fn mix(seed: u64, count: u64) -> u64 {
    let mut bits = seed.wrapping_add(count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// Spans of one request with the clock that deadlines use, shown by the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct WallTime {
    wall: Timestamp,
    monotonic: Monotonic,
}

impl WallTime {
    /// As both clocks stand now.
    pub fn at(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// What the wall clock showed then, or will.
    pub fn of(&self, moment: Monotonic) -> Timestamp {
        let (now, then) = (i128::from(self.monotonic.0), i128::from(moment.0));
        Timestamp(self.wall.0.saturating_add(i64::try_from(then - now).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests;
