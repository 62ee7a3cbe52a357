//! How much money a day has.

use tagbid_types::{BudgetDay, Nanos};

use super::amount::scale;
use crate::{AccountId, Books, Owner, Period, Pot};

/// What an owner may spend on this day: its daily limit, and what is left of its lifetime limit, of which today has the part
/// `(today, all)`; none: all of what is left is for today, because no end is known. No limit: none.
pub(super) fn of_today(
    books: &Books,
    owner: Owner,
    day: BudgetDay,
    part: Option<(i64, i64)>,
) -> Option<Nanos> {
    let today = books.account(AccountId::money(owner, Period::Day(day)));
    let ever = books.account(AccountId::money(owner, Period::Lifetime));
    let left = ever.limit().map(|limit| {
        // What earlier days spent, and what their bids still hold.
        let earlier = |pot| ever.pot(pot).0.saturating_sub(today.pot(pot).0).max(0);
        let left = limit.0.saturating_sub(earlier(Pot::Spent)).saturating_sub(earlier(Pot::Held)).max(0);
        Nanos(part.map_or(left, |(today, all)| scale(left, today, all)))
    });
    match (today.limit(), left) {
        (Some(daily), Some(left)) => Some(daily.min(left)),
        (daily, left) => daily.or(left),
    }
}

/// What was billed on this day, and what is in holds.
pub(super) fn stand(books: &Books, owner: Owner, day: BudgetDay) -> (Nanos, Nanos) {
    let account = books.account(AccountId::money(owner, Period::Day(day)));
    (account.pot(Pot::Spent), account.pot(Pot::Held))
}
