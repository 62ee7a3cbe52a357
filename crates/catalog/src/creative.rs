//! Creatives: what is shown, and what exchanges need to know of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tagbid_types::{AdvertiserId, CreativeId, ExchangeName};

use crate::Header;

/// A creative. Its URLs are https and within the advertiser's domain or the operator's list; nothing is ever fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Creative {
    /// Its id, sent as `crid`.
    pub id: CreativeId,
    /// Set by the store.
    pub header: Header,
    /// Its owner.
    pub advertiser: AdvertiserId,
    /// For people, 1 to 200 characters.
    pub name: String,
    /// Seat to bid with, letters, digits, ".", "_", "-"; empty: the exchange's default seat.
    pub seat: String,
    /// `adomain`: 1 to 5 domains. They are what the creative claims, and allow it nothing.
    pub domains: Vec<String>,
    /// `cat`: IAB content categories 1.0 ("IAB2-3").
    pub categories: Vec<String>,
    /// `attr`: AdCOM creative attributes, 1 to 18 and exchange-specific from 500.
    pub attributes: Vec<u16>,
    /// `language`: ISO 639-1, or empty.
    pub language: String,
    /// `bundle` of the advertised app, or empty; checked against `bapp`.
    pub bundle: String,
    /// Where a click leads.
    pub click_url: String,
    /// `iurl`: a picture of the creative for review, or empty.
    pub preview_url: String,
    /// API frameworks that it needs: AdCOM list, 1 to 9, such as 5 for MRAID-2 or 7 for OMID-1.
    pub apis: Vec<u16>,
    /// Whether all of it loads over https.
    pub secure: bool,
    /// What is shown.
    pub markup: Markup,
    /// Review result by exchange; an exchange that requires approval treats a missing entry as pending.
    pub approvals: BTreeMap<ExchangeName, Approval>,
}

/// What an exchange's review said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Not reviewed yet.
    Pending,
    /// May be shown.
    Approved,
    /// May not be shown.
    Rejected,
}

/// What is shown, by format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Markup {
    /// HTML in a rectangle.
    Banner(BannerMarkup),
    /// A linear video, sent as VAST.
    Video(VideoMarkup),
    /// An audio spot, sent as VAST 4 or DAAST by the request's protocols.
    Audio(AudioMarkup),
    /// Assets that the publisher lays out.
    Native(NativeMarkup),
}

/// HTML in a rectangle. Our macros `{CLICK_URL}`, `{CACHEBUSTER}`, `{IMPRESSION_PIXEL}`, `{BID_ID}` are filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BannerMarkup {
    /// Width in device-independent pixels.
    pub width: u16,
    /// Height in device-independent pixels.
    pub height: u16,
    /// The HTML; without `{CLICK_URL}` and `{IMPRESSION_PIXEL}` it is still shown, clicks go uncounted.
    pub html: String,
    /// `btype` of OpenRTB: 1 XHTML text, 2 XHTML banner, 3 JavaScript, 4 iframe.
    pub banner_type: u8,
}

/// A linear video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoMarkup {
    /// The media file, https.
    pub media_url: String,
    /// Its MIME type ("video/mp4").
    pub mime: String,
    /// Length in milliseconds.
    pub duration_ms: u32,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Kilobits a second.
    pub bitrate_kbps: u32,
    /// Whether it may be skipped, and after how many seconds.
    pub skip_after_s: Option<u16>,
}

/// An audio spot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioMarkup {
    /// The media file, https.
    pub media_url: String,
    /// Its MIME type ("audio/mpeg").
    pub mime: String,
    /// Length in milliseconds.
    pub duration_ms: u32,
    /// Kilobits a second.
    pub bitrate_kbps: u32,
}

/// Native assets; a request gets those it asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NativeMarkup {
    /// Title, 1 to 140 characters.
    pub title: String,
    /// Images and data.
    pub assets: Vec<NativeAsset>,
}

/// One native asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NativeAsset {
    /// An image.
    Image {
        /// OpenRTB Native image type: 1 icon, 3 main.
        kind: u8,
        /// https URL.
        url: String,
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
    },
    /// A text.
    Data {
        /// OpenRTB Native data type: 1 sponsored, 2 description, 3 rating, 12 call to action, ...
        kind: u8,
        /// The text.
        value: String,
    },
}
