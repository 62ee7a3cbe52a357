//! `bench-path --traces`: what traces cost a request, saturated: without a collector, and with one that is sent none, one in a
//! hundred and all of them. The first is measured again at the end: the difference of the two is what the machine does.

use std::path::Path;
use std::thread;

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::runtime::Builder;
use tonic::transport::Server as Grpc;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::report::{Line, Report};
use super::{Bench, SETTLING, WITHOUT, start_tagbid};
use crate::load;
use crate::server::Server;

/// The share that is recorded; none: there is no collector.
const SHARES: [(&str, Option<&str>); 5] = [
    ("no collector", None),
    ("traces of 0 %", Some("0.0")),
    ("traces of 1 %", Some("0.01")),
    ("traces of all", Some("1.0")),
    ("none, again", None),
];

pub(super) fn run(bench: &Bench<'_>, core: usize, tagbid: &Path) -> anyhow::Result<Report> {
    let collector = collector()?;
    let mut report = Report::default();
    let floor = {
        let floor = Server::of_this(core, &["floor"])?;
        bench.measure(&floor, None)?
    };
    for (mode, share) in SHARES {
        let settings = share.map(|share| {
            [
                format!("--set=traces.endpoint={collector}"),
                format!("--set=traces.sample={share}"),
                format!("--set=traces.spans_per_s={}", u32::MAX),
            ]
        });
        let settings: Vec<String> = settings.into_iter().flatten().collect();
        let server = start_tagbid(bench.args, core, tagbid, WITHOUT, &settings)?;
        load::run(&bench.plan(&server, Some(SETTLING.0), SETTLING.1))?;
        let path = bench.measure(&server, None)?;
        report.lines.push(Line::new(mode, bench.args, &path, &floor));
    }
    Ok(report)
}

/// Starts a collector beside the generator, which takes everything and keeps nothing; where it is.
fn collector() -> anyhow::Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no port for a collector")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("collector".into()).spawn(move || {
        runtime.block_on(async {
            let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?);
            let served = Grpc::builder().add_service(TraceServiceServer::new(Sink));
            served.serve_with_incoming(incoming).await.map_err(std::io::Error::other)
        })
    })?;
    Ok(format!("http://{address}"))
}

struct Sink;

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
