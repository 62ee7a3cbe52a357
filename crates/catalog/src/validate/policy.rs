//! Where creatives may load from and lead to: hosts within the advertiser's domain or the operator's list. The domains
//! that a creative declares for itself (`adomain`) allow nothing: whoever writes the creative writes those too.

#[cfg(test)]
mod tests;

use std::fmt::Display;

use super::{MAX_HTML, html, text};
use crate::{Creative, Markup, NativeAsset, Report};

const REMEDY: &str = "use the advertiser's domain, or ask the operator to allow this one";

/// Where creatives may load from and lead to.
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

    /// Checks every URL of the creative, its landing page included. `own` is the advertiser's domain, which is always
    /// allowed.
    pub fn check(&self, creative: &Creative, own: &str, report: &mut Report) {
        let allowed = |host: &str| {
            let list = || self.domains.iter().any(|domain| text::is_within(host, domain));
            self.any || text::is_within(host, own) || list()
        };
        url("click_url", &creative.click_url, &allowed, report);
        if !creative.preview_url.is_empty() {
            url("preview_url", &creative.preview_url, &allowed, report);
        }
        match &creative.markup {
            Markup::Banner(banner) => self.html("banner.html", &banner.html, &allowed, report),
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

    /// Html that is too long is refused for that, and not worth the search.
    fn html(&self, field: &str, html: &str, allowed: &dyn Fn(&str) -> bool, report: &mut Report) {
        if html.len() > MAX_HTML {
            return;
        }
        let hosts = if self.any { html::Hosts::Any } else { html::Hosts::Only(allowed) };
        match html::check(html, hosts) {
            Ok(()) => {}
            Err(html::Refusal::Host(host)) => {
                report.problem(field, format!("{host} is not an allowed domain"), REMEDY);
            }
            Err(refusal) => report.problem(field, &refusal, refusal.remedy()),
        }
    }
}

fn url(field: impl Display, url: &str, allowed: &dyn Fn(&str) -> bool, report: &mut Report) {
    match text::https_host(url) {
        Ok(host) if allowed(&host) => {}
        Ok(host) => report.problem(field, format!("{host} is not an allowed domain"), REMEDY),
        Err(problem) => report.problem(
            field,
            format!("{:?} {problem}", text::excerpt(url)),
            "use a URL such as \"https://cdn.example.com/a.png\"",
        ),
    }
}
