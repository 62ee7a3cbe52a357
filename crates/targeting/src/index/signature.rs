//! Signatures: 96 bits that tell what a record accepts and what a request has.
//!
//! The bits are split into *fields*, one for each dimension that is worth it. A field has a bit for each of its
//! most frequent values and one for the rest: any other value, and absence. A request with one value or none in
//! a dimension has exactly one bit of its field; with several it has none there, which accepts everything. A record
//! can only match when it accepts all bits of the request. Where its clauses in a field name no value of the rest,
//! that comparison is as good as the clauses themselves (*exact*), and they need not be verified.

use super::estimate::Estimates;
use super::lower::Literal;
use super::postings::{SIGNATURE_BITS, Signature};
use super::values::Values;
use crate::dictionary::ValueId;
use crate::probe::View;
use crate::program::{Pools, Test};
use crate::{Dimension, HoursOfWeek};

/// The signature as one number.
type Bits = u128;

const ALL: Bits = (1 << SIGNATURE_BITS) - 1;
/// No bit of its own.
const NONE: u8 = u8::MAX;

/// The parts of a signature: each dimension, then hour of the day and day of the week.
const FIELDS: usize = Dimension::COUNT + 2;
const HOUR: usize = Dimension::COUNT;
const DAY: usize = Dimension::COUNT + 1;

/// What an index adds to a view: the request's signature.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(super) signature: Signature,
    /// One value at most in every field, so that exact clauses are decided.
    pub(super) decided: bool,
}

/// Which bit stands for what.
#[derive(Debug)]
pub(super) struct Layout {
    fields: [Field; FIELDS],
    /// The bit of each value, by its place among all values.
    value_bits: Vec<u8>,
    hour_bits: [u8; 24],
    day_bits: [u8; 7],
    /// The dimensions with a field, so that requests skip the others.
    used: Vec<Dimension>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Field {
    all: Bits,
    /// The bit of other values and of absence; none: no field.
    rest: Bits,
}

fn bit(at: u8) -> Bits {
    if at == NONE { 0 } else { 1 << at }
}

fn words(bits: Bits) -> Signature {
    [bits as u32, (bits >> 32) as u32, (bits >> 64) as u32]
}

/// What a value is worth a bit for, and which.
struct Wish {
    gain: f32,
    field: usize,
    /// Place among all values, hour or day.
    value: u32,
}

impl Layout {
    /// Gives bits to the values that tell most: frequent in requests, in dimensions that many records restrict.
    pub(super) fn new<'l>(
        values: &Values,
        literals: impl Iterator<Item = &'l Literal>,
        pools: &Pools,
        estimates: &Estimates<'_>,
    ) -> Self {
        let mut layout = Self {
            fields: [Field::default(); FIELDS],
            value_bits: vec![NONE; values.len()],
            hour_bits: [NONE; 24],
            day_bits: [NONE; 7],
            used: Vec::new(),
        };
        let mut next = 0;
        for wish in wishes(values, literals, pools, estimates) {
            layout.grant(&wish, &mut next);
        }
        let has_field =
            |dimension: &Dimension| layout.fields.get(*dimension as usize).is_some_and(|f| f.all != 0);
        layout.used = Dimension::ALL.into_iter().filter(has_field).collect();
        layout
    }

    fn grant(&mut self, wish: &Wish, next: &mut u8) {
        let Some(field) = self.fields.get_mut(wish.field) else {
            return;
        };
        let new = field.rest == 0;
        if usize::from(*next) + 1 + usize::from(new) > SIGNATURE_BITS {
            return;
        }
        if new {
            field.rest = bit(*next);
            field.all = field.rest;
            *next += 1;
        }
        field.all |= bit(*next);
        let value = wish.value as usize;
        let place = match wish.field {
            HOUR => self.hour_bits.get_mut(value),
            DAY => self.day_bits.get_mut(value),
            _ => self.value_bits.get_mut(value),
        };
        if let Some(place) = place {
            *place = *next;
        }
        *next += 1;
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.value_bits.len() + self.used.len()
    }

    /// The request's side.
    pub(super) fn of_request(&self, view: &View<'_>, values: &Values) -> Seen {
        let mut bits = 0;
        let mut decided = true;
        for dimension in &self.used {
            let field = self.field(*dimension as usize);
            if view.has_several(*dimension) {
                decided = false;
                continue;
            }
            let own = view.values(*dimension).first().map_or(0, |id| self.value_bit(values, *dimension, *id));
            bits |= if own == 0 { field.rest } else { own };
        }
        let hour = view.hour_of_week.map(usize::from);
        let own = |bits: &[u8], at: Option<usize>| at.and_then(|at| bits.get(at)).map_or(0, |at| bit(*at));
        for (field, own) in [
            (HOUR, own(&self.hour_bits, hour.map(|hour| hour % 24))),
            (DAY, own(&self.day_bits, hour.map(|hour| hour / 24))),
        ] {
            bits |= if own == 0 { self.field(field).rest } else { own };
        }
        Seen { signature: words(bits), decided }
    }

    /// A record's side: what its literals accept, and calls back with each literal that this decides.
    pub(super) fn of_record(
        &self,
        literals: &[Literal],
        pools: &Pools,
        values: &Values,
        mut decided: impl FnMut(usize),
    ) -> Signature {
        let mut accepted = ALL;
        for (index, literal) in literals.iter().enumerate() {
            let exact = match literal.test {
                Test::Few(dimension, _) | Test::One(dimension, _) | Test::In(dimension, _) => {
                    self.set(dimension, literal, pools, values, &mut accepted)
                }
                Test::Os(_) if !literal.negated => {
                    self.set(Dimension::Os, literal, pools, values, &mut accepted);
                    false
                }
                Test::Hour(at) if !literal.negated => {
                    pools.hours.get(at as usize).is_some_and(|hours| self.hours(hours, &mut accepted))
                }
                _ => false,
            };
            if exact {
                decided(index);
            }
        }
        words(accepted)
    }

    fn set(
        &self,
        dimension: Dimension,
        literal: &Literal,
        pools: &Pools,
        values: &Values,
        accepted: &mut Bits,
    ) -> bool {
        let field = self.field(dimension as usize);
        if field.all == 0 {
            return false;
        }
        let (mut named, mut exact) = (0, true);
        pools.each_value(literal.test, |dimension, id| {
            let own = self.value_bit(values, dimension, id);
            named |= own;
            exact &= own != 0;
        });
        *accepted &= match (literal.negated, exact) {
            (true, _) => !named,
            (false, true) => !field.all | named,
            (false, false) => !field.all | named | field.rest,
        };
        exact
    }

    /// Hours are the product of days and hours of the day, which is exact for what people mostly ask for.
    fn hours(&self, hours: &HoursOfWeek, accepted: &mut Bits) -> bool {
        let (day_field, hour_field) = (self.field(DAY), self.field(HOUR));
        let (mut days, mut of_day) = (0, 0);
        for hour in hours.iter().map(usize::from) {
            days |= self.or_rest(&self.day_bits, hour / 24, day_field);
            of_day |= self.or_rest(&self.hour_bits, hour % 24, hour_field);
        }
        *accepted &= (!day_field.all | days) & (!hour_field.all | of_day);
        let admits = |hour: u8| {
            let (day, hour) = (usize::from(hour / 24), usize::from(hour % 24));
            let day = self.or_rest(&self.day_bits, day, day_field);
            let hour = self.or_rest(&self.hour_bits, hour, hour_field);
            (day & !days == 0) && (hour & !of_day == 0)
        };
        let product = (0..HoursOfWeek::HOURS).all(|hour| admits(hour) == hours.contains(hour));
        // Absence has the rest bits of both fields, and must not pass.
        let refuses_absence =
            days & day_field.rest != day_field.rest || of_day & hour_field.rest != hour_field.rest;
        product && refuses_absence
    }

    fn or_rest(&self, bits: &[u8], at: usize, field: Field) -> Bits {
        match bits.get(at).map_or(0, |at| bit(*at)) {
            0 => field.rest,
            own => own,
        }
    }

    fn field(&self, at: usize) -> Field {
        self.fields.get(at).copied().unwrap_or_default()
    }

    fn value_bit(&self, values: &Values, dimension: Dimension, id: ValueId) -> Bits {
        self.value_bits.get(values.place(dimension, id) as usize).map_or(0, |at| bit(*at))
    }
}

/// All values that could have a bit, those that gain most first.
fn wishes<'l>(
    values: &Values,
    literals: impl Iterator<Item = &'l Literal>,
    pools: &Pools,
    estimates: &Estimates<'_>,
) -> Vec<Wish> {
    let mut uses = [0.0_f32; FIELDS];
    let mut named: Vec<Option<Dimension>> = vec![None; values.len()];
    for literal in literals {
        let field = match literal.test {
            Test::Few(d, _) | Test::One(d, _) | Test::In(d, _) => d as usize,
            Test::Os(_) => Dimension::Os as usize,
            Test::Hour(_) => HOUR,
            _ => continue,
        };
        if let Some(uses) = uses.get_mut(field) {
            *uses += 1.0;
        }
        pools.each_value(literal.test, |dimension, id| {
            if let Some(place) = named.get_mut(values.place(dimension, id) as usize) {
                *place = Some(dimension);
            }
        });
    }
    let of = |field: usize| uses.get(field).copied().unwrap_or(0.0);
    let plain = named.iter().zip(0..).filter_map(|(dimension, place)| {
        let dimension = (*dimension)?;
        let gain = of(dimension as usize) * estimates.value(place) * (1.0 - estimates.several(dimension));
        Some(Wish { gain, field: dimension as usize, value: place })
    });
    let hours = (0..24).map(|value| Wish { gain: of(HOUR) / 24.0, field: HOUR, value });
    let days = (0..7).map(|value| Wish { gain: of(HOUR) / 7.0 / 2.0, field: DAY, value });
    let mut wishes: Vec<_> = plain.chain(hours).chain(days).filter(|wish| wish.gain > 0.0).collect();
    let order =
        |a: &Wish, b: &Wish| b.gain.total_cmp(&a.gain).then((a.field, a.value).cmp(&(b.field, b.value)));
    if wishes.len() > 4 * SIGNATURE_BITS {
        wishes.select_nth_unstable_by(4 * SIGNATURE_BITS, order);
        wishes.truncate(4 * SIGNATURE_BITS);
    }
    wishes.sort_unstable_by(order);
    wishes
}
