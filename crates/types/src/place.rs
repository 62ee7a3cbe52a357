//! Kinds of places that ads are shown in, as far as they differ in how long billing takes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of place an impression is in. It decides how long after a bid its ad may still be shown and billed: a page shows at
/// once what it asked for, an app loads ads ahead. Its name is a metric label and a word of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// On a web page.
    Page,
    /// In an app, beside its content.
    App,
    /// In an app, as a part of its content.
    AppNative,
    /// What fills a screen in an app, or plays on one in public.
    FullScreen,
}

impl PlaceKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Page, Self::App, Self::AppNative, Self::FullScreen];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::App => "app",
            Self::AppNative => "app_native",
            Self::FullScreen => "full_screen",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Its number in tokens and messages, from 1: zero is left for none.
    pub const fn code(self) -> u8 {
        match self {
            Self::Page => 1,
            Self::App => 2,
            Self::AppNative => 3,
            Self::FullScreen => 4,
        }
    }

    /// The kind of this number; none for zero, and for those of later versions.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for PlaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_come_back() {
        for kind in PlaceKind::ALL {
            assert_eq!(PlaceKind::from_name(kind.as_str()), Some(kind));
            assert_eq!(PlaceKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(PlaceKind::from_code(0), None);
    }
}
