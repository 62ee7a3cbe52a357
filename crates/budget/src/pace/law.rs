//! The law of control: how fast to spend, so that what is expected to be spent meets the plan a little ahead.

use std::time::Duration;

use tagbid_types::{Nanos, Timestamp};

use super::amount::{Rate, WHOLE, scale};
use super::plan::Plan;

/// How far ahead the plan is to be met, at most: a gap closes by two thirds in this time.
const HORIZON: Duration = Duration::from_secs(600);

/// A short flight is looked ahead in by this part of it, and no less than five seconds.
const HORIZONS: i64 = 48;
const SHORTEST: Duration = Duration::from_secs(5);

/// No faster than so many times the plan, whatever is missing: what an outage kept back is caught up with in as long again.
const FASTEST: i64 = 2;

/// No slower than this part of the plan while there is money: a line item that is ahead goes on, and hears of the market.
const SLOWEST: i64 = 8;

/// How fast charges should come now. `money` is the plan's, `expected` is spent or will be as far as is known. Never more for more that
/// is expected or for less money; nothing when all of the money is expected to be spent.
pub(super) fn speed(plan: &Plan, money: Nanos, expected: Nanos, now: Timestamp) -> Rate {
    let open = plan.open();
    if expected >= money || now < open.from || now >= open.until {
        return Rate::ZERO;
    }
    let left = open.until.since(now);
    let ahead = horizon(open.micros()).min(left).max(Duration::from_secs(1));
    let (here, there) = (plan.share(now), plan.share(now.after(ahead)));
    let part = |share: i64| Nanos(scale(money.0, share, WHOLE));
    let wanted = Rate::of(Nanos(part(there).0.saturating_sub(expected.0)), ahead);
    let planned = Rate::of(part(there - here), ahead);
    let mean = Rate::of(part(WHOLE - here), left);
    let fastest = planned.max(mean).picos().saturating_mul(FASTEST);
    let slowest = planned.picos() / SLOWEST;
    Rate::from_picos(wanted.picos().max(slowest).min(fastest))
}

fn horizon(open_micros: i64) -> Duration {
    Duration::from_micros((open_micros / HORIZONS).unsigned_abs()).clamp(SHORTEST, HORIZON)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::{Profile, Span};

    const DAY: Span = Span { from: Timestamp::from_secs(0), until: Timestamp::from_secs(86_400) };

    /// A second of the plan.
    const SECOND: i64 = 1_000_000;

    /// The speed in thousandths of the plan's, where so many seconds of the plan are expected.
    fn of_plan(expected: i64, second: i64) -> i64 {
        let plan = Plan::new(DAY, Span::EVER, &Profile::EVEN);
        let (money, expected) = (Nanos(86_400 * SECOND), Nanos(expected * SECOND));
        (speed(&plan, money, expected, Timestamp::from_secs(second)).picos() + SECOND / 2) / SECOND
    }

    #[test]
    fn a_day_on_its_plan_goes_on_at_the_plans_rate_from_its_first_second_to_its_last() {
        assert_eq!([0, 1, 43_200, 86_399].map(|second| of_plan(second, second)), [1_000; 4]);
    }

    #[test]
    fn what_is_missing_is_caught_up_with_at_twice_the_plan_at_most() {
        assert_eq!(of_plan(36_000 - 300, 36_000), 1_500);
        assert_eq!(of_plan(36_000 - 1_200, 36_000), 2_000);
    }

    #[test]
    fn what_is_ahead_slows_down_and_stops_only_when_nothing_is_left() {
        assert_eq!(of_plan(36_300, 36_000), 500);
        assert_eq!(of_plan(72_000, 36_000), 125);
        assert_eq!(of_plan(86_400, 36_000), 0);
    }

    #[test]
    fn before_and_after_its_flight_nothing_is_spent() {
        assert_eq!(of_plan(0, -1), 0);
        assert_eq!(of_plan(0, 86_400), 0);
    }
}
