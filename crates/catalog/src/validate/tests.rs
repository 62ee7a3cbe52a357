use std::collections::BTreeMap;
use std::sync::Arc;

use tagbid_pricing::{BidRules, Multiplier};
use tagbid_targeting::{Dimension, Expr, Leaf, TagKind, TagTest};
use tagbid_types::{
    AdvertiserId, CampaignId, Cpm, CreativeId, Currency, DatasetId, LineItemId, ListId, Nanos, Ratio, TagId,
    Timestamp,
};

use super::*;
use crate::*;

pub(crate) fn line_item(change: impl FnOnce(&mut LineItem)) -> LineItem {
    let mut item = LineItem {
        id: LineItemId(1),
        header: Header::default(),
        advertiser: AdvertiserId(1),
        campaign: CampaignId(1),
        name: "Shoes".into(),
        status: Status::Active,
        targeting: Expr::default(),
        bid: BidRules {
            base: Cpm(1_000_000),
            currency: Currency::USD,
            min: Cpm(0),
            max: Some(Cpm(2_000_000)),
            multipliers: Vec::new(),
        },
        schedule: Schedule::default(),
        budget: Budget::default(),
        capacity: crate::Capacity::default(),
        pacing: Pacing::Even,
        caps: Vec::new(),
        cap_unknown: CapUnknown::NoBid,
        creatives: vec![CreativeId(1)],
    };
    change(&mut item);
    item
}

pub(super) fn creative(change: impl FnOnce(&mut Creative)) -> Creative {
    let mut creative = Creative {
        id: CreativeId(1),
        header: Header::default(),
        advertiser: AdvertiserId(1),
        name: "Red shoes".into(),
        seat: String::new(),
        domains: vec!["acme.example".into()],
        categories: vec!["IAB18-1".into()],
        attributes: vec![],
        language: "en".into(),
        bundle: String::new(),
        click_url: "https://acme.example/shoes".into(),
        preview_url: String::new(),
        apis: vec![],
        secure: true,
        markup: Markup::Banner(BannerMarkup {
            width: 300,
            height: 250,
            html: "<a href=\"{CLICK_URL}\"><img src=\"https://cdn.acme.example/a.png\"></a>".into(),
            banner_type: 2,
        }),
        approvals: BTreeMap::new(),
    };
    change(&mut creative);
    creative
}

fn fields(entity: Entity) -> Vec<String> {
    fields_knowing(entity, &Known(vec![campaign(false), owner(), sound_creative()]))
}

fn fields_knowing(entity: Entity, known: &Known) -> Vec<String> {
    let mut report = Report::on(entity.kind().as_str());
    let context =
        Context { references: known, creatives: &CreativePolicy::default(), fx: None, exchanges: None };
    validate(&entity, &context, &mut report);
    report.into_problems().into_iter().map(|p| p.field).collect()
}

#[test]
fn sound_entities_have_no_problems() {
    assert!(fields(Entity::LineItem(Arc::new(line_item(|_| {})))).is_empty());
    assert!(fields(Entity::Creative(Arc::new(creative(|_| {})))).is_empty());
}

#[test]
fn all_problems_of_a_line_item_come_at_once() {
    let broken = line_item(|item| {
        item.name = " ".into();
        item.bid.base = Cpm(0);
        item.bid.min = Cpm(3_000_000);
        item.bid.multipliers = vec![Multiplier { when: Leaf::Present(Dimension::City), factor: Ratio(-1) }];
        item.schedule.start = Some(Timestamp::from_secs(20));
        item.schedule.end = Some(Timestamp::from_secs(20));
        item.budget = Budget { daily: Some(Nanos(-1)), lifetime: Some(Nanos(-2)) };
        item.capacity = Capacity { daily: Some(MAX_CAPACITY + 1), lifetime: Some(MAX_CAPACITY) };
        item.caps = vec![FrequencyCap { scope: CapScope::LineItem, impressions: 0, window: CapWindow::Day }];
        item.creatives.clear();
    });
    let found = fields(Entity::LineItem(Arc::new(broken)));
    for field in [
        "line_item.name",
        "line_item.schedule.end_time",
        "line_item.budget.daily_nanos",
        "line_item.budget.lifetime_nanos",
        "line_item.capacity.daily_impressions",
        "line_item.frequency_caps[0].impressions",
        "line_item.bid.base_cpm_micros",
        "line_item.bid.min_cpm_micros",
        "line_item.bid.multipliers[0].factor_micros",
        "line_item.creative_ids",
    ] {
        assert!(found.iter().any(|f| f == field), "{field} is missing in {found:?}");
    }
}

#[test]
fn a_creative_says_what_it_is_by_the_lists_of_the_trade() {
    let broken = creative(|c| {
        c.seat = "//evil.example".into();
        c.domains = vec!["https://acme.example".into()];
        c.categories = vec!["Shoes".into()];
        c.attributes = vec![99];
        c.apis = vec![7, 1000];
        c.language = "english".into();
        c.markup = Markup::Video(VideoMarkup {
            media_url: "https://acme.example/v.mp4".into(),
            mime: "mp4".into(),
            duration_ms: 5_000,
            width: 0,
            height: 360,
            bitrate_kbps: 800,
            skip_after_s: Some(5),
        });
    });
    let want = [
        "creative.seat",
        "creative.domains[0]",
        "creative.categories[0]",
        "creative.language",
        "creative.attributes[0]",
        "creative.apis[1]",
        "creative.video.width",
        "creative.video.mime",
        "creative.video.skip_after_s",
    ];
    assert_eq!(fields(Entity::Creative(Arc::new(broken))), want);
}

#[test]
fn domains_are_lower_case_names_of_two_labels_or_more() {
    for good in ["example.com", "a.b-c.example", "xn--bcher-kva.example", "1.2.example"] {
        assert!(is_domain(good), "{good}");
    }
    for bad in ["", "com", "Example.com", "-a.com", "a..com", "a.com/", "a b.com", "bücher.example"] {
        assert!(!is_domain(bad), "{bad}");
    }
}

struct Known(Vec<Entity>);

impl References for Known {
    fn entity(&self, key: EntityKey) -> Option<&Entity> {
        self.0.iter().find(|entity| entity.key() == key)
    }
}

fn owner() -> Entity {
    Entity::Advertiser(Arc::new(Advertiser {
        id: AdvertiserId(1),
        header: Header::default(),
        name: "Acme".into(),
        domain: "acme.example".into(),
        currency: Currency::USD,
        time_zone: "UTC".into(),
        budget: Budget::default(),
        capacity: crate::Capacity::default(),
        caps: vec![],
        never_contact: vec![],
    }))
}

fn sound_creative() -> Entity {
    Entity::Creative(Arc::new(creative(|_| {})))
}

fn campaign(archived: bool) -> Entity {
    Entity::Campaign(Arc::new(Campaign {
        id: CampaignId(1),
        header: Header { archived, ..Header::default() },
        advertiser: AdvertiserId(1),
        name: "Spring".into(),
        status: Status::Active,
        schedule: Schedule::default(),
        budget: Budget::default(),
        capacity: crate::Capacity::default(),
        caps: vec![],
        tier: 0,
    }))
}

fn tag(id: u32, owner: Option<u64>) -> Entity {
    Entity::Tag(Arc::new(TagDefinition {
        id: TagId(id),
        header: Header::default(),
        advertiser: owner.map(AdvertiserId),
        name: format!("tag {id}"),
        ..TagDefinition::default()
    }))
}

fn dataset(id: u32, owner: Option<u64>, grants: &[u64]) -> Entity {
    Entity::Dataset(Arc::new(Dataset {
        id: DatasetId(id),
        advertiser: owner.map(AdvertiserId),
        name: format!("dataset {id}"),
        grants: grants.iter().copied().map(AdvertiserId).collect(),
        ..Dataset::default()
    }))
}

/// A tag in a dataset of the same owner.
fn tag_in(dataset: u32, id: u32, owner: Option<u64>) -> Entity {
    let Entity::Tag(mut tag) = tag(id, owner) else { unreachable!() };
    Arc::make_mut(&mut tag).dataset = Some(DatasetId(dataset));
    Entity::Tag(tag)
}

#[test]
fn tags_may_be_targeted_by_those_to_whom_their_dataset_is_open() {
    let test = TagTest {
        any_of: (11..=17).map(TagId).collect(),
        kind: TagKind::Any,
        min_weight: 0,
        max_age_s: None,
    };
    let item = line_item(|item| item.targeting = Expr::Leaf(Leaf::Tag(test)));
    let mut closed = dataset(7, Some(1), &[]);
    closed.header_mut().archived = true;
    let known = Known(vec![
        campaign(false),
        sound_creative(),
        dataset(1, Some(1), &[]),
        tag_in(1, 11, Some(1)),
        dataset(2, Some(2), &[3, 1]),
        tag_in(2, 12, Some(2)),
        dataset(3, Some(2), &[3]),
        tag_in(3, 13, Some(2)),
        dataset(4, None, &[]),
        tag_in(4, 14, None),
        dataset(5, None, &[1]),
        tag_in(5, 15, None),
        dataset(6, None, &[2]),
        tag_in(6, 16, None),
        closed,
        tag_in(7, 17, Some(1)),
    ]);
    let refused = |position| format!("line_item.targeting.leaf.tag.any_of_tag_ids[{position}]");
    assert_eq!(
        fields_knowing(Entity::LineItem(Arc::new(item)), &known),
        [refused(2), refused(5), refused(6)]
    );
}

#[test]
fn datasets_and_tags_are_held_to_what_they_can_mean() {
    let known = Known(vec![owner(), dataset(1, Some(1), &[]), dataset(2, Some(2), &[])]);
    let set = Entity::Dataset(Arc::new(Dataset {
        advertiser: Some(AdvertiserId(1)),
        name: "CRM".into(),
        grants: [2, 1, 2, 0].map(AdvertiserId).into(),
        unknown_names: UnknownNames::Register { most: 0 },
        ..Dataset::default()
    }));
    let fields = ["grants[1]", "grants[2]", "grants[3]", "max_tags"].map(|field| format!("dataset.{field}"));
    assert_eq!(fields_knowing(set, &known), fields);

    let sound = TagDefinition {
        advertiser: Some(AdvertiserId(1)),
        dataset: Some(DatasetId(1)),
        name: "Coca-Cola".into(),
        synonyms: vec!["Coke".into()],
        taxonomy: "iab-audience-1.1:283".into(),
        ..TagDefinition::default()
    };
    assert_eq!(fields_knowing(Entity::Tag(Arc::new(sound.clone())), &known), [""; 0]);
    let bad = TagDefinition {
        dataset: Some(DatasetId(2)),
        name: "®".into(),
        synonyms: ["Coke", "COKE®", "caf\u{FFFD}", "--"].map(String::from).into(),
        taxonomy: "iab-audience-1.1:sports".into(),
        ..sound
    };
    let fields = ["dataset_id", "name", "synonyms[1]", "synonyms[2]", "synonyms[3]", "taxonomy"];
    let fields = fields.map(|field| format!("tag_definition.{field}"));
    assert_eq!(fields_knowing(Entity::Tag(Arc::new(bad)), &known), fields);
}

fn list(id: u64, owner: u64) -> Entity {
    Entity::List(Arc::new(List {
        id: ListId(id),
        header: Header::default(),
        advertiser: AdvertiserId(owner),
        name: format!("list {id}"),
        kind: ListKind::Domain,
        values: vec![],
    }))
}

#[test]
fn references_stay_within_the_advertiser_and_what_the_operator_shares() {
    let on_list = |dimension, id| Expr::Leaf(Leaf::OnList { dimension, list: ListId(id) });
    let item = line_item(|item| {
        item.targeting = Expr::All(vec![
            Expr::Leaf(Leaf::Tag(TagTest {
                any_of: vec![TagId(1), TagId(2), TagId(3)],
                kind: TagKind::Any,
                min_weight: 0,
                max_age_s: None,
            })),
            Expr::Not(Box::new(on_list(Dimension::Domain, 1))),
            on_list(Dimension::App, 1),
            on_list(Dimension::Domain, 2),
        ]);
    });
    let foreign = Entity::Creative(Arc::new(creative(|c| c.advertiser = AdvertiserId(2))));
    let known = Known(vec![
        campaign(true),
        foreign,
        tag(1, Some(1)),
        tag(2, None),
        tag(3, Some(2)),
        list(1, 1),
        list(2, 2),
    ]);
    assert_eq!(
        fields_knowing(Entity::LineItem(Arc::new(item)), &known),
        [
            "line_item.campaign_id",
            "line_item.creative_ids[0]",
            "line_item.targeting.all_of.parts[0].leaf.tag.any_of_tag_ids[2]",
            "line_item.targeting.all_of.parts[2].leaf.on_list.list_id",
            "line_item.targeting.all_of.parts[3].leaf.on_list.list_id",
        ]
    );
}

#[test]
fn contact_rules_name_tags_that_may_be_used_and_a_tier_that_there_is() {
    let Entity::Advertiser(mut picky) = owner() else { unreachable!() };
    Arc::make_mut(&mut picky).never_contact = (1..=4).map(TagId).collect();
    let known = Known(vec![
        tag(1, Some(1)),
        tag(2, None),
        tag(3, Some(2)),
        dataset(1, Some(2), &[1]),
        tag_in(1, 4, Some(2)),
    ]);
    assert_eq!(
        fields_knowing(Entity::Advertiser(Arc::clone(&picky)), &known),
        ["advertiser.never_contact_tag_ids[2]"],
        "one's own, the operator's and what is granted"
    );
    let keys = super::references_of(&Entity::Advertiser(Arc::clone(&picky)));
    assert!((1..=4).all(|id| keys.contains(&TagId(id).into())), "they are loaded: {keys:?}");
    Arc::make_mut(&mut picky).never_contact = (0..101).map(TagId).collect();
    assert_eq!(fields_knowing(Entity::Advertiser(picky), &known), ["advertiser.never_contact_tag_ids"]);

    for (tier, fields) in [(0, &[][..]), (9, &[]), (10, &["campaign.tier"])] {
        let Entity::Campaign(mut campaign) = campaign(false) else { unreachable!() };
        Arc::make_mut(&mut campaign).tier = tier;
        assert_eq!(fields_knowing(Entity::Campaign(campaign), &Known(vec![owner()])), fields);
    }
}

#[test]
fn what_was_stored_before_there_were_contact_rules_is_read() {
    let without = |entity: &Entity, field: &str| {
        let mut stored = serde_json::to_value(entity).unwrap();
        let kind = stored.as_object_mut().unwrap().values_mut().next().unwrap();
        assert!(kind.as_object_mut().unwrap().remove(field).is_some(), "{field} of {kind}");
        serde_json::from_value::<Entity>(stored).unwrap()
    };
    assert_eq!(without(&owner(), "never_contact"), owner());
    assert_eq!(without(&campaign(false), "tier"), campaign(false));
}
