//! Bid requests as an exchange would send them, endless and repeatable: a seed, a world and a [`Traffic`] give the
//! same bytes on every machine. Users and media follow Zipf's law; a person keeps the same home, devices and
//! consent through all requests.

mod consent;
mod context;
mod imps;
mod native;
mod person;
mod user;

use std::sync::Arc;

use bytes::Bytes;

use crate::dice::{Dice, Zipf};
use crate::json::{self, Object};
use crate::world::{EXCHANGE_DOMAIN, OTHER_SEAT, SEAT, World};

use consent::ConsentStrings;
use context::{Surface, Surfaces};
use person::Person;

/// What the traffic is like.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// How many users there are; number 1 is the most active. At least 1.
    pub users: u32,
    /// Share of requests that carry our id of the user (`user.buyeruid`), where consent lets the exchange send it.
    pub buyer_uids: f64,
    /// Share of requests in OpenRTB 2.5, with the `ext` places of that time.
    pub legacy: f64,
    /// Share of requests with more than one impression.
    pub multi_imp: f64,
    /// Share of impressions that offer deals.
    pub deals: f64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { users: 100_000, buyer_uids: 0.8, legacy: 0.15, multi_imp: 0.2, deals: 0.2 }
    }
}

/// The OpenRTB version that a request speaks, for `x-openrtb-version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenRtb {
    /// 2.5.
    V2_5,
    /// 2.6.
    V2_6,
}

impl OpenRtb {
    /// As the header has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2_5 => "2.5",
            Self::V2_6 => "2.6",
        }
    }
}

/// A bid request, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedRequest {
    /// `BidRequest.id`.
    pub id: String,
    /// What it speaks.
    pub version: OpenRtb,
    /// The JSON.
    pub body: Bytes,
}

/// An endless stream of bid requests.
#[derive(Clone, Debug)]
pub struct Generator {
    dice: Dice,
    world: Arc<World>,
    traffic: Traffic,
    users: Zipf,
    surfaces: Surfaces,
    consent: ConsentStrings,
    sequence: u64,
}

/// What is decided about a request before it is written.
struct Setting<'g> {
    world: &'g World,
    traffic: &'g Traffic,
    consent: &'g ConsentStrings,
    surface: Surface<'g>,
    person: Option<Person>,
    legacy: bool,
    /// Whether the auction is by first price.
    first_price: bool,
}

impl Generator {
    /// The stream of this seed. Takes 8 bytes for each user.
    pub fn new(world: Arc<World>, traffic: Traffic, seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            users: Zipf::new(traffic.users as usize),
            surfaces: Surfaces::new(&world),
            consent: ConsentStrings::new(),
            world,
            traffic,
            sequence: 0,
        }
    }

    /// The next request. The stream never ends.
    pub fn next_request(&mut self) -> GeneratedRequest {
        let dice = &mut self.dice;
        self.sequence += 1;
        let id = format!("{:012x}-{:016x}", self.sequence, dice.bits());
        let surface = self.surfaces.draw(&self.world, dice);
        let number = self.users.draw(dice) as u32 + 1;
        let setting = Setting {
            world: &self.world,
            traffic: &self.traffic,
            consent: &self.consent,
            person: (!surface.is_screen()).then(|| Person::new(number)),
            surface,
            legacy: !surface.is_screen() && dice.chance(self.traffic.legacy),
            first_price: dice.chance(0.6),
        };
        let body = json::object(|o| write_request(o, dice, &setting, &id));
        let version = if setting.legacy { OpenRtb::V2_5 } else { OpenRtb::V2_6 };
        GeneratedRequest { id, version, body: body.into() }
    }

    /// A stable hash (FNV-1a, 64 bits) over the bytes of the next `count` requests: two runs with the same one sent
    /// the same load.
    pub fn fingerprint(&mut self, count: usize) -> u64 {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        (0..count).fold(OFFSET, |hash, _| {
            let body = self.next_request().body;
            body.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
        })
    }
}

impl Iterator for Generator {
    type Item = GeneratedRequest;

    /// Always some.
    fn next(&mut self) -> Option<GeneratedRequest> {
        Some(self.next_request())
    }
}

fn write_request(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, id: &str) {
    o.text("id", id);
    imps::write(o, dice, setting);
    context::write(o, dice, setting);
    user::write(o, dice, setting);
    if setting.first_price {
        o.int("at", 1);
    } else if dice.chance(0.5) {
        // Otherwise left out: OpenRTB's default is the second price.
        o.int("at", 2);
    }
    if dice.chance(0.95) {
        o.int("tmax", *dice.pick(&[100, 120, 150, 200, 250, 300]));
    }
    write_money(o, dice, setting);
    write_blocks(o, dice, setting);
    write_source(o, dice, setting, id);
}

/// `cur` and `wseat`. Dollars are always welcome, so that a bidder with one currency is never shut out.
fn write_money(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>) {
    let local = setting.person.as_ref().map_or("USD", |person| person.country.currency);
    if local == "EUR" && dice.chance(0.4) {
        o.texts("cur", ["EUR", "USD"]);
    } else if dice.chance(0.6) {
        o.texts("cur", ["USD"]);
    }
    if dice.chance(0.03) {
        o.texts("wseat", [SEAT, OTHER_SEAT]);
    } else if dice.chance(0.01) {
        o.texts("wseat", [OTHER_SEAT]);
    }
}

fn write_blocks(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>) {
    if dice.chance(0.7) {
        let blocked = dice.some(&crate::world::SENSITIVE_CATEGORIES, 6);
        o.texts("bcat", blocked.into_iter().copied());
        if !setting.legacy {
            o.int("cattax", 1);
        }
    }
    if dice.chance(0.25) {
        let blocked = dice.some(&crate::world::ADVERTISER_DOMAINS, 3);
        o.texts("badv", blocked.into_iter().copied());
    }
    if dice.chance(0.05) {
        o.texts("bapp", ["com.example.blocked"]);
    }
}

/// `source` with a complete supply chain that ends in the exchange; now and then through one reseller.
fn write_source(o: &mut Object<'_>, dice: &mut Dice, setting: &Setting<'_>, id: &str) {
    let resold = dice.chance(0.2);
    o.object("source", |o| {
        o.int("fd", 0);
        o.text("tid", &format!("tid-{id}"));
        if setting.legacy {
            o.object("ext", |o| write_chain(o, setting, resold));
        } else {
            write_chain(o, setting, resold);
        }
    });
}

fn write_chain(o: &mut Object<'_>, setting: &Setting<'_>, resold: bool) {
    let seller = setting.surface.publisher().id.as_str();
    let reseller = [("reseller.example", seller), (EXCHANGE_DOMAIN, "reseller-7")];
    let direct = [(EXCHANGE_DOMAIN, seller)];
    let nodes = if resold { &reseller[..] } else { &direct[..] };
    o.object("schain", |o| {
        o.int("complete", 1);
        o.text("ver", "1.0");
        o.objects("nodes", nodes, |o, (system, seller)| {
            o.text("asi", system);
            o.text("sid", seller);
            o.int("hp", 1);
        });
    });
}

#[cfg(test)]
mod tests;
