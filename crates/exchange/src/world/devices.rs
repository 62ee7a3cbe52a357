//! What people hold in their hands. User agents are composed from parts as the browsers publish them.

/// AdCOM list "Device Types".
pub mod device_type {
    /// Personal computer.
    pub const COMPUTER: i64 = 2;
    /// Connected TV.
    pub const TV: i64 = 3;
    /// Phone.
    pub const PHONE: i64 = 4;
    /// Tablet.
    pub const TABLET: i64 = 5;
    /// Set-top box.
    pub const SET_TOP_BOX: i64 = 7;
    /// Out of home.
    pub const OUT_OF_HOME: i64 = 8;
}

/// A model of device with the browser or app shell that it runs.
#[derive(Debug)]
pub struct Device {
    /// One of [`device_type`].
    pub kind: i64,
    /// `device.make`.
    pub make: &'static str,
    /// `device.model`; empty where exchanges send none.
    pub model: &'static str,
    /// `device.os`.
    pub os: &'static str,
    /// `device.osv` in the versions that are about.
    pub versions: &'static [&'static str],
    /// `device.ua`.
    pub ua: &'static str,
    /// Brand for `device.sua`; empty where the browser sends no client hints.
    pub brand: &'static str,
    /// Screen width in pixels.
    pub w: i64,
    /// Screen height in pixels.
    pub h: i64,
}

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/18.1 Mobile/15E148 Safari/604.1";
const IPAD: &str = "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                    Version/17.6 Mobile/15E148 Safari/604.1";
const ANDROID: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                       Chrome/130.0.0.0 Mobile Safari/537.36";
const SAMSUNG: &str = "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) \
                       SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36";
const WEBVIEW: &str = "Mozilla/5.0 (Linux; Android 13; M2101K6G; wv) AppleWebKit/537.36 (KHTML, like Gecko) \
                       Version/4.0 Chrome/129.0.0.0 Mobile Safari/537.36";
const TABLET: &str = "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/130.0.0.0 Safari/537.36";
const WINDOWS_CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                              Chrome/130.0.0.0 Safari/537.36";
const WINDOWS_EDGE: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                            Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
const MAC_SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                          Version/18.1 Safari/605.1.15";
const ROKU: &str = "Roku/DVP-14.0 (14.0.4.5678)";
const TIZEN: &str = "Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) \
                     SamsungBrowser/4.0 Chrome/94.0.4606.31 TV Safari/537.36";
const WEBOS: &str = "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) \
                     Chrome/94.0.4606.128 Safari/537.36 WebAppManager";

/// A search engine's robot, as its operator publishes it; exchanges let a few through.
pub const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

#[rustfmt::skip]
macro_rules! device {
    ($kind:ident $make:literal $model:literal $os:literal [$($version:literal),+] $ua:ident $brand:literal $w:literal $h:literal) => {
        Device {
            kind: device_type::$kind, make: $make, model: $model, os: $os, versions: &[$($version),+],
            ua: $ua, brand: $brand, w: $w, h: $h,
        }
    };
}

/// Devices that browse sites, the commonest first.
#[rustfmt::skip]
pub static BROWSING: [Device; 9] = [
    device!(PHONE "Apple" "iPhone" "iOS" ["18.1", "17.6", "16.7"] IPHONE "" 1179 2556),
    device!(PHONE "Samsung" "SM-S921B" "Android" ["14", "15"] SAMSUNG "" 1080 2340),
    device!(COMPUTER "" "" "Windows" ["10", "11"] WINDOWS_CHROME "Google Chrome" 1920 1080),
    device!(PHONE "Google" "Pixel 8" "Android" ["14", "15"] ANDROID "Google Chrome" 1080 2400),
    device!(COMPUTER "Apple" "Macintosh" "macOS" ["14.6", "15.1"] MAC_SAFARI "" 2560 1600),
    device!(COMPUTER "" "" "Windows" ["10", "11"] WINDOWS_EDGE "Microsoft Edge" 1920 1080),
    device!(TABLET "Apple" "iPad" "iOS" ["17.6", "16.7"] IPAD "" 1640 2360),
    device!(COMPUTER "" "" "Linux" ["6.8"] FIREFOX "" 1920 1200),
    device!(TABLET "Samsung" "SM-X700" "Android" ["13", "14"] TABLET "Google Chrome" 1600 2560),
];

/// Devices that run mobile apps.
#[rustfmt::skip]
pub static MOBILE: [Device; 5] = [
    device!(PHONE "Apple" "iPhone" "iOS" ["18.1", "17.6", "16.7", "14.2"] IPHONE "" 1179 2556),
    device!(PHONE "Xiaomi" "M2101K6G" "Android" ["13", "12"] WEBVIEW "" 1080 2400),
    device!(PHONE "Samsung" "SM-S921B" "Android" ["14", "15"] SAMSUNG "" 1080 2340),
    device!(TABLET "Apple" "iPad" "iOS" ["17.6"] IPAD "" 1640 2360),
    device!(PHONE "Google" "Pixel 8" "Android" ["14", "15"] ANDROID "" 1080 2400),
];

/// Devices that run TV apps.
#[rustfmt::skip]
pub static TELEVISIONS: [Device; 4] = [
    device!(TV "Roku" "4800X" "Roku" ["14.0"] ROKU "" 3840 2160),
    device!(TV "Samsung" "QN55Q80C" "Tizen" ["7.0"] TIZEN "" 3840 2160),
    device!(TV "LG" "OLED55C3" "webOS" ["23"] WEBOS "" 3840 2160),
    device!(SET_TOP_BOX "Roku" "3930X" "Roku" ["13.0"] ROKU "" 1920 1080),
];
