//! Admission: traffic that is not worth a lookup, told apart before anything is spent on it.

use std::net::IpAddr;

use tagbid_openrtb::{Device, Request};
use tagbid_types::NoBidReason;

use crate::settings::Exchange;
use crate::traffic::Ranges;

/// Words by which honest crawlers name themselves in their user agent.
const CRAWLERS: [&str; 12] = [
    "bot/",
    "bot;",
    "bot)",
    "bot ",
    "spider",
    "crawler",
    "slurp",
    "mediapartners",
    "headlesschrome",
    "phantomjs",
    "python-requests",
    "facebookexternalhit",
];

/// Whether the request may go on.
pub(crate) fn admit(
    request: &Request<'_>,
    settings: &Exchange,
    data_centers: &Ranges,
) -> Result<(), NoBidReason> {
    if let Some(device) = request.device {
        if device.ua.is_some_and(is_crawler) {
            return Err(NoBidReason::Crawler);
        }
        if addresses(device).any(|address| data_centers.contains(address)) {
            return Err(NoBidReason::DataCenter);
        }
    }
    if request.unreadable_blocks.is_some() {
        return Err(NoBidReason::UnreadableBlockList);
    }
    // `regs.ext.dsa.dsarequired`: from 2 on, bids without the transparency object are not accepted.
    let transparency = request.regs.and_then(|regs| regs.dsa).and_then(|dsa| dsa.dsarequired);
    if transparency.is_some_and(|required| required >= 2) {
        return Err(NoBidReason::Transparency);
    }
    if settings.requires_supply_chain && !supply_chain_holds(request, &settings.supply_chain_asi) {
        return Err(NoBidReason::SupplyChain);
    }
    Ok(())
}

fn is_crawler(user_agent: &str) -> bool {
    // Compared without case and without a copy: user agents come in every request.
    let bytes = user_agent.as_bytes();
    CRAWLERS
        .iter()
        .any(|word| bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes())))
}

fn addresses(device: &Device<'_>) -> impl Iterator<Item = IpAddr> {
    [device.ip, device.ipv6].into_iter().flatten().filter_map(|text| text.trim().parse().ok())
}

/// Complete, and its last node the exchange that is calling: the IAB's supply chain object 1.0.
fn supply_chain_holds(request: &Request<'_>, caller: &str) -> bool {
    let Some(chain) = request.source.and_then(|source| source.schain) else {
        return false;
    };
    let ends_in_caller = chain.nodes.last().and_then(|node| node.asi);
    chain.complete == Some(true)
        && ends_in_caller.is_some_and(|asi| caller.is_empty() || asi.eq_ignore_ascii_case(caller))
}

#[cfg(test)]
mod tests {
    use tagbid_openrtb::{Dsa, Regs, Source, SupplyChain, SupplyChainNode};

    use super::*;

    #[test]
    fn crawlers_are_known_by_their_own_words() {
        assert!(is_crawler("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"));
        assert!(is_crawler("Mozilla/5.0 HeadlessChrome/120"));
        assert!(!is_crawler("Mozilla/5.0 (Linux; Android 13; CUBOT_X) Chrome/120"), "a phone is no crawler");
        assert!(!is_crawler(""));
    }

    #[test]
    fn an_address_in_a_data_centre_is_refused() {
        let ranges = Ranges::parse(&["198.51.100.0/24".into(), "2001:db8:1::/48".into()]).unwrap();
        let refused = Err(NoBidReason::DataCenter);
        let cases = [
            (Some("198.51.100.7"), None, refused),
            (None, Some("2001:db8:1::7"), refused),
            (Some("203.0.113.7"), Some("2001:db8:1::7"), refused),
            (Some("no address"), Some("2001:db8:1::7"), refused),
            (Some("203.0.113.7"), Some("2001:db8:2::7"), Ok(())),
        ];
        for (ip, ipv6, verdict) in cases {
            let device = Device { ip, ipv6, ..Device::default() };
            let request = Request { device: Some(&device), ..Request::default() };
            assert_eq!(admit(&request, &Exchange::default(), &ranges), verdict, "{ip:?} {ipv6:?}");
            assert_eq!(admit(&request, &Exchange::default(), &Ranges::default()), Ok(()));
        }
    }

    #[test]
    fn a_bid_that_must_carry_transparency_is_not_made() {
        for (required, verdict) in [(1, Ok(())), (2, Err(NoBidReason::Transparency))] {
            let dsa = Dsa { dsarequired: Some(required), ..Dsa::default() };
            let regs = Regs { dsa: Some(&dsa), ..Regs::default() };
            let request = Request { regs: Some(&regs), ..Request::default() };
            assert_eq!(admit(&request, &Exchange::default(), &Ranges::default()), verdict);
        }
    }

    #[test]
    fn what_may_restrict_any_ad_and_cannot_be_read_gets_no_bid() {
        let request = Request { unreadable_blocks: Some("badv"), ..Request::default() };
        let verdict = admit(&request, &Exchange::default(), &Ranges::default());
        assert_eq!(verdict, Err(NoBidReason::UnreadableBlockList));
    }

    #[test]
    fn a_supply_chain_must_be_complete_and_end_in_the_caller() {
        let nodes = [SupplyChainNode { asi: Some("Exchange.example"), ..SupplyChainNode::default() }];
        let holds = |complete, caller: &str| {
            let chain = SupplyChain { complete, nodes: &nodes, ..SupplyChain::default() };
            let source = Source { schain: Some(&chain), ..Source::default() };
            supply_chain_holds(&Request { source: Some(&source), ..Request::default() }, caller)
        };
        assert!(holds(Some(true), "exchange.example"));
        assert!(holds(Some(true), ""));
        assert!(!holds(Some(false), "exchange.example"));
        assert!(!holds(Some(true), "other.example"));
        assert!(!supply_chain_holds(&Request::default(), ""));
    }
}
