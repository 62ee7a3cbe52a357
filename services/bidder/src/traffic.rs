//! Ranges of addresses, such as those of data centres.

use std::net::IpAddr;

/// Ranges of IPv4 and IPv6 addresses, looked up by binary search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// From CIDR blocks such as "192.0.2.0/24" or "2001:db8::/32". An error names the block.
    pub(crate) fn parse(blocks: &[String]) -> Result<Self, String> {
        let mut ranges = blocks.iter().map(|block| range(block)).collect::<Result<Vec<_>, _>>()?;
        ranges.sort_unstable();
        // Overlapping blocks become one, so that the last range that starts at or before an address decides.
        ranges.dedup_by(|next, kept| {
            let joined = next.0 <= kept.1;
            if joined {
                kept.1 = kept.1.max(next.1);
            }
            joined
        });
        Ok(Self(ranges))
    }

    /// Whether an address is in one of the ranges.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = number(address);
        let after = self.0.partition_point(|(first, _)| *first <= address);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| address <= *last)
    }
}

/// IPv4 addresses take their mapped place in IPv6 (RFC 4291, 2.5.5.2).
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn range(block: &str) -> Result<(u128, u128), String> {
    let problem = || format!("{block:?}: use a block such as \"192.0.2.0/24\" or \"2001:db8::/32\"");
    let (address, length) = block.split_once('/').ok_or_else(problem)?;
    let address: IpAddr = address.parse().map_err(|_| problem())?;
    let length: u32 = length.parse().map_err(|_| problem())?;
    let width = if address.is_ipv4() { 32_u32 } else { 128 };
    let host_bits = width.checked_sub(length).ok_or_else(problem)?;
    let hosts = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1);
    let first = number(address) & !hosts;
    Ok((first, first | hosts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_its_block_and_only_there() {
        let blocks = ["198.51.100.0/24", "203.0.113.64/26", "2001:db8::/32", "203.0.113.0/25"];
        let ranges = Ranges::parse(&blocks.map(String::from)).unwrap();
        for (address, inside) in [
            ("198.51.100.0", true),
            ("198.51.100.255", true),
            ("198.51.101.0", false),
            ("203.0.113.100", true),
            ("203.0.113.128", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("0.0.0.0", false),
        ] {
            assert_eq!(ranges.contains(address.parse().unwrap()), inside, "{address}");
        }
        let everything = Ranges::parse(&["::/0".into()]).unwrap();
        assert!(everything.contains("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_block_that_is_none_is_named() {
        for bad in ["", "192.0.2.0", "192.0.2.0/33", "x/8", "192.0.2.0/-1"] {
            assert!(Ranges::parse(&[bad.into()]).unwrap_err().contains(bad), "{bad:?}");
        }
    }
}
