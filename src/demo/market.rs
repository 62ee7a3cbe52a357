//! The simulated exchange at work, a line a second.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tagbid_exchange::simulator::{Options, Report, Simulator};
use tagbid_exchange::world::World;
use tagbid_exchange::{Rates, Traffic};
use tagbid_types::{Cpm, Currency, Nanos};
use tokio::time::{MissedTickBehavior, interval};

use super::report::Page;

/// What the exchange is told to do.
pub(super) fn options(url: String, args: &super::Args) -> Options {
    Options {
        url,
        rate: f64::from(args.rate),
        duration: Duration::from_secs(args.seconds),
        seed: args.seed,
        traffic: traffic(args),
        ..Options::default()
    }
}

/// What its requests are like.
pub(super) fn traffic(args: &super::Args) -> Traffic {
    Traffic { users: args.users.max(1), ..Traffic::default() }
}

/// Runs it to the end, the last notice included.
pub(super) async fn run<W: Write>(
    world: Arc<World>,
    options: Options,
    page: &mut Page<W>,
) -> anyhow::Result<Report> {
    let simulator = Simulator::new(world, options)?;
    let mut run = Box::pin(simulator.run());
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once.
    tick.tick().await;
    let mut before = simulator.report();
    for second in 1_u32.. {
        tokio::select! {
            report = &mut run => return Ok(report),
            _ = tick.tick() => {
                let now = simulator.report();
                live_line(second, &before, &now, page);
                before = now;
            }
        }
    }
    Ok(before)
}

fn live_line<W: Write>(second: u32, before: &Report, now: &Report, page: &mut Page<W>) {
    let requests = now.requests - before.requests;
    if requests == 0 {
        let notices = now.notices.values().sum::<u64>() - before.notices.values().sum::<u64>();
        return page.line(format_args!("  {second:>3} s   all requests sent; {notices} notices more"));
    }
    let answered = now.answers_with_bids - before.answers_with_bids;
    let mut latency = now.latency.clone();
    // Cannot fail: one holds at least what the other held.
    let _ = latency.subtract(&before.latency);
    let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1_000.0;
    page.line(format_args!(
        "  {second:>3} s {requests:>6} requests/s   bid on {:>3.0} %   won {:>4}   spent {:>8.4} USD   p50 {:>6.2} ms   \
         p99 {:>6.2} ms",
        100.0 * answered as f64 / requests as f64,
        now.wins - before.wins,
        units(in_dollars(&now.spend).0 - in_dollars(&before.spend).0),
        at(0.5),
        at(0.99),
    ));
}

/// Amounts of several currencies in dollars, at the world's rates. What has no rate is left out; the demo has none.
pub(super) fn in_dollars(amounts: &BTreeMap<Currency, Nanos>) -> Nanos {
    let rates = Rates::default();
    let each = amounts.iter().filter_map(|(currency, amount)| {
        // The rate of an amount is that of a price.
        rates.convert(Cpm(amount.0), *currency, Currency::USD)
    });
    Nanos(each.map(|dollars| dollars.0).fold(0, i64::saturating_add))
}

/// An amount in units, for people.
pub(super) fn units(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_add_up_in_dollars() {
        let amounts = BTreeMap::from([
            (Currency::USD, Nanos(1_000_000_000)),
            ("EUR".parse().unwrap(), Nanos(1_000_000_000)),
            ("JPY".parse().unwrap(), Nanos(100_000_000_000)),
        ]);
        assert_eq!(in_dollars(&amounts), Nanos(2_750_000_000));
    }
}
