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
    for (width, height) in banner.chain(video) {
        values.push_size(width, height);
    }
    push(&mut values, Dimension::Position, position(imp));
    values.push(Dimension::Interstitial, yes_no(imp.instl));
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

/// `format` where it is there, else `w` x `h`: OpenRTB 2.6 section 3.2.6.
fn banner_sizes<'a>(banner: &Banner<'a>) -> impl Iterator<Item = (u32, u32)> + use<'a> {
    let fallback = banner.w.zip(banner.h).filter(|_| banner.format.is_empty());
    banner.format.iter().filter_map(|format| format.w.zip(format.h)).chain(fallback)
}

/// AdCOM list "Placement Positions".
fn position(imp: &Imp<'_>) -> Option<&'static str> {
    let code = imp.banner.and_then(|b| b.pos).or_else(|| imp.video.and_then(|v| v.pos))?;
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
