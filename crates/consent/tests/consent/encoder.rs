//! Writes consent strings. It shares nothing with the crate's readers, so that each can convict the other.

use std::collections::BTreeSet;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bits to be, first bit first.
#[derive(Clone, Default)]
pub(crate) struct Writer(Vec<bool>);

impl Writer {
    pub(crate) fn number(mut self, width: u32, value: u64) -> Self {
        self.0.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    pub(crate) fn fibonacci(mut self, mut value: u32) -> Self {
        let mut numbers = vec![1, 2];
        while numbers[numbers.len() - 1] <= value {
            numbers.push(numbers[numbers.len() - 1] + numbers[numbers.len() - 2]);
        }
        let mut digits = Vec::new();
        for number in numbers.into_iter().rev() {
            let taken = number <= value;
            value -= if taken { number } else { 0 };
            if taken || !digits.is_empty() {
                digits.push(taken);
            }
        }
        self.0.extend(digits.into_iter().rev());
        self.0.push(true);
        self
    }

    /// A set of numbers from 1 to `width` as a bit field.
    pub(crate) fn set(self, width: u32, members: &BTreeSet<u32>) -> Self {
        (1..=width).fold(self, |writer, one| writer.number(1, u64::from(members.contains(&one))))
    }

    /// The ranges of a set, neighbours joined.
    pub(crate) fn ranges(self, members: &BTreeSet<u32>) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for one in members {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *one => *last = *one,
                _ => ranges.push((*one, *one)),
            }
        }
        let writer = self.number(12, ranges.len() as u64);
        ranges.into_iter().fold(writer, |writer, (first, last)| {
            let writer = writer.number(1, u64::from(first != last)).number(16, u64::from(first));
            if first == last { writer } else { writer.number(16, u64::from(last)) }
        })
    }

    /// A vendor section of a TC string.
    pub(crate) fn vendors(self, Vendors { members, as_ranges }: &Vendors) -> Self {
        let last = members.last().copied().unwrap_or(0);
        let writer = self.number(16, u64::from(last)).number(1, u64::from(*as_ranges));
        if *as_ranges { writer.ranges(members) } else { writer.set(last, members) }
    }

    pub(crate) fn text(mut self) -> String {
        while !self.0.len().is_multiple_of(6) {
            self.0.push(false);
        }
        let sextets = self.0.chunks(6);
        let values = sextets.map(|bits| bits.iter().fold(0, |sum, bit| sum * 2 + usize::from(*bit)));
        values.map(|value| char::from(ALPHABET[value])).collect()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Vendors {
    pub(crate) members: BTreeSet<u32>,
    pub(crate) as_ranges: bool,
}

impl Vendors {
    pub(crate) fn of(members: &[u32]) -> Self {
        Self { members: members.iter().copied().collect(), as_ranges: false }
    }
}

/// A TC string to be.
#[derive(Clone, Debug)]
pub(crate) struct Tc {
    pub(crate) created: u64,
    pub(crate) cmp_id: u64,
    pub(crate) policy_version: u64,
    pub(crate) special_features: u64,
    pub(crate) consent: BTreeSet<u32>,
    pub(crate) interest: BTreeSet<u32>,
    pub(crate) purpose_one_treatment: bool,
    pub(crate) vendor_consent: Vendors,
    pub(crate) vendor_interest: Vendors,
    /// Purpose, kind, vendors.
    pub(crate) restrictions: Vec<(u32, u64, BTreeSet<u32>)>,
    pub(crate) disclosed: Option<Vendors>,
}

impl Default for Tc {
    fn default() -> Self {
        Self {
            created: 17_000_000_000,
            cmp_id: 31,
            policy_version: 4,
            special_features: 0,
            consent: BTreeSet::new(),
            interest: BTreeSet::new(),
            purpose_one_treatment: false,
            vendor_consent: Vendors::default(),
            vendor_interest: Vendors::default(),
            restrictions: Vec::new(),
            disclosed: None,
        }
    }
}

impl Tc {
    /// Consent to these purposes, for these vendors.
    pub(crate) fn consenting(purposes: &[u32], vendors: &[u32]) -> Self {
        Self {
            consent: purposes.iter().copied().collect(),
            vendor_consent: Vendors::of(vendors),
            ..Self::default()
        }
    }

    /// Legitimate interest in these purposes, for these vendors.
    pub(crate) fn with_interest(mut self, purposes: &[u32], vendors: &[u32]) -> Self {
        self.interest = purposes.iter().copied().collect();
        self.vendor_interest = Vendors::of(vendors);
        self
    }

    pub(crate) fn with_restriction(mut self, purpose: u32, kind: u64, vendors: &[u32]) -> Self {
        self.restrictions.push((purpose, kind, vendors.iter().copied().collect()));
        self
    }

    pub(crate) fn text(&self) -> String {
        let writer = Writer::default()
            .number(6, 2)
            .number(36, self.created)
            .number(36, self.created)
            .number(12, self.cmp_id)
            .number(12, 7)
            .number(6, 1)
            .number(12, 4 << 6 | 13)
            .number(12, 126)
            .number(6, self.policy_version)
            .number(2, 0b10)
            .number(12, self.special_features)
            .set(24, &self.consent)
            .set(24, &self.interest)
            .number(1, u64::from(self.purpose_one_treatment))
            .number(12, 3 << 6 | 4)
            .vendors(&self.vendor_consent)
            .vendors(&self.vendor_interest)
            .number(12, self.restrictions.len() as u64);
        let writer = self.restrictions.iter().fold(writer, |writer, (purpose, kind, vendors)| {
            writer.number(6, u64::from(*purpose)).number(2, *kind).ranges(vendors)
        });
        match &self.disclosed {
            None => writer.text(),
            Some(vendors) => {
                format!("{}.{}", writer.text(), Writer::default().number(3, 1).vendors(vendors).text())
            }
        }
    }
}

/// A GPP string of these sections, which must be in rising order.
pub(crate) fn gpp(sections: &[(u32, &str)]) -> String {
    let header = Writer::default().number(6, 3).number(6, 1).number(12, sections.len() as u64);
    let (header, _) = sections
        .iter()
        .fold((header, 0), |(header, before), (id, _)| (header.number(1, 0).fibonacci(id - before), *id));
    let parts = sections.iter().map(|(_, text)| format!("~{text}"));
    parts.fold(header.text(), |all, part| all + &part)
}

/// A US section: its version, then two bits a field, as digits.
pub(crate) fn us(version: u64, fields: &str) -> String {
    let digits = fields.bytes().filter(u8::is_ascii_digit);
    digits
        .fold(Writer::default().number(6, version), |writer, digit| writer.number(2, u64::from(digit - b'0')))
        .text()
}
