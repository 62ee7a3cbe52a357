//! The response of Native Ads 1.2 section 5: the assets that the request wants and the creative has.

use tagbid_catalog::NativeMarkup;
use tagbid_openrtb::{Asset, Native, NativeRequest};

use super::Links;
use super::text::{push, push_json};
use crate::gates::native::{Filling, fill};

/// List "Event Types" of Native Ads 1.2 section 7.6.
const IMPRESSION: i32 = 1;
/// List "Event Tracking Methods" of section 7.7.
const IMAGE: i32 = 1;

/// Appends the response. Before 1.1 it stood inside an object with the one member `native`.
pub(super) fn write(markup: &NativeMarkup, native: &Native<'_>, links: &Links<'_>, out: &mut String) {
    let Some(request) = native.request else { return };
    let version = Version::of(request.ver.or(native.ver));
    if version == Version::V1_0 {
        out.push_str("{\"native\":");
    }
    out.push_str("{\"ver\":");
    push_json(out, version.as_str());
    out.push_str(",\"link\":{\"url\":");
    push_json(out, links.click);
    out.push_str("},\"assets\":[");
    let filled = request.assets.iter().filter_map(|asset| Some((asset, fill(markup, asset)?)));
    for (position, (asset, filling)) in filled.enumerate() {
        if position > 0 {
            out.push(',');
        }
        push_asset(asset, filling, out);
    }
    out.push(']');
    push_tracker(version, request, links, out);
    out.push('}');
    if version == Version::V1_0 {
        out.push('}');
    }
}

/// The version that the answer is written in: the request's, the latest when it does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1_0,
    V1_1,
    V1_2,
}

impl Version {
    fn of(text: Option<&str>) -> Self {
        match text.map(str::trim) {
            Some("1" | "1.0") => Self::V1_0,
            Some("1.1") => Self::V1_1,
            _ => Self::V1_2,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }
}

fn push_asset(asset: &Asset<'_>, filling: Filling<'_>, out: &mut String) {
    push(out, format_args!("{{\"id\":{}", asset.id.unwrap_or_default()));
    if asset.required {
        out.push_str(",\"required\":1");
    }
    match filling {
        Filling::Title(text) => {
            out.push_str(",\"title\":{\"text\":");
            push_json(out, text);
        }
        Filling::Image { kind, url, width, height } => {
            push(out, format_args!(",\"img\":{{\"type\":{kind},\"w\":{width},\"h\":{height},\"url\":"));
            push_json(out, url);
        }
        Filling::Data { kind, value } => {
            push(out, format_args!(",\"data\":{{\"type\":{kind},\"value\":"));
            push_json(out, value);
        }
    }
    out.push_str("}}");
}

/// One tracker, never both: as an event where the request offers that, else in `imptrackers`, which every version
/// reads.
fn push_tracker(version: Version, request: &NativeRequest<'_>, links: &Links<'_>, out: &mut String) {
    let as_event = version == Version::V1_2
        && request.eventtrackers.iter().any(|t| t.event == Some(IMPRESSION) && t.methods.contains(&IMAGE));
    if as_event {
        push(out, format_args!(",\"eventtrackers\":[{{\"event\":{IMPRESSION},\"method\":{IMAGE},\"url\":"));
        push_json(out, links.impression);
        out.push_str("}]");
    } else {
        out.push_str(",\"imptrackers\":[");
        push_json(out, links.impression);
        out.push(']');
    }
}
