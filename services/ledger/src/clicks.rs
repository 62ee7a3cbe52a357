//! Where clicks lead. The target comes from the catalog by the creative's id, never from the URL: a redirect that
//! anyone could aim is a gift to phishers.

use std::sync::Arc;

use dashmap::DashMap;
use http::HeaderValue;
use tagbid_catalog::Entity;
use tagbid_types::CreativeId;

/// Click URLs by creative. Creatives are never deleted, and a click on an archived one still belongs to somebody who
/// paid for it, so entries are only ever added or replaced.
#[derive(Clone, Default)]
pub(crate) struct Targets(Arc<DashMap<CreativeId, HeaderValue>>);

impl Targets {
    /// Where a click on this creative leads; none: the creative is not known, or has no usable URL.
    pub(crate) fn of(&self, creative: CreativeId) -> Option<HeaderValue> {
        self.0.get(&creative).map(|url| url.clone())
    }

    /// Takes an entity in; only creatives matter.
    pub(crate) fn learn(&self, entity: &Entity) {
        let Entity::Creative(creative) = entity else {
            return;
        };
        match target(&creative.click_url) {
            Some(url) => drop(self.0.insert(creative.id, url)),
            None => drop(self.0.remove(&creative.id)),
        }
    }
}

/// A URL that may go into a Location header: absolute, on the web, one line.
fn target(url: &str) -> Option<HeaderValue> {
    let lower = url.get(..8)?.to_ascii_lowercase();
    let web = lower.starts_with("https://") || lower.starts_with("http://");
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic());
    (web && plain).then(|| HeaderValue::from_str(url).ok()).flatten()
}

/// The address with the click's id as one more parameter; all else of it stays as it is.
pub(crate) fn with_click(target: &HeaderValue, parameter: &str, id: &str) -> Option<HeaderValue> {
    let target = target.to_str().ok()?;
    let (address, fragment) = target.split_at(target.find('#').unwrap_or(target.len()));
    let joint = match address.rsplit_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    HeaderValue::from_str(&format!("{address}{joint}{parameter}={id}{fragment}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clicks_id_is_one_more_parameter() {
        for (target, with_id) in [
            ("https://shop.example", "https://shop.example?t=ID"),
            ("https://shop.example/a?c=1", "https://shop.example/a?c=1&t=ID"),
            ("https://shop.example/a?c=1#top?x", "https://shop.example/a?c=1&t=ID#top?x"),
            ("https://shop.example/#/app", "https://shop.example/?t=ID#/app"),
            ("https://shop.example/?", "https://shop.example/?t=ID"),
            ("https://shop.example/?a&", "https://shop.example/?a&t=ID"),
        ] {
            let target = HeaderValue::from_static(target);
            assert_eq!(with_click(&target, "t", "ID").unwrap(), with_id);
        }
    }

    #[test]
    fn only_web_addresses_of_one_line_are_targets() {
        assert!(target("https://shop.example/landing?c=1").is_some());
        assert!(target("HTTP://shop.example").is_some());
        for bad in [
            "",
            "javascript:alert(1)",
            "//evil.example",
            "https://a\r\nSet-Cookie: x=1",
            "data:text/html,x",
            "https://ä.example",
        ] {
            assert!(target(bad).is_none(), "{bad:?} was accepted");
        }
    }
}
