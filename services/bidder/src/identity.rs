//! Which of the request's ids stands for the user, as a key. Raw ids end here.

use tagbid_openrtb::Request;
use tagbid_tagset::{IdKind, MacKeys, UserId, UserKey, choose};
use tagbid_types::ExchangeName;

/// A user under the current MAC key and, while keys rotate, the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) key: UserKey,
    pub(crate) previous: Option<UserKey>,
}

/// The user by the most trusted id that is one: our own (buyeruid), then an extended id, the device's advertising
/// id, the exchange's id.
pub(crate) fn user(request: &Request<'_>, exchange: &ExchangeName, keys: &MacKeys) -> Option<User> {
    let user = request.user;
    let of = |kind, source, id| UserId { kind, source, id };
    let buyer = user.and_then(|u| u.buyeruid).map(|id| of(IdKind::BuyerUid, "", id));
    let eids = user.map(|u| u.eids).unwrap_or_default().iter();
    let extended = eids.flat_map(|eid| {
        let source = eid.source.unwrap_or_default();
        eid.uids.iter().filter_map(move |uid| Some(of(IdKind::Eid, source, uid.id?)))
    });
    let device = request.device.and_then(|d| d.ifa).map(|id| of(IdKind::Ifa, "", id));
    let own = user.and_then(|u| u.id).map(|id| of(IdKind::ExchangeUser, exchange.as_str(), id));
    let chosen = choose(buyer.into_iter().chain(extended).chain(device).chain(own))?;
    let (key, previous) = keys.user_keys(&chosen);
    Some(User { key, previous })
}
