//! How much of a day's money is to be spent by when.

use tagbid_types::Timestamp;

use super::amount::{WHOLE, scale};

/// Parts of a budget day that a profile tells apart: quarter hours.
pub const QUARTERS: usize = 96;

/// From a moment to another, which does not belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Span {
    /// All of time.
    pub const EVER: Self = Self { from: Timestamp(i64::MIN), until: Timestamp(i64::MAX) };

    /// What two spans have in common; empty where that is nothing.
    pub fn and(self, other: Self) -> Self {
        let from = self.from.max(other.from);
        Self { from, until: self.until.min(other.until).max(from) }
    }

    /// Microseconds.
    pub fn micros(self) -> i64 {
        self.until.0.saturating_sub(self.from.0).max(0)
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.micros() == 0
    }
}

/// How a day's money is spread over its quarter hours: by weight. A day that is longer or shorter by daylight saving has as
/// many, each of them longer or shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile([u32; QUARTERS]);

impl Profile {
    /// The same at any time.
    pub const EVEN: Self = Self([1; QUARTERS]);

    /// By these weights; without any, even.
    pub fn new(weights: [u32; QUARTERS]) -> Self {
        if weights.iter().all(|weight| *weight == 0) { Self::EVEN } else { Self(weights) }
    }

    /// The same, with nothing in the quarters that are not open; where that leaves nothing, evenly over those that are.
    pub fn within(&self, open: &[bool; QUARTERS]) -> Self {
        let mut weights = self.0;
        for (weight, open) in weights.iter_mut().zip(open) {
            *weight = if *open { *weight } else { 0 };
        }
        if weights.iter().any(|weight| *weight > 0) {
            return Self(weights);
        }
        Self::new(open.map(u32::from))
    }
}

/// The plan of one line item for one budget day: which share of the day's money is to be spent by when. It begins with 0 and ends
/// with 1, inside the part of the day that is in the line item's flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    day: Span,
    open: Span,
    weights: Box<[u32; QUARTERS]>,
    /// Of the quarters before each.
    before: Box<[i64; QUARTERS]>,
}

impl Plan {
    /// A plan for a day, of which the flight is one part, or all.
    pub fn new(day: Span, flight: Span, profile: &Profile) -> Self {
        let mut before = Box::new([0; QUARTERS]);
        let mut sum = 0;
        for (place, weight) in before.iter_mut().zip(&profile.0) {
            *place = sum;
            sum += i64::from(*weight);
        }
        Self { day, open: day.and(flight), weights: Box::new(profile.0), before }
    }

    /// The part of the day that it is for.
    pub fn open(&self) -> Span {
        self.open
    }

    /// The share that is to be spent by then, in parts of [`WHOLE`]. Never falls.
    pub(super) fn share(&self, at: Timestamp) -> i64 {
        let at = at.clamp(self.open.from, self.open.until);
        let (first, here, last) =
            (self.weight(self.open.from), self.weight(at), self.weight(self.open.until));
        if last > first {
            return share_of(here - first, last - first);
        }
        // The profile knows nothing of this part of the day: even over it.
        share_of((at.0 - self.open.from.0).into(), self.open.micros().into())
    }

    /// The share that is to be spent by then, from 0 to 1: for people.
    pub fn part_at(&self, at: Timestamp) -> f64 {
        self.share(at) as f64 / WHOLE as f64
    }

    /// Which share of a whole day's weight is in the part that the plan is for, in parts of [`WHOLE`].
    pub(super) fn of_day(&self) -> i64 {
        let all = self.weight(self.day.until) - self.weight(self.day.from);
        share_of(self.weight(self.open.until) - self.weight(self.open.from), all)
    }

    /// How much of what is left for a flight is for today: as today's part of the days that are left. `flight` may be longer
    /// than the line item's, where the money is a campaign's.
    pub(super) fn todays_part(&self, flight: Span) -> Option<(i64, i64)> {
        if flight.until == Timestamp(i64::MAX) {
            return None;
        }
        let later = Span { from: self.day.until, until: flight.until }.micros();
        let later = scale(WHOLE, later, self.day.micros().max(1));
        let today = self.of_day();
        Some((today, today.saturating_add(later)))
    }

    /// The weight of the day until then, in a unit of its own.
    fn weight(&self, at: Timestamp) -> i128 {
        let length = self.day.micros().max(1);
        let gone = at.0.saturating_sub(self.day.from.0).clamp(0, length);
        let quarters = i128::from(gone) * QUARTERS as i128;
        let (quarter, rest) = (quarters / i128::from(length), quarters % i128::from(length));
        let quarter = usize::try_from(quarter).unwrap_or(QUARTERS);
        match (self.before.get(quarter), self.weights.get(quarter)) {
            (Some(before), Some(weight)) => {
                i128::from(*before) * i128::from(length) + i128::from(*weight) * rest
            }
            _ => {
                let sum: i64 = self.weights.iter().map(|weight| i64::from(*weight)).sum();
                i128::from(sum) * i128::from(length)
            }
        }
    }
}

fn share_of(part: i128, whole: i128) -> i64 {
    let share = part.saturating_mul(i128::from(WHOLE)).checked_div(whole).unwrap_or(0);
    i64::try_from(share).unwrap_or(WHOLE).clamp(0, WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Span = Span { from: Timestamp::from_secs(0), until: Timestamp::from_secs(86_400) };

    fn percent(plan: &Plan, hour: i64) -> i64 {
        plan.share(Timestamp::from_secs(hour * 3_600)) / (WHOLE / 100)
    }

    #[test]
    fn an_even_day_is_a_line() {
        let plan = Plan::new(DAY, Span::EVER, &Profile::EVEN);
        assert_eq!([0, 6, 12, 18, 24].map(|hour| percent(&plan, hour)), [0, 25, 50, 75, 100]);
        assert_eq!(percent(&plan, -3), 0);
        assert_eq!(percent(&plan, 30), 100);
    }

    #[test]
    fn a_flight_that_begins_at_noon_spends_its_first_day_after_noon() {
        let flight = Span { from: Timestamp::from_secs(43_200), until: Timestamp(i64::MAX) };
        let plan = Plan::new(DAY, flight, &Profile::EVEN);
        assert_eq!([12, 18, 24].map(|hour| percent(&plan, hour)), [0, 50, 100]);
        assert_eq!(plan.of_day(), WHOLE / 2);
    }

    #[test]
    fn the_first_half_of_a_day_gets_its_half_of_the_days_that_are_left() {
        let flight = Span { from: Timestamp::from_secs(43_200), until: Timestamp::from_secs(3 * 86_400) };
        let plan = Plan::new(DAY, flight, &Profile::EVEN);
        assert_eq!(plan.todays_part(flight), Some((WHOLE / 2, WHOLE / 2 + 2 * WHOLE)));
        assert_eq!(plan.todays_part(Span::EVER), None);
    }

    #[test]
    fn a_profile_puts_the_money_where_its_weight_is() {
        let mut weights = [0; QUARTERS];
        (weights[0], weights[95]) = (1, 3);
        let plan = Plan::new(DAY, Span::EVER, &Profile::new(weights));
        assert_eq!([1, 12, 23, 24].map(|hour| percent(&plan, hour)), [25, 25, 25, 100]);
        let noon = Span { from: Timestamp::from_secs(36_000), until: Timestamp::from_secs(50_400) };
        let nothing_known = Plan::new(DAY, noon, &Profile::new(weights));
        assert_eq!(percent(&nothing_known, 12), 50, "even where the profile has nothing");
    }

    #[test]
    fn hours_that_are_closed_get_nothing() {
        let mut open = [false; QUARTERS];
        open[32..40].fill(true);
        let plan = Plan::new(DAY, Span::EVER, &Profile::EVEN.within(&open));
        assert_eq!([8, 9, 10, 24].map(|hour| percent(&plan, hour)), [0, 50, 100, 100]);
        assert_eq!(Profile::new([0; QUARTERS]), Profile::EVEN);
    }
}
