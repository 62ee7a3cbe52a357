//! TC strings of TCF 2.0 to 2.3, read for one vendor.
//!
//! Layout: IAB Tech Lab, "Consent string and vendor list formats v2". The publisher TC segment concerns the
//! publisher's own uses and the allowed vendors segment was withdrawn with out-of-band consent; both are passed over.

use crate::bits::Bits;
use crate::{DecodeError, Purposes};

/// What a TC string says, of its vendors only about the one that it was read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcString {
    /// When it was made, in tenths of a second since 1970.
    pub created: u64,
    /// When it was last changed, in tenths of a second since 1970.
    pub last_updated: u64,
    /// The consent management platform.
    pub cmp_id: u16,
    /// Its version.
    pub cmp_version: u16,
    /// The screen on which the user chose.
    pub consent_screen: u8,
    /// The language of that screen: two letters, 0 for A to 25 for Z, six bits each.
    pub language: u16,
    /// The Global Vendor List that was shown.
    pub vendor_list_version: u16,
    /// TCF policy: 2 for TCF 2.0, 4 for 2.2, 5 for 2.3.
    pub policy_version: u8,
    /// Whether it holds for this site or app only.
    pub service_specific: bool,
    /// Whether the platform used wording of its own.
    pub custom_wording: bool,
    /// Special features opted into; the first of 12 bits is feature 1 (precise place).
    pub special_features: u16,
    /// Purposes consented to.
    pub consent: Purposes,
    /// Purposes disclosed as legitimate interest and not objected to.
    pub legitimate_interest: Purposes,
    /// Purpose 1 was not disclosed at all.
    pub purpose_one_treatment: bool,
    /// The country of the publisher, coded as [`language`](Self::language).
    pub publisher_country: u16,
    /// What is said of the vendor.
    pub vendor: Vendor,
}

/// What a TC string says of one vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vendor {
    /// The user consented to it.
    pub consent: bool,
    /// It was disclosed with a legitimate interest and the user did not object.
    pub legitimate_interest: bool,
    /// It is among the disclosed vendors; none where the string has no such segment.
    pub disclosed: Option<bool>,
    /// Purposes that the publisher forbids to it.
    pub forbidden: Purposes,
    /// Purposes that the publisher allows to it on consent only.
    pub require_consent: Purposes,
    /// Purposes that the publisher allows to it on legitimate interest only.
    pub require_legitimate_interest: Purposes,
}

/// 2026-03-01T00:00Z in tenths of a second. IAB Europe: strings made after 28 February 2026 are invalid without the
/// disclosed vendors segment, earlier ones stay valid. The policy version does not tell: 5 came before the segment.
const DISCLOSURE_REQUIRED_FROM: u64 = 17_723_232_000;

const SEGMENT_DISCLOSED_VENDORS: u8 = 1;

impl TcString {
    /// Reads `text` for `vendor`. Version 1 is refused: such strings are void since September 2020.
    pub fn read(text: &str, vendor: u16) -> Result<Self, DecodeError> {
        let mut segments = text.split('.');
        let mut string = core(Bits::new(segments.next().unwrap_or_default())?, vendor)?;
        for segment in segments.filter(|segment| !segment.is_empty()) {
            let mut bits = Bits::new(segment)?;
            if bits.byte(3)? == SEGMENT_DISCLOSED_VENDORS {
                // Twice the segment: whoever is missing from one of them was not disclosed.
                let disclosed = vendors(&mut bits, vendor)?;
                string.vendor.disclosed = Some(disclosed && string.vendor.disclosed != Some(false));
            }
        }
        Ok(string)
    }

    /// Whether TCF 2.3 requires the disclosed vendors segment of this string and it has none.
    pub fn lacks_disclosure(&self) -> bool {
        self.vendor.disclosed.is_none() && self.created >= DISCLOSURE_REQUIRED_FROM
    }
}

fn core(mut bits: Bits<'_>, id: u16) -> Result<TcString, DecodeError> {
    let version = bits.byte(6)?;
    if version != 2 {
        return Err(DecodeError::Version(version));
    }
    let mut string = TcString {
        created: bits.read(36)?,
        last_updated: bits.read(36)?,
        cmp_id: bits.short(12)?,
        cmp_version: bits.short(12)?,
        consent_screen: bits.byte(6)?,
        language: bits.short(12)?,
        vendor_list_version: bits.short(12)?,
        policy_version: bits.byte(6)?,
        service_specific: bits.flag()?,
        custom_wording: bits.flag()?,
        special_features: bits.short(12)?,
        consent: Purposes::from_bits(bits.read(24)?),
        legitimate_interest: Purposes::from_bits(bits.read(24)?),
        purpose_one_treatment: bits.flag()?,
        publisher_country: bits.short(12)?,
        vendor: Vendor::default(),
    };
    string.vendor.consent = vendors(&mut bits, id)?;
    string.vendor.legitimate_interest = vendors(&mut bits, id)?;
    restrictions(&mut bits, id, &mut string.vendor)?;
    Ok(string)
}

/// Whether `id` is in a set of vendors, a bit field or a list of ranges. Moves past it.
fn vendors(bits: &mut Bits<'_>, id: u16) -> Result<bool, DecodeError> {
    let last = bits.short(16)?;
    if bits.flag()? {
        return ranges(bits, id);
    }
    let mut field = *bits;
    bits.skip(usize::from(last))?;
    if !(1..=last).contains(&id) {
        return Ok(false);
    }
    field.skip(usize::from(id) - 1)?;
    field.flag()
}

/// Whether `id` is in a list of single ids and ranges. Moves past it; there are at most 4095.
fn ranges(bits: &mut Bits<'_>, id: u16) -> Result<bool, DecodeError> {
    let mut found = false;
    for _ in 0..bits.short(12)? {
        let is_range = bits.flag()?;
        let first = bits.short(16)?;
        let last = if is_range { bits.short(16)? } else { first };
        found |= (first..=last).contains(&id);
    }
    Ok(found)
}

fn restrictions(bits: &mut Bits<'_>, id: u16, vendor: &mut Vendor) -> Result<(), DecodeError> {
    for _ in 0..bits.short(12)? {
        let purpose = bits.byte(6)?;
        let kind = bits.byte(2)?;
        if ranges(bits, id)? {
            match kind {
                0 => vendor.forbidden.add(purpose),
                1 => vendor.require_consent.add(purpose),
                2 => vendor.require_legitimate_interest.add(purpose),
                // "Undefined (not used)": whatever it may come to mean, it takes something away.
                _ => return Err(DecodeError::Value),
            }
        }
    }
    Ok(())
}
