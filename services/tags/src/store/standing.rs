//! What the list of people says of one id, as stores keep it beside what they have of the id.

use std::time::Duration;

use tagbid_ports::SuppressionChange;
use tagbid_tagset::UserKey;
use tagbid_types::Timestamp;

/// How long it is remembered that an id was erased. What describes the id from before comes late for as long at most:
/// counts and events are refused when they are older, and no snapshot should be.
pub const ERASED_FOR: Duration = Duration::from_secs(super::FREQUENCY_TTL_S);

/// What the list says of one id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Nothing may be kept or known.
    pub suppressed: bool,
    /// What describes the id up to this moment is not kept.
    pub erased: Timestamp,
    /// The other ids of the same person.
    pub others: Vec<UserKey>,
}

impl Standing {
    /// As a change of the list says.
    pub(super) fn of(change: &SuppressionChange) -> Self {
        if change.suppressed {
            return Self { suppressed: true, ..Self::default() };
        }
        let erased = Timestamp(i64::try_from(change.erased.0).unwrap_or(i64::MAX));
        Self { suppressed: false, erased, others: change.others.clone() }
    }

    /// Whether there is nothing to be kept of it.
    pub(super) fn is_nothing(&self) -> bool {
        !self.suppressed && self.erased == Timestamp(0) && self.others.is_empty()
    }

    /// Whether it only says that the id was erased, which is forgotten after [`ERASED_FOR`].
    pub(super) fn ends(&self) -> bool {
        !self.suppressed && self.others.is_empty()
    }

    /// As it is kept in Redis: "1" for who is suppressed, else the moment of the erasure, a semicolon and the others. Empty:
    /// there is nothing to keep.
    pub(super) fn text(&self) -> String {
        if self.suppressed {
            return "1".into();
        }
        if self.is_nothing() {
            return String::new();
        }
        let mut text = format!("{};", self.erased.0);
        for other in &self.others {
            text.push_str(&other.to_string());
        }
        text
    }

    /// Reads that. What is none of ours counts as a sign of suppression: whoever put it there meant the user no good.
    pub(super) fn parse(text: Option<&[u8]>) -> Self {
        let Some(text) = text else { return Self::default() };
        let suppressed = || Self { suppressed: true, ..Self::default() };
        let read = || {
            let (erased, others) = std::str::from_utf8(text).ok()?.split_once(';')?;
            let others = others.as_bytes().chunks(UserKey::TEXT_LEN);
            let others = others.map(|other| UserKey::from_text(std::str::from_utf8(other).ok()?));
            let erased = Timestamp(erased.parse().ok()?);
            Some(Self { suppressed: false, erased, others: others.collect::<Option<_>>()? })
        };
        read().unwrap_or_else(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back_and_anything_else_is_a_suppression() {
        let key = |n| UserKey([n; 16]);
        let all = [
            Standing::default(),
            Standing { suppressed: true, ..Standing::default() },
            Standing { erased: Timestamp(1_763_000_000_000_000), ..Standing::default() },
            Standing { others: vec![key(1), key(255)], ..Standing::default() },
            Standing { erased: Timestamp(7), others: vec![key(9)], suppressed: false },
        ];
        for standing in all {
            let text = standing.text();
            let text = (!text.is_empty()).then_some(text.as_bytes());
            assert_eq!(Standing::parse(text), standing);
        }
        for other in ["", "2", "x;", "7;short", "7", "\u{e9};"] {
            assert!(Standing::parse(Some(other.as_bytes())).suppressed, "{other:?}");
        }
    }
}
