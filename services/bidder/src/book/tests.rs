use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bumpalo::Bump;
use proptest::prelude::*;
use tagbid_catalog::{
    CapScope, CapWindow, Catalog, Change, Deal, DealAuction, Entity, EntityKey, FrequencyCap, LineItem, List,
    ListKind, Markup, Status, TagDefinition,
};
use tagbid_openrtb::Imp;
use tagbid_ports::Datasets;
use tagbid_pricing::Fx;
use tagbid_targeting::{
    Attributes, Class, Dimension, Engine, Expr, Leaf, Slot, TagKind, TagTest, Traffic, Wanted,
};
use tagbid_types::{
    AdvertiserId, CampaignId, Cpm, CreativeId, Currency, DatasetId, DealId, LineItemId, ListId, Revision,
    TagId, Timestamp,
};

use super::Book;
use super::contact::Contact;
use super::rebuild::Rebuild;
use crate::gates::Shape;
use crate::gates::tests::given_imp;
use crate::tests::{banner, catalog};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
/// Enough for whatever grows with the line items to be noticed.
const MANY: u64 = 20_000;
const COUNTRIES: [&str; 3] = ["usa", "deu", "fra"];
const SITES: [&str; 3] = ["s1", "s2", "s3"];

/// A change as an advertiser makes it.
#[derive(Clone, Debug)]
enum Edit {
    /// A line item, new or not: the country it wants, whether also a site of the list, its price, active, archived.
    LineItem { id: u64, country: usize, listed: bool, price: i64, active: bool, archived: bool },
    /// The sites of the list.
    List { sites: Vec<usize> },
    /// Whether the campaign runs, in which tier, and whether it has a cap.
    Campaign { active: bool, tier: u8, capped: bool },
    /// Whether the creative of all line items is archived.
    Creative { archived: bool },
    /// The advertiser's currency, known or not; whether users with some tag are never contacted.
    Advertiser { known: bool, picky: bool },
    /// The dataset of a tag that line items name; none: it may come in any.
    Tag { id: u32, dataset: Option<u32> },
}

fn edit() -> impl Strategy<Value = Edit> {
    let line_item = (
        1..20_u64,
        0..3_usize,
        any::<bool>(),
        1..9_i64,
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
    );
    prop_oneof![
        6 => line_item.prop_map(|(id, country, listed, price, active, archived)| {
            Edit::LineItem { id, country, listed, price, active, archived }
        }),
        2 => prop::collection::vec(0..3_usize, 0..3).prop_map(|sites| Edit::List { sites }),
        1 => (any::<bool>(), 0..3_u8, any::<bool>())
            .prop_map(|(active, tier, capped)| Edit::Campaign { active, tier, capped }),
        1 => prop::bool::weighted(0.3).prop_map(|archived| Edit::Creative { archived }),
        1 => (prop::bool::weighted(0.7), prop::bool::weighted(0.2))
            .prop_map(|(known, picky)| Edit::Advertiser { known, picky }),
        2 => (0..9_u32, prop::option::weighted(0.9, 0..3_u32))
            .prop_map(|(id, dataset)| Edit::Tag { id, dataset }),
    ]
}

/// The entity after the edit.
fn edited(catalog: &Catalog, edit: &Edit) -> Entity {
    let get = |key: EntityKey| catalog.entities.get(&key).cloned();
    match edit {
        Edit::LineItem { id, country, listed, price, active, archived } => {
            Entity::LineItem(Arc::new(line_item(*id, *country, *listed, *price, *active, *archived)))
        }
        Edit::List { sites } => Entity::List(Arc::new(list(sites))),
        Edit::Campaign { active, tier, capped } => match get(CampaignId(1).into()) {
            Some(Entity::Campaign(mut campaign)) => {
                let cap = FrequencyCap { scope: CapScope::Campaign, impressions: 1, window: CapWindow::Day };
                let edited = Arc::make_mut(&mut campaign);
                (edited.status, edited.tier) = (status(*active), *tier);
                edited.caps = capped.then_some(cap).into_iter().collect();
                Entity::Campaign(campaign)
            }
            other => panic!("no campaign: {other:?}"),
        },
        Edit::Creative { archived } => {
            let mut creative = banner(AdvertiserId(1), CreativeId(1));
            creative.header.archived = *archived;
            Entity::Creative(Arc::new(creative))
        }
        Edit::Advertiser { known, picky } => match get(AdvertiserId(1).into()) {
            Some(Entity::Advertiser(mut advertiser)) => {
                let code = if *known { "USD" } else { "CHF" };
                let edited = Arc::make_mut(&mut advertiser);
                edited.currency = code.parse().unwrap();
                edited.never_contact = picky.then_some(TagId(8)).into_iter().collect();
                Entity::Advertiser(advertiser)
            }
            other => panic!("no advertiser: {other:?}"),
        },
        Edit::Tag { id, dataset } => Entity::Tag(Arc::new(TagDefinition {
            id: TagId(*id),
            dataset: dataset.map(DatasetId),
            ..TagDefinition::default()
        })),
    }
}

fn line_item(id: u64, country: usize, listed: bool, price: i64, active: bool, archived: bool) -> LineItem {
    let template = catalog(1).entities.get(&EntityKey::from(LineItemId(1))).cloned();
    let Some(Entity::LineItem(template)) = template else { panic!("no line item") };
    let mut item = LineItem::clone(&template);
    item.id = LineItemId(id);
    item.header.archived = archived;
    item.status = status(active);
    item.bid.base.0 = price * 1_000_000;
    item.bid.max = None;
    let mut wanted =
        vec![Expr::Leaf(Leaf::In { dimension: Dimension::Country, values: vec![COUNTRIES[country].into()] })];
    if listed {
        wanted.push(Expr::Leaf(Leaf::OnList { dimension: Dimension::Site, list: ListId(1) }));
    }
    // Unknown to these visits, so that it decides nothing; which tag, the price says.
    let test =
        TagTest { any_of: vec![TagId(price as u32)], kind: TagKind::Any, min_weight: 0, max_age_s: None };
    item.targeting = Expr::Any(vec![Expr::All(wanted), Expr::Leaf(Leaf::Tag(test))]);
    item
}

fn status(active: bool) -> Status {
    if active { Status::Active } else { Status::Paused }
}

fn list(sites: &[usize]) -> List {
    List {
        id: ListId(1),
        header: tagbid_catalog::Header::default(),
        advertiser: AdvertiserId(1),
        name: "Sites".into(),
        kind: ListKind::Site,
        values: sites.iter().map(|site| SITES[*site].to_owned()).collect(),
    }
}

/// What to ask users for, and the tags by dataset.
type Named = (Datasets, BTreeMap<Option<DatasetId>, Vec<TagId>>);

type Seen = (Vec<Vec<LineItemId>>, Vec<(LineItemId, String)>, usize, Named, Contact);

/// What a bidder sees of a book: for each kind of visit the line items in the order of the search, what it knows of
/// each, and how many there are; the tags that they name, and their contact rules.
fn seen(book: &Book) -> Seen {
    let arena = Bump::new();
    let mut found = Vec::new();
    for country in &COUNTRIES {
        for site in &SITES {
            let mut attributes = Attributes::default();
            attributes.set(Dimension::Country, std::slice::from_ref(country));
            attributes.set(Dimension::Site, std::slice::from_ref(site));
            let probe = book.engine.probe(&attributes, &arena);
            let mut ids: Vec<_> = book
                .engine
                .candidates(&probe, &book.live, &arena)
                .map(|candidate| {
                    (std::cmp::Reverse(candidate.bound), book.entry(candidate.slot).unwrap().item.id)
                })
                .collect();
            assert!(ids.is_sorted_by_key(|(bound, _)| *bound), "falling order of bound");
            // Ties stand in the order of slots, which two books need not share.
            ids.sort();
            found.push(ids.into_iter().map(|(_, id)| id).collect());
        }
    }
    let known = (1..20).map(LineItemId);
    let known = known.filter_map(|id| Some((id, format!("{:?}", book.find(id)?.1)))).collect();
    (found, known, book.len(), (book.datasets(), book.vocabulary.all()), book.contact.clone())
}

fn built(catalog: &Arc<Catalog>) -> Book {
    let book = Book::build(catalog, &Fx::new(Currency::USD), &Traffic::default());
    book.refresh(NOW);
    book
}

/// What is done beside the book that follows the catalog.
#[derive(Clone, Copy, Debug)]
enum Beside {
    Nothing,
    /// Another index is begun.
    Begin,
    /// It is done.
    Take,
}

fn beside() -> impl Strategy<Value = Beside> {
    prop_oneof![2 => Just(Beside::Nothing), 1 => Just(Beside::Begin), 1 => Just(Beside::Take)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// However the catalog came about, change by change or at once, and whenever its index was built anew, the book says
    /// the same; and a book in the hands of a request stays what it was.
    #[test]
    fn a_changed_book_is_the_book_of_the_changed_catalog(
        edits in prop::collection::vec((prop::collection::vec(edit(), 1..5), beside()), 1..12),
    ) {
        let fx = Fx::new(Currency::USD);
        let mut catalog = catalog(0);
        let first = Entity::List(Arc::new(list(&[0])));
        catalog.entities.insert_mut(first.key(), first);
        let mut book = built(&Arc::new(catalog.clone()));
        let mut rebuild = None;
        for (burst, beside) in edits {
            let before = seen(&book);
            let mut keys = BTreeSet::new();
            for edit in burst {
                let entity = edited(&catalog, &edit);
                keys.insert(apply(&mut catalog, entity));
            }
            let now_shared = Arc::new(catalog.clone());
            let (mut next, _) = book.with(&now_shared, &keys, &fx, NOW);
            prop_assert_eq!(seen(&next), seen(&built(&now_shared)));
            prop_assert_eq!(seen(&book), before);
            prop_assert!(next.kits.len() <= next.len(), "creatives of nobody are forgotten");
            match (beside, rebuild.take()) {
                (Beside::Begin, None) => {
                    let (begun, begin) = next.rebuild();
                    (next, rebuild) = (begun, Some(begin));
                }
                (Beside::Take, Some(begun)) => {
                    let rebased = Rebuild::run(begun, &fx, &Traffic::default());
                    next = next.on(next.engine.rebased(rebased).expect("nothing else built one"));
                    prop_assert_eq!(seen(&next), seen(&built(&now_shared)));
                }
                (_, running) => rebuild = running,
            }
            book = next;
        }
    }
}

fn apply(catalog: &mut Catalog, entity: Entity) -> EntityKey {
    let (revision, key) = (Revision(catalog.revision.0 + 1), entity.key());
    assert!(catalog.apply(Change { revision, entity }));
    key
}

/// The line items that a visit from this country finds.
fn found(book: &Book, country: &str) -> Vec<LineItemId> {
    let arena = Bump::new();
    let countries = [country];
    let mut attributes = Attributes::default();
    attributes.set(Dimension::Country, &countries);
    let probe = book.engine.probe(&attributes, &arena);
    let candidates = book.engine.candidates(&probe, &book.live, &arena);
    candidates.map(|candidate| book.entry(candidate.slot).unwrap().item.id).collect()
}

/// A book of so many line items for the USA.
fn given_a_book(line_items: u64) -> (Catalog, Book) {
    let catalog = catalog(line_items);
    let book = built(&Arc::new(catalog.clone()));
    (catalog, book)
}

fn with(book: &Book, catalog: &mut Catalog, entity: Entity) -> Book {
    let keys = BTreeSet::from([apply(catalog, entity)]);
    book.with(&Arc::new(catalog.clone()), &keys, &Fx::new(Currency::USD), NOW).0
}

#[test]
fn among_many_line_items_a_change_is_found_at_once_and_alone_compiled() {
    let (mut catalog, book) = given_a_book(MANY);
    assert_eq!((found(&book, "usa").len() as u64, book.engine.pending()), (MANY, 0));

    let moved = line_item(7, 1, false, 3, true, false);
    let book = with(&book, &mut catalog, Entity::LineItem(Arc::new(moved.clone())));
    assert_eq!((found(&book, "deu"), book.engine.pending()), (vec![LineItemId(7)], 1));
    assert_eq!(found(&book, "usa").len() as u64, MANY - 1);

    // A pause is a matter of the live set alone.
    let paused = LineItem { status: Status::Paused, ..moved };
    let book = with(&book, &mut catalog, Entity::LineItem(Arc::new(paused)));
    assert_eq!((found(&book, "deu"), book.engine.pending()), (vec![], 1));
}

/// Wants what has a creative of a shape that the impression has a place for.
struct Placed<'a> {
    book: &'a Book,
    imp: &'a Imp<'a>,
}

impl Wanted for Placed<'_> {
    fn class(&mut self, class: Class) -> bool {
        self.book.fits(class, self.imp)
    }

    fn item(&mut self, slot: Slot) -> bool {
        let creatives = &self.book.entry(slot).unwrap().creatives;
        creatives.iter().any(|creative| Shape::of(creative).fits(self.imp))
    }
}

/// How many line items have a creative for a banner of this width.
fn placed(book: &Book, width: u16) -> usize {
    let arena = Bump::new();
    let mut attributes = Attributes::default();
    attributes.set(Dimension::Country, &["usa"]);
    let probe = book.engine.probe(&attributes, &arena);
    given_imp(&format!(r#""banner":{{"w":{width}}}"#), |imp| {
        book.engine.candidates_among(&probe, &book.live, Placed { book, imp }, &arena).count()
    })
}

#[test]
fn a_creative_of_another_size_takes_its_line_items_along() {
    let mut catalog = catalog(128);
    let creative = |id: u64, size: u16| {
        let mut creative = banner(AdvertiserId(1), CreativeId(id));
        let Markup::Banner(markup) = &mut creative.markup else { panic!("no banner") };
        markup.width = size;
        Entity::Creative(Arc::new(creative))
    };
    apply(&mut catalog, creative(2, 728));
    for id in 65..=128 {
        let key = EntityKey::from(LineItemId(id));
        let Some(Entity::LineItem(mut item)) = catalog.entities.get(&key).cloned() else { panic!("no item") };
        Arc::make_mut(&mut item).creatives = vec![CreativeId(2)];
        apply(&mut catalog, Entity::LineItem(item));
    }
    let book = built(&Arc::new(catalog.clone()));
    assert_eq!([300, 728, 160].map(|width| placed(&book, width)), [64, 64, 0]);

    let book = with(&book, &mut catalog, creative(2, 160));
    assert_eq!([300, 728, 160].map(|width| placed(&book, width)), [64, 0, 64]);
}

#[test]
fn a_campaign_of_many_line_items_stops_without_a_change_of_the_index() {
    let (mut catalog, book) = given_a_book(MANY);
    let stopped = edited(&catalog, &Edit::Campaign { active: false, tier: 0, capped: false });
    let book = with(&book, &mut catalog, stopped);
    assert_eq!((found(&book, "usa"), book.engine.pending()), (vec![], 0));
    let started = edited(&catalog, &Edit::Campaign { active: true, tier: 0, capped: false });
    let book = with(&book, &mut catalog, started);
    assert_eq!((found(&book, "usa").len() as u64, book.engine.pending()), (MANY, 0));
}

#[test]
fn users_are_looked_up_in_the_datasets_that_line_items_name_and_no_others() {
    let (mut catalog, book) = given_a_book(0);
    assert_eq!(book.datasets(), Datasets::NONE);
    let tag = |id, dataset| Entity::Tag(Arc::new(TagDefinition { id, dataset, ..TagDefinition::default() }));
    let book = with(&book, &mut catalog, tag(TagId(3), Some(DatasetId(7))));
    let book = with(&book, &mut catalog, tag(TagId(4), Some(DatasetId(9))));
    let named = |id, price| Entity::LineItem(Arc::new(line_item(id, 0, false, price, true, false)));
    let book = with(&book, &mut catalog, named(1, 3));
    assert_eq!(book.datasets(), [DatasetId(7)].into_iter().collect());
    let both = with(&book, &mut catalog, named(2, 4));
    assert_eq!(both.datasets(), [DatasetId(7), DatasetId(9)].into_iter().collect());
    let lists = BTreeMap::from([(Some(DatasetId(7)), vec![TagId(3)]), (Some(DatasetId(9)), vec![TagId(4)])]);
    assert_eq!(both.vocabulary.all(), lists);

    let arena = Bump::new();
    let lost = |datasets: &[u32]| -> Option<Vec<TagId>> {
        let datasets = datasets.iter().map(|id| DatasetId(*id)).collect();
        both.unknown_tags(&datasets, &arena).map(|unknown| unknown.iter().collect())
    };
    assert_eq!((lost(&[]), lost(&[9]), lost(&[1])), (Some(vec![]), Some(vec![TagId(4)]), Some(vec![])));
    assert_eq!(lost(&(0..17).collect::<Vec<_>>()), None, "too many to say which");

    // A tag that is in no dataset may come in any.
    let any = with(&both, &mut catalog, tag(TagId(4), None));
    assert_eq!(any.datasets(), Datasets::ALL);
    let unknown = any.unknown_tags(&[DatasetId(7)].into_iter().collect(), &arena).unwrap();
    assert_eq!(unknown.iter().collect::<Vec<_>>(), [TagId(3), TagId(4)]);
    let archived = line_item(2, 0, false, 4, true, true);
    let one = with(&any, &mut catalog, Entity::LineItem(Arc::new(archived)));
    assert_eq!(one.datasets(), book.datasets());
}

#[test]
fn a_place_that_a_line_item_left_is_another_ones_and_an_index_of_before_brings_nothing_back() {
    let (mut catalog, book) = given_a_book(3);
    let (book, rebuild) = book.rebuild();
    let places = book.places();
    let archived = line_item(2, 0, false, 3, true, true);
    let book = with(&book, &mut catalog, Entity::LineItem(Arc::new(archived)));
    let book = with(&book, &mut catalog, Entity::LineItem(Arc::new(line_item(9, 1, false, 3, true, false))));
    assert_eq!(book.places(), places, "no place is lost");

    let rebased = rebuild.run(&Fx::new(Currency::USD), &Traffic::default());
    let book = book.on(book.engine.rebased(rebased).unwrap());
    assert_eq!(found(&book, "usa"), vec![LineItemId(3), LineItemId(1)]);
    assert_eq!(found(&book, "deu"), vec![LineItemId(9)]);
}

/// More than one chunk of places holds, so that the last one is filled and another begun.
#[test]
fn line_items_that_come_one_by_one_have_places_of_their_own() {
    const FIRST: u64 = 250;
    let (mut catalog, mut book) = given_a_book(FIRST);
    for id in FIRST + 1..=FIRST + 12 {
        let item = line_item(id, 0, false, 3, true, false);
        book = with(&book, &mut catalog, Entity::LineItem(Arc::new(item)));
    }
    let ids: Vec<_> = (1..=FIRST + 12).map(LineItemId).collect();
    assert!(ids.iter().all(|id| book.find(*id).is_some_and(|(_, entry)| entry.item.id == *id)));
    let mut found = found(&book, "usa");
    found.sort();
    assert_eq!(found, ids);
}

#[test]
fn a_deal_is_what_it_became_and_an_archived_one_is_gone() {
    let (mut catalog, book) = given_a_book(1);
    let mut deal = Deal {
        id: DealId(1),
        header: tagbid_catalog::Header::default(),
        advertiser: AdvertiserId(1),
        name: "Autumn".into(),
        exchange: "demo".parse().unwrap(),
        code: "d1".into(),
        auction: DealAuction::Fixed,
        price: Cpm(1),
        currency: Currency::USD,
        seat: String::new(),
    };
    let price = |book: &Book| {
        let owner = book.find(LineItemId(1)).unwrap().1;
        book.deal(&"demo".parse().unwrap(), "d1", &owner.advertiser).map(|deal| deal.price)
    };
    let book = with(&book, &mut catalog, Entity::Deal(Arc::new(deal.clone())));
    assert_eq!(price(&book), Some(Cpm(1)));
    deal.price = Cpm(2);
    let book = with(&book, &mut catalog, Entity::Deal(Arc::new(deal.clone())));
    assert_eq!(price(&book), Some(Cpm(2)));
    deal.header.archived = true;
    let book = with(&book, &mut catalog, Entity::Deal(Arc::new(deal)));
    assert_eq!(price(&book), None);
}
