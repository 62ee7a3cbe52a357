//! People: each number has one home, one set of devices and one mind about consent.

use crate::dice::Dice;
use crate::world::{BROWSING, COUNTRIES, City, Country, Device, MOBILE, TELEVISIONS, mix};

use super::consent::Choice;

/// Everything about a person follows from the number.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) number: u32,
    pub(super) country: &'static Country,
    pub(super) city: &'static City,
    pub(super) carrier: &'static (&'static str, &'static str),
    pub(super) browsing: &'static Device,
    pub(super) mobile: &'static Device,
    pub(super) television: &'static Device,
    /// Which of the versions that each device has.
    pub(super) version: usize,
    pub(super) choice: Choice,
    /// The device limits ad tracking.
    pub(super) limits_tracking: bool,
}

impl Person {
    pub(super) fn new(number: u32) -> Self {
        let mut dice = Dice::new(mix(u64::from(number)));
        let country = dice.weighted(&COUNTRIES, |country| country.share);
        Self {
            number,
            country,
            city: dice.pick(country.cities),
            carrier: dice.pick(country.carriers),
            browsing: dice.pick(&BROWSING),
            mobile: dice.pick(&MOBILE),
            television: dice.pick(&TELEVISIONS),
            version: dice.below(4),
            choice: dice.weighted(&CHOICES, |(_, share)| *share).0,
            limits_tracking: dice.chance(0.06),
        }
    }
}

/// Shares in percent.
const CHOICES: [(Choice, u32); 4] =
    [(Choice::All, 74), (Choice::Basic, 8), (Choice::Nothing, 11), (Choice::Missing, 7)];
