//! Whether a creative fits an impression, and what of it goes into the bid.

use std::ops::ControlFlow;

use tagbid_catalog::{Approval, Creative, Markup};
use tagbid_openrtb::Imp;
use tagbid_types::{ExchangeName, NoBidReason};

use super::mismatch::{Findings, List, Mismatch, Words};
use super::{Blocks, banner, blocks, native, video};
use crate::settings::Exchange;

/// The format of a bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Banner,
    Video,
    Audio,
    Native,
}

impl Format {
    /// OpenRTB 2.6 section 4.2.3, `mtype`.
    pub(crate) const fn mtype(self) -> i32 {
        match self {
            Self::Banner => 1,
            Self::Video => 2,
            Self::Audio => 3,
            Self::Native => 4,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Banner => "banner",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Native => "native",
        }
    }

    pub(crate) const fn of(markup: &Markup) -> Self {
        match markup {
            Markup::Banner(_) => Self::Banner,
            Markup::Video(_) => Self::Video,
            Markup::Audio(_) => Self::Audio,
            Markup::Native(_) => Self::Native,
        }
    }
}

/// How a creative answers an impression that it fits. The markup is written from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    /// As what it is shown; [`Format::mtype`] goes into the bid.
    pub(crate) format: Format,
    /// `w` of the bid: of a banner or a video.
    pub(crate) width: Option<u32>,
    /// `h` of the bid.
    pub(crate) height: Option<u32>,
    /// `api` of the bid: the first framework that the creative needs. All of them go into `apis`.
    pub(crate) api: Option<i32>,
    /// `protocol` of the bid, of video and audio; a [`super::Protocol`].
    pub(crate) protocol: Option<i32>,
    /// `dur` of the bid: whole seconds, rounded up.
    pub(crate) duration_s: Option<u32>,
    /// After how many seconds the viewer may skip, as the markup will say. A bid with it declares attribute 16.
    pub(crate) skip_after_s: Option<u32>,
    /// Lowest CPM for each second of the ad that the pod takes, in the currency of the impression's floor.
    pub(crate) min_cpm_per_s: Option<f64>,
}

impl Fit {
    pub(super) fn of(case: &Case<'_>) -> Self {
        Self {
            format: Format::of(&case.creative.markup),
            width: None,
            height: None,
            api: case.creative.apis.first().copied().map(i32::from),
            protocol: None,
            duration_s: None,
            skip_after_s: None,
            min_cpm_per_s: None,
        }
    }

    /// Whether the markup lets the viewer skip: then the bid's `attr` holds 16 (OpenRTB 2.6 section 3.2.7, `skip`).
    pub(crate) const fn skippable(&self) -> bool {
        self.skip_after_s.is_some()
    }
}

/// A creative held against an impression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) creative: &'a Creative,
    pub(super) imp: &'a Imp<'a>,
    pub(super) exchange: &'a ExchangeName,
    pub(super) settings: &'a Exchange,
}

/// Whether the creative fits the impression on this exchange: how, or the first reason why not.
pub(crate) fn fit(
    creative: &Creative,
    imp: &Imp<'_>,
    exchange: &ExchangeName,
    settings: &Exchange,
) -> Result<Fit, NoBidReason> {
    let mut findings = Findings::first();
    let fit = examine(&Case { creative, imp, exchange, settings }, &mut findings);
    findings.verdict()?;
    match fit {
        ControlFlow::Continue(fit) => Ok(fit),
        ControlFlow::Break(()) => Err(NoBidReason::NoCreative),
    }
}

/// Every reason why the creative does not answer the impression, in the order of the checks, each with a sentence
/// for its advertiser. Empty when it does.
pub(crate) fn every_reason(
    creative: &Creative,
    own_domain: &str,
    blocks: &Blocks<'_>,
    imp: &Imp<'_>,
    exchange: &ExchangeName,
    settings: &Exchange,
) -> Vec<(NoBidReason, String)> {
    let mut findings = Findings::all();
    // Neither breaks off before it has noted why.
    let _ = blocks::examine(creative, own_domain, blocks, &mut findings);
    let _ = examine(&Case { creative, imp, exchange, settings }, &mut findings);
    findings.sentences()
}

/// All checks on the fit, in their order.
fn examine<'a>(case: &Case<'a>, findings: &mut Findings<'a>) -> ControlFlow<(), Fit> {
    let imp = case.imp;
    match &case.creative.markup {
        Markup::Banner(markup) => {
            if let Some(offered) = imp.banner {
                return banner::examine(case, markup, offered, findings);
            }
        }
        Markup::Video(markup) => {
            if let Some(offered) = imp.video {
                return video::examine(case, markup, offered, findings);
            }
        }
        Markup::Audio(markup) => {
            if let Some(offered) = imp.audio {
                return video::examine_audio(case, markup, offered, findings);
            }
        }
        Markup::Native(markup) => {
            if let Some(offered) = imp.native {
                return native::examine(case, markup, offered, findings);
            }
        }
    }
    findings.note(Some(not_offered(case)))?;
    ControlFlow::Break(())
}

fn not_offered<'a>(case: &Case<'a>) -> Mismatch<'a> {
    let imp = case.imp;
    let offered = match (imp.banner, imp.video, imp.audio) {
        (Some(_), None, None) if imp.native.is_none() => "a banner",
        (None, Some(_), None) if imp.native.is_none() => "a video",
        (None, None, Some(_)) if imp.native.is_none() => "audio",
        (None, None, None) => "a native ad",
        _ => "one of the several formats offered",
    };
    Mismatch {
        reason: NoBidReason::NoCreative,
        object: "",
        member: "imp",
        wanted: Words::Text(offered),
        has: Words::Text(Format::of(&case.creative.markup).as_str()),
    }
}

/// What every format says of what it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer<'a> {
    pub(super) object: &'static str,
    pub(super) api: &'a [i32],
    pub(super) battr: &'a [i32],
}

impl<'a> Case<'a> {
    /// "If an API is not explicitly listed, it is assumed not to be supported": all that it needs must be there.
    pub(super) fn apis(&self, offer: &Offer<'a>) -> Option<Mismatch<'a>> {
        let missing = self.creative.apis.iter().find(|own| !offer.api.contains(&i32::from(**own)))?;
        Some(Mismatch {
            reason: NoBidReason::NoCreative,
            object: offer.object,
            member: "api",
            wanted: Words::OneOf(List::Codes(offer.api)),
            has: Words::Code(*missing),
        })
    }

    /// The checks that end each format's: none of them depends on the format.
    pub(super) fn policy(&self, offer: &Offer<'a>, findings: &mut Findings<'a>) -> ControlFlow<()> {
        findings.note(self.secure())?;
        findings.note(self.attributes(offer))?;
        findings.note(self.approval())
    }

    pub(super) fn secure(&self) -> Option<Mismatch<'a>> {
        (self.imp.secure == Some(true) && !self.creative.secure).then_some(Mismatch {
            reason: NoBidReason::NotSecure,
            object: "imp",
            member: "secure",
            wanted: Words::Text("everything over https"),
            has: Words::Text("parts that load over http"),
        })
    }

    pub(super) fn attributes(&self, offer: &Offer<'a>) -> Option<Mismatch<'a>> {
        let blocked = self.creative.attributes.iter().find(|own| offer.battr.contains(&i32::from(**own)))?;
        Some(Mismatch {
            reason: NoBidReason::BlockedAttribute,
            object: offer.object,
            member: "battr",
            wanted: Words::NoneOf(List::Codes(offer.battr)),
            has: Words::Code(*blocked),
        })
    }

    pub(super) fn approval(&self) -> Option<Mismatch<'a>> {
        let has = match self.creative.approvals.get(self.exchange) {
            Some(Approval::Approved) => return None,
            Some(Approval::Rejected) => "been rejected by it",
            _ if !self.settings.requires_approval => return None,
            Some(Approval::Pending) | None => "not been approved by it yet",
        };
        Some(Mismatch {
            reason: NoBidReason::NotApproved,
            object: "",
            member: "approvals",
            wanted: Words::ApprovalBy(self.exchange.as_str()),
            has: Words::Text(has),
        })
    }
}
