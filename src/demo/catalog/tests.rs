use std::collections::{BTreeSet, HashMap, HashSet};

use tagbid_catalog::validate::{Context, CreativePolicy, References, validate};
use tagbid_catalog::{EntityKey, LineItem, Markup, Report};
use tagbid_exchange::world::RATES;
use tagbid_pricing::{Fx, Rate};
use tagbid_targeting::{Dimension, Expr, Leaf, TagKind};
use tagbid_types::Currency;

use super::*;

struct All(HashMap<EntityKey, Entity>);

impl References for All {
    fn entity(&self, key: EntityKey) -> Option<&Entity> {
        self.0.get(&key)
    }
}

fn plan() -> Plan {
    catalog(&World::standard(), LINE_ITEMS, Spending::Demo)
}

fn line_items(plan: &Plan) -> impl Iterator<Item = &LineItem> {
    plan.entities.iter().filter_map(|entity| match entity {
        Entity::LineItem(item) => Some(item.as_ref()),
        _ => None,
    })
}

fn leaves<'e>(expr: &'e Expr, found: &mut Vec<&'e Leaf>) {
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| leaves(part, found)),
        Expr::Not(part) => leaves(part, found),
        Expr::Leaf(leaf) => found.push(leaf),
    }
}

#[test]
fn a_store_would_take_every_entity_of_it() {
    let plan = catalog(&World::standard(), 1_000, Spending::Demo);
    let known = All(plan.entities.iter().map(|entity| (entity.key(), entity.clone())).collect());
    let fx = RATES.iter().fold(Fx::new(Currency::USD), |fx, (code, rate)| {
        fx.with(code.parse().unwrap(), Rate::from_trillionths(rate.0 * 1_000_000).unwrap())
    });
    let creatives = CreativePolicy::default();
    let context = Context { references: &known, creatives: &creatives, fx: Some(&fx), exchanges: None };
    for entity in &plan.entities {
        let mut report = Report::on(entity.kind().as_str());
        validate(entity, &context, &mut report);
        assert!(report.is_empty(), "{} {:?}: {:?}", entity.key(), entity.name(), report.problems());
    }
}

#[test]
fn entities_refer_only_to_earlier_stages() {
    let plan = plan();
    let mut known: HashSet<EntityKey> = HashSet::new();
    for kinds in Plan::STAGES {
        let stage: Vec<&Entity> = plan.stage(kinds).collect();
        for entity in &stage {
            let keys = tagbid_catalog::validate::references_of(entity).into_iter();
            let unknown: Vec<_> = keys.filter(|key| *key != entity.key() && !known.contains(key)).collect();
            assert!(unknown.is_empty(), "{} refers to {unknown:?}", entity.key());
        }
        known.extend(stage.iter().map(|entity| entity.key()));
    }
    assert_eq!(known.len(), plan.entities.len(), "no entity twice, none left out");
}

#[test]
fn every_dimension_and_every_kind_of_test_is_used() {
    let plan = plan();
    let mut tests = Vec::new();
    line_items(&plan).for_each(|item| leaves(&item.targeting, &mut tests));
    let mut dimensions = BTreeSet::new();
    let (mut names, mut listed, mut kinds) = (BTreeSet::new(), BTreeSet::new(), HashSet::new());
    for leaf in tests {
        names.insert(leaf.name());
        match leaf {
            Leaf::In { dimension, .. } => drop(dimensions.insert(*dimension)),
            Leaf::OnList { dimension, .. } => drop(listed.insert(*dimension)),
            Leaf::Tag(test) => drop(kinds.insert((test.kind, test.max_age_s.is_some(), test.min_weight > 0))),
            _ => {}
        }
    }
    let listed_by_nature: BTreeSet<Dimension> =
        Dimension::ALL.into_iter().filter(|d| d.has_lists()).collect();
    assert_eq!(listed, listed_by_nature);
    let used: BTreeSet<Dimension> = dimensions.union(&listed).copied().collect();
    assert_eq!(used, Dimension::ALL.into_iter().collect(), "dimensions in targeting");
    assert_eq!(names, ["hour", "in", "near", "on_list", "os_version", "present", "tag"].into());
    for kind in
        [(TagKind::Any, false, false), (TagKind::Offline, false, true), (TagKind::Realtime, true, true)]
    {
        assert!(kinds.contains(&kind), "{kind:?} is not among {kinds:?}");
    }
}

#[test]
fn prices_are_raised_by_every_kind_of_test_and_stand_in_every_currency() {
    let plan = plan();
    let multipliers = || line_items(&plan).flat_map(|item| &item.bid.multipliers);
    let names: BTreeSet<&str> = multipliers().map(|multiplier| multiplier.when.name()).collect();
    assert_eq!(names, ["hour", "in", "near", "on_list", "os_version", "tag"].into());
    let currencies: BTreeSet<Currency> = line_items(&plan).map(|item| item.bid.currency).collect();
    assert_eq!(currencies.len(), RATES.len());
}

#[test]
fn every_format_is_shown_and_the_billboard_only_to_audiences() {
    let plan = plan();
    let mut formats = [false; 4];
    let mut billboards = HashSet::new();
    for entity in &plan.entities {
        let Entity::Creative(creative) = entity else {
            continue;
        };
        match &creative.markup {
            Markup::Banner(banner) => {
                formats[0] = true;
                if (banner.width, banner.height) == BILLBOARD {
                    billboards.insert(creative.id);
                }
            }
            Markup::Video(_) => formats[1] = true,
            Markup::Audio(_) => formats[2] = true,
            Markup::Native(_) => formats[3] = true,
        }
    }
    assert_eq!(formats, [true; 4]);
    assert_eq!(billboards.len(), TRADERS.len());
    for item in line_items(&plan).filter(|item| item.creatives.iter().any(|id| billboards.contains(id))) {
        let mut tests = Vec::new();
        leaves(&item.targeting, &mut tests);
        assert!(tests.iter().any(|leaf| matches!(leaf, Leaf::Tag(_))), "{} asks for no tag", item.name);
    }
}

#[test]
fn the_same_number_gives_the_same_catalogue_and_more_only_adds() {
    let (world, few) = (World::standard(), plan());
    assert_eq!(few, catalog(&world, LINE_ITEMS, Spending::Demo));
    let many = catalog(&world, 10_000, Spending::Demo);
    assert_eq!(line_items(&many).count(), 10_000);
    assert!(line_items(&few).eq(line_items(&many).take(LINE_ITEMS)));
}

#[test]
fn references_follow_the_ids_that_a_store_gives_out() {
    let plan = plan();
    let mut ids = Ids::default();
    // This store counts on from 1000.
    plan.entities.iter().for_each(|entity| ids.learn(entity.key(), entity.key().id + 1_000));
    let originals = line_items(&plan);
    for original in originals {
        let Entity::LineItem(moved) = renumbered(&Entity::LineItem(Arc::new(original.clone())), &ids) else {
            panic!("another kind came out");
        };
        assert_eq!(moved.advertiser.0, original.advertiser.0 + 1_000);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        leaves(&original.targeting, &mut before);
        leaves(&moved.targeting, &mut after);
        for (before, after) in before.iter().zip(after) {
            match (before, after) {
                (Leaf::OnList { list: old, .. }, Leaf::OnList { list: new, .. }) => {
                    assert_eq!(new.0, old.0 + 1_000)
                }
                (Leaf::Tag(old), Leaf::Tag(new)) => assert_eq!(new.any_of[0].0, old.any_of[0].0 + 1_000),
                (old, new) => assert_eq!(*old, new),
            }
        }
    }
}
