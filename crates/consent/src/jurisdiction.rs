//! Where GDPR applies by territory.

/// ISO 3166-1 codes of the EEA, of the parts of its members that have codes of their own and where GDPR applies, and
/// of the United Kingdom with Gibraltar (UK GDPR). OpenRTB sends alpha-3; alpha-2 is seen in the field.
const COUNTRIES: [[&str; 2]; 40] = [
    ["AUT", "AT"],
    ["BEL", "BE"],
    ["BGR", "BG"],
    ["HRV", "HR"],
    ["CYP", "CY"],
    ["CZE", "CZ"],
    ["DNK", "DK"],
    ["EST", "EE"],
    ["FIN", "FI"],
    ["ALA", "AX"],
    ["FRA", "FR"],
    ["GLP", "GP"],
    ["GUF", "GF"],
    ["MTQ", "MQ"],
    ["MYT", "YT"],
    ["REU", "RE"],
    ["MAF", "MF"],
    ["DEU", "DE"],
    ["GRC", "GR"],
    ["HUN", "HU"],
    ["ISL", "IS"],
    ["IRL", "IE"],
    ["ITA", "IT"],
    ["LVA", "LV"],
    ["LIE", "LI"],
    ["LTU", "LT"],
    ["LUX", "LU"],
    ["MLT", "MT"],
    ["NLD", "NL"],
    ["NOR", "NO"],
    ["POL", "PL"],
    ["PRT", "PT"],
    ["ROU", "RO"],
    ["SVK", "SK"],
    ["SVN", "SI"],
    ["ESP", "ES"],
    ["SWE", "SE"],
    ["SJM", "SJ"],
    ["GBR", "GB"],
    ["GIB", "GI"],
];

/// Whether somebody in `country` is where GDPR or UK GDPR applies.
pub(crate) fn is_under_gdpr(country: &str) -> bool {
    let country = country.trim();
    COUNTRIES.iter().flatten().any(|code| code.eq_ignore_ascii_case(country))
}
