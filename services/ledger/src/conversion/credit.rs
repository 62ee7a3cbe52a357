//! Which ad gets the credit: that of the last click within seven days, else of the last view within one. Pure.

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

/// What is known of the user that the conversion names: the last click and the last view before it, within their days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touches {
    pub(crate) click: Option<Touch>,
    pub(crate) view: Option<Touch>,
}

impl Touches {
    /// Takes one in; of two the later stays.
    pub(crate) fn add(&mut self, kind: Kind, touch: Touch) {
        let place = match kind {
            Kind::Click => &mut self.click,
            Kind::View => &mut self.view,
        };
        if place.as_ref().is_none_or(|there| there.at < touch.at) {
            *place = Some(touch);
        }
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
    /// Nothing that is known of led to it.
    Untouched,
}

impl Uncredited {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Late, Self::Test, Self::Expired, Self::Untouched];

    /// The word in the database and in answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Test => "test",
            Self::Expired => "click_expired",
            Self::Untouched => "no_click_or_view",
        }
    }
}

/// What a conversion is attributed to.
pub(crate) type Credit = Result<(Kind, Touch), Uncredited>;

/// Attributes it.
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
    let clicks = fresh.map(touch).into_iter().chain(known.click);
    // `max_by_key` keeps the last of equals: what the database knows is the same click.
    let last = clicks.max_by_key(|click| click.at).map(|click| (Kind::Click, click));
    last.or_else(|| known.view.map(|view| (Kind::View, view))).ok_or(if named.is_some() {
        Uncredited::Expired
    } else {
        Uncredited::Untouched
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

    fn credited(conversion: &Conversion, known: Touches) -> Result<(Kind, String), Uncredited> {
        let short = |bid: String| bid.trim_start_matches('0').to_owned();
        credit(conversion, known).map(|(kind, touch)| (kind, short(touch.bid)))
    }

    #[test]
    fn the_last_click_gets_the_credit_for_seven_days() {
        let of_one = Ok((Kind::Click, "1".to_owned()));
        assert_eq!(credited(&clicked(CLICK_COUNTS), Touches::default()), of_one);
        let expired = clicked(CLICK_COUNTS + Duration::from_micros(1));
        assert_eq!(credited(&expired, Touches::default()), Err(Uncredited::Expired));
        let later = Touches { click: Some(touched(2, HOUR)), view: None };
        assert_eq!(credited(&clicked(2 * HOUR), later), Ok((Kind::Click, "2".into())));
    }

    #[test]
    fn a_view_gets_it_where_there_is_no_click() {
        let view = || Touches { click: None, view: Some(touched(3, HOUR)) };
        assert_eq!(credited(&clicked(2 * HOUR), view()), Ok((Kind::Click, "1".into())));
        assert_eq!(credited(&clicked(CLICK_COUNTS + HOUR), view()), Ok((Kind::View, "3".into())));
        let plain = converted("o", at(HOUR));
        assert_eq!(credited(&plain, view()), Ok((Kind::View, "3".into())));
        assert_eq!(credited(&plain, Touches::default()), Err(Uncredited::Untouched));
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
        assert_eq!(credited(&before, Touches::default()), Err(Uncredited::Expired));
        before.at = Timestamp(before.at.0 + 1);
        assert!(credited(&before, Touches::default()).is_ok());
    }
}
