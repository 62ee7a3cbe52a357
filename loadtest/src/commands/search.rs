//! `loadtest search`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde_json::json;
use tagbid_exchange::Dice;

use crate::load::Pace;
use crate::message::Messages;
use crate::report;
use crate::results::Results;
use crate::schedule::Rate;
use crate::search::{Found, Kind, Search, Verdict, Why, proven};
use crate::slo::{Conditions, with_figures};
use crate::stats::Pool;
use crate::units::{micros, parse_positive_span, parse_share, parse_span, show_share};
use crate::view::{self, Lines};

use super::load_args::LoadArgs;
use super::run::execute;
use super::{Failure, INVALID, THRESHOLD};

/// How often slices are drawn again to say how sure the result is.
const DRAWS: u32 = 2_000;

/// Finds the largest rate at which an SLO holds: doubles until it breaks, halves the distance until it is known to the
/// precision, then repeats that rate, and lowers it until all repetitions hold.
///
/// Exit code: 0; 1 when no rate that was tried holds; 2 for wrong usage; 3 when the generator could not send as much as the
/// server held, so that only a lower bound is known.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SearchArgs {
    /// What must hold: p99<10ms,late<0.1%,errors<0.01%. Figures: p50, p99, p99.9, max, late, shed, errors, skipped,
    /// failures, bids, rate.
    #[arg(long, value_name = "CONDITIONS", value_parser = Conditions::parse)]
    slo: Conditions,
    /// The first rate.
    #[arg(long, value_name = "RATE", default_value_t = 500.0, value_parser = rate)]
    from: f64,
    /// The largest rate to try.
    #[arg(long, value_name = "RATE", default_value_t = 1_000_000.0, value_parser = rate)]
    most: f64,
    /// How near to the truth.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = parse_share)]
    precision: f64,
    /// How long each look takes.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_positive_span)]
    step: Duration,
    /// Runs that must all hold at the rate that is told.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    confirm: u32,
    /// How long each of them takes.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_positive_span)]
    confirm_time: Duration,
    /// Between two runs: a server that was overloaded has work left.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_span)]
    rest: Duration,
    /// Write NAME.search.json, and the reports of the last run that confirmed as NAME.json and so on.
    #[arg(long, short, value_name = "NAME")]
    out: Option<PathBuf>,
    #[command(flatten)]
    load: LoadArgs,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.01..=10_000_000.0).contains(rate));
    rate.ok_or_else(|| "use requests a second, above zero".to_owned())
}

/// Runs it.
pub(super) fn run(args: &SearchArgs) -> Result<ExitCode, Failure> {
    if !(0.001..=1.0).contains(&args.precision) {
        return Err(Failure::usage("--precision", "use 0.1% to 100%"));
    }
    args.load.settle()?;
    let mut runs = Runs { args, messages: args.load.generated()?, probes: Vec::new(), confirmed: Vec::new() };
    let search =
        Search { from: args.from, most: args.most, precision: args.precision, confirm: args.confirm };
    let found = search.search(|rate, kind| runs.judge(rate, kind))?;
    report::print(&runs.tell(found))?;
    runs.write(found)?;
    Ok(match found {
        Found::Rate(_) | Found::AtLeast(_, Why::Most) => ExitCode::SUCCESS,
        Found::AtLeast(_, Why::Generator) => ExitCode::from(INVALID),
        Found::None => ExitCode::from(THRESHOLD),
    })
}

struct Runs<'a> {
    args: &'a SearchArgs,
    messages: Messages,
    probes: Vec<serde_json::Value>,
    /// Runs that confirm the rate that is confirmed now.
    confirmed: Vec<Results>,
}

impl Runs<'_> {
    /// Runs at a rate. What is INVALID is tried once more: a machine may have been busy for a moment.
    fn judge(&mut self, rate: f64, kind: Kind) -> Result<Verdict, Failure> {
        let mut verdict = self.once(rate, kind)?;
        if verdict == Verdict::Invalid {
            verdict = self.once(rate, kind)?;
        }
        Ok(verdict)
    }

    fn once(&mut self, rate: f64, kind: Kind) -> Result<Verdict, Failure> {
        thread::sleep(self.args.rest);
        let length = match kind {
            Kind::Probe => self.args.step,
            Kind::Confirm => self.args.confirm_time,
        };
        let schedule = self.args.load.schedule(Rate::steady(rate, length));
        let plan = self.args.load.plan(Pace::Open(schedule), length, self.messages.clone())?;
        let results = execute(&self.args.load, plan, Lines::None)?;
        let (broken, figures) = with_figures(&results.record, results.seconds(), |figures| {
            let told: Vec<String> = self.args.slo.iter().map(|condition| condition.tell(figures)).collect();
            (!self.args.slo.broken(figures).is_empty(), told)
        });
        let invalid = results.invalid();
        // A server that answers nothing breaks the SLO, if the generator did what it promised.
        let silent = results.record.answers() == 0 && invalid.len() == 1;
        let verdict = match broken {
            _ if !invalid.is_empty() && !silent => Verdict::Invalid,
            true => Verdict::Breaks,
            false => Verdict::Holds,
        };
        let word = match verdict {
            Verdict::Holds => "holds",
            Verdict::Breaks => "breaks",
            Verdict::Invalid => "INVALID",
        };
        view::note(&format!("{rate:>9.0}/s  {word:<8} {}  {}", figures.join(", "), invalid.join("; ")));
        self.probes.push(json!({
            "rate": rate,
            "seconds": length.as_secs_f64(),
            "confirms": kind == Kind::Confirm,
            "verdict": word,
            "figures": figures,
            "invalid": invalid,
        }));
        if kind == Kind::Confirm && verdict == Verdict::Holds {
            let rates = |one: &Results| one.machines.iter().map(|own| own.rate.clone()).collect::<Vec<_>>();
            self.confirmed.retain(|one| rates(one) == rates(&results));
            self.confirmed.push(results);
        }
        Ok(verdict)
    }

    /// How often the SLO holds when the confirming runs' seconds are drawn again; none: they are too few.
    fn confidence(&self) -> Option<f64> {
        let pool = Pool::new(&self.confirmed)?;
        let mut dice = Dice::new(self.args.load.seed);
        let holds = (0..DRAWS)
            .filter(|_| pool.draw(&mut dice).look(|figures| self.args.slo.broken(figures).is_empty()));
        Some(holds.count() as f64 / f64::from(DRAWS))
    }

    fn tell(&self, found: Found) -> String {
        let (slo, mut out) = (&self.args.slo, String::new());
        // Writing to a string cannot fail.
        let _told = match found {
            Found::Rate(rate) => {
                writeln!(out, "{rate:.0} requests a second is the largest rate that holds {slo}")
            }
            Found::AtLeast(rate, Why::Most) => {
                writeln!(out, "{rate:.0} requests a second, the most that was to be tried, holds {slo}")
            }
            Found::AtLeast(rate, Why::Generator) => writeln!(
                out,
                "INVALID: {rate:.0} requests a second holds {slo}, and the generator cannot send much more: give it a \
                 core of its own, more --threads, or more machines"
            ),
            Found::None => writeln!(out, "no rate that was tried holds {slo}"),
        };
        if found != Found::None {
            let (runs, precision) = (self.args.confirm, show_share(self.args.precision));
            let _told = writeln!(
                out,
                "known to {precision}; held in {runs} of {runs} runs of {} s, by which a run breaks it less often than {} \
                 (95 % confidence)",
                self.args.confirm_time.as_secs_f64(),
                proven(runs)
            );
            if let Some(confidence) = self.confidence() {
                let _told = writeln!(
                    out,
                    "it also holds in {} of {DRAWS} draws from the seconds of these runs (block bootstrap)",
                    show_share(confidence)
                );
            }
        }
        out
    }

    fn write(&self, found: Found) -> Result<(), Failure> {
        let Some(out) = &self.args.out else { return Ok(()) };
        let (rate, limited) = match found {
            Found::Rate(rate) => (Some(rate), None),
            Found::AtLeast(rate, Why::Most) => (Some(rate), Some("most")),
            Found::AtLeast(rate, Why::Generator) => (Some(rate), Some("generator")),
            Found::None => (None, None),
        };
        let document = json!({
            "slo": self.args.slo.to_string(),
            "rate": rate,
            "limited_by": limited,
            "precision": self.args.precision,
            "confidence": self.confidence(),
            "confirm_us": micros(self.args.confirm_time),
            "runs": self.probes,
        });
        if let Some(last) = self.confirmed.last() {
            report::write_all(last, out)?;
        }
        let mut file = out.as_os_str().to_owned();
        file.push(".search.json");
        std::fs::write(&file, format!("{document:#}\n"))?;
        view::note(&format!("wrote {}", PathBuf::from(file).display()));
        Ok(())
    }
}
