//! Which ad gets the credit: that of the last click within seven days, else of the last view within one. Pure.
//!
//! Only bids that were sold get any: a billing notice of theirs was billed, and no loss was told. That is found out when the conversion
//! comes, days after most notices; a billing notice that comes later than that changes nothing any more.

use std::time::Duration;

use tagbid_types::{BudgetDay, CampaignId, Cpm, CreativeId, LineItemId, Ratio, Timestamp};

use super::{Conversion, Kind};

/// How long a click gets the credit.
pub(crate) const CLICK_COUNTS: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a view does.
pub(crate) const VIEW_COUNTS: Duration = Duration::from_secs(24 * 3_600);

/// How far a click's time may be after that of its conversion: ledgers' clocks differ, and advertisers round.
const CLOCKS: Duration = Duration::from_secs(60);

/// The bid of a click or a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    /// When it was clicked or seen.
    pub(crate) at: Timestamp,
    pub(crate) exchange: String,
    pub(crate) bid: String,
    pub(crate) campaign: CampaignId,
    pub(crate) line_item: LineItemId,
    pub(crate) creative: CreativeId,
    pub(crate) auction: String,
    pub(crate) imp: String,
    pub(crate) issued: Timestamp,
    pub(crate) max_price: Cpm,
    pub(crate) currency: String,
    pub(crate) quantity: Ratio,
    pub(crate) budget_currency: String,
    pub(crate) day: BudgetDay,
}

/// What is known beside the conversion itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touches {
    /// Whether the bid was sold whose click the conversion names.
    pub(crate) sold: bool,
    /// The last click before it, within its days, of the user that the conversion names on a bid that was sold.
    pub(crate) click: Option<Touch>,
    /// The same of views.
    pub(crate) view: Option<Touch>,
    /// The last click that told it without a credential, and was believed.
    pub(crate) claimed: Option<Touch>,
}

impl Touches {
    /// Takes one in; of two the later stays.
    pub(crate) fn add(&mut self, kind: Kind, touch: Touch) {
        let place = match kind {
            Kind::Click => &mut self.click,
            Kind::View => &mut self.view,
        };
        keep_later(place, touch);
    }

    /// Takes in a click that told this conversion without a credential.
    pub(crate) fn add_claim(&mut self, touch: Touch) {
        keep_later(&mut self.claimed, touch);
    }
}

fn keep_later(place: &mut Option<Touch>, touch: Touch) {
    if place.as_ref().is_none_or(|there| there.at < touch.at) {
        *place = Some(touch);
    }
}

/// Why no ad gets the credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uncredited {
    /// It was told too late.
    Late,
    /// A click on test traffic.
    Test,
    /// Its click was more than seven days before it, or after it.
    Expired,
    /// The bid of its click was lost, or not billed yet.
    Unsold,
    /// It was told without a credential, and with one too: that one counts.
    Superseded,
    /// Nothing that is known of led to it.
    Untouched,
}

impl Uncredited {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Late, Self::Test, Self::Expired, Self::Unsold, Self::Superseded, Self::Untouched];

    /// The word in the database and in answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Test => "test",
            Self::Expired => "click_expired",
            Self::Unsold => "bid_not_sold",
            Self::Superseded => "superseded",
            Self::Untouched => "no_click_or_view",
        }
    }
}

/// What a conversion is attributed to.
pub(crate) type Credit = Result<(Kind, Touch), Uncredited>;

/// Attributes it. What was claimed without a credential counts where nothing else does: a page may know the click of an order that a
/// server tells without it.
pub(crate) fn credit(conversion: &Conversion, known: Touches) -> Credit {
    if conversion.late {
        return Err(Uncredited::Late);
    }
    let named = conversion.click.as_ref();
    if named.is_some_and(|click| click.token.test) {
        return Err(Uncredited::Test);
    }
    let counts = |at: Timestamp| conversion.at.since(at) <= CLICK_COUNTS && at.since(conversion.at) <= CLOCKS;
    let fresh = named.filter(|click| counts(click.at));
    let clicks = fresh.filter(|_| known.sold).map(touch).into_iter().chain(known.click);
    // `max_by_key` keeps the last of equals: what the database knows is the same click.
    let last = clicks.max_by_key(|click| click.at).map(|click| (Kind::Click, click));
    let claimed = known.claimed.filter(|click| counts(click.at)).map(|click| (Kind::Click, click));
    let view = known.view.map(|view| (Kind::View, view));
    last.or(view).or(claimed).ok_or(match (named, fresh) {
        (None, _) => Uncredited::Untouched,
        (Some(_), None) => Uncredited::Expired,
        (Some(_), Some(_)) => Uncredited::Unsold,
    })
}

fn touch(click: &tagbid_notice::Click) -> Touch {
    let token = &click.token;
    Touch {
        at: click.at,
        exchange: token.exchange.as_str().to_owned(),
        bid: token.bid.to_string(),
        campaign: token.campaign,
        line_item: token.line_item,
        creative: token.creative,
        auction: token.auction.as_str().to_owned(),
        imp: token.imp.as_str().to_owned(),
        issued: token.issued,
        max_price: token.max_price,
        currency: token.currency.to_string(),
        quantity: token.quantity,
        budget_currency: token.budget_currency.to_string(),
        day: token.budget_day,
    }
}

#[cfg(test)]
mod tests {
    use tagbid_notice::Click;

    use super::*;
    use crate::store::fixture::{converted, token};

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(after: Duration) -> Timestamp {
        token(0).issued.after(after)
    }

    /// A touch of bid `bid`.
    fn touched(bid: u128, after: Duration) -> Touch {
        touch(&Click::new(&token(bid), at(after)))
    }

    /// A conversion so long after bid 1 was clicked.
    fn clicked(after: Duration) -> Conversion {
        Conversion { click: Some(Click::new(&token(1), at(Duration::ZERO))), ..converted("o", at(after)) }
    }

    /// The click's bid was sold, and nothing else is known.
    fn sold() -> Touches {
        Touches { sold: true, ..Touches::default() }
    }

    fn credited(conversion: &Conversion, known: Touches) -> Result<(Kind, String), Uncredited> {
        let short = |bid: String| bid.trim_start_matches('0').to_owned();
        credit(conversion, known).map(|(kind, touch)| (kind, short(touch.bid)))
    }

    #[test]
    fn the_last_click_gets_the_credit_for_seven_days() {
        let of_one = Ok((Kind::Click, "1".to_owned()));
        assert_eq!(credited(&clicked(CLICK_COUNTS), sold()), of_one);
        let expired = clicked(CLICK_COUNTS + Duration::from_micros(1));
        assert_eq!(credited(&expired, sold()), Err(Uncredited::Expired));
        let later = Touches { click: Some(touched(2, HOUR)), ..sold() };
        assert_eq!(credited(&clicked(2 * HOUR), later), Ok((Kind::Click, "2".into())));
    }

    #[test]
    fn a_view_gets_it_where_there_is_no_click() {
        let view = || Touches { view: Some(touched(3, HOUR)), ..sold() };
        assert_eq!(credited(&clicked(2 * HOUR), view()), Ok((Kind::Click, "1".into())));
        assert_eq!(credited(&clicked(CLICK_COUNTS + HOUR), view()), Ok((Kind::View, "3".into())));
        let plain = converted("o", at(HOUR));
        assert_eq!(credited(&plain, view()), Ok((Kind::View, "3".into())));
        assert_eq!(credited(&plain, Touches::default()), Err(Uncredited::Untouched));
    }

    #[test]
    fn a_bid_that_was_not_sold_gets_none() {
        assert_eq!(credited(&clicked(HOUR), Touches::default()), Err(Uncredited::Unsold));
        let view = Touches { view: Some(touched(3, HOUR)), ..Touches::default() };
        assert_eq!(credited(&clicked(2 * HOUR), view), Ok((Kind::View, "3".into())));
    }

    #[test]
    fn what_was_claimed_counts_where_nothing_else_does() {
        let claimed = || Touches { claimed: Some(touched(4, HOUR)), ..sold() };
        let plain = converted("o", at(2 * HOUR));
        assert_eq!(credited(&plain, claimed()), Ok((Kind::Click, "4".into())));
        assert_eq!(credited(&clicked(2 * HOUR), claimed()), Ok((Kind::Click, "1".into())));
        let view = Touches { view: Some(touched(3, Duration::ZERO)), ..claimed() };
        assert_eq!(credited(&plain, view), Ok((Kind::View, "3".into())));
        let long_after = converted("o", at(2 * HOUR + CLICK_COUNTS));
        assert_eq!(credited(&long_after, claimed()), Err(Uncredited::Untouched));
    }

    #[test]
    fn late_ones_tests_and_clicks_from_the_future_get_none() {
        let late = Conversion { late: true, ..clicked(HOUR) };
        assert_eq!(credited(&late, Touches::default()), Err(Uncredited::Late));
        let mut test = clicked(HOUR);
        test.click.as_mut().unwrap().token.test = true;
        assert_eq!(credited(&test, Touches::default()), Err(Uncredited::Test));
        let mut before = clicked(Duration::ZERO);
        before.at = Timestamp(before.at.0 - 60_000_001);
        assert_eq!(credited(&before, sold()), Err(Uncredited::Expired));
        before.at = Timestamp(before.at.0 + 1);
        assert!(credited(&before, sold()).is_ok());
    }
}
