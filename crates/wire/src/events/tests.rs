use proptest::prelude::*;

use super::*;

fn bid() -> impl Strategy<Value = EventBid> {
    let ids = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    let numbers = (any::<u128>(), any::<i64>(), any::<i64>(), any::<i64>());
    ("[a-z0-9_-]{1,40}", ".{0,36}", ".{0,16}", "[A-Z]{3}", ids, numbers).prop_map(
        |(exchange, auction, imp, currency, ids, (id, at, price, quantity))| EventBid {
            exchange: exchange.parse().unwrap(),
            auction,
            id: BidId(id),
            imp,
            at: Timestamp(at),
            advertiser: AdvertiserId(ids.0),
            campaign: CampaignId(ids.1),
            line_item: LineItemId(ids.2),
            creative: CreativeId(ids.3),
            price: Cpm(price),
            currency: currency.parse().unwrap(),
            quantity: Ratio(quantity),
        },
    )
}

fn notice() -> impl Strategy<Value = NoticeFact> {
    let verdict = prop_oneof![
        Just(Verdict::Billed),
        Just(Verdict::NotBilling),
        Just(Verdict::Late),
        Just(Verdict::Test),
        Just(Verdict::Audit),
        Just(Verdict::Unpriced),
        Just(Verdict::Lost),
        "[a-z]{0,9}".prop_map(Verdict::Quarantined),
    ];
    let money = (any::<Option<i64>>(), any::<[i64; 4]>(), any::<Option<i64>>());
    (verdict, money, any::<i32>(), any::<Option<u16>>(), "[A-Z]{3}").prop_map(
        |(verdict, (price, [charged, excess, uncovered, over_capacity], min), day, loss_reason, currency)| {
            NoticeFact {
                verdict,
                price: price.map(Cpm),
                charged: Nanos(charged),
                excess: Nanos(excess),
                uncovered: Nanos(uncovered),
                over_capacity,
                budget_currency: currency.parse().unwrap(),
                budget_day: BudgetDay(day),
                loss_reason,
                min_to_win: min.map(Cpm),
            }
        },
    )
}

fn fact() -> impl Strategy<Value = Fact> {
    let made = (any::<Option<String>>(), any::<u16>(), any::<bool>(), any::<i64>()).prop_map(
        |(deal, auction_type, test, sample)| {
            Fact::Bid(BidFact { deal, auction_type, test, sample: Ratio(sample) })
        },
    );
    let value = prop::option::of((any::<i64>(), "[A-Z]{3}"));
    let attribution = prop_oneof![
        Just(Attribution::Click),
        Just(Attribution::View),
        "[a-z_]{0,20}".prop_map(Attribution::None)
    ];
    let conversion = (any::<String>(), any::<String>(), value, attribution, 1_u64..).prop_map(
        |(name, reference, value, attribution, advertiser)| {
            let value = value.map(|(nanos, currency)| (Nanos(nanos), currency.parse().unwrap()));
            let advertiser = AdvertiserId(advertiser);
            Fact::Conversion(ConversionFact { advertiser, name, reference, value, attribution })
        },
    );
    prop_oneof![
        made,
        notice().prop_map(Fact::Win),
        notice().prop_map(Fact::Billing),
        notice().prop_map(Fact::Loss),
        notice().prop_map(Fact::Impression),
        notice().prop_map(Fact::Click),
        conversion,
    ]
}

fn is_uncredited(fact: &Fact) -> bool {
    matches!(fact, Fact::Conversion(ConversionFact { attribution: Attribution::None(_), .. }))
}

fn event() -> impl Strategy<Value = Event> {
    let user = prop::option::of((any::<[u8; 16]>(), any::<Option<u8>>()));
    (any::<i64>(), bid(), user, fact()).prop_map(|(at, bid, user, fact)| Event {
        at: Timestamp(at),
        bid: (!is_uncredited(&fact)).then_some(bid),
        user: user.map(|(key, mac)| EventUser { key: UserKey(key), mac }),
        fact,
    })
}

proptest! {
    /// Every event reads back as it was written, with its number.
    #[test]
    fn records_survive_their_bytes(event in event(), numbered in prop::option::of(("[a-z0-9.-]{1,64}", any::<u64>()))) {
        let numbered = numbered.map(|(source, position)| (source.parse::<EventSource>().unwrap(), position));
        let mut bytes = Vec::new();
        encode_record(&event, numbered.as_ref().map(|(source, position)| (source, *position)), &mut bytes);
        prop_assert_eq!(decode_record(&bytes), Ok(EventRecord { event, numbered }));
    }

    /// Bytes that are no record are refused, never taken for another one or for a panic.
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _either = decode_record(&bytes);
        let _either = decode_sources(&bytes);
    }
}

#[test]
fn what_this_version_does_not_know_is_refused_by_name() {
    let refused = |change: fn(&mut pb::Event)| {
        let mut event = pb::Event {
            at_micros: 1,
            bid: Some(pb::Bid {
                exchange: "x".into(),
                id: vec![0; 16],
                currency: "USD".into(),
                ..pb::Bid::default()
            }),
            fact: Some(PbFact::Win(pb::Notice {
                verdict: pb::Verdict::Billed.into(),
                budget_currency: "USD".into(),
                ..pb::Notice::default()
            })),
            ..pb::Event::default()
        };
        change(&mut event);
        let record = pb::Record { event: Some(event), ..pb::Record::default() };
        decode_record(&record.encode_to_vec()).map(drop)
    };
    assert_eq!(refused(|_| {}), Ok(()));
    assert_eq!(refused(|event| event.fact = None), Err(NoRecord("fact")));
    assert_eq!(refused(|event| event.user_key = vec![1; 15]), Err(NoRecord("user key")));
    assert_eq!(refused(|event| event.bid = None), Err(NoRecord("bid")));
    let newer = |event: &mut pb::Event| {
        event.fact = Some(PbFact::Win(pb::Notice {
            verdict: 99,
            budget_currency: "USD".into(),
            ..pb::Notice::default()
        }));
    };
    assert_eq!(refused(newer), Err(NoRecord("verdict")));
}

#[test]
fn where_sources_stand_survives_its_bytes() {
    let sources: Vec<(EventSource, u64)> =
        vec![("ledger.1".parse().unwrap(), 7), ("other".parse().unwrap(), u64::MAX)];
    let bytes = encode_sources(sources.iter().map(|(source, position)| (source, *position)));
    assert_eq!(decode_sources(&bytes), Ok(sources));
}
