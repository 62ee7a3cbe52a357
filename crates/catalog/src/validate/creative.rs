//! Creatives: well-formed, in the words of the trade. Where they may load from is [`super::CreativePolicy`]'s.

use tagbid_targeting::is_language;

use super::{Context, MAX_HTML, codes, exchange, text};
use crate::{
    AudioMarkup, BannerMarkup, Creative, Entity, Markup, NativeAsset, NativeMarkup, Report, VideoMarkup,
};

/// Most codes of one kind: above what the longest list of the trade has for one ad.
const MAX_CODES: usize = 100;
/// Highest bitrate: a gigabit a second, above that of any master.
const MAX_KBPS: u32 = 1_000_000;
/// Longest video or audio: an hour.
const MAX_DURATION_MS: u32 = 3_600_000;

pub(super) fn check(e: &Creative, context: &Context<'_>, report: &mut Report) {
    describe(e, report);
    needs(e, report);
    for name in e.approvals.keys() {
        exchange(format_args!("approvals[{:?}]", name.as_str()), name, context, report);
    }
    markup(&e.markup, report);
    let owner = context.references.entity(e.advertiser.into());
    if let Some(Entity::Advertiser(owner)) = owner {
        context.creatives.check(e, &owner.domain, report);
    }
}

fn describe(e: &Creative, report: &mut Report) {
    text::name("name", &e.name, report);
    seat(&e.seat, report);
    if e.domains.is_empty() || e.domains.len() > 5 {
        let problem = format!("has {} domains", e.domains.len());
        report.problem("domains", problem, "name 1 to 5 domains of what is advertised");
    }
    for (position, domain) in e.domains.iter().enumerate() {
        text::domain(format_args!("domains[{position}]"), domain, report);
    }
    for (position, category) in e.categories.iter().enumerate() {
        if !codes::is_category(category) {
            report.problem(
                format_args!("categories[{position}]"),
                format!("{:?} is not an IAB content category", text::excerpt(category)),
                "use a category of taxonomy 1.0 such as \"IAB2\" or \"IAB2-3\"",
            );
        }
    }
    if !e.language.is_empty() && !is_language(&e.language) {
        report.problem(
            "language",
            format!("{:?} is not a language code", text::excerpt(&e.language)),
            "use two letters of ISO 639-1 such as \"en\", or leave it out",
        );
    }
    if !e.bundle.is_empty() {
        text::token("bundle", &e.bundle, report);
    }
}

/// What it needs of a player, and what it does to a user.
fn needs(e: &Creative, report: &mut Report) {
    for (position, attribute) in e.attributes.iter().enumerate() {
        if !codes::is_attribute(*attribute) {
            report.problem(
                format_args!("attributes[{position}]"),
                format!("{attribute} is not a creative attribute"),
                "use 1 to 18 of the AdCOM list, or an exchange's own from 500",
            );
        }
    }
    for (position, api) in e.apis.iter().enumerate() {
        if !codes::is_api_framework(*api) {
            report.problem(
                format_args!("apis[{position}]"),
                format!("{api} is not an API framework"),
                "use 1 to 9 of the AdCOM list, such as 5 for MRAID 2 or 7 for OMID 1",
            );
        }
    }
    for (field, count) in
        [("categories", e.categories.len()), ("attributes", e.attributes.len()), ("apis", e.apis.len())]
    {
        if count > MAX_CODES {
            report.problem(field, format!("has {count} entries"), format!("use at most {MAX_CODES}"));
        }
    }
}

/// Exchanges put the seat into the html where it says `${AUCTION_SEAT_ID}`, so it must not be able to aim a URL.
fn seat(seat: &str, report: &mut Report) {
    text::at_most("seat", seat, 100, report);
    if !seat.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        let problem = format!("{:?} is not a seat", text::excerpt(seat));
        report.problem(
            "seat",
            problem,
            "use letters, digits, dots, hyphens and underscores, or leave it out",
        );
    }
}

fn markup(markup: &Markup, report: &mut Report) {
    match markup {
        Markup::Banner(banner) => report.within("banner", |report| check_banner(banner, report)),
        Markup::Video(video) => report.within("video", |report| check_video(video, report)),
        Markup::Audio(audio) => report.within("audio", |report| check_audio(audio, report)),
        Markup::Native(native) => report.within("native", |report| check_native(native, report)),
    }
}

fn check_banner(banner: &BannerMarkup, report: &mut Report) {
    size(banner.width, banner.height, report);
    if banner.html.trim().is_empty() {
        report.problem("html", "is empty", "give the HTML to show");
    } else if banner.html.len() > MAX_HTML {
        let problem = format!("has {} bytes", banner.html.len());
        report.problem("html", problem, format!("use at most {MAX_HTML}"));
    }
    if !(1..=4).contains(&banner.banner_type) {
        report.problem("banner_type", "is not a banner type", "use 1 to 4");
    }
}

fn check_video(video: &VideoMarkup, report: &mut Report) {
    size(video.width, video.height, report);
    mime("video/", &video.mime, report);
    duration(video.duration_ms, report);
    bitrate(video.bitrate_kbps, report);
    let skip_ms = video.skip_after_s.map(|seconds| u32::from(seconds) * 1_000);
    if skip_ms.is_some_and(|skip| skip >= video.duration_ms) {
        report.problem(
            "skip_after_s",
            "is not before the end",
            "use less than the duration, or leave it out",
        );
    }
}

fn check_audio(audio: &AudioMarkup, report: &mut Report) {
    mime("audio/", &audio.mime, report);
    duration(audio.duration_ms, report);
    bitrate(audio.bitrate_kbps, report);
}

fn check_native(native: &NativeMarkup, report: &mut Report) {
    let length = native.title.chars().count();
    if !(1..=140).contains(&length) {
        report.problem("title", format!("has {length} characters"), "use 1 to 140");
    }
    if native.assets.len() > 20 {
        let problem = format!("has {} assets", native.assets.len());
        report.problem("assets", problem, "use at most 20");
    }
    for (position, asset) in native.assets.iter().enumerate() {
        report.within(format_args!("assets[{position}]"), |report| check_asset(asset, report));
    }
}

fn check_asset(asset: &NativeAsset, report: &mut Report) {
    match asset {
        NativeAsset::Image { kind, width, height, .. } => report.within("image", |report| {
            if !codes::is_image_type(*kind) {
                let problem = format!("{kind} is not an image type");
                report.problem("type", problem, "use 1 for an icon or 3 for the main image");
            }
            size(*width, *height, report);
        }),
        NativeAsset::Data { kind, value } => report.within("data", |report| {
            if !codes::is_data_type(*kind) {
                let problem = format!("{kind} is not a data type");
                report.problem("type", problem, "use 1 to 12 of OpenRTB Native, such as 2 for a description");
            }
            if value.trim().is_empty() {
                report.problem("value", "is empty", "give the text");
            }
            text::at_most("value", value, 1_000, report);
        }),
    }
}

fn size(width: u16, height: u16, report: &mut Report) {
    for (field, pixels) in [("width", width), ("height", height)] {
        if pixels == 0 {
            report.problem(field, "is 0", "give it in pixels");
        }
    }
}

fn mime(family: &str, mime: &str, report: &mut Report) {
    let rest = mime.strip_prefix(family).unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+');
    if rest.is_empty() || !rest.bytes().all(plain) {
        report.problem(
            "mime",
            format!("{:?} is not a MIME type of {family}*", text::excerpt(mime)),
            format!("use one such as \"{family}mp4\""),
        );
    }
}

fn bitrate(kbps: u32, report: &mut Report) {
    if !(1..=MAX_KBPS).contains(&kbps) {
        let remedy = format!("give the media file's bitrate: 1 to {MAX_KBPS} kilobits a second");
        report.problem("bitrate_kbps", format!("is {kbps}"), remedy);
    }
}

fn duration(duration_ms: u32, report: &mut Report) {
    if !(1..=MAX_DURATION_MS).contains(&duration_ms) {
        let remedy = format!("use 1 to {MAX_DURATION_MS} milliseconds");
        report.problem("duration_ms", format!("is {duration_ms}"), remedy);
    }
}
