//! What a token says, and its bytes before sealing.

use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Cpm, CreativeId, Currency, ExchangeName, LineItemId,
    MoneyError, Nanos, Permission, PlaceKind, Rate, Ratio, Timestamp, Use, divide_half_even,
};

use crate::codec::{Content, Format, Reader, Writer};
use crate::{Bills, Label};

/// All that the ledger needs to know of a bid when one of its notices comes, perhaps days later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Our random id of the bid; with the exchange it is the key of billing.
    pub bid: BidId,
    /// The exchange that was bid to.
    pub exchange: ExchangeName,
    /// The exchange's id of the auction, cut to 36 bytes (a UUID).
    pub auction: Label<36>,
    /// The id of the impression within the request, cut to 16 bytes.
    pub imp: Label<16>,
    /// The tenant that pays.
    pub advertiser: AdvertiserId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its line item.
    pub line_item: LineItemId,
    /// What was to be shown.
    pub creative: CreativeId,
    /// The lease that the bid was held against; 0: none.
    pub lease: u64,
    /// The lease of impressions that the bid was held against; 0: no capacity counted them.
    pub capacity_lease: u64,
    /// Epoch of both leases.
    pub epoch: u64,
    /// When the bid was made.
    pub issued: Timestamp,
    /// Second of the ledger's time, since 1970, in which the bid's holds end; 0 without a lease.
    pub hold_until_s: i64,
    /// For how long the hold was made, in seconds: it began so long before its end. 0 without a lease, and in tokens of format 1.
    pub hold_s: u32,
    /// Where it was to be shown; none in tokens of format 1.
    pub place: Option<PlaceKind>,
    /// The price that was bid, in `currency`: no notice charges more.
    pub max_price: Cpm,
    /// Currency of the bid and of the prices in its notices.
    pub currency: Currency,
    /// From `currency` to `budget_currency`, as it was at the bid.
    pub fx: Rate,
    /// The advertiser's currency, in which spend is counted.
    pub budget_currency: Currency,
    /// The advertiser's day that the spend belongs to, whenever the notice comes.
    pub budget_day: BudgetDay,
    /// How many impressions the bid stands for (`imp.qty.multiplier`); one almost always.
    pub quantity: Ratio,
    /// `at` of the auction: 1 first price, 2 second price plus, from 500 the exchange's own.
    pub auction_type: u16,
    /// Which notice bills.
    pub bills: Bills,
    /// `test=1` in the request: never bills.
    pub test: bool,
    /// What consent allowed at the bid; notices act on nothing more.
    pub permission: Permission,
    /// The user key, 16 bytes of `tagset`, where consent allows something that it is needed for: [`Token::user`] and
    /// [`Token::counted_user`] enforce that on both sides, each for its own use.
    pub user: Option<[u8; 16]>,
}

/// What a bid costs at a price: [`Token::cost`] before there is a token.
pub fn cost(price: Cpm, quantity: Ratio, fx: Rate) -> Result<Nanos, MoneyError> {
    let product = i128::from(price.per_impression().0)
        .checked_mul(quantity.0.into())
        .and_then(|product| product.checked_mul(fx.trillionths().into()))
        .ok_or(MoneyError::Overflow)?;
    let ones = i128::from(Ratio::ONE.0) * i128::from(Rate::ONE.trillionths());
    divide_half_even(product, ones).map(Nanos)
}

/// How many impressions a bid counts as where they are whole: `quantity`, rounded up, and one at least.
pub fn impressions(quantity: Ratio) -> i64 {
    let whole = quantity.0.div_euclid(Ratio::ONE.0);
    (whole + i64::from(quantity.0.rem_euclid(Ratio::ONE.0) != 0)).max(1)
}

/// Set in the flag byte when there is a user key.
const HAS_USER: u8 = 1;
/// Set in the flag byte for test traffic.
const TEST: u8 = 2;
/// Set in the flag byte when there is a lease of impressions.
const HAS_CAPACITY: u8 = 4;

impl Token {
    /// The most bytes that [`Token::encode`] writes.
    pub(crate) const MAX_BYTES: usize = 16 // bid
        + (1 + ExchangeName::MAX_LEN) + (1 + 36) + (1 + 16)
        + 6 * 10 // ids, lease, epoch
        + 10 + 10 + 5 // times
        + 10 + 3 + 10 + 3 // price, currency, rate, currency
        + 5 + 10 + 3 // day, quantity, auction type
        + 3 // bills, flags, permission
        + 16 // user
        + 1 // place
        + 10; // lease of impressions

    /// What `price` costs the budget, in its currency: price times quantity, rounded once. A bid holds what its highest price
    /// costs, so no price up to it costs more than is held.
    pub fn cost(&self, price: Cpm) -> Result<Nanos, MoneyError> {
        cost(price, self.quantity, self.fx)
    }

    /// How many impressions it counts as where they are whole.
    pub fn impressions(&self) -> i64 {
        impressions(self.quantity)
    }

    /// The user key, as far as consent allows it to be kept in events.
    pub fn user(&self) -> Option<[u8; 16]> {
        self.user.filter(|_| self.permission.allows(Use::UserKeyInEvents))
    }

    /// The user key, as far as consent allows to count what the user is shown.
    pub fn counted_user(&self) -> Option<[u8; 16]> {
        self.user.filter(|_| self.permission.allows(Use::Frequency))
    }

    /// Writes every field in a fixed order: numbers as varints, text with its length before it.
    pub(crate) fn encode(&self, to: &mut Writer<'_>) {
        let user = self.user().or(self.counted_user());
        to.bytes(&self.bid.0.to_le_bytes());
        to.text(self.exchange.as_str());
        to.text(self.auction.as_str());
        to.text(self.imp.as_str());
        for id in
            [self.advertiser.0, self.campaign.0, self.line_item.0, self.creative.0, self.lease, self.epoch]
        {
            to.unsigned(id);
        }
        to.signed(self.issued.0);
        to.signed(self.hold_until_s);
        to.signed(self.max_price.0);
        to.bytes(self.currency.as_str().as_bytes());
        to.signed(self.fx.trillionths());
        to.bytes(self.budget_currency.as_str().as_bytes());
        to.signed(self.budget_day.0.into());
        to.signed(self.quantity.0);
        to.unsigned(self.auction_type.into());
        let flags = [(user.is_some(), HAS_USER), (self.test, TEST), (self.capacity_lease != 0, HAS_CAPACITY)];
        let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, flag)| all | flag);
        to.bytes(&[self.bills.code(), flags, self.permission.to_bits()]);
        if let Some(user) = user {
            to.bytes(&user);
        }
        to.bytes(&[self.place.map_or(0, PlaceKind::code)]);
        to.unsigned(self.hold_s.into());
        if self.capacity_lease != 0 {
            to.unsigned(self.capacity_lease);
        }
    }

    /// Reads what [`Token::encode`] of this format wrote, to the last byte.
    pub(crate) fn decode(bytes: &[u8], format: Format) -> Result<Self, Content> {
        let mut from = Reader::new(bytes);
        let token = Self::read(&mut from, format)?;
        from.end()?;
        Ok(token)
    }

    /// The same of bytes after which others follow.
    pub(crate) fn read(from: &mut Reader<'_>, format: Format) -> Result<Self, Content> {
        let mut token = Self {
            bid: BidId(u128::from_le_bytes(from.array()?)),
            exchange: from.text()?.parse().map_err(|_| Content("exchange"))?,
            auction: Label::cut(from.text()?),
            imp: Label::cut(from.text()?),
            advertiser: AdvertiserId(from.unsigned()?),
            campaign: CampaignId(from.unsigned()?),
            line_item: LineItemId(from.unsigned()?),
            creative: CreativeId(from.unsigned()?),
            lease: from.unsigned()?,
            capacity_lease: 0,
            epoch: from.unsigned()?,
            issued: Timestamp(from.signed()?),
            hold_until_s: from.signed()?,
            hold_s: 0,
            place: None,
            max_price: Cpm(from.signed()?),
            currency: from.currency()?,
            fx: Rate::from_trillionths(from.signed()?).ok_or(Content("rate"))?,
            budget_currency: from.currency()?,
            budget_day: BudgetDay(i32::try_from(from.signed()?).map_err(|_| Content("day"))?),
            quantity: Ratio(from.signed()?),
            auction_type: u16::try_from(from.unsigned()?).map_err(|_| Content("auction type"))?,
            bills: Bills::from_code(from.byte()?).ok_or(Content("bills"))?,
            test: false,
            permission: Permission::NONE,
            user: None,
        };
        token.read_rest(from, format)?;
        Ok(token)
    }

    /// Flags, and what not every token has.
    fn read_rest(&mut self, from: &mut Reader<'_>, format: Format) -> Result<(), Content> {
        let flags = from.byte()?;
        self.test = flags & TEST != 0;
        self.permission = Permission::from_bits(from.byte()?);
        if flags & HAS_USER != 0 {
            self.user = Some(from.array()?);
        }
        if format == Format::Second {
            self.place = PlaceKind::from_code(from.byte()?);
            self.hold_s = u32::try_from(from.unsigned()?).map_err(|_| Content("hold"))?;
        }
        if flags & HAS_CAPACITY != 0 {
            self.capacity_lease = from.unsigned()?;
        }
        Ok(())
    }
}
