//! Native impressions: the OpenRTB object, and the Native Ads 1.2 request inside it.

/// A native impression: OpenRTB 2.6 section 3.2.9.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Native<'a> {
    /// What the native ad is made of, read from the `request` string. `None` when it is missing or unreadable:
    /// then nothing is known of the assets wanted.
    pub request: Option<&'a NativeRequest<'a>>,
    /// Version of the Native Ads specification.
    pub ver: Option<&'a str>,
    /// API frameworks supported (AdCOM list "API Frameworks").
    pub api: &'a [i32],
    /// Creative attributes blocked (AdCOM list "Creative Attributes").
    pub battr: &'a [i32],
}

/// What a native ad is made of: Native Ads 1.2 section 4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NativeRequest<'a> {
    /// Version of the specification.
    pub ver: Option<&'a str>,
    /// Layout (1.1 and before).
    pub layout: Option<i32>,
    /// Ad unit (1.1 and before).
    pub adunit: Option<i32>,
    /// List "Context Types".
    pub context: Option<i32>,
    /// List "Context Sub Types".
    pub contextsubtype: Option<i32>,
    /// List "Placement Types".
    pub plcmttype: Option<i32>,
    /// Identical placements offered; absent means 1.
    pub plcmtcnt: Option<u32>,
    /// Position in a sequence, from 0.
    pub seq: Option<u32>,
    /// The assets wanted.
    pub assets: &'a [Asset<'a>],
    /// The seller may take an asset URL instead of the asset.
    pub aurlsupport: Option<bool>,
    /// The seller may take a DCO URL instead of the ad.
    pub durlsupport: Option<bool>,
    /// The events that can be tracked, and how.
    pub eventtrackers: &'a [EventTracker<'a>],
    /// The ad must carry a privacy notice.
    pub privacy: Option<bool>,
}

/// One asset wanted: section 4.2. Exactly one of title, img, video and data is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asset<'a> {
    /// The id by which the ad refers to it.
    pub id: Option<i32>,
    /// An ad without it is not accepted.
    pub required: bool,
    /// A title.
    pub title: Option<&'a TitleAsset>,
    /// An image.
    pub img: Option<&'a ImageAsset<'a>>,
    /// A video.
    pub video: Option<&'a VideoAsset<'a>>,
    /// Any other text, such as the sponsor.
    pub data: Option<&'a DataAsset>,
}

/// A title: section 4.3.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TitleAsset {
    /// The longest, in characters.
    pub len: Option<u32>,
}

/// An image: section 4.4.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ImageAsset<'a> {
    /// List "Image Asset Types": 1 icon, 3 main.
    pub r#type: Option<i32>,
    /// Exact width in pixels.
    pub w: Option<u32>,
    /// Smallest width.
    pub wmin: Option<u32>,
    /// Exact height in pixels.
    pub h: Option<u32>,
    /// Smallest height.
    pub hmin: Option<u32>,
    /// MIME types; empty for all.
    pub mimes: &'a [&'a str],
}

/// A video: section 4.5.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VideoAsset<'a> {
    /// MIME types.
    pub mimes: &'a [&'a str],
    /// Shortest, in seconds.
    pub minduration: Option<u32>,
    /// Longest, in seconds.
    pub maxduration: Option<u32>,
    /// Protocols (AdCOM list "Creative Subtypes - Audio/Video").
    pub protocols: &'a [i32],
}

/// Any other text: section 4.6.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DataAsset {
    /// List "Data Asset Types": 1 sponsored, 2 description, 12 call to action.
    pub r#type: Option<i32>,
    /// The longest, in characters.
    pub len: Option<u32>,
}

/// An event that can be tracked: section 4.7.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EventTracker<'a> {
    /// List "Event Types": 1 impression.
    pub event: Option<i32>,
    /// List "Event Tracking Methods": 1 image, 2 JavaScript.
    pub methods: &'a [i32],
}
