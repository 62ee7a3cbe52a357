//! `device`, `user` and `regs`: who sees the ad, on what, where, and what they consented to.

use crate::dice::Dice;
use crate::json::Object;
use crate::world::{CRAWLER, Device, Regime, World, device_type};

use super::Setting;
use super::consent::{Choice, GPP_TCF_EU, GPP_US_NATION};
use super::context::Surface;
use super::person::Person;

pub(super) fn write(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>) {
    let Some(person) = &setting.person else {
        o.object("device", |o| {
            o.int("devicetype", device_type::OUT_OF_HOME);
            o.text("ua", "ExampleScreen/2.0");
        });
        return;
    };
    let privacy = Privacy::draw(dice, setting, person);
    o.object("device", |o| write_device(o, dice, setting, person, &privacy));
    o.object("user", |o| write_user(o, dice, setting, person, &privacy));
    o.object("regs", |o| write_regs(o, setting, &privacy));
}

/// Which frameworks carry the person's choice in this request.
struct Privacy<'g> {
    coppa: bool,
    gdpr: Option<bool>,
    tcf: Option<&'g str>,
    us_privacy: Option<&'static str>,
    gpp: Option<(&'g str, u8)>,
    /// Whether the exchange may send ids.
    ids: bool,
}

impl<'g> Privacy<'g> {
    fn draw(dice: &mut Dice, setting: &Setting<'g>, person: &Person) -> Self {
        let strings = setting.consent;
        let coppa = setting.surface.is_for_children();
        let mut privacy = Self {
            coppa,
            gdpr: None,
            tcf: None,
            us_privacy: None,
            gpp: None,
            ids: !coppa && person.choice != Choice::Nothing,
        };
        match person.country.regime {
            Regime::Gdpr => {
                privacy.gdpr = Some(true);
                privacy.tcf = strings.tcf(person.choice);
                if !setting.legacy && person.choice == Choice::All && dice.chance(0.2) {
                    privacy.gpp = Some((&strings.gpp_tcf_all, GPP_TCF_EU));
                }
            }
            Regime::UsStates => {
                let opted_out = person.choice == Choice::Nothing;
                if !setting.legacy && dice.chance(0.5) {
                    let text = if opted_out { &strings.gpp_us_opted_out } else { &strings.gpp_us_all };
                    privacy.gpp = Some((text, GPP_US_NATION));
                } else if person.choice != Choice::Missing {
                    privacy.us_privacy = Some(if opted_out { "1YYN" } else { "1YNN" });
                }
            }
            Regime::None => privacy.gdpr = dice.chance(0.5).then_some(false),
        }
        privacy
    }
}

fn write_regs(o: &mut Object<'_>, setting: &Setting<'_>, privacy: &Privacy<'_>) {
    if privacy.coppa {
        o.int("coppa", 1);
    }
    let laws = |o: &mut Object<'_>| {
        if let Some(applies) = privacy.gdpr {
            o.int("gdpr", i64::from(applies));
        }
        if let Some(text) = privacy.us_privacy {
            o.text("us_privacy", text);
        }
    };
    if setting.legacy {
        o.object("ext", laws);
    } else {
        laws(o);
    }
    if let Some((text, section)) = privacy.gpp {
        o.text("gpp", text);
        o.ints("gpp_sid", [i64::from(section)]);
    }
}

fn write_device(
    o: &mut Object<'_>,
    dice: &mut Dice,
    setting: &Setting<'_>,
    person: &Person,
    privacy: &Privacy<'_>,
) {
    let device = device_of(setting.surface, person);
    let version = device.versions[person.version % device.versions.len()];
    let crawler = matches!(setting.surface, Surface::Site(_)) && dice.chance(0.005);
    o.text("ua", if crawler { CRAWLER } else { device.ua });
    if !crawler && !setting.legacy && !device.brand.is_empty() {
        write_client_hints(o, device);
    }
    write_geo(o, dice, person);
    o.int("lmt", i64::from(person.limits_tracking));
    if dice.chance(0.2) {
        o.int("dnt", 0);
    }
    write_address(o, person);
    o.int("devicetype", device.kind);
    o.text_if("make", device.make);
    o.text_if("model", device.model);
    o.text("os", device.os);
    o.text("osv", version);
    o.int("w", device.w);
    o.int("h", device.h);
    o.int("js", 1);
    o.text("language", person.country.language);
    write_connection(o, dice, device, person);
    let is_app = matches!(setting.surface, Surface::App(_));
    if is_app && privacy.ids && !person.limits_tracking {
        o.text("ifa", &World::device_id(person.number));
    } else if is_app {
        // What the systems hand out when tracking is limited.
        o.text("ifa", "00000000-0000-0000-0000-000000000000");
    }
}

fn device_of(surface: Surface<'_>, person: &Person) -> &'static Device {
    match surface {
        Surface::Site(_) | Surface::Screen(_) => person.browsing,
        Surface::App(_) if surface.is_television() => person.television,
        Surface::App(_) => person.mobile,
    }
}

fn write_client_hints(o: &mut Object<'_>, device: &Device) {
    o.object("sua", |o| {
        o.objects("browsers", [(device.brand, "130"), ("Chromium", "130")], |o, (brand, version)| {
            o.text("brand", brand);
            o.texts("version", [version]);
        });
        o.object("platform", |o| o.text("brand", device.os));
        o.int("mobile", i64::from(device.kind == device_type::PHONE));
        o.int("source", 1);
    });
}

/// The home, known to the city by address or, on some requests, to a kilometre by the device.
fn write_geo(o: &mut Object<'_>, dice: &mut Dice, person: &Person) {
    let (country, city) = (person.country, person.city);
    let precise = dice.chance(0.3);
    o.object("geo", |o| {
        o.text("country", country.alpha3);
        o.text("region", city.region);
        o.text("city", city.name);
        o.text("zip", city.zip);
        o.int("utcoffset", city.utc_offset);
        o.int("type", if precise { 1 } else { 2 });
        if precise {
            o.decimal("lat", nearby(dice, city.lat));
            o.decimal("lon", nearby(dice, city.lon));
            o.int("accuracy", dice.between(10, 200));
        }
    });
}

/// Within 0.05 degrees, in steps of 0.0001.
fn nearby(dice: &mut Dice, degrees: f64) -> f64 {
    ((degrees * 10_000.0).round() + dice.between(-500, 500) as f64) / 10_000.0
}

/// An address of the documentation ranges (RFC 5737, RFC 3849), cut as exchanges do where the law is strict.
fn write_address(o: &mut Object<'_>, person: &Person) {
    let number = person.number;
    let last = if person.country.regime == Regime::Gdpr { 0 } else { number % 254 + 1 };
    match number % 4 {
        0 => o.text("ipv6", &format!("2001:db8:{:x}:{:x}::", number >> 16, number & 0xffff)),
        1 => o.text("ip", &format!("192.0.2.{last}")),
        2 => o.text("ip", &format!("198.51.100.{last}")),
        _ => o.text("ip", &format!("203.0.113.{last}")),
    }
}

/// AdCOM list "Connection Types": 1 ethernet, 2 wifi, 5 to 7 cellular 3G, 4G, 5G.
fn write_connection(o: &mut Object<'_>, dice: &mut Dice, device: &Device, person: &Person) {
    let mobile = matches!(device.kind, device_type::PHONE | device_type::TABLET);
    let cellular = mobile && dice.chance(0.45);
    if cellular {
        let (carrier, code) = person.carrier;
        o.text("carrier", carrier);
        o.text("mccmnc", code);
        o.int("connectiontype", *dice.pick(&[5, 6, 6, 7]));
    } else if dice.chance(0.9) {
        o.int("connectiontype", if mobile { 2 } else { *dice.pick(&[1, 2]) });
    }
}

fn write_user(
    o: &mut Object<'_>,
    dice: &mut Dice,
    setting: &Setting<'_>,
    person: &Person,
    privacy: &Privacy<'_>,
) {
    let buyer_uid = privacy.ids && dice.chance(setting.traffic.buyer_uids);
    let shared_id = privacy.ids && dice.chance(0.3);
    if privacy.ids {
        o.text("id", &format!("x-{:08x}", person.number.wrapping_mul(2_654_435_761)));
    }
    if buyer_uid {
        o.text("buyeruid", &World::buyer_uid(person.number));
    }
    if dice.chance(0.2) {
        o.int("yob", 1950 + i64::from(person.number % 55));
        o.text("gender", if person.number.is_multiple_of(2) { "F" } else { "M" });
    }
    if dice.chance(0.3) {
        write_segments(o, dice);
    }
    if setting.legacy {
        if privacy.tcf.is_some() || shared_id {
            o.object("ext", |o| write_consent_and_eids(o, person, privacy, shared_id));
        }
    } else {
        write_consent_and_eids(o, person, privacy, shared_id);
    }
}

fn write_consent_and_eids(o: &mut Object<'_>, person: &Person, privacy: &Privacy<'_>, shared_id: bool) {
    if let Some(text) = privacy.tcf {
        o.text("consent", text);
    }
    if shared_id {
        o.objects("eids", ["shared-id.example"], |o, source| {
            o.text("source", source);
            o.objects("uids", [person.number], |o, number| {
                o.text("id", &format!("sid-{number:08}"));
                o.int("atype", 1);
            });
        });
    }
}

/// Segments of a data seller (IAB Audience Taxonomy 1.1 by `segtax` 4).
fn write_segments(o: &mut Object<'_>, dice: &mut Dice) {
    let segments: Vec<i64> = (0..dice.between(1, 6)).map(|_| dice.between(1, 1_600)).collect();
    o.objects("data", ["data-seller.example"], |o, name| {
        o.text("name", name);
        o.objects("segment", &segments, |o, id| o.text("id", &id.to_string()));
        o.object("ext", |o| o.int("segtax", 4));
    });
}
