//! The rules for one bid.

use serde_json::Value;
use tagbid_types::{Cpm, Currency};

use crate::markup::{self, Markup};
use crate::rates::Rates;
use crate::view::{self, deal, flag, impression, int, ints, items, number, text, texts};
use crate::world::Format;

use super::{Findings, Rule};

pub(super) fn check(request: &Value, response: &Value, seat: &Value, bid: &Value, rates: &Rates) -> Findings {
    let mut findings = Findings::default();
    check_types(bid, &mut findings);
    check_blocks(request, bid, &mut findings);
    check_urls(bid, &mut findings);
    let Some(imp) = text(bid, "impid").and_then(|id| impression(request, id)) else {
        findings.add(Rule::ImpId, format!("impid {:?} is not in the request", bid.get("impid")));
        return findings;
    };
    check_sale(request, imp, seat, bid, &mut findings);
    check_price(imp, response, bid, rates, &mut findings);
    check_format(imp, bid, &mut findings);
    findings
}

fn check_types(bid: &Value, findings: &mut Findings) {
    findings.require(text(bid, "id").is_some(), Rule::BidId, || "id is missing".to_owned());
    findings.require(text(bid, "crid").is_some(), Rule::Creative, || "crid is missing".to_owned());
    let strings =
        ["nurl", "burl", "lurl", "adm", "adid", "bundle", "iurl", "cid", "dealid", "language", "tactic"];
    let numbers = ["price", "mtype", "w", "h", "dur", "exp", "protocol", "qagmediarating", "cattax"];
    let lists = ["adomain", "cat", "attr", "apis"];
    let wrong = strings
        .iter()
        .filter(|key| bid.get(**key).is_some_and(|value| !value.is_string()))
        .chain(numbers.iter().filter(|key| bid.get(**key).is_some_and(|value| !value.is_number())))
        .chain(lists.iter().filter(|key| bid.get(**key).is_some_and(|value| !value.is_array())));
    for key in wrong {
        findings.add(Rule::Shape, format!("{key} is of the wrong type"));
    }
}

/// `badv`, `bcat`, `acat` and `bapp`.
fn check_blocks(request: &Value, bid: &Value, findings: &mut Findings) {
    let (domains, blocked) = (texts(bid, "adomain"), texts(request, "badv"));
    findings.require(!domains.is_empty(), Rule::Advertiser, || "adomain is missing".to_owned());
    for domain in domains.iter().filter(|domain| blocked.iter().any(|other| covers(other, domain))) {
        findings.add(Rule::Advertiser, format!("adomain {domain} is in badv"));
    }
    let taxonomy = |object| int(object, "cattax").unwrap_or(1);
    if taxonomy(request) == taxonomy(bid) {
        check_categories(request, bid, findings);
    }
    let bundle = text(bid, "bundle");
    findings.require(
        bundle.is_none_or(|bundle| !texts(request, "bapp").contains(&bundle)),
        Rule::App,
        || format!("bundle {bundle:?} is in bapp"),
    );
}

fn check_categories(request: &Value, bid: &Value, findings: &mut Findings) {
    let (blocked, allowed) = (texts(request, "bcat"), texts(request, "acat"));
    for category in texts(bid, "cat") {
        let listed = |list: &[&str]| list.iter().any(|other| is_within(category, other));
        findings.require(!listed(&blocked), Rule::Category, || format!("cat {category} is in bcat"));
        findings.require(allowed.is_empty() || listed(&allowed), Rule::Category, || {
            format!("cat {category} is not in acat")
        });
    }
}

/// Whether a listed domain means this one: itself or a domain above it.
fn covers(listed: &str, domain: &str) -> bool {
    let (listed, domain) = (listed.to_ascii_lowercase(), domain.to_ascii_lowercase());
    domain == listed || domain.strip_suffix(&listed).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a category is another or one of its children: IAB25-3 is within IAB25.
fn is_within(category: &str, other: &str) -> bool {
    category == other || category.strip_prefix(other).is_some_and(|rest| rest.starts_with('-'))
}

fn check_urls(bid: &Value, findings: &mut Findings) {
    for key in ["nurl", "burl", "lurl", "iurl"] {
        if let Some(url) = text(bid, key) {
            findings.require(markup::is_safe_url(url), Rule::NoticeUrl, || {
                format!("{key} {url:?} is not an https URL")
            });
        }
    }
}

/// Seat and deal: who may buy this impression.
fn check_sale(request: &Value, imp: &Value, seat: &Value, bid: &Value, findings: &mut Findings) {
    let buyer = text(seat, "seat").unwrap_or_default();
    let (wanted, blocked) = (texts(request, "wseat"), texts(request, "bseat"));
    let allowed = (wanted.is_empty() || wanted.contains(&buyer)) && !blocked.contains(&buyer);
    findings.require(allowed, Rule::Seat, || format!("seat {buyer:?} is not asked"));
    let private = imp.get("pmp").is_some_and(|pmp| flag(pmp, "private_auction"));
    let Some(id) = text(bid, "dealid") else {
        findings.require(!private, Rule::Deal, || "a private auction needs a dealid".to_owned());
        return;
    };
    let Some(deal) = deal(imp, id) else {
        findings.add(Rule::Deal, format!("dealid {id:?} is not offered"));
        return;
    };
    let (seats, domains) = (texts(deal, "wseat"), texts(deal, "wadomain"));
    findings.require(seats.is_empty() || seats.contains(&buyer), Rule::Seat, || {
        format!("seat {buyer:?} is not in deal {id}")
    });
    for domain in texts(bid, "adomain") {
        let listed = domains.is_empty() || domains.iter().any(|other| covers(other, domain));
        findings.require(listed, Rule::Advertiser, || format!("adomain {domain} is not in deal {id}"));
    }
}

fn check_price(imp: &Value, response: &Value, bid: &Value, rates: &Rates, findings: &mut Findings) {
    let price = bid.get("price").and_then(Value::as_f64).and_then(Cpm::from_f64).filter(|price| price.0 > 0);
    let currency = response.get("cur").and_then(Value::as_str).unwrap_or("USD");
    let (Some(price), Ok(currency)) = (price, currency.parse::<Currency>()) else {
        findings.add(Rule::Price, format!("price {:?} {currency} is no price", bid.get("price")));
        return;
    };
    let offer = text(bid, "dealid").and_then(|id| deal(imp, id)).unwrap_or(imp);
    let floor = view::floor(offer);
    if let Some(least) = rates.convert(floor.cpm, floor.currency, currency) {
        // Between currencies both sides round, each by at most half a micro.
        let slack = i64::from(floor.currency != currency);
        findings.require(price.0 + slack >= least.0, Rule::Floor, || {
            format!("price {price} {currency} is below the floor {} {}", floor.cpm, floor.currency)
        });
    }
}

/// Format, size, player and markup.
fn check_format(imp: &Value, bid: &Value, findings: &mut Findings) {
    let Some(adm) = text(bid, "adm") else {
        findings.add(Rule::Markup, "adm is missing");
        return;
    };
    let declared = int(bid, "mtype").and_then(of_mtype);
    let Some(format) = declared.or_else(|| only_format(imp)) else {
        findings.add(Rule::Format, "mtype is missing or unknown, and the impression takes several formats");
        return;
    };
    let Some(offer) = imp.get(format.as_str()).filter(|offer| offer.is_object()) else {
        findings.add(Rule::Format, format!("the impression takes no {}", format.as_str()));
        return;
    };
    check_attributes(offer, bid, findings);
    if format == Format::Banner {
        check_size(imp, offer, bid, findings);
    }
    match markup::read(format, adm, offer) {
        Err(problem) => findings.add(Rule::Markup, problem),
        Ok(read) => {
            check_player(format, offer, bid, &read, findings);
            check_secure(imp, &read, findings);
        }
    }
    if let Some(name) = markup::leftover_macro(adm) {
        findings.add(Rule::Macro, format!("{name} is left in adm"));
    }
}

/// OpenRTB 2.6, 4.3.1: "Creative Markup Types".
const fn of_mtype(mtype: i64) -> Option<Format> {
    match mtype {
        1 => Some(Format::Banner),
        2 => Some(Format::Video),
        3 => Some(Format::Audio),
        4 => Some(Format::Native),
        _ => None,
    }
}

fn only_format(imp: &Value) -> Option<Format> {
    let mut offered = Format::ALL.into_iter().filter(|format| imp.get(format.as_str()).is_some());
    offered.next().filter(|_| offered.next().is_none())
}

fn check_attributes(offer: &Value, bid: &Value, findings: &mut Findings) {
    let (blocked, supported) = (ints(offer, "battr"), ints(offer, "api"));
    for attribute in ints(bid, "attr").iter().filter(|attribute| blocked.contains(attribute)) {
        findings.add(Rule::Attribute, format!("attr {attribute} is in battr"));
    }
    for api in ints(bid, "apis").iter().filter(|api| !supported.contains(api)) {
        findings.add(Rule::Player, format!("api {api} is not supported"));
    }
}

fn check_size(imp: &Value, banner: &Value, bid: &Value, findings: &mut Findings) {
    let side = |object, key| int(object, key).filter(|side| *side > 0);
    let sizes: Vec<&Value> = items(banner, "format")
        .iter()
        .chain(std::iter::once(banner))
        .filter(|size| {
            (side(size, "w").is_some() && side(size, "h").is_some()) || side(size, "wratio").is_some()
        })
        .collect();
    if sizes.is_empty() {
        return;
    }
    let (Some(w), Some(h)) = (side(bid, "w"), side(bid, "h")) else {
        findings.add(Rule::Size, "w and h are missing");
        return;
    };
    let fits = sizes.iter().any(|size| {
        let exact = side(size, "w") == Some(w) && side(size, "h") == Some(h);
        let smaller = flag(imp, "instl")
            && side(size, "w").is_some_and(|most| w <= most)
            && side(size, "h").is_some_and(|most| h <= most);
        let in_ratio =
            side(size, "wratio").zip(side(size, "hratio")).is_some_and(|(wr, hr)| w * hr == h * wr)
                && side(size, "wmin").is_none_or(|least| w >= least);
        exact || smaller || in_ratio
    });
    findings.require(fits, Rule::Size, || format!("{w}x{h} is not among the sizes"));
}

fn check_player(format: Format, offer: &Value, bid: &Value, read: &Markup, findings: &mut Findings) {
    if !matches!(format, Format::Video | Format::Audio) {
        return;
    }
    let protocols = ints(offer, "protocols");
    if let Some(protocol) = int(bid, "protocol") {
        let known = protocols.is_empty() || protocols.contains(&protocol);
        findings.require(known, Rule::Player, || format!("protocol {protocol} is not among {protocols:?}"));
    }
    let mimes = texts(offer, "mimes");
    let playable = mimes.is_empty()
        || read.media_types.is_empty()
        || read.media_types.iter().any(|own| mimes.iter().any(|mime| mime.eq_ignore_ascii_case(own)));
    findings.require(playable, Rule::Player, || format!("none of {:?} is among {mimes:?}", read.media_types));
    let seconds = number(bid, "dur").or(read.duration_s);
    if let Some(seconds) = seconds {
        let long_enough = number(offer, "minduration").is_none_or(|least| seconds >= least);
        let short_enough = number(offer, "maxduration").is_none_or(|most| most <= 0.0 || seconds <= most);
        findings.require(long_enough && short_enough, Rule::Player, || {
            format!("{seconds} s is too short or too long")
        });
    }
}

fn check_secure(imp: &Value, read: &Markup, findings: &mut Findings) {
    if flag(imp, "secure") {
        let insecure = read.urls().find(|url| !markup::is_safe_url(url));
        findings.require(insecure.is_none(), Rule::Secure, || format!("{insecure:?} is not https"));
    }
}
