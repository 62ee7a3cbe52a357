//! Auctions by lot: bids win as often as somebody chose, whatever others would have bid. For load tests, where the rate
//! of notices is what matters.

use serde_json::Value;

use crate::view::{impression, items, text};

use super::{Auctions, LOST_TO_HIGHER, Outcome, decimal, values};

/// How often bids win and losses are told; the rest of what follows is in [`super::Habits`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Share of bids that win, at their own price.
    pub win: f64,
    /// Share of the others that are told.
    pub loss: f64,
}

impl Auctions {
    /// Draws lots for the bids of one answer. A bid for no impression of the request is passed over.
    pub fn run_by_chance(&mut self, request: &Value, response: &Value, shares: Shares) -> Outcome {
        let mut outcome = Outcome::default();
        for seat in items(response, "seatbid") {
            for bid in items(seat, "bid") {
                let imp = text(bid, "impid").and_then(|id| impression(request, id));
                let found =
                    imp.and_then(|imp| Some((imp, self.candidate(request, response, imp, seat, bid)?)));
                let Some((imp, candidate)) = found else { continue };
                let mut values = values(request, response, seat, bid);
                if self.dice.chance(shares.win) {
                    let price = candidate.offer.price;
                    values.price = decimal(price);
                    values.min_to_win = decimal(price);
                    self.win(imp, &candidate, price, values, &mut outcome);
                } else if self.dice.chance(shares.loss) {
                    self.lose(bid, values, LOST_TO_HIGHER, None, &mut outcome);
                }
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auction::{Habits, NoticeKind};
    use crate::rates::Rates;
    use serde_json::json;
    use std::time::Duration;

    fn notices(shares: Shares, habits: Habits, count: usize) -> Vec<(NoticeKind, String)> {
        let request = json!({"id": "a", "imp": [{"id": "1", "banner": {"w": 1, "h": 1}}]});
        let markup = r#"<a href="http://n.example/click"><img src="http://n.example/pixel"></a>"#;
        let bid = json!({"id": "b", "impid": "1", "price": 2.5, "nurl": "http://n.example/win?p=${AUCTION_PRICE}",
            "burl": "http://n.example/bill", "lurl": "http://n.example/loss?r=${AUCTION_LOSS}", "adm": markup});
        let stray = json!({"id": "c", "impid": "9", "price": 2.5, "nurl": "http://n.example/never"});
        let response = json!({"id": "a", "seatbid": [{"bid": [bid, stray]}]});
        let mut auctions = Auctions::new(habits, Rates::default(), 1);
        let outcomes = (0..count).flat_map(|_| auctions.run_by_chance(&request, &response, shares).notices);
        outcomes.map(|notice| (notice.kind, notice.url)).collect()
    }

    fn habits() -> Habits {
        let hosts = vec!["n.example".to_owned()];
        Habits {
            shown: 1.0,
            clicked: 1.0,
            repeated: 0.0,
            shown_within: Duration::ZERO,
            hosts,
            ..Habits::default()
        }
    }

    #[test]
    fn a_bid_that_always_wins_is_billed_shown_and_clicked() {
        let called = notices(Shares { win: 1.0, loss: 1.0 }, habits(), 1);
        let kinds: Vec<&str> = called.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["win", "billing", "impression", "click"]);
        assert_eq!(called[0].1, "http://n.example/win?p=2.5");
    }

    #[test]
    fn shares_are_kept_and_markup_calls_only_hosts_that_it_may() {
        let called = notices(Shares { win: 0.3, loss: 0.5 }, Habits { hosts: vec![], ..habits() }, 10_000);
        let of = |wanted| called.iter().filter(|(kind, _)| *kind == wanted).count();
        // Four deviations of a binomial: 46 at 0.3 of 10,000, 48 at 0.35.
        assert!((2_816..3_184).contains(&of(NoticeKind::Win)), "{}", of(NoticeKind::Win));
        assert!((3_308..3_692).contains(&of(NoticeKind::Loss)), "{}", of(NoticeKind::Loss));
        assert_eq!(of(NoticeKind::Billing), of(NoticeKind::Win));
        assert_eq!((of(NoticeKind::Impression), of(NoticeKind::Click)), (0, 0));
    }
}
