//! GPP strings: the header, and where each section is.
//!
//! Layout: IAB Tech Lab, "Global Privacy Platform String". Sections are handed out as text; each framework reads its
//! own.

use crate::DecodeError;
use crate::bits::Bits;

/// TCF EU v2 in the list of section ids.
pub const SECTION_TCF_EU: u8 = 2;
/// US privacy, unencoded, in the list of section ids.
pub const SECTION_US_PRIVACY: u8 = 6;

/// More sections than the 27 of the list of section ids; a header of more is refused.
const MAX_SECTIONS: usize = 32;

/// The sections of a GPP string, by id.
#[derive(Clone, Copy, Debug)]
pub struct Gpp<'a> {
    sections: [(i32, &'a str); MAX_SECTIONS],
    len: usize,
}

impl<'a> Gpp<'a> {
    /// Reads the header and cuts the string into its sections, whose contents are not looked at.
    pub fn read(text: &'a str) -> Result<Self, DecodeError> {
        let mut parts = text.split('~');
        let mut bits = Bits::new(parts.next().unwrap_or_default())?;
        // Header type 3, version 1. A bare TC string has type 2, which is its version.
        match (bits.byte(6)?, bits.byte(6)?) {
            (3, 1) => {}
            (3, version) => return Err(DecodeError::Version(version)),
            _ => return Err(DecodeError::Value),
        }
        let mut gpp = Self { sections: [(0, ""); MAX_SECTIONS], len: 0 };
        let mut id = 0u32;
        for _ in 0..bits.short(12)? {
            let is_range = bits.flag()?;
            id = id.saturating_add(bits.fibonacci()?);
            gpp.push(id, parts.next())?;
            if is_range {
                for _ in 0..bits.fibonacci()? {
                    id = id.saturating_add(1);
                    gpp.push(id, parts.next())?;
                }
            }
        }
        match parts.next() {
            None => Ok(gpp),
            Some(_) => Err(DecodeError::Sections),
        }
    }

    fn push(&mut self, id: u32, text: Option<&'a str>) -> Result<(), DecodeError> {
        let id = i32::try_from(id).map_err(|_| DecodeError::Value)?;
        let (place, text) = self.sections.get_mut(self.len).zip(text).ok_or(DecodeError::Sections)?;
        *place = (id, text);
        self.len += 1;
        Ok(())
    }

    /// The ids that the header lists, with the text of each, in rising order.
    pub fn sections(&self) -> impl Iterator<Item = (i32, &'a str)> {
        self.sections.iter().take(self.len).copied()
    }

    /// The text of section `id`.
    pub fn section(&self, id: i32) -> Option<&'a str> {
        self.sections().find(|(listed, _)| *listed == id).map(|(_, text)| text)
    }
}
