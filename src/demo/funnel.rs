//! The funnel of one line item in a few words.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;

use tagbid_clients::AdvertiserClient;
use tagbid_ports::{Funnel, LineItemFunnel};

use super::report::Page;
use super::seed::Seeded;

/// Reasons that are spelt out; the others are few.
const SPELT_OUT: usize = 3;

/// Wins that are looked at to choose it.
const LATEST: u16 = 1_000;

/// Prints the funnel of the line item that won most often of late, if any did.
pub(super) async fn print<W: Write>(
    page: &mut Page<W>,
    client: &AdvertiserClient,
    seeded: &Seeded,
) -> anyhow::Result<()> {
    let mut wins_of = BTreeMap::new();
    for won in client.won(LATEST).await? {
        *wins_of.entry(won.line_item).or_insert(0_usize) += 1;
    }
    let Some((best, _)) = wins_of.into_iter().max_by_key(|(_, wins)| *wins) else { return Ok(()) };
    let (funnel, wins) = client.funnel(best).await?;
    page.gap();
    page.field("funnel", format_args!("{}: {}", seeded.title(best), in_words(&funnel, wins)));
    Ok(())
}

fn in_words(funnel: &Funnel, wins: Option<u64>) -> String {
    let sum = |count: fn(&tagbid_ports::FunnelSource) -> u64| funnel.sources.iter().map(count).sum::<u64>();
    let (sampled, requests) = (sum(|one| one.sampled), sum(|one| one.requests));
    let own = funnel.line_items.first().map(counts).unwrap_or_default();
    let wins = wins.map(|wins| format!("; it won {wins} of all")).unwrap_or_default();
    format!("on {sampled} of {requests} requests {own}{wins}")
}

fn counts(own: &LineItemFunnel) -> String {
    let mut losses: Vec<_> = own.losses.iter().collect();
    losses.sort_by_key(|(_, count)| Reverse(**count));
    let losses = losses.iter().take(SPELT_OUT).map(|(loss, count)| format!("{} {count}", loss.as_str()));
    let losses = losses.collect::<Vec<_>>().join(", ");
    let losses = if losses.is_empty() { "nothing".into() } else { losses };
    let LineItemFunnel { considered, matched, priced, bid, .. } = own;
    format!("considered {considered}, matched {matched} (lost: {losses}), priced {priced}, bid {bid}")
}

#[cfg(test)]
mod tests {
    use tagbid_ports::{FunnelSource, Loss};
    use tagbid_types::{LineItemId, NoBidReason};

    use super::*;

    #[test]
    fn a_funnel_reads_from_the_traffic_to_the_wins() {
        let losses = [(Loss::Reason(NoBidReason::BelowFloor), 1), (Loss::Outbid, 2)];
        let own = LineItemFunnel {
            considered: 9,
            matched: 4,
            losses: losses.into(),
            priced: 3,
            bid: 1,
            ..LineItemFunnel::empty(LineItemId(1))
        };
        let source = FunnelSource { requests: 80, sampled: 8, ..FunnelSource::default() };
        let funnel = Funnel { sources: vec![source], line_items: vec![own] };
        assert_eq!(
            in_words(&funnel, Some(6)),
            "on 8 of 80 requests considered 9, matched 4 (lost: outbid 2, below_floor 1), priced 3, bid 1; it won 6 of all"
        );
    }
}
