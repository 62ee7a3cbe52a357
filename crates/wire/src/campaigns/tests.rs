mod samples;

use std::sync::Arc;

use prost_types::FieldMask;
use tagbid_catalog::*;
use tagbid_ports::{CatalogEvent, NameAnswer, NamesAnswer, TagsUpserted, UpsertOutcome};
use tagbid_targeting::{Dimension, Leaf};
use tagbid_types::*;

use super::*;
use crate::pb::campaigns as pb;
use samples::{entities, line_item};

#[test]
fn every_entity_survives_the_stream_in_snapshots_and_in_changes() {
    for entity in entities() {
        let catalog = Catalog {
            life: CatalogLife(u64::MAX),
            changed: Timestamp(1_700_000_000_123_456),
            revision: Revision(40),
            entities: [(entity.key(), entity.clone())].into_iter().collect(),
        };
        let change = Change { revision: Revision(41), entity };
        let mut reader = CatalogReader::default();
        let mut pass = |event: &CatalogEvent| {
            let messages = catalog_event_to(event);
            let read = messages.into_iter().map(|message| reader.read(message).unwrap());
            read.last().flatten().unwrap()
        };
        let CatalogEvent::Snapshot(snapshot) = pass(&CatalogEvent::Snapshot(Arc::new(catalog.clone())))
        else {
            panic!("a snapshot became something else");
        };
        assert_eq!(*snapshot, catalog);
        let CatalogEvent::Changes(changes) = pass(&CatalogEvent::Changes(vec![change.clone()])) else {
            panic!("changes became something else");
        };
        assert_eq!(changes, [change]);
    }
}

#[test]
fn answers_about_names_and_places_survive_the_wire() {
    let tags = |ids: [u32; 2]| ids.map(TagId).to_vec();
    let epoch = RegistryEpoch { life: CatalogLife(3), tag: TagId(9), made: Timestamp(1_700_000_000_123_456) };
    let answer = NamesAnswer {
        names: vec![
            NameAnswer::Known(TagId(1)),
            NameAnswer::Registered(TagId(2)),
            NameAnswer::Ambiguous(tags([3, 4])),
            NameAnswer::Unknown(tags([5, 6])),
            NameAnswer::OverLimit,
            NameAnswer::Invalid("is too long".into()),
        ],
        epoch,
        revision: Revision(12),
    };
    assert_eq!(names_answer_from(names_answer_to(&answer)), Some(answer));
    let outcomes = [UpsertOutcome::Created, UpsertOutcome::Updated, UpsertOutcome::Unchanged];
    let upserted =
        TagsUpserted { tags: (1..).map(TagId).zip(outcomes).collect(), epoch, revision: Revision(12) };
    assert_eq!(upserted_from(&upserted_to(&upserted)), Some(upserted));
    let place = Place {
        life: CatalogLife(u64::MAX),
        revision: Revision(7),
        changed: Timestamp(1_700_000_000_123_456),
        newest_tag: TagId(8),
    };
    assert_eq!(place_from(&place_to(place)), place);
}

#[test]
fn synonyms_that_say_nothing_new_are_dropped_and_those_that_are_none_are_kept_to_be_refused() {
    let synonyms = ["coca cola®", "Coke", "--", "COKE!", "Cola"].map(String::from).into();
    let tag = pb::TagDefinition { name: "Coca-Cola".into(), synonyms, ..Default::default() };
    let Some(Entity::Tag(read)) = tag.read(&mut Report::default()) else { panic!("not read") };
    assert_eq!(read.synonyms, ["Coke", "--", "Cola"]);
}

#[test]
fn a_large_snapshot_travels_in_pieces_and_arrives_whole() {
    let mut catalog = Catalog { revision: Revision(3), ..Catalog::default() };
    for id in 0..2_000 {
        let mut item = line_item();
        item.id = LineItemId(id);
        catalog.entities.insert_mut(item.id.into(), Entity::LineItem(Arc::new(item)));
    }
    let messages = catalog_event_to(&CatalogEvent::Snapshot(Arc::new(catalog.clone())));
    assert!(messages.len() > 2, "{} messages", messages.len());
    let mut reader = CatalogReader::default();
    let mut events = Vec::new();
    for message in messages {
        events.extend(reader.read(message).unwrap());
    }
    assert!(matches!(&events[..], [CatalogEvent::Snapshot(whole)] if **whole == catalog));
}

#[test]
fn problems_on_the_wire_are_all_named_with_their_paths() {
    let item = pb::LineItem {
        status: 77,
        targeting: Some(pb::Expression {
            node: Some(pb::expression::Node::AllOf(pb::Expressions {
                parts: vec![
                    pb::Expression { node: None },
                    leaf(pb::leaf::Test::Present(0)),
                    // Of what dimension nobody knows, so that no more can be said of it.
                    leaf(pb::leaf::Test::ValueIn(pb::ValueIn { dimension: 99, values: vec!["x".into()] })),
                ],
            })),
        }),
        bid: Some(pb::BidRules {
            base_cpm_micros: 1,
            currency: "dollars".into(),
            multipliers: vec![
                pb::Multiplier { when: None, factor_micros: 1 },
                pb::Multiplier {
                    when: Some(pb::Leaf { test: Some(pb::leaf::Test::Present(1)) }),
                    factor_micros: 2_000_000,
                },
            ],
            ..Default::default()
        }),
        schedule: Some(pb::Schedule { hours_of_week: vec![168], ..Default::default() }),
        frequency_caps: vec![pb::FrequencyCap { scope: 0, impressions: 70_000, window: 3 }],
        ..Default::default()
    };
    let mut report = Report::on("line_item");
    assert!(item.read(&mut report).is_some(), "reading goes on past problems");
    let found: Vec<_> = report.problems().iter().map(|p| p.field.as_str()).collect();
    assert_eq!(
        found,
        [
            "line_item.status",
            "line_item.targeting.all_of.parts[0]",
            "line_item.targeting.all_of.parts[1].leaf.present",
            "line_item.targeting.all_of.parts[2].leaf.value_in.dimension",
            "line_item.bid.multipliers[0].when",
            "line_item.bid.currency",
            "line_item.schedule.hours_of_week",
            "line_item.frequency_caps[0].scope",
            "line_item.frequency_caps[0].impressions",
        ]
    );
}

fn leaf(test: pb::leaf::Test) -> pb::Expression {
    pb::Expression { node: Some(pb::expression::Node::Leaf(pb::Leaf { test: Some(test) })) }
}

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask { paths: paths.iter().map(|p| (*p).to_owned()).collect() }
}

fn current() -> pb::LineItem {
    pb::LineItem::write(&Entity::LineItem(Arc::new(line_item()))).unwrap()
}

#[test]
fn a_mask_changes_what_it_names_and_nothing_else() {
    let current = current();
    let mut update = pb::LineItem { id: current.id, name: "Boots".into(), ..Default::default() };
    update.bid = Some(pb::BidRules { base_cpm_micros: 5, ..Default::default() });
    let merged = merge(&current, &update, Some(&mask(&["bid.base_cpm_micros", "schedule.dayparts"])));
    let Err(MaskError::Refused(problems)) = merged else {
        panic!("an unknown path was accepted");
    };
    assert!(problems[0].problem.contains("schedule.dayparts"), "{problems:?}");

    let paths = ["bid.base_cpm_micros", "schedule.start_time"];
    let merged = merge(&current, &update, Some(&mask(&paths))).unwrap();
    let mut expected = current.clone();
    expected.bid.as_mut().unwrap().base_cpm_micros = 5;
    expected.schedule.as_mut().unwrap().start_time = None;
    assert_eq!(merged.resource, expected);
    assert_eq!(merged.paths, paths);
}

#[test]
fn without_a_mask_what_is_set_is_taken() {
    let current = current();
    let update = pb::LineItem {
        id: current.id,
        campaign_id: current.campaign_id,
        name: "Boots".into(),
        ..Default::default()
    };
    let merged = merge(&current, &update, None).unwrap();
    let mut expected = current.clone();
    expected.name = "Boots".into();
    assert_eq!(merged.resource, expected);
    assert_eq!(merged.paths, ["name"]);

    let replaced = merge(&current, &update, Some(&mask(&["*"]))).unwrap().resource;
    assert_eq!(replaced.bid, None);
    assert_eq!((replaced.id, replaced.campaign_id), (current.id, current.campaign_id));
}

#[test]
fn owners_and_parents_never_change() {
    let current = current();
    let mut update = current.clone();
    update.campaign_id = 99;
    for mask in [None, Some(mask(&["campaign_id"])), Some(mask(&["*"]))] {
        let Err(MaskError::Refused(problems)) = merge(&current, &update, mask.as_ref()) else {
            panic!("the campaign was changed with {mask:?}");
        };
        assert_eq!(problems[0].field, "line_item.campaign_id");
    }
    assert!(merge(&current, &update, Some(&mask(&["id"]))).is_err());
}

#[test]
fn a_creative_changes_its_format_by_naming_the_new_one() {
    let entities = entities();
    let banner = pb::Creative::write(&entities[0]).unwrap();
    let video = pb::Creative::write(&entities[1]).unwrap();
    for mask in [mask(&["video"]), mask(&["*"])] {
        let merged = merge(&banner, &video, Some(&mask)).unwrap();
        assert_eq!(merged.resource.markup, video.markup, "{mask:?}");
    }
}

#[test]
fn dimensions_have_the_same_name_in_the_api() {
    for dimension in Dimension::ALL {
        let pb::leaf::Test::Present(number) = leaf_to(&Leaf::Present(dimension)).test.unwrap() else {
            panic!("not a presence test");
        };
        let name = pb::Dimension::try_from(number).unwrap().as_str_name();
        assert_eq!(name, format!("DIMENSION_{}", dimension.as_str().to_uppercase()));
    }
}

#[test]
fn etags_lead_back_to_revisions() {
    assert_eq!(parse_etag(&etag(Revision(12))), Some(Revision(12)));
    assert_eq!(parse_etag("12"), None);
}
