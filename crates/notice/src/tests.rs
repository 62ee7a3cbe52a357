//! Tokens as a stranger may hand them back.

use proptest::prelude::*;
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Cpm, CreativeId, Currency, LineItemId, Permission, PlaceKind,
    Rate, Ratio, Timestamp, Use,
};

use crate::codec::Format;
use crate::{
    Audience, Bills, Click, KeyError, Keys, Label, NoticeKind, NoticeUrls, OpenError, Opener, SealedToken,
    Sealer, Token, TokenKey,
};

fn key(id: u8) -> TokenKey {
    TokenKey::new(id, [id; 32])
}

fn only(id: u8) -> Keys {
    Keys::new(key(id), None).unwrap()
}

fn any_token() -> impl Strategy<Value = Token> {
    let ids = (any::<[u64; 7]>(), any::<u128>(), "[a-z0-9_-]{1,40}", "\\PC{0,60}", "\\PC{0,30}");
    let times = (any::<i64>(), any::<u32>(), any::<i32>(), any::<u32>(), 0..5_u8);
    let money = (any::<i64>(), "[A-Z]{3}", any::<i64>(), "[A-Z]{3}", any::<i64>());
    let rest = (any::<u16>(), 0..3_u8, any::<bool>(), any::<u8>(), any::<Option<[u8; 16]>>());
    (ids, times, money, rest).prop_map(|(ids, times, money, rest)| {
        let [advertiser, campaign, line_item, creative, lease, epoch, capacity] = ids.0;
        let permission = Permission::from_bits(rest.3);
        Token {
            bid: BidId(ids.1),
            exchange: ids.2.parse().unwrap(),
            auction: Label::cut(&ids.3),
            imp: Label::cut(&ids.4),
            advertiser: AdvertiserId(advertiser),
            campaign: CampaignId(campaign),
            line_item: LineItemId(line_item),
            creative: CreativeId(creative),
            lease,
            // Most bids have none.
            capacity_lease: if capacity % 2 == 0 { 0 } else { capacity },
            epoch,
            issued: Timestamp(times.0),
            hold_until_s: times.1.into(),
            hold_s: times.3,
            place: PlaceKind::from_code(times.4),
            max_price: Cpm(money.0),
            currency: money.1.parse().unwrap(),
            fx: Rate::from_trillionths(money.2.max(1)).unwrap(),
            budget_currency: money.3.parse().unwrap(),
            budget_day: BudgetDay(times.2),
            quantity: Ratio(money.4),
            auction_type: rest.0,
            bills: Bills::from_code(rest.1).unwrap(),
            test: rest.2,
            permission,
            user: rest.4.filter(|_| permission.allows(Use::UserKeyInEvents)),
        }
    })
}

/// A bid as they are in practice, for lengths.
fn typical() -> Token {
    Token {
        bid: BidId(u128::MAX / 3),
        exchange: "openx-eu".parse().unwrap(),
        auction: Label::cut("8b6c3f3e-6f5a-4c58-9d2e-0f6f4a8f3b1c"),
        imp: Label::cut("1"),
        advertiser: AdvertiserId(1_204),
        campaign: CampaignId(20_417),
        line_item: LineItemId(104_233),
        creative: CreativeId(203_311),
        lease: 0,
        capacity_lease: 0,
        epoch: 0,
        issued: Timestamp::from_secs(1_790_000_000),
        hold_until_s: 1_790_000_420,
        hold_s: 420,
        place: Some(PlaceKind::App),
        max_price: Cpm(2_370_000),
        currency: Currency::USD,
        fx: Rate::from_f64(0.9213).unwrap(),
        budget_currency: "EUR".parse().unwrap(),
        budget_day: BudgetDay(20_717),
        quantity: Ratio::ONE,
        auction_type: 1,
        bills: Bills::Bill,
        test: false,
        permission: Permission::ALL,
        user: Some([9; 16]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is sealed opens to the same token, within the stated length.
    #[test]
    fn what_was_sealed_opens(token in any_token(), nonce in any::<[u8; 12]>()) {
        let sealed = Sealer::new(&only(1)).unwrap().seal(&token, Audience::Exchange, nonce).unwrap();
        prop_assert!(sealed.as_str().len() <= SealedToken::MAX_LEN);
        prop_assert_eq!(Opener::new(&only(1)).unwrap().open(sealed.as_str(), Audience::Exchange), Ok(token));
    }

    /// A click id opens to the same click without its user, within the stated length, and as nothing else.
    #[test]
    fn a_click_comes_back_without_its_user(token in any_token(), at in any::<i64>(), nonce in any::<[u8; 12]>()) {
        let click = Click::new(&token, Timestamp(at));
        prop_assert_eq!(click.token.user, None);
        let sealed = Sealer::new(&only(1)).unwrap().seal_click(&click, nonce).unwrap();
        prop_assert!(sealed.as_str().len() <= SealedToken::MAX_LEN);
        let opener = Opener::new(&only(1)).unwrap();
        prop_assert_eq!(opener.open_click(sealed.as_str()), Ok(click));
        prop_assert_eq!(opener.open(sealed.as_str(), Audience::Public), Err(OpenError::Forged));
    }

    /// A token with any one character changed is refused.
    #[test]
    fn any_change_is_seen(token in any_token(), nonce in any::<[u8; 12]>(), at in any::<prop::sample::Index>(), other in "[A-Za-z0-9_-]") {
        let sealed = Sealer::new(&only(1)).unwrap().seal(&token, Audience::Exchange, nonce).unwrap();
        let mut text = sealed.as_str().to_owned();
        let at = at.index(text.len());
        prop_assume!(text.get(at..=at) != Some(other.as_str()));
        text.replace_range(at..=at, &other);
        prop_assert!(Opener::new(&only(1)).unwrap().open(&text, Audience::Exchange).is_err());
    }

    /// Any text at all is answered, and none of it is a token.
    #[test]
    fn hostile_text_is_refused(text in "\\PC{0,600}", plausible in "AQE[A-Za-z0-9_-]{0,500}") {
        let opener = Opener::new(&only(1)).unwrap();
        prop_assert!(opener.open(&text, Audience::Exchange).is_err());
        prop_assert!(opener.open(&plausible, Audience::Exchange).is_err());
    }

    /// Bytes behind the seal never panic either: a leaked key forges tokens, not crashes.
    #[test]
    fn hostile_content_is_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::First, Format::Second] {
            if let Ok(token) = Token::decode(&bytes, format) {
                prop_assert!(token.auction.as_str().len() <= 36);
            }
            if let Ok(click) = Click::decode(&bytes, format) {
                prop_assert!(click.token.auction.as_str().len() <= 36);
            }
        }
    }
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let sealed = Sealer::new(&only(1)).unwrap().seal(&typical(), Audience::Exchange, [7; 12]).unwrap();
    let opener = Opener::new(&only(1)).unwrap();
    assert_eq!(opener.open(sealed.as_str(), Audience::Exchange), Ok(typical()));
    for end in 0..sealed.as_str().len() {
        assert!(opener.open(&sealed.as_str()[..end], Audience::Exchange).is_err(), "cut at {end}");
    }
    for at in 0..sealed.as_str().len() {
        for bit in 0..7 {
            let mut bytes = sealed.as_str().as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let text = String::from_utf8(bytes).unwrap();
            assert!(opener.open(&text, Audience::Exchange).is_err(), "bit {bit} of character {at}");
        }
    }
}

/// [`typical`] in format 1, under key 1 and nonce [7; 12], sealed for the exchange by another implementation (Python's cryptography).
const OF_FORMAT_1: &str = concat!(
    "AQEHBwcHBwcHBwcHBwfUZqUOdIW08YhmTjIgx02xlFRNfl82D4tcWEMYXAAOUnnTks2bWJ9_61e2Dq6_QRr0BeFAkX",
    "WWf1LN7UB9NxQDF48KGfBvtQ7Fhu-rozcrLH-mZuCTAmAAZS5ZmTSIDV5O2KjxDBvEiU7TwV8m6dkUl87ocTI1XcHW",
    "9d-WngYBYSncK20hPJVO3NRQxK_ImLxKgg9g",
);

#[test]
fn tokens_of_the_format_before_still_open() {
    let opener = Opener::new(&only(1)).unwrap();
    let before = Token { hold_s: 0, place: None, ..typical() };
    assert_eq!(opener.open(OF_FORMAT_1, Audience::Exchange), Ok(before));
    assert_eq!(opener.open(OF_FORMAT_1, Audience::Public), Err(OpenError::Forged));
    let sealed = Sealer::new(&only(1)).unwrap().seal(&typical(), Audience::Exchange, [7; 12]).unwrap();
    let (one, two) = (OF_FORMAT_1.split_at(2), sealed.as_str().split_at(2));
    assert_eq!((one.0, two.0), ("AQ", "Ag"));
    let relabelled = format!("{}{}", two.0, one.1);
    assert_eq!(
        opener.open(&relabelled, Audience::Exchange),
        Err(OpenError::Forged),
        "the format is sealed too"
    );
}

#[test]
fn while_keys_rotate_both_open_and_the_newest_seals() {
    let (old, new) = (only(1), Keys::new(key(2), Some(key(1))).unwrap());
    let old_token = Sealer::new(&old).unwrap().seal(&typical(), Audience::Exchange, [1; 12]).unwrap();
    let new_token = Sealer::new(&new).unwrap().seal(&typical(), Audience::Exchange, [1; 12]).unwrap();

    let opener = Opener::new(&new).unwrap();
    assert_eq!(opener.open(old_token.as_str(), Audience::Exchange), Ok(typical()));
    assert_eq!(opener.open(new_token.as_str(), Audience::Exchange), Ok(typical()));
    assert_eq!(
        Opener::new(&old).unwrap().open(new_token.as_str(), Audience::Exchange),
        Err(OpenError::UnknownKey(2))
    );
}

#[test]
fn another_key_under_the_same_id_is_a_forgery() {
    let stranger = Keys::new(TokenKey::new(1, [99; 32]), None).unwrap();
    let forged = Sealer::new(&stranger).unwrap().seal(&typical(), Audience::Exchange, [1; 12]).unwrap();
    assert_eq!(
        Opener::new(&only(1)).unwrap().open(forged.as_str(), Audience::Exchange),
        Err(OpenError::Forged)
    );
}

#[test]
fn keys_are_read_from_text_and_never_printed() {
    let text = format!("3:{}", "A".repeat(43));
    let parsed = TokenKey::parse(&text).unwrap();
    assert_eq!(format!("{parsed:?}"), "TokenKey(3: ***)");
    for bad in ["", "3", "x:AAAA", "300:AAAA", "3:AAAA", "3:!!"] {
        assert_eq!(TokenKey::parse(bad).unwrap_err(), KeyError::Format, "{bad}");
    }
    assert_eq!(Keys::new(key(1), Some(key(1))).unwrap_err(), KeyError::SameId(1));
}

#[test]
fn without_consent_the_user_key_never_gets_in() {
    let mut token = typical();
    token.permission = Permission::NONE.with(Use::ContextualBid);
    let sealed = Sealer::new(&only(1)).unwrap().seal(&token, Audience::Exchange, [1; 12]).unwrap();
    let opened = Opener::new(&only(1)).unwrap().open(sealed.as_str(), Audience::Exchange).unwrap();
    assert_eq!(opened.user, None);
}

#[test]
fn the_user_key_is_for_what_consent_allows_and_nothing_else() {
    for (allowed, counted, in_events) in
        [(Use::Frequency, true, false), (Use::UserKeyInEvents, false, true), (Use::TagLookup, false, false)]
    {
        let token = Token { permission: Permission::NONE.with(allowed), ..typical() };
        let sealed = Sealer::new(&only(1)).unwrap().seal(&token, Audience::Exchange, [1; 12]).unwrap();
        let opened = Opener::new(&only(1)).unwrap().open(sealed.as_str(), Audience::Exchange).unwrap();
        assert_eq!(opened.user.is_some(), counted || in_events, "{allowed:?}");
        assert_eq!(
            (opened.counted_user().is_some(), opened.user().is_some()),
            (counted, in_events),
            "{allowed:?}"
        );
    }
}

#[test]
fn a_usual_token_is_short_and_its_urls_carry_the_macros() {
    let sealed = Sealer::new(&only(1)).unwrap().seal(&typical(), Audience::Exchange, [1; 12]).unwrap();
    assert!(sealed.as_str().len() <= 230, "{} characters", sealed.as_str().len());

    let urls = NoticeUrls::new("https://n.example.com/").unwrap();
    let mut win = String::new();
    urls.write(NoticeKind::Win, &sealed, &mut win);
    assert_eq!(
        win,
        format!(
            "https://n.example.com/notice/win/{}?price=${{AUCTION_PRICE}}&cur=${{AUCTION_CURRENCY}}",
            sealed.as_str()
        )
    );
    let mut click = String::new();
    urls.write(NoticeKind::Click, &sealed, &mut click);
    assert_eq!(click, format!("https://n.example.com/notice/click/{}", sealed.as_str()));
}

#[test]
fn base_urls_that_would_break_markup_are_refused() {
    assert!(NoticeUrls::new("http://127.0.0.1:8080").is_ok());
    for bad in [
        "",
        "n.example.com",
        "ftp://x",
        "https://",
        "https:///x",
        "https://x?y=1",
        "https://x\"y",
        "https://x y",
    ] {
        assert!(NoticeUrls::new(bad).is_err(), "{bad:?} was accepted");
    }
}

#[test]
fn kinds_and_their_names_are_one_to_one() {
    for kind in NoticeKind::ALL {
        assert_eq!(NoticeKind::from_name(kind.as_str()), Some(kind));
    }
    assert_eq!(NoticeKind::from_name("WIN"), None);
    for bills in [Bills::Bill, Bills::Win, Bills::Imp] {
        assert_eq!(Bills::from_code(bills.code()), Some(bills));
    }
}

#[test]
fn a_token_opens_only_for_those_it_was_sealed_for() {
    let keys = only(1);
    let (sealer, opener) = (Sealer::new(&keys).unwrap(), Opener::new(&keys).unwrap());
    let public = sealer.seal(&typical(), Audience::Public, [1; 12]).unwrap();
    assert_eq!(opener.open(public.as_str(), Audience::Public), Ok(typical()));
    assert_eq!(opener.open(public.as_str(), Audience::Exchange), Err(OpenError::Forged));
    assert_eq!(opener.open_click(public.as_str()), Err(OpenError::Forged));
}

#[test]
fn impressions_are_whole_and_one_at_least() {
    for (quantity, whole) in [(0, 1), (1, 1), (1_000_000, 1), (1_000_001, 2), (2_500_000, 3), (3_000_000, 3)]
    {
        assert_eq!(crate::impressions(Ratio(quantity)), whole, "{quantity}");
    }
    assert_eq!(crate::impressions(Ratio(i64::MAX)), i64::MAX / 1_000_000 + 1);
    assert_eq!(crate::impressions(Ratio(-1)), 1);
}

#[test]
fn a_token_without_capacity_is_no_longer() {
    let (mut bytes, mut more) = ([0; 400], [0; 400]);
    let mut writer = crate::codec::Writer::new(&mut bytes);
    typical().encode(&mut writer);
    let len = writer.finish().unwrap();
    assert_eq!(Token::decode(&bytes[..len], Format::CURRENT), Ok(typical()));
    let rationed = Token { capacity_lease: 300, ..typical() };
    let mut writer = crate::codec::Writer::new(&mut more);
    rationed.encode(&mut writer);
    let longer = writer.finish().unwrap();
    assert_eq!(longer, len + 2, "the lease's number is at the end, where there is one");
    assert_eq!(Token::decode(&more[..longer], Format::CURRENT), Ok(rationed));
}
