//! Catalogs that change: after each step an engine answers as one that was built from nothing.

use std::collections::BTreeMap;

use bumpalo::Bump;
use tagbid_targeting::{Attributes, Engine, Expr, Index, Layered, LiveSet, Merge, Rebase, Slot, Traffic};

use crate::engines::{Subject, every_engine};
use crate::generate::{self, Choices};
use crate::model::{self, LineItem, Question, SLOTS, Share};

const STEPS: usize = 8;

/// What an engine is told at one step, and the catalog and the lists as they are then.
struct Step {
    items: Vec<LineItem>,
    changed: Vec<LineItem>,
    removed: Vec<Slot>,
    contents: [(tagbid_targeting::Dimension, Vec<String>); 5],
    rebuilds: bool,
}

/// Beyond the limits, so that every engine refuses it and its slot matches nothing.
fn too_deep() -> Expr {
    (0..20).fold(Expr::default(), |inner, _| Expr::Not(Box::new(inner)))
}

fn names_a_list(item: &LineItem) -> bool {
    format!("{:?}{:?}", item.targeting, item.tests).contains("OnList")
}

/// A catalog and what becomes of it: items come, change, go, come again, are refused; lists change under them.
fn steps(choices: &mut Choices<'_>, requests: &[Attributes<'_>]) -> Vec<Step> {
    let mut contents = generate::lists(choices);
    let mut catalog: BTreeMap<Slot, LineItem> = BTreeMap::new();
    for slot in 0..choices.below(12) as u32 {
        catalog.insert(Slot(slot), LineItem::any(choices, Slot(slot), requests));
    }
    let items = catalog.values().cloned().collect();
    let mut steps = vec![Step {
        items,
        changed: Vec::new(),
        removed: Vec::new(),
        contents: contents.clone(),
        rebuilds: true,
    }];
    for _ in 0..STEPS {
        let mut changed: BTreeMap<Slot, LineItem> = BTreeMap::new();
        let mut removed = Vec::new();
        if choices.below(6) == 5 {
            contents = generate::lists(choices);
            let naming = catalog.values().filter(|item| names_a_list(item)).cloned();
            changed.extend(naming.map(|item| (item.slot, item)));
        }
        for _ in 0..choices.of(&[0, 1, 2, 3, 3, 12]) {
            // Slots of the base, slots beside it, and the last word of a live set.
            let slot = Slot(choices.of(&[0, 1, 2, 3, 4, 5, 6, 7, 20, 63, 64, 100]));
            if choices.below(3) == 0 {
                changed.remove(&slot);
                catalog.remove(&slot);
                removed.push(slot);
                continue;
            }
            removed.retain(|gone| *gone != slot);
            let mut item = LineItem::any(choices, slot, requests);
            if choices.below(16) == 15 {
                item.targeting = too_deep();
                catalog.remove(&slot);
            } else {
                catalog.insert(slot, item.clone());
            }
            changed.insert(slot, item);
        }
        steps.push(Step {
            items: catalog.values().cloned().collect(),
            changed: changed.into_values().collect(),
            removed,
            contents: contents.clone(),
            rebuilds: choices.below(5) == 4,
        });
    }
    steps
}

fn follows(bytes: &[u8], share: &Share) {
    let choices = &mut Choices::new(bytes);
    let arena = Bump::new();
    let requests = [generate::request(choices, &arena), generate::request(choices, &arena)];
    let steps = steps(choices, &requests);
    explains(&steps, &requests, share);
    every_engine!(follows_in(&steps, &requests));
}

fn explains(steps: &[Step], requests: &[Attributes<'_>], share: &Share) {
    for step in steps {
        let lists = model::lists(&step.contents);
        let live = LiveSet::all(SLOTS);
        let question = Question { items: &step.items, lists: &lists, live: &live };
        requests.iter().for_each(|request| question.explains(request, share));
    }
}

fn follows_in<S: Subject>(steps: &[Step], requests: &[Attributes<'_>]) {
    let mut before: Option<(S, &Step)> = None;
    for step in steps {
        let lists = model::lists(&step.contents);
        let (subject, refused) = match &before {
            Some((subject, _)) if !step.rebuilds => {
                subject.changed(&step.items, &step.changed, &step.removed, &lists)
            }
            _ => S::build(&step.items, &lists, requests),
        };
        // Whatever the reason, what was refused is not in the catalog.
        let served = |slot| step.items.iter().any(|item| item.slot == slot);
        assert!(refused.iter().all(|refused| !served(refused.slot)), "{refused:?}");
        agrees(subject.engine(), step, requests);
        // A search that began before the change goes on in the engine that it began in.
        if let Some((subject, step)) = &before {
            agrees(subject.engine(), step, requests);
        }
        before = Some((subject, step));
    }
}

fn agrees(engine: &impl Engine, step: &Step, requests: &[Attributes<'_>]) {
    let lists = model::lists(&step.contents);
    let live = LiveSet::all(SLOTS);
    let question = Question { items: &step.items, lists: &lists, live: &live };
    for request in requests {
        let arena = Bump::new();
        let probe = engine.probe(request, &arena);
        question.compare(engine, &probe, request);
    }
}

/// An engine that is kept up beside its writer: what has been begun and not yet taken in.
struct Kept<'s> {
    engine: Layered,
    merge: Option<Merge>,
    rebase: Option<(Rebase, &'s Step)>,
}

impl<'s> Kept<'s> {
    /// With levels so small that a few changes fill several.
    fn new(choices: &mut Choices<'_>, step: &Step) -> Self {
        let lists = model::lists(&step.contents);
        let items = step.items.iter().map(LineItem::as_item);
        let index = Index::build(items, &lists, &Traffic::default()).0;
        let first = choices.below(3);
        let engine = Layered::new(index).with_rooms(first, first + 1 + choices.below(4));
        Self { engine, merge: None, rebase: None }
    }

    fn change(&mut self, step: &Step) {
        let changed = step.changed.iter().map(LineItem::as_item);
        self.engine = self.engine.with(changed, &step.removed, &model::lists(&step.contents)).0;
    }

    /// Begins or ends something, or does nothing.
    fn keep_up(&mut self, choices: &mut Choices<'_>, now: &'s Step) {
        match choices.below(5) {
            0 if self.merge.is_none() => self.merge = self.engine.merge(),
            1 if self.rebase.is_none() => self.rebase = Some((self.engine.rebase(), now)),
            2 => {
                let merged = self.merge.take().map(|merge| merge.run(&model::lists(&now.contents)).0);
                // A base may have taken the levels away meanwhile.
                self.engine =
                    merged.and_then(|merged| self.engine.merged(merged)).unwrap_or(self.engine.clone());
            }
            3 => {
                if let Some((rebase, then)) = self.rebase.take() {
                    let lists = model::lists(&then.contents);
                    let items = then.items.iter().map(LineItem::as_item);
                    let base = rebase.run(items, &lists, &Traffic::default()).0;
                    self.engine = self.engine.rebased(base).unwrap();
                }
            }
            _ => {}
        }
    }
}

fn is_kept_up(bytes: &[u8], share: &Share) {
    let choices = &mut Choices::new(bytes);
    let arena = Bump::new();
    let requests = [generate::request(choices, &arena), generate::request(choices, &arena)];
    let steps = steps(choices, &requests);
    explains(&steps, &requests, share);
    let Some((first, rest)) = steps.split_first() else { return };
    let mut kept = Kept::new(choices, first);
    for step in rest {
        let known = kept.engine.pending();
        kept.change(step);
        assert!(kept.engine.pending() <= known + step.changed.len() + step.removed.len());
        for _ in 0..choices.below(4) {
            kept.keep_up(choices, step);
            agrees(&kept.engine, step, &requests);
        }
        agrees(&kept.engine, step, &requests);
    }
}

/// Whenever levels are merged and bases built, and whatever changes before they are taken in: no change is lost, none
/// comes back, and none is seen half.
#[test]
fn an_engine_answers_the_same_whatever_is_done_beside_its_writer() {
    model::holds_for_bytes(1_000, 0..2_500, is_kept_up);
}

/// Whatever is inserted, replaced, removed, refused and rebuilt in whatever order: every engine answers after each step
/// as the oracle does, and one that was replaced answers as it did.
#[test]
fn every_engine_follows_its_catalog() {
    model::holds_for_bytes(600, 0..2_000, follows);
}

#[test]
fn fuzzing_changes_finds_no_disagreement() {
    let share = Share::default();
    let bytes = model::fuzzed_bytes(3_000);
    bolero::check!().with_generator(bytes).with_iterations(200).for_each(|bytes| follows(bytes, &share));
    share.assert_telling();
}
