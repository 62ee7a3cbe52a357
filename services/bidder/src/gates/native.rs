//! Native: OpenRTB 2.6 section 3.2.9, and the request of Native Ads 1.2 section 4.

use std::ops::ControlFlow;

use tagbid_catalog::{NativeAsset, NativeMarkup};
use tagbid_openrtb::{Asset, DataAsset, ImageAsset, Native, NativeRequest, TitleAsset};
use tagbid_types::NoBidReason;

use super::fit::{Case, Fit, Offer};
use super::mime;
use super::mismatch::{Findings, Mismatch, Words};

const OBJECT: &str = "imp.native";

/// What of the creative fills an asset of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling<'a> {
    /// A title.
    Title(&'a str),
    /// An image with its type and size.
    Image { kind: u8, url: &'a str, width: u16, height: u16 },
    /// A text with its type.
    Data { kind: u8, value: &'a str },
}

pub(super) fn examine<'a>(
    case: &Case<'a>,
    markup: &'a NativeMarkup,
    native: &'a Native<'a>,
    findings: &mut Findings<'a>,
) -> ControlFlow<(), Fit> {
    let offer = Offer { object: OBJECT, api: native.api, battr: native.battr };
    match native.request {
        Some(request) => assets(markup, request, findings)?,
        None => findings.note(Some(mismatch(
            "request",
            Words::Text("not known: it is missing or unreadable"),
            Words::Text("assets for a readable one"),
        )))?,
    }
    findings.note(case.apis(&offer))?;
    case.policy(&offer, findings)?;
    ControlFlow::Continue(Fit::of(case))
}

fn mismatch<'a>(member: &'static str, wanted: Words<'a>, has: Words<'a>) -> Mismatch<'a> {
    Mismatch { reason: NoBidReason::NoCreative, object: OBJECT, member, wanted, has }
}

/// Every required asset must be filled, and at least one at all: an ad without assets shows nothing.
fn assets<'a>(
    markup: &'a NativeMarkup,
    request: &'a NativeRequest<'a>,
    findings: &mut Findings<'a>,
) -> ControlFlow<()> {
    for asset in request.assets.iter().filter(|asset| asset.required) {
        let lacks = fill(markup, asset).is_none();
        let has = || match (asset.title, asset.video) {
            (Some(_), _) => Words::Count(length(&markup.title), "characters"),
            (_, Some(_)) => Words::Text("no video"),
            _ => Words::Text("no such asset"),
        };
        findings.note(lacks.then(|| mismatch("request.assets", Words::Asset(asset), has())))?;
    }
    let empty = !request.assets.iter().any(|asset| fill(markup, asset).is_some());
    let wanted = Words::Text("at least one asset that can be filled");
    findings.note(empty.then(|| mismatch("request.assets", wanted, Words::Text("none of them"))))
}

/// What fills the asset: the first of the creative's that meets all that is asked of it. An asset without an id
/// cannot be answered.
pub(crate) fn fill<'a>(markup: &'a NativeMarkup, asset: &Asset<'_>) -> Option<Filling<'a>> {
    asset.id?;
    if let Some(wanted) = asset.title {
        return title(markup, wanted);
    }
    let meets = |own: &'a NativeAsset| match (own, asset.img, asset.data) {
        (NativeAsset::Image { .. }, Some(wanted), _) => image(own, wanted),
        (NativeAsset::Data { .. }, None, Some(wanted)) => data(own, wanted),
        _ => None,
    };
    markup.assets.iter().find_map(meets)
}

fn title<'a>(markup: &'a NativeMarkup, wanted: &TitleAsset) -> Option<Filling<'a>> {
    let fits = !markup.title.is_empty() && within(&markup.title, wanted.len);
    fits.then_some(Filling::Title(&markup.title))
}

fn image<'a>(own: &'a NativeAsset, wanted: &ImageAsset<'_>) -> Option<Filling<'a>> {
    let NativeAsset::Image { kind, url, width, height } = own else {
        return None;
    };
    let of_type = wanted.r#type.is_none_or(|r#type| r#type == i32::from(*kind));
    let of_size = side(wanted.w, wanted.wmin, *width) && side(wanted.h, wanted.hmin, *height);
    // A type that the URL does not tell cannot be shown to be among those wanted.
    let of_mime =
        wanted.mimes.is_empty() || mime::of_image_url(url).is_some_and(|own| mime::takes(wanted.mimes, own));
    (of_type && of_size && of_mime).then_some(Filling::Image {
        kind: *kind,
        url,
        width: *width,
        height: *height,
    })
}

/// Native Ads 1.2 section 4.4: a size alone is exact; beside a least size it is only a wish.
fn side(exact: Option<u32>, least: Option<u32>, own: u16) -> bool {
    let own = u32::from(own);
    let given = |value: Option<u32>| value.filter(|value| *value > 0);
    match (given(exact), given(least)) {
        (_, Some(least)) => own >= least,
        (Some(exact), None) => own == exact,
        (None, None) => true,
    }
}

fn data<'a>(own: &'a NativeAsset, wanted: &DataAsset) -> Option<Filling<'a>> {
    let NativeAsset::Data { kind, value } = own else {
        return None;
    };
    let fits = wanted.r#type == Some(i32::from(*kind)) && !value.is_empty() && within(value, wanted.len);
    fits.then_some(Filling::Data { kind: *kind, value })
}

/// Whether a text has at most so many characters; 0 is no bound.
fn within(text: &str, most: Option<u32>) -> bool {
    most.is_none_or(|most| most == 0 || length(text) <= most)
}

fn length(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
