//! Impressions: format, size, floor and deals.

use tagbid_types::{Cpm, Currency, Ratio};

use crate::dice::Dice;
use crate::json::Object;
use crate::world::{BANNER_SIZES, Deal, Format, OTHER_SEAT, RATES, SEAT};

use super::context::Surface;
use super::{Setting, native};

/// Shares of the formats (banner, video, audio, native) in percent, by what the request comes from.
const ON_SITE: [(Format, u32); 4] = formats(58, 16, 6, 20);
const IN_APP: [(Format, u32); 4] = formats(52, 24, 10, 14);
const ON_TELEVISION: [(Format, u32); 4] = formats(0, 100, 0, 0);
const ON_SCREEN: [(Format, u32); 4] = formats(50, 50, 0, 0);

const fn formats(banner: u32, video: u32, audio: u32, native: u32) -> [(Format, u32); 4] {
    [(Format::Banner, banner), (Format::Video, video), (Format::Audio, audio), (Format::Native, native)]
}

pub(super) fn write(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>) {
    let count = if dice.chance(setting.traffic.multi_imp) { dice.between(2, 5) } else { 1 };
    o.objects("imp", 1..=count, |o, number| write_imp(o, dice, setting, number));
}

fn write_imp(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, number: i64) {
    let shares = match setting.surface {
        Surface::Screen(_) => &ON_SCREEN,
        Surface::App(_) if setting.surface.is_television() => &ON_TELEVISION,
        Surface::App(_) => &IN_APP,
        Surface::Site(_) => &ON_SITE,
    };
    let format = dice.weighted(shares, |(_, share)| *share).0;
    let interstitial = matches!(setting.surface, Surface::App(_)) && dice.chance(0.1);
    o.text("id", &number.to_string());
    match format {
        Format::Banner => o.object("banner", |o| write_banner(o, dice, setting, interstitial)),
        Format::Video => o.object("video", |o| write_video(o, dice, setting)),
        Format::Audio => o.object("audio", |o| write_audio(o, dice)),
        Format::Native => o.object("native", |o| native::write(o, dice)),
    }
    // Some publishers let a video compete for a banner's place.
    if format == Format::Banner && dice.chance(0.05) {
        o.object("video", |o| write_video(o, dice, setting));
    }
    if interstitial {
        o.int("instl", 1);
    }
    o.text("tagid", &format!("{}-{number}", setting.surface.publisher().id));
    write_floor(o, dice, format);
    o.int("secure", 1);
    write_circumstances(o, dice, setting);
    if dice.chance(setting.traffic.deals) {
        write_deals(o, dice, setting, format);
    }
}

/// Expiry, reward, multiplier and viewability.
fn write_circumstances(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>) {
    if dice.chance(0.3) {
        o.int("exp", *dice.pick(&[60, 300, 600, 3_600]));
    }
    if !setting.legacy && dice.chance(0.05) {
        o.int("rwdd", i64::from(setting.surface.is_television()));
    }
    if setting.surface.is_screen() {
        o.object("qty", |o| {
            o.decimal("multiplier", *dice.pick(&[1.0, 4.0, 12.5]));
            o.int("sourcetype", 1);
        });
    }
    if dice.chance(0.3) {
        o.objects("metric", [dice.between(30, 95)], |o, percent| {
            o.text("type", "viewability");
            o.decimal("value", percent as f64 / 100.0);
            o.text("vendor", "EXCHANGE");
        });
    }
}

/// A floor between none and twice the usual, now and then in the seller's own money and often without a currency,
/// which means dollars.
fn write_floor(o: &mut Object<'_>, dice: &mut Dice, format: Format) {
    if dice.chance(0.15) {
        return;
    }
    let dollars = dice.between(format.usual_floor().0 / 20, format.usual_floor().0 * 2);
    if dice.chance(0.75) {
        o.decimal("bidfloor", cents(dollars));
        if dice.chance(0.5) {
            o.text("bidfloorcur", "USD");
        }
    } else {
        let (currency, rate) = dice.pick(&RATES[1..]);
        o.decimal("bidfloor", cents(dollars * Ratio::ONE.0 / rate.0));
        o.text("bidfloorcur", currency);
    }
}

/// Micros cut to whole cents, as a decimal.
fn cents(micros: i64) -> f64 {
    Cpm(micros / 10_000 * 10_000).to_f64()
}

fn write_banner(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, interstitial: bool) {
    let fullscreen = [(320_u16, 480_u16)];
    let sizes: Vec<(u16, u16)> = if interstitial {
        fullscreen.to_vec()
    } else {
        dice.some(&BANNER_SIZES, 3).into_iter().copied().collect()
    };
    if let [(w, h), ..] = sizes[..]
        && (setting.legacy || dice.chance(0.3))
    {
        o.int("w", w);
        o.int("h", h);
    }
    o.objects("format", &sizes, |o, (w, h)| {
        o.int("w", *w);
        o.int("h", *h);
    });
    o.int("pos", if interstitial { 7 } else { *dice.pick(&[0, 1, 3, 4, 5, 6]) });
    if dice.chance(0.3) {
        o.ints("btype", *dice.pick(&[[4, 1], [1, 3]]));
    }
    if dice.chance(0.5) {
        // 1 and 2: audio that starts by itself; 8: pop; 13: provocative.
        o.ints("battr", dice.some(&[1, 2, 3, 6, 8, 13], 4).into_iter().copied());
    }
    if dice.chance(0.4) {
        o.ints("api", *dice.pick(&[[3, 5], [5, 7]]));
    }
    if dice.chance(0.3) {
        o.texts("mimes", ["text/html", "image/jpeg", "image/png", "image/gif"]);
    }
    o.int("topframe", i64::from(dice.chance(0.4)));
}

fn write_video(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>) {
    let television = setting.surface.is_television() || setting.surface.is_screen();
    let (w, h) = if television { (1920, 1080) } else { *dice.pick(&[(640, 360), (640, 480), (1280, 720)]) };
    o.texts("mimes", ["video/mp4", "video/webm"]);
    o.int("minduration", 5);
    o.int("maxduration", *dice.pick(&[15, 30, 60]));
    o.ints("protocols", [2, 3, 5, 6, 7, 8]);
    o.int("w", w);
    o.int("h", h);
    o.int("startdelay", *dice.pick(&[0, 0, -1, -2, 15]));
    if setting.legacy {
        o.int("placement", *dice.pick(&[1, 3]));
    } else {
        o.int("plcmt", *dice.pick(&[1, 2, 3]));
    }
    o.int("linearity", 1);
    if !television {
        let skippable = dice.chance(0.5);
        o.int("skip", i64::from(skippable));
        if skippable {
            o.int("skipmin", 6);
            o.int("skipafter", 5);
        }
    }
    if dice.chance(0.3) {
        o.ints("battr", dice.some(&[1, 2, 3, 13], 2).into_iter().copied());
    }
    o.int("minbitrate", 100);
    o.int("maxbitrate", if television { 20_000 } else { 5_000 });
    o.ints("playbackmethod", [*dice.pick(&[1, 2, 5])]);
    o.ints("delivery", [2]);
    o.int("pos", if television { 7 } else { 1 });
    if dice.chance(0.5) {
        o.ints("api", [7]);
    }
}

fn write_audio(o: &mut Object<'_>, dice: &mut Dice) {
    o.texts("mimes", ["audio/mpeg", "audio/mp4"]);
    o.int("minduration", 5);
    o.int("maxduration", *dice.pick(&[30, 60]));
    // 9 and 10: DAAST 1.0 and its wrapper, for players that know no VAST 4.
    o.ints("protocols", *dice.pick(&[[2, 3, 7, 8], [7, 8, 9, 10]]));
    o.int("startdelay", *dice.pick(&[0, -1]));
    o.int("minbitrate", 32);
    o.int("maxbitrate", 320);
    o.ints("delivery", [1, 2]);
    o.int("feed", *dice.pick(&[1, 3]));
    o.int("stitched", i64::from(dice.chance(0.3)));
    o.int("nvol", 1);
}

fn write_deals(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, format: Format) {
    let fitting: Vec<&Deal> = setting.world.deals().iter().filter(|deal| deal.format == format).collect();
    let offered = dice.some(&fitting, 2);
    let private = dice.chance(0.3);
    o.object("pmp", |o| {
        o.int("private_auction", i64::from(private));
        o.objects("deals", offered, |o, deal| write_deal(o, deal));
    });
}

fn write_deal(o: &mut Object<'_>, deal: &Deal) {
    o.text("id", &deal.code);
    o.decimal("bidfloor", deal.floor.to_f64());
    if deal.currency != Currency::USD {
        o.text("bidfloorcur", deal.currency.as_str());
    }
    o.int("at", deal.auction);
    if deal.for_our_seat {
        o.texts("wseat", [SEAT, OTHER_SEAT]);
    }
}
