//! What a line item could pay, as the search orders it: its bound for a request, not for the best of all requests.
//!
//! A bound that takes every multiplier as favourable is up to their product too high, and a search in falling order
//! would pull everybody who could pay more at best before the one who pays most here. So the multipliers that matter
//! most are told apart: for each set of favourable outcomes there is a [`Raise`] to what is paid then at most.

use tagbid_targeting::{Leaf, Raise};
use tagbid_types::{Cpm, Ratio};

use crate::{BidRules, Fx, FxError, Multiplier};

/// Multipliers of one line item that its bounds tell apart. Each doubles the records that the search holds for it;
/// the rest counts as favourable.
const TOLD_APART: usize = 3;

/// Bounds of bid rules in the table's common currency, rounded up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The highest price where none of the raises holds.
    pub bound: Cpm,
    /// The highest price where the tests of multipliers come out so; tests are numbered as the multipliers are.
    pub raises: Vec<Raise>,
}

impl BidRules {
    /// By what candidates are ordered.
    pub fn bounds(&self, fx: &Fx) -> Result<Bounds, FxError> {
        let told = self.told_apart();
        let sets = 0..1_usize << told.len();
        let bounds = sets.clone().map(|set| {
            let highest = self.clamp(self.highest(|place| outcome(&told, set, place)));
            fx.convert_up(highest, self.currency, fx.common())
        });
        let bounds = bounds.collect::<Result<Vec<_>, _>>()?;
        let of = |set: usize| bounds.get(set).copied().unwrap_or(Cpm::MAX);
        // Where fewer favourable outcomes are worth as much, these alone decide: maxima make many sets equal.
        let adds = |set: usize| (0..set).filter(|less| less & set == *less).all(|less| of(less) < of(set));
        let raises = sets.skip(1).filter(|set| adds(*set)).map(|set| self.raise(&told, set, of(set)));
        Ok(Bounds { bound: of(0), raises: raises.collect() })
    }

    /// Places of the multipliers that move the price most, of those whose test tells when they are unfavourable too.
    fn told_apart(&self) -> Vec<usize> {
        let mut places: Vec<_> = self.multipliers.iter().enumerate().take(128).collect();
        places.retain(|(_, multiplier)| {
            multiplier.raises() || multiplier.lowers() && is_certain(&multiplier.when)
        });
        places.sort_by_key(|(_, multiplier)| std::cmp::Reverse(multiplier.weight()));
        places.into_iter().map(|(place, _)| place).take(TOLD_APART).collect()
    }

    /// The highest price before the clamp, when it is known of some multipliers whether they are favourable.
    fn highest(&self, favourable: impl Fn(usize) -> Option<bool>) -> Cpm {
        self.multipliers.iter().enumerate().fold(self.base, |price, (place, multiplier)| {
            let times = multiplier.apply(price);
            match favourable(place) {
                Some(false) => price.min(times),
                Some(true) | None => price.max(times),
            }
        })
    }

    fn raise(&self, told: &[usize], set: usize, bound: Cpm) -> Raise {
        let mut raise = Raise { holding: 0, failing: 0, bound };
        for place in told.iter().copied().filter(|place| outcome(told, set, *place) == Some(true)) {
            let bit = 1_u128 << place;
            match self.multipliers.get(place) {
                Some(multiplier) if multiplier.raises() => raise.holding |= bit,
                _ => raise.failing |= bit,
            }
        }
        raise
    }
}

/// Whether the multiplier at a place is favourable where this set of those told apart is; none: it is not told.
fn outcome(told: &[usize], set: usize, place: usize) -> Option<bool> {
    let at = told.iter().position(|told| *told == place)?;
    Some(set >> at & 1 == 1)
}

/// Whether the test is always true or false. One that may be unknown leaves a price as it is, so it not being certainly
/// false does not mean that a multiplier below one is applied.
const fn is_certain(leaf: &Leaf) -> bool {
    match leaf {
        Leaf::In { .. } | Leaf::Present(_) | Leaf::OsVersion(_) | Leaf::Near(_) | Leaf::Hour(_) => true,
        // Of a list that is missing, and of tags that are, nothing is known.
        Leaf::OnList { .. } | Leaf::Tag(_) => false,
    }
}

impl Multiplier {
    fn raises(&self) -> bool {
        self.factor > Ratio::ONE
    }

    fn lowers(&self) -> bool {
        self.factor < Ratio::ONE
    }

    /// How far it moves a price, up or down.
    fn weight(&self) -> i64 {
        let one = Ratio::ONE.0;
        if self.raises() { self.factor.0 } else { (one * one).checked_div(self.factor.0).unwrap_or(i64::MAX) }
    }
}
