//! What the device's own words say of its system and browser: the user agent's text and the client hints (`sua`).

use bumpalo::Bump;
use tagbid_openrtb::{Brand, Device};
use tagbid_targeting::{Dimension, Version, normalise};

/// An operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct System<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) version: Option<&'a str>,
}

impl<'a> System<'a> {
    /// What is missing here, by another source; its version only if it means the same system.
    fn or(self, other: Self, arena: &'a Bump) -> Self {
        let normal = |name| normalise(Dimension::Os, name, arena);
        let same = |name| self.name.is_none_or(|own| normal(own) == normal(name));
        Self {
            name: self.name.or(other.name),
            version: self.version.or(other.version.filter(|_| other.name.is_some_and(same))),
        }
    }

    fn is_complete(&self) -> bool {
        self.name.is_some() && self.version.is_some()
    }
}

/// By the first that says it: the exchange, the client hints, the text of the user agent, which is searched only where the
/// others leave something open.
pub(super) fn system<'a>(device: &Device<'a>, arena: &'a Bump) -> System<'a> {
    let mut system = device.os.filter(|os| super::says_something(os)).map(split).unwrap_or_default();
    system.version = device.osv.filter(|osv| Version::parse(osv).is_some()).or(system.version);
    if let Some(platform) = device.sua.and_then(|sua| sua.platform).filter(|_| !system.is_complete()) {
        system = system.or(hinted(platform, arena), arena);
    }
    if let Some(ua) = device.ua.filter(|_| !system.is_complete()) {
        system = system.or(of_text(ua), arena);
    }
    system
}

/// Some put the version beside the name: "Windows 10".
fn split(os: &str) -> System<'_> {
    match os.trim().rsplit_once(char::is_whitespace) {
        Some((name, last)) if last.starts_with(|c: char| c.is_ascii_digit()) => {
            System { name: Some(name), version: Some(last) }
        }
        _ => System { name: Some(os), version: None },
    }
}

fn hinted<'a>(platform: &Brand<'a>, arena: &'a Bump) -> System<'a> {
    let name = platform.brand.filter(|brand| super::says_something(brand));
    System { name, version: version(platform.version, arena) }
}

fn version<'a>(parts: &[&'a str], arena: &'a Bump) -> Option<&'a str> {
    let (first, rest) = parts.split_first()?;
    if rest.is_empty() {
        return Some(first);
    }
    let mut joined = bumpalo::collections::String::from_str_in(first, arena);
    for part in rest {
        joined.push('.');
        joined.push_str(part);
    }
    Some(joined.into_bump_str())
}

/// What names a system, its name, and what stands before its version. Tested in order: Windows phones name Android as
/// well, Android and Tizen name Linux, an iPhone names Mac OS.
const SYSTEMS: [(&str, &str, &str); 15] = [
    ("Windows", "windows", "Windows NT "),
    ("HarmonyOS", "harmonyos", "HarmonyOS "),
    ("Android", "android", "Android "),
    ("AppleTV", "tvos", "tvOS "),
    ("Apple TV", "tvos", "CPU OS "),
    ("iPhone", "ios", "iPhone OS "),
    ("iPad", "ios", "CPU OS "),
    ("iPod", "ios", "iPhone OS "),
    ("Tizen", "tizen", "Tizen "),
    ("Web0S", "webos", "webOS/"),
    ("webOS", "webos", "webOS/"),
    ("Roku", "roku", "Roku/DVP-"),
    ("CrOS", "chromeos", "CrOS x86_64 "),
    ("Macintosh", "macos", "Mac OS X "),
    ("Linux", "linux", "Linux "),
];

/// Versions that browsers say whatever the device has, to tell less of it.
const FROZEN: [&str; 3] = ["Android 10; K)", "Mac OS X 10_15_7", "Mac OS X 10.15;"];

fn of_text(ua: &str) -> System<'_> {
    let Some((_, name, before)) = SYSTEMS.iter().find(|(mark, ..)| ua.contains(mark)) else {
        return System::default();
    };
    let frozen = FROZEN.iter().any(|frozen| ua.contains(frozen));
    let after = ua.split_once(before).map(|(_, after)| after).filter(|_| !frozen);
    let number = after.map(|after| {
        let end = after.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(after.len());
        after.get(..end).unwrap_or_default()
    });
    System { name: Some(name), version: number.filter(|number| !number.is_empty()) }
}

/// Parts of brands. Tested in order: a web view and every browser made of Chromium name Chrome or Chromium as well.
const BRANDS: [(&str, &str); 7] = [
    ("WebView", "webview"),
    ("Edge", "edge"),
    ("Opera", "opera"),
    ("Samsung", "samsung"),
    ("Firefox", "firefox"),
    ("Chrome", "chrome"),
    ("Safari", "safari"),
];

/// Tested in order: every Chromium browser names Chrome and Safari as well.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg", "edge"),
    ("OPR/", "opera"),
    ("Opera", "opera"),
    ("SamsungBrowser", "samsung"),
    ("Firefox", "firefox"),
    ("FxiOS", "firefox"),
    ("; wv)", "webview"),
    ("CriOS", "chrome"),
    ("Chrome", "chrome"),
    ("Safari", "safari"),
    ("Mobile/", "webview"),
];

/// The browser by the brands of the client hints, else by the text; "other" when neither is one that has a name.
pub(super) fn browser(device: &Device<'_>) -> Option<&'static str> {
    let brands = device.sua.map(|sua| sua.browsers).unwrap_or_default();
    let named = |mark: &str| brands.iter().filter_map(|b| b.brand).any(|brand| brand.contains(mark));
    let by_brand = BRANDS.iter().find(|(mark, _)| named(mark));
    let by_text = || BROWSERS.iter().find(|(mark, _)| device.ua.is_some_and(|ua| ua.contains(mark)));
    let other = (device.ua.is_some() || !brands.is_empty()).then_some("other");
    by_brand.or_else(by_text).map(|(_, name)| *name).or(other)
}

#[cfg(test)]
mod tests {
    use tagbid_openrtb::UserAgent;

    use super::*;

    const EDGE: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                        Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0";
    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 \
                          (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1";
    const ANDROID: &str = "Mozilla/5.0 (Linux; Android 13; SM-S901B Build/TP1A; wv) AppleWebKit/537.36 (KHTML, like \
                           Gecko) Version/4.0 Chrome/119.0.0.0 Mobile Safari/537.36";
    const REDUCED: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 \
                           Mobile Safari/537.36";
    const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                       Version/17.4 Safari/605.1.15";

    #[test]
    fn browsers_and_systems_are_told_from_the_user_agent() {
        let cases = [
            (EDGE, "windows", Some("10.0"), "edge"),
            (IPHONE, "ios", Some("17_1"), "safari"),
            (ANDROID, "android", Some("13"), "webview"),
            (REDUCED, "android", None, "chrome"),
            (MAC, "macos", None, "safari"),
            ("Roku/DVP-12.0 (12.0.0.4184-88)", "roku", Some("12.0"), "other"),
        ];
        for (ua, name, version, browser_name) in cases {
            let device = Device { ua: Some(ua), ..Device::default() };
            assert_eq!(system(&device, &Bump::new()), System { name: Some(name), version }, "{ua}");
            assert_eq!(browser(&device), Some(browser_name), "{ua}");
        }
        assert_eq!(browser(&Device { ua: Some("curl/8"), ..Device::default() }), Some("other"));
        assert_eq!(browser(&Device::default()), None);
    }

    #[test]
    fn what_the_exchange_says_counts_before_the_hints_and_these_before_the_text() {
        let arena = Bump::new();
        let says = |os, osv, platform, ua| {
            let sua = UserAgent { platform, ..UserAgent::default() };
            let device = Device { os, osv, ua, sua: Some(&sua), ..Device::default() };
            let System { name, version } = system(&device, &arena);
            (name.map(str::to_owned), version.map(str::to_owned))
        };
        let is = |name: &str, version: Option<&str>| (Some(name.to_owned()), version.map(str::to_owned));
        let android = Some(&Brand { brand: Some("Android"), version: &["14", "0", "1"] });
        assert_eq!(says(Some("Android"), Some("13"), android, Some(IPHONE)), is("Android", Some("13")));
        assert_eq!(says(Some("android"), Some("?"), android, None), is("android", Some("14.0.1")));
        assert_eq!(says(None, None, android, Some(IPHONE)), is("Android", Some("14.0.1")));
        assert_eq!(says(Some("iPhone OS"), None, android, Some(IPHONE)), is("iPhone OS", Some("17_1")));
        assert_eq!(says(Some("Windows 10"), None, None, None), is("Windows", Some("10")));
        assert_eq!(says(Some("unknown"), None, None, Some(EDGE)), is("windows", Some("10.0")));
        let unknown = Some(&Brand { brand: Some("Unknown"), version: &["1"] });
        assert_eq!(says(None, None, unknown, None), (None, None));
    }

    #[test]
    fn brands_tell_the_browser_that_the_text_hides() {
        let named = |names: &[&'static str], ua| {
            let brands: Vec<_> = names.iter().map(|name| Brand { brand: Some(name), version: &[] }).collect();
            let sua = UserAgent { browsers: &brands, ..UserAgent::default() };
            browser(&Device { sua: Some(&sua), ua, ..Device::default() })
        };
        assert_eq!(named(&["Not A(Brand", "Chromium", "Microsoft Edge"], Some(REDUCED)), Some("edge"));
        assert_eq!(named(&["Android WebView", "Chromium"], Some(REDUCED)), Some("webview"));
        assert_eq!(named(&["Chromium", "Google Chrome"], None), Some("chrome"));
        assert_eq!(named(&["Brave", "Chromium"], None), Some("other"));
        assert_eq!(named(&[], Some(IPHONE)), Some("safari"));
    }
}
