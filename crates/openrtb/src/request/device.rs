//! The device and where it is.

/// The device that will show the ad: OpenRTB 2.6 section 3.2.18.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Device<'a> {
    /// The browser's user agent string.
    pub ua: Option<&'a str>,
    /// Structured user agent; more exact than `ua` where both are there. Also from `device.ext.sua`.
    pub sua: Option<&'a UserAgent<'a>>,
    /// Where the device is now.
    pub geo: Option<&'a Geo<'a>>,
    /// The browser's "do not track".
    pub dnt: Option<bool>,
    /// The platform's "limit ad tracking".
    pub lmt: Option<bool>,
    /// IPv4 address, as sent.
    pub ip: Option<&'a str>,
    /// IPv6 address, as sent.
    pub ipv6: Option<&'a str>,
    /// AdCOM list "Device Types".
    pub devicetype: Option<i32>,
    /// Maker, such as "Apple".
    pub make: Option<&'a str>,
    /// Model, such as "iPhone".
    pub model: Option<&'a str>,
    /// Operating system, such as "iOS".
    pub os: Option<&'a str>,
    /// Its version, such as "17.1.2".
    pub osv: Option<&'a str>,
    /// Hardware version.
    pub hwv: Option<&'a str>,
    /// Screen height, physical pixels.
    pub h: Option<u32>,
    /// Screen width, physical pixels.
    pub w: Option<u32>,
    /// Pixels per inch.
    pub ppi: Option<u32>,
    /// Physical pixels per device-independent pixel.
    pub pxratio: Option<f64>,
    /// JavaScript is supported.
    pub js: Option<bool>,
    /// The geolocation API is available to code in the ad.
    pub geofetch: Option<bool>,
    /// Browser language, ISO 639-1.
    pub language: Option<&'a str>,
    /// Browser language, IETF BCP 47.
    pub langb: Option<&'a str>,
    /// Carrier or internet provider.
    pub carrier: Option<&'a str>,
    /// Carrier as "MCC-MNC".
    pub mccmnc: Option<&'a str>,
    /// AdCOM list "Connection Types".
    pub connectiontype: Option<i32>,
    /// Advertising id in the clear.
    pub ifa: Option<&'a str>,
    /// SHA-1 of the hardware id.
    pub didsha1: Option<&'a str>,
    /// MD5 of the hardware id.
    pub didmd5: Option<&'a str>,
    /// SHA-1 of the platform id.
    pub dpidsha1: Option<&'a str>,
    /// MD5 of the platform id.
    pub dpidmd5: Option<&'a str>,
    /// SHA-1 of the MAC address.
    pub macsha1: Option<&'a str>,
    /// MD5 of the MAC address.
    pub macmd5: Option<&'a str>,
}

/// Where somebody is: section 3.2.19.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Geo<'a> {
    /// Latitude in degrees, north positive. `None` outside -90..=90.
    pub lat: Option<f64>,
    /// Longitude in degrees, east positive. `None` outside -180..=180.
    pub lon: Option<f64>,
    /// AdCOM list "Location Types": 1 GPS, 2 IP address, 3 told by the user.
    pub r#type: Option<i32>,
    /// Accuracy in metres.
    pub accuracy: Option<u32>,
    /// Seconds since the fix.
    pub lastfix: Option<u32>,
    /// AdCOM list "IP Location Services".
    pub ipservice: Option<i32>,
    /// Country, ISO 3166-1 alpha-3 by the specification; alpha-2 is seen.
    pub country: Option<&'a str>,
    /// Region, ISO 3166-2 (the part after the country).
    pub region: Option<&'a str>,
    /// Region, FIPS 10-4.
    pub regionfips104: Option<&'a str>,
    /// Metro code.
    pub metro: Option<&'a str>,
    /// City.
    pub city: Option<&'a str>,
    /// Postal code.
    pub zip: Option<&'a str>,
    /// Local time as minutes from UTC.
    pub utcoffset: Option<i32>,
}

/// Structured user agent from client hints: section 3.2.29.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UserAgent<'a> {
    /// Browsers and engines, with versions.
    pub browsers: &'a [Brand<'a>],
    /// Platform, with its version.
    pub platform: Option<&'a Brand<'a>>,
    /// Prefers a mobile version of the page.
    pub mobile: Option<bool>,
    /// CPU architecture, such as "arm".
    pub architecture: Option<&'a str>,
    /// CPU bitness, such as "64".
    pub bitness: Option<&'a str>,
    /// Device model.
    pub model: Option<&'a str>,
    /// AdCOM list "User-Agent Source".
    pub source: Option<i32>,
}

/// A brand and its version: section 3.2.30.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Brand<'a> {
    /// Such as "Chrome" or "Windows".
    pub brand: Option<&'a str>,
    /// Version parts, most significant first.
    pub version: &'a [&'a str],
}
