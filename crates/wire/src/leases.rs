//! Leases, to and from the plain types of `budget` and `ports`.

use tagbid_budget::life::{Cell, HoldLives};
use tagbid_budget::pace::{Rate, Want};
use tagbid_budget::{
    AccountId, Ask, Beat, Bucket, Epoch, Grant, LeaseId, Line, Owner, Period, Refusal, Second, SessionOver,
    Stand, Unit, Update,
};
use tagbid_ports::{Beaten, Opened};
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, MoneyError, Nanos, PlaceKind};

use crate::pb::ledger as pb;
use crate::tags::{timestamp, to_timestamp};

/// Writes a begun session.
pub fn opened_to(opened: &Opened) -> pb::OpenSessionResponse {
    pb::OpenSessionResponse {
        epoch: opened.epoch.0,
        session_s: opened.session_s,
        told: Some(to_timestamp(opened.told)),
        watermark_s: opened.watermark.0,
    }
}

/// Reads a begun session.
pub fn opened_from(opened: &pb::OpenSessionResponse) -> Result<Opened, &'static str> {
    Ok(Opened {
        epoch: Epoch(opened.epoch),
        session_s: opened.session_s,
        told: opened.told.as_ref().and_then(timestamp).ok_or("told: missing, or no time")?,
        watermark: Second(opened.watermark_s),
    })
}

/// Writes how a bidder stands.
pub fn beat_to(beat: &Beat) -> pb::BeatRequest {
    let stand = |stand: &Stand| pb::LeaseStand {
        lease: stand.lease.0,
        held: stand.held.0,
        returned: stand.returned.0,
        last_end_s: stand.last_end.map(|Second(end)| end),
    };
    pb::BeatRequest {
        epoch: beat.epoch.0,
        applied_s: beat.applied.0,
        leases: beat.leases.iter().map(stand).collect(),
        wants: beat.wants.iter().map(want_to).collect(),
        hold_lives_version: beat.lives,
    }
}

fn want_to(want: &Want) -> pb::LineItemWant {
    pb::LineItemWant {
        line_item_id: want.line_item.0,
        wanted_nanos: want.wanted.0,
        made_nanos: want.made.0,
        unit_nanos: want.unit.0,
        hold_s: want.hold_s,
    }
}

fn want_from(want: &pb::LineItemWant) -> Want {
    Want {
        line_item: LineItemId(want.line_item_id),
        wanted: Nanos(want.wanted_nanos),
        made: Nanos(want.made_nanos),
        unit: Nanos(want.unit_nanos),
        hold_s: want.hold_s,
    }
}

/// Reads how a bidder stands.
pub fn beat_from(beat: &pb::BeatRequest) -> Beat {
    let stand = |stand: &pb::LeaseStand| Stand {
        lease: LeaseId(stand.lease),
        held: Nanos(stand.held),
        returned: Nanos(stand.returned),
        last_end: stand.last_end_s.map(Second),
    };
    Beat {
        epoch: Epoch(beat.epoch),
        applied: Second(beat.applied_s),
        leases: beat.leases.iter().map(stand).collect(),
        wants: beat.wants.iter().map(want_from).collect(),
        lives: beat.hold_lives_version,
    }
}

/// Writes that a session goes on.
pub fn beaten_to(beaten: &Beaten) -> pb::BeatResponse {
    let rate = |(line_item, rate): &(LineItemId, Rate)| pb::LineItemRate {
        line_item_id: line_item.0,
        picos_per_second: rate.picos(),
    };
    pb::BeatResponse {
        told: Some(to_timestamp(beaten.told)),
        session_s: beaten.session_s,
        rates: beaten.rates.iter().map(rate).collect(),
        hold_lives: beaten.lives.as_ref().map(lives_to),
    }
}

fn lives_to(lives: &HoldLives) -> pb::HoldLives {
    let life = |(cell, hold_s): (&Cell, &u32)| pb::HoldLife {
        exchange: cell.exchange.as_str().to_owned(),
        place: i32::from(cell.place.code()),
        hold_s: *hold_s,
    };
    pb::HoldLives { version: lives.version, lives: lives.lives.iter().map(life).collect() }
}

/// Those of exchanges and places that this version cannot have are left out.
fn lives_from(lives: &pb::HoldLives) -> HoldLives {
    let life = |life: &pb::HoldLife| {
        let place = u8::try_from(life.place).ok().and_then(PlaceKind::from_code)?;
        Some((Cell { exchange: life.exchange.parse().ok()?, place }, life.hold_s))
    };
    HoldLives { version: lives.version, lives: lives.lives.iter().filter_map(life).collect() }
}

/// Reads that a session goes on.
pub fn beaten_from(beaten: &pb::BeatResponse) -> Result<Beaten, &'static str> {
    let told = beaten.told.as_ref().and_then(timestamp).ok_or("told: missing, or no time")?;
    let rate =
        |rate: &pb::LineItemRate| (LineItemId(rate.line_item_id), Rate::from_picos(rate.picos_per_second));
    let rates = beaten.rates.iter().map(rate).collect();
    let lives = beaten.hold_lives.as_ref().map(lives_from);
    Ok(Beaten { session_s: beaten.session_s, told, rates, lives })
}

/// Writes questions of one session.
pub fn asks_to(epoch: Epoch, asks: &[Ask]) -> pb::AcquireRequest {
    let ask = |ask: &Ask| pb::Ask {
        advertiser_id: ask.line.advertiser.0,
        campaign_id: ask.line.campaign.0,
        line_item_id: ask.line.line_item.0,
        day: ask.day.0,
        day_ends: Some(to_timestamp(ask.day_ends)),
        unit: unit_to(ask.unit).into(),
        known: ask.known.0,
        want: ask.want.0,
        least: ask.least.0,
        longest_hold_s: ask.longest_hold_s,
    };
    pb::AcquireRequest { epoch: epoch.0, asks: asks.iter().map(ask).collect() }
}

/// Reads questions, or says which field of which is wrong.
pub fn asks_from(request: &pb::AcquireRequest) -> Result<Vec<Ask>, String> {
    let ask = |(place, ask): (usize, &pb::Ask)| {
        let amounts = [("known", ask.known), ("want", ask.want), ("least", ask.least)];
        if let Some((field, _)) = amounts.iter().find(|(_, amount)| *amount < 0) {
            return Err(format!("asks[{place}].{field}: is negative; use zero or more"));
        }
        let unit = pb::Unit::try_from(ask.unit);
        let unit = unit.map_err(|_| format!("asks[{place}].unit: this ledger does not know {}", ask.unit))?;
        let day_ends = ask.day_ends.as_ref().and_then(timestamp);
        Ok(Ask {
            epoch: Epoch(request.epoch),
            line: Line {
                advertiser: AdvertiserId(ask.advertiser_id),
                campaign: CampaignId(ask.campaign_id),
                line_item: LineItemId(ask.line_item_id),
            },
            day: BudgetDay(ask.day),
            day_ends: day_ends.ok_or_else(|| format!("asks[{place}].day_ends: missing, or no time"))?,
            unit: unit_from(unit),
            known: Nanos(ask.known),
            want: Nanos(ask.want),
            least: Nanos(ask.least),
            longest_hold_s: ask.longest_hold_s,
        })
    };
    request.asks.iter().enumerate().map(ask).collect()
}

/// Writes an answer.
pub fn grant_to(grant: &Result<Grant, Refusal>) -> pb::GrantAnswer {
    use pb::GrantStatus as S;
    let refused = |status: S, refusal: &Refusal| pb::GrantAnswer {
        status: status.into(),
        description: refusal.to_string(),
        ..pb::GrantAnswer::default()
    };
    match grant {
        Ok(grant) => pb::GrantAnswer {
            status: S::Granted.into(),
            lease: grant.lease.0,
            granted: grant.granted.0,
            longest_hold_s: grant.longest_hold_s,
            spare: grant.spare.0,
            ..pb::GrantAnswer::default()
        },
        Err(refusal @ Refusal::Empty(account)) => {
            pb::GrantAnswer { account: Some(account_to(*account)), ..refused(S::Empty, refusal) }
        }
        Err(refusal @ Refusal::DayOver) => refused(S::DayOver, refusal),
        Err(refusal @ Refusal::Session(_)) => refused(S::SessionOver, refusal),
        Err(refusal @ Refusal::Money(_)) => refused(S::Overflow, refusal),
    }
}

/// Reads an answer. A status that this version does not know grants nothing.
pub fn grant_from(answer: &pb::GrantAnswer) -> Result<Grant, Refusal> {
    use pb::GrantStatus as S;
    match answer.status() {
        S::Granted => Ok(Grant {
            lease: LeaseId(answer.lease),
            granted: Nanos(answer.granted),
            longest_hold_s: answer.longest_hold_s,
            spare: Nanos(answer.spare),
        }),
        S::SessionOver => Err(SessionOver.into()),
        S::DayOver => Err(Refusal::DayOver),
        S::Empty if let Some(account) = answer.account.as_ref().and_then(account_from) => {
            Err(Refusal::Empty(account))
        }
        S::Overflow | S::Unspecified | S::Empty => Err(MoneyError::Overflow.into()),
    }
}

fn unit_to(unit: Unit) -> pb::Unit {
    match unit {
        Unit::Money => pb::Unit::Money,
        Unit::Impressions => pb::Unit::Impressions,
    }
}

fn unit_from(unit: pb::Unit) -> Unit {
    match unit {
        pb::Unit::Unspecified | pb::Unit::Money => Unit::Money,
        pb::Unit::Impressions => Unit::Impressions,
    }
}

/// Writes which account it is.
pub fn account_to(account: AccountId) -> pb::AccountName {
    use pb::account_name::Owner as O;
    let owner = match account.owner {
        Owner::Advertiser(id) => O::AdvertiserId(id.0),
        Owner::Campaign(id) => O::CampaignId(id.0),
        Owner::LineItem(id) => O::LineItemId(id.0),
    };
    let day = match account.period {
        Period::Lifetime => None,
        Period::Day(day) => Some(day.0),
    };
    pb::AccountName { owner: Some(owner), day, unit: unit_to(account.unit).into() }
}

fn account_from(account: &pb::AccountName) -> Option<AccountId> {
    use pb::account_name::Owner as O;
    let owner = match account.owner? {
        O::AdvertiserId(id) => Owner::Advertiser(AdvertiserId(id)),
        O::CampaignId(id) => Owner::Campaign(CampaignId(id)),
        O::LineItemId(id) => Owner::LineItem(LineItemId(id)),
    };
    let period = account.day.map_or(Period::Lifetime, |day| Period::Day(BudgetDay(day)));
    Some(AccountId { owner, unit: unit_from(account.unit()), period })
}

/// Writes what became of holds.
pub fn update_to(update: &Update) -> pb::HoldUpdate {
    let resolved = |(lease, ends, sums): &(LeaseId, Second, Bucket)| pb::ResolvedHolds {
        lease: lease.0,
        ends_s: ends.0,
        settled: sums.settled.0,
        charged: sums.charged.0,
        released: sums.released.0,
    };
    pb::HoldUpdate {
        watermark_s: (update.watermark != Second::NEVER).then_some(update.watermark.0),
        resolved: update.buckets.iter().map(resolved).collect(),
        recalled: update.recalled.iter().map(|lease| lease.0).collect(),
    }
}

/// Reads what became of holds.
pub fn update_from(update: &pb::HoldUpdate) -> Update {
    let bucket = |one: &pb::ResolvedHolds| {
        let sums = Bucket {
            settled: Nanos(one.settled),
            charged: Nanos(one.charged),
            released: Nanos(one.released),
        };
        (LeaseId(one.lease), Second(one.ends_s), sums)
    };
    Update {
        watermark: update.watermark_s.map_or(Second::NEVER, Second),
        buckets: update.resolved.iter().map(bucket).collect(),
        recalled: update.recalled.iter().map(|lease| LeaseId(*lease)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagbid_types::Timestamp;

    fn ask() -> Ask {
        Ask {
            epoch: Epoch(u64::MAX),
            line: Line { advertiser: AdvertiserId(1), campaign: CampaignId(2), line_item: LineItemId(3) },
            day: BudgetDay(-1),
            day_ends: Timestamp(1_735_689_600_123_456),
            unit: Unit::Impressions,
            known: Nanos(4),
            want: Nanos(i64::MAX),
            least: Nanos(6),
            longest_hold_s: 7,
        }
    }

    #[test]
    fn sessions_and_questions_survive_the_wire() {
        let opened =
            Opened { epoch: Epoch(1), session_s: 2, told: Timestamp(3_000_004), watermark: Second(i64::MIN) };
        assert_eq!(opened_from(&opened_to(&opened)), Ok(opened));
        let stand = |last_end| Stand { lease: LeaseId(3), held: Nanos(4), returned: Nanos(5), last_end };
        let leases = vec![stand(None), stand(Some(Second(6)))];
        let want =
            Want { line_item: LineItemId(7), wanted: Nanos(8), made: Nanos(9), unit: Nanos(10), hold_s: 11 };
        let beat = Beat { epoch: Epoch(1), applied: Second(2), leases, wants: vec![want], lives: 7 };
        assert_eq!(beat_from(&beat_to(&beat)), beat);
        let rates = vec![(LineItemId(4), Rate::from_picos(5))];
        let life = |place: PlaceKind| (Cell { exchange: "demo".parse().unwrap(), place }, 90);
        let lives = Some(HoldLives { version: 6, lives: PlaceKind::ALL.map(life).into() });
        for lives in [None, Some(HoldLives::default()), lives] {
            let beaten = Beaten { session_s: 3, told: Timestamp(-1), rates: rates.clone(), lives };
            assert_eq!(beaten_from(&beaten_to(&beaten)), Ok(beaten));
        }
        assert_eq!(asks_from(&asks_to(ask().epoch, &[ask()])), Ok(vec![ask()]));
    }

    #[test]
    fn answers_and_updates_survive_the_wire() {
        let day = Period::Day(BudgetDay(20_000));
        let empty = |owner, period| Err(Refusal::Empty(AccountId::impressions(owner, period)));
        for grant in [
            Ok(Grant { lease: LeaseId(1), granted: Nanos(2), longest_hold_s: 3, spare: Nanos(4) }),
            Err(Refusal::DayOver),
            Err(Refusal::Session(SessionOver)),
            Err(Refusal::Money(MoneyError::Overflow)),
            empty(Owner::Advertiser(AdvertiserId(1)), Period::Lifetime),
            empty(Owner::Campaign(CampaignId(1)), day),
            empty(Owner::LineItem(LineItemId(1)), day),
            Err(Refusal::Empty(AccountId::money(Owner::Campaign(CampaignId(1)), day))),
        ] {
            assert_eq!(grant_from(&grant_to(&grant)), grant);
        }
        let sums = Bucket { settled: Nanos(1), charged: Nanos(2), released: Nanos(3) };
        let update = Update {
            watermark: Second(9),
            buckets: vec![(LeaseId(1), Second(2), sums)],
            recalled: vec![LeaseId(4)],
        };
        assert_eq!(update_from(&update_to(&update)), update);
    }

    #[test]
    fn kinds_of_places_have_the_same_names_on_the_wire() {
        for place in PlaceKind::ALL {
            let name = pb::PlaceKind::try_from(i32::from(place.code())).unwrap().as_str_name();
            assert_eq!(name, format!("PLACE_KIND_{}", place.as_str().to_uppercase()));
        }
    }

    #[test]
    fn what_is_unknown_grants_nothing_and_what_is_wrong_is_named() {
        let unknown = pb::GrantAnswer { status: 99, granted: 5, ..pb::GrantAnswer::default() };
        assert!(grant_from(&unknown).is_err());
        let mut request = asks_to(Epoch(1), &[ask(), Ask { want: Nanos(-1), ..ask() }]);
        assert!(asks_from(&request).unwrap_err().starts_with("asks[1].want"));
        request.asks[0].day_ends = None;
        assert!(asks_from(&request).unwrap_err().starts_with("asks[0].day_ends"));
        request.asks[0].unit = 99;
        assert!(asks_from(&request).unwrap_err().starts_with("asks[0].unit"));
    }
}
