//! One bid request as the bid path sees it, the same whether it came as JSON or as protobuf.
//!
//! Everything borrows: strings from the body or the arena, lists and objects from the arena. Names are those of
//! OpenRTB 2.6; what OpenRTB 2.5 kept under `ext` is found here at its 2.6 place. Conventions:
//! - `Option` is `None` when the member was absent, `null`, an empty string, or of a type that cannot be read;
//!   the last is told in [`Request::notes`].
//! - A list is empty when absent: OpenRTB gives no meaning to an empty list that differs from absence.
//! - A plain scalar carries OpenRTB's default.

mod context;
mod device;
mod imp;
mod native;
mod note;
mod user;

pub use context::{App, Channel, Content, Dooh, Network, Producer, Publisher, Site, keywords};
pub use device::{Brand, Device, Geo, UserAgent};
pub use imp::{Audio, Banner, Deal, Format, Imp, Metric, Pmp, Quantity, USD, Video};
pub use native::{Asset, DataAsset, EventTracker, ImageAsset, Native, NativeRequest, TitleAsset, VideoAsset};
pub use note::{DropReason, DroppedImp, Note, NoteKind};
pub use user::{Data, Eid, Segment, Uid, User};

/// A bid request: OpenRTB 2.6 section 3.2.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request<'a> {
    /// The exchange's id of the auction. Never empty once validated.
    pub id: &'a str,
    /// The impressions that can be served; those that cannot are in [`Request::dropped`].
    pub imp: &'a [Imp<'a>],
    /// The website, when the impressions are on one. At most one of site, app, dooh.
    pub site: Option<&'a Site<'a>>,
    /// The app, when the impressions are in one.
    pub app: Option<&'a App<'a>>,
    /// The digital out-of-home screen, when the impressions are on one.
    pub dooh: Option<&'a Dooh<'a>>,
    /// The device that will show the ad.
    pub device: Option<&'a Device<'a>>,
    /// The person, as far as the exchange tells.
    pub user: Option<&'a User<'a>>,
    /// A test: nothing is billed.
    pub test: bool,
    /// Auction type: 1 first price, 2 second price plus (the default), from 500 the exchange's own.
    pub at: i32,
    /// Milliseconds that the exchange waits for an answer, network included.
    pub tmax: Option<u32>,
    /// Buyer seats that may bid; empty for all.
    pub wseat: &'a [&'a str],
    /// Buyer seats that may not bid.
    pub bseat: &'a [&'a str],
    /// The impressions are all that the page or app has.
    pub allimps: bool,
    /// Currencies (ISO 4217) in which a bid may be; empty for the exchange's default.
    pub cur: &'a [&'a str],
    /// Languages of creatives allowed, ISO 639-1.
    pub wlang: &'a [&'a str],
    /// Languages of creatives allowed, IETF BCP 47.
    pub wlangb: &'a [&'a str],
    /// Advertiser categories allowed, in `cattax`; empty for all.
    pub acat: &'a [&'a str],
    /// Advertiser categories blocked, in `cattax`.
    pub bcat: &'a [&'a str],
    /// Taxonomy of `bcat` and `acat` (AdCOM list "Category Taxonomies"); absent means 1.
    pub cattax: Option<i32>,
    /// Advertiser domains blocked.
    pub badv: &'a [&'a str],
    /// Advertised apps blocked, by bundle or store id.
    pub bapp: &'a [&'a str],
    /// Where the inventory comes from.
    pub source: Option<&'a Source<'a>>,
    /// Law that applies.
    pub regs: Option<&'a Regs<'a>>,
    /// Impressions of the request that cannot be served, and why. Bounded; see [`crate::Limits::notes`].
    pub dropped: &'a [DroppedImp<'a>],
    /// The first of `badv`, `bcat`, `acat`, `bapp`, `wseat`, `bseat`, `cur`, `wlang`, `wlangb` of which a part
    /// cannot be read, if any: then no creative can be shown to be allowed, and the request must not be bid on.
    pub unreadable_blocks: Option<&'a str>,
    /// What was read with leniency or not at all. Bounded; see [`crate::Limits::notes`].
    pub notes: &'a [Note<'a>],
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            id: "",
            imp: &[],
            site: None,
            app: None,
            dooh: None,
            device: None,
            user: None,
            test: false,
            at: 2,
            tmax: None,
            wseat: &[],
            bseat: &[],
            allimps: false,
            cur: &[],
            wlang: &[],
            wlangb: &[],
            acat: &[],
            bcat: &[],
            cattax: None,
            badv: &[],
            bapp: &[],
            source: None,
            regs: None,
            dropped: &[],
            unreadable_blocks: None,
            notes: &[],
        }
    }
}

/// Where the inventory comes from: section 3.2.2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Source<'a> {
    /// Who decides the sale: `false` the exchange, `true` an upstream source.
    pub fd: Option<bool>,
    /// Transaction id, common to all participants.
    pub tid: Option<&'a str>,
    /// Payment id chain of the TAG protocol.
    pub pchain: Option<&'a str>,
    /// The chain of sellers. Also from `source.ext.schain`.
    pub schain: Option<&'a SupplyChain<'a>>,
}

/// The chain of sellers from the publisher to the exchange: section 3.2.25.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SupplyChain<'a> {
    /// Whether the chain reaches back to the owner of the site or app.
    pub complete: Option<bool>,
    /// Version of the specification, such as "1.0".
    pub ver: Option<&'a str>,
    /// The sellers; the last one is the caller.
    pub nodes: &'a [SupplyChainNode<'a>],
}

/// One seller of the chain: section 3.2.26.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SupplyChainNode<'a> {
    /// Canonical domain of the system that bidders connect to.
    pub asi: Option<&'a str>,
    /// The seller's id within that system.
    pub sid: Option<&'a str>,
    /// Id of the request as this seller issued it.
    pub rid: Option<&'a str>,
    /// Name of the company that is paid.
    pub name: Option<&'a str>,
    /// Its domain.
    pub domain: Option<&'a str>,
    /// Whether this node is in the flow of payment.
    pub hp: Option<bool>,
}

/// Law that applies: section 3.2.3. Each member is also read from `regs.ext`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Regs<'a> {
    /// The request is subject to COPPA.
    pub coppa: Option<bool>,
    /// 1 when GDPR applies, 0 when it does not; absent is unknown.
    pub gdpr: Option<i32>,
    /// The US privacy string, such as "1YNN".
    pub us_privacy: Option<&'a str>,
    /// The Global Privacy Platform string.
    pub gpp: Option<&'a str>,
    /// Sections of the GPP string that apply.
    pub gpp_sid: &'a [i32],
    /// What the EU's Digital Services Act asks for, where the exchange says it.
    pub dsa: Option<&'a Dsa>,
}

/// Transparency asked for under the Digital Services Act: the IAB's extension `regs.ext.dsa`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dsa {
    /// 0 not required, 1 supported, 2 required, 3 required of an online platform.
    pub dsarequired: Option<i32>,
    /// Whether the publisher renders the information: 0 cannot, 1 may, 2 will.
    pub pubrender: Option<i32>,
    /// Whether the data is to be sent to the publisher.
    pub datatopub: Option<i32>,
}
