//! What all commands that send have in common.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use rustix::system::uname;
use tagbid_exchange::Traffic;

use crate::cpu;
use crate::load::{Pace, Plan, Reading};
use crate::message::{Encoding, Messages};
use crate::notices::{self, Notices};
use crate::record::{Record, window_length};
use crate::results::{Machine, Results, Run, SCHEMA, invalid};
use crate::schedule::{Schedule, Spacing};
use crate::units::{micros, parse_positive_span, parse_share, parse_span};

use super::Failure;

/// Where requests go, what they are, and how they are carried.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LoadArgs {
    /// The bid URL: http://HOST[:PORT]/PATH, or grpc://HOST:PORT for BiddingService.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/openrtb2/demo")]
    to: Uri,
    /// How requests are encoded; protobuf over gRPC, else JSON.
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// How requests lie within the rate.
    #[arg(long, value_enum, default_value_t = Spacing::Even)]
    arrivals: Spacing,
    /// Decides the requests, Poisson's arrivals and which bids win.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Users in generated requests; the most active have the lowest numbers (Zipf's law).
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// Different generated requests, sent in turn.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    requests: u32,
    /// Connections.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    connections: u32,
    /// Requests at a time on a gRPC connection.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    streams: u32,
    /// Most requests that are due and not answered; what is due beyond is skipped, and counts as failed.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    in_flight: u32,
    /// Threads that send, each with its share of requests and connections; give each a core.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    threads: u32,
    /// Keep to this core.
    #[arg(long)]
    core: Option<usize>,
    /// Longest wait for an answer, the wait for a connection included.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_positive_span)]
    timeout: Duration,
    /// When an answer is late, for requests without a tmax.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = parse_positive_span)]
    tmax: Duration,
    /// Send at the first rate for so long before anything counts.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_span)]
    warmup: Duration,
    /// A header, or gRPC metadata, of each request; may be given several times.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The exchange's token: gRPC needs one.
    #[arg(long, env = "LOADTEST_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Do not ask why there is no bid (`x-tagbid-debug: 1`): no-bids for overload then count as no-bids and not as shed.
    #[arg(long)]
    no_reasons: bool,
    /// The run is INVALID when the generator's own lateness is above this at its 99th percentile.
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = parse_positive_span)]
    max_lag: Duration,
    #[command(flatten)]
    notices: NoticeArgs,
}

/// Which notices go back.
#[derive(Clone, Debug, clap::Args)]
struct NoticeArgs {
    /// Share of bids that win; win notices go to the URLs that the bids name.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = parse_share)]
    win_rate: f64,
    /// Share of wins that are shown: billing notice and the markup's pixels.
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = parse_share)]
    billing_rate: f64,
    /// Share of losses that are told.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = parse_share)]
    loss_rate: f64,
    /// Share of what is shown that is clicked.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = parse_share)]
    click_rate: f64,
    /// HOST[:PORT] that notices may call besides this machine and the bid URL's; may be given several times.
    #[arg(long, value_name = "HOST")]
    notice_host: Vec<String>,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("use NAME: VALUE")?;
    let name = name.trim().parse().map_err(|_| format!("{name:?} is no header name"))?;
    let value = value.trim().parse().map_err(|_| format!("{value:?} is no header value"))?;
    Ok((name, value))
}

impl LoadArgs {
    /// Checks what clap cannot, and keeps to the core.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        match self.to.scheme_str() {
            Some("http") if self.to.authority().is_some() => {}
            Some("grpc") if self.encoding == Some(Encoding::Json) => {
                return Err(Failure::usage("--encoding", "gRPC carries protobuf: leave json out"));
            }
            Some("grpc") if self.to.authority().is_some() => {}
            _ => return Err(Failure::usage("--to", "use http://HOST[:PORT]/PATH or grpc://HOST:PORT")),
        }
        match self.core {
            Some(_) if self.threads > 1 => {
                Err(Failure::usage("--core", "one core for several threads: leave --core or --threads out"))
            }
            Some(core) => cpu::pin(core).map_err(|error| Failure::usage("--core", format!("{error:#}"))),
            None => Ok(()),
        }
    }

    fn encoding(&self) -> Encoding {
        let default = if self.is_grpc() { Encoding::Protobuf } else { Encoding::Json };
        self.encoding.unwrap_or(default)
    }

    fn is_grpc(&self) -> bool {
        self.to.scheme_str() == Some("grpc")
    }

    /// Requests of the generator.
    pub(super) fn generated(&self) -> anyhow::Result<Messages> {
        let traffic = Traffic { users: self.users, ..Traffic::default() };
        Messages::generated(traffic, self.seed, self.requests as usize, self.encoding())
    }

    /// Requests of a recording.
    pub(super) fn recorded(&self, file: &Path) -> Result<Messages, Failure> {
        Messages::recorded(file, self.encoding())
            .map_err(|error| Failure::usage("--replay", format!("{error:#}")))
    }

    /// A rate with these arrivals.
    pub(super) fn schedule(&self, rate: crate::schedule::Rate) -> Schedule {
        Schedule::ByRate { rate, spacing: self.arrivals, seed: self.seed }
    }

    /// What to do.
    pub(super) fn plan(&self, pace: Pace, duration: Duration, messages: Messages) -> Result<Plan, Failure> {
        let mut headers: HeaderMap = self.header.iter().cloned().collect();
        if !self.no_reasons && !self.is_grpc() {
            headers.insert("x-tagbid-debug", HeaderValue::from_static("1"));
        }
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse();
            headers.insert("authorization", value.map_err(|_| Failure::usage("--token", "no header value"))?);
        }
        Ok(Plan {
            headers,
            encoding: self.encoding(),
            warmup: self.warmup,
            connections: self.connections as usize,
            streams: if self.is_grpc() { self.streams as usize } else { 1 },
            in_flight: self.in_flight as usize,
            timeout: self.timeout,
            tmax: self.tmax,
            reading: Reading::Content,
            threads: self.threads as usize,
            ..Plan::new(self.to.clone(), pace, duration, messages)
        })
    }

    /// Starts the sender of notices, if any are to be sent.
    pub(super) fn notices(&self) -> anyhow::Result<Option<(notices::Sender, Notices)>> {
        let chosen = &self.notices;
        if chosen.win_rate == 0.0 && chosen.loss_rate == 0.0 {
            return Ok(None);
        }
        let own = self.to.authority().map(ToString::to_string);
        Notices::start(notices::Options {
            win: chosen.win_rate,
            billing: chosen.billing_rate,
            loss: chosen.loss_rate,
            click: chosen.click_rate,
            hosts: chosen.notice_host.iter().cloned().chain(own).collect(),
            encoding: self.encoding(),
            seed: self.seed,
        })
        .map(Some)
    }

    /// The result of a run by a plan; its measured part began at this moment.
    pub(super) fn results(
        &self,
        plan: &Plan,
        record: Record,
        notices: Option<notices::Report>,
        started_ms: i64,
    ) -> Results {
        let open_loop = plan.pace != Pace::Saturate;
        let machine = Machine {
            host: uname().nodename().to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms,
            rate: rate(&plan.pace),
            arrivals: self.arrivals.as_str().to_owned(),
            seed: self.seed,
            requests: plan.messages.list.len() as u64,
            fingerprint: plan.messages.fingerprint(),
            connections: plan.connections as u64,
            streams: plan.streams as u64,
            in_flight: plan.in_flight as u64,
            threads: plan.threads as u64,
            invalid: invalid(&record, open_loop, self.max_lag),
        };
        let run = Run {
            url: plan.url.to_string(),
            encoding: plan.encoding.as_str().to_owned(),
            open_loop,
            duration_us: micros(plan.duration),
            warmup_us: micros(plan.warmup),
            window_us: micros(window_length(plan.duration)),
            tmax_us: micros(plan.tmax),
            timeout_us: micros(plan.timeout),
        };
        Results { schema: SCHEMA.to_owned(), run, machines: vec![machine], record, notices }
    }
}

/// The rate of a pace in the language that it is read from.
fn rate(pace: &Pace) -> String {
    match pace {
        Pace::Saturate => "max".to_owned(),
        Pace::Open(Schedule::ByRate { rate, .. }) => rate.to_string(),
        Pace::Open(Schedule::Recorded { times }) => format!("{} as recorded", times.len()),
    }
}
