//! Who the demo's people are, and what is known of them. Everything about a person follows from the number.

use anyhow::Context;
use bytes::Bytes;
use tagbid_exchange::Dice;
use tagbid_exchange::world::{TOPICS, World};
use tagbid_ports::TagWriter;
use tagbid_tagset::offline::OfflineTag;
use tagbid_tagset::realtime::RealtimeTag;
use tagbid_tagset::{IdKind, MacKey, UserId, UserKey, offline, realtime};
use tagbid_types::{TagId, Timestamp};

use super::catalog::{
    Audience, Ids, READING_HALF_LIFE_S, TRADERS, VISIT_HALF_LIFE_S, customer, intent, interest, reading,
    visitor,
};

/// Users written in one call.
const BATCH: u32 = 2_000;

const DAY_S: u32 = 86_400;

/// The nightly batch ran so long ago.
const BATCH_AGE_S: i64 = 6 * 3_600;

/// A weight of a tag of the plan.
type Weighted = (TagId, u8);

/// What is known of a person, in tags of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) interests: Vec<Weighted>,
    pub(super) intents: Vec<Weighted>,
    pub(super) customer: Vec<Weighted>,
    /// Tag, weight at the event, age in seconds, half-life.
    pub(super) events: Vec<(TagId, u8, u32, u32)>,
}

impl Profile {
    /// The person of this number.
    pub(super) fn of(number: u32) -> Self {
        // An offset of its own, so that tags say nothing about where the generator's people live.
        let mut dice = Dice::new(0x7461_6773_0000_0000 | u64::from(number));
        let weight = |dice: &mut Dice| u8::try_from(dice.between(40, 255)).unwrap_or(u8::MAX);
        let mut profile = Self::default();
        for topic in 0..TOPICS.len() {
            if dice.chance(0.25) {
                profile.interests.push((interest(topic), weight(&mut dice)));
            }
        }
        for trader in 0..TRADERS.len() {
            if dice.chance(0.2) {
                profile.intents.push((intent(trader), weight(&mut dice)));
            }
            if dice.chance(0.05) {
                profile.customer.push((customer(trader), 255));
            }
        }
        if number.is_multiple_of(3) {
            profile.live(&mut dice);
        }
        profile
    }

    /// What the person did in the last hours.
    fn live(&mut self, dice: &mut Dice) {
        let age = |dice: &mut Dice| u32::try_from(dice.between(30, 3 * 3_600)).unwrap_or(0);
        let weight = |dice: &mut Dice| u8::try_from(dice.between(100, 255)).unwrap_or(u8::MAX);
        for trader in 0..TRADERS.len() {
            if dice.chance(0.15) {
                self.events.push((visitor(trader), weight(dice), age(dice), VISIT_HALF_LIFE_S));
            }
        }
        for topic in 0..TOPICS.len() {
            if dice.chance(0.12) {
                self.events.push((reading(topic), weight(dice), age(dice), READING_HALF_LIFE_S));
            }
        }
    }

    fn offline(&self, dataset: Audience) -> &[Weighted] {
        match dataset {
            Audience::Interests => &self.interests,
            Audience::Intent => &self.intents,
            Audience::Customers => &self.customer,
        }
    }
}

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Users with offline tags.
    pub(super) users: u32,
    /// Offline blobs: one for each user and dataset that knows the user.
    pub(super) blobs: usize,
    /// Users with real-time tags.
    pub(super) live: usize,
}

/// Writes the tags of users 1 to `users`.
pub(super) async fn write(
    writer: &dyn TagWriter,
    key: &MacKey,
    ids: &Ids,
    users: u32,
    now: Timestamp,
) -> anyhow::Result<Written> {
    let mut written = Written { users, ..Written::default() };
    let as_of = Timestamp::from_secs(now.secs() - BATCH_AGE_S);
    for first in (1..=users).step_by(BATCH as usize) {
        let last = users.min(first.saturating_add(BATCH - 1));
        let people = (first..=last).map(|number| Ok((user_key(key, number)?, Profile::of(number))));
        let people: Vec<(UserKey, Profile)> = people.collect::<anyhow::Result<_>>()?;
        for dataset in Audience::ALL {
            let blobs = people.iter().filter_map(|(user, profile)| {
                let tags = profile.offline(dataset);
                (!tags.is_empty()).then(|| offline_blob(ids, as_of, tags).map(|blob| (*user, blob)))
            });
            let blobs: Vec<(UserKey, Bytes)> = blobs.collect::<anyhow::Result<_>>()?;
            written.blobs += blobs.len();
            writer.put_offline(ids.dataset(dataset.id()), blobs).await.context("writing offline tags")?;
        }
        let events = people.iter().filter(|(_, profile)| !profile.events.is_empty());
        let events = events.map(|(user, profile)| Ok((*user, realtime_blob(ids, now, profile)?)));
        let events: Vec<(UserKey, Bytes)> = events.collect::<anyhow::Result<_>>()?;
        written.live += events.len();
        writer.merge_realtime(events).await.context("writing real-time tags")?;
    }
    Ok(written)
}

fn user_key(key: &MacKey, number: u32) -> anyhow::Result<UserKey> {
    let id = World::buyer_uid(number);
    Ok(key.user_key(&UserId { kind: IdKind::BuyerUid, source: "", id: &id }.standard()?))
}

fn offline_blob(ids: &Ids, as_of: Timestamp, tags: &[Weighted]) -> anyhow::Result<Bytes> {
    let tags: Vec<OfflineTag> = tags
        .iter()
        .map(|(id, weight)| OfflineTag { id: ids.tag(*id), weight: *weight, ttl_s: 30 * DAY_S })
        .collect();
    Ok(offline::encode(as_of, &tags)?.into())
}

fn realtime_blob(ids: &Ids, now: Timestamp, profile: &Profile) -> anyhow::Result<Bytes> {
    let tags = profile.events.iter().map(|(id, weight, age_s, half_life_s)| RealtimeTag {
        id: ids.tag(*id),
        weight: *weight,
        event: Timestamp::from_secs(now.secs() - i64::from(*age_s)),
        half_life_s: *half_life_s,
        ttl_s: DAY_S,
    });
    Ok(realtime::encode(&tags.collect::<Vec<_>>())?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_stays_the_same_and_most_are_known() {
        assert_eq!(Profile::of(7), Profile::of(7));
        let people: Vec<Profile> = (1..=1_000).map(Profile::of).collect();
        let share = |has: fn(&Profile) -> bool| people.iter().filter(|profile| has(profile)).count();
        assert!(share(|p| !p.interests.is_empty()) > 950);
        assert!((200..400).contains(&share(|p| !p.events.is_empty())));
        assert!((200..500).contains(&share(|p| !p.customer.is_empty())));
    }

    #[test]
    fn every_profile_fits_its_blobs() {
        let ids = Ids::default();
        let now = Timestamp::from_secs(1_750_000_000);
        for number in 1..=3_000 {
            let profile = Profile::of(number);
            for dataset in Audience::ALL {
                let tags = profile.offline(dataset);
                let blob = offline_blob(&ids, now, tags).unwrap();
                assert_eq!(offline::Offline::parse(&blob).unwrap().len(), tags.len());
            }
            assert!(realtime_blob(&ids, now, &profile).is_ok());
        }
    }
}
