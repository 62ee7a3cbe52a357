//! Impressions and what became of them, to and from the plain types of `ports`.

use tagbid_ports::{CountOutcome, Impression};
use tagbid_tagset::UserKey;
use tagbid_tagset::frequency::{Counted, Horizon, Window};
use tagbid_types::{AdvertiserId, CampaignId, LineItemId};

use crate::pb::tags as pb;
use crate::pb::tags::counted_entity::Entity;
use crate::tags::{timestamp, to_timestamp};

/// Writes an impression.
pub fn impression_to(one: &Impression) -> pb::Impression {
    let entity = |counted: &Counted| pb::CountedEntity {
        entity: Some(match *counted {
            Counted::LineItem(id) => Entity::LineItem(id.0),
            Counted::Campaign(id) => Entity::Campaign(id.0),
            Counted::Advertiser(id) => Entity::Advertiser(id.0),
        }),
        horizon: horizon_to(one.capped.iter().find(|(capped, _)| capped == counted)).into(),
    };
    pb::Impression {
        user: one.user.0.to_vec().into(),
        event: one.event.to_be_bytes().to_vec().into(),
        seen: Some(to_timestamp(one.at)),
        counted: one.counted.iter().map(entity).collect(),
    }
}

/// Reads an impression, or says what is wrong with it.
pub fn impression_from(one: &pb::Impression) -> Result<Impression, &'static str> {
    let user = <[u8; 16]>::try_from(&*one.user).map_err(|_| "user: send the key's 16 bytes")?;
    let event = <[u8; 16]>::try_from(&*one.event).map_err(|_| "event: send the id's 16 bytes")?;
    let at = one.seen.as_ref().and_then(timestamp).ok_or("seen: missing, or no time")?;
    let counted = |entity: &pb::CountedEntity| {
        let counted = match entity.entity? {
            Entity::LineItem(id) => Counted::LineItem(LineItemId(id)),
            Entity::Campaign(id) => Counted::Campaign(CampaignId(id)),
            Entity::Advertiser(id) => Counted::Advertiser(AdvertiserId(id)),
        };
        Some((counted, horizon_from(entity.horizon())))
    };
    let all = one.counted.iter().map(counted).collect::<Option<Vec<_>>>();
    let all = all.ok_or("counted: a kind of entity that this version does not know")?;
    let counted = all.iter().map(|(counted, _)| *counted).collect();
    let capped = all.into_iter().filter(|(_, horizon)| *horizon != Horizon::None).collect();
    Ok(Impression { user: UserKey(user), event: u128::from_be_bytes(event), at, counted, capped })
}

fn horizon_to(capped: Option<&(Counted, Horizon)>) -> pb::Horizon {
    match capped.map_or(Horizon::None, |(_, horizon)| *horizon) {
        Horizon::None => pb::Horizon::Unspecified,
        Horizon::Within(Window::Minute) => pb::Horizon::Minute,
        Horizon::Within(Window::Hour) => pb::Horizon::Hour,
        Horizon::Within(Window::Day) => pb::Horizon::Day,
        Horizon::Within(Window::Week) => pb::Horizon::Week,
        Horizon::Ever => pb::Horizon::Ever,
    }
}

fn horizon_from(horizon: pb::Horizon) -> Horizon {
    match horizon {
        pb::Horizon::Unspecified => Horizon::None,
        pb::Horizon::Minute => Horizon::Within(Window::Minute),
        pb::Horizon::Hour => Horizon::Within(Window::Hour),
        pb::Horizon::Day => Horizon::Within(Window::Day),
        pb::Horizon::Week => Horizon::Within(Window::Week),
        pb::Horizon::Ever => Horizon::Ever,
    }
}

/// Writes what became of an impression.
pub fn outcome_to(outcome: CountOutcome) -> pb::CountResult {
    use pb::CountStatus as S;
    let (status, description) = match outcome {
        CountOutcome::Counted => (S::Counted, String::new()),
        CountOutcome::Repeated => (S::Repeated, String::new()),
        CountOutcome::Suppressed => (S::Suppressed, String::new()),
        CountOutcome::Refused(why) => (S::Refused, why),
        CountOutcome::Later(why) => (S::Later, why),
    };
    pb::CountResult { status: status.into(), description }
}

/// Reads what became of an impression. A status that this version does not know is none that it may rely on.
pub fn outcome_from(result: pb::CountResult) -> CountOutcome {
    use pb::CountStatus as S;
    match result.status() {
        S::Counted => CountOutcome::Counted,
        S::Repeated => CountOutcome::Repeated,
        S::Suppressed => CountOutcome::Suppressed,
        S::Refused => CountOutcome::Refused(result.description),
        S::Later | S::Unspecified => CountOutcome::Later(result.description),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagbid_types::Timestamp;

    fn impression() -> Impression {
        Impression {
            user: UserKey([3; 16]),
            event: 1 << 100,
            at: Timestamp(1_735_689_600_123_456),
            counted: vec![
                Counted::LineItem(LineItemId(u64::MAX)),
                Counted::Campaign(CampaignId(2)),
                Counted::Advertiser(AdvertiserId(0)),
            ],
            capped: vec![
                (Counted::LineItem(LineItemId(u64::MAX)), Horizon::Within(Window::Week)),
                (Counted::Advertiser(AdvertiserId(0)), Horizon::Ever),
            ],
        }
    }

    #[test]
    fn impressions_and_outcomes_survive_the_wire() {
        assert_eq!(impression_from(&impression_to(&impression())), Ok(impression()));
        let outcomes = [
            CountOutcome::Counted,
            CountOutcome::Repeated,
            CountOutcome::Suppressed,
            CountOutcome::Refused("no".into()),
            CountOutcome::Later("soon".into()),
        ];
        for outcome in outcomes {
            assert_eq!(outcome_from(outcome_to(outcome.clone())), outcome);
        }
        let unknown = pb::CountResult { status: 99, description: "?".into() };
        assert_eq!(outcome_from(unknown), CountOutcome::Later("?".into()));
    }

    #[test]
    fn what_is_no_impression_is_refused() {
        let good = impression_to(&impression());
        let bad = [
            pb::Impression { user: vec![1; 15].into(), ..good.clone() },
            pb::Impression { event: vec![1; 17].into(), ..good.clone() },
            pb::Impression { seen: None, ..good.clone() },
            pb::Impression { counted: vec![pb::CountedEntity { entity: None, horizon: 0 }], ..good },
        ];
        for one in bad {
            assert!(impression_from(&one).is_err(), "{one:?}");
        }
    }
}
