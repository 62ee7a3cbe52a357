//! Auctions: our bids against simulated competitors, and the notices that follow. Pure: what is to be called, and
//! when, comes back as a list.

mod chance;
mod clearing;
mod macros;
mod outcome;

use std::time::Duration;

use serde_json::Value;
use tagbid_types::{Cpm, Currency, Nanos, Ratio};

use crate::check::Violation;
use crate::dice::Dice;
use crate::markup;
use crate::rates::Rates;
use crate::view::{self, deal, impression, int, items, number, text};
use crate::world::Format;

pub use chance::Shares;
use clearing::{Offer, Verdict, clear};
pub use macros::{Values, substitute};
pub use outcome::{Habits, Notice, NoticeKind, Outcome, Win};

/// AdCOM list "Loss Reason Codes": lost to a higher bid, and to a bid for a deal.
const LOST_TO_HIGHER: u16 = 102;
const LOST_TO_DEAL: u16 = 103;

/// Runs auctions, one after the other. The seed decides them all.
#[derive(Clone, Debug)]
pub struct Auctions {
    dice: Dice,
    habits: Habits,
    rates: Rates,
}

/// A bid with its place in the response.
#[derive(Clone, Copy)]
struct Candidate<'v> {
    seat: &'v Value,
    bid: &'v Value,
    offer: Offer,
}

impl Auctions {
    /// Auctions of this seed.
    pub fn new(habits: Habits, rates: Rates, seed: u64) -> Self {
        Self { dice: Dice::new(seed), habits, rates }
    }

    /// The auctions of one request, with us as one of the bidders. Bids with violations lose for that reason.
    pub fn run(&mut self, request: &Value, response: &Value, violations: &[Violation]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut valid: Vec<(&Value, Vec<Candidate<'_>>)> = Vec::new();
        for (s, seat) in items(response, "seatbid").iter().enumerate() {
            for (b, bid) in items(seat, "bid").iter().enumerate() {
                let broken = violations.iter().find(|v| v.bid.is_none_or(|at| at == (s, b)));
                let imp = text(bid, "impid").and_then(|id| impression(request, id));
                let candidate = imp.and_then(|imp| self.candidate(request, response, imp, seat, bid));
                match (broken, imp, candidate) {
                    (None, Some(imp), Some(candidate)) => file(&mut valid, imp, candidate),
                    (broken, ..) => {
                        let of_deal = text(bid, "dealid").is_some();
                        let reason = broken.map_or(1, |violation| violation.rule.loss_reason(of_deal));
                        let values = values(request, response, seat, bid);
                        self.lose(bid, values, reason, None, &mut outcome);
                    }
                }
            }
        }
        for (imp, candidates) in valid {
            self.decide(request, response, imp, &candidates, &mut outcome);
        }
        outcome
    }

    fn candidate<'v>(
        &self,
        request: &Value,
        response: &Value,
        imp: &Value,
        seat: &'v Value,
        bid: &'v Value,
    ) -> Option<Candidate<'v>> {
        let currency: Currency = text(response, "cur").unwrap_or("USD").parse().ok()?;
        let deal = text(bid, "dealid").and_then(|id| deal(imp, id));
        let floor = view::floor(deal.unwrap_or(imp));
        let at = deal.and_then(|deal| int(deal, "at")).or_else(|| int(request, "at"));
        Some(Candidate {
            seat,
            bid,
            offer: Offer {
                price: Cpm::from_f64(number(bid, "price")?)?,
                currency,
                floor: self.rates.convert(floor.cpm, floor.currency, currency).unwrap_or(Cpm::ZERO),
                at: at.unwrap_or(2),
                is_deal: deal.is_some(),
            },
        })
    }

    fn decide(
        &mut self,
        request: &Value,
        response: &Value,
        imp: &Value,
        candidates: &[Candidate<'_>],
        outcome: &mut Outcome,
    ) {
        let offers: Vec<Offer> = candidates.iter().map(|candidate| candidate.offer).collect();
        let Some(currency) = offers.first().map(|offer| offer.currency) else {
            return;
        };
        let competitor = self.competitor(imp, currency);
        let verdict = clear(&offers, competitor);
        for (position, candidate) in candidates.iter().enumerate() {
            let mut values = values(request, response, candidate.seat, candidate.bid);
            values.currency = currency.as_str().to_owned();
            match verdict {
                Verdict::Won { offer, price, min_to_win } if offer == position => {
                    values.price = decimal(price);
                    values.min_to_win = decimal(min_to_win);
                    self.win(imp, candidate, price, values, outcome);
                }
                Verdict::Won { offer, price, .. } => {
                    let to_deal = offers.get(offer).is_some_and(|winner| winner.is_deal);
                    let reason =
                        if to_deal && !candidate.offer.is_deal { LOST_TO_DEAL } else { LOST_TO_HIGHER };
                    self.lose(candidate.bid, values, reason, Some(price), outcome);
                }
                Verdict::Lost { min_to_win } => {
                    self.lose(candidate.bid, values, LOST_TO_HIGHER, Some(min_to_win), outcome);
                }
            }
        }
    }

    /// The best competing bid above the open floor: log-normal around three times the format's usual floor.
    fn competitor(&mut self, imp: &Value, currency: Currency) -> Option<Cpm> {
        let format = Format::ALL.into_iter().find(|format| imp.get(format.as_str()).is_some())?;
        let floor = view::floor(imp);
        let floor = self.rates.convert(floor.cpm, floor.currency, currency)?;
        let median = self.rates.convert(format.usual_floor(), Currency::USD, currency)?.to_f64() * 3.0;
        (0..self.dice.below(self.habits.competitors + 1))
            .filter_map(|_| Cpm::from_f64(median * (0.6 * self.dice.normal()).exp()))
            .filter(|price| *price >= floor)
            .max()
    }

    fn win(
        &mut self,
        imp: &Value,
        won: &Candidate<'_>,
        price: Cpm,
        mut values: Values,
        outcome: &mut Outcome,
    ) {
        let bid = won.bid;
        let multiplier = imp.get("qty").and_then(|qty| number(qty, "multiplier")).unwrap_or(1.0);
        values.multiplier = multiplier.to_string();
        values.market_bid_ratio = format!("{:.4}", price.to_f64() / won.offer.price.to_f64());
        self.notify(NoticeKind::Win, text(bid, "nurl"), Duration::ZERO, &values, outcome);
        let shown = self.dice.chance(self.habits.shown);
        if shown {
            self.show(imp, bid, &values, outcome);
        }
        outcome.wins.push(Win {
            bid_id: text(bid, "id").unwrap_or_default().to_owned(),
            price,
            currency: won.offer.currency,
            charged: if shown { charge(price, multiplier) } else { Nanos::ZERO },
        });
    }

    /// The ad is rendered: the exchange bills, the markup reports, now and then somebody clicks.
    fn show(&mut self, imp: &Value, bid: &Value, values: &Values, outcome: &mut Outcome) {
        let after = self.habits.shown_within.mul_f64(self.dice.unit());
        self.notify(NoticeKind::Billing, text(bid, "burl"), after, values, outcome);
        let Some(markup) = read_markup(imp, bid, values) else {
            return;
        };
        for url in markup.impressions.iter().filter(|url| self.habits.may_call(url)).collect::<Vec<_>>() {
            self.notify(NoticeKind::Impression, Some(url), after, values, outcome);
        }
        if self.dice.chance(self.habits.clicked) {
            let later = after + Duration::from_secs(1);
            let click = markup.clicks.iter().find(|url| self.habits.may_call(url));
            self.notify(NoticeKind::Click, click.map(String::as_str), later, values, outcome);
        }
    }

    fn lose(
        &mut self,
        bid: &Value,
        mut values: Values,
        reason: u16,
        min_to_win: Option<Cpm>,
        outcome: &mut Outcome,
    ) {
        values.loss = reason.to_string();
        values.min_to_win = min_to_win.map(decimal).unwrap_or_default();
        outcome.losses += 1;
        self.notify(NoticeKind::Loss, text(bid, "lurl"), Duration::ZERO, &values, outcome);
    }

    fn notify(
        &mut self,
        kind: NoticeKind,
        template: Option<&str>,
        after: Duration,
        values: &Values,
        outcome: &mut Outcome,
    ) {
        let Some(template) = template else { return };
        let notice = Notice { kind, url: substitute(template, values), after };
        if self.dice.chance(self.habits.repeated) {
            outcome.notices.push(notice.clone());
        }
        outcome.notices.push(notice);
    }
}

fn file<'v>(groups: &mut Vec<(&'v Value, Vec<Candidate<'v>>)>, imp: &'v Value, candidate: Candidate<'v>) {
    match groups.iter_mut().find(|(known, _)| std::ptr::eq(*known, imp)) {
        Some((_, candidates)) => candidates.push(candidate),
        None => groups.push((imp, vec![candidate])),
    }
}

/// The markup as it is shown, its macros filled in.
fn read_markup(imp: &Value, bid: &Value, values: &Values) -> Option<markup::Markup> {
    let adm = substitute(text(bid, "adm")?, values);
    let offered = |format: &Format| imp.get(format.as_str()).is_some();
    let read = |format: Format| markup::read(format, &adm, imp.get(format.as_str())?).ok();
    let declared = match int(bid, "mtype") {
        Some(1) => Some(Format::Banner),
        Some(2) => Some(Format::Video),
        Some(3) => Some(Format::Audio),
        Some(4) => Some(Format::Native),
        _ => Format::ALL.into_iter().find(offered),
    };
    read(declared?)
}

fn values(request: &Value, response: &Value, seat: &Value, bid: &Value) -> Values {
    let of = |object: &Value, key: &str| text(object, key).unwrap_or_default().to_owned();
    Values {
        auction_id: of(request, "id"),
        bid_id: of(response, "bidid"),
        imp_id: of(bid, "impid"),
        seat_id: of(seat, "seat"),
        ad_id: of(bid, "adid"),
        currency: text(response, "cur").unwrap_or("USD").to_owned(),
        ..Values::default()
    }
}

/// A price without trailing zeros, exact to the micro.
fn decimal(price: Cpm) -> String {
    price.to_string().trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What a shown impression costs, times the people that it counts for.
fn charge(price: Cpm, multiplier: f64) -> Nanos {
    let times = Ratio::from_f64(multiplier).unwrap_or_default();
    price.scale(times).unwrap_or(price).per_impression()
}

#[cfg(test)]
mod tests;
