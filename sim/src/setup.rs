//! What a seed decides before anything happens: who there is, how much money, how bad the world is.

use std::str::FromStr;
use std::sync::LazyLock;

use tagbid_budget::life::{Cell, DelayRow, Law};
use tagbid_budget::{Line, Owner, Price, Terms, Today, Unit};
use tagbid_exchange::Dice;
use tagbid_types::{
    AdvertiserId, BudgetDay, CampaignId, ExchangeName, LineItemId, Nanos, PlaceKind, Timestamp,
};

/// One second in microseconds.
pub(crate) const SECOND: i64 = 1_000_000;

/// When the simulation begins: a moment like any other.
pub(crate) const BEGIN: i64 = 1_700_000_000 * SECOND;

/// Budgets and capacities by whose they are.
type Limits = Vec<((Owner, Unit), Nanos)>;

/// A line item.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) line: Line,
    /// What it bids.
    pub(crate) price: Price,
    pub(crate) place: PlaceKind,
    /// How long its holds last where nothing is learnt.
    pub(crate) hold_s: u32,
    /// And where the impression says that it is slow.
    pub(crate) slow_s: u32,
    /// Whether it, its campaign or its advertiser has a capacity.
    pub(crate) rationed: bool,
}

impl Item {
    /// What its holds are learnt by.
    pub(crate) fn cell(&self) -> Cell {
        Cell { exchange: EXCHANGE.clone(), place: self.place }
    }
}

/// The one exchange there is.
static EXCHANGE: LazyLock<ExchangeName> =
    LazyLock::new(|| ExchangeName::from_str("sim").unwrap_or_else(|problem| unreachable!("{problem}")));

/// For so long billing takes the same time.
const MOOD: i64 = 30 * SECOND;

/// How likely things go wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// A message is lost; is delivered twice.
    pub(crate) loss: f64,
    pub(crate) repeat: f64,
    /// The longest that a message takes, in microseconds.
    pub(crate) delay: i64,
    /// A ledger crashes in a transaction.
    pub(crate) ledger_crash: f64,
    /// Time between faults of machines and links, in microseconds; 0: none.
    pub(crate) faults_every: i64,
    /// Wall clocks of ledgers are wrong by so much at most, in microseconds.
    pub(crate) clocks_off: i64,
    /// Time between changes of budgets, in microseconds; 0: none.
    pub(crate) budgets_every: i64,
}

/// A world before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) bidders: usize,
    pub(crate) ledgers: usize,
    pub(crate) items: Vec<Item>,
    /// Limits for ever; limits for a day.
    pub(crate) lifetime: Limits,
    pub(crate) daily: Limits,
    pub(crate) terms: Terms,
    pub(crate) day: i64,
    pub(crate) win_rate: f64,
    /// How hold lives are learnt.
    pub(crate) law: Law,
    /// How long most billing takes at most, in microseconds: for a while each, in turn.
    pub(crate) moods: Vec<i64>,
    /// Billings of which a ledger knew before the beginning: all of them took up to so many seconds.
    pub(crate) known: Option<u32>,
    /// Bids that are billed so late that their hold may be over.
    pub(crate) late: f64,
    /// The winner pays its bid; else anything up to it.
    pub(crate) first_price: bool,
    /// Losses are told.
    pub(crate) tells_losses: bool,
    pub(crate) auctions_every: i64,
    pub(crate) duration: i64,
    pub(crate) weather: Weather,
}

impl Setup {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let mut items: Vec<Item> = (1..=dice.between(1, 4).unsigned_abs()).map(|id| item(dice, id)).collect();
        let (lifetime, daily) = limits(dice, &items);
        for item in &mut items {
            let mut limited = lifetime.iter().chain(&daily).map(|(key, _)| *key);
            item.rationed =
                limited.any(|(owner, unit)| unit == Unit::Impressions && owners(&item.line).contains(&owner));
        }
        Self {
            bidders: 1 + dice.below(5),
            ledgers: 1 + dice.below(2),
            lifetime,
            daily,
            terms: Terms {
                session_s: between(dice, 3, 12),
                longest_hold_s: 40,
                grace_s: between(dice, 1, 3),
            },
            day: dice.between(60, 200) * SECOND,
            win_rate: *dice.pick(&[1.0, 0.5, 0.3, 0.05]),
            law: law(dice),
            moods: (0..6).map(|_| dice.between(1, 20) * SECOND).collect(),
            known: None,
            late: 0.1,
            first_price: dice.chance(0.3),
            tells_losses: dice.chance(0.5),
            auctions_every: dice.between(20, 120) * 1_000,
            duration: dice.between(60, 180) * SECOND,
            weather: weather(dice),
            items,
        }
    }

    /// A budget or a capacity of 100 bids and 32 bidders that win rarely: all else is well.
    pub(crate) fn starving(unit: Unit, win_rate: f64, lives: i64) -> Self {
        let hold_s = 30;
        let mean_s = f64::from(hold_s) / win_rate;
        let law = Law { one_in: u32::MAX, ..Law::up_to(hold_s) };
        Self::small(unit, win_rate, hold_s, (mean_s as i64 * lives, law))
    }

    /// The same where billing takes up to five seconds, and holds usually last for 90.
    pub(crate) fn quick_billing(win_rate: f64, seconds: i64, learnt: bool) -> Self {
        Self {
            known: learnt.then_some(5),
            late: 0.0,
            moods: vec![5 * SECOND],
            ..Self::small(Unit::Money, win_rate, 90, (seconds, Law::up_to(3_600)))
        }
    }

    fn small(unit: Unit, win_rate: f64, hold_s: u32, (seconds, law): (i64, Law)) -> Self {
        let line = Line { advertiser: AdvertiserId(1), campaign: CampaignId(1), line_item: LineItemId(1) };
        let price = Price { cost: Nanos(1_000_000), impressions: Nanos(1), hold_s };
        let limit = match unit {
            Unit::Money => Nanos(100 * price.cost.0),
            Unit::Impressions => Nanos(100 * price.impressions.0),
        };
        Self {
            bidders: 32,
            ledgers: 1,
            items: vec![Item {
                line,
                price,
                place: PlaceKind::Page,
                hold_s,
                slow_s: 0,
                rationed: unit == Unit::Impressions,
            }],
            lifetime: vec![((Owner::LineItem(line.line_item), unit), limit)],
            daily: Vec::new(),
            terms: Terms { session_s: 10, longest_hold_s: hold_s, grace_s: 1 },
            // All of it on one day.
            day: 10 * BEGIN,
            win_rate,
            law,
            moods: vec![3 * SECOND],
            known: None,
            // Holds last as long as nearly all billing takes.
            late: 0.001,
            first_price: true,
            tells_losses: false,
            auctions_every: 20_000,
            duration: seconds * SECOND,
            weather: Weather { delay: 10_000, ..Weather::default() },
        }
    }

    /// How long most billing takes at most that begins now.
    pub(crate) fn billed_within(&self, now: i64) -> i64 {
        let mood = usize::try_from((now - BEGIN) / MOOD).unwrap_or(0);
        self.moods.get(mood % self.moods.len().max(1)).copied().unwrap_or(SECOND)
    }

    /// What the holds of a line item are learnt by.
    pub(crate) fn cell(&self, item: LineItemId) -> Cell {
        let place = self.items.iter().find(|one| one.line.line_item == item).map(|one| one.place);
        Cell { exchange: EXCHANGE.clone(), place: place.unwrap_or(PlaceKind::Page) }
    }

    /// What a ledger knew before the beginning.
    pub(crate) fn known_delays(&self) -> Vec<DelayRow> {
        let since = Timestamp(BEGIN - i64::from(self.law.longest_s) * SECOND);
        let row = |within_s| DelayRow {
            cell: Cell { exchange: EXCHANGE.clone(), place: PlaceKind::Page },
            period: self.law.period(since),
            within_s,
            count: 10_000,
            since,
        };
        self.known.into_iter().flat_map(|most| 1..=most).map(row).collect()
    }

    /// The day of a line item at this time of the ledger's.
    pub(crate) fn today(&self, item: &Item, unit: Unit, at: Timestamp) -> Today {
        let day = at.0.div_euclid(self.day);
        Today {
            line: item.line,
            unit,
            day: BudgetDay(i32::try_from(day).unwrap_or(i32::MAX)),
            ends: Timestamp((day + 1) * self.day),
        }
    }
}

fn item(dice: &mut Dice, id: u64) -> Item {
    let campaign = CampaignId(1 + id % 2);
    Item {
        line: Line { advertiser: AdvertiserId(1), campaign, line_item: LineItemId(id) },
        price: Price {
            cost: Nanos(dice.between(1, 5) * 1_000_000 + dice.between(0, 999)),
            impressions: Nanos(*dice.pick(&[1, 1, 1, 3])),
            hold_s: 0,
        },
        place: *dice.pick(&[PlaceKind::Page, PlaceKind::App]),
        hold_s: between(dice, 4, 40),
        slow_s: between(dice, 4, 60),
        rationed: false,
    }
}

/// Whose limits a line item is under.
fn owners(line: &Line) -> [Owner; 3] {
    [Owner::Advertiser(line.advertiser), Owner::Campaign(line.campaign), Owner::LineItem(line.line_item)]
}

/// That of exchanges, for a world that lives for minutes: sure of less, with more of what was. Its lives may be longer than leases
/// allow.
fn law(dice: &mut Dice) -> Law {
    Law { one_in: 20, shortest_s: 2, longest_s: between(dice, 10, 60), halves_every_s: between(dice, 20, 60) }
}

/// Some of the budgets that there could be, of 20 to 2,000 bids, and fewer of the capacities.
fn limits(dice: &mut Dice, items: &[Item]) -> (Limits, Limits) {
    let mut owners = vec![Owner::Advertiser(AdvertiserId(1))];
    owners.extend([CampaignId(1), CampaignId(2)].map(Owner::Campaign));
    owners.extend(items.iter().map(|item| Owner::LineItem(item.line.line_item)));
    let mut draw = || {
        let mut some = Limits::new();
        for owner in &owners {
            for (unit, often) in [(Unit::Money, 0.6), (Unit::Impressions, 0.2)] {
                let limit = some_limit(unit, dice);
                some.extend(dice.chance(often).then_some(((*owner, unit), limit)));
            }
        }
        some
    };
    (draw(), draw())
}

/// Of 20 to 2,000 bids.
pub(crate) fn some_limit(unit: Unit, dice: &mut Dice) -> Nanos {
    let bids = dice.between(20, 2_000);
    match unit {
        Unit::Money => Nanos(bids * 3_000_000),
        Unit::Impressions => Nanos(bids),
    }
}

fn weather(dice: &mut Dice) -> Weather {
    let calm = dice.chance(0.1);
    let or_none = |value: i64, some: bool| if some && !calm { value } else { 0 };
    Weather {
        loss: if calm { 0.0 } else { *dice.pick(&[0.0, 0.01, 0.1, 0.3]) },
        repeat: if calm { 0.0 } else { *dice.pick(&[0.0, 0.05, 0.3]) },
        delay: *dice.pick(&[10_000, 200_000, 3_000_000]),
        ledger_crash: if calm { 0.0 } else { *dice.pick(&[0.0, 0.001, 0.01]) },
        faults_every: or_none(dice.between(2, 30) * SECOND, dice.chance(0.8)),
        clocks_off: or_none(60 * SECOND, dice.chance(0.4)),
        budgets_every: or_none(dice.between(5, 40) * SECOND, dice.chance(0.4)),
    }
}

fn between(dice: &mut Dice, low: i64, high: i64) -> u32 {
    u32::try_from(dice.between(low, high)).unwrap_or(0)
}
