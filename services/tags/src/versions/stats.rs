//! What loads of snapshots came to, for metrics.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::DescriptorEncoder;
use tagbid_runtime::metrics::{Counter, encode_counter, encode_counters, encode_gauge, encode_gauges};

use crate::pace::Held;

/// Why users were refused, by the field that was wrong.
const REASONS: [&str; 6] = ["user", "tag", "name", "weight", "expires", "tags"];

/// Of one node. Counted by the message, so nothing here is contended.
#[derive(Debug, Default)]
pub(crate) struct LoadStats {
    users: Counter,
    bytes: Counter,
    rejects: [Counter; REASONS.len()],
    began: Counter,
    ended: Arc<Counter>,
    dropped: Counter,
    lost: Counter,
}

/// A load that is under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<Counter>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.inc();
    }
}

/// Which reason stands behind a field, such as `tags[3].name`.
fn reason(field: &str) -> usize {
    let last = field.rsplit('.').next().unwrap_or(field);
    let last = if field.starts_with("user") { "user" } else { last };
    REASONS.iter().position(|reason| *reason == last).unwrap_or(REASONS.len() - 1)
}

impl LoadStats {
    pub(super) fn open(&self) -> Open {
        self.began.inc();
        Open(Arc::clone(&self.ended))
    }

    pub(super) fn loaded(&self, users: u64, bytes: u64) {
        self.users.add(users);
        self.bytes.add(bytes);
    }

    pub(crate) fn rejected<'a>(&self, fields: impl Iterator<Item = &'a str>) {
        fields.for_each(|field| self.rejects[reason(field)].inc());
    }

    pub(super) fn dropped(&self) {
        self.dropped.inc();
    }

    pub(super) fn lost(&self) {
        self.lost.inc();
    }

    pub(super) fn encode(&self, held: Option<Held>, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        encode_counter(to, "tagbid_tags_load_users", "Users that loads wrote", self.users.get())?;
        let help = "Bytes of the blobs that loads wrote, without their keys";
        encode_counter(to, "tagbid_tags_load_bytes", help, self.bytes.get())?;
        let rejects = REASONS.iter().zip(&self.rejects);
        let rejects = rejects.map(|(reason, count)| ([("reason", *reason)], count.get()));
        encode_counters(to, "tagbid_tags_load_rejects", "Users that loads refused, by reason", rejects)?;
        let under_way = self.began.get().saturating_sub(self.ended.get());
        let under_way = i64::try_from(under_way).unwrap_or(i64::MAX);
        encode_gauge(to, "tagbid_tags_loads", "Loads under way", under_way)?;
        let help = "1 while lookups slow loads down";
        encode_gauge(to, "tagbid_tags_load_throttled", help, held.is_some_and(|held| held.binding).into())?;
        let none: [(&'static str, &'static str); 0] = [];
        let rate = held.iter().map(|held| (none, held.rate));
        let help = "Users a second that loads may write, while there are any";
        encode_gauges(to, "tagbid_tags_load_rate_limit", help, rate)?;
        let p99 = held.iter().flat_map(|held| [("idle", held.idle), ("loading", held.busy)]);
        let p99 = p99.map(|(state, p99)| ([("state", state)], p99.as_secs_f64()));
        let help = "p99 of lookups of the store as loads see it: while nobody writes, and while they do";
        encode_gauges(to, "tagbid_tags_load_lookup_p99_seconds", help, p99)?;
        let help = "Versions that this node deleted";
        encode_counter(to, "tagbid_tags_versions_dropped", help, self.dropped.get())?;
        let help = "Times that a load or an activation found a version, or a part of it, lost by the store";
        encode_counter(to, "tagbid_tags_versions_lost", help, self.lost.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_reason() {
        let of = |field| REASONS[reason(field)];
        let fields =
            ["user.id", "user", "tags[0].name", "tags[12].weight", "tags[1].expires", "tags[0].tag", "tags"];
        let reasons = ["user", "user", "name", "weight", "expires", "tag", "tags"];
        assert_eq!(fields.map(of), reasons);
        assert_eq!(of("something.new"), "tags");
    }
}
