//! Video and audio: OpenRTB 2.6 sections 3.2.7 and 3.2.8.

use std::ops::ControlFlow;

use tagbid_catalog::{AudioMarkup, VideoMarkup};
use tagbid_openrtb::{Audio, Video};
use tagbid_types::NoBidReason;

use super::fit::{Case, Fit};
use super::media::{Clip, Slot};
use super::mismatch::{Findings, Mismatch, Words};
use super::protocol::Protocol;

/// AdCOM list "Linearity Modes".
const NON_LINEAR: i32 = 2;
/// AdCOM list "Creative Attributes": the ad brings its own skip button.
const SKIP_BUTTON: u16 = 16;
/// Aspect ratios are the same when they differ by less than one part in this many: 854x480 passes for 16:9.
const SAME_ASPECT: u64 = 50;

pub(super) fn examine<'a>(
    case: &Case<'a>,
    markup: &'a VideoMarkup,
    video: &'a Video<'a>,
    findings: &mut Findings<'a>,
) -> ControlFlow<(), Fit> {
    let slot = Slot::from(video);
    let clip =
        Clip { mime: &markup.mime, duration_ms: markup.duration_ms, bitrate_kbps: markup.bitrate_kbps };
    findings.note(linearity(video))?;
    slot.examine(&clip, findings)?;
    findings.note(boxing(markup, video))?;
    findings.note(skip_button(case, video))?;
    // A player that does not say what it knows most likely knows VAST 3, and skipping needs it.
    let protocol = slot.protocol(&Protocol::VIDEO, Protocol::Vast3);
    findings.note(protocol.err())?;
    findings.note(case.apis(&slot.offer))?;
    case.policy(&slot.offer, findings)?;
    let Ok(protocol) = protocol else {
        return ControlFlow::Break(());
    };
    ControlFlow::Continue(Fit {
        width: Some(markup.width.into()),
        height: Some(markup.height.into()),
        protocol: Some(protocol.code()),
        duration_s: Some(clip.length_s()),
        skip_after_s: skip_after(markup, video, protocol, clip.length_s()),
        min_cpm_per_s: slot.min_cpm_per_s(),
        ..Fit::of(case)
    })
}

pub(super) fn examine_audio<'a>(
    case: &Case<'a>,
    markup: &'a AudioMarkup,
    audio: &'a Audio<'a>,
    findings: &mut Findings<'a>,
) -> ControlFlow<(), Fit> {
    let slot = Slot::from(audio);
    let clip =
        Clip { mime: &markup.mime, duration_ms: markup.duration_ms, bitrate_kbps: markup.bitrate_kbps };
    slot.examine(&clip, findings)?;
    // The IAB's advice for audio since it retired DAAST.
    let protocol = slot.protocol(&Protocol::AUDIO, Protocol::Vast41);
    findings.note(protocol.err())?;
    findings.note(case.apis(&slot.offer))?;
    case.policy(&slot.offer, findings)?;
    let Ok(protocol) = protocol else {
        return ControlFlow::Break(());
    };
    ControlFlow::Continue(Fit {
        protocol: Some(protocol.code()),
        duration_s: Some(clip.length_s()),
        min_cpm_per_s: slot.min_cpm_per_s(),
        ..Fit::of(case)
    })
}

fn mismatch<'a>(member: &'static str, wanted: Words<'a>, has: Words<'a>) -> Mismatch<'a> {
    Mismatch { reason: NoBidReason::NoCreative, object: "imp.video", member, wanted, has }
}

fn linearity<'a>(video: &Video<'a>) -> Option<Mismatch<'a>> {
    let wanted = Words::Text("non-linear (2)");
    (video.linearity == Some(NON_LINEAR))
        .then(|| mismatch("linearity", wanted, Words::Text("a linear ad (1)")))
}

/// Players scale, so the sizes need not be equal. But where boxing is not allowed, the shapes must be.
fn boxing<'a>(markup: &VideoMarkup, video: &Video<'a>) -> Option<Mismatch<'a>> {
    let (wide, high) = video.w.zip(video.h).filter(|(wide, high)| *wide > 0 && *high > 0)?;
    let (width, height) = (u32::from(markup.width), u32::from(markup.height));
    let player = u64::from(wide) * u64::from(height);
    let own = u64::from(width) * u64::from(high);
    let same = player.abs_diff(own) * SAME_ASPECT <= player.max(own);
    (video.boxingallowed == Some(false) && !same)
        .then(|| mismatch("boxingallowed", Words::Size(wide, high), Words::Size(width, height)))
}

fn skip_button<'a>(case: &Case<'a>, video: &Video<'a>) -> Option<Mismatch<'a>> {
    let own = case.creative.attributes.contains(&SKIP_BUTTON);
    (own && video.skip == Some(false)).then(|| {
        mismatch("skip", Words::Text("an ad that cannot be skipped"), Words::Text("its own skip button (16)"))
    })
}

/// Skipping is something that the advertiser concedes, so a player that forbids it, or markup that cannot express
/// it, gets the ad whole. The publisher's `skipafter` counts when it is later than the advertiser's.
fn skip_after(markup: &VideoMarkup, video: &Video<'_>, protocol: Protocol, length_s: u32) -> Option<u32> {
    let own = u32::from(markup.skip_after_s?);
    let forbidden = video.skip == Some(false)
        || video.battr.contains(&i32::from(SKIP_BUTTON))
        || protocol == Protocol::Vast2
        || length_s <= video.skipmin.unwrap_or(0);
    let after = own.max(video.skipafter.unwrap_or(0));
    (!forbidden && after < length_s).then_some(after)
}
