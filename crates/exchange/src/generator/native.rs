//! Native impressions: the Native Ads 1.2 request, as a string inside the bid request.

use crate::dice::Dice;
use crate::json::{self, Object};

pub(super) fn write(o: &mut Object<'_>, dice: &mut Dice) {
    // Before 1.2 the inner request stood under a root "native"; exchanges still send both.
    let rooted = dice.chance(0.3);
    let inner = json::object(|o| {
        if rooted {
            o.object("native", |o| write_inner(o, dice));
        } else {
            write_inner(o, dice);
        }
    });
    o.text("request", &inner);
    o.text("ver", "1.2");
    if dice.chance(0.3) {
        o.ints("battr", [1, 3]);
    }
}

fn write_inner(o: &mut Object<'_>, dice: &mut Dice) {
    o.text("ver", "1.2");
    o.int("context", *dice.pick(&[1, 2]));
    o.int("plcmttype", *dice.pick(&[1, 2, 4]));
    o.int("plcmtcnt", 1);
    // The publisher's assets, each with the id that the answer repeats.
    let wants_rating = dice.chance(0.2);
    let assets: &[i64] = if wants_rating { &[1, 2, 3, 4, 5, 6] } else { &[1, 2, 3, 4] };
    o.objects("assets", assets, |o, id| write_asset(o, dice, *id));
    o.objects("eventtrackers", [1], |o, event: i64| {
        o.int("event", event);
        o.ints("methods", [1, 2]);
    });
    o.int("privacy", i64::from(dice.chance(0.5)));
}

/// Asset 1 is the title, 2 the main image, 3 who sponsors, 4 the description, 5 the icon, 6 a rating.
fn write_asset(o: &mut Object<'_>, dice: &mut Dice, id: i64) {
    o.int("id", id);
    o.int("required", i64::from(id <= 3));
    match id {
        1 => o.object("title", |o| o.int("len", *dice.pick(&[90, 140]))),
        2 => o.object("img", |o| {
            o.int("type", 3);
            o.int("wmin", 300);
            o.int("hmin", 157);
        }),
        3 => o.object("data", |o| o.int("type", 1)),
        4 => o.object("data", |o| {
            o.int("type", 2);
            o.int("len", 140);
        }),
        5 => o.object("img", |o| {
            o.int("type", 1);
            o.int("wmin", 50);
            o.int("hmin", 50);
        }),
        _ => o.object("data", |o| o.int("type", 3)),
    }
}
