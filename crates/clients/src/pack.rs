//! Users as messages of a load: tags in columns, which cost sender and node a tenth of a message for each tag.

use std::collections::HashMap;

use tagbid_ports::MAX_NAMES;
use tagbid_tagset::IdKind;
use tagbid_types::Timestamp;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::tags as wire;

use crate::load::{TagRef, TagToLoad, UserToLoad};

/// The message of these users; their tags describe that moment.
pub(crate) fn message(users: &[UserToLoad], as_of: Timestamp) -> pb::LoadUsers {
    let mut names = Names::default();
    let users = users.iter().map(|user| {
        let packed = packed(&user.tags, as_of, &mut names);
        let tags = if packed.is_some() { Vec::new() } else { user.tags.iter().map(tag).collect() };
        pb::LoadUser { user: Some(id(user.kind, &user.source, &user.id)), tags, packed }
    });
    pb::LoadUsers { users: users.collect(), names: names.list }
}

/// Each name once.
#[derive(Default)]
struct Names<'a> {
    places: HashMap<&'a str, u32>,
    list: Vec<String>,
}

impl<'a> Names<'a> {
    fn place(&mut self, name: &'a str) -> u32 {
        *self.places.entry(name).or_insert_with(|| {
            self.list.push(name.to_owned());
            self.list.len() as u32 - 1
        })
    }
}

/// Tags in columns; none where that cannot say what they say. Then the node hears them one by one, and what is wrong with
/// one of them is for it to tell.
fn packed<'a>(tags: &'a [TagToLoad], as_of: Timestamp, names: &mut Names<'a>) -> Option<pb::PackedTags> {
    let weights: Option<Vec<u8>> = tags.iter().map(|tag| u8::try_from(tag.weight).ok()).collect();
    let mut columns = pb::PackedTags {
        weights: weights?.into(),
        lifetimes_s: lifetimes(tags, as_of)?,
        ..pb::PackedTags::default()
    };
    let ids = tags.iter().filter(|tag| matches!(tag.tag, TagRef::Id(_))).count();
    if ids != 0 && ids != tags.len() || names.list.len() + tags.len() > MAX_NAMES {
        return None;
    }
    for tag in tags {
        match &tag.tag {
            TagRef::Id(id) => columns.ids.push(*id),
            TagRef::Name(name) => columns.names.push(names.place(name)),
        }
    }
    Some(columns)
}

/// One where all tags live as long, else one for each; none where one of them lives for no time that there is.
fn lifetimes(tags: &[TagToLoad], as_of: Timestamp) -> Option<Vec<u32>> {
    let lifetime = |tag: &TagToLoad| match tag.expires {
        None => Some(0),
        Some(at) => u32::try_from(at.secs().saturating_sub(as_of.secs())).ok().filter(|seconds| *seconds > 0),
    };
    let mut all = tags.iter().map(lifetime).collect::<Option<Vec<_>>>()?;
    if all.iter().all(|one| Some(one) == all.first()) {
        all.truncate(1);
    }
    Some(all)
}

/// A raw id on its way to a tags role.
pub(crate) fn id(kind: IdKind, source: &str, id: &str) -> pb::UserId {
    let kind = match kind {
        IdKind::BuyerUid => pb::IdKind::Buyeruid,
        IdKind::Eid => pb::IdKind::Eid,
        IdKind::Ifa => pb::IdKind::Ifa,
        IdKind::ExchangeUser => pb::IdKind::ExchangeUser,
    };
    pb::UserId { kind: kind.into(), source: source.into(), id: id.into() }
}

fn tag(tag: &TagToLoad) -> pb::LoadTag {
    pb::LoadTag {
        tag: Some(match &tag.tag {
            TagRef::Id(id) => pb::load_tag::Tag::Id(*id),
            TagRef::Name(name) => pb::load_tag::Tag::Name(name.clone()),
        }),
        weight: tag.weight,
        expires: tag.expires.map(wire::to_timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AS_OF: Timestamp = Timestamp(1_000_000_000);

    fn by_name(name: &str, weight: u32, lives_s: Option<i64>) -> TagToLoad {
        let expires = lives_s.map(|seconds| Timestamp::from_secs(AS_OF.secs() + seconds));
        TagToLoad { tag: TagRef::Name(name.into()), weight, expires }
    }

    fn by_id(id: u32, weight: u32, lives_s: Option<i64>) -> TagToLoad {
        TagToLoad { tag: TagRef::Id(id), ..by_name("", weight, lives_s) }
    }

    fn user(tags: Vec<TagToLoad>) -> UserToLoad {
        UserToLoad { kind: IdKind::Ifa, source: String::new(), id: "a".into(), tags }
    }

    fn columns(tags: Vec<TagToLoad>) -> Option<pb::PackedTags> {
        message(&[user(tags)], AS_OF).users.remove(0).packed
    }

    #[test]
    fn tags_go_in_columns_and_names_once_a_message() {
        let users = [
            user(vec![by_name("cars", 1, None), by_name("tea", 2, None)]),
            user(vec![by_name("tea", 3, Some(9))]),
        ];
        let message = message(&users, AS_OF);
        assert_eq!(message.names, ["cars", "tea"]);
        let [one, other] = [0, 1].map(|n: usize| message.users[n].packed.clone().unwrap());
        assert_eq!((one.names, &one.weights[..], one.lifetimes_s), (vec![0, 1], &[1, 2][..], vec![0]));
        assert_eq!((other.names, &other.weights[..], other.lifetimes_s), (vec![1], &[3][..], vec![9]));
        assert!(message.users.iter().all(|user| user.tags.is_empty()));

        let ids = columns(vec![by_id(7, 255, Some(5)), by_id(3, 0, None)]).unwrap();
        assert_eq!((ids.ids, ids.names, ids.lifetimes_s), (vec![7, 3], vec![], vec![5, 0]));
        assert_eq!(columns(vec![]), Some(pb::PackedTags::default()));
    }

    #[test]
    fn what_columns_cannot_say_is_said_tag_by_tag() {
        for tags in [
            vec![by_id(7, 256, None)],
            vec![by_id(7, 1, Some(0))],
            vec![by_id(7, 1, Some(-5))],
            vec![by_id(7, 1, Some(1 << 32))],
            vec![by_id(7, 1, None), by_name("tea", 1, None)],
        ] {
            let message = message(&[user(tags.clone())], AS_OF);
            assert_eq!((&message.users[0].packed, message.users[0].tags.len()), (&None, tags.len()));
            assert!(message.names.is_empty(), "no name is sent that nobody has");
        }
    }
}
