//! The `a-tree` crate gives the same answers on the part of the language that it has.

use std::collections::BTreeSet;

use bumpalo::Bump;
use tagbid_targeting::{
    Attributes, Dimension, Engine, Expr, HoursOfWeek, Knowledge, Leaf, LiveSet, Slot, TagKind, TagTest,
    UserTag,
};
use tagbid_types::{ListId, TagId};

use crate::engines::{Subject, every_engine};
use crate::generate::Choices;
use crate::model::{self, LineItem, Share};
use crate::second::{Form, Printer, Schema};

/// A number that is always there, texts that may be absent, lists of texts, lists of numbers.
const SCHEMA: Schema = Schema(&[
    (Dimension::DeviceModel, Form::Number),
    (Dimension::Language, Form::Text),
    (Dimension::City, Form::Text),
    (Dimension::Site, Form::Text),
    (Dimension::Keyword, Form::Texts),
    (Dimension::Deal, Form::Numbers),
]);
const SINGLE: [Dimension; 3] = [Dimension::Language, Dimension::City, Dimension::Site];
const TEXTS: [&str; 5] = ["de", "köln", "日本", "new york", "x"];
const DEALS: [&str; 4] = ["deal1", "deal2", "deal3", "deal40"];
const MODELS: [&str; 3] = ["model1", "model2", "model3"];
const ITEMS: usize = 12;

fn some_of(choices: &mut Choices<'_>, values: &[&str]) -> Vec<String> {
    choices.some(3, |choices| choices.of(values).to_owned())
}

fn leaf(choices: &mut Choices<'_>) -> Leaf {
    let single = choices.of(&SINGLE);
    match choices.below(9) {
        8 => Leaf::In { dimension: Dimension::DeviceModel, values: some_of(choices, &MODELS) },
        0 | 1 => Leaf::In { dimension: single, values: some_of(choices, &TEXTS) },
        2 => Leaf::In { dimension: Dimension::Keyword, values: some_of(choices, &TEXTS) },
        3 => Leaf::In { dimension: Dimension::Deal, values: some_of(choices, &DEALS) },
        4 => Leaf::Present(choices.of(&[single, Dimension::Keyword, Dimension::Deal])),
        5 => Leaf::OnList { dimension: Dimension::Site, list: ListId(0) },
        6 => {
            let hours = choices.some(3, |choices| choices.below(5) as u8);
            Leaf::Hour(HoursOfWeek::from_hours(hours).unwrap_or_default())
        }
        _ => Leaf::Tag(TagTest {
            any_of: choices.some(3, |choices| TagId(choices.below(6) as u32)),
            kind: TagKind::Any,
            min_weight: 0,
            max_age_s: None,
        }),
    }
}

fn expr(choices: &mut Choices<'_>, depth: usize) -> Expr {
    match choices.below(if depth == 0 { 3 } else { 9 }) {
        0..=2 => Expr::Leaf(leaf(choices)),
        3..=5 => Expr::All(choices.some(3, |choices| expr(choices, depth - 1))),
        6 | 7 => Expr::Any(choices.some(3, |choices| expr(choices, depth - 1))),
        _ => Expr::Not(Box::new(expr(choices, depth - 1))),
    }
}

fn request<'a>(choices: &mut Choices<'_>, arena: &'a Bump) -> Attributes<'a> {
    let mut attributes = Attributes::default();
    let model = choices.of(&MODELS);
    attributes.set(Dimension::DeviceModel, arena.alloc_slice_copy(&[model]));
    for dimension in SINGLE {
        let value = choices.of(&TEXTS);
        attributes.set(dimension, if choices.below(4) > 0 { arena.alloc_slice_copy(&[value]) } else { &[] });
    }
    let keywords = choices.some(3, |choices| choices.of(&TEXTS));
    attributes.set(Dimension::Keyword, arena.alloc_slice_copy(&keywords));
    let deals = choices.some(3, |choices| choices.of(&DEALS));
    attributes.set(Dimension::Deal, arena.alloc_slice_copy(&deals));
    attributes.hour_of_week = (choices.below(4) > 0).then(|| choices.below(5) as u8);
    // Not known means undefined there, of whatever is carried.
    if choices.below(4) > 0 {
        let tag = |id| UserTag { id: TagId(id), realtime: false, weight: 255, age_s: 0 };
        let mut ids: Vec<_> = choices.some(4, |choices| choices.below(6) as u32);
        ids.sort_unstable();
        attributes.tags = arena.alloc_slice_fill_iter(ids.into_iter().map(tag));
        attributes.knowledge = Knowledge::COMPLETE;
    }
    attributes
}

fn agrees(bytes: &[u8], share: &Share) {
    let choices = &mut Choices::new(bytes);
    let arena = Bump::new();
    let request = request(choices, &arena);
    let contents = [(Dimension::Site, some_of(choices, &TEXTS))];
    let lists = model::lists(&contents);
    let items: Vec<_> = (0..ITEMS as u32).map(|slot| LineItem::plain(slot, expr(choices, 3))).collect();

    let printer = Printer { schema: SCHEMA, lists: &lists };
    let texts: Vec<_> = items.iter().map(|item| printer.expression(&item.targeting)).collect();
    let tree = printer.tree(&texts);
    let report = tree.search(&printer.event(&tree, &request)).unwrap();
    let second: BTreeSet<_> = report.matches().iter().map(|slot| Slot(**slot)).collect();
    share.count(items.len(), second.len());
    every_engine!(agrees_in(&items, &lists, &request, &second, &texts));
}

fn agrees_in<S: Subject>(
    items: &[LineItem],
    lists: &tagbid_targeting::Lists<'_>,
    request: &Attributes<'_>,
    second: &BTreeSet<Slot>,
    texts: &[String],
) {
    let (subject, refused) = S::build(items, lists, &[]);
    assert!(refused.is_empty());
    let arena = Bump::new();
    let probe = subject.engine().probe(request, &arena);
    let mut found = BTreeSet::new();
    subject.engine().all(&probe, &LiveSet::all(ITEMS as u32), &arena, |slot| {
        found.insert(slot);
    });
    let differ: Vec<_> = found.symmetric_difference(second).map(|slot| &texts[slot.0 as usize]).collect();
    assert!(differ.is_empty(), "ours {found:?}, a-tree {second:?}, of {request:?}: {differ:#?}");
}

/// Sets over single values and lists, texts and numbers, hours and tags, under any nest of `all`, `any` and `not`,
/// absent and unknown ones included: two implementations that share no line agree.
#[test]
fn every_engine_agrees_with_a_tree() {
    model::holds_for_bytes(1_500, 40..400, agrees);
}
