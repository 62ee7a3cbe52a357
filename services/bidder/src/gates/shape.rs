//! What a creative asks of an impression before all else: its format, and of a banner the size. Few shapes make up a whole
//! catalog, so a search can be told beforehand which of them the impression has no place for.

use tagbid_catalog::{Creative, Markup};
use tagbid_openrtb::Imp;

use super::banner;

/// The outline of a creative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Shape {
    /// Width and height in pixels.
    Banner(u16, u16),
    Video,
    Audio,
    Native,
}

impl Shape {
    pub(crate) const fn of(creative: &Creative) -> Self {
        match &creative.markup {
            Markup::Banner(markup) => Self::Banner(markup.width, markup.height),
            Markup::Video(_) => Self::Video,
            Markup::Audio(_) => Self::Audio,
            Markup::Native(_) => Self::Native,
        }
    }

    /// Whether the impression has a place of this shape. Where it has none, [`fit`](super::fit()) finds none either.
    pub(crate) fn fits(self, imp: &Imp<'_>) -> bool {
        match self {
            Self::Banner(width, height) => {
                imp.banner.is_some_and(|banner| banner::takes_size(banner, width, height))
            }
            Self::Video => imp.video.is_some(),
            Self::Audio => imp.audio.is_some(),
            Self::Native => imp.native.is_some(),
        }
    }
}
