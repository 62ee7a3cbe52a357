//! The dimensions that hold plain values: each is a set of strings, on the request and on the leaf alike.

use serde::{Deserialize, Serialize};

macro_rules! dimensions {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// A dimension whose values are text. A request has zero (absent), one or several values in each.
        ///
        /// Values compare after normalisation: trimmed and lower-cased. The doc of each dimension gives the form.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum Dimension {
            $($(#[$doc])* $name),+
        }

        impl Dimension {
            /// All dimensions, in declaration order; `ALL[d as usize] == d`.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// The name in expressions, errors and explanations.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

dimensions! {
    /// ISO 3166-1 alpha-3 ("deu"). Alpha-2 is accepted in expressions and requests and turned into alpha-3.
    Country = "country",
    /// ISO 3166-2 subdivision with its country ("us-ca").
    Region = "region",
    /// City name as the exchange sends it.
    City = "city",
    /// Postal code with its country ("deu-10115").
    Postcode = "postcode",
    /// "desktop", "phone", "tablet", "tv", "connected_device", "set_top_box", "ooh", "mobile" (phone or tablet,
    /// not told which).
    DeviceType = "device_type",
    /// Device make ("apple").
    DeviceMake = "device_make",
    /// Device model ("iphone"), and with its hardware version where the request has one ("iphone 5s").
    DeviceModel = "device_model",
    /// "ios", "android", "windows", "macos", "linux", "tvos", "tizen", "webos", "roku", "chromeos", else as sent; from the user
    /// agent where the exchange does not say it.
    Os = "os",
    /// "chrome", "safari", "firefox", "edge", "opera", "samsung", "webview", "other".
    Browser = "browser",
    /// ISO 639-1 ("en") of the device, else of the content; other codes of a language are turned into it.
    Language = "language",
    /// "ethernet", "wifi", "cell", "cell_2g", "cell_3g", "cell_4g", "cell_5g".
    Connection = "connection",
    /// Carrier or ISP name as the exchange sends it, and the codes of the mobile network ("310-005").
    Carrier = "carrier",
    /// The exchange's configured name.
    Exchange = "exchange",
    /// Publisher id on the exchange.
    Publisher = "publisher",
    /// Site id on the exchange.
    Site = "site",
    /// App bundle ("com.example.game") or store id.
    App = "app",
    /// Site or app domain and each parent domain ("news.example.co.uk", "example.co.uk"); names in other scripts
    /// are the same as their "xn--" form.
    Domain = "domain",
    /// "site", "app" or "dooh".
    Channel = "channel",
    /// Of the impression: "banner", "video", "audio", "native".
    Format = "format",
    /// Of the impression: each size it takes, "300x250".
    Size = "size",
    /// Of the impression: "above_fold", "below_fold", "header", "footer", "sidebar", "fullscreen".
    Position = "position",
    /// Of the impression: "yes" or "no".
    Interstitial = "interstitial",
    /// Of the impression: "yes" or "no"; absent when it is not video or does not say.
    Skippable = "skippable",
    /// IAB content category in the request's own taxonomy and each parent ("iab1-2", "iab1"); ids of a numeric
    /// taxonomy carry it ("6:483").
    Category = "category",
    /// Keywords of site, app, screen and content; words of the search that led to the page and up to four in a row.
    /// Case, width, composition of letters and white space do not matter.
    Keyword = "keyword",
    /// Of the impression: each deal id offered.
    Deal = "deal",
}

impl Dimension {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Those of the impression: see [`Dimension::is_impression`].
    pub(crate) const OF_IMPRESSION: [Self; 6] =
        [Self::Format, Self::Size, Self::Position, Self::Interstitial, Self::Skippable, Self::Deal];

    /// Whether the value belongs to the impression rather than to the whole request.
    pub const fn is_impression(self) -> bool {
        matches!(
            self,
            Self::Format | Self::Size | Self::Position | Self::Interstitial | Self::Skippable | Self::Deal
        )
    }

    /// Whether shared lists of its values exist.
    pub const fn has_lists(self) -> bool {
        matches!(self, Self::Site | Self::App | Self::Domain | Self::Publisher)
    }

    /// All values that requests can have, where these are a closed set.
    pub const fn words(self) -> Option<&'static [&'static str]> {
        Some(match self {
            Self::DeviceType => {
                &["desktop", "phone", "tablet", "tv", "connected_device", "set_top_box", "ooh", "mobile"]
            }
            Self::Browser => &["chrome", "safari", "firefox", "edge", "opera", "samsung", "webview", "other"],
            Self::Connection => &["ethernet", "wifi", "cell", "cell_2g", "cell_3g", "cell_4g", "cell_5g"],
            Self::Channel => &["site", "app", "dooh"],
            Self::Format => &["banner", "video", "audio", "native"],
            Self::Position => &["above_fold", "below_fold", "header", "footer", "sidebar", "fullscreen"],
            Self::Interstitial | Self::Skippable => &["yes", "no"],
            _ => return None,
        })
    }

    /// The dimension of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_dimension() {
        for (position, dimension) in Dimension::ALL.into_iter().enumerate() {
            assert_eq!(Dimension::from_name(dimension.as_str()), Some(dimension));
            assert_eq!(dimension as usize, position);
            assert_eq!(Dimension::OF_IMPRESSION.contains(&dimension), dimension.is_impression());
        }
    }
}
