//! `loadtest bench-overload`: what is left of a bidder's goodput when far more comes than it can serve.
//!
//! With `c` the processor time of a request that is served, `s` that of one that is turned away, and `G = 1/c` the largest goodput:
//! of `kG` requests a second `g` are served and the others turned away, and together they take all the time there is for
//! requests,
//!
//! ```text
//! g c + (k G - g) s = 1,   so   g / G = (1 - k s/c) / (1 - s/c)
//! ```
//!
//! which is the best that any server can do that says no to those it does not serve. A server that serves requests whose time
//! is over, or turns them away late, gets less. All are measured in one run: what the process uses when nothing comes, which is
//! left out; `c` and `G` in closed loop on few connections, so that no queue stands; `s` in closed loop on an exchange whose requests are
//! hopeless from the start, on as many connections as `g`, which is measured in open loop. Among requests that are served one costs
//! more to turn away than among its like (caches are cold): the target leaves a tenth for that.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use http::{HeaderValue, Uri};
use tagbid_exchange::Traffic;

use super::{SETTLING, WITHOUT, start_tagbid, tagbid};
use crate::cpu;
use crate::load::{self, Pace, Plan};
use crate::message::{Encoding, Messages};
use crate::record::Record;
use crate::results;
use crate::schedule::{Rate, Schedule, Spacing};
use crate::server::Server;

/// What to bench.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Line items in the catalog.
    #[arg(long, default_value_t = 10_000)]
    line_items: u32,
    /// Users with tags.
    #[arg(long, default_value_t = 100_000)]
    users: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(3..=600))]
    seconds: u64,
    /// The tagbid binary; without it, it is built and taken from beside this one.
    #[arg(long, value_name = "FILE")]
    tagbid: Option<PathBuf>,
    /// Where the server runs and leaves its files.
    #[arg(long, value_name = "FOLDER", default_value = "target/bench/overload.run")]
    folder: PathBuf,
}

/// How many times of the largest goodput comes.
const LOADS: [f64; 3] = [1.5, 2.0, 3.0];

/// The part of the possible goodput that there has to be.
const PLATEAU: f64 = 0.9;

/// The shortest `tmax` of generated requests less the demo exchange's margin: within that p99 of what is served has to be.
const WITHIN: Duration = Duration::from_millis(95);

/// In closed loop: so few wait for each other for less than what counts as a queue.
const FEW: usize = 8;

/// In open loop: enough for all that is under way, so that the queue is the server's.
const MANY: usize = 1_024;

/// A usual load, to come back to, and the part of its requests in a second that may fail then.
const USUAL: f64 = 0.8;
const FAILED: f64 = 0.01;

/// How soon it has to be well again.
const RECOVERED: u64 = 10;

/// How long nothing comes.
const IDLE: Duration = Duration::from_secs(4);

/// How late the generator may be at its 99th percentile: far below what counts here.
const MAX_LAG: Duration = Duration::from_millis(5);

/// An exchange whose answers are of use for a millisecond.
const HOPELESS: &str = "hopeless";

/// Runs it. Exit code 1 when a figure is INVALID or not as it should be.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cores = cpu::cores();
    let [server_core, .., generator_core] = cores[..] else {
        anyhow::bail!("needs two cores: one for the server, one for the generator");
    };
    let bench = args.as_path_bench();
    let program = tagbid(&bench)?;
    cpu::pin(generator_core)?;
    // The margin is 5 ms unless it is set.
    let hopeless = format!("--set=bidder.exchanges.{HOPELESS}.tmax_ms=6");
    let server = start_tagbid(&bench, server_core, &program, WITHOUT, &[hopeless])?;
    let traffic = Traffic { users: args.users, ..Traffic::default() };
    let requests = Messages::generated(traffic, 1, super::REQUESTS, Encoding::Json)?;
    let mut experiment = Experiment { args, server, requests, idle: 0.0, tell: Tell::default() };
    experiment.run()?;
    Ok(if experiment.tell.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Args {
    fn as_path_bench(&self) -> super::Args {
        super::Args {
            line_items: self.line_items,
            users: self.users,
            seconds: self.seconds,
            connections: FEW,
            traces: false,
            tagbid: self.tagbid.clone(),
            out: self.folder.clone(),
        }
    }
}

struct Experiment<'a> {
    args: &'a Args,
    server: Server,
    requests: Messages,
    /// The part of its core that the server uses when nothing comes.
    idle: f64,
    tell: Tell,
}

/// The largest goodput, in requests a second, and what one of them costs.
#[derive(Clone, Copy)]
struct Peak {
    rate: f64,
    serve_us: f64,
}

/// What a load cost and brought.
struct Measured {
    load: Record,
    /// Processor time of the server, in microseconds, without what it uses when nothing comes.
    cpu_us: f64,
    seconds: f64,
}

impl Measured {
    fn good(&self) -> f64 {
        self.load.tallies().good() as f64
    }

    fn shed(&self) -> f64 {
        self.load.tallies().outcomes.shed as f64
    }
}

impl Experiment<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        self.measure("demo", FEW, Pace::per_second(SETTLING.0, SETTLING.1), SETTLING.1)?;
        let before = self.server.cpu()?;
        std::thread::sleep(IDLE);
        self.idle = self.server.cpu()?.saturating_sub(before).as_secs_f64() / IDLE.as_secs_f64();
        let mut peak = self.peak()?;
        let length = Duration::from_secs(self.args.seconds);
        let hopeless = self.measure(HOPELESS, MANY, Pace::Saturate, length)?;
        let shed_us = (hopeless.cpu_us - hopeless.good() * peak.serve_us) / hopeless.shed().max(1.0);
        ensure!(hopeless.shed() > 100.0 * hopeless.good(), "too few were shed to know what it costs");
        self.tell.figure("used when nothing comes", format!("{:.1}", self.idle * 100.0), "% of its core");
        self.tell.figure("largest goodput at first", format!("{:.0}", peak.rate), "requests/s");
        self.tell.figure("processor time of one that is served", format!("{:.1}", peak.serve_us), "us");
        self.tell.figure("processor time of one that is turned away", format!("{shed_us:.1}"), "us");
        for times in LOADS {
            peak = self.overload(times, peak, shed_us)?;
        }
        self.recovery(peak.rate)
    }

    /// What it can do without a queue.
    fn peak(&self) -> anyhow::Result<Peak> {
        let length = Duration::from_secs(self.args.seconds.div_ceil(2));
        let seen = self.measure("demo", FEW, Pace::Saturate, length)?;
        ensure!(seen.shed() <= 0.01 * seen.good(), "{} requests were shed in closed loop", seen.shed());
        Ok(Peak { rate: seen.good() / seen.seconds, serve_us: seen.cpu_us / seen.good().max(1.0) })
    }

    /// Sends so many times the largest goodput, which is measured again afterwards: a shared machine changes by the minute, and
    /// what is possible is the mean of before and after.
    fn overload(&mut self, times: f64, before: Peak, shed_us: f64) -> anyhow::Result<Peak> {
        let length = Duration::from_secs(self.args.seconds);
        let rate = Rate::steady(times * before.rate, length);
        let seen = self.measure("demo", MANY, poisson(rate), length)?;
        let after = self.peak()?;
        let most = f64::midpoint(before.rate, after.rate);
        let came = times * before.rate / most;
        let possible = possible(came, shed_us / f64::midpoint(before.serve_us, after.serve_us));
        let name = |what: &str| format!("{times}x: {what}");
        let invalid = results::invalid(&seen.load, true, MAX_LAG);
        self.tell.check(&name("the generator kept its promise"), invalid.is_empty(), &invalid.join("; "), "");
        let part = seen.good() / length.as_secs_f64() / most;
        let told = format!("{:.1} of {:.1}", part * 100.0, possible * 100.0);
        self.tell.check(&name("goodput"), part >= PLATEAU * possible, &told, "% of the largest");
        let busy = format!("{:.1}", seen.cpu_us / seen.seconds / 1e4 + self.idle * 100.0);
        self.tell.figure(&name("the server was busy"), busy, "% of its core");
        let p99 = Duration::from_micros(seen.load.served().quantile(0.99));
        let told = format!("{:.1}", p99.as_secs_f64() * 1e3);
        self.tell.check(&name("p99 of what is served"), p99 <= WITHIN, &told, "ms");
        let tallies = seen.load.tallies();
        let lost = tallies.outcomes.late + tallies.errors();
        let told = format!("{:.2}", tallies.share(lost) * 100.0);
        self.tell.check(&name("late, failed or never sent"), tallies.share(lost) < 0.01, &told, "%");
        Ok(after)
    }

    /// Sends far too much, and then what is usual: in which second of that all is well for good.
    fn recovery(&mut self, most: f64) -> anyhow::Result<()> {
        let (long, after) = (self.args.seconds, RECOVERED + 5);
        let steps = format!("{:.0}:{long}s,{:.0}:{after}s", 3.0 * most, USUAL * most);
        let rate = Rate::parse(&steps, None).map_err(anyhow::Error::msg)?;
        let length = rate.length();
        let seen = self.measure("demo", MANY, poisson(rate), length)?;
        let windows = seen.load.windows.iter().skip(usize::try_from(long)?);
        let bad = windows.map(|window| window.tallies.share(window.tallies.failures()) > FAILED);
        let recovered = (1..).zip(bad).filter(|(_, bad)| *bad).map(|(second, _)| second).max().unwrap_or(0);
        let told = recovered.to_string();
        self.tell.check("well again after 3x", recovered <= RECOVERED, &told, "s");
        Ok(())
    }

    fn measure(
        &self,
        exchange: &str,
        connections: usize,
        pace: Pace,
        length: Duration,
    ) -> anyhow::Result<Measured> {
        let url = self.server.url.to_string().replace("/demo", &format!("/{exchange}"));
        let url: Uri = url.parse().context("the server's URL")?;
        let mut plan = Plan { connections, ..Plan::new(url, pace, length, self.requests.clone()) };
        plan.headers.insert("x-tagbid-debug", HeaderValue::from_static("1"));
        let before = self.server.cpu()?;
        let load = load::run(&plan)?;
        let used = self.server.cpu()?.saturating_sub(before);
        let seconds = load.elapsed.as_secs_f64();
        Ok(Measured { load, cpu_us: (used.as_secs_f64() - self.idle * seconds) * 1e6, seconds })
    }
}

/// The part of the largest goodput that is possible at so many times of it.
fn possible(times: f64, shed_by_serve: f64) -> f64 {
    ((1.0 - times * shed_by_serve) / (1.0 - shed_by_serve)).max(0.0)
}

/// As independent callers come.
fn poisson(rate: Rate) -> Pace {
    Pace::Open(Schedule::ByRate { rate, spacing: Spacing::Poisson, seed: 1 })
}

/// Figures for people, and for target/bench/faults.json where its name is told.
#[derive(Default)]
struct Tell {
    failed: bool,
}

impl Tell {
    fn check(&mut self, what: &str, holds: bool, value: &str, unit: &str) {
        self.failed |= !holds;
        let verdict = if holds { "passed" } else { "FAILED" };
        self.figure(&format!("{what} ({verdict})"), value.to_owned(), unit);
    }

    fn figure(&mut self, what: &str, value: String, unit: &str) {
        let written = self.write(what, &value, unit);
        // Who does not read what is said here misses the figures, and the exit code says the rest.
        self.failed |= written.is_err();
    }

    fn write(&self, what: &str, value: &str, unit: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{:<20} {what:<58} {value:>20} {unit}", "overload")?;
        let Some(file) = std::env::var_os("TAGBID_BENCH_FILE") else {
            return Ok(());
        };
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(Path::new(&file))?;
        let line = serde_json::json!({ "fault": "overload", "what": what, "value": value, "unit": unit });
        writeln!(file, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_possible_follows_from_the_costs() {
        // Turning away costs nothing: all of it. It costs as much as a third: at three times the load nothing is left.
        assert!((possible(3.0, 0.0) - 1.0).abs() < 1e-9);
        assert!(possible(3.0, 1.0 / 3.0).abs() < 1e-9);
        // g c + (k G - g) s = 1 with c = 100, s = 10, k = 2: 100 g + (0.02 - g) 10 = 1.
        assert!((possible(2.0, 0.1) - 0.8 / 90.0 * 100.0).abs() < 1e-9);
    }
}
