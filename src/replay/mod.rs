//! `tagbid replay`: sends bid requests from files and tells what came back.

mod answer;
mod input;
mod lanes;
mod summary;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use answer::Answered;
use input::Input;
use summary::Summary;

use crate::out::out;

/// Requests that are read ahead of being sent, and answers ahead of being printed.
const AHEAD: usize = 256;

/// Sends the bid requests of files to a bid URL and prints each answer, then a summary.
///
/// A file is one JSON request, an array of them, or NDJSON with one request, or one {"source", "request"}, a line;
/// `.gz` is unpacked, `-` is standard input. Lines that cannot be read are reported by file and line, counted, and
/// not sent. Answers that break OpenRTB are reported with the rule.
///
/// Exit code: 0; 1 when there was a connection error or a 5xx, or, with --strict, an unreadable line or an answer
/// that breaks OpenRTB.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files to read; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The bid URL, http://HOST[:PORT]/PATH.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/openrtb2/demo")]
    pub(crate) to: String,
    /// Requests under way at a time, each on a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
    /// Requests a second; without it, as fast as the answers come.
    #[arg(long, value_name = "PER_SECOND", value_parser = positive)]
    pub(crate) rate: Option<f64>,
    /// A header for each request, such as "x-openrtb-version: 2.5"; may be given several times.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<(HeaderName, HeaderValue)>,
    /// Ask for the reasons of refusals and no-bids (sends `x-tagbid-debug: 1`).
    #[arg(long)]
    pub(crate) debug: bool,
    /// Longest wait for an answer in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// Print JSON: an object a line for each answer, then {"summary": ...}.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the summary only, and what went wrong.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Exit with 1 also for unreadable lines and for answers that break OpenRTB.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Sends it all. An error means that nothing was sent: a bad URL.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let summary = replay(&args, &mut out()).await?;
    Ok(if summary.is_failure(args.strict) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The same with the output given, for tests.
async fn replay(args: &Args, out: &mut impl Write) -> anyhow::Result<Summary> {
    let url: Uri = args.to.parse().with_context(|| format!("--to {:?} is not a URL", args.to))?;
    let target = lanes::Target {
        host: tagbid_exchange::net::authority(&url).context("--to")?,
        path: url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned(),
        headers: headers(args),
        timeout: Duration::from_millis(args.timeout),
        rate: args.rate,
    };
    let (requests, queue) = mpsc::channel(AHEAD);
    let (outcomes, mut answers) = mpsc::channel(AHEAD);
    let mut tasks = JoinSet::new();
    let (files, unread) = (args.files.clone(), outcomes.clone());
    tasks.spawn_blocking(move || input::read_all(&files, &requests, &unread));
    lanes::start(&mut tasks, args.concurrency, target, queue, outcomes);

    let mut summary = Summary::default();
    while let Some(answered) = answers.recv().await {
        summary.add(&answered);
        if !args.quiet || answered.is_problem() {
            print(&answered, args.json, out)?;
        }
    }
    if args.json {
        writeln!(out, "{}", serde_json::json!({ "summary": summary.to_json() }))?;
    } else {
        writeln!(out, "{summary}")?;
    }
    Ok(summary)
}

fn print(answered: &Answered, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json { writeln!(out, "{}", answered.to_json()) } else { writeln!(out, "{answered}") }
}

fn headers(args: &Args) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if args.debug {
        headers.insert("x-tagbid-debug", HeaderValue::from_static("1"));
    }
    headers.extend(args.header.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
    headers
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("use a number above zero".to_owned()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("use NAME: VALUE")?;
    let name = name.trim().parse().map_err(|_| format!("{name:?} is not a header name"))?;
    let value = value.trim().parse().map_err(|_| format!("{value:?} is not a header value"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests;
