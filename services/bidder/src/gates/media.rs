//! What video and audio have in common: OpenRTB 2.6 sections 3.2.7 and 3.2.8.

use std::ops::ControlFlow;

use tagbid_openrtb::{Audio, Video};
use tagbid_types::NoBidReason;

use super::fit::Offer;
use super::mime;
use super::mismatch::{Findings, List, Mismatch, Words};
use super::protocol::Protocol;

/// How far a media file may be off whole seconds and still count as them: files end on a frame or a packet, and a
/// spot of 30.03 s is sold as 30.
const FRAME_MS: u32 = 100;
/// AdCOM list "Delivery Methods".
const STREAMING: i32 = 1;
/// AdCOM list "Delivery Methods": progressive, download.
const BY_FILE: [i32; 2] = [2, 3];
/// MIME types of playlists, which are streamed; all else is a file.
const PLAYLISTS: [&str; 4] =
    ["application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "application/dash+xml"];

/// What the player takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    pub(super) offer: Offer<'a>,
    mimes: &'a [&'a str],
    minduration: Option<u32>,
    maxduration: Option<u32>,
    maxextended: Option<i32>,
    poddur: Option<u32>,
    rqddurs: &'a [i32],
    protocols: &'a [i32],
    minbitrate: Option<u32>,
    maxbitrate: Option<u32>,
    delivery: &'a [i32],
    mincpmpersec: Option<f64>,
}

/// Fills a slot from the members that both objects name alike.
macro_rules! slot {
    ($from:ident, $object:literal) => {
        Slot {
            offer: Offer { object: $object, api: $from.api, battr: $from.battr },
            mimes: $from.mimes,
            minduration: $from.minduration,
            maxduration: $from.maxduration,
            maxextended: $from.maxextended,
            poddur: $from.poddur,
            rqddurs: $from.rqddurs,
            protocols: $from.protocols,
            minbitrate: $from.minbitrate,
            maxbitrate: $from.maxbitrate,
            delivery: $from.delivery,
            mincpmpersec: $from.mincpmpersec,
        }
    };
}

impl<'a> From<&'a Video<'a>> for Slot<'a> {
    fn from(video: &'a Video<'a>) -> Self {
        slot!(video, "imp.video")
    }
}

impl<'a> From<&'a Audio<'a>> for Slot<'a> {
    fn from(audio: &'a Audio<'a>) -> Self {
        slot!(audio, "imp.audio")
    }
}

/// What would be played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clip<'a> {
    pub(super) mime: &'a str,
    pub(super) duration_ms: u32,
    pub(super) bitrate_kbps: u32,
}

/// The length in milliseconds at which a media file counts: whole seconds where it is within a frame of them.
pub(crate) fn length_ms(duration_ms: u32) -> u32 {
    let seconds = duration_ms.saturating_add(500) / 1_000 * 1_000;
    if seconds.abs_diff(duration_ms) <= FRAME_MS { seconds } else { duration_ms }
}

impl Clip<'_> {
    /// The length in seconds, rounded up: what the bid declares.
    pub(super) fn length_s(&self) -> u32 {
        length_ms(self.duration_ms).div_ceil(1_000)
    }
}

impl<'a> Slot<'a> {
    /// The checks that need nothing but the media file.
    pub(super) fn examine(&self, clip: &Clip<'a>, findings: &mut Findings<'a>) -> ControlFlow<()> {
        findings.note(self.mime(clip))?;
        findings.note(self.duration(clip))?;
        findings.note(self.bitrate(clip))?;
        findings.note(self.delivery(clip))
    }

    fn mismatch(&self, member: &'static str, wanted: Words<'a>, has: Words<'a>) -> Mismatch<'a> {
        Mismatch { reason: NoBidReason::NoCreative, object: self.offer.object, member, wanted, has }
    }

    fn mime(&self, clip: &Clip<'a>) -> Option<Mismatch<'a>> {
        let taken = mime::takes(self.mimes, clip.mime);
        let wanted = Words::OneOf(List::Texts(self.mimes));
        (!taken).then(|| self.mismatch("mimes", wanted, Words::Text(clip.mime)))
    }

    /// `rqddurs` excludes the bounds. A pod of `poddur` seconds takes any single ad that is no longer.
    fn duration(&self, clip: &Clip<'a>) -> Option<Mismatch<'a>> {
        let length = u64::from(length_ms(clip.duration_ms));
        let millis = |seconds: u32| u64::from(seconds) * 1_000;
        let has = Words::Duration(clip.duration_ms);
        let pod = self.poddur.filter(|pod| *pod > 0 && length > millis(*pod));
        if !self.rqddurs.is_empty() {
            let exact = |wanted: &i32| u32::try_from(*wanted).is_ok_and(|wanted| millis(wanted) == length);
            let wanted = Words::OneOf(List::Codes(self.rqddurs));
            return (!self.rqddurs.iter().any(exact)).then(|| self.mismatch("rqddurs", wanted, has));
        }
        if let Some(least) = self.minduration.filter(|least| length < millis(*least)) {
            return Some(self.mismatch("minduration", Words::AtLeast(least, "s"), has));
        }
        if let Some(most) = self.longest().filter(|most| length > millis(*most)) {
            return Some(self.mismatch("maxduration", Words::AtMost(most, "s"), has));
        }
        pod.map(|pod| self.mismatch("poddur", Words::AtMost(pod, "s"), has))
    }

    /// `maxduration` with what `maxextended` adds; `None` for no bound.
    fn longest(&self) -> Option<u32> {
        let most = self.maxduration.filter(|most| *most > 0)?;
        match self.maxextended.unwrap_or(0) {
            -1 => None,
            more => Some(most.saturating_add(u32::try_from(more).unwrap_or(0))),
        }
    }

    fn bitrate(&self, clip: &Clip<'a>) -> Option<Mismatch<'a>> {
        let has = Words::Count(clip.bitrate_kbps, "kbit/s");
        if let Some(least) = self.minbitrate.filter(|least| clip.bitrate_kbps < *least) {
            return Some(self.mismatch("minbitrate", Words::AtLeast(least, "kbit/s"), has));
        }
        let most = self.maxbitrate.filter(|most| *most > 0 && clip.bitrate_kbps > *most)?;
        Some(self.mismatch("maxbitrate", Words::AtMost(most, "kbit/s"), has))
    }

    fn delivery(&self, clip: &Clip<'a>) -> Option<Mismatch<'a>> {
        let streamed = is_playlist(clip.mime);
        let taken = self.delivery.is_empty()
            || self.delivery.iter().any(
                |way| {
                    if streamed { *way == STREAMING } else { BY_FILE.contains(way) }
                },
            );
        let wanted = Words::OneOf(List::Codes(self.delivery));
        let has = Words::Text(if streamed { "a stream (1)" } else { "a file (2)" });
        (!taken).then(|| self.mismatch("delivery", wanted, has))
    }

    /// The best markup language that both sides know, or the mismatch.
    pub(super) fn protocol(&self, ours: &[Protocol], untold: Protocol) -> Result<Protocol, Mismatch<'a>> {
        let wanted = Words::OneOf(List::Codes(self.protocols));
        let has = Words::Text(
            "inline VAST 2 (2), 3 (3), 4.0 (7), 4.1 (11), 4.2 (13), 4.3 (15), and for audio DAAST (9)",
        );
        Protocol::best(ours, self.protocols, untold).ok_or_else(|| self.mismatch("protocols", wanted, has))
    }

    /// Lowest CPM for a second of the ad, where the pod asks for one.
    pub(super) fn min_cpm_per_s(&self) -> Option<f64> {
        self.mincpmpersec.filter(|price| *price > 0.0)
    }
}

/// Whether a MIME type is a playlist, whose media is streamed.
pub(crate) fn is_playlist(mime: &str) -> bool {
    PLAYLISTS.iter().any(|playlist| playlist.eq_ignore_ascii_case(mime))
}
