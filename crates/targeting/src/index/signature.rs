//! Signatures: bits that tell what a record accepts and what a request has. A posting carries a narrow one, which
//! needs no look at the record; the record has a wide one.
//!
//! The bits are split into *fields*, one for each dimension that is worth it. A field has a bit for each of its
//! most frequent values and one for the rest: any other value, and absence. A request with one value or none in
//! a dimension has exactly one bit of its field; with several it has none there, which accepts everything. A record
//! can only match when it accepts all bits of the request. Where its clauses in a field name no value of the rest,
//! that comparison is as good as the clauses themselves (*exact*), and they need not be verified.

use std::ops::{BitAnd, BitOr, Not};

use hashbrown::HashMap;

use super::lower::Literal;
use super::postings::Signature;
use super::values::Values;
use super::veto::{self, VetoMask};
use super::wishes::Wish;
use crate::dictionary::ValueId;
use crate::probe::View;
use crate::program::{Pools, Test};
use crate::{Dimension, HoursOfWeek};

/// What a record accepts in full: one vector register.
pub(crate) type WideSignature = [u32; 8];

/// The words of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bits<const W: usize>([u32; W]);

impl<const W: usize> Bits<W> {
    const NONE: Self = Self([0; W]);
    const ALL: Self = Self([u32::MAX; W]);

    fn one(at: u16) -> Self {
        let mut bits = Self::NONE;
        bits.set(at);
        bits
    }

    fn set(&mut self, at: u16) {
        if let Some(word) = self.0.get_mut(usize::from(at / 32)) {
            *word |= 1 << (at % 32);
        }
    }

    fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Whether the other has all of these.
    fn within(self, other: Self) -> bool {
        (self & !other).is_empty()
    }

    fn both(mut self, other: Self, with: impl Fn(u32, u32) -> u32) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own = with(*own, other));
        self
    }
}

impl<const W: usize> BitAnd for Bits<W> {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.both(other, |own, other| own & other)
    }
}

impl<const W: usize> BitOr for Bits<W> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.both(other, |own, other| own | other)
    }
}

impl<const W: usize> Not for Bits<W> {
    type Output = Self;

    fn not(self) -> Self {
        self.both(self, |own, _| !own)
    }
}

/// No bit of its own.
const NONE: u16 = u16::MAX;

/// The parts of a signature: each dimension, then hour of the day, day of the week, and vetoes.
const FIELDS: usize = Dimension::COUNT + 3;
pub(super) const HOUR: usize = Dimension::COUNT;
pub(super) const DAY: usize = Dimension::COUNT + 1;
/// A bit for each veto and none for the rest: requests have those in force, records accept all but their own.
pub(super) const VETO: usize = Dimension::COUNT + 2;

/// The request's side of both signatures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signatures {
    pub(crate) narrow: Signature,
    pub(crate) wide: WideSignature,
}

/// Which bit stands for what.
#[derive(Debug)]
pub(super) struct Layout<const W: usize> {
    fields: [Field<W>; FIELDS],
    /// The bit of each value, by its place among all values.
    value_bits: Vec<u16>,
    hour_bits: [u16; 24],
    day_bits: [u16; 7],
    veto_bits: [u16; veto::MOST],
    /// The dimensions with a field, so that requests skip the others.
    used: Vec<Dimension>,
}

#[derive(Clone, Copy, Debug)]
struct Field<const W: usize> {
    all: Bits<W>,
    /// The bit of other values and of absence; none: no field.
    rest: Bits<W>,
}

impl<const W: usize> Field<W> {
    const NONE: Self = Self { all: Bits::NONE, rest: Bits::NONE };
}

fn bit<const W: usize>(at: u16) -> Bits<W> {
    if at == NONE { Bits::NONE } else { Bits::one(at) }
}

impl<const W: usize> Layout<W> {
    /// Gives bits to the values that tell most: frequent in requests, in dimensions that many records restrict.
    pub(super) fn new(values: &Values, wishes: &[Wish]) -> Self {
        let mut layout = Self {
            fields: [Field::NONE; FIELDS],
            value_bits: vec![NONE; values.len()],
            hour_bits: [NONE; 24],
            day_bits: [NONE; 7],
            veto_bits: [NONE; veto::MOST],
            used: Vec::new(),
        };
        let mut next = 0;
        for wish in wishes {
            layout.grant(wish, &mut next);
        }
        let has_field =
            |dimension: &Dimension| layout.fields.get(*dimension as usize).is_some_and(|f| !f.all.is_empty());
        layout.used = Dimension::ALL.into_iter().filter(has_field).collect();
        layout
    }

    fn grant(&mut self, wish: &Wish, next: &mut u16) {
        let Some(field) = self.fields.get_mut(wish.field) else {
            return;
        };
        let new = field.rest.is_empty() && wish.field != VETO;
        if usize::from(*next) + 1 + usize::from(new) > W * 32 {
            return;
        }
        if new {
            field.rest = bit(*next);
            field.all = field.rest;
            *next += 1;
        }
        field.all = field.all | bit(*next);
        let value = wish.value as usize;
        let place = match wish.field {
            HOUR => self.hour_bits.get_mut(value),
            DAY => self.day_bits.get_mut(value),
            VETO => self.veto_bits.get_mut(value),
            _ => self.value_bits.get_mut(value),
        };
        if let Some(place) = place {
            *place = *next;
        }
        *next += 1;
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.value_bits.as_slice()) + self.used.len()
    }

    /// The request's side.
    pub(super) fn of_request(&self, view: &View<'_>, values: &Values) -> [u32; W] {
        let mut bits = Bits::NONE;
        for dimension in &self.used {
            let field = self.field(*dimension as usize);
            if view.has_several(*dimension) {
                continue;
            }
            let own = view
                .values(*dimension)
                .first()
                .map_or(Bits::NONE, |id| self.value_bit(values, *dimension, *id));
            bits = bits | if own.is_empty() { field.rest } else { own };
        }
        let hour = view.hour_of_week.map(usize::from);
        let own = |bits: &[u16], at: Option<usize>| {
            at.and_then(|at| bits.get(at)).map_or(Bits::NONE, |at| bit(*at))
        };
        for (field, own) in [
            (HOUR, own(&self.hour_bits, hour.map(|hour| hour % 24))),
            (DAY, own(&self.day_bits, hour.map(|hour| hour / 24))),
        ] {
            bits = bits | if own.is_empty() { self.field(field).rest } else { own };
        }
        self.with(bits.0, view.vetoes)
    }

    /// A request's side where these vetoes are in force as well.
    pub(super) fn with(&self, bits: [u32; W], vetoes: VetoMask) -> [u32; W] {
        (Bits(bits) | self.of_vetoes(vetoes)).0
    }

    /// A record's side where these vetoes could refuse it as well.
    pub(super) fn but(&self, accepted: [u32; W], vetoes: VetoMask) -> [u32; W] {
        (Bits(accepted) & !self.of_vetoes(vetoes)).0
    }

    /// Whether a veto has a bit, and so decides what it stands for.
    pub(super) fn has_veto(&self, number: u32) -> bool {
        self.veto_bits.get(number as usize).is_some_and(|at| *at != NONE)
    }

    fn of_vetoes(&self, vetoes: VetoMask) -> Bits<W> {
        let mut bits = Bits::NONE;
        for number in veto::numbers(vetoes) {
            if let Some(at) = self.veto_bits.get(number as usize).filter(|at| **at != NONE) {
                bits.set(*at);
            }
        }
        bits
    }

    /// A record's side: what its literals accept, and calls back with each literal that this decides.
    pub(super) fn of_record(
        &self,
        literals: &[Literal],
        pools: &Pools,
        values: &Values,
        named: &mut NamedBits<W>,
        mut decided: impl FnMut(usize),
    ) -> [u32; W] {
        let mut accepted = Bits::ALL;
        for (index, literal) in literals.iter().enumerate() {
            let exact = match literal.test {
                Test::Few(dimension, _) | Test::One(dimension, _) | Test::In(dimension, _) => {
                    self.set(dimension, literal, named.of(self, literal.test, pools, values), &mut accepted)
                }
                Test::Os(_) if !literal.negated => {
                    let named = named.of(self, literal.test, pools, values);
                    self.set(Dimension::Os, literal, named, &mut accepted);
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
        accepted.0
    }

    /// Whether bits decide the literal; `named` are those of its values, and whether all of these have one.
    fn set(
        &self,
        dimension: Dimension,
        literal: &Literal,
        (named, exact): (Bits<W>, bool),
        accepted: &mut Bits<W>,
    ) -> bool {
        let field = self.field(dimension as usize);
        if field.all.is_empty() {
            return false;
        }
        *accepted = *accepted
            & match (literal.negated, exact) {
                (true, _) => !named,
                (false, true) => !field.all | named,
                (false, false) => !field.all | named | field.rest,
            };
        exact
    }

    /// Hours are the product of days and hours of the day, which is exact for what people mostly ask for.
    fn hours(&self, hours: &HoursOfWeek, accepted: &mut Bits<W>) -> bool {
        let (day_field, hour_field) = (self.field(DAY), self.field(HOUR));
        let (mut days, mut of_day) = (Bits::NONE, Bits::NONE);
        for hour in hours.iter().map(usize::from) {
            days = days | self.or_rest(&self.day_bits, hour / 24, day_field);
            of_day = of_day | self.or_rest(&self.hour_bits, hour % 24, hour_field);
        }
        *accepted = *accepted & (!day_field.all | days) & (!hour_field.all | of_day);
        let admits = |hour: u8| {
            let (day, hour) = (usize::from(hour / 24), usize::from(hour % 24));
            let day = self.or_rest(&self.day_bits, day, day_field);
            let hour = self.or_rest(&self.hour_bits, hour, hour_field);
            day.within(days) && hour.within(of_day)
        };
        let product = (0..HoursOfWeek::HOURS).all(|hour| admits(hour) == hours.contains(hour));
        // Absence has the rest bits of both fields, and must not pass.
        let refuses_absence = !day_field.rest.within(days) || !hour_field.rest.within(of_day);
        product && refuses_absence
    }

    fn or_rest(&self, bits: &[u16], at: usize, field: Field<W>) -> Bits<W> {
        let own: Bits<W> = bits.get(at).map_or(Bits::NONE, |at| bit(*at));
        if own.is_empty() { field.rest } else { own }
    }

    fn field(&self, at: usize) -> Field<W> {
        self.fields.get(at).copied().unwrap_or(Field::NONE)
    }

    fn value_bit(&self, values: &Values, dimension: Dimension, id: ValueId) -> Bits<W> {
        self.value_bits.get(values.place(dimension, id) as usize).map_or(Bits::NONE, |at| bit(*at))
    }
}

/// The bits of the values of each set, found once for all records that have it.
#[derive(Debug, Default)]
pub(super) struct NamedBits<const W: usize>(HashMap<Test, (Bits<W>, bool)>);

impl<const W: usize> NamedBits<W> {
    fn of(&mut self, layout: &Layout<W>, test: Test, pools: &Pools, values: &Values) -> (Bits<W>, bool) {
        match test {
            Test::In(..) => *self.0.entry(test).or_insert_with(|| layout.named(test, pools, values)),
            _ => layout.named(test, pools, values),
        }
    }
}

impl<const W: usize> Layout<W> {
    /// The bits of the values that a test names, and whether each has one.
    fn named(&self, test: Test, pools: &Pools, values: &Values) -> (Bits<W>, bool) {
        let (mut named, mut exact) = (Bits::NONE, true);
        pools.each_value(test, |dimension, id| {
            match self.value_bits.get(values.place(dimension, id) as usize) {
                Some(at) if *at != NONE => named.set(*at),
                _ => exact = false,
            }
        });
        (named, exact)
    }
}
