//! Which of a request's ids stands for the user, and its one standard form.

use thiserror::Error;

/// Longest id, in bytes: encrypted ids of identity providers run to some hundred.
const MAX_ID: usize = 1_024;

/// Longest source, in bytes: a domain name (RFC 1035) or an exchange's name.
const MAX_SOURCE: usize = 253;

/// Kinds of ids, in falling order of trust. The value is part of every key: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum IdKind {
    /// `user.buyeruid`: our own id, matched by the exchange. One space for all exchanges: the source is empty.
    BuyerUid = 1,
    /// `user.eids`: the source is the identity provider's domain.
    Eid = 2,
    /// `device.ifa`: the platforms' ids are UUIDs of one space: the source is empty.
    Ifa = 3,
    /// `user.id`: the exchange's own id; the source is the exchange's name with us.
    ExchangeUser = 4,
}

impl IdKind {
    /// All of them, most trusted first.
    pub const ALL: [Self; 4] = [Self::BuyerUid, Self::Eid, Self::Ifa, Self::ExchangeUser];

    /// The name on the wire and in explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuyerUid => "buyeruid",
            Self::Eid => "eid",
            Self::Ifa => "ifa",
            Self::ExchangeUser => "exchange_user",
        }
    }

    fn has_source(self) -> bool {
        matches!(self, Self::Eid | Self::ExchangeUser)
    }
}

/// An id as somebody sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId<'a> {
    /// Its kind.
    pub kind: IdKind,
    /// Who gave it out, for [`IdKind::Eid`] and [`IdKind::ExchangeUser`]; else empty.
    pub source: &'a str,
    /// The id.
    pub id: &'a str,
}

/// An id that stands for one person or device, ready for its MAC: trimmed; source and hexadecimal advertising ids
/// count as lower case. Other ids are opaque, and case counts. Borrowed; making one allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardId<'a> {
    pub(crate) kind: IdKind,
    pub(crate) source: &'a str,
    pub(crate) id: &'a str,
    pub(crate) lower_id: bool,
}

impl StandardId<'_> {
    /// Its kind.
    pub fn kind(&self) -> IdKind {
        self.kind
    }
}

/// Why an id stands for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// Nothing in it.
    #[error("the id is empty")]
    Empty,
    /// A placeholder that thousands share: null, zeros, an unexpanded macro.
    #[error("the id is a placeholder that stands for nobody")]
    Placeholder,
    /// Over the limit.
    #[error("the id has {0} bytes; at most {MAX_ID} are taken")]
    TooLong(usize),
    /// Control characters.
    #[error("the id has control characters in it")]
    Control,
    /// An eid or an exchange's id without its source.
    #[error("the source is missing: give the identity provider's domain or the exchange's name")]
    NoSource,
    /// A kind that has no source came with one.
    #[error("this kind of id has no source: leave it empty")]
    UnwantedSource,
    /// A source that is no domain or name.
    #[error("the source is over {MAX_SOURCE} bytes or has control characters in it")]
    BadSource,
}

impl<'a> UserId<'a> {
    /// The standard form, or why the id stands for nobody.
    pub fn standard(&self) -> Result<StandardId<'a>, IdError> {
        let id = self.id.trim();
        if id.is_empty() {
            return Err(IdError::Empty);
        }
        if id.len() > MAX_ID {
            return Err(IdError::TooLong(id.len()));
        }
        if id.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(IdError::Control);
        }
        if is_placeholder(id) {
            return Err(IdError::Placeholder);
        }
        Ok(StandardId {
            kind: self.kind,
            source: self.checked_source()?,
            id,
            lower_id: self.kind == IdKind::Ifa && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'),
        })
    }

    fn checked_source(&self) -> Result<&'a str, IdError> {
        let source = self.source.trim();
        match (self.kind.has_source(), source.is_empty()) {
            (true, true) => Err(IdError::NoSource),
            (false, false) => Err(IdError::UnwantedSource),
            _ if source.len() > MAX_SOURCE || source.bytes().any(|b| b.is_ascii_control()) => {
                Err(IdError::BadSource)
            }
            _ => Ok(source),
        }
    }
}

/// The id to know the user by: the most trusted kind that has a usable id, the first of several of that kind.
pub fn choose<'a>(candidates: impl IntoIterator<Item = UserId<'a>>) -> Option<StandardId<'a>> {
    let usable = candidates.into_iter().filter_map(|id| id.standard().ok());
    // `min_by_key` keeps the first of equals.
    usable.min_by_key(|id| id.kind)
}

/// Words that software writes where it has no id, and the ANDROID_ID that a batch of early devices and emulators
/// share (9774d56d682e549c, Android issue 10603).
const NOBODY: [&str; 20] = [
    "null",
    "(null)",
    "<null>",
    "nil",
    "none",
    "nan",
    "undefined",
    "unknown",
    "unavailable",
    "not available",
    "n/a",
    "na",
    "-1",
    "default",
    "anonymous",
    "optout",
    "opt_out",
    "opt-out",
    "[object object]",
    "9774d56d682e549c",
];

fn is_placeholder(id: &str) -> bool {
    NOBODY.iter().any(|word| id.eq_ignore_ascii_case(word)) || is_one_character(id) || is_macro(id)
}

/// "0", "00000000-0000-...", "---", "ffffffff-...": separators apart, zeros, or one character eight times and more.
fn is_one_character(id: &str) -> bool {
    let mut letters = id.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b':' | b'.' | b' '));
    let Some(first) = letters.next() else {
        return true;
    };
    let same =
        letters.try_fold(1_usize, |count, byte| byte.eq_ignore_ascii_case(&first).then_some(count + 1));
    same.is_some_and(|count| first == b'0' || count >= 8)
}

/// `{idfa}`, `${ID}`, `[UID]`, `%%ADVERTISING_ID%%`, `__IDFA__`, `@@uid@@`: a template nobody filled in.
fn is_macro(id: &str) -> bool {
    const FENCES: [(&str, &str); 7] =
        [("{", "}"), ("${", "}"), ("[", "]"), ("<", ">"), ("%%", "%%"), ("__", "__"), ("@@", "@@")];
    FENCES.iter().any(|(open, close)| id.starts_with(open) && id.ends_with(close))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ifa(id: &str) -> UserId<'_> {
        UserId { kind: IdKind::Ifa, source: "", id }
    }

    #[test]
    fn ids_that_thousands_share_stand_for_nobody() {
        let placeholders = [
            "null",
            "NULL",
            "undefined",
            "0",
            "-1",
            "00000000-0000-0000-0000-000000000000",
            "---",
            "000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "FFFFFFFFFFFFFFFF",
            "{idfa}",
            "${UID}",
            "%%GAID%%",
            "__IDFA__",
            "[object Object]",
            "9774d56d682e549c",
            "11111111-1111-1111-1111-111111111111",
        ];
        for id in placeholders {
            assert_eq!(ifa(id).standard(), Err(IdError::Placeholder), "{id}");
        }
        assert_eq!(ifa(" \t ").standard(), Err(IdError::Empty));
        assert_eq!(ifa("a\nb").standard(), Err(IdError::Control));
        assert_eq!(ifa(&"ab".repeat(513)).standard(), Err(IdError::TooLong(1_026)));
    }

    #[test]
    fn real_ids_are_taken() {
        for id in ["11", "f", "null-7", "6D92078A-8246-4BA4-AE5B-76104861E7DC", "aaaaaaa"] {
            assert!(ifa(id).standard().is_ok(), "{id}");
        }
    }

    #[test]
    fn a_source_is_asked_for_exactly_where_it_tells_ids_apart() {
        let eid = UserId { kind: IdKind::Eid, source: " ", id: "x1" };
        assert_eq!(eid.standard(), Err(IdError::NoSource));
        let buyer = UserId { kind: IdKind::BuyerUid, source: "demo", id: "x1" };
        assert_eq!(buyer.standard(), Err(IdError::UnwantedSource));
        let long = "d".repeat(300);
        let eid = UserId { kind: IdKind::Eid, source: &long, id: "x1" };
        assert_eq!(eid.standard(), Err(IdError::BadSource));
    }

    #[test]
    fn the_most_trusted_usable_id_is_chosen() {
        let exchange = UserId { kind: IdKind::ExchangeUser, source: "demo", id: "u1" };
        let eids = ["first", "second"].map(|id| UserId { kind: IdKind::Eid, source: "uidapi.com", id });
        let null_buyer = UserId { kind: IdKind::BuyerUid, source: "", id: "null" };

        let chosen = choose([exchange, ifa("abc1"), eids[0], eids[1], null_buyer]).unwrap();
        assert_eq!((chosen.kind, chosen.id), (IdKind::Eid, "first"));
        assert_eq!(choose([exchange, ifa("abc1")]).unwrap().kind, IdKind::Ifa);
        assert_eq!(choose([null_buyer]), None);
    }
}
