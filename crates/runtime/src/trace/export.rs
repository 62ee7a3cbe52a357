//! To the collector: batches, one at a time, and what it does not take is gone. A trace is not worth more than that.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value as Attribute};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tagbid_types::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::stats::Stats;
use super::{Kind, Span, Value};
use crate::Drain;

/// Spans of one batch, about; the last trace that fits may bring some more.
const BATCH: usize = 512;

/// How long spans wait for others to share a batch.
const GATHER: Duration = Duration::from_millis(500);

/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long the collector may take once a drain has begun.
const FAREWELL: Duration = Duration::from_secs(2);

/// After a drain began, what is still recorded by requests under way is taken along.
const LINGER: Duration = Duration::from_millis(300);

/// The exporter's task.
pub(super) struct Export {
    exporter: SpanExporter,
    spans: mpsc::Receiver<Vec<Span>>,
    stats: Arc<Stats>,
    scope: InstrumentationScope,
    /// It failed, and the log says so.
    away: bool,
}

impl Export {
    pub(super) fn to(
        endpoint: &str,
        spans: mpsc::Receiver<Vec<Span>>,
        stats: Arc<Stats>,
    ) -> Result<Self, String> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(TIMEOUT);
        let mut exporter =
            exporter.build().map_err(|error| format!("traces.endpoint {endpoint:?}: {error}"))?;
        // The process is told apart by what OTEL_RESOURCE_ATTRIBUTES says, which is the operator's.
        let resource = Resource::builder().with_service_name("tagbid");
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        exporter.set_resource(&resource.with_attribute(version).build());
        let scope = InstrumentationScope::builder("tagbid").build();
        Ok(Self { exporter, spans, stats, scope, away: false })
    }

    /// Sends until the drain, and then what is left.
    pub(super) async fn run(mut self, drain: Drain) {
        loop {
            let first = tokio::select! {
                first = self.spans.recv() => first,
                () = drain.wait() => break,
            };
            let Some(batch) = first else { return };
            let batch = self.gather(batch, GATHER, &drain).await;
            self.send(batch, &drain).await;
        }
        let rest = self.gather(Vec::new(), LINGER, &Drain::default()).await;
        if !rest.is_empty() {
            self.send(rest, &drain).await;
        }
    }

    /// More of them, until the batch is full or the time is over.
    async fn gather(&mut self, mut batch: Vec<Span>, within: Duration, drain: &Drain) -> Vec<Span> {
        let until = Instant::now() + within;
        while batch.len() < BATCH {
            tokio::select! {
                biased;
                more = self.spans.recv() => match more {
                    Some(more) => batch.extend(more),
                    None => break,
                },
                () = tokio::time::sleep_until(until) => break,
                () = drain.wait() => break,
            }
        }
        batch
    }

    async fn send(&mut self, batch: Vec<Span>, drain: &Drain) {
        let count = batch.len() as u64;
        let spans = batch.into_iter().map(|span| data(span, &self.scope)).collect();
        let leaving = async {
            drain.wait().await;
            tokio::time::sleep(FAREWELL).await;
        };
        let problem = tokio::select! {
            sent = self.exporter.export(spans) => sent.err().map(|error| error.to_string()),
            // It has a timeout too; this one also bounds what it does about connecting.
            () = tokio::time::sleep(TIMEOUT * 2) => Some("no answer".into()),
            () = leaving => Some("no answer before the end".into()),
        };
        match problem {
            None => {
                self.stats.exported.add(count);
                if std::mem::take(&mut self.away) {
                    tracing::info!("the collector takes traces again");
                }
            }
            Some(problem) => {
                self.stats.dropped_export.add(count);
                // Once an outage.
                if !std::mem::replace(&mut self.away, true) {
                    tracing::warn!(problem, "the collector takes no traces; see traces.endpoint");
                }
            }
        }
    }
}

fn data(span: Span, scope: &InstrumentationScope) -> SpanData {
    let Span { context, parent, remote, name, kind, began, ended, fields, failed } = span;
    let span_context = SpanContext::new(
        TraceId::from_bytes(context.trace),
        SpanId::from_bytes(context.span),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    );
    SpanData {
        span_context,
        parent_span_id: parent.map_or(SpanId::INVALID, SpanId::from_bytes),
        parent_span_is_remote: remote,
        span_kind: match kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Inside => SpanKind::Internal,
        },
        name,
        start_time: system_time(began),
        end_time: system_time(ended),
        attributes: fields.into_iter().map(|(name, value)| KeyValue::new(name, attribute(value))).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if failed { Status::error("") } else { Status::Unset },
        instrumentation_scope: scope.clone(),
    }
}

fn attribute(value: Value) -> Attribute {
    match value {
        Value::Count(count) => Attribute::I64(i64::try_from(count).unwrap_or(i64::MAX)),
        Value::Flag(flag) => Attribute::Bool(flag),
        Value::Word(word) => Attribute::String(word.into()),
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.0).unwrap_or(0))
}
