//! What is shown: for each company a banner in every size, two videos, an audio spot and a native ad.

use std::collections::BTreeMap;

use tagbid_catalog::{
    AudioMarkup, BannerMarkup, Creative, Header, Markup, NativeAsset, NativeMarkup, VideoMarkup,
};
use tagbid_exchange::world::BANNER_SIZES;
use tagbid_types::CreativeId;

use super::traders::{TRADERS, Trader, advertiser_id};

const BANNERS: usize = BANNER_SIZES.len();
const SHORT_VIDEO: usize = BANNERS;
const LONG_VIDEO: usize = BANNERS + 1;
const AUDIO: usize = BANNERS + 2;
const NATIVE: usize = BANNERS + 3;
/// Creatives of each company.
const EACH: usize = BANNERS + 4;

/// The size that only audience line items carry, so that a bid on it tells that the user's tags were known.
pub(crate) const BILLBOARD: (u16, u16) = (970, 250);

/// A choice of a company's creatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kit {
    /// All banners but the billboard.
    Banners,
    /// Banners that fill a phone.
    Mobile,
    /// Banners for wide screens, the billboard apart.
    Desktop,
    /// The billboard and the rectangle that every site takes.
    Audience,
    /// Both videos.
    Video,
    /// The audio spot.
    Audio,
    /// The native ad.
    Native,
    /// Everything but the billboard.
    Everything,
}

impl Kit {
    /// The ids of the company's creatives in it.
    pub(super) fn ids(self, trader: usize) -> Vec<CreativeId> {
        (0..EACH).filter(|slot| self.has(*slot)).map(|slot| creative_id(trader, slot)).collect()
    }

    fn has(self, slot: usize) -> bool {
        let size = BANNER_SIZES.get(slot).copied();
        let open_banner = size.is_some_and(|size| size != BILLBOARD);
        match self {
            Self::Banners => open_banner,
            Self::Mobile => size.is_some_and(|(width, _)| width <= 320 && width != 160),
            Self::Desktop => open_banner && size.is_some_and(|(width, height)| width > 320 || height == 600),
            Self::Audience => size == Some(BILLBOARD) || size == Some((300, 250)),
            Self::Video => matches!(slot, SHORT_VIDEO | LONG_VIDEO),
            Self::Audio => slot == AUDIO,
            Self::Native => slot == NATIVE,
            Self::Everything => open_banner || size.is_none(),
        }
    }

    /// For the names of line items.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Banners => "banners",
            Self::Mobile => "mobile banners",
            Self::Desktop => "desktop banners",
            Self::Audience => "billboard",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Native => "native",
            Self::Everything => "all formats",
        }
    }
}

fn creative_id(trader: usize, slot: usize) -> CreativeId {
    CreativeId((trader * EACH + slot) as u64 + 1)
}

/// All creatives, in the order of their ids.
pub(super) fn creatives() -> impl Iterator<Item = Creative> {
    TRADERS.iter().enumerate().flat_map(|(position, trader)| {
        (0..EACH).map(move |slot| {
            let (name, markup) = content(trader, slot);
            Creative {
                id: creative_id(position, slot),
                header: Header::default(),
                advertiser: advertiser_id(position),
                name: format!("{}: {name}", trader.name),
                seat: String::new(),
                domains: vec![trader.domain.into()],
                categories: vec![trader.category.into()],
                attributes: Vec::new(),
                language: String::new(),
                bundle: String::new(),
                click_url: format!("https://www.{}/offer?from=ad", trader.domain),
                preview_url: format!("https://cdn.{}/preview/{slot}.png", trader.domain),
                apis: Vec::new(),
                secure: true,
                markup,
                approvals: BTreeMap::new(),
            }
        })
    })
}

fn content(trader: &Trader, slot: usize) -> (String, Markup) {
    match slot {
        SHORT_VIDEO => ("video 15 s".into(), video(trader, 15, None)),
        LONG_VIDEO => ("video 30 s, skippable".into(), video(trader, 30, Some(5))),
        AUDIO => ("audio 20 s".into(), audio(trader)),
        NATIVE => ("native".into(), native(trader)),
        slot => {
            let (width, height) = BANNER_SIZES.get(slot).copied().unwrap_or((300, 250));
            (format!("banner {width}x{height}"), banner(trader, width, height))
        }
    }
}

fn banner(trader: &Trader, width: u16, height: u16) -> Markup {
    let Trader { domain, slogan, .. } = trader;
    let html = format!(
        "<a href=\"{{CLICK_URL}}\" target=\"_blank\"><img src=\"https://cdn.{domain}/{width}x{height}.png\" \
         width=\"{width}\" height=\"{height}\" alt=\"{slogan}\"></a>{{IMPRESSION_PIXEL}}"
    );
    Markup::Banner(BannerMarkup { width, height, html, banner_type: 2 })
}

fn video(trader: &Trader, seconds: u32, skip_after_s: Option<u16>) -> Markup {
    Markup::Video(VideoMarkup {
        media_url: format!("https://cdn.{}/spot-{seconds}.mp4", trader.domain),
        mime: "video/mp4".into(),
        duration_ms: seconds * 1_000,
        width: 1280,
        height: 720,
        bitrate_kbps: 2_500,
        skip_after_s,
    })
}

fn audio(trader: &Trader) -> Markup {
    Markup::Audio(AudioMarkup {
        media_url: format!("https://cdn.{}/spot-20.mp3", trader.domain),
        mime: "audio/mpeg".into(),
        duration_ms: 20_000,
        bitrate_kbps: 128,
    })
}

/// Native Ads 1.2: images 1 icon and 3 main; data 1 sponsored, 2 description, 3 rating.
fn native(trader: &Trader) -> Markup {
    let image = |kind, width, height| NativeAsset::Image {
        kind,
        url: format!("https://cdn.{}/native-{width}.png", trader.domain),
        width,
        height,
    };
    let data = |kind, value: &str| NativeAsset::Data { kind, value: value.into() };
    Markup::Native(NativeMarkup {
        title: trader.slogan.into(),
        assets: vec![
            image(3, 1200, 628),
            image(1, 128, 128),
            data(1, trader.name),
            data(2, &format!("{} from {}. {}.", trader.product, trader.name, trader.slogan)),
            data(3, "4.6"),
        ],
    })
}
