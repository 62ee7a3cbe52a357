//! One run: every engine on every catalog, each answer compared with the scan's.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::ensure;
use bumpalo::Bump;
use tagbid_targeting::workload::{Visit, Workload, World};
use tagbid_targeting::{Attributes, LiveSet, Refused, Scan, Slot};

use crate::catalog::{Catalog, Visits};
use crate::measure::{Timing, time};
use crate::report::{Line, Report};
use crate::second::Printer;
use crate::subject::{All, Resolving, SCHEMA, Searched, SecondOracle, Subject, Top10};
use crate::{Args, memory, ours};

/// The largest catalog that `a-tree` gets unasked.
const A_TREE_ITEMS: u32 = 10_000;

pub(crate) fn run(args: &Args) -> anyhow::Result<Report> {
    let world = World::default();
    let visits = Visits::new(&world);
    let texts = Bump::new();
    let attributes =
        |visits: &[Visit]| visits.iter().map(|visit| visit.attributes(&texts)).collect::<Vec<_>>();
    let (requests, observed) = (attributes(&visits.measured), attributes(&visits.observed));
    let mut report = Report::default();
    let most = args.items.iter().copied().max().unwrap_or(0);
    Report::print_heads();
    for workload in Workload::ALL {
        let catalog = Catalog::new(&world, workload, most as usize);
        for items in &args.items {
            let case = Case::new(&catalog, *items, &requests, &observed);
            let lines = case.measure(args)?;
            lines.iter().for_each(Line::print);
            report.lines.extend(lines);
        }
    }
    println!("Every answer to these requests was compared with the scan's; all are equal.");
    Ok(report)
}

/// What an engine is measured on, and what the scan answered.
struct Case<'r> {
    catalog: &'r Catalog,
    items: u32,
    requests: &'r [Attributes<'r>],
    observed: &'r [Attributes<'r>],
    live: LiveSet,
}

/// What the scan says to each request.
struct Expected {
    all: Vec<BTreeSet<Slot>>,
    top10: Vec<Vec<Slot>>,
    match_share: f64,
}

/// An engine's memory and the time that it took to build.
#[derive(Clone, Copy)]
struct Built {
    bytes: usize,
    seconds: f64,
}

impl<'r> Case<'r> {
    /// Fewer requests where the scan, which answers all of them, takes tens of milliseconds for each.
    fn new(
        catalog: &'r Catalog,
        items: u32,
        requests: &'r [Attributes<'r>],
        observed: &'r [Attributes<'r>],
    ) -> Self {
        let count = match items {
            0..=50_000 => requests.len(),
            50_001..=500_000 => 400,
            _ => 100,
        };
        Self { catalog, items, requests: &requests[..count], observed, live: LiveSet::all(items) }
    }

    fn measure(&self, args: &Args) -> anyhow::Result<Vec<Line>> {
        let block_lists = self.catalog.block_lists.lists();
        let (scan, built) = build(|| Scan::build(self.catalog.items(self.items), &block_lists))?;
        let searched = self.searched(&scan);
        let expected = self.expected(&searched);
        let mut lines = vec![self.line("scan", &All(&searched), built, expected.match_share)];
        drop(scan);
        if self.items <= A_TREE_ITEMS || args.a_tree_100k && self.items <= 100_000 {
            lines.push(self.a_tree(&expected)?);
        }
        let (engine, built) =
            build(|| ours::build(self.catalog.items(self.items), &block_lists, self.observed))?;
        let searched = self.searched(&engine);
        self.check("all", &expected.all, |request| All(&searched).slots(request).into_iter().collect())?;
        self.check("top10", &expected.top10, |request| Top10(&searched).slots(request))?;
        let resolving = time(&Resolving(&searched), self.requests.len()).mean;
        for line in [
            self.line("all", &All(&searched), built, expected.match_share),
            self.line("top10", &Top10(&searched), built, expected.match_share),
        ] {
            lines.push(Line { resolving_us: Some(resolving), ..line });
        }
        Ok(lines)
    }

    fn searched<'s, E>(&'s self, engine: &'s E) -> Searched<'s, E> {
        Searched { engine, requests: self.requests, live: &self.live }
    }

    fn expected(&self, scan: &Searched<'_, Scan>) -> Expected {
        let numbers = 0..self.requests.len();
        let all: Vec<BTreeSet<_>> =
            numbers.clone().map(|request| All(scan).slots(request).into_iter().collect()).collect();
        let matches = all.iter().map(BTreeSet::len).sum::<usize>() as f64;
        Expected {
            top10: numbers.map(|request| Top10(scan).slots(request)).collect(),
            match_share: matches / (f64::from(self.items) * self.requests.len() as f64),
            all,
        }
    }

    /// Fails at the first request with another answer than the scan's.
    fn check<A: PartialEq + std::fmt::Debug>(
        &self,
        engine: &str,
        expected: &[A],
        answer: impl Fn(usize) -> A,
    ) -> anyhow::Result<()> {
        for (request, expected) in expected.iter().enumerate() {
            let answer = answer(request);
            ensure!(
                answer == *expected,
                "{engine} differs from the scan: {} workload, {} line items, request {request}:\n\
                 {answer:?}\nscan: {expected:?}",
                self.catalog.workload.as_str(),
                self.items,
            );
        }
        Ok(())
    }

    fn a_tree(&self, expected: &Expected) -> anyhow::Result<Line> {
        let block_lists = self.catalog.block_lists.lists();
        let printer = Printer { schema: SCHEMA, lists: &block_lists };
        let texts: Vec<_> =
            self.catalog.items(self.items).map(|item| printer.expression(item.targeting)).collect();
        let (tree, built) = build(|| (printer.tree(&texts), Vec::new()))?;
        let events = self.requests.iter().map(|request| printer.event(&tree, request)).collect();
        let subject = SecondOracle { tree, events };
        self.check("a-tree", &expected.all, |request| subject.slots(request).into_iter().collect())?;
        Ok(self.line("a-tree", &subject, built, expected.match_share))
    }

    fn line(&self, engine: &'static str, subject: &impl Subject, built: Built, match_share: f64) -> Line {
        let Timing { mean, p50, p99, cold_p99 } = time(subject, self.requests.len());
        Line {
            engine,
            workload: self.catalog.workload.as_str(),
            items: self.items,
            mean_us: hundredth(mean),
            p50_us: hundredth(p50),
            p99_us: hundredth(p99),
            cold_p99_us: hundredth(cold_p99),
            bytes_per_item: built.bytes / self.items.max(1) as usize,
            build_s: hundredth(built.seconds),
            match_share,
            resolving_us: None,
            requests: self.requests.len(),
        }
    }
}

/// Builds an engine that must take every line item.
fn build<E>(build: impl FnOnce() -> (E, Vec<Refused>)) -> anyhow::Result<(E, Built)> {
    let start = Instant::now();
    let ((engine, refused), bytes) = memory::held(build);
    let seconds = start.elapsed().as_secs_f64();
    ensure!(refused.is_empty(), "{} line items were refused, first {:?}", refused.len(), refused[0]);
    Ok((engine, Built { bytes, seconds }))
}

fn hundredth(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
