//! What is learnt of a line item's bids: which share of held money gets charged.
//!
//! A hold is *fresh* until its billing has had the time to come, and has *matured* then; the share is what was charged by what has
//! matured. Telling them apart matters: where losses are not told, the money in holds is mostly bids that lost long ago, and
//! a pool that is 97 % of those says nothing of what is yet to be charged.

use std::time::Duration;

use tagbid_types::{Nanos, Timestamp};

use super::amount::{WHOLE, scale};

/// A hold lasts as long as 999 billings in 1,000 take to come (`hold_s` of the bidder). With times that fall off
/// exponentially that is ln 1,000 = 6.9 times the mean.
const MEANS_IN_A_HOLD: u32 = 7;

/// The mean delay of billing is taken to be within these.
const DELAYS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// Charged bids that are remembered: by the one for its small noise, by the other for its speed.
const SLOW: i64 = 64;
const QUICK: i64 = 8;

/// Matured bids that are remembered, for each charged one.
const LOST_FOR_ONE: i64 = 256;

/// What is assumed before anything is known: so many bids, all of them charged. It fades as other evidence comes.
const ASSUMED: i64 = 3;

/// The least share that is believed in: a line item that wins nothing bids a thousand times its plan and no more.
const LEAST: i64 = WHOLE / 1_000;

/// Sums of what matured and what was charged; older evidence fades as new comes, whatever time that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Evidence {
    matured: i64,
    charged: i64,
}

impl Evidence {
    fn take(&mut self, matured: i64, charged: i64, most: i64) {
        self.matured = self.matured.saturating_add(matured);
        self.charged = self.charged.saturating_add(charged);
        let most = most.max(1);
        self.fade(self.charged, most);
        self.fade(self.matured, most.saturating_mul(LOST_FOR_ONE));
    }

    fn fade(&mut self, from: i64, to: i64) {
        if from > to {
            self.matured = scale(self.matured, to, from);
            self.charged = scale(self.charged, to, from);
        }
    }

    fn share(&self) -> i64 {
        scale(WHOLE, self.charged, self.matured.max(1)).clamp(LEAST, WHOLE)
    }
}

/// What bidders reported of a line item since the last look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Held by bids that were sent.
    pub(super) made: Nanos,
    /// What one bid holds.
    pub(super) unit: Nanos,
    /// How long a hold lasts.
    pub(super) hold_s: u32,
}

/// What is learnt of one line item. All of it is sums, so that it can be stored and gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learnt {
    as_of: Timestamp,
    /// Billed in all, then.
    spent: Nanos,
    /// In holds whose billing is still to be expected.
    fresh: Nanos,
    slow: Option<Evidence>,
    quick: Option<Evidence>,
}

impl Learnt {
    /// Nothing yet, of a line item that was billed this much in all.
    pub(super) fn new(as_of: Timestamp, spent: Nanos) -> Self {
        Self { as_of, spent, fresh: Nanos::ZERO, slow: None, quick: None }
    }

    /// When it was brought up to date.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// Takes in what has happened until now; `spent` is what was billed in all.
    pub(super) fn go_on(&mut self, now: Timestamp, spent: Nanos, news: &News) {
        let gone = now.since(self.as_of);
        let delay = Duration::from_secs(u64::from(news.hold_s / MEANS_IN_A_HOLD)).clamp(DELAYS.0, DELAYS.1);
        let fresh = self.fresh.0.saturating_add(news.made.0);
        let matured = scale(fresh, micros(gone), micros(gone.saturating_add(delay)));
        self.fresh = Nanos(fresh - matured);
        let charged = spent.0.saturating_sub(self.spent.0).max(0);
        (self.as_of, self.spent) = (self.as_of.max(now), self.spent.max(spent));
        if news.unit <= Nanos::ZERO {
            return;
        }
        let assumed = news.unit.0.saturating_mul(ASSUMED);
        let assumed = Evidence { matured: assumed, charged: assumed };
        for (evidence, bids) in [(&mut self.slow, SLOW), (&mut self.quick, QUICK)] {
            let most = news.unit.0.saturating_mul(bids);
            evidence.get_or_insert(assumed).take(matured, charged, most);
        }
    }

    /// Which share of held money gets charged, in parts of [`WHOLE`]: the larger of two means, because to think it too large
    /// makes a line item a little late, and too small makes it spend an hour's money in a minute.
    pub(super) fn share(&self) -> i64 {
        let share = |evidence: Option<Evidence>| evidence.map_or(WHOLE, |evidence| evidence.share());
        share(self.slow).max(share(self.quick))
    }

    /// What is still to be charged of holds that are open, of which there is this much.
    pub(super) fn expected(&self, held: Nanos) -> Nanos {
        Nanos(scale(self.fresh.min(held).0, self.share(), WHOLE))
    }

    /// As seven numbers, to be stored.
    pub fn to_row(&self) -> [i64; 7] {
        let parts = |evidence: Option<Evidence>| evidence.map_or((0, 0), |one| (one.matured, one.charged));
        let (slow, quick) = (parts(self.slow), parts(self.quick));
        [self.as_of.0, self.spent.0, self.fresh.0, slow.0, slow.1, quick.0, quick.1]
    }

    /// From what [`Learnt::to_row`] made.
    pub fn from_row(row: [i64; 7]) -> Self {
        let [as_of, spent, fresh, slow_matured, slow_charged, quick_matured, quick_charged] = row;
        let evidence = |matured: i64, charged: i64| (matured > 0).then_some(Evidence { matured, charged });
        Self {
            as_of: Timestamp(as_of),
            spent: Nanos(spent),
            fresh: Nanos(fresh),
            slow: evidence(slow_matured, slow_charged),
            quick: evidence(quick_matured, quick_charged),
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: i64 = 1_000;

    /// A line item that makes so many holds a second for a while, a share of which is charged a minute later.
    fn lives(learnt: &mut Learnt, seconds: i64, bids: i64, charged_of_1000: i64) {
        let begun = learnt.as_of.secs();
        for second in 1..=seconds {
            let spent = learnt.spent.0 + bids * UNIT * charged_of_1000 / 1_000;
            let news = News { made: Nanos(bids * UNIT), unit: Nanos(UNIT), hold_s: 420 };
            learnt.go_on(Timestamp::from_secs(begun + second), Nanos(spent), &news);
        }
    }

    fn thousandths(learnt: &Learnt) -> i64 {
        learnt.share() / (WHOLE / 1_000)
    }

    #[test]
    fn all_that_is_held_counts_as_charged_until_more_is_known() {
        let mut learnt = Learnt::new(Timestamp(0), Nanos(0));
        assert_eq!(learnt.share(), WHOLE);
        learnt.go_on(Timestamp(1), Nanos(0), &News { made: Nanos(5 * UNIT), unit: Nanos(UNIT), hold_s: 420 });
        assert_eq!(learnt.share(), WHOLE);
        assert!(learnt.expected(Nanos(5 * UNIT)) > Nanos(4 * UNIT));
        assert!(learnt.expected(Nanos(2 * UNIT)) <= Nanos(2 * UNIT), "no more than is held");
    }

    #[test]
    fn the_share_is_learnt_and_follows_when_it_changes() {
        let mut learnt = Learnt::new(Timestamp(0), Nanos(0));
        lives(&mut learnt, 3_600, 10, 100);
        assert!((95..=110).contains(&thousandths(&learnt)), "{}", thousandths(&learnt));
        lives(&mut learnt, 60, 10, 800);
        assert!(thousandths(&learnt) > 400, "prices fell: quickly seen, {}", thousandths(&learnt));
        lives(&mut learnt, 600, 10, 50);
        assert!((45..=120).contains(&thousandths(&learnt)), "{}", thousandths(&learnt));
    }

    #[test]
    fn what_is_stored_is_gone_on_with() {
        let mut learnt = Learnt::new(Timestamp(0), Nanos(0));
        assert_eq!(Learnt::from_row(learnt.to_row()), learnt);
        lives(&mut learnt, 100, 3, 300);
        assert_eq!(Learnt::from_row(learnt.to_row()), learnt);
    }
}
