//! One impression's own dimensions.

use bumpalo::Bump;
use tagbid_openrtb::{Banner, Imp};
use tagbid_targeting::{Attributes, Collector, Dimension};

use super::push;

/// The request's attributes as seen from one impression.
pub(crate) fn with_imp<'a>(request: &Attributes<'a>, imp: &Imp<'a>, arena: &'a Bump) -> Attributes<'a> {
    let mut to = request.clone();
    let mut values = Collector::new(arena);
    for format in formats(imp) {
        values.push(Dimension::Format, format);
    }
    let banner = imp.banner.into_iter().flat_map(banner_sizes);
    let video = imp.video.and_then(|v| v.w.zip(v.h));
    for (width, height) in banner.chain(video).filter(|(width, height)| *width > 0 && *height > 0) {
        values.push_size(width, height);
    }
    for code in [imp.banner.and_then(|b| b.pos), imp.video.and_then(|v| v.pos)] {
        push(&mut values, Dimension::Position, code.and_then(position));
    }
    // AdCOM list "Plcmt Subtypes - Video": 3 is an interstitial.
    let interstitial = imp.instl || imp.video.is_some_and(|video| video.plcmt == Some(3));
    values.push(Dimension::Interstitial, yes_no(interstitial));
    push(&mut values, Dimension::Skippable, imp.video.and_then(|v| v.skip).map(yes_no));
    for deal in imp.pmp.map(|pmp| pmp.deals).unwrap_or_default() {
        values.add(Dimension::Deal, deal.id);
    }
    values.finish(&mut to);
    to
}

const fn yes_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn formats(imp: &Imp<'_>) -> impl Iterator<Item = &'static str> {
    let banner = imp.banner.map(|_| "banner");
    let video = imp.video.map(|_| "video");
    let audio = imp.audio.map(|_| "audio");
    let native = imp.native.map(|_| "native");
    banner.into_iter().chain(video).chain(audio).chain(native)
}

/// The pixels of `format` where it says some, else `w` x `h`: OpenRTB 2.6 section 3.2.6. A ratio is no size.
fn banner_sizes<'a>(banner: &Banner<'a>) -> impl Iterator<Item = (u32, u32)> + use<'a> {
    let formats = banner.format.iter().filter_map(|format| format.w.zip(format.h));
    let fallback = banner.w.zip(banner.h).filter(|_| formats.clone().next().is_none());
    formats.chain(fallback)
}

/// AdCOM list "Placement Positions".
fn position(code: i32) -> Option<&'static str> {
    Some(match code {
        1 => "above_fold",
        3 => "below_fold",
        4 => "header",
        5 => "footer",
        6 => "sidebar",
        7 => "fullscreen",
        _ => return None,
    })
}
