//! The names of keys. The braces make a hash tag: everything of a user lies in one slot of a Redis Cluster, so one
//! MGET serves a lookup there too.

use tagbid_tagset::UserKey;
use tagbid_types::DatasetId;

use crate::store::Version;

/// Hash of the datasets that are written user by user: the latest as-of time of each, in microseconds since 1970.
pub(super) const AS_OF: &str = "{ds}:as_of";

/// The hash tag of [`AS_OF`].
pub(super) const AS_OF_TAG: &str = "ds";

/// Holds the versions that a single Redis has.
pub(super) const MARK: &str = "versions";

/// Holds those of the slot that this hash tag is in.
pub(super) fn mark_of_slot(tag: &str) -> String {
    format!("versions:{{{tag}}}")
}

/// Holds the [`Sentinel`](crate::store::Sentinel) of a single Redis.
pub(super) const SENTINEL: &str = "suppression";

/// Holds that of the slot that this hash tag is in.
pub(super) fn sentinel_of_slot(tag: &str) -> String {
    format!("suppression:{{{tag}}}")
}

/// Offline blob of one snapshot version.
pub(super) fn offline(version: Version, user: UserKey) -> String {
    offline_of(version, &user.to_string())
}

/// The same of a user whose text is there.
pub(super) fn offline_of(version: Version, user: &str) -> String {
    format!("o:{version}:{{{user}}}")
}

/// What is read of a user: the names of the keys, without the user, in the order that their values are taken in. Made once
/// for all users of a lookup.
pub(super) struct Names(Vec<String>);

impl Names {
    /// What the list of people says, and no more.
    pub(super) fn of_standing() -> Self {
        Self(vec!["x:{".into()])
    }

    /// What the list of people says, the real-time blob, counts if they are wanted, and the blobs of these versions.
    pub(super) fn of_all(versions: &[Version], frequency: bool) -> Self {
        let mut names = Vec::with_capacity(3 + versions.len());
        names.extend(["x:{".to_owned(), "r:{".to_owned()]);
        names.extend(frequency.then(|| "f:{".to_owned()));
        names.extend(versions.iter().map(|version| format!("o:{version}:{{")));
        Self(names)
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Gives the user's names to `take`, one after the other.
    pub(super) fn of(&self, user: UserKey, mut take: impl FnMut(&str)) {
        let (user, mut name) = (user.text(), String::with_capacity(LONGEST));
        for begin in &self.0 {
            name.clear();
            for part in [begin, user.as_str(), "}"] {
                name.push_str(part);
            }
            take(&name);
        }
    }
}

/// Bytes of the longest name of a user's key: two numbers of ten digits.
pub(super) const LONGEST: usize = 48;

/// The pattern of all blobs of a version.
pub(super) fn of_version(version: Version) -> String {
    format!("o:{version}:*")
}

/// Real-time blob.
pub(super) fn realtime(user: UserKey) -> String {
    format!("r:{{{user}}}")
}

/// Frequency blob.
pub(super) fn frequency(user: UserKey) -> String {
    format!("f:{{{user}}}")
}

/// What the list of people says of the user.
pub(super) fn suppressed(user: UserKey) -> String {
    suppressed_of(user.text().as_str())
}

/// The same of a user whose text is there.
pub(super) fn suppressed_of(user: &str) -> String {
    format!("x:{{{user}}}")
}

/// The pattern of keys with tags of users whose key begins with so many zero bits, six to a letter, the rest let in.
pub(super) fn with_tags(zeros: u32) -> String {
    format!("[or]:*{{{}*", "A".repeat(zeros as usize / 6))
}

/// Whose tags this key holds; none when it holds something else, or tags of a version that is not active.
pub(super) fn user_with_tags(name: &[u8], versions: &[Version]) -> Option<UserKey> {
    let (kind, user) = std::str::from_utf8(name).ok()?.strip_suffix('}')?.split_once(":{")?;
    let active = kind.strip_prefix("o:").and_then(|snapshot| {
        let (dataset, version) = snapshot.split_once(':')?;
        let snapshot = Version { dataset: DatasetId(dataset.parse().ok()?), number: version.parse().ok()? };
        Some(versions.contains(&snapshot))
    });
    if kind == "r" || active == Some(true) { UserKey::from_text(user) } else { None }
}

/// Whose hash tag a key has; none when it is nobody's.
pub(super) fn user_of(name: &str) -> Option<UserKey> {
    let (_, tag) = name.split_once('{')?;
    UserKey::from_text(tag.split_once('}')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_lookup_are_those_of_writes() {
        let (version, user) = (Version { dataset: DatasetId(u32::MAX), number: u32::MAX }, UserKey([7; 16]));
        let named = |names: Names| {
            let mut all = Vec::new();
            names.of(user, |name| all.push(name.to_owned()));
            assert!(all.len() == names.count() && all.iter().all(|name| name.len() <= LONGEST));
            all
        };
        assert_eq!(named(Names::of_standing()), [suppressed(user)]);
        let all = [suppressed(user), realtime(user), frequency(user), offline(version, user)];
        assert_eq!(named(Names::of_all(&[version], true)), all);
        assert_eq!(named(Names::of_all(&[], false)), all[..2]);
    }

    #[test]
    fn keys_with_tags_are_told_from_others() {
        let version = |dataset, number| Version { dataset: DatasetId(dataset), number };
        let (user, versions) = (UserKey([7; 16]), [version(3, 2)]);
        for name in [realtime(user), offline(version(3, 2), user)] {
            assert_eq!(user_with_tags(name.as_bytes(), &versions), Some(user), "{name}");
        }
        let others = [
            offline(version(3, 1), user),
            offline(version(4, 2), user),
            frequency(user),
            suppressed(user),
            mark_of_slot("3"),
            AS_OF.into(),
            SENTINEL.into(),
            "r:{short}".into(),
            "o:{AAAAAAAAAAAAAAAAAAAAAA}".into(),
        ];
        for name in others {
            assert_eq!(user_with_tags(name.as_bytes(), &versions), None, "{name}");
        }
        assert_eq!(user_with_tags(b"r:{\xff}", &versions), None);
    }

    #[test]
    fn the_pattern_lets_every_user_of_a_level_in() {
        assert_eq!(
            (with_tags(5), with_tags(6), with_tags(13)),
            ("[or]:*{*".into(), "[or]:*{A*".into(), "[or]:*{AA*".into())
        );
        let mut key = [0xff; 16];
        (key[0], key[1]) = (0, 0b0000_0111);
        assert!(realtime(UserKey(key)).starts_with("r:{AA"), "13 zero bits are two letters and a bit");
    }
}
