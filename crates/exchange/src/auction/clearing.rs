//! Who wins an impression, and what it costs.

use tagbid_types::{Cpm, Currency};

/// One cent CPM: what a second price adds to the runner-up, and the least that anything costs.
pub(super) const STEP: Cpm = Cpm(10_000);

/// A bid as the auction sees it. Prices of one impression are all in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) price: Cpm,
    pub(super) currency: Currency,
    /// The least price: the deal's floor, or the impression's.
    pub(super) floor: Cpm,
    /// How it is sold: 1 first price, 2 second price, 3 the floor is the price.
    pub(super) at: i64,
    pub(super) is_deal: bool,
}

/// How an impression was decided for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Our offer of this position wins at this price.
    Won { offer: usize, price: Cpm, min_to_win: Cpm },
    /// The best other bid beat them all.
    Lost { min_to_win: Cpm },
}

/// Decides between our offers for one impression (not empty) and the best competing bid, which is for the open
/// auction. A deal goes before the open auction; there nobody competes with us.
pub(super) fn clear(offers: &[Offer], competitor: Option<Cpm>) -> Verdict {
    let best = (0..offers.len()).max_by_key(|i| offers.get(*i).map(|o| (o.is_deal, o.price))).unwrap_or(0);
    let Some(won) = offers.get(best) else {
        return Verdict::Lost { min_to_win: Cpm::ZERO };
    };
    let rival = competitor.filter(|_| !won.is_deal);
    let beaten = Cpm(rival.map_or(0, |rival| rival.0) + STEP.0);
    let min_to_win = won.floor.max(beaten);
    if rival.is_some_and(|rival| rival >= won.price) {
        return Verdict::Lost { min_to_win };
    }
    let price = match won.at {
        1 => won.price,
        3 => won.floor,
        _ => min_to_win.min(won.price),
    };
    Verdict::Won { offer: best, price, min_to_win }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(price: i64, floor: i64, at: i64) -> Offer {
        Offer { price: Cpm(price), currency: Currency::USD, floor: Cpm(floor), at, is_deal: false }
    }

    fn won(price: i64, min_to_win: i64) -> Verdict {
        Verdict::Won { offer: 0, price: Cpm(price), min_to_win: Cpm(min_to_win) }
    }

    #[test]
    fn the_auction_type_decides_the_price() {
        let rival = Some(Cpm(1_500_000));
        assert_eq!(clear(&[open(2_000_000, 0, 1)], rival), won(2_000_000, 1_510_000));
        assert_eq!(clear(&[open(2_000_000, 0, 2)], rival), won(1_510_000, 1_510_000));
        assert_eq!(clear(&[open(2_000_000, 1_800_000, 2)], rival), won(1_800_000, 1_800_000));
        assert_eq!(clear(&[open(1_505_000, 0, 2)], rival), won(1_505_000, 1_510_000));
        let lost = Verdict::Lost { min_to_win: Cpm(1_510_000) };
        assert_eq!(clear(&[open(1_500_000, 0, 2)], rival), lost);
    }

    #[test]
    fn a_deal_goes_before_the_open_auction() {
        let deal = Offer { is_deal: true, ..open(900_000, 800_000, 3) };
        let verdict = clear(&[deal, open(5_000_000, 0, 1)], Some(Cpm(9_000_000)));
        assert_eq!(verdict, won(800_000, 800_000));
    }

    proptest! {
        /// A winner pays at least the floor and at most its bid.
        #[test]
        fn the_price_lies_between_floor_and_bid(
            floor in 0..3_000_000_i64, above in 0..3_000_000_i64, at in 0..4_i64, rival in 0..6_000_000_i64,
        ) {
            if let Verdict::Won { price, .. } = clear(&[open(floor + above, floor, at)], Some(Cpm(rival))) {
                prop_assert!(price.0 >= floor && price.0 <= floor + above);
            }
        }
    }
}
