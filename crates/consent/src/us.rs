//! US privacy: the GPP sections of the nation and the states, and the `us_privacy` string before them.

use crate::bits::Bits;
use crate::{DecodeError, UsReason};

/// What a US section says against the use of a user's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsChoices {
    /// The user opted out of sale, sharing or targeted advertising.
    pub opted_out: bool,
    /// The browser sends the Global Privacy Control.
    pub gpc: bool,
    /// A notice that the law asks for was not given.
    pub no_notice: bool,
    /// The MSPA's service provider mode is on.
    pub service_provider: bool,
    /// The user is a known child without consent.
    pub known_child: bool,
}

impl UsChoices {
    /// What takes the user's data away from advertising, the user's own word first.
    pub fn opt_out(&self) -> Option<UsReason> {
        [
            (self.opted_out, UsReason::OptedOut),
            (self.gpc, UsReason::Gpc),
            (self.no_notice, UsReason::NoNotice),
            (self.service_provider, UsReason::ServiceProvider),
        ]
        .into_iter()
        .find_map(|(raised, reason)| raised.then_some(reason))
    }
}

/// How a section begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// The core segment, with the version of the section in 6 bits.
    Version(u8),
    /// Core with the version of the MSPA in 6 bits. The specification puts a segment before it (section id and
    /// version in 6 bits each, list of segments), which the IAB's own library does not write: both are read.
    MspaVersion,
}

/// The fields of a section's core, two bits each, one letter a field:
///
/// | letter | field | 0 | 1 | 2 |
/// | --- | --- | --- | --- | --- |
/// | `N` | notice of processing, or of the right to opt out | not applicable | given | **not given** |
/// | `O` | opt-out of sale, sharing, targeted advertising | not applicable | **opted out** | did not |
/// | `C` | consent for a known child, by age or activity | no known child | **no** | yes |
/// | `S` | MSPA service provider mode | not applicable | **on** | off |
/// | `M` | MSPA mode | not applicable | opt-out option | **service provider** |
/// | `-` | not looked at | | | |
///
/// Not looked at are sensitive data (we take none), consent to uses beyond those disclosed (we have none), and
/// whether the MSPA covers the transaction.
struct Layout {
    section: u8,
    start: Start,
    fields: &'static [u8],
}

const fn layout(section: u8, start: Start, fields: &'static [u8]) -> Layout {
    Layout { section, start, fields }
}

use Start::{MspaVersion, Version};

/// Source: the specification of each section in the Global Privacy Platform repository, and for 25 to 27, which it
/// holds as pages to come, the IAB's reference library.
#[rustfmt::skip]
const LAYOUTS: [Layout; 22] = [
    //                          notices  choices  sensitive        child consent MSPA
    layout( 7, Version(1), b"NNNN-- OOO      ------------     CC    -       --S"), // nation
    layout( 7, Version(2), b"NNNN-- OOO      ---------------- CCC   -       --S"),
    layout( 8, Version(1), b"NN-    OO       ---------        CC    -       --S"), // California
    layout( 9, Version(1), b"NNN    OO       --------         C             --S"), // Virginia
    layout(10, Version(1), b"NNN    OO       -------          C             --S"), // Colorado
    layout(11, Version(1), b"NNN-   OO       --------         C             --S"), // Utah
    layout(12, Version(1), b"NNN    OO       --------         CCC           --S"), // Connecticut
    layout(13, Version(1), b"NNN    OO       --------         CCC   -       --S"), // Florida
    layout(14, Version(1), b"NNN    OO       --------         CCC   -       --S"), // Montana
    layout(15, Version(1), b"NNN    OO       -----------      CCC   -       --S"), // Oregon
    layout(16, Version(1), b"NNN    OO       --------         C     -       --S"), // Texas
    layout(17, Version(1), b"NNN    OO       ---------        CCCCC -       --S"), // Delaware
    layout(18, Version(1), b"NNN-   OO       --------         C             --S"), // Iowa
    layout(19, Version(1), b"NNN    OO       --------         C     -       --S"), // Nebraska
    layout(20, Version(1), b"NNN    OO       --------         CCC   -       --S"), // New Hampshire
    layout(21, Version(1), b"NNN    OO       ----------       CCCCC -       --S"), // New Jersey
    layout(22, Version(1), b"NNN    OO       --------         C     -       --S"), // Tennessee
    layout(23, Version(1), b"NNN    OO       --------         C     -       --S"), // Minnesota
    layout(24, MspaVersion, b"-M NNN OO"),   // Maryland
    layout(25, MspaVersion, b"-M NNN OO C"), // Indiana
    layout(26, MspaVersion, b"-M NNN OO C"), // Kentucky
    layout(27, MspaVersion, b"-M NNN OO C"), // Rhode Island
];

/// Whether [`read_section`] knows the section.
pub fn is_us_section(id: i32) -> bool {
    LAYOUTS.iter().any(|layout| i32::from(layout.section) == id)
}

/// Reads GPP section `id`, one of 7 to 27, with its Global Privacy Control segment.
pub fn read_section(id: u8, text: &str) -> Result<UsChoices, DecodeError> {
    let mut segments = text.split('.');
    let mut bits = Bits::new(segments.next().unwrap_or_default())?;
    let mut version = bits.byte(6)?;
    let is_mspa = |layout: &&Layout| layout.section == id && layout.start == MspaVersion;
    let layout = if let Some(layout) = LAYOUTS.iter().find(is_mspa) {
        if version == id {
            version = bits.byte(6)?;
            if version != 1 {
                return Err(DecodeError::Version(version));
            }
            bits = Bits::new(segments.next().ok_or(DecodeError::Truncated)?)?;
            bits.skip(6)?;
        }
        layout
    } else {
        LAYOUTS
            .iter()
            .find(|layout| layout.section == id && layout.start == Version(version))
            .ok_or(DecodeError::Version(version))?
    };
    let mut choices = core(&mut bits, layout.fields)?;
    for segment in segments.filter(|segment| !segment.is_empty()) {
        choices.gpc |= is_gpc(id, segment)?;
    }
    Ok(choices)
}

fn core(bits: &mut Bits<'_>, fields: &[u8]) -> Result<UsChoices, DecodeError> {
    let mut choices = UsChoices::default();
    for field in fields.iter().filter(|field| **field != b' ') {
        let value = bits.byte(2)?;
        match (field, value) {
            (b'-', _) => {}
            (_, 3) => return Err(DecodeError::Value),
            (b'N', 2) => choices.no_notice = true,
            (b'O', 1) => choices.opted_out = true,
            (b'C', 1) => choices.known_child = true,
            (b'S', 1) | (b'M', 2) => choices.service_provider = true,
            _ => {}
        }
    }
    Ok(choices)
}

/// Segment type 1 in 2 bits, then the flag. In sections 25 to 27 type 1 is sensitive data, in 3 bits: their laws
/// know no such control.
fn is_gpc(id: u8, segment: &str) -> Result<bool, DecodeError> {
    let mut bits = Bits::new(segment)?;
    Ok(!(25..=27).contains(&id) && bits.byte(2)? == 1 && bits.flag()?)
}

/// Reads `regs.us_privacy` or GPP section 6: IAB "CCPA privacy string" version 1, as in `1YNN`: version, notice
/// given, opted out of sale, covered by the limited service provider agreement. `1---` says that CCPA does not apply.
pub fn read_us_privacy(text: &str) -> Result<UsChoices, DecodeError> {
    let &[version, notice, opt_out, agreement] = text.as_bytes() else {
        return Err(DecodeError::Truncated);
    };
    if version != b'1' {
        return Err(DecodeError::Version(version.wrapping_sub(b'0')));
    }
    let answers = [notice, opt_out, agreement].map(|answer| answer.to_ascii_uppercase());
    if answers.iter().any(|answer| !b"YN-".contains(answer)) {
        return Err(DecodeError::Value);
    }
    let [notice, opt_out, _] = answers;
    Ok(UsChoices { opted_out: opt_out == b'Y', no_notice: notice == b'N', ..UsChoices::default() })
}
