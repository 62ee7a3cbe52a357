//! Who is calling, once a credential has been believed.

use crate::{AdvertiserId, ExchangeName};

/// What a caller may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The operator: every advertiser.
    Operator,
    /// One advertiser's own rows, and nothing else.
    Advertiser(AdvertiserId),
    /// Another role of this deployment (a bidder reading the catalog stream, say). No advertiser API.
    Role,
    /// One exchange's own bid requests, and nothing else.
    Exchange(ExchangeName),
}

/// A caller that one layer (`runtime`) has authenticated. Every method of the campaigns role takes one and every
/// query filters by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Name of the credential, for the audit log; never the credential.
    pub name: String,
    /// What the credential opens.
    pub scope: Scope,
}

impl Principal {
    /// Whether this caller may see or change rows of `owner`.
    pub fn may_touch(&self, owner: AdvertiserId) -> bool {
        match self.scope {
            Scope::Operator => true,
            Scope::Advertiser(own) => own == owner,
            Scope::Role | Scope::Exchange(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertiser_touches_only_its_own() {
        let own = Principal { name: "acme".into(), scope: Scope::Advertiser(AdvertiserId(7)) };
        assert!(own.may_touch(AdvertiserId(7)));
        assert!(!own.may_touch(AdvertiserId(8)));
        let role = Principal { name: "bidder".into(), scope: Scope::Role };
        assert!(!role.may_touch(AdvertiserId(7)));
        let exchange = Scope::Exchange("demo".parse().unwrap());
        assert!(!Principal { name: "demo".into(), scope: exchange }.may_touch(AdvertiserId(7)));
    }
}
