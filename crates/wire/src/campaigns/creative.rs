//! Creatives.

use std::collections::BTreeMap;

use tagbid_catalog::mime;
use tagbid_catalog::{
    Approval, AudioMarkup, BannerMarkup, Creative, Markup, NativeAsset, NativeMarkup, Report, VideoMarkup,
};
use tagbid_types::{AdvertiserId, CreativeId, ExchangeName};

use super::common::{approval_from, approval_to, header_from, header_to, narrow};
use super::entities::exchange_from;
use crate::pb::campaigns as pb;
use pb::creative::Markup as Wire;
use pb::native_asset::Asset;

/// None, and a problem noted, when it shows nothing.
pub(super) fn creative_from(e: &pb::Creative, report: &mut Report) -> Option<Creative> {
    let markup = markup_from(e.markup.as_ref(), report);
    Some(Creative {
        id: CreativeId(e.id),
        header: header_from(e.metadata.as_ref()),
        advertiser: AdvertiserId(e.advertiser_id),
        name: e.name.clone(),
        seat: e.seat.clone(),
        domains: e.domains.iter().map(|d| d.trim().to_ascii_lowercase()).collect(),
        categories: e.categories.iter().map(|c| c.trim().to_ascii_uppercase()).collect(),
        attributes: narrow_all(&e.attributes, "attributes", report),
        language: e.language.trim().to_ascii_lowercase(),
        bundle: e.bundle.clone(),
        click_url: e.click_url.clone(),
        preview_url: e.preview_url.clone(),
        apis: narrow_all(&e.apis, "apis", report),
        secure: e.secure,
        approvals: approvals_from(&e.approvals, report),
        markup: markup?,
    })
}

pub(super) fn creative_to(e: &Creative) -> pb::Creative {
    let approvals = e.approvals.iter();
    pb::Creative {
        id: e.id.0,
        metadata: header_to(&e.header),
        advertiser_id: e.advertiser.0,
        name: e.name.clone(),
        seat: e.seat.clone(),
        domains: e.domains.clone(),
        categories: e.categories.clone(),
        attributes: e.attributes.iter().map(|a| (*a).into()).collect(),
        language: e.language.clone(),
        bundle: e.bundle.clone(),
        click_url: e.click_url.clone(),
        preview_url: e.preview_url.clone(),
        apis: e.apis.iter().map(|a| (*a).into()).collect(),
        secure: e.secure,
        approvals: approvals.map(|(name, approval)| (name.to_string(), approval_to(*approval))).collect(),
        markup: Some(markup_to(&e.markup)),
    }
}

fn narrow_all(values: &[u32], field: &str, report: &mut Report) -> Vec<u16> {
    let each = values.iter().enumerate();
    each.map(|(position, value)| narrow(*value, &format!("{field}[{position}]"), report)).collect()
}

fn approvals_from(
    approvals: &BTreeMap<String, i32>,
    report: &mut Report,
) -> BTreeMap<ExchangeName, Approval> {
    let each = approvals.iter().filter_map(|(exchange, approval)| {
        let field = format!("approvals[{exchange:?}]");
        let exchange = exchange_from(exchange, &field, report)?;
        Some((exchange, approval_from(*approval, &field, report)))
    });
    each.collect()
}

fn markup_from(markup: Option<&Wire>, report: &mut Report) -> Option<Markup> {
    match markup {
        Some(Wire::Banner(banner)) => {
            Some(report.within("banner", |r| Markup::Banner(banner_from(banner, r))))
        }
        Some(Wire::Video(video)) => Some(report.within("video", |r| Markup::Video(video_from(video, r)))),
        Some(Wire::Audio(audio)) => Some(Markup::Audio(AudioMarkup {
            media_url: audio.media_url.clone(),
            mime: mime::normalised(&audio.mime),
            duration_ms: audio.duration_ms,
            bitrate_kbps: audio.bitrate_kbps,
        })),
        Some(Wire::Native(native)) => {
            Some(report.within("native", |r| Markup::Native(native_from(native, r))))
        }
        None => {
            report.problem("markup", "is missing", "set banner, video, audio or native");
            None
        }
    }
}

fn banner_from(banner: &pb::BannerMarkup, report: &mut Report) -> BannerMarkup {
    // 2 is what HTML is called in OpenRTB's list.
    let banner_type = if banner.banner_type == 0 { 2 } else { banner.banner_type };
    BannerMarkup {
        width: narrow(banner.width, "width", report),
        height: narrow(banner.height, "height", report),
        html: banner.html.clone(),
        banner_type: narrow(banner_type, "banner_type", report),
    }
}

fn video_from(video: &pb::VideoMarkup, report: &mut Report) -> VideoMarkup {
    VideoMarkup {
        media_url: video.media_url.clone(),
        mime: mime::normalised(&video.mime),
        duration_ms: video.duration_ms,
        width: narrow(video.width, "width", report),
        height: narrow(video.height, "height", report),
        bitrate_kbps: video.bitrate_kbps,
        skip_after_s: video.skip_after_s.map(|s| narrow(s, "skip_after_s", report)),
    }
}

fn native_from(native: &pb::NativeMarkup, report: &mut Report) -> NativeMarkup {
    let assets = native.assets.iter().enumerate().filter_map(|(position, asset)| {
        report.within(format_args!("assets[{position}]"), |r| asset_from(asset, r))
    });
    NativeMarkup { assets: assets.collect(), title: native.title.clone() }
}

fn asset_from(asset: &pb::NativeAsset, report: &mut Report) -> Option<NativeAsset> {
    match &asset.asset {
        Some(Asset::Image(image)) => report.within("image", |report| {
            Some(NativeAsset::Image {
                kind: narrow(image.r#type, "type", report),
                url: image.url.clone(),
                width: narrow(image.width, "width", report),
                height: narrow(image.height, "height", report),
            })
        }),
        Some(Asset::Data(data)) => report.within("data", |report| {
            Some(NativeAsset::Data { kind: narrow(data.r#type, "type", report), value: data.value.clone() })
        }),
        None => {
            report.problem("", "is empty", "set image or data");
            None
        }
    }
}

fn markup_to(markup: &Markup) -> Wire {
    match markup {
        Markup::Banner(banner) => Wire::Banner(pb::BannerMarkup {
            width: banner.width.into(),
            height: banner.height.into(),
            html: banner.html.clone(),
            banner_type: banner.banner_type.into(),
        }),
        Markup::Video(video) => Wire::Video(pb::VideoMarkup {
            media_url: video.media_url.clone(),
            mime: video.mime.clone(),
            duration_ms: video.duration_ms,
            width: video.width.into(),
            height: video.height.into(),
            bitrate_kbps: video.bitrate_kbps,
            skip_after_s: video.skip_after_s.map(u32::from),
        }),
        Markup::Audio(audio) => Wire::Audio(pb::AudioMarkup {
            media_url: audio.media_url.clone(),
            mime: audio.mime.clone(),
            duration_ms: audio.duration_ms,
            bitrate_kbps: audio.bitrate_kbps,
        }),
        Markup::Native(native) => Wire::Native(pb::NativeMarkup {
            title: native.title.clone(),
            assets: native.assets.iter().map(asset_to).collect(),
        }),
    }
}

fn asset_to(asset: &NativeAsset) -> pb::NativeAsset {
    let asset = match asset {
        NativeAsset::Image { kind, url, width, height } => Asset::Image(pb::NativeImage {
            r#type: (*kind).into(),
            url: url.clone(),
            width: (*width).into(),
            height: (*height).into(),
        }),
        NativeAsset::Data { kind, value } => {
            Asset::Data(pb::NativeData { r#type: (*kind).into(), value: value.clone() })
        }
    };
    pb::NativeAsset { asset: Some(asset) }
}
