//! What keeps a creative from an impression, as a reason and in words for the advertiser.

use std::fmt;
use std::ops::ControlFlow;

use tagbid_openrtb::{Asset, Banner};
use tagbid_types::NoBidReason;

/// One check that failed. Borrows, so that making one costs nothing; the words are put together only on demand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mismatch<'a> {
    pub(super) reason: NoBidReason,
    /// The object of the request, such as "imp.video"; empty for the request itself.
    pub(super) object: &'static str,
    /// Its member.
    pub(super) member: &'static str,
    pub(super) wanted: Words<'a>,
    pub(super) has: Words<'a>,
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.object.is_empty() { "" } else { "." };
        let Self { object, member, wanted, has, .. } = self;
        write!(f, "{object}{dot}{member}: wanted is {wanted}; the creative has {has}")
    }
}

/// A value on either side of a mismatch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Words<'a> {
    /// As it is.
    Text(&'a str),
    /// One of these.
    OneOf(List<'a>),
    /// None of these.
    NoneOf(List<'a>),
    /// All of these.
    These(List<'a>),
    /// Anything but this.
    Not(&'a str),
    /// A lower bound with its unit.
    AtLeast(u32, &'static str),
    /// An upper bound with its unit.
    AtMost(u32, &'static str),
    /// A number with its unit.
    Count(u32, &'static str),
    /// A length of time in milliseconds.
    Duration(u32),
    /// A code of one of AdCOM's lists.
    Code(u16),
    /// A size in pixels.
    Size(u32, u32),
    /// The sizes that a banner takes.
    Sizes(&'a Banner<'a>),
    /// What a native request wants as one of its assets.
    Asset(&'a Asset<'a>),
    /// The approval of an exchange, by its name.
    ApprovalBy(&'a str),
    /// Categories that cannot be compared with IAB 1.0, by the number of their taxonomy.
    Taxonomy(i32),
    /// The same where only an entry shows that there is another.
    TaxonomyOf(&'a str),
}

/// Values of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum List<'a> {
    Texts(&'a [&'a str]),
    Owned(&'a [String]),
    Codes(&'a [i32]),
}

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Texts(list) => commas(f, list),
            Self::Owned(list) => commas(f, list),
            Self::Codes(list) => commas(f, list),
        }
    }
}

/// The most values of a list that are spelt out: block lists run into thousands.
const SPELT_OUT: usize = 20;

fn commas(f: &mut fmt::Formatter<'_>, list: &[impl fmt::Display]) -> fmt::Result {
    if list.is_empty() {
        return f.write_str("nothing");
    }
    for (position, value) in list.iter().take(SPELT_OUT).enumerate() {
        let comma = if position == 0 { "" } else { ", " };
        write!(f, "{comma}{value}")?;
    }
    match list.len().saturating_sub(SPELT_OUT) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Text(text) => f.write_str(text),
            Self::OneOf(list) => write!(f, "one of {list}"),
            Self::NoneOf(list) => write!(f, "none of {list}"),
            Self::These(list) => list.fmt(f),
            Self::Not(text) => write!(f, "anything but {text}"),
            Self::AtLeast(bound, unit) => write!(f, "at least {bound} {unit}"),
            Self::AtMost(bound, unit) => write!(f, "at most {bound} {unit}"),
            Self::Count(count, unit) => write!(f, "{count} {unit}"),
            Self::Duration(ms) if ms % 1_000 == 0 => write!(f, "{} s", ms / 1_000),
            Self::Duration(ms) => write!(f, "{}.{:03} s", ms / 1_000, ms % 1_000),
            Self::Code(code) => code.fmt(f),
            Self::Size(width, height) => write!(f, "{width}x{height}"),
            Self::Sizes(banner) => sizes(f, banner),
            Self::Asset(asset) => self::asset(f, asset),
            Self::ApprovalBy(exchange) => write!(f, "the approval of {exchange}"),
            Self::Taxonomy(number) => write!(f, "a creative with categories of taxonomy {number}"),
            Self::TaxonomyOf(entry) => {
                write!(f, "a creative with categories of the taxonomy that {entry:?} is of")
            }
        }
    }
}

fn sizes(f: &mut fmt::Formatter<'_>, banner: &Banner<'_>) -> fmt::Result {
    let size = |f: &mut fmt::Formatter<'_>, width: Option<u32>, height: Option<u32>| match (width, height) {
        (Some(width), Some(height)) => write!(f, "{width}x{height}"),
        (Some(width), None) => write!(f, "width {width}"),
        (None, Some(height)) => write!(f, "height {height}"),
        (None, None) => f.write_str("any size"),
    };
    if banner.format.is_empty() {
        return size(f, banner.w, banner.h);
    }
    for (position, format) in banner.format.iter().take(SPELT_OUT).enumerate() {
        f.write_str(if position == 0 { "size " } else { " or " })?;
        match (format.w.or(format.h), format.wratio.zip(format.hratio)) {
            (None, Some((width, height))) => {
                write!(f, "{width}:{height} from width {}", format.wmin.unwrap_or(0))?;
            }
            _ => size(f, format.w, format.h)?,
        }
    }
    Ok(())
}

fn asset(f: &mut fmt::Formatter<'_>, asset: &Asset<'_>) -> fmt::Result {
    match asset.id {
        Some(id) => write!(f, "asset {id}: ")?,
        None => f.write_str("an asset without an id: ")?,
    }
    let bound = |f: &mut fmt::Formatter<'_>, name: &str, value: Option<u32>| match value {
        Some(value) => write!(f, ", {name} {value}"),
        None => Ok(()),
    };
    if let Some(title) = asset.title {
        f.write_str("a title")?;
        bound(f, "longest", title.len)
    } else if let Some(image) = asset.img {
        write!(f, "an image of type {}", image.r#type.unwrap_or_default())?;
        for (name, value) in [("w", image.w), ("h", image.h), ("wmin", image.wmin), ("hmin", image.hmin)] {
            bound(f, name, value)?;
        }
        if image.mimes.is_empty() { Ok(()) } else { write!(f, ", one of {}", List::Texts(image.mimes)) }
    } else if let Some(data) = asset.data {
        write!(f, "a text of type {}", data.r#type.unwrap_or_default())?;
        bound(f, "longest", data.len)
    } else if asset.video.is_some() {
        f.write_str("a video")
    } else {
        f.write_str("neither title, image, video nor data")
    }
}

/// Takes what the checks find: stops at the first mismatch, or gathers all.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    gather: bool,
    first: Option<NoBidReason>,
    all: Vec<Mismatch<'a>>,
}

impl<'a> Findings<'a> {
    /// Stops at the first mismatch.
    pub(super) fn first() -> Self {
        Self { gather: false, first: None, all: Vec::new() }
    }

    /// Goes on to the last check.
    pub(super) fn all() -> Self {
        Self { gather: true, ..Self::first() }
    }

    /// Takes the result of one check; breaks when the following ones are not of interest.
    pub(super) fn note(&mut self, found: Option<Mismatch<'a>>) -> ControlFlow<()> {
        let Some(mismatch) = found else {
            return ControlFlow::Continue(());
        };
        self.first = self.first.or(Some(mismatch.reason));
        if self.gather {
            self.all.push(mismatch);
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(())
    }

    /// The reason of the first mismatch, if there was one.
    pub(super) fn verdict(&self) -> Result<(), NoBidReason> {
        self.first.map_or(Ok(()), Err)
    }

    /// All mismatches with their sentences, in the order of the checks.
    pub(super) fn sentences(self) -> Vec<(NoBidReason, String)> {
        self.all.into_iter().map(|mismatch| (mismatch.reason, mismatch.to_string())).collect()
    }
}
