//! `loadtest bench-path`: CPU per request of the bid path beside the transport floor, in one run on one machine.
//!
//! Server and generator have a core each. Each server is measured saturated, and then at half of the largest load
//! that the bid path held, where latency counts. The floor is measured at the same two paces: its cost a request
//! falls by half when requests come in crowds, so anything else would compare different loads.

pub mod overload;
mod report;
mod stages;
mod traces;
pub mod wrk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tagbid_exchange::Traffic;
use tagbid_exchange::check::check_response;

use crate::cpu;
use crate::load::{self, Pace, Plan};
use crate::message::{Encoding, Messages};
use crate::record::Record;
use crate::results;
use crate::server::{Server, ServerCommand, free_port};

use report::{Line, Report};
use stages::Stages;

/// What to bench.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Line items in the catalog.
    #[arg(long, default_value_t = 10_000)]
    pub line_items: u32,
    /// Users with tags.
    #[arg(long, default_value_t = 1_000_000)]
    pub users: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// What traces cost, instead: without a collector, and with one that is sent none, one in a hundred and all of them.
    #[arg(long)]
    pub traces: bool,
    /// The tagbid binary; without it, it is built and taken from beside this one.
    #[arg(long, value_name = "FILE")]
    pub tagbid: Option<PathBuf>,
    /// Where to write the JSON.
    #[arg(long, value_name = "FILE", default_value = "target/bench/path.json")]
    pub out: PathBuf,
}

/// With budgets, frequency caps and the event log for every line item, none of which is ever reached; and without them.
const MODES: [&str; 4] = ["all, saturated", "all", "no money, satur.", "no money"];

/// The demo's `--spending` for either.
const WITH: &str = "wide";
const WITHOUT: &str = "none";

/// Different requests of a run.
const REQUESTS: usize = 20_000;

/// A bidder learns from its first requests how to file its line items, and files them anew at low priority: at this pace
/// and in this time it can. What follows is measured as of a server that has been up for a minute.
const SETTLING: (f64, Duration) = (250.0, Duration::from_secs(20));

/// Answers kept for checking: one in so many.
const SAMPLE_EVERY: u64 = 997;

/// A part of a thousand that may fail before the figures are of no use.
const FAILED_PER_MILLE: u64 = 1;

/// How late the generator may be at its 99th percentile.
const MAX_LAG: Duration = Duration::from_millis(1);

/// How long the server may take to fill itself with line items and users.
const READY_WITHIN: Duration = Duration::from_secs(600);

/// Runs it. Exit code 1 when a figure is INVALID or an answer breaks OpenRTB.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cores = cpu::cores();
    let [server_core, .., generator_core] = cores[..] else {
        anyhow::bail!("needs two cores: one for the server, one for the generator");
    };
    let tagbid = tagbid(args)?;
    cpu::pin(generator_core)?;
    let traffic = Traffic { users: args.users, ..Traffic::default() };
    let bench = Bench { args, requests: Messages::generated(traffic, 1, REQUESTS, Encoding::Json)? };
    let report = if args.traces {
        traces::run(&bench, server_core, &tagbid)?
    } else {
        bench.modes(server_core, &tagbid)?
    };
    report.print()?;
    report.write(&args.out)?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One measurement of one server.
#[derive(Clone, Debug)]
struct Run {
    /// Requests a second; none: saturated.
    rate: Option<f64>,
    load: Record,
    /// CPU of the server a request, in microseconds.
    cpu_us: f64,
    stages: Stages,
    /// Rules that sampled answers break.
    violations: Vec<String>,
}

impl Run {
    fn invalid(&self) -> Option<String> {
        let (load, tallies) = (&self.load, self.load.tallies());
        // Saturated the generator may well be as busy as the floor: what counts there is the server's CPU. It has no lag then.
        let late = results::invalid(load, true, MAX_LAG).into_iter().next();
        let failed = (tallies.errors() * 1000 > load.answers() * FAILED_PER_MILLE).then(|| {
            format!("{} requests failed and {} were skipped", tallies.outcomes.error, tallies.skipped)
        });
        let slow = self.rate.filter(|rate| load.rate() < 0.99 * rate);
        let slow = slow.map(|rate| format!("{:.0} instead of {rate:.0} requests a second", load.rate()));
        let violation = self.violations.first().map(|first| format!("an answer breaks {first}"));
        failed.or(slow).or(late).or(violation)
    }
}

struct Bench<'a> {
    args: &'a Args,
    requests: Messages,
}

impl Bench<'_> {
    fn modes(&self, core: usize, tagbid: &Path) -> anyhow::Result<Report> {
        let args = self.args;
        let with = self.path(&start_tagbid(args, core, tagbid, WITH, &[])?, None)?;
        let half = with.last().and_then(|run| run.rate);
        let without = self.path(&start_tagbid(args, core, tagbid, WITHOUT, &[])?, half)?;
        let floor = Server::of_this(core, &["floor"])?;
        let mut report = Report::default();
        for (mode, path) in MODES.into_iter().zip(with.into_iter().chain(without)) {
            let floor = self.measure(&floor, path.rate)?;
            report.lines.push(Line::new(mode, args, &path, &floor));
        }
        Ok(report)
    }

    /// Saturated, and then at this rate: without one, half of what it held.
    fn path(&self, server: &Server, half: Option<f64>) -> anyhow::Result<[Run; 2]> {
        load::run(&self.plan(server, Some(SETTLING.0), SETTLING.1))?;
        let saturated = self.measure(server, None)?;
        let half = half.unwrap_or(saturated.load.rate() / 2.0);
        Ok([saturated, self.measure(server, Some(half))?])
    }

    fn plan(&self, server: &Server, rate: Option<f64>, duration: Duration) -> Plan {
        let pace = rate.map_or(Pace::Saturate, |rate| Pace::per_second(rate, duration));
        Plan {
            connections: self.args.connections,
            in_flight: 10_000 + self.args.connections,
            sample_every: Some(SAMPLE_EVERY),
            ..Plan::new(server.url.clone(), pace, duration, self.requests.clone())
        }
    }

    /// Warms the server up at the same pace, then measures.
    fn measure(&self, server: &Server, rate: Option<f64>) -> anyhow::Result<Run> {
        load::run(&self.plan(server, rate, Duration::from_secs(2)))?;
        let (cpu_before, stages_before) = (server.cpu()?, Stages::of(server)?);
        let load = load::run(&self.plan(server, rate, Duration::from_secs(self.args.seconds)))?;
        let cpu = server.cpu()?.saturating_sub(cpu_before);
        Ok(Run {
            rate,
            cpu_us: cpu.as_secs_f64() * 1e6 / load.answers().max(1) as f64,
            stages: Stages::of(server)?.since(&stages_before),
            violations: if server.admin.is_some() { violations(&load) } else { Vec::new() },
            load,
        })
    }
}

fn violations(load: &Record) -> Vec<String> {
    let check = |(request, answer): &(bytes::Bytes, bytes::Bytes)| {
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        check_response(&request, &answer)
    };
    load.samples.iter().flat_map(check).map(|violation| violation.to_string()).collect()
}

/// The binary that was named, or a fresh release build of it beside this one.
fn tagbid(args: &Args) -> anyhow::Result<PathBuf> {
    if let Some(named) = &args.tagbid {
        return fs::canonicalize(named).with_context(|| format!("--tagbid {}", named.display()));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--locked", "--release", "--bin", "tagbid"]).status()?;
    ensure!(built.success(), "tagbid does not build");
    let this = std::env::current_exe()?;
    let beside = this.parent().context("this binary has no folder")?.join("tagbid");
    ensure!(beside.exists(), "{} is missing: name the binary with --tagbid", beside.display());
    Ok(beside)
}

/// All roles in one process, filled by the demo's own builder scaled up; its exchange sends one request. It starts in
/// an empty folder, so that no earlier run is measured with it.
fn start_tagbid(
    args: &Args,
    core: usize,
    tagbid: &Path,
    spending: &str,
    more: &[String],
) -> anyhow::Result<Server> {
    let [http, grpc, admin] = [free_port()?, free_port()?, free_port()?];
    let folder = args.out.with_extension("run");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut server_args = vec![
        "demo".to_owned(),
        "--seconds=1".to_owned(),
        "--rate=1".to_owned(),
        format!("--spending={spending}"),
        format!("--line-items={}", args.line_items),
        format!("--users={}", args.users),
        format!("--set=listen.http=127.0.0.1:{http}"),
        format!("--set=listen.grpc=127.0.0.1:{grpc}"),
        format!("--set=listen.admin=127.0.0.1:{admin}"),
    ];
    if spending == WITH {
        // A folder that is named keeps the usual sample; the demo's own would have every bid.
        server_args.push("--set=events.dir=events".to_owned());
    }
    server_args.extend_from_slice(more);
    let command = ServerCommand {
        program: tagbid,
        args: server_args,
        folder: &folder,
        ready: "Serving on",
        url: format!("http://127.0.0.1:{http}/openrtb2/demo").parse()?,
        admin: format!("http://127.0.0.1:{admin}/").parse()?,
    };
    Server::start(core, &command, READY_WITHIN)
}
