//! `loadtest run`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use tagbid_runtime::SystemClock;
use tagbid_types::Clock;

use crate::load::{Pace, Plan, Watcher, run_watched};
use crate::message::Messages;
use crate::report;
use crate::results::Results;
use crate::schedule::{Rate, Schedule};
use crate::slo::{Conditions, with_figures};
use crate::units::parse_positive_span;
use crate::view::{self, Lines};

use super::load_args::LoadArgs;
use super::{Failure, INVALID, THRESHOLD};

/// Sends bid requests at a rate that does not depend on the answers, and tells what came of them.
///
/// Latency counts from the moment at which a request was due, so that a server that stalls cannot hide the requests that
/// it kept waiting. Answers after a request's tmax count as late, whatever they say.
///
/// Exit code: 0; 1 when --fail-if is true; 2 for wrong usage; 3 when the run is INVALID: the generator itself was late, missed
/// its rate, or got no answers.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RunArgs {
    /// Requests a second: 2000, or 1000..8000/60s for a ramp, or 1000:10s,2000:10s for steps, or both after each other;
    /// "max" sends the next when the last is answered (closed loop: no corrected latencies).
    #[arg(long, default_value = "1000", conflicts_with = "replay")]
    rate: String,
    /// How long, when the rate does not say it; 30s without.
    #[arg(long, value_name = "TIME", value_parser = parse_positive_span, conflicts_with = "replay")]
    duration: Option<Duration>,
    /// Send recorded requests at their own times instead: NDJSON, {"at_ms": NUMBER, "request": {...}} a line, or .gz of it.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// How much faster than recorded.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, requires = "replay")]
    speed: f64,
    /// What must not be: p99>10ms,late>0.1%,errors>0.01%. Figures: p50, p99, p99.9, max, late, shed, errors, skipped,
    /// failures, bids, rate.
    #[arg(long, value_name = "CONDITIONS", value_parser = Conditions::parse)]
    fail_if: Option<Conditions>,
    /// Write NAME.json, NAME.html, NAME.hgrm, NAME.raw.hgrm and NAME.hlog.
    #[arg(long, short, value_name = "NAME")]
    out: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    load: LoadArgs,
}

/// Runs it.
pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    args.load.settle()?;
    let (pace, duration, messages) = what(args)?;
    view::note(&format!(
        "{} requests, fingerprint {}, seed {}",
        messages.list.len(),
        messages.fingerprint(),
        args.load.seed
    ));
    if messages.left_out > 0 {
        view::note(&format!("{} members have no field in protobuf and are not sent", messages.left_out));
    }
    let mut plan = args.load.plan(pace, duration, messages)?;
    if args.replay.is_some() {
        // A recording has nothing before its first request to warm up with.
        plan.warmup = Duration::ZERO;
    }
    let results = execute(&args.load, plan, Lines::Kept)?;
    finish(args, &results)
}

/// The pace, how long it is, and the requests.
fn what(args: &RunArgs) -> Result<(Pace, Duration, Messages), Failure> {
    if let Some(file) = &args.replay {
        if !(args.speed > 0.0 && args.speed.is_finite()) {
            return Err(Failure::usage("--speed", "use a number above zero"));
        }
        let messages = args.load.recorded(file)?;
        let times = messages.times.iter().flat_map(|times| times.iter());
        let schedule = Schedule::Recorded { times: times.map(|time| time.div_f64(args.speed)).collect() };
        let length = schedule.length();
        return Ok((Pace::Open(schedule), length, messages));
    }
    let messages = args.load.generated()?;
    if args.rate == "max" {
        return Ok((Pace::Saturate, args.duration.unwrap_or(crate::schedule::DEFAULT_LENGTH), messages));
    }
    let rate = Rate::parse(&args.rate, args.duration).map_err(|problem| Failure::usage("--rate", problem))?;
    let length = rate.length();
    Ok((Pace::Open(args.load.schedule(rate)), length, messages))
}

/// Runs a plan with its view and notices.
pub(super) fn execute(load: &LoadArgs, mut plan: Plan, lines: Lines) -> Result<Results, Failure> {
    let notices = load.notices()?;
    let (sender, notices) = notices.map_or((None, None), |(sender, notices)| (Some(sender), Some(notices)));
    plan.notices = sender;
    let (watcher, ticks) = Watcher::new();
    let (warmup, length) = (plan.warmup, plan.duration);
    let viewer = thread::spawn(move || view::watch(&ticks, warmup, length, lines));
    let began = SystemClock.now().0 / 1_000 + i64::try_from(warmup.as_millis()).unwrap_or(0);
    let record = run_watched(&plan, Some(&watcher));
    drop(watcher);
    // A view that panicked is no reason to lose a run.
    let _viewed = viewer.join();
    // The notices end with their last sender.
    plan.notices = None;
    let notices = notices.map(crate::notices::Notices::finish).transpose()?;
    Ok(load.results(&plan, record?, notices, began))
}

fn finish(args: &RunArgs, results: &Results) -> Result<ExitCode, Failure> {
    if args.json {
        report::print(&format!("{:#}\n", results.to_json()))?;
    } else {
        report::print(&report::text(results))?;
    }
    if let Some(out) = &args.out {
        for file in report::write_all(results, out)? {
            view::note(&format!("wrote {}", file.display()));
        }
    }
    Ok(verdict(results, args.fail_if.as_ref()))
}

/// How a command ends that has a result, after saying which thresholds it crossed.
pub(super) fn verdict(results: &Results, fail_if: Option<&Conditions>) -> ExitCode {
    if !results.invalid().is_empty() {
        return ExitCode::from(INVALID);
    }
    let crossed: Vec<String> =
        fail_if.into_iter().flat_map(|conditions| crossed(conditions, results)).collect();
    for told in &crossed {
        view::note(&format!("FAILED {told}"));
    }
    if crossed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(THRESHOLD) }
}

fn crossed(conditions: &Conditions, results: &Results) -> Vec<String> {
    with_figures(&results.record, results.seconds(), |figures| {
        conditions.triggered(figures).iter().map(|condition| condition.tell(figures)).collect()
    })
}
