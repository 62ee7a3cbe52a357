//! What a request refuses of any creative: advertisers, categories, apps, languages.

use std::ops::ControlFlow;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use tagbid_catalog::Creative;
use tagbid_openrtb::Request;
use tagbid_types::NoBidReason;

use super::domain::{compare, host, is_within, with_parents};
use super::mismatch::{Findings, List, Mismatch, Words};

/// The taxonomy of a creative's categories: IAB Content Category Taxonomy 1.0 in AdCOM's list "Category Taxonomies".
const OWN_TAXONOMY: i32 = 1;
/// How its codes begin.
const PREFIX: &str = "IAB";
/// OpenRTB 2.6 section 4.2.3: the language of a creative without any, such as a bare logo.
const NO_LANGUAGE: &str = "xx";

/// A request's block and allow lists, sorted for lookup without regard to case.
///
/// **Taxonomies.** Creatives carry categories of taxonomy 1 alone. Exchanges send its codes ("IAB7-39", "IAB-1")
/// under any `cattax`, and no other taxonomy has codes of that form, so they are compared whatever `cattax` says. When
/// an entry of `bcat` or `acat` has another form, also where `cattax` is 1 or absent, no comparison can show that a
/// creative is clean, and every creative is refused: a block is never broken on a guess. Explain says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks<'a> {
    badv: &'a [&'a str],
    bcat: &'a [&'a str],
    acat: &'a [&'a str],
    /// The member with an entry that cannot be compared, and what would have to be known; none where all can be.
    foreign: Option<(&'static str, Words<'a>)>,
    bapp: &'a [&'a str],
    wlang: &'a [&'a str],
    wlangb: &'a [&'a str],
}

impl<'a> Blocks<'a> {
    /// Sorts the lists of a request into its arena.
    pub(crate) fn new(request: &Request<'a>, arena: &'a Bump) -> Self {
        let category = |entry| category(entry, arena);
        let (bcat, acat) = (sorted(request.bcat, arena, category), sorted(request.acat, arena, category));
        let other = |member, list: &[&'a str]| {
            let other = list.iter().find(|entry| !entry.is_empty() && code(entry).is_none())?;
            Some(match request.cattax.unwrap_or(OWN_TAXONOMY) {
                OWN_TAXONOMY => (member, Words::TaxonomyOf(other)),
                taxonomy => ("cattax", Words::Taxonomy(taxonomy)),
            })
        };
        Self {
            badv: sorted(request.badv, arena, host),
            bcat,
            acat,
            foreign: other("bcat", bcat).or_else(|| other("acat", acat)),
            bapp: sorted(request.bapp, arena, str::trim),
            wlang: request.wlang,
            wlangb: request.wlangb,
        }
    }

    fn advertiser(&self, creative: &'a Creative, own: &'a str) -> Option<Mismatch<'a>> {
        let domains = creative.domains.iter().map(String::as_str).chain([own]);
        let (domain, blocked) = domains
            .flat_map(|domain| with_parents(host(domain)).map(move |name| (domain, name)))
            .find_map(|(domain, name)| Some((domain, find(self.badv, name)?)))?;
        Some(Mismatch {
            reason: NoBidReason::BlockedAdvertiser,
            object: "",
            member: "badv",
            wanted: Words::Not(blocked),
            has: Words::Text(domain),
        })
    }

    /// A parent stands for its children: "IAB25" for "IAB25-3". Of an allow list every category must be on it.
    fn category(&self, creative: &'a Creative) -> Option<Mismatch<'a>> {
        let mismatch = |member, wanted, has| Mismatch {
            reason: NoBidReason::BlockedCategory,
            object: "",
            member,
            wanted,
            has,
        };
        let own = Words::These(List::Owned(&creative.categories));
        if let Some((member, wanted)) = self.foreign {
            return Some(mismatch(member, wanted, own));
        }
        let listed = |list: &'a [&'a str], category: &str| tiers(category).find_map(|tier| find(list, tier));
        let blocked = creative.categories.iter().find_map(|c| Some((c, listed(self.bcat, c)?)));
        if let Some((category, entry)) = blocked {
            return Some(mismatch("bcat", Words::Not(entry), Words::Text(category)));
        }
        let allowed = !creative.categories.is_empty()
            && creative.categories.iter().all(|category| listed(self.acat, category).is_some());
        (!self.acat.is_empty() && !allowed)
            .then(|| mismatch("acat", Words::OneOf(List::Texts(self.acat)), own))
    }

    fn app(&self, creative: &'a Creative) -> Option<Mismatch<'a>> {
        let blocked = find(self.bapp, creative.bundle.trim())?;
        Some(Mismatch {
            reason: NoBidReason::BlockedApp,
            object: "",
            member: "bapp",
            wanted: Words::Not(blocked),
            has: Words::Text(&creative.bundle),
        })
    }

    /// Compares primary languages: "en" answers "en-GB". A creative that does not tell its language passes: the
    /// exchange is told nothing false, and most banners would be lost otherwise.
    fn language(&self, creative: &'a Creative) -> Option<Mismatch<'a>> {
        let primary = |tag: &'a str| tag.split(['-', '_']).next().unwrap_or(tag).trim();
        let own = primary(&creative.language);
        let (member, list) =
            if self.wlang.is_empty() { ("wlangb", self.wlangb) } else { ("wlang", self.wlang) };
        let wanted = self.wlang.iter().chain(self.wlangb).any(|tag| primary(tag).eq_ignore_ascii_case(own));
        let free = own.is_empty() || own.eq_ignore_ascii_case(NO_LANGUAGE) || list.is_empty();
        (!free && !wanted).then_some(Mismatch {
            reason: NoBidReason::NoCreative,
            object: "",
            member,
            wanted: Words::OneOf(List::Texts(list)),
            has: Words::Text(&creative.language),
        })
    }
}

/// What `read` makes of the values, in the arena and sorted for [`find`].
fn sorted<'a>(values: &'a [&'a str], arena: &'a Bump, read: impl Fn(&'a str) -> &'a str) -> &'a [&'a str] {
    let mut list = ArenaVec::with_capacity_in(values.len(), arena);
    list.extend(values.iter().map(|value| read(value)).filter(|value| !value.is_empty()));
    list.sort_unstable_by(|left, right| compare(left, right));
    list.into_bump_slice()
}

/// An entry of a category list as creatives would have it: "IAB1" for "IAB-1".
fn category<'a>(entry: &'a str, arena: &'a Bump) -> &'a str {
    let entry = entry.trim();
    match code(entry) {
        Some(code) if PREFIX.len() + code.len() < entry.len() => {
            bumpalo::format!(in arena, "{}{}", PREFIX, code).into_bump_str()
        }
        _ => entry,
    }
}

/// The numbers of a category of the IAB Content Category Taxonomy 1.0: "7-39" of "IAB7-39" and of "IAB-7-39".
fn code(entry: &str) -> Option<&str> {
    let (prefix, rest) = entry.split_at_checked(PREFIX.len())?;
    let code = rest.strip_prefix('-').unwrap_or(rest);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (prefix.eq_ignore_ascii_case(PREFIX) && code.split('-').all(is_number)).then_some(code)
}

/// The entry of a sorted list that equals the value.
fn find<'a>(list: &'a [&'a str], value: &str) -> Option<&'a str> {
    let at = list.binary_search_by(|entry| compare(entry, value)).ok()?;
    list.get(at).copied()
}

/// A category and what it is part of: "IAB25-3", "IAB25".
fn tiers(category: &str) -> impl Iterator<Item = &str> {
    let whole = Some(category.trim()).filter(|tier| !tier.is_empty());
    std::iter::successors(whole, |tier| tier.rsplit_once('-').map(|(parent, _)| parent))
}

/// All checks on the brand, in their order.
pub(super) fn examine<'a>(
    creative: &'a Creative,
    own_domain: &'a str,
    blocks: &Blocks<'a>,
    findings: &mut Findings<'a>,
) -> ControlFlow<()> {
    findings.note(blocks.advertiser(creative, own_domain))?;
    findings.note(blocks.category(creative))?;
    findings.note(blocks.app(creative))?;
    findings.note(blocks.language(creative))
}

/// Whether the request lets this brand be shown. `own_domain` is the advertiser's own domain (or empty): it is held
/// against `badv` beside those of the creative.
pub(crate) fn brand(creative: &Creative, own_domain: &str, blocks: &Blocks<'_>) -> Result<(), NoBidReason> {
    let mut findings = Findings::first();
    // Whether it broke off says the verdict.
    let _ = examine(creative, own_domain, blocks, &mut findings);
    findings.verdict()
}

/// Whether a deal's `wadomain` takes every domain that the bid would declare: those of the creative, else the
/// advertiser's own. An empty list takes all; a domain takes its subdomains.
pub(crate) fn deal_allows(creative: &Creative, own_domain: &str, wadomain: &[&str]) -> bool {
    let allowed = |domain: &str| wadomain.iter().any(|entry| is_within(host(domain), host(entry)));
    if wadomain.is_empty() {
        return true;
    }
    match creative.domains.as_slice() {
        [] => allowed(own_domain),
        domains => domains.iter().all(|domain| allowed(domain)),
    }
}
