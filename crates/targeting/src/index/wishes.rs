//! Which values, hours and vetoes are worth a bit in the signatures.

use super::estimate::Estimates;
use super::lower::Literal;
use super::signature::{DAY, HOUR, VETO};
use super::values::Values;
use crate::program::{Pools, Test};
use crate::{Dimension, HoursOfWeek};

/// More than the wide signature has bits.
const MOST_WISHES: usize = 512;

/// What a value is worth a bit for, and which.
pub(super) struct Wish {
    gain: f32,
    /// Its place among the fields of a signature.
    pub(super) field: usize,
    /// Place among all values, hour, day or number of the veto.
    pub(super) value: u32,
}

/// All values that could have a bit, those that gain most first: a bit gains as many records a request as it tells
/// apart from those that want the value.
pub(super) fn wishes(
    values: &Values,
    literals: &[(Literal, u32)],
    pools: &Pools,
    estimates: &Estimates,
    vetoes: &[f32],
) -> Vec<Wish> {
    let mut uses = Uses::new(values.len());
    literals.iter().for_each(|(literal, times)| uses.count(literal, *times as f32, pools, values));
    let plain = uses.values.iter().zip(0..).filter_map(|((dimension, refusals), place)| {
        let dimension = (*dimension)?;
        // A field says nothing of requests with several values.
        let alone = 1.0 - 2.0 * estimates.several(dimension);
        let refusing = uses.fields.get(dimension as usize).copied().unwrap_or(0.0) + refusals;
        let gain = refusing * estimates.value(place) * alone;
        Some(Wish { gain, field: dimension as usize, value: place })
    });
    let hours = uses.hours.iter().zip(0..).map(|(refusing, value)| Wish {
        gain: refusing / 24.0,
        field: HOUR,
        value,
    });
    let days =
        uses.days.iter().zip(0..).map(|(refusing, value)| Wish { gain: refusing / 7.0, field: DAY, value });
    let vetoes = vetoes.iter().zip(0..).map(|(gain, value)| Wish { gain: *gain, field: VETO, value });
    let mut wishes: Vec<_> =
        plain.chain(hours).chain(days).chain(vetoes).filter(|wish| wish.gain > 0.0).collect();
    let order =
        |a: &Wish, b: &Wish| b.gain.total_cmp(&a.gain).then((a.field, a.value).cmp(&(b.field, b.value)));
    if wishes.len() > MOST_WISHES {
        wishes.select_nth_unstable_by(MOST_WISHES, order);
        wishes.truncate(MOST_WISHES);
    }
    wishes.sort_unstable_by(order);
    wishes
}

/// How many literals refuse what.
struct Uses {
    /// Literals that want some values of a dimension: they refuse all others.
    fields: [f32; Dimension::COUNT],
    /// By place: the dimension if it is named at all, and how many more refuse it than those.
    values: Vec<(Option<Dimension>, f32)>,
    hours: [f32; 24],
    days: [f32; 7],
}

impl Uses {
    fn new(values: usize) -> Self {
        Self {
            fields: [0.0; Dimension::COUNT],
            values: vec![(None, 0.0); values],
            hours: [0.0; 24],
            days: [0.0; 7],
        }
    }

    /// A literal that so many records have.
    fn count(&mut self, literal: &Literal, times: f32, pools: &Pools, values: &Values) {
        let dimension = match literal.test {
            Test::Few(d, _) | Test::One(d, _) | Test::In(d, _) => d,
            Test::Os(_) => Dimension::Os,
            Test::Hour(at) if !literal.negated => {
                return pools
                    .hours
                    .get(at as usize)
                    .into_iter()
                    .for_each(|hours| self.count_hours(hours, times));
            }
            _ => return,
        };
        if let Some(uses) = self.fields.get_mut(dimension as usize).filter(|_| !literal.negated) {
            *uses += times;
        }
        let more = if literal.negated { times } else { -times };
        pools.each_value(literal.test, |dimension, id| {
            if let Some((named, refusals)) = self.values.get_mut(values.place(dimension, id) as usize) {
                *named = Some(dimension);
                *refusals += more;
            }
        });
    }

    fn count_hours(&mut self, hours: &HoursOfWeek, times: f32) {
        for (of_day, refusing) in (0..24).zip(&mut self.hours) {
            *refusing += if (0..7).any(|day| hours.contains(day * 24 + of_day)) { 0.0 } else { times };
        }
        for (day, refusing) in (0..7).zip(&mut self.days) {
            *refusing += if (0..24).any(|of_day| hours.contains(day * 24 + of_day)) { 0.0 } else { times };
        }
    }
}
