//! Where people are: countries, their cities, carriers, money and privacy law. Coordinates are those of the city
//! centres to two decimals; region codes are ISO 3166-2.

use tagbid_types::Currency;

/// The privacy law whose signals the country's requests carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// GDPR or its twin: `regs.gdpr` and a TC string.
    Gdpr,
    /// The states of the USA: `us_privacy` or GPP.
    UsStates,
    /// No signal beyond the device's own.
    None,
}

/// A country.
#[derive(Debug)]
pub struct Country {
    /// ISO 3166-1 alpha-3, upper-case, as OpenRTB sends it.
    pub alpha3: &'static str,
    /// ISO 3166-1 alpha-2, upper-case.
    pub alpha2: &'static str,
    /// ISO 639-1.
    pub language: &'static str,
    /// ISO 4217 code of its money.
    pub currency: &'static str,
    /// Whose signals its requests carry.
    pub regime: Regime,
    /// How many of a thousand people live here.
    pub share: u32,
    /// Its cities.
    pub cities: &'static [City],
    /// Mobile carriers and their MCC-MNC.
    pub carriers: &'static [(&'static str, &'static str)],
}

impl Country {
    /// Its money.
    pub fn currency(&self) -> Currency {
        self.currency.parse().unwrap_or(Currency::USD)
    }
}

/// A city.
#[derive(Debug)]
pub struct City {
    /// Its name, as `geo.city`.
    pub name: &'static str,
    /// ISO 3166-2 subdivision without the country, as `geo.region`.
    pub region: &'static str,
    /// A postal code of its centre, as `geo.zip`.
    pub zip: &'static str,
    /// Latitude in degrees.
    pub lat: f64,
    /// Longitude in degrees.
    pub lon: f64,
    /// Minutes east of UTC in winter, as `geo.utcoffset`.
    pub utc_offset: i32,
}

const fn city(
    name: &'static str,
    region: &'static str,
    zip: &'static str,
    lat: f64,
    lon: f64,
    utc_offset: i32,
) -> City {
    City { name, region, zip, lat, lon, utc_offset }
}

#[rustfmt::skip]
macro_rules! country {
    ($alpha3:literal $alpha2:literal $language:literal $currency:literal $regime:ident $share:literal,
     [$($city:expr),+ $(,)?], [$($carrier:expr),+ $(,)?]) => {
        Country {
            alpha3: $alpha3, alpha2: $alpha2, language: $language, currency: $currency,
            regime: Regime::$regime, share: $share, cities: &[$($city),+], carriers: &[$($carrier),+],
        }
    };
}

/// The countries; their shares add up to 1000.
#[rustfmt::skip]
pub static COUNTRIES: [Country; 15] = [
    country!("USA" "US" "en" "USD" UsStates 300, [
        city("New York", "NY", "10001", 40.71, -74.01, -300),
        city("Los Angeles", "CA", "90012", 34.05, -118.24, -480),
        city("San Francisco", "CA", "94103", 37.77, -122.42, -480),
        city("Chicago", "IL", "60601", 41.88, -87.63, -360),
        city("Austin", "TX", "78701", 30.27, -97.74, -360),
        city("Seattle", "WA", "98101", 47.61, -122.33, -480),
    ], [("Verizon", "311-480"), ("AT&T", "310-410"), ("T-Mobile", "310-260")]),
    country!("GBR" "GB" "en" "GBP" Gdpr 100, [
        city("London", "ENG", "SW1A 1AA", 51.51, -0.13, 0),
        city("Manchester", "ENG", "M1 1AE", 53.48, -2.24, 0),
        city("Edinburgh", "SCT", "EH1 1YZ", 55.95, -3.19, 0),
    ], [("EE", "234-30"), ("Vodafone", "234-15"), ("O2", "234-10")]),
    country!("DEU" "DE" "de" "EUR" Gdpr 110, [
        city("Berlin", "BE", "10115", 52.52, 13.41, 60),
        city("Hamburg", "HH", "20095", 53.55, 9.99, 60),
        city("München", "BY", "80331", 48.14, 11.58, 60),
        city("Köln", "NW", "50667", 50.94, 6.96, 60),
    ], [("Telekom", "262-01"), ("Vodafone", "262-02"), ("O2", "262-03")]),
    country!("FRA" "FR" "fr" "EUR" Gdpr 80, [
        city("Paris", "IDF", "75001", 48.86, 2.35, 60),
        city("Lyon", "ARA", "69001", 45.76, 4.84, 60),
        city("Marseille", "PAC", "13001", 43.30, 5.37, 60),
    ], [("Orange", "208-01"), ("SFR", "208-10")]),
    country!("ESP" "ES" "es" "EUR" Gdpr 50, [
        city("Madrid", "MD", "28001", 40.42, -3.70, 60),
        city("Barcelona", "CT", "08001", 41.39, 2.17, 60),
    ], [("Movistar", "214-07"), ("Orange", "214-03")]),
    country!("ITA" "IT" "it" "EUR" Gdpr 50, [
        city("Roma", "62", "00184", 41.90, 12.50, 60),
        city("Milano", "25", "20121", 45.46, 9.19, 60),
    ], [("TIM", "222-01"), ("WindTre", "222-88")]),
    country!("NLD" "NL" "nl" "EUR" Gdpr 30, [
        city("Amsterdam", "NH", "1012", 52.37, 4.90, 60),
        city("Rotterdam", "ZH", "3011", 51.92, 4.48, 60),
    ], [("KPN", "204-08")]),
    country!("POL" "PL" "pl" "PLN" Gdpr 30, [
        city("Warszawa", "14", "00-001", 52.23, 21.01, 60),
        city("Kraków", "12", "30-001", 50.06, 19.94, 60),
    ], [("Play", "260-06"), ("Orange", "260-03")]),
    country!("SWE" "SE" "sv" "SEK" Gdpr 20, [
        city("Stockholm", "AB", "111 20", 59.33, 18.07, 60),
        city("Göteborg", "O", "411 03", 57.71, 11.97, 60),
    ], [("Telia", "240-01")]),
    country!("JPN" "JP" "ja" "JPY" None 60, [
        city("Tokyo", "13", "100-0001", 35.68, 139.69, 540),
        city("Osaka", "27", "530-0001", 34.69, 135.50, 540),
    ], [("NTT Docomo", "440-10"), ("SoftBank", "440-20")]),
    country!("BRA" "BR" "pt" "BRL" None 50, [
        city("São Paulo", "SP", "01000-000", -23.55, -46.63, -180),
        city("Rio de Janeiro", "RJ", "20000-000", -22.91, -43.17, -180),
    ], [("Vivo", "724-06"), ("Claro", "724-05")]),
    country!("CAN" "CA" "en" "CAD" None 40, [
        city("Toronto", "ON", "M5H", 43.65, -79.38, -300),
        city("Montreal", "QC", "H2Y", 45.50, -73.57, -300),
        city("Vancouver", "BC", "V6B", 49.28, -123.12, -480),
    ], [("Rogers", "302-720"), ("Bell", "302-610")]),
    country!("AUS" "AU" "en" "AUD" None 30, [
        city("Sydney", "NSW", "2000", -33.87, 151.21, 600),
        city("Melbourne", "VIC", "3000", -37.81, 144.96, 600),
    ], [("Telstra", "505-01"), ("Optus", "505-02")]),
    country!("IND" "IN" "hi" "INR" None 30, [
        city("Mumbai", "MH", "400001", 19.08, 72.88, 330),
        city("Bengaluru", "KA", "560001", 12.97, 77.59, 330),
    ], [("Jio", "405-857"), ("Airtel", "404-45")]),
    country!("MEX" "MX" "es" "MXN" None 20, [
        city("Ciudad de México", "CMX", "06000", 19.43, -99.13, -360),
        city("Guadalajara", "JAL", "44100", 20.67, -103.35, -360),
    ], [("Telcel", "334-020")]),
];
