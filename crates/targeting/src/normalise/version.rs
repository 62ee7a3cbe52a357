//! Version numbers of operating systems.

/// Up to six numbers, compared from the left; missing ones are zero, so 14 = 14.0 and 9 < 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version([u32; 6]);

impl Version {
    /// Reads what devices send: "14.2.1", "14_2", "iOS 9.3", "10.0 (build 7)". Starts at the first digit and stops
    /// at the first character that neither is one nor separates numbers; `None` without any digit. Numbers beyond
    /// the sixth are dropped and huge ones saturate.
    pub fn parse(text: &str) -> Option<Self> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let numbers = text.get(start..)?.split(['.', '_', '-']);
        let mut version = Self::default();
        for (slot, number) in version.0.iter_mut().zip(numbers) {
            let digits = number.bytes().take_while(u8::is_ascii_digit);
            let mut count = 0;
            for digit in digits {
                *slot = slot.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
                count += 1;
            }
            if count < number.len() {
                break;
            }
        }
        Some(version)
    }

    /// Like [`Version::parse`], but refuses anything around the numbers: what an advertiser may write.
    pub fn parse_strict(text: &str) -> Option<Self> {
        let plain = text
            .split('.')
            .all(|number| (1..=9).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()));
        (plain && text.split('.').count() <= 6).then(|| Self::parse(text)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_compare_by_their_numbers() {
        assert!(version("9") < version("10"));
        assert!(version("9.9.9") < version("10"));
        assert!(version("14.2") < version("14.10"));
        assert_eq!(version("14"), version("14.0"));
        assert!(version("14") < version("14.0.1"));
    }

    #[test]
    fn what_devices_send_is_read() {
        assert_eq!(version("iOS 14_2_1"), version("14.2.1"));
        assert_eq!(version("10.0 (build 7)"), version("10"));
        assert_eq!(version("13beta.5"), version("13"));
        assert_eq!(version("99999999999"), version("4294967295"));
        assert_eq!(Version::parse("Tiger"), None);
    }

    #[test]
    fn advertisers_write_plain_numbers() {
        assert_eq!(Version::parse_strict("14.2"), Version::parse("14.2"));
        for bad in ["", "14.", "v14", "14 ", "1.2.3.4.5.6.7", "1234567890"] {
            assert_eq!(Version::parse_strict(bad), None, "{bad:?} was accepted");
        }
    }
}
