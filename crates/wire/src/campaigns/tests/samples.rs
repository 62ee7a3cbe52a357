//! One entity of each kind with every field in use, and every leaf.

use std::collections::BTreeMap;
use std::sync::Arc;

use tagbid_catalog::*;
use tagbid_pricing::{BidRules, Multiplier};
use tagbid_targeting::{Dimension, Expr, GeoCircle, HoursOfWeek, Leaf, OsRange, TagKind, TagTest};
use tagbid_types::*;

fn header(revision: u64) -> Header {
    Header {
        revision: Revision(revision),
        created: Timestamp(1_700_000_000_123_456),
        updated: Timestamp(1_700_000_001_000_000),
        archived: false,
    }
}

fn every_leaf() -> Vec<Leaf> {
    let mut leaves: Vec<Leaf> = Dimension::ALL.into_iter().map(Leaf::Present).collect();
    leaves.extend([
        Leaf::In { dimension: Dimension::Country, values: vec!["deu".into(), "fra".into()] },
        Leaf::OnList { dimension: Dimension::Domain, list: ListId(4) },
        Leaf::OsVersion(OsRange { os: "ios".into(), min: Some("14.2".into()), max: None }),
        Leaf::Near(vec![GeoCircle { lat: 52.5, lon: 13.4, radius_m: 5_000 }]),
        Leaf::Hour(HoursOfWeek::from_hours([0, 100, 167]).unwrap()),
        Leaf::Tag(TagTest {
            any_of: vec![TagId(1), TagId(9)],
            kind: TagKind::Realtime,
            min_weight: 200,
            max_age_s: Some(0),
        }),
    ]);
    leaves
}

pub(super) fn line_item() -> LineItem {
    let parts = every_leaf().into_iter().map(Expr::Leaf).collect();
    LineItem {
        id: LineItemId(7),
        header: header(12),
        advertiser: AdvertiserId(1),
        campaign: CampaignId(2),
        name: "Shoes".into(),
        status: Status::Paused,
        targeting: Expr::All(vec![Expr::Any(parts), Expr::Not(Box::new(Expr::Any(vec![])))]),
        bid: BidRules {
            base: Cpm(1_000_000),
            currency: Currency::USD,
            min: Cpm(0),
            max: Some(Cpm(2_000_000)),
            multipliers: vec![Multiplier { when: Leaf::Present(Dimension::City), factor: Ratio(1_500_000) }],
        },
        schedule: Schedule {
            start: Some(Timestamp(1_700_000_000_000_001)),
            end: None,
            dayparts: Some(HoursOfWeek::from_hours([9]).unwrap()),
        },
        budget: Budget { daily: Some(Nanos(0)), lifetime: None },
        capacity: Capacity { daily: Some(0), lifetime: Some(u64::MAX) },
        pacing: Pacing::Asap,
        caps: vec![FrequencyCap {
            scope: CapScope::Campaign,
            impressions: 65_535,
            window: CapWindow::Lifetime,
        }],
        cap_unknown: CapUnknown::Bid,
        creatives: vec![CreativeId(3)],
    }
}

fn creative(markup: Markup) -> Creative {
    Creative {
        id: CreativeId(3),
        header: header(4),
        advertiser: AdvertiserId(1),
        name: "Red".into(),
        seat: "s1".into(),
        domains: vec!["acme.example".into()],
        categories: vec!["IAB18-1".into()],
        attributes: vec![3, 500],
        language: "en".into(),
        bundle: "com.acme".into(),
        click_url: "https://acme.example/".into(),
        preview_url: String::new(),
        apis: vec![5, 7],
        secure: true,
        markup,
        approvals: BTreeMap::from([("demo".parse().unwrap(), Approval::Rejected)]),
    }
}

pub(super) fn entities() -> Vec<Entity> {
    let banner =
        Markup::Banner(BannerMarkup { width: 300, height: 250, html: "<b>hi</b>".into(), banner_type: 3 });
    let video = Markup::Video(VideoMarkup {
        media_url: "https://acme.example/v.mp4".into(),
        mime: "video/mp4".into(),
        duration_ms: 15_000,
        width: 640,
        height: 360,
        bitrate_kbps: 900,
        skip_after_s: Some(5),
    });
    let audio = Markup::Audio(AudioMarkup {
        media_url: "https://acme.example/a.mp3".into(),
        mime: "audio/mpeg".into(),
        duration_ms: 30_000,
        bitrate_kbps: 128,
    });
    let native = Markup::Native(NativeMarkup {
        title: "Shoes".into(),
        assets: vec![
            NativeAsset::Image {
                kind: 3,
                url: "https://acme.example/m.png".into(),
                width: 1200,
                height: 627,
            },
            NativeAsset::Data { kind: 2, value: "Red ones".into() },
        ],
    });
    let mut entities: Vec<Entity> = [banner, video, audio, native]
        .into_iter()
        .map(|markup| Entity::Creative(Arc::new(creative(markup))))
        .collect();
    entities.push(Entity::LineItem(Arc::new(line_item())));
    entities.extend(small_entities());
    entities
}

fn small_entities() -> Vec<Entity> {
    let advertiser = Advertiser {
        id: AdvertiserId(1),
        header: header(1),
        name: "Acme".into(),
        domain: "acme.example".into(),
        currency: "EUR".parse().unwrap(),
        time_zone: "Europe/Berlin".into(),
        budget: Budget::default(),
        capacity: Capacity::default(),
        caps: vec![],
        never_contact: vec![TagId(3), TagId(7)],
    };
    let campaign = Campaign {
        id: CampaignId(2),
        header: header(2),
        advertiser: AdvertiserId(1),
        name: "Spring".into(),
        status: Status::Active,
        schedule: Schedule::default(),
        budget: Budget::default(),
        capacity: Capacity { daily: None, lifetime: Some(20) },
        caps: vec![],
        tier: 9,
    };
    let deal = Deal {
        id: DealId(5),
        header: header(5),
        advertiser: AdvertiserId(1),
        name: "Homepage".into(),
        exchange: "demo".parse().unwrap(),
        code: "D-1".into(),
        auction: DealAuction::Fixed,
        price: Cpm(5_000_000),
        currency: Currency::USD,
        seat: String::new(),
    };
    let list = List {
        id: ListId(4),
        header: header(6),
        advertiser: AdvertiserId(1),
        name: "Blocked".into(),
        kind: ListKind::Domain,
        values: vec!["a.example".into(), "b.example".into()],
    };
    let dataset = Dataset {
        id: DatasetId(8),
        header: header(7),
        advertiser: None,
        name: "Offline".into(),
        description: "Of the lake".into(),
        kind: DatasetKind::Realtime,
        grants: vec![AdvertiserId(3)],
        unknown_names: UnknownNames::Register { most: 500 },
        half_life_s: 1,
        default_ttl_s: 2,
        fresh_within_s: 3,
        snapshots: snapshots(),
    };
    let tag = TagDefinition {
        id: TagId(9),
        header: header(8),
        advertiser: Some(AdvertiserId(1)),
        dataset: Some(DatasetId(8)),
        name: "Runners".into(),
        synonyms: vec!["Joggers".into()],
        description: "Runs".into(),
        taxonomy: "iab-audience-1.1:283".into(),
        half_life_s: Some(0),
        default_ttl_s: Some(3600),
    };
    vec![
        Entity::Advertiser(Arc::new(advertiser)),
        Entity::Campaign(Arc::new(campaign)),
        Entity::Deal(Arc::new(deal)),
        Entity::List(Arc::new(list)),
        Entity::Dataset(Arc::new(dataset)),
        Entity::Tag(Arc::new(tag)),
    ]
}

fn snapshots() -> Snapshots {
    let state =
        [SnapshotState::Dropping, SnapshotState::Loaded, SnapshotState::Loaded, SnapshotState::Loading];
    let snapshot = |(version, state): (u32, SnapshotState)| Snapshot {
        version,
        state,
        load: format!("day {version}"),
        as_of: Timestamp(1_735_689_600_000_000 + i64::from(version)),
        epoch: RegistryEpoch { life: CatalogLife(7), tag: TagId(version), made: Timestamp(5) },
        users: u64::from(version) * 100,
        begun: Timestamp(1_735_689_700_000_000),
    };
    Snapshots {
        last: 9,
        active: Some(3),
        previous: Some(2),
        versions: (1..).zip(state).map(snapshot).collect(),
    }
}
