//! Which of the request's ids stands for the user, and all of them, as keys. Raw ids end here.

use smallvec::SmallVec;
use tagbid_openrtb::Request;
use tagbid_ports::{OtherKeys, UserKeys};
use tagbid_tagset::{IdKind, MacKeys, StandardId, UserId};
use tagbid_types::ExchangeName;

/// The user by the most trusted id that is one: our own (buyeruid), then an extended id, the device's advertising
/// id, the exchange's id. With it the others, under which the user may be suppressed; nobody where there are so many that
/// not all can be looked at.
pub(crate) fn user(request: &Request<'_>, exchange: &ExchangeName, keys: &MacKeys) -> Option<UserKeys> {
    let mut ids: SmallVec<[StandardId<'_>; 8]> = SmallVec::new();
    for id in candidates(request, exchange).filter_map(|id| id.standard().ok()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    // Keeps the order of equals.
    ids.sort_by_key(StandardId::kind);
    let (chosen, rest) = ids.split_first()?;
    let (user, previous) = keys.user_keys(chosen);
    let in_use = || [&keys.current].into_iter().chain(&keys.previous);
    let elsewhere = rest.iter().flat_map(|id| in_use().map(move |key| key.user_key(id)));
    let retired = ids.iter().flat_map(|id| keys.retired.iter().map(move |key| key.user_key(id)));
    let mut others = OtherKeys::NONE;
    elsewhere.chain(retired).all(|key| others.push(key)).then_some(UserKeys { user, previous, others })
}

fn candidates<'a>(request: &'a Request<'a>, exchange: &'a ExchangeName) -> impl Iterator<Item = UserId<'a>> {
    let user = request.user;
    let of = |kind, source, id| UserId { kind, source, id };
    let buyer = user.and_then(|u| u.buyeruid).map(|id| of(IdKind::BuyerUid, "", id));
    let eids = user.map(|u| u.eids).unwrap_or_default().iter();
    let extended = eids.flat_map(move |eid| {
        let source = eid.source.unwrap_or_default();
        eid.uids.iter().filter_map(move |uid| Some(of(IdKind::Eid, source, uid.id?)))
    });
    let device = request.device.and_then(|d| d.ifa).map(|id| of(IdKind::Ifa, "", id));
    let own = user.and_then(|u| u.id).map(|id| of(IdKind::ExchangeUser, exchange.as_str(), id));
    buyer.into_iter().chain(extended).chain(device).chain(own)
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;
    use tagbid_openrtb::{Limits, from_json};
    use tagbid_ports::MAX_OTHER_KEYS;
    use tagbid_tagset::{MacKey, UserKey};

    use super::*;

    fn mac_key(version: u8) -> MacKey {
        MacKey::new(version, &[version; 32]).unwrap()
    }

    fn found(body: &str, keys: &MacKeys) -> Option<UserKeys> {
        let arena = Bump::new();
        let body = body.replacen('{', r#"{"id":"1","imp":[{"id":"1","banner":{"w":1,"h":1}}],"#, 1);
        let request = from_json(body.as_bytes(), &arena, Limits::default()).unwrap();
        user(&request, &"acme".parse().unwrap(), keys)
    }

    fn key(version: u8, kind: IdKind, source: &str, id: &str) -> UserKey {
        mac_key(version).user_key(&UserId { kind, source, id }.standard().unwrap())
    }

    const ALL: &str = r#"{"site":{},"device":{"ifa":"ab12"},"user":{"id":"u1","buyeruid":"b1",
        "eids":[{"source":"x.com","uids":[{"id":"e1"},{"id":"null"},{"id":"e1"}]}]}}"#;

    #[test]
    fn the_most_trusted_id_is_the_user_and_the_others_are_looked_at() {
        let found = found(ALL, &MacKeys::only(mac_key(1))).unwrap();
        assert_eq!((found.user, found.previous), (key(1, IdKind::BuyerUid, "", "b1"), None));
        let others = [
            key(1, IdKind::Eid, "x.com", "e1"),
            key(1, IdKind::Ifa, "", "ab12"),
            key(1, IdKind::ExchangeUser, "acme", "u1"),
        ];
        assert_eq!(found.others.as_slice(), others);
    }

    #[test]
    fn while_keys_rotate_and_after_every_id_is_looked_at_under_every_key() {
        let keys = MacKeys { current: mac_key(3), previous: Some(mac_key(2)), retired: vec![mac_key(1)] };
        let found = found(r#"{"site":{},"device":{"ifa":"ab12"},"user":{"id":"u1"}}"#, &keys).unwrap();
        let ifa = |version| key(version, IdKind::Ifa, "", "ab12");
        let own = |version| key(version, IdKind::ExchangeUser, "acme", "u1");
        assert_eq!((found.user, found.previous), (ifa(3), Some(ifa(2))));
        assert_eq!(found.others.as_slice(), [own(3), own(2), ifa(1), own(1)]);
    }

    #[test]
    fn a_request_with_more_ids_than_can_be_looked_at_has_no_user() {
        let keys = MacKeys::only(mac_key(1));
        let with = |ids: usize| {
            let uids: Vec<_> = (0..ids).map(|n| format!(r#"{{"id":"e{n}"}}"#)).collect();
            let eids = format!(r#"[{{"source":"x.com","uids":[{}]}}]"#, uids.join(","));
            found(&format!(r#"{{"site":{{}},"user":{{"eids":{eids}}}}}"#), &keys)
        };
        assert!(with(MAX_OTHER_KEYS + 1).is_some());
        assert_eq!(with(MAX_OTHER_KEYS + 2), None);
        assert_eq!(with(0), None);
    }
}
