//! The markup of a bid, always sent in `adm`: banner HTML, VAST, DAAST and Native JSON.
//!
//! Written into a buffer that the caller keeps. Whatever text a creative holds, XML and JSON come out well-formed,
//! and our impression pixel is loaded. OpenRTB's own macros (`${AUCTION_PRICE}`) are left for the exchange.
//!
//! A click leads through our click notice, which redirects to the creative's `click_url`: one URL both counts the
//! click and carries its id to the landing page. So it stands where players and SDKs open a page (`ClickThrough`,
//! `link.url`), and is not repeated as a tracker: that would fetch the landing page behind the user's back.

mod banner;
mod daast;
mod native;
#[cfg(test)]
mod tests;
mod text;
mod vast;
mod xml;

use tagbid_catalog::{AudioMarkup, Creative, Markup, VideoMarkup};
use tagbid_openrtb::Imp;
use tagbid_types::BidId;

use crate::gates::{Fit, Protocol};

/// What the markup of one bid calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links<'a> {
    /// The impression pixel: a notice URL, with OpenRTB's macros in it.
    pub(crate) impression: &'a str,
    /// The click notice: a URL that redirects to the creative's landing page.
    pub(crate) click: &'a str,
    /// The bid.
    pub(crate) bid_id: BidId,
    /// A number that no other bid's markup has, against caches.
    pub(crate) cachebuster: u64,
}

/// Appends the markup of `creative` for the impression that it was found to fit.
pub(crate) fn write(creative: &Creative, fit: &Fit, imp: &Imp<'_>, links: &Links<'_>, out: &mut String) {
    match &creative.markup {
        Markup::Banner(markup) => banner::write(markup, links, out),
        Markup::Video(markup) => spot(Spot::video(creative, markup, fit, links), fit, out),
        Markup::Audio(markup) => spot(Spot::audio(creative, markup, fit, links), fit, out),
        Markup::Native(markup) => {
            if let Some(native) = imp.native {
                native::write(markup, native, links, out);
            }
        }
    }
}

fn spot(spot: Spot<'_>, fit: &Fit, out: &mut String) {
    match fit.protocol.and_then(Protocol::from_code) {
        Some(Protocol::Daast1) => daast::write(&spot, out),
        Some(version) => vast::write(&spot, version, out),
        None => vast::write(&spot, Protocol::Vast3, out),
    }
}

/// A video or an audio spot on its way into XML.
#[derive(Clone, Copy, Debug)]
struct Spot<'a> {
    creative: &'a Creative,
    links: &'a Links<'a>,
    media_url: &'a str,
    mime: &'a str,
    duration_ms: u32,
    bitrate_kbps: u32,
    /// Width and height; audio has none.
    size: Option<(u16, u16)>,
    skip_after_s: Option<u32>,
}

impl<'a> Spot<'a> {
    fn video(creative: &'a Creative, markup: &'a VideoMarkup, fit: &Fit, links: &'a Links<'a>) -> Self {
        Self {
            creative,
            links,
            media_url: &markup.media_url,
            mime: &markup.mime,
            duration_ms: markup.duration_ms,
            bitrate_kbps: markup.bitrate_kbps,
            size: Some((markup.width, markup.height)),
            skip_after_s: fit.skip_after_s,
        }
    }

    fn audio(creative: &'a Creative, markup: &'a AudioMarkup, fit: &Fit, links: &'a Links<'a>) -> Self {
        Self {
            creative,
            links,
            media_url: &markup.media_url,
            mime: &markup.mime,
            duration_ms: markup.duration_ms,
            bitrate_kbps: markup.bitrate_kbps,
            size: None,
            skip_after_s: fit.skip_after_s,
        }
    }
}
