//! Impressions: banner, video, audio, and the deals they are offered under. Native has its own file.

use super::Native;

/// OpenRTB's default currency of floors.
pub const USD: &str = "USD";

/// One impression on offer: OpenRTB 2.6 section 3.2.4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Imp<'a> {
    /// Id within the request; bids refer to it. Never empty once validated.
    pub id: &'a str,
    /// Offered as a banner.
    pub banner: Option<&'a Banner<'a>>,
    /// Offered as a video.
    pub video: Option<&'a Video<'a>>,
    /// Offered as audio.
    pub audio: Option<&'a Audio<'a>>,
    /// Offered as native.
    pub native: Option<&'a Native<'a>>,
    /// Deals it is offered under.
    pub pmp: Option<&'a Pmp<'a>>,
    /// Measurements such as viewability.
    pub metric: &'a [Metric<'a>],
    /// Mediation partner, SDK or player that renders the ad.
    pub displaymanager: Option<&'a str>,
    /// Its version.
    pub displaymanagerver: Option<&'a str>,
    /// Interstitial or full screen.
    pub instl: bool,
    /// The exchange's or publisher's id of the placement.
    pub tagid: Option<&'a str>,
    /// Global placement id, from `imp.ext.gpid`.
    pub gpid: Option<&'a str>,
    /// Lowest CPM accepted, in `bidfloorcur`. Never negative once validated.
    pub bidfloor: f64,
    /// Currency of the floor, ISO 4217, as sent; "USD" when absent.
    pub bidfloorcur: &'a str,
    /// A click opens the native browser rather than an embedded one.
    pub clickbrowser: Option<bool>,
    /// Markup must be https. Absent: unknown, http may be assumed.
    pub secure: Option<bool>,
    /// Names of iframe busters supported.
    pub iframebuster: &'a [&'a str],
    /// The user is rewarded for watching. Also from `imp.ext.rewarded`.
    pub rwdd: bool,
    /// Server-side insertion: 0 unknown, 1 none, 2 assets stitched, 3 all server-side. Also from `imp.ext.ssai`.
    pub ssai: Option<i32>,
    /// Seconds that may pass between the auction and the impression.
    pub exp: Option<u32>,
    /// How many people see one play. See [`Imp::multiplier`].
    pub qty: Option<&'a Quantity<'a>>,
    /// When the impression is expected, milliseconds since 1970 (DOOH).
    pub dt: Option<f64>,
    /// A part of a `battr` or `btype` cannot be read: no creative can be shown to be allowed, so the impression must
    /// not be bid on.
    pub unreadable_blocks: bool,
}

impl Imp<'_> {
    /// Impressions that one play counts for: `qty.multiplier`, 1 when absent.
    pub fn multiplier(&self) -> f64 {
        self.qty.and_then(|q| q.multiplier).unwrap_or(1.0)
    }
}

impl Default for Imp<'_> {
    fn default() -> Self {
        Self {
            id: "",
            banner: None,
            video: None,
            audio: None,
            native: None,
            pmp: None,
            metric: &[],
            displaymanager: None,
            displaymanagerver: None,
            instl: false,
            tagid: None,
            gpid: None,
            bidfloor: 0.0,
            bidfloorcur: USD,
            clickbrowser: None,
            secure: None,
            iframebuster: &[],
            rwdd: false,
            ssai: None,
            exp: None,
            qty: None,
            dt: None,
            unreadable_blocks: false,
        }
    }
}

/// How many impressions one play counts for: section 3.2.31.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantity<'a> {
    /// The number; may be a fraction.
    pub multiplier: Option<f64>,
    /// AdCOM list "DOOH Multiplier Measurement Source Types".
    pub sourcetype: Option<i32>,
    /// Domain of who measured.
    pub vendor: Option<&'a str>,
}

/// A measurement of the impression: section 3.2.5.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metric<'a> {
    /// Name curated by the exchange, such as "viewability".
    pub r#type: Option<&'a str>,
    /// Value; probabilities are 0 to 1.
    pub value: Option<f64>,
    /// Who measured.
    pub vendor: Option<&'a str>,
}

/// A banner: section 3.2.6.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Banner<'a> {
    /// Sizes permitted; when empty, `w` x `h` is the exact size.
    pub format: &'a [Format],
    /// Width in device-independent pixels.
    pub w: Option<u32>,
    /// Height in device-independent pixels.
    pub h: Option<u32>,
    /// Banner types blocked: 1 XHTML text, 2 XHTML banner, 3 JavaScript, 4 iframe.
    pub btype: &'a [i32],
    /// Creative attributes blocked (AdCOM list "Creative Attributes").
    pub battr: &'a [i32],
    /// AdCOM list "Placement Positions".
    pub pos: Option<i32>,
    /// MIME types supported; empty for all.
    pub mimes: &'a [&'a str],
    /// Shown in the top frame rather than in an iframe.
    pub topframe: Option<bool>,
    /// Directions in which it may expand (AdCOM list "Expandable Directions").
    pub expdir: &'a [i32],
    /// API frameworks supported (AdCOM list "API Frameworks").
    pub api: &'a [i32],
    /// Id of the banner, for companion ads.
    pub id: Option<&'a str>,
    /// As a companion: `false` shown beside the video, `true` as its end card.
    pub vcm: Option<bool>,
}

/// One size permitted: section 3.2.10.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Format {
    /// Width in device-independent pixels.
    pub w: Option<u32>,
    /// Height in device-independent pixels.
    pub h: Option<u32>,
    /// Width of a size given as a ratio.
    pub wratio: Option<u32>,
    /// Height of a size given as a ratio.
    pub hratio: Option<u32>,
    /// Smallest width at which a ratio is shown.
    pub wmin: Option<u32>,
}

/// A video: section 3.2.7.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Video<'a> {
    /// MIME types supported.
    pub mimes: &'a [&'a str],
    /// Shortest ad, in seconds.
    pub minduration: Option<u32>,
    /// Longest ad, in seconds.
    pub maxduration: Option<u32>,
    /// Seconds of delay; 0 pre-roll, -1 any mid-roll, -2 any post-roll.
    pub startdelay: Option<i32>,
    /// Most ads in a dynamic pod.
    pub maxseq: Option<u32>,
    /// Seconds of a dynamic pod.
    pub poddur: Option<u32>,
    /// Protocols supported (AdCOM list "Creative Subtypes - Audio/Video"). Holds the deprecated `protocol` when
    /// only that was sent.
    pub protocols: &'a [i32],
    /// Width of the player in device-independent pixels.
    pub w: Option<u32>,
    /// Height of the player in device-independent pixels.
    pub h: Option<u32>,
    /// Id of the pod to which it belongs.
    pub podid: Option<&'a str>,
    /// Place of the pod in the stream (AdCOM list "Pod Sequence").
    pub podseq: Option<i32>,
    /// Exact durations accepted, in seconds; excludes `minduration` and `maxduration`.
    pub rqddurs: &'a [i32],
    /// Placement subtype, before `plcmt`.
    pub placement: Option<i32>,
    /// AdCOM list "Plcmt Subtypes - Video". Also from `video.ext.plcmt`.
    pub plcmt: Option<i32>,
    /// 1 linear, 2 non-linear; absent for both.
    pub linearity: Option<i32>,
    /// The player lets the user skip.
    pub skip: Option<bool>,
    /// Only longer ads can be skipped, in seconds.
    pub skipmin: Option<u32>,
    /// Seconds until skipping is possible.
    pub skipafter: Option<u32>,
    /// Place among several impressions (deprecated in 2.6).
    pub sequence: Option<i32>,
    /// AdCOM list "Slot Position in Pod".
    pub slotinpod: Option<i32>,
    /// Lowest CPM per second of a dynamic pod.
    pub mincpmpersec: Option<f64>,
    /// Creative attributes blocked.
    pub battr: &'a [i32],
    /// Seconds by which an ad may exceed `maxduration`; 0 none, -1 any.
    pub maxextended: Option<i32>,
    /// Lowest bit rate, kbit/s.
    pub minbitrate: Option<u32>,
    /// Highest bit rate, kbit/s.
    pub maxbitrate: Option<u32>,
    /// 4:3 may be letter-boxed; absent means yes.
    pub boxingallowed: Option<bool>,
    /// AdCOM list "Playback Methods".
    pub playbackmethod: &'a [i32],
    /// AdCOM list "Playback Cessation Modes".
    pub playbackend: Option<i32>,
    /// AdCOM list "Delivery Methods".
    pub delivery: &'a [i32],
    /// AdCOM list "Placement Positions".
    pub pos: Option<i32>,
    /// Companion ads offered.
    pub companionad: &'a [Banner<'a>],
    /// API frameworks supported.
    pub api: &'a [i32],
    /// AdCOM list "Companion Types".
    pub companiontype: &'a [i32],
}

/// Audio: section 3.2.8.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Audio<'a> {
    /// MIME types supported.
    pub mimes: &'a [&'a str],
    /// Shortest ad, in seconds.
    pub minduration: Option<u32>,
    /// Longest ad, in seconds.
    pub maxduration: Option<u32>,
    /// Seconds of a dynamic pod.
    pub poddur: Option<u32>,
    /// Protocols supported.
    pub protocols: &'a [i32],
    /// Seconds of delay; 0 pre-roll, -1 any mid-roll, -2 any post-roll.
    pub startdelay: Option<i32>,
    /// Exact durations accepted, in seconds.
    pub rqddurs: &'a [i32],
    /// Id of the pod to which it belongs.
    pub podid: Option<&'a str>,
    /// Place of the pod in the stream.
    pub podseq: Option<i32>,
    /// Place among several impressions (deprecated in 2.6).
    pub sequence: Option<i32>,
    /// AdCOM list "Slot Position in Pod".
    pub slotinpod: Option<i32>,
    /// Lowest CPM per second of a dynamic pod.
    pub mincpmpersec: Option<f64>,
    /// Creative attributes blocked.
    pub battr: &'a [i32],
    /// Seconds by which an ad may exceed `maxduration`; 0 none, -1 any.
    pub maxextended: Option<i32>,
    /// Lowest bit rate, kbit/s.
    pub minbitrate: Option<u32>,
    /// Highest bit rate, kbit/s.
    pub maxbitrate: Option<u32>,
    /// AdCOM list "Delivery Methods".
    pub delivery: &'a [i32],
    /// Companion ads offered.
    pub companionad: &'a [Banner<'a>],
    /// API frameworks supported.
    pub api: &'a [i32],
    /// AdCOM list "Companion Types".
    pub companiontype: &'a [i32],
    /// Most ads in a dynamic pod.
    pub maxseq: Option<u32>,
    /// AdCOM list "Feed Types".
    pub feed: Option<i32>,
    /// The ad is stitched into the content.
    pub stitched: Option<bool>,
    /// AdCOM list "Volume Normalization Modes".
    pub nvol: Option<i32>,
}

/// The private marketplace of an impression: section 3.2.11.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pmp<'a> {
    /// Only bids under one of the deals are accepted.
    pub private_auction: bool,
    /// The deals. Only those with an id once validated.
    pub deals: &'a [Deal<'a>],
}

/// A deal: section 3.2.12. Nothing is inherited from the impression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deal<'a> {
    /// The exchange's id of the deal.
    pub id: &'a str,
    /// Lowest CPM accepted, in `bidfloorcur`; the price itself when `at` is 3. Never negative once validated.
    pub bidfloor: f64,
    /// Currency of the floor, as sent; "USD" when absent.
    pub bidfloorcur: &'a str,
    /// Auction type of the deal, over the request's: 1 first price, 2 second price plus, 3 fixed price.
    pub at: Option<i32>,
    /// Buyer seats that may bid; empty for all.
    pub wseat: &'a [&'a str],
    /// Advertiser domains that may bid; empty for all.
    pub wadomain: &'a [&'a str],
    /// The deal is guaranteed.
    pub guar: bool,
    /// Lowest CPM per second of the ad.
    pub mincpmpersec: Option<f64>,
}

impl Default for Deal<'_> {
    fn default() -> Self {
        Self {
            id: "",
            bidfloor: 0.0,
            bidfloorcur: USD,
            at: None,
            wseat: &[],
            wadomain: &[],
            guar: false,
            mincpmpersec: None,
        }
    }
}
