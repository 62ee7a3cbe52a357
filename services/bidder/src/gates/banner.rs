//! Banners: OpenRTB 2.6 sections 3.2.6 and 3.2.10.

use std::ops::ControlFlow;

use tagbid_catalog::BannerMarkup;
use tagbid_openrtb::{self as openrtb, Banner};
use tagbid_types::NoBidReason;

use super::fit::{Case, Fit, Offer};
use super::mime;
use super::mismatch::{Findings, List, Mismatch, Words};

const OBJECT: &str = "imp.banner";

/// `btype` of a script.
const JAVASCRIPT: u8 = 3;
/// AdCOM list "Creative Attributes": what expands by itself, on a click, on a rollover.
const EXPANDABLE: [u16; 3] = [3, 4, 5];
/// AdCOM list "Expandable Directions": left, right, up, down.
const SIDES: [i32; 4] = [1, 2, 3, 4];
/// AdCOM list "Expandable Directions".
const FULL_SCREEN: i32 = 5;

pub(super) fn examine<'a>(
    case: &Case<'a>,
    markup: &'a BannerMarkup,
    banner: &'a Banner<'a>,
    findings: &mut Findings<'a>,
) -> ControlFlow<(), Fit> {
    let offer = Offer { object: OBJECT, api: banner.api, battr: banner.battr };
    findings.note(size(markup, banner))?;
    findings.note(mimes(markup, banner))?;
    findings.note(expansion(case, banner))?;
    findings.note(case.apis(&offer))?;
    findings.note(case.secure())?;
    findings.note(banner_type(markup, banner))?;
    findings.note(case.attributes(&offer))?;
    findings.note(case.approval())?;
    ControlFlow::Continue(Fit {
        width: Some(markup.width.into()),
        height: Some(markup.height.into()),
        ..Fit::of(case)
    })
}

/// Whether there is room for a banner of this size. The entries of `format` that state a size say so, else `w` and `h`;
/// where none states any, every size fits: the publisher adapts.
pub(super) fn takes_size(banner: &Banner<'_>, width: u16, height: u16) -> bool {
    let (width, height) = (u32::from(width), u32::from(height));
    let mut stated = banner.format.iter().filter_map(|format| takes(format, width, height)).peekable();
    if stated.peek().is_some() {
        stated.any(|takes| takes)
    } else {
        exact(banner.w, width) && exact(banner.h, height)
    }
}

fn size<'a>(markup: &BannerMarkup, banner: &'a Banner<'a>) -> Option<Mismatch<'a>> {
    let by_format = || banner.format.iter().any(|format| takes(format, 0, 0).is_some());
    (!takes_size(banner, markup.width, markup.height)).then(|| Mismatch {
        reason: NoBidReason::NoCreative,
        object: OBJECT,
        member: if by_format() { "format" } else { "w" },
        wanted: Words::Sizes(banner),
        has: Words::Size(markup.width.into(), markup.height.into()),
    })
}

/// Exact where it gives pixels, else of its ratio and not narrower than its least width; none where it gives neither.
fn takes(format: &openrtb::Format, width: u32, height: u32) -> Option<bool> {
    let given = |value: Option<u32>| value.filter(|value| *value > 0);
    if given(format.w).or(given(format.h)).is_some() {
        return Some(exact(format.w, width) && exact(format.h, height));
    }
    let (wide, high) = given(format.wratio).zip(given(format.hratio))?;
    let of_ratio = u64::from(width) * u64::from(high) == u64::from(height) * u64::from(wide);
    Some(of_ratio && width >= format.wmin.unwrap_or(0))
}

/// A bound that is absent, or 0 as some exchanges write it, says nothing.
fn exact(wanted: Option<u32>, has: u32) -> bool {
    wanted.is_none_or(|wanted| wanted == 0 || wanted == has)
}

/// What is sent is HTML, or a script inside it, whatever pictures it loads.
fn mimes<'a>(markup: &BannerMarkup, banner: &'a Banner<'a>) -> Option<Mismatch<'a>> {
    let html = mime::takes(banner.mimes, "text/html") || mime::takes(banner.mimes, "application/xhtml+xml");
    let script = markup.banner_type == JAVASCRIPT && mime::takes(banner.mimes, "text/javascript");
    (!html && !script).then_some(Mismatch {
        reason: NoBidReason::NoCreative,
        object: OBJECT,
        member: "mimes",
        wanted: Words::OneOf(List::Texts(banner.mimes)),
        has: Words::Text("text/html"),
    })
}

/// In which direction a creative expands is not recorded, so every direction must be free. Without `expdir` only
/// `battr` speaks of expanding.
fn expansion<'a>(case: &Case<'a>, banner: &'a Banner<'a>) -> Option<Mismatch<'a>> {
    let expands = case.creative.attributes.iter().find(|own| EXPANDABLE.contains(own))?;
    let allowed = banner.expdir;
    let free = allowed.is_empty()
        || allowed.contains(&FULL_SCREEN)
        || SIDES.iter().all(|side| allowed.contains(side));
    (!free).then_some(Mismatch {
        reason: NoBidReason::NoCreative,
        object: OBJECT,
        member: "expdir",
        wanted: Words::OneOf(List::Codes(allowed)),
        has: Words::Code(*expands),
    })
}

fn banner_type<'a>(markup: &BannerMarkup, banner: &'a Banner<'a>) -> Option<Mismatch<'a>> {
    banner.btype.contains(&i32::from(markup.banner_type)).then_some(Mismatch {
        reason: NoBidReason::BlockedAttribute,
        object: OBJECT,
        member: "btype",
        wanted: Words::NoneOf(List::Codes(banner.btype)),
        has: Words::Code(markup.banner_type.into()),
    })
}
