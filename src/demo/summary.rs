//! The run in figures: what the exchange saw, what the bidder counted, and whether the ledger agrees.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use anyhow::ensure;
use tagbid_bidder::metrics::{Metrics, Stage};
use tagbid_clients::{AdvertiserClient, Billed, Spent};
use tagbid_exchange::auction::NoticeKind;
use tagbid_exchange::simulator::Report;
use tagbid_types::{Currency, Nanos, Rate};
use tokio::time::{Instant, sleep};

use super::market::{in_dollars, units};
use super::report::Page;

/// How long the ledger may take to hold what it has acknowledged.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);

/// The ledger keeps each charge in the advertiser's currency, at a rate of six decimals (the lowest between the demo's
/// currencies is 0.79, so that a charge is off by 7 in ten million at most) and rounded to a nano.
const RATE_ERROR_PER_MILLION: i64 = 1;

/// Both sides of the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Books {
    /// What the exchange charges, in dollars.
    pub(super) exchange: Nanos,
    /// What the ledger has charged, in dollars.
    pub(super) ledger: Nanos,
    /// Impressions that the ledger billed.
    pub(super) billed: u64,
}

/// What exchanges may invoice, in the currencies that bids were made in: theirs, and by the notices that the ledger has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Invoices {
    pub(super) exchange: BTreeMap<Currency, Nanos>,
    /// None: too many notices to add up here.
    pub(super) ledger: Option<BTreeMap<Currency, Nanos>>,
}

/// Pages of notices that are added up.
const PAGES: usize = 500;

impl Invoices {
    /// Adds up the notices that billed.
    pub(super) async fn of(client: &AdvertiserClient, report: &Report) -> anyhow::Result<Self> {
        let billed = client.billed(PAGES).await?;
        let ledger = billed.map(|billed| add_up(&billed)).transpose()?;
        Ok(Self { exchange: report.spend.clone(), ledger })
    }

    /// Whether no nano is missing.
    fn agree(&self) -> bool {
        self.ledger.as_ref().is_none_or(|ledger| *ledger == self.exchange)
    }

    fn in_words(&self) -> String {
        let sums = |sums: &BTreeMap<Currency, Nanos>| {
            let each = sums.iter().map(|(currency, sum)| format!("{:.9} {currency}", units(sum.0)));
            each.collect::<Vec<_>>().join(", ")
        };
        match &self.ledger {
            Some(ledger) if self.agree() => {
                format!("{}: the same to the nano as the exchange's own total", sums(ledger))
            }
            Some(ledger) => {
                format!("{} by the ledger, {} BY THE EXCHANGE", sums(ledger), sums(&self.exchange))
            }
            None => format!("{} by the exchange; too many notices to add up here", sums(&self.exchange)),
        }
    }
}

/// What each costs, exact: rounded to a nano only where a quantity is not whole, as the exchange does.
fn add_up(billed: &[Billed]) -> anyhow::Result<BTreeMap<Currency, Nanos>> {
    let mut sums = BTreeMap::new();
    for one in billed {
        let sum: &mut Nanos = sums.entry(one.currency).or_default();
        *sum = sum.checked_add(tagbid_notice::cost(one.price, one.quantity, Rate::ONE)?)?;
    }
    Ok(sums)
}

impl Books {
    /// Reads the ledger until it agrees with the exchange, or time is up.
    pub(super) async fn settle(client: &AdvertiserClient, report: &Report) -> anyhow::Result<Self> {
        let deadline = Instant::now() + SETTLE_WITHIN;
        loop {
            let books = Self::of(report, &client.spent().await?);
            if books.agree() || Instant::now() >= deadline {
                return Ok(books);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn of(report: &Report, spent: &[Spent]) -> Self {
        let ledger: BTreeMap<_, _> = spent.iter().map(|one| (one.currency, one.amount)).collect();
        Self {
            exchange: in_dollars(&report.spend),
            ledger: in_dollars(&ledger),
            billed: spent.iter().map(|one| one.billed).sum(),
        }
    }

    /// The comparison in words.
    fn verdict(&self) -> String {
        let apart = self.exchange.0.abs_diff(self.ledger.0);
        let verdict = match (apart, self.agree()) {
            (0, _) => "they agree".to_owned(),
            (_, true) => format!("they agree, but for {apart} nanos that exchange rates were rounded by"),
            (_, false) => "THEY DO NOT AGREE".to_owned(),
        };
        format!("for {} impressions: {verdict}", self.billed)
    }

    /// Whether the sums are the same but for what currencies cost in rounding.
    pub(super) fn agree(&self) -> bool {
        let rounding = i64::try_from(self.billed).unwrap_or(i64::MAX);
        let allowed = self.exchange.0 / 1_000_000 * RATE_ERROR_PER_MILLION + rounding + 1;
        self.exchange.0.abs_diff(self.ledger.0) <= allowed.unsigned_abs()
    }
}

/// Prints the run.
pub(super) fn print<W: Write>(
    page: &mut Page<W>,
    report: &Report,
    metrics: &Metrics,
    books: &Books,
    invoices: &Invoices,
) {
    page.heading("Summary");
    let share = |part: u64| 100.0 * part as f64 / report.requests.max(1) as f64;
    page.field(
        "requests",
        format_args!("{} ({} failed, {} late)", report.requests, report.failures, report.late),
    );
    let answered = report.answers_with_bids;
    page.field(
        "bids",
        format_args!("{} in {answered} answers: {:.1} % of requests", report.bids, share(answered)),
    );
    page.field("no bid", no_bids(metrics, share));
    page.field("won, lost", format_args!("{} and {} of the bids", report.wins, report.losses));
    page.field("notices", notices(report));
    page.field("billed", invoices.in_words());
    verdicts(page, report, books);
    stages(page, metrics);
}

/// Money, time and rules.
fn verdicts<W: Write>(page: &mut Page<W>, report: &Report, books: &Books) {
    page.field("spent, exchange", format_args!("{:.9} USD", units(books.exchange.0)));
    page.field("spent, ledger", format_args!("{:.9} USD {}", units(books.ledger.0), books.verdict()));
    let at = |quantile| report.latency.value_at_quantile(quantile) as f64 / 1_000.0;
    let (p50, p99, most) = (at(0.5), at(0.99), report.latency.max() as f64 / 1_000.0);
    page.field(
        "answered in",
        format_args!("p50 {p50:.2} ms, p99 {p99:.2} ms, at most {most:.2} ms, over the socket"),
    );
    page.field("rules broken", format_args!("{} in {} bids checked", report.broken_rules(), report.bids));
    for example in &report.examples {
        page.field("", example);
    }
}

/// Says no when the run shows a fault: a demo that hides one is worth nothing.
pub(super) fn judge(report: &Report, books: &Books, invoices: &Invoices) -> anyhow::Result<()> {
    ensure!(invoices.agree(), "the exchange and the ledger bill different sums: {}", invoices.in_words());
    let (broken, failures) = (report.broken_rules(), report.failures);
    ensure!(report.wins > 0, "no auction was won: something is wrong with the catalogue or the bid path");
    ensure!(broken == 0, "{broken} rules of OpenRTB were broken; the summary has examples");
    ensure!(failures == 0, "{failures} requests got no answer");
    ensure!(report.notice_failures == 0, "{} notices were not taken", report.notice_failures);
    ensure!(books.agree(), "the exchange charges {} USD, the ledger has {}", books.exchange, books.ledger);
    Ok(())
}

fn no_bids(metrics: &Metrics, share: impl Fn(u64) -> f64) -> String {
    let mut reasons: Vec<_> = metrics.no_bids().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let each = reasons.iter().map(|(reason, n)| format!("{} {n} ({:.1} %)", reason.as_str(), share(*n)));
    each.collect::<Vec<_>>().join(", ")
}

fn notices(report: &Report) -> String {
    let kinds =
        [NoticeKind::Win, NoticeKind::Billing, NoticeKind::Loss, NoticeKind::Impression, NoticeKind::Click];
    let count = |kind| report.notices.get(&kind).copied().unwrap_or(0);
    let each = kinds.map(|kind| format!("{} {}", kind.as_str(), count(kind)));
    format!("{}; {} failed", each.join(", "), report.notice_failures)
}

fn stages<W: Write>(page: &mut Page<W>, metrics: &Metrics) {
    page.gap();
    page.line(format_args!(
        "  {:<18}{:>10}{:>12}{:>12}{:>12}",
        "stage", "requests", "mean", "p50 up to", "p99 up to"
    ));
    for stage in Stage::ALL {
        let seen = metrics.stage(stage);
        let micros = |us: u64| format!("{us} µs");
        page.line(format_args!(
            "  {:<18}{:>10}{:>12}{:>12}{:>12}",
            stage.as_str(),
            seen.count(),
            micros(seen.mean_us()),
            micros(seen.quantile_us(0.5)),
            micros(seen.quantile_us(0.99)),
        ));
    }
}

#[cfg(test)]
mod tests {
    use tagbid_types::{Cpm, Ratio};

    use super::*;

    #[test]
    fn invoices_agree_to_the_nano_or_not_at_all() {
        let sold = |price, quantity| Billed { currency: Currency::USD, price: Cpm(price), quantity };
        let ledger = add_up(&[sold(2_000_000, Ratio::ONE), sold(1_000_001, Ratio(12_500_000))]).unwrap();
        assert_eq!(ledger, BTreeMap::from([(Currency::USD, Nanos(2_000_000 + 12_500_012))]));
        let exchange = |nanos| BTreeMap::from([(Currency::USD, Nanos(nanos))]);
        let invoices = |nanos| Invoices { exchange: exchange(nanos), ledger: Some(ledger.clone()) };
        assert!(invoices(14_500_012).agree());
        assert!(!invoices(14_500_013).agree());
        assert!(invoices(14_500_013).in_words().contains("BY THE EXCHANGE"));
    }

    #[test]
    fn books_agree_to_the_rounding_and_no_further() {
        let books = |ledger| Books { exchange: Nanos(5_000_000_000), ledger: Nanos(ledger), billed: 10 };
        assert!(books(5_000_000_000).agree());
        assert!(books(5_000_000_000 - 5_011).agree(), "a ten-millionth and ten nanos");
        assert!(!books(5_000_000_000 - 5_012).agree());
        assert!(!books(5_000_000_000 + 2_000_000).agree(), "one impression too many");
    }
}
