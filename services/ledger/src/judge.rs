//! What a notice means: whether it bills, and how much. Pure.

use std::borrow::Cow;
use std::time::Duration;

use tagbid_notice::{NoticeKind, PriceMacro, Token};
use tagbid_types::{Cpm, MoneyError, Nanos, Timestamp};

use crate::prices::Prices;

/// The parameters of a notice URL, as far as anyone knows them. Each is as long as its sender made it.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    pub(crate) price: Cow<'a, str>,
    pub(crate) currency: Cow<'a, str>,
    pub(crate) reason: Cow<'a, str>,
    pub(crate) min_to_win: Cow<'a, str>,
}

impl<'a> Params<'a> {
    /// Reads a query string. Of a repeated parameter the first counts; unknown ones are left alone.
    pub(crate) fn parse(query: &'a str) -> Self {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match name.as_ref() {
                "price" => &mut params.price,
                "cur" => &mut params.currency,
                "reason" => &mut params.reason,
                "min" => &mut params.min_to_win,
                _ => continue,
            };
            if place.is_empty() {
                *place = value;
            }
        }
        params
    }

    /// Whether the price is in another currency than the bid. A macro that was left alone says nothing.
    fn contradicts(&self, token: &Token) -> bool {
        let silent = matches!(self.currency.as_ref(), "" | "AUDIT") || self.currency.starts_with("${");
        !silent && !self.currency.eq_ignore_ascii_case(token.currency.as_str())
    }
}

/// Why a notice is not believed although its token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// Another price than the same notice had before, or none that can be read.
    Price,
    /// Not the currency of the bid.
    Currency,
    /// The charge does not fit.
    Overflow,
    /// No encrypted price, from an exchange that encrypts its prices.
    NotEncrypted,
    /// An encrypted price that no live key signed.
    Signature,
}

impl Suspicion {
    /// The name in the database and in answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Currency => "currency",
            Self::Overflow => "overflow",
            Self::NotEncrypted => "not_encrypted",
            Self::Signature => "signature",
        }
    }
}

/// The name in the database of an impression or a click after its bid's loss: to its judge it is one like others.
pub(crate) const LOST: &str = "lost";

/// What becomes of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is charged.
    Billed,
    /// Another kind of notice bills this bid.
    NotBilling,
    /// It came too long after the bid.
    Late,
    /// Test traffic.
    Test,
    /// A review of the creative.
    Audit,
    /// It should bill but has no price.
    Unpriced,
    /// It goes to quarantine.
    Suspect(Suspicion),
}

impl Outcome {
    /// The name in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Billed => "billed",
            Self::NotBilling => "not_billing",
            Self::Late => "late",
            Self::Test => "test",
            Self::Audit => "audit",
            Self::Unpriced => "unpriced",
            Self::Suspect(_) => "suspect",
        }
    }
}

/// A notice, judged; ready to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) token: Token,
    pub(crate) kind: NoticeKind,
    pub(crate) received: Timestamp,
    /// What it said, in the currency of the bid.
    pub(crate) price: Option<Cpm>,
    /// What stands there instead of a price that can be read, as far as it is kept.
    pub(crate) said: Option<Box<str>>,
    pub(crate) outcome: Outcome,
    /// What it costs, in the budget's currency. Zero unless billed.
    pub(crate) charged: Nanos,
    /// What it asked for above that.
    pub(crate) excess: Nanos,
    pub(crate) loss_reason: Option<u16>,
    pub(crate) min_to_win: Option<Cpm>,
}

/// Most characters of a price that cannot be read, to find out what an exchange sends.
const MOST_SAID: usize = 64;

/// Decides what a notice costs.
pub(crate) fn judge(
    token: Token,
    kind: NoticeKind,
    params: &Params<'_>,
    prices: &Prices,
    received: Timestamp,
    accept_for: Duration,
) -> Record {
    let price = match kind {
        NoticeKind::Win | NoticeKind::Bill | NoticeKind::Imp => prices.read(&token.exchange, &params.price),
        NoticeKind::Loss | NoticeKind::Click => Ok(PriceMacro::Empty),
    };
    let late = received.since(token.issued) > accept_for;
    let mut record = Record {
        outcome: unbilled(&token, kind, price, late, params).unwrap_or(Outcome::Billed),
        kind,
        received,
        price: price.ok().and_then(plain),
        said: (price == Err(Suspicion::Price)).then(|| params.price.chars().take(MOST_SAID).collect()),
        charged: Nanos::ZERO,
        excess: Nanos::ZERO,
        // A code that is no number loses the reason, not the notice.
        loss_reason: params.reason.parse().ok(),
        min_to_win: params.min_to_win.parse().ok().and_then(plain),
        token,
    };
    if let (Outcome::Billed, Some(price)) = (record.outcome, record.price) {
        match charge(&record.token, price) {
            Ok((charged, excess)) => (record.charged, record.excess) = (charged, excess),
            Err(_) => record.outcome = Outcome::Suspect(Suspicion::Overflow),
        }
    }
    record
}

fn plain(price: PriceMacro) -> Option<Cpm> {
    match price {
        PriceMacro::Plain(price) => Some(price),
        PriceMacro::Audit | PriceMacro::Empty | PriceMacro::Unsubstituted => None,
    }
}

/// Why it does not bill; none: it does.
fn unbilled(
    token: &Token,
    kind: NoticeKind,
    price: Result<PriceMacro, Suspicion>,
    late: bool,
    params: &Params<'_>,
) -> Option<Outcome> {
    if token.test {
        return Some(Outcome::Test);
    }
    let price = match price {
        Ok(price) => price,
        Err(suspicion) => return Some(Outcome::Suspect(suspicion)),
    };
    if price == PriceMacro::Audit {
        return Some(Outcome::Audit);
    }
    if late {
        return Some(Outcome::Late);
    }
    if kind != token.bills.kind() {
        return Some(Outcome::NotBilling);
    }
    if plain(price).is_none() {
        return Some(Outcome::Unpriced);
    }
    params.contradicts(token).then_some(Outcome::Suspect(Suspicion::Currency))
}

/// What a price costs the budget, never more than the bid; and what was asked beyond.
fn charge(token: &Token, price: Cpm) -> Result<(Nanos, Nanos), MoneyError> {
    let charged = token.cost(price.min(token.max_price))?;
    let asked = token.cost(price)?;
    Ok((charged, asked.checked_sub(charged)?))
}

#[cfg(test)]
mod tests {
    use tagbid_runtime::auth::Secret;
    use tagbid_types::{Rate, Ratio};

    use super::*;
    use crate::store::fixture::token;

    const WINDOW: Duration = Duration::from_secs(72 * 3_600);

    fn judged(token: Token, kind: NoticeKind, query: &str, after: Duration) -> Record {
        let now = token.issued.after(after);
        judge(token, kind, &Params::parse(query), &Prices::default(), now, WINDOW)
    }

    fn soon(token: Token, kind: NoticeKind, query: &str) -> Record {
        judged(token, kind, query, Duration::from_secs(1))
    }

    #[test]
    fn the_billing_notice_charges_its_price() {
        let record = soon(token(1), NoticeKind::Bill, "price=1.25&cur=USD");
        assert_eq!((record.outcome, record.charged), (Outcome::Billed, Nanos(1_250_000)));
        assert_eq!(record.excess, Nanos::ZERO);
    }

    #[test]
    fn other_kinds_are_kept_for_nothing() {
        let win = soon(token(1), NoticeKind::Win, "price=1.25");
        assert_eq!((win.outcome, win.charged), (Outcome::NotBilling, Nanos::ZERO));
        let loss = soon(token(1), NoticeKind::Loss, "reason=102&min=2.5");
        assert_eq!((loss.loss_reason, loss.min_to_win), (Some(102), Some(Cpm(2_500_000))));
    }

    #[test]
    fn a_price_above_the_bid_charges_the_bid_and_remembers_the_rest() {
        let record = soon(token(1), NoticeKind::Bill, "price=3");
        assert_eq!((record.charged, record.excess), (Nanos(2_000_000), Nanos(1_000_000)));
    }

    #[test]
    fn quantity_and_rate_apply_and_round_once() {
        let mut many = token(1);
        (many.quantity, many.fx) = (Ratio(2_500_000), Rate::from_f64(0.333_333).unwrap());
        let record = soon(many, NoticeKind::Bill, "price=1.000001");
        // 1_000_001 x 2.5 x 0.333333 = 833_333.333...
        assert_eq!(record.charged, Nanos(833_333));
    }

    #[test]
    fn what_was_not_sold_never_bills() {
        let mut test = token(1);
        test.test = true;
        assert_eq!(soon(test, NoticeKind::Bill, "price=1").outcome, Outcome::Test);
        for (query, outcome) in [
            ("price=AUDIT", Outcome::Audit),
            ("price=", Outcome::Unpriced),
            ("", Outcome::Unpriced),
            ("price=${AUCTION_PRICE}", Outcome::Unpriced),
            ("price=%24%7BAUCTION_PRICE%7D", Outcome::Unpriced),
        ] {
            let record = soon(token(1), NoticeKind::Bill, query);
            assert_eq!((record.outcome, record.charged), (outcome, Nanos::ZERO), "{query}");
        }
    }

    #[test]
    fn the_window_closes_after_72_hours() {
        assert_eq!(judged(token(1), NoticeKind::Bill, "price=1", WINDOW).outcome, Outcome::Billed);
        let late = judged(token(1), NoticeKind::Bill, "price=1", WINDOW + Duration::from_micros(1));
        assert_eq!((late.outcome, late.charged), (Outcome::Late, Nanos::ZERO));
    }

    #[test]
    fn a_price_in_another_currency_is_suspect_and_a_silent_one_is_not() {
        let other = soon(token(1), NoticeKind::Bill, "price=1&cur=JPY");
        assert_eq!(other.outcome, Outcome::Suspect(Suspicion::Currency));
        for silent in ["price=1&cur=", "price=1&cur=usd", "price=1&cur=${AUCTION_CURRENCY}"] {
            assert_eq!(soon(token(1), NoticeKind::Bill, silent).outcome, Outcome::Billed, "{silent}");
        }
    }

    #[test]
    fn a_charge_that_does_not_fit_is_suspect() {
        let mut huge = token(1);
        (huge.quantity, huge.fx) = (Ratio(i64::MAX), Rate::from_trillionths(i64::MAX).unwrap());
        let record = soon(huge, NoticeKind::Bill, "price=1");
        assert_eq!(record.outcome, Outcome::Suspect(Suspicion::Overflow));
    }

    #[test]
    fn a_price_that_cannot_be_read_is_suspect_and_its_text_is_kept() {
        let record = soon(token(1), NoticeKind::Bill, "price=-1");
        assert_eq!((record.outcome, record.price), (Outcome::Suspect(Suspicion::Price), None));
        assert_eq!(record.said.as_deref(), Some("-1"));
        let long = soon(token(1), NoticeKind::Bill, &format!("price={}", "%C3%A4".repeat(100)));
        assert_eq!(long.said.map(|said| said.to_string()), Some("ä".repeat(MOST_SAID)));
        for readable in [".5", "1.0E-4", "%201.5+", "AUDIT"] {
            let record = soon(token(1), NoticeKind::Bill, &format!("price={readable}"));
            assert_eq!(record.said, None, "{readable}");
        }
    }

    #[test]
    fn of_an_exchange_that_encrypts_its_prices_only_signed_ones_are_believed() {
        // Google's sample keys and its price of 1900 micros.
        let pair =
            "skU7Ax_NL5pPAFyKdkfZjZz2-VhIN8bjj1rVFOaJ_5o=:arO23ykdNqUQ5LEoQ0FVmPkBd7xB5CO89PDZlSjpFxo=";
        let keys = crate::options::Exchange { price_keys: vec![Secret::new(pair)] };
        let prices = Prices::new(&[(token(1).exchange, keys)].into()).unwrap();
        let soon = |kind, query: &str| {
            judge(token(1), kind, &Params::parse(query), &prices, token(1).issued, WINDOW)
        };
        let sold = soon(NoticeKind::Bill, "price=YWJjMTIzZGVmNDU2Z2hpN7fhCuPemCAWJRxOgA");
        assert_eq!((sold.outcome, sold.charged), (Outcome::Billed, Nanos(1_900)));
        assert_eq!(soon(NoticeKind::Bill, "price=AUDIT").outcome, Outcome::Audit);
        for (query, why) in [
            ("price=YWJjMTIzZGVmNDU2Z2hpN7fhCuPemDAWJRxOgA", Suspicion::Signature),
            ("price=0.0019", Suspicion::NotEncrypted),
        ] {
            for kind in [NoticeKind::Bill, NoticeKind::Win] {
                let record = soon(kind, query);
                assert_eq!((record.outcome, record.charged), (Outcome::Suspect(why), Nanos::ZERO), "{query}");
            }
        }
        let mut plain = token(1);
        plain.exchange = "other".parse().unwrap();
        let params = Params::parse("price=1");
        let record = judge(plain, NoticeKind::Bill, &params, &prices, token(1).issued, WINDOW);
        assert_eq!(record.outcome, Outcome::Billed);
    }
}
