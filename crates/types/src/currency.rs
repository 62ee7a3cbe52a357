//! Which currency codes money is paid in.

use crate::Currency;

/// The alphabetic codes of ISO 4217, list one, as of 2026: those in which money is paid. Left out are precious metals,
/// units of account, fund codes and what is reserved for tests or for "no currency" (XAU, XDR, CHE, XTS, XXX, ...).
/// Sorted.
const ACTIVE: &[u8] = b"AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD \
CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD \
HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL \
MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD \
RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD \
UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

impl Currency {
    /// Whether money is paid in it: an active code of ISO 4217. Requests may name others; nothing is sold in them.
    pub fn is_active(&self) -> bool {
        ACTIVE.split(|byte| *byte == b' ').any(|code| code == self.as_str().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_paid_in_currencies_and_in_nothing_else() {
        let active = |code: &str| code.parse::<Currency>().unwrap().is_active();
        for code in ["USD", "eur", "JPY", "XAF", "XCG", "ZWG", "AED"] {
            assert!(active(code), "{code}");
        }
        for code in ["XXX", "XTS", "XAU", "XDR", "CHE", "USN", "DEM", "HRK", "ZZZ", "AAA"] {
            assert!(!active(code), "{code}");
        }
    }

    #[test]
    fn the_list_is_sorted_and_names_each_code_once() {
        let codes: Vec<&str> = std::str::from_utf8(ACTIVE).unwrap().split(' ').collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(codes.iter().all(|code| code.parse::<Currency>().is_ok()));
    }
}
