//! Where clicks lead. The target comes from the catalog by the creative's id, never from the URL: a redirect that
//! anyone could aim is a gift to phishers.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use futures_util::StreamExt;
use http::HeaderValue;
use tagbid_catalog::{Entity, Place};
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_runtime::Drain;
use tagbid_types::CreativeId;

/// Between the end of a stream and the next try.
const RETRY: Duration = Duration::from_millis(500);

/// Click URLs by creative. Creatives are never deleted, and a click on an archived one still belongs to somebody who
/// paid for it, so entries are only ever added or replaced.
#[derive(Clone, Default)]
pub(crate) struct Targets(Arc<DashMap<CreativeId, HeaderValue>>);

impl Targets {
    /// Where a click on this creative leads; none: the creative is not known, or has no usable URL.
    pub(crate) fn of(&self, creative: CreativeId) -> Option<HeaderValue> {
        self.0.get(&creative).map(|url| url.clone())
    }

    /// Follows the catalog until the drain.
    pub(crate) async fn follow(self, feed: Arc<dyn CatalogFeed>, drain: Drain) {
        let mut place = Place::default();
        while !drain.started() {
            tokio::select! {
                () = drain.wait() => return,
                ended = self.read(feed.as_ref(), &mut place) => {
                    if !drain.started() {
                        tracing::warn!(?ended, "catalog stream ended; opening it again");
                    }
                }
            }
            tokio::select! {
                () = drain.wait() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// One stream, to its end.
    async fn read(&self, feed: &dyn CatalogFeed, place: &mut Place) -> Option<FeedError> {
        let mut events = feed.subscribe(*place);
        while let Some(event) = events.next().await {
            match event {
                Ok(CatalogEvent::Snapshot(catalog)) => {
                    catalog.entities.values().for_each(|entity| self.learn(entity));
                    *place = catalog.place();
                }
                Ok(CatalogEvent::Changes(changes)) => {
                    for change in changes {
                        self.learn(&change.entity);
                        *place = Place::of(place.life, &change);
                    }
                }
                Ok(CatalogEvent::UpToDate { .. }) => {}
                Err(error) => return Some(error),
            }
        }
        None
    }

    fn learn(&self, entity: &Entity) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
