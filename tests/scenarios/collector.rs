//! An OpenTelemetry collector of our own: takes OTLP over gRPC and keeps what it got, to be looked at.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

type Spans = Arc<Mutex<Vec<Span>>>;

/// A running collector; it ends when this is dropped.
pub(crate) struct Collector {
    at: SocketAddr,
    spans: Spans,
    _ends: oneshot::Sender<()>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        let spans = Spans::default();
        let (ends, ended) = oneshot::channel::<()>();
        let sink = TraceServiceServer::new(Sink(Arc::clone(&spans)));
        thread::spawn(move || {
            crate::advertiser::block_on(async move {
                let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
                let served = Server::builder().add_service(sink);
                let until = async {
                    let _dropped = ended.await;
                };
                // Exporters keep their connections: they are cut with the runtime.
                tokio::select! {
                    served = served.serve_with_incoming(incoming) => served.unwrap(),
                    () = until => {}
                }
            });
        });
        Self { at, spans, _ends: ends }
    }

    /// The setting that sends traces here.
    pub(crate) fn setting(&self) -> String {
        format!("traces.endpoint=\"http://{}\"", self.at)
    }

    /// What it got so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// The spans of one trace by this name.
    pub(crate) fn of(&self, trace: &[u8], name: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace_id == trace && span.name == name).collect()
    }
}

/// A field of a span, as text; none: it has none of that name.
pub(crate) fn field(span: &Span, name: &str) -> Option<String> {
    let value = span.attributes.iter().find(|one| one.key == name)?.value.as_ref()?.value.as_ref()?;
    Some(match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(count) => count.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => panic!("{other:?} is no field of ours"),
    })
}

struct Sink(Spans);

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
