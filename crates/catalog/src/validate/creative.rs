//! Creatives: well-formed, over https, from domains that the operator allows.

use std::fmt::Display;

use super::{Context, text};
use crate::{
    AudioMarkup, BannerMarkup, Creative, Entity, Markup, NativeAsset, NativeMarkup, Report, VideoMarkup,
};

/// Longest banner HTML in bytes.
const MAX_HTML: usize = 64 * 1024;
/// Longest video or audio: an hour.
const MAX_DURATION_MS: u32 = 3_600_000;

/// Where creatives may load from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreativePolicy {
    domains: Vec<String>,
    any: bool,
}

impl CreativePolicy {
    /// These domains and what is below them; `*` is every domain. An entry that is neither is returned.
    pub fn allowing(domains: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut policy = Self::default();
        for domain in domains {
            match domain.as_str() {
                "*" => policy.any = true,
                name if text::is_domain(name) => policy.domains.push(domain),
                _ => return Err(domain),
            }
        }
        Ok(policy)
    }

    /// Checks every URL of the creative. `own` is the advertiser's domain, from which it may always load; a click may
    /// also lead to any domain that the creative declares.
    pub fn check(&self, creative: &Creative, own: &str, report: &mut Report) {
        let allowed = |host: &str| {
            let list = || self.domains.iter().any(|domain| text::is_within(host, domain));
            self.any || text::is_within(host, own) || list()
        };
        let declared = |host: &str| creative.domains.iter().any(|d| text::is_within(host, d));
        let click = |host: &str| allowed(host) || declared(host);
        url("click_url", &creative.click_url, &click, report);
        if !creative.preview_url.is_empty() {
            url("preview_url", &creative.preview_url, &allowed, report);
        }
        match &creative.markup {
            Markup::Banner(banner) => links(&banner.html, creative.secure, &click, report),
            Markup::Video(video) => url("video.media_url", &video.media_url, &allowed, report),
            Markup::Audio(audio) => url("audio.media_url", &audio.media_url, &allowed, report),
            Markup::Native(native) => {
                for (position, asset) in native.assets.iter().enumerate() {
                    if let NativeAsset::Image { url: image, .. } = asset {
                        let field = format_args!("native.assets[{position}].image.url");
                        url(field, image, &allowed, report);
                    }
                }
            }
        }
    }
}

fn url(field: impl Display, url: &str, allowed: &dyn Fn(&str) -> bool, report: &mut Report) {
    match text::https_host(url) {
        Ok(host) if allowed(&host) => {}
        Ok(host) => report.problem(
            field,
            format!("{host} is not an allowed domain"),
            "use the advertiser's domain, or ask the operator to allow this one",
        ),
        Err(problem) => report.problem(
            field,
            format!("{:?} {problem}", text::excerpt(url)),
            "use a URL such as \"https://cdn.example.com/a.png\"",
        ),
    }
}

/// Checks the URLs in HTML, wherever they stand. Names of XML vocabularies (www.w3.org) load nothing.
fn links(html: &str, secure: bool, allowed: &dyn Fn(&str) -> bool, report: &mut Report) {
    for (position, _) in html.match_indices("://") {
        let (before, after) = html.split_at(position);
        let after = after.trim_start_matches("://");
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-')));
        let host = after[..end.unwrap_or(after.len())].to_ascii_lowercase();
        if host == "www.w3.org" {
            continue;
        }
        let http = ends_with(before, "http");
        if http && secure {
            let problem = format!("loads from http://{host} though the creative says it is secure");
            report.problem("banner.html", problem, "use https");
            continue;
        }
        let loads = http || ends_with(before, "https");
        if loads && !host.is_empty() && !allowed(&host) {
            report.problem(
                "banner.html",
                format!("{host} is not an allowed domain"),
                "use the advertiser's domain, or ask the operator to allow this one",
            );
        }
    }
}

/// Whatever the case.
fn ends_with(text: &str, end: &str) -> bool {
    let tail = text.len().checked_sub(end.len()).and_then(|from| text.get(from..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

pub(super) fn check(e: &Creative, context: &Context<'_>, report: &mut Report) {
    describe(e, report);
    markup(&e.markup, report);
    let owner = context.references.entity(e.advertiser.into());
    if let Some(Entity::Advertiser(owner)) = owner {
        context.creatives.check(e, &owner.domain, report);
    }
}

fn describe(e: &Creative, report: &mut Report) {
    text::name("name", &e.name, report);
    text::at_most("seat", &e.seat, 100, report);
    if e.domains.is_empty() || e.domains.len() > 5 {
        let problem = format!("has {} domains", e.domains.len());
        report.problem("domains", problem, "name 1 to 5 domains of what is advertised");
    }
    for (position, domain) in e.domains.iter().enumerate() {
        text::domain(format_args!("domains[{position}]"), domain, report);
    }
    for (position, category) in e.categories.iter().enumerate() {
        if !is_category(category) {
            report.problem(
                format_args!("categories[{position}]"),
                format!("{:?} is not an IAB content category", text::excerpt(category)),
                "use a category of taxonomy 1.0 such as \"IAB2\" or \"IAB2-3\"",
            );
        }
    }
    for (position, attribute) in e.attributes.iter().enumerate() {
        if !matches!(attribute, 1..=17 | 500..) {
            report.problem(
                format_args!("attributes[{position}]"),
                format!("{attribute} is not a creative attribute"),
                "use 1 to 17 of the AdCOM list, or an exchange's own from 500",
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
    if video.bitrate_kbps == 0 {
        report.problem("bitrate_kbps", "is 0", "give the media file's bitrate");
    }
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
    if audio.bitrate_kbps == 0 {
        report.problem("bitrate_kbps", "is 0", "give the media file's bitrate");
    }
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
        NativeAsset::Image { width, height, .. } => {
            report.within("image", |report| size(*width, *height, report));
        }
        NativeAsset::Data { kind, value } => report.within("data", |report| {
            if *kind == 0 {
                report.problem("type", "is 0", "use a data type of OpenRTB Native, such as 2");
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

fn duration(duration_ms: u32, report: &mut Report) {
    if !(1..=MAX_DURATION_MS).contains(&duration_ms) {
        let remedy = format!("use 1 to {MAX_DURATION_MS} milliseconds");
        report.problem("duration_ms", format!("is {duration_ms}"), remedy);
    }
}

/// "IAB" and a tier-1 number, then perhaps "-" and a tier-2 number.
fn is_category(text: &str) -> bool {
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.strip_prefix("IAB").is_some_and(|rest| match rest.split_once('-') {
        Some((first, second)) => number(first) && number(second),
        None => number(rest),
    })
}

fn is_language(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_lowercase())
}
