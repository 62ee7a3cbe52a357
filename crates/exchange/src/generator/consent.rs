//! Consent strings: a small writer of TCF and GPP, and the mix that people really choose.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::world::VENDOR_ID;

/// What a person chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Everything.
    All,
    /// Storage and basic ads, no profiles (TCF purposes 1, 2, 7), or no word on sale.
    Basic,
    /// Nothing.
    Nothing,
    /// Was never asked, or the answer got lost.
    Missing,
}

/// Every string that the generator sends, written once.
#[derive(Clone, Debug)]
pub(crate) struct ConsentStrings {
    pub(crate) tcf_all: String,
    pub(crate) tcf_basic: String,
    pub(crate) tcf_nothing: String,
    pub(crate) gpp_us_all: String,
    pub(crate) gpp_us_opted_out: String,
    pub(crate) gpp_tcf_all: String,
}

impl ConsentStrings {
    pub(crate) fn new() -> Self {
        let tcf_all = tcf(&(1..=11).collect::<Vec<_>>(), true);
        Self {
            gpp_tcf_all: gpp(GPP_TCF_EU, &tcf_all),
            tcf_basic: tcf(&[1, 2, 7], true),
            tcf_nothing: tcf(&[], false),
            gpp_us_all: gpp(GPP_US_NATION, &us_nation(US_DID_NOT_OPT_OUT)),
            gpp_us_opted_out: gpp(GPP_US_NATION, &us_nation(US_OPTED_OUT)),
            tcf_all,
        }
    }

    /// The TC string of a choice; none when it is missing.
    pub(crate) fn tcf(&self, choice: Choice) -> Option<&str> {
        match choice {
            Choice::All => Some(&self.tcf_all),
            Choice::Basic => Some(&self.tcf_basic),
            Choice::Nothing => Some(&self.tcf_nothing),
            Choice::Missing => None,
        }
    }
}

/// Section ids of the Global Privacy Platform.
pub(crate) const GPP_TCF_EU: u8 = 2;
pub(crate) const GPP_US_NATION: u8 = 7;

const US_OPTED_OUT: u64 = 1;
const US_DID_NOT_OPT_OUT: u64 = 2;

/// 2025-06-01T00:00Z in tenths of a second since 1970.
const CREATED: u64 = 17_487_360_000;
/// The last vendor that the strings name beside ours.
const OTHER_VENDORS: u64 = 1100;

/// Bits, the most significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn put(&mut self, value: u64, width: usize) -> &mut Self {
        for position in (0..width).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (value >> position & 1) as u8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.used % 8);
            }
            self.used += 1;
        }
        self
    }

    /// As base64url, filled up with zeros to a whole byte.
    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.bytes)
    }
}

/// A TC string of TCF 2.3 (policy 5) with its disclosed vendors segment. Layout: IAB Tech Lab, "Consent string and
/// vendor list formats v2".
fn tcf(purposes: &[u32], vendors: bool) -> String {
    let mask = purposes.iter().fold(0, |mask, purpose| mask | 1 << (24 - purpose));
    let language = two_letters(*b"EN");
    let mut core = Bits::default();
    core.put(2, 6).put(CREATED, 36).put(CREATED, 36);
    core.put(300, 12).put(1, 12).put(1, 6).put(language, 12).put(100, 12); // CMP, screen, language, vendor list
    core.put(5, 6).put(1, 1).put(0, 1).put(0, 12); // policy, service specific, own wording, special features
    core.put(mask, 24).put(0, 24); // consent, legitimate interest
    core.put(0, 1).put(two_letters(*b"DE"), 12); // purpose one treatment, publisher's country
    put_vendors(&mut core, vendors);
    put_vendors(&mut core, false);
    core.put(0, 12); // publisher restrictions
    let mut disclosed = Bits::default();
    disclosed.put(1, 3);
    put_vendors(&mut disclosed, true);
    format!("{}.{}", core.text(), disclosed.text())
}

/// A vendor section as ranges: everyone up to [`OTHER_VENDORS`] and us; or, as a bit field of no bits, nobody.
fn put_vendors(bits: &mut Bits, present: bool) {
    if present {
        bits.put(u64::from(VENDOR_ID), 16).put(1, 1).put(2, 12);
        bits.put(1, 1).put(1, 16).put(OTHER_VENDORS, 16);
        bits.put(0, 1).put(u64::from(VENDOR_ID), 16);
    } else {
        bits.put(0, 16).put(0, 1);
    }
}

fn two_letters(text: [u8; 2]) -> u64 {
    text.iter().fold(0, |code, letter| code << 6 | u64::from(letter - b'A'))
}

/// A GPP string with one section: header type 3, version 1, one id as a Fibonacci code.
fn gpp(section: u8, text: &str) -> String {
    let mut header = Bits::default();
    header.put(3, 6).put(1, 6).put(1, 12).put(0, 1);
    put_fibonacci(&mut header, u64::from(section));
    format!("{}~{text}", header.text())
}

/// Fibonacci coding: the Zeckendorf digits of `number`, the smallest first, closed by a second 1.
fn put_fibonacci(bits: &mut Bits, number: u64) {
    let mut terms = vec![1_u64, 2];
    while let [.., a, b] = terms[..]
        && a + b <= number
    {
        terms.push(a + b);
    }
    let mut left = number;
    let mut digits: Vec<u64> = Vec::new();
    for term in terms.iter().rev() {
        let taken = *term <= left;
        left -= if taken { *term } else { 0 };
        if taken || !digits.is_empty() {
            digits.push(u64::from(taken));
        }
    }
    for digit in digits.iter().rev() {
        bits.put(*digit, 1);
    }
    bits.put(1, 1);
}

/// GPP section 7 ("usnat") version 1 without the optional GPC segment.
fn us_nation(opt_out: u64) -> String {
    let mut core = Bits::default();
    core.put(1, 6);
    for _ in 0..6 {
        core.put(1, 2); // notices given
    }
    for _ in 0..3 {
        core.put(opt_out, 2); // sale, sharing, targeted advertising
    }
    core.put(0, 24).put(0, 4).put(0, 2); // sensitive data, known children, other personal data
    core.put(1, 2).put(1, 2).put(2, 2); // MSPA: covered, opt-out option mode, not service provider mode
    core.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagbid_consent::{gpp, tcf::TcString, us};

    #[test]
    fn the_consent_crate_reads_the_tc_strings_as_they_were_meant() {
        let strings = ConsentStrings::new();
        let read = |text: &str| TcString::read(text, VENDOR_ID).unwrap();
        let (all, basic) = (read(&strings.tcf_all), read(&strings.tcf_basic));
        assert!(all.vendor.consent && all.vendor.disclosed == Some(true));
        assert_eq!(all.consent.iter().count(), 11);
        assert_eq!(basic.consent.iter().map(u64::from).collect::<Vec<_>>(), [1, 2, 7]);
        let nothing = read(&strings.tcf_nothing);
        assert!(!nothing.vendor.consent && nothing.consent.iter().next().is_none());
    }

    #[test]
    fn the_consent_crate_reads_the_gpp_strings_as_they_were_meant() {
        let strings = ConsentStrings::new();
        for (text, opted_out) in [(&strings.gpp_us_all, false), (&strings.gpp_us_opted_out, true)] {
            let gpp = gpp::Gpp::read(text).unwrap();
            let section = gpp.section(i32::from(GPP_US_NATION)).unwrap();
            let choices = us::read_section(GPP_US_NATION, section).unwrap();
            assert_eq!(choices.opt_out().is_some(), opted_out);
        }
        let eu = gpp::Gpp::read(&strings.gpp_tcf_all).unwrap();
        let section = eu.section(i32::from(GPP_TCF_EU)).unwrap();
        assert!(TcString::read(section, VENDOR_ID).unwrap().vendor.consent);
    }
}
