//! `loadtest bench-wrk`: the generator's closed loop beside Debian's wrk, against a server with known work. Both get the same
//! core, connections and requests, in turn.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use tagbid_exchange::Traffic;

use crate::cpu;
use crate::load::{self, Pace, Plan};
use crate::message::{Encoding, Messages};
use crate::results;
use crate::server::Server;

/// How far the medians may be apart.
const NEAR: f64 = 0.1;

/// What to bench.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Work of the server for each request, in microseconds.
    #[arg(long, default_value_t = 200)]
    micros: u64,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Measurements of each, in turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// Where to write the JSON.
    #[arg(long, value_name = "FILE", default_value = "target/bench/loadtest.json")]
    out: PathBuf,
}

/// Runs it. Exit code 1 when the two are further apart than a tenth.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cores = cpu::cores();
    let [server_core, .., generator_core] = cores[..] else {
        anyhow::bail!("needs two cores: one for the server, one for the generator");
    };
    let server = Server::of_this(server_core, &["busy", "--micros", &args.micros.to_string()])?;
    cpu::pin(generator_core)?;
    let messages = Messages::generated(Traffic::default(), 1, 1, Encoding::Json)?;
    let body = messages.list.first().context("no request")?.body.clone();
    let folder = args.out.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let script = args.out.with_extension("lua");
    fs::write(&script, lua(&String::from_utf8_lossy(&body)))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        theirs.push(wrk(args, &server, &script)?);
        ours.push(own(args, &server, &messages)?);
    }
    fs::remove_file(&script)?;
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = ours / theirs;
    let near = (ratio - 1.0).abs() <= NEAR;
    let work = args.micros;
    let verdict = if near { "within" } else { "NOT within" };
    writeln!(
        std::io::stdout(),
        "a server with {work} µs of work: loadtest {ours:.0}/s, wrk {theirs:.0}/s, ratio {ratio:.3}, {verdict} {:.0} %",
        NEAR * 100.0
    )?;
    let document = json!({ "work_us": work, "connections": args.connections, "rounds": args.rounds,
        "loadtest_per_second": ours, "wrk_per_second": theirs, "ratio": ratio });
    fs::write(&args.out, format!("{document:#}\n"))?;
    Ok(if near { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn own(args: &Args, server: &Server, messages: &Messages) -> anyhow::Result<f64> {
    let length = Duration::from_secs(args.seconds);
    let plan = Plan {
        connections: args.connections,
        ..Plan::new(server.url.clone(), Pace::Saturate, length, messages.clone())
    };
    let record = load::run(&plan)?;
    let reasons = results::invalid(&record, false, Duration::ZERO);
    ensure!(reasons.is_empty(), "INVALID: {}", reasons.join("; "));
    Ok(record.rate())
}

/// wrk's own figure: "Requests/sec:   4901.23".
fn wrk(args: &Args, server: &Server, script: &Path) -> anyhow::Result<f64> {
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{}", args.connections), &format!("-d{}s", args.seconds), "-s"])
        .arg(script)
        .arg(server.url.to_string())
        .output()
        .context("cannot run wrk: cargo xtask bench loadtest installs it")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let rate = told.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    rate.with_context(|| format!("wrk said no rate: {told}{}", String::from_utf8_lossy(&output.stderr)))
}

/// The same request for wrk. A long bracket takes JSON as it is.
fn lua(body: &str) -> String {
    format!(
        "wrk.method = \"POST\"\nwrk.headers[\"content-type\"] = \"application/json\"\nwrk.body = [==[{body}]==]\n"
    )
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}
