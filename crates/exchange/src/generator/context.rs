//! Where the ad would be seen: `site`, `app` or `dooh`.

use crate::dice::{Dice, Zipf};
use crate::json::Object;
use crate::world::{App, Publisher, Screen, Site, Store, Topic, World};

use super::Setting;

/// Zipf's laws over the media.
#[derive(Clone, Debug)]
pub(super) struct Surfaces {
    sites: Zipf,
    apps: Zipf,
}

/// Where a request comes from.
#[derive(Clone, Copy)]
pub(super) enum Surface<'w> {
    Site(&'w Site),
    App(&'w App),
    Screen(&'w Screen),
}

impl Surfaces {
    pub(super) fn new(world: &World) -> Self {
        Self { sites: Zipf::new(world.sites().len()), apps: Zipf::new(world.apps().len()) }
    }

    pub(super) fn draw<'w>(&self, world: &'w World, dice: &mut Dice) -> Surface<'w> {
        match dice.below(100) {
            0..54 => Surface::Site(&world.sites()[self.sites.draw(dice)]),
            54..97 => Surface::App(&world.apps()[self.apps.draw(dice)]),
            _ => Surface::Screen(dice.pick(world.screens())),
        }
    }
}

impl<'w> Surface<'w> {
    pub(super) fn is_screen(self) -> bool {
        matches!(self, Self::Screen(_))
    }

    pub(super) fn is_television(self) -> bool {
        matches!(self, Self::App(app) if app.store == Store::Television)
    }

    pub(super) fn is_for_children(self) -> bool {
        matches!(self, Self::App(app) if app.for_children)
    }

    pub(super) fn publisher(self) -> &'w Publisher {
        match self {
            Self::Site(site) => &site.publisher,
            Self::App(app) => &app.publisher,
            Self::Screen(screen) => &screen.publisher,
        }
    }
}

pub(super) fn write(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>) {
    match setting.surface {
        Surface::Site(site) => o.object("site", |o| write_site(o, dice, setting, site)),
        Surface::App(app) => o.object("app", |o| write_app(o, dice, setting, app)),
        Surface::Screen(screen) => o.object("dooh", |o| {
            o.text("id", &screen.id);
            o.text("name", &screen.name);
            o.texts("venuetype", [screen.venue]);
            o.int("venuetypetax", 1);
            write_publisher(o, &screen.publisher);
        }),
    }
}

fn write_site(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, site: &Site) {
    let article = dice.below(100_000);
    o.text("id", &site.id);
    o.text("name", &site.name);
    o.text("domain", &site.domain);
    write_topic(o, dice, setting, site.topic);
    let page = format!("https://www.{}/{}/article-{article}.html", site.domain, site.topic.word);
    o.text("page", &page);
    if dice.chance(0.5) {
        o.text("ref", "https://search.example/");
    }
    if dice.chance(0.1) {
        let word: &&str = dice.pick(site.topic.keywords);
        o.text("search", word);
    }
    o.int("mobile", i64::from(dice.chance(0.7)));
    o.int("privacypolicy", 1);
    write_publisher(o, &site.publisher);
    if dice.chance(0.25) {
        write_content(o, dice, setting, site.topic);
    }
}

fn write_app(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, app: &App) {
    o.text("id", &app.id);
    o.text("name", &app.name);
    o.text("bundle", &app.bundle);
    o.text("domain", &app.domain);
    let store = match app.store {
        Store::Apple => format!("https://apps.apple.com/app/id{}", app.bundle),
        Store::Google => format!("https://play.google.com/store/apps/details?id={}", app.bundle),
        Store::Television => format!("https://channelstore.example/details/{}", app.bundle),
    };
    o.text("storeurl", &store);
    write_topic(o, dice, setting, app.topic);
    let version: &&str = dice.pick(&["1.0.3", "2.14.0", "5.2"]);
    o.text("ver", version);
    o.int("paid", 0);
    o.int("privacypolicy", 1);
    write_publisher(o, &app.publisher);
    if setting.surface.is_television() || dice.chance(0.15) {
        write_content(o, dice, setting, app.topic);
    }
}

/// Categories and keywords; in 2.6 keywords may come as an array.
fn write_topic(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, topic: &Topic) {
    if !setting.legacy {
        o.int("cattax", 1);
    }
    o.texts("cat", topic.categories.iter().copied());
    if dice.chance(0.5) {
        o.texts("pagecat", topic.categories.iter().skip(1).copied());
    }
    if dice.chance(0.7) {
        write_keywords(o, dice, setting, topic);
    }
}

fn write_keywords(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, topic: &Topic) {
    let words = dice.some(topic.keywords, 3).into_iter().copied();
    if !setting.legacy && dice.chance(0.5) {
        o.texts("kwarray", words);
    } else {
        o.text("keywords", &words.collect::<Vec<_>>().join(","));
    }
}

fn write_publisher(o: &mut Object<'_>, publisher: &Publisher) {
    o.object("publisher", |o| {
        o.text("id", &publisher.id);
        o.text("name", &publisher.name);
        o.text("domain", &publisher.domain);
    });
}

fn write_content(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, topic: &Topic) {
    let language = setting.person.as_ref().map_or("en", |person| person.country.language);
    let episode = dice.between(1, 24);
    o.object("content", |o| {
        o.text("id", &format!("content-{}", dice.below(5_000)));
        o.text("title", &format!("About {}, part {episode}", topic.word));
        o.int("episode", episode);
        o.text("series", &format!("All about {}", topic.word));
        o.text("season", &format!("{}", dice.between(1, 6)));
        o.text("genre", topic.word);
        o.texts("cat", topic.categories.iter().copied());
        if dice.chance(0.5) {
            write_keywords(o, dice, setting, topic);
        }
        let rating: &&str = dice.pick(&["TV-G", "TV-PG", "TV-14"]);
        o.text("contentrating", rating);
        o.int("livestream", i64::from(dice.chance(0.15)));
        o.int("len", dice.between(60, 5_400));
        o.text("language", language);
        if !setting.legacy {
            o.object("network", |o| o.text("name", "Example Network"));
            o.object("channel", |o| o.text("name", &format!("Channel {}", topic.word)));
        }
    });
}
