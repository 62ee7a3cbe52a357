//! Small budgets as they run down.

use std::io::Write;

use tagbid_catalog::LineItem;
use tagbid_clients::{AdvertiserClient, Balance};
use tagbid_types::{LineItemId, Nanos};

use super::market::units;
use super::report::Page;
use super::seed::Seeded;

/// Budgets that are shown.
const SHOWN: usize = 5;

/// Characters of a bar.
const BAR: usize = 20;

/// What is left of a line item's day.
struct Left {
    item: LineItemId,
    balance: Balance,
    limit: Nanos,
}

impl Left {
    fn share(&self, of: Nanos) -> f64 {
        of.0.max(0) as f64 / self.limit.0.max(1) as f64
    }
}

/// Prints the budgets that ran down furthest.
pub(super) async fn print<W: Write>(
    page: &mut Page<W>,
    client: &AdvertiserClient,
    seeded: &Seeded,
) -> anyhow::Result<()> {
    let mut left = Vec::new();
    for item in seeded.line_items().filter(|item| is_small(item)) {
        let balance = client.balance_today(item.id).await?;
        if let Some((balance, limit)) = balance.and_then(|balance| Some((balance, balance.limit?))) {
            left.push(Left { item: item.id, balance, limit });
        }
    }
    left.sort_by(|a, b| b.share(b.balance.spent).total_cmp(&a.share(a.balance.spent)));
    if left.is_empty() {
        return Ok(());
    }
    page.heading("Small budgets of today: spent █, held by bids that may still win ▒");
    for one in left.iter().take(SHOWN) {
        page.line(format_args!("  {}", in_words(one)));
        page.field("", seeded.title(one.item));
    }
    Ok(())
}

/// Whether a line item's day is some impressions only.
fn is_small(item: &LineItem) -> bool {
    item.budget.daily.is_some_and(|daily| daily.0 < item.bid.base.0.saturating_mul(1_000))
}

fn in_words(one: &Left) -> String {
    let cells = |of: Nanos| ((one.share(of) * BAR as f64).round() as usize).min(BAR);
    let spent = cells(one.balance.spent);
    let held = cells(one.balance.held).min(BAR - spent);
    let bar = "█".repeat(spent) + &"▒".repeat(held) + &"░".repeat(BAR - spent - held);
    let percent = one.share(one.balance.spent) * 100.0;
    format!(
        "{bar} {percent:>5.1} % of {:.4}: {:.4} spent, {:.4} held, {:.4} leased, {:.4} free",
        units(one.limit.0),
        units(one.balance.spent.0),
        units(one.balance.held.0),
        units(one.balance.leased.0),
        units(one.balance.free.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_drawn_as_it_stands() {
        let nanos = |units: i64| Nanos(units * 1_000_000);
        let balance = Balance {
            limit: Some(nanos(200)),
            free: nanos(40),
            leased: nanos(10),
            held: nanos(50),
            spent: nanos(100),
        };
        let left = Left { item: LineItemId(1), balance, limit: nanos(200) };
        let text = in_words(&left);
        assert!(text.starts_with("██████████▒▒▒▒▒░░░░░  50.0 % of 0.2000: 0.1000 spent"), "{text}");
    }
}
