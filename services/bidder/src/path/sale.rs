//! On which terms an impression may be had: under a deal that the line item asks for, else in the open auction.

use tagbid_budget::Holds;
use tagbid_catalog::{Creative, DealAuction};
use tagbid_openrtb::{Deal, Imp};
use tagbid_pricing::{Floor, FloorError, Offer, Priced, decide};
use tagbid_types::{Cpm, NoBidReason};

use super::{Choice, Context};
use crate::book::Entry;
use crate::gates::{self, Fit};

/// Why a creative gets no terms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoSale<'a> {
    /// The reason.
    pub(crate) reason: NoBidReason,
    /// The deal that was refused; none in the open auction and before it.
    pub(crate) deal: Option<&'a Deal<'a>>,
    /// The floor of the terms refused: that of the deal where it has one.
    pub(crate) floor: Option<Floor>,
    /// The fixed price that was agreed, where the floor is above it.
    pub(crate) agreed: Option<Floor>,
}

impl From<NoBidReason> for NoSale<'_> {
    fn from(reason: NoBidReason) -> Self {
        Self { reason, deal: None, floor: None, agreed: None }
    }
}

/// One creative through the gates: how it fits the impression. The same for every line item that carries it.
pub(crate) fn verdict(
    context: &Context<'_>,
    imp: &Imp<'_>,
    entry: &Entry,
    creative: &Creative,
) -> Result<Fit, NoBidReason> {
    gates::brand(creative, &entry.advertiser.domain, &context.blocks)?;
    gates::fit(creative, imp, context.exchange, context.settings)
}

/// One creative that came through the gates to the terms that take it. `price` is in the line item's own currency.
pub(crate) fn offer<'a>(
    context: &Context<'a>,
    imp: &'a Imp<'a>,
    entry: &'a Entry,
    creative: &'a Creative,
    fit: Fit,
    price: Cpm,
) -> Result<Choice<'a>, NoSale<'a>> {
    Sale { context, imp, entry, creative, fit, price }.close()
}

/// A creative that fits an impression, looking for terms.
struct Sale<'c, 'a> {
    context: &'c Context<'a>,
    imp: &'a Imp<'a>,
    entry: &'a Entry,
    creative: &'a Creative,
    fit: Fit,
    price: Cpm,
}

impl<'a> Sale<'_, 'a> {
    /// Where a deal that the line item asks for is offered, it is that deal or nothing: its price was made for it.
    fn close(&self) -> Result<Choice<'a>, NoSale<'a>> {
        let mut refusal = None;
        let offered = self.imp.pmp.map(|pmp| pmp.deals).unwrap_or_default();
        for deal in offered.iter().filter(|deal| self.entry.asks_for_deal(deal.id)) {
            match self.under_deal(deal) {
                Ok(choice) => return Ok(choice),
                Err(no_sale) => refusal = Some(NoSale { deal: Some(deal), ..no_sale }),
            }
        }
        match refusal {
            Some(no_sale) => Err(no_sale),
            None if self.imp.pmp.is_some_and(|pmp| pmp.private_auction) => {
                Err(NoBidReason::DealRequired.into())
            }
            None => self.open(),
        }
    }

    /// In the open auction.
    fn open(&self) -> Result<Choice<'a>, NoSale<'a>> {
        let seat = self.context.seat_of(self.creative);
        self.context.seat_allowed(seat)?;
        let priced = self.auction(self.imp_floor()?, None, None)?;
        Ok(self.choice(seat, None, priced))
    }

    /// Under a deal that the advertiser has with the exchange.
    fn under_deal(&self, deal: &'a Deal<'a>) -> Result<Choice<'a>, NoSale<'a>> {
        let context = self.context;
        let agreed = context.book.deal(context.exchange, deal.id, &self.entry.advertiser);
        let agreed = agreed.ok_or(NoBidReason::DealRequired)?;
        let seat = if agreed.seat.is_empty() { context.seat_of(self.creative) } else { &agreed.seat };
        if !deal.wseat.is_empty() && !deal.wseat.contains(&seat) {
            return Err(NoBidReason::SeatNotAllowed.into());
        }
        context.seat_allowed(seat)?;
        if !gates::deal_allows(self.creative, &self.entry.advertiser.domain, deal.wadomain) {
            return Err(NoBidReason::BlockedAdvertiser.into());
        }
        let floor = self.deal_floor(deal, agreed)?;
        let auction = deal.at.or(Some(code(agreed.auction)));
        let priced = self.auction(self.imp_floor()?, floor, auction)?;
        Ok(self.choice(seat, Some(deal), priced))
    }

    /// What the request says for the deal, else what was agreed; where that is less than the impression's floor, that
    /// floor, since a deal without one of its own is under it. A fixed price above the agreed one is not paid.
    fn deal_floor(
        &self,
        deal: &Deal<'_>,
        agreed: &tagbid_catalog::Deal,
    ) -> Result<Option<Floor>, NoSale<'a>> {
        let sent = self.floor(deal.bidfloor, deal.mincpmpersec, deal.bidfloorcur)?;
        let ours =
            (agreed.price > Cpm::ZERO).then_some(Floor { price: agreed.price, currency: agreed.currency });
        let Some(ours) = ours else { return Ok(sent) };
        let fx = self.context.fx;
        let (asked, price) = match (sent, self.imp_floor()?) {
            (Some(sent), _) => (sent, fx.convert(sent.price, sent.currency, ours.currency)),
            (None, Some(floor)) => (floor, fx.convert_up(floor.price, floor.currency, ours.currency)),
            (None, None) => return Ok(Some(ours)),
        };
        if price.map_err(|_| NoBidReason::Currency)? <= ours.price {
            return Ok(sent.or(Some(ours)));
        }
        match agreed.auction {
            DealAuction::Fixed => {
                let no_sale = NoSale::from(NoBidReason::BelowFloor);
                Err(NoSale { floor: Some(asked), agreed: Some(ours), ..no_sale })
            }
            DealAuction::FirstPrice | DealAuction::SecondPrice => Ok(Some(asked)),
        }
    }

    fn imp_floor(&self) -> Result<Option<Floor>, NoBidReason> {
        self.floor(self.imp.bidfloor, self.fit.min_cpm_per_s, self.imp.bidfloorcur)
    }

    /// A floor as sent, or the floor per second of the spot if that is more.
    fn floor(
        &self,
        amount: f64,
        per_second: Option<f64>,
        currency: &str,
    ) -> Result<Option<Floor>, NoBidReason> {
        let seconds = f64::from(self.fit.duration_s.unwrap_or(0));
        let amount = per_second.map_or(amount, |rate| amount.max(rate * seconds));
        Floor::read(amount, currency.trim()).map_err(|error| match error {
            FloorError::Price(_) => NoBidReason::InvalidRequest,
            FloorError::Currency(_) => NoBidReason::Currency,
        })
    }

    /// What is bid in this auction, if that is enough.
    fn auction(
        &self,
        floor: Option<Floor>,
        deal_floor: Option<Floor>,
        deal_at: Option<i32>,
    ) -> Result<Priced, NoSale<'a>> {
        let context = self.context;
        let mechanism = context.auctions.mechanism(Some(context.request.at), deal_at);
        let offer = Offer { mechanism, floor, deal_floor, currency: context.currency };
        decide(&self.entry.item.bid, self.price, &offer, context.fx, &context.settings.shade)
            .map_err(|no_price| NoSale { floor: deal_floor.or(floor), ..no_price.reason().into() })
    }

    fn choice(&self, seat: &'a str, deal: Option<&'a Deal<'a>>, priced: Priced) -> Choice<'a> {
        Choice {
            imp: self.imp,
            entry: self.entry,
            creative: self.creative,
            fit: self.fit,
            seat,
            deal,
            priced,
            holds: Holds::default(),
        }
    }
}

/// OpenRTB's `at` of a deal.
const fn code(auction: DealAuction) -> i32 {
    match auction {
        DealAuction::FirstPrice => 1,
        DealAuction::SecondPrice => 2,
        DealAuction::Fixed => 3,
    }
}
