//! The plays that media buyers know, each as a targeting and a price. Together they use every dimension and every
//! kind of test.

use tagbid_targeting::Dimension::*;

use super::DEMO_EXCHANGE;
use super::audience::{customer, intent, interest, reading, visitor};
use super::creatives::Kit;
use super::inventory::{Shared, deals_of};
use super::line_items::{Brief, Desk};
use super::words::{
    EVERY_DAY, Tests, WEEKDAYS, all, any, hours, live, must, never, not, offline, os, tagged, within_km,
};

/// The name of the play for people who are about to buy.
pub(crate) const IN_MARKET: &str = "In-market audience";

/// A way to buy.
pub(super) struct Play {
    /// As traders call it.
    pub(super) name: &'static str,
    /// Draws it up for a company and market.
    pub(super) brief: fn(&mut Desk<'_>) -> Brief,
}

const fn play(name: &'static str, brief: fn(&mut Desk<'_>) -> Brief) -> Play {
    Play { name, brief }
}

/// The book, from the broadest to the most particular. The second half looks at people rather than places.
pub(super) static PLAYS: [Play; 25] = [
    play("Run of network", run_of_network),
    play("Prospecting in-stream", prospecting_video),
    play("Commuters", commuters),
    play("In-feed native", in_feed),
    play("CTV prime time", prime_time),
    play("City takeover", city_takeover),
    play("Near the store", near_the_store),
    play("Postcode drop", postcode_drop),
    play("Contextual", contextual),
    play("Keywords", keywords),
    play("Trusted domains", trusted_domains),
    play("Clean network", clean_network),
    play("Tested sites", tested_sites),
    play("App list", app_list),
    play("Private deals", private_deals),
    play("Above the fold", above_the_fold),
    play("Digital out of home", out_of_home),
    play("iOS app interstitials", ios_apps),
    play("Android handsets", android_handsets),
    play("Mobile carriers", carriers),
    play("Desktop browsers", desktop_browsers),
    play(IN_MARKET, in_market),
    play("Retargeting, last hours", retargeting),
    play("Interest without customers", interest_without_customers),
    play("Well-described visits", well_described),
];

fn run_of_network(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(Country.is([d.market.alpha3])),
        must(Format.is(["banner"])),
        must(DeviceType.is(["phone", "mobile"])),
        never(Category.is(["IAB25", "IAB26"])),
        never(Publisher.on(Shared::BlockedPublishers.of(d.trader))),
    ]);
    Brief::new(Kit::Banners, 40, target)
        .pays(85, DeviceType.is(["mobile"]))
        .pays(115, Position.is(["above_fold", "header"]))
}

fn prospecting_video(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(Country.is(d.countries())),
        must(Format.is(["video"])),
        must(Channel.is(["site", "app"])),
        any([must(Skippable.is(["yes"])), never(Skippable.present())]),
    ]);
    Brief::new(Kit::Video, 630, target)
        .pays(130, Connection.is(["wifi", "ethernet"]))
        .pays(70, Skippable.is(["yes"]))
        .pays(140, offline([intent(d.trader)], 120))
}

fn commuters(d: &mut Desk<'_>) -> Brief {
    let rush = (6..10).chain(16..20);
    let target = all([
        must(Country.is(d.countries())),
        must(Format.is(["audio"])),
        any([must(hours(&WEEKDAYS, rush.clone())), must(Connection.is(["wifi"]))]),
    ]);
    Brief::new(Kit::Audio, 420, target).pays(150, hours(&WEEKDAYS, rush))
}

fn in_feed(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(Country.is([d.market.alpha3])),
        must(Format.is(["native"])),
        must(Language.is([d.market.language])),
        must(Channel.is(["site"])),
    ]);
    Brief::new(Kit::Native, 110, target)
        .pays(160, Category.is(d.topic.categories))
        .pays(120, tagged([interest(d.topic_number)]))
}

fn prime_time(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(Country.is(d.countries())),
        must(DeviceType.is(["tv", "set_top_box"])),
        must(Os.is(["roku", "tizen", "webos"])),
        must(Format.is(["video"])),
    ]);
    Brief::new(Kit::Video, 970, target).pays(135, hours(&EVERY_DAY, 18..23)).pays(60, hours(&EVERY_DAY, 1..6))
}

fn city_takeover(d: &mut Desk<'_>) -> Brief {
    let region = format!("{}-{}", d.market.alpha2, d.city.region);
    let target = all([
        must(City.is([d.city.name])),
        must(Region.is([region])),
        must(Size.is(["300x600", "160x600", "320x480", "300x250"])),
    ]);
    Brief::new(Kit::Banners, 140, target).pays(125, Size.is(["300x600"])).pays(110, City.is([d.city.name]))
}

fn near_the_store(d: &mut Desk<'_>) -> Brief {
    let target = all([must(within_km(6, d.centres())), never(DeviceType.is(["desktop"]))]);
    Brief::new(Kit::Mobile, 220, target).pays(150, within_km(2, d.centres()))
}

fn postcode_drop(d: &mut Desk<'_>) -> Brief {
    let postcodes = d.market.cities.iter().map(|city| format!("{}-{}", d.market.alpha3, city.zip));
    let target = all([
        must(Postcode.is(postcodes.take(1))),
        not(any([must(Channel.is(["dooh"])), must(Format.is(["audio", "video"]))])),
    ]);
    Brief::new(Kit::Everything, 120, target)
}

fn contextual(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(Country.is([d.market.alpha3])),
        must(Category.is(d.topic.categories)),
        must(Format.is(["banner", "native"])),
    ]);
    Brief::new(Kit::Everything, 130, target).pays(130, tagged([reading(d.topic_number)]))
}

fn keywords(d: &mut Desk<'_>) -> Brief {
    let target = all([must(Keyword.is(d.topic.keywords)), must(Country.is([d.market.alpha3]))]);
    Brief::new(Kit::Everything, 150, target)
        .pays(140, Keyword.is(d.topic.keywords.first()))
        .pays(400, Format.is(["video"]))
        .pays(250, Format.is(["audio"]))
}

fn trusted_domains(d: &mut Desk<'_>) -> Brief {
    let target =
        all([must(Domain.on(Shared::TrustedDomains.of(d.trader))), must(Country.is([d.market.alpha3]))]);
    Brief::new(Kit::Banners, 160, target).pays(120, Domain.is(["daily-news.example", "daily-tech.example"]))
}

fn clean_network(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(Country.is([d.market.alpha3])),
        must(Channel.is(["site"])),
        must(DeviceType.is(["desktop"])),
        not(any([
            must(Publisher.on(Shared::BlockedPublishers.of(d.trader))),
            must(Keyword.is(["crypto", "elections", "politics"])),
            must(Category.is(["IAB9", "IAB1"])),
        ])),
    ]);
    Brief::new(Kit::Desktop, 90, target).pays(110, Interstitial.is(["no"]))
}

fn tested_sites(d: &mut Desk<'_>) -> Brief {
    let first = d.world.sites().iter().take(1).map(|site| &site.id);
    let target = all([
        any([must(Site.on(Shared::TestedSites.of(d.trader))), must(Site.is(first))]),
        must(Country.is([d.market.alpha3])),
        must(Format.is(["native", "banner"])),
    ]);
    Brief::new(Kit::Everything, 180, target).pays(120, Site.on(Shared::TestedSites.of(d.trader)))
}

fn app_list(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(App.on(Shared::Apps.of(d.trader))),
        must(Country.is([d.market.alpha3])),
        never(Format.is(["audio"])),
    ]);
    Brief::new(Kit::Everything, 160, target).pays(380, Format.is(["video"]))
}

fn private_deals(d: &mut Desk<'_>) -> Brief {
    let codes = deals_of(d.world, d.trader).map(|deal| &deal.code);
    let target = all([must(Deal.is(codes)), must(Country.is(d.countries()))]);
    Brief::new(Kit::Everything, 290, target).pays(240, Format.is(["video"])).pays(160, Format.is(["audio"]))
}

fn above_the_fold(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(Country.is([d.market.alpha3])),
        must(Position.is(["above_fold", "header"])),
        must(Size.is(["728x90", "300x600", "468x60"])),
        must(Publisher.is(d.world.sites().iter().take(40).map(|site| &site.publisher.id))),
    ]);
    Brief::new(Kit::Desktop, 140, target).pays(90, Size.is(["468x60"]))
}

fn out_of_home(d: &mut Desk<'_>) -> Brief {
    let screens = d.world.screens().iter().skip(d.trader % 2).step_by(2).map(|screen| &screen.id);
    let target = all([must(Channel.is(["dooh"])), must(Site.is(screens)), must(DeviceType.is(["ooh"]))]);
    Brief::new(Kit::Everything, 70, target).pays(700, Format.is(["video"]))
}

fn ios_apps(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(os("ios", "17", "")),
        must(Channel.is(["app"])),
        any([must(Interstitial.is(["yes"])), must(Position.is(["fullscreen", "footer"]))]),
        must(Country.is([d.market.alpha3])),
    ]);
    Brief::new(Kit::Mobile, 190, target).pays(130, os("ios", "18.1", "")).pays(110, Interstitial.is(["yes"]))
}

fn android_handsets(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(os("android", "12", "14")),
        must(DeviceMake.is(["samsung", "google", "xiaomi"])),
        never(DeviceModel.is(["SM-X700"])),
        must(Country.is([d.market.alpha3])),
        must(Channel.is(["app"])),
    ]);
    Brief::new(Kit::Mobile, 100, target).pays(120, DeviceModel.is(["Pixel 8"]))
}

fn carriers(d: &mut Desk<'_>) -> Brief {
    let names = d.market.carriers.iter().map(|(name, _)| name);
    let target = all([
        must(Country.is([d.market.alpha3])),
        must(Carrier.is(names)),
        must(Connection.is(["cell_4g", "cell_5g"])),
    ]);
    Brief::new(Kit::Mobile, 130, target).pays(120, Connection.is(["cell_5g"]))
}

fn desktop_browsers(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(Country.is([d.market.alpha3])),
        must(DeviceType.is(["desktop"])),
        must(Browser.is(["chrome", "edge", "safari"])),
        any([must(Os.is(["windows"])), must(os("macos", "15", ""))]),
    ]);
    Brief::new(Kit::Desktop, 110, target).pays(115, Browser.is(["safari"])).pays(130, hours(&WEEKDAYS, 9..17))
}

fn in_market(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(offline([intent(d.trader)], 100)),
        must(Country.is(d.countries())),
        never(tagged([customer(d.trader)])),
    ]);
    Brief::new(Kit::Audience, 330, target)
        .pays(130, offline([intent(d.trader)], 180))
        .pays(140, live([visitor(d.trader)], 40, 180))
}

fn retargeting(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(live([visitor(d.trader)], 60, 120)),
        never(offline([customer(d.trader)], 0)),
        must(Country.is(d.countries())),
    ]);
    Brief::new(Kit::Audience, 430, target).pays(150, live([visitor(d.trader)], 120, 30))
}

fn interest_without_customers(d: &mut Desk<'_>) -> Brief {
    let interests = d.company.topic_numbers().map(interest);
    let target = all([
        must(offline(interests, 190)),
        any([must(tagged([reading(d.topic_number)])), must(Country.is([d.market.alpha3]))]),
        not(any([must(tagged([customer(d.trader)])), must(live([visitor(d.trader)], 200, 10))])),
    ]);
    Brief::new(Kit::Audience, 230, target).pays(125, live([reading(d.topic_number)], 50, 60))
}

fn well_described(d: &mut Desk<'_>) -> Brief {
    let target = all([
        must(Exchange.is([DEMO_EXCHANGE])),
        must(City.present()),
        must(Carrier.present()),
        any([
            all([
                must(Language.is([d.market.language])),
                not(any([must(Deal.present()), must(Keyword.present())])),
            ]),
            all([must(Keyword.is(d.topic.keywords)), never(Browser.is(["firefox", "webview"]))]),
        ]),
        must(Country.is([d.market.alpha3])),
    ]);
    Brief::new(Kit::Everything, 170, target).pays(200, Format.is(["video", "audio"]))
}
