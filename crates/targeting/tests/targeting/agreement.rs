//! Every engine gives the oracle's answers on a catalog that was built whole.

use bumpalo::Bump;
use tagbid_targeting::{Attributes, Expr, LiveSet, Slot};
use tagbid_types::Cpm;

use crate::engines::{Subject, every_engine};
use crate::generate::{self, Choices};
use crate::model::{self, LineItem, Question, SLOTS, Share};

/// Items with gaps between their slots and with many equal bounds, not in the order of either; some are twins.
fn line_items(choices: &mut Choices<'_>, requests: &[Attributes<'_>]) -> Vec<LineItem> {
    let count = choices.below(12);
    let mut items: Vec<LineItem> = Vec::new();
    for index in 0..count as u32 {
        let slot = Slot(index * 37 % (SLOTS - 1));
        let twin = items.last().filter(|_| choices.below(8) == 7).cloned();
        items.push(match twin {
            Some(twin) => LineItem { slot, ..twin },
            None => LineItem::any(choices, slot, requests),
        });
    }
    if choices.yes() {
        let tests = vec![generate::leaf(choices, requests)];
        let crowd = LineItem::plain(SLOTS - 1, generate::crowd(choices));
        items.push(LineItem { bound: Cpm(9), tests, ..crowd });
    }
    let turn = choices.below(count.max(1));
    let turn = turn.min(items.len());
    items.rotate_left(turn);
    items
}

fn live_set(choices: &mut Choices<'_>, items: &[LineItem]) -> LiveSet {
    let live = LiveSet::new(SLOTS);
    for item in items {
        live.set(item.slot, choices.below(4) > 0 || choices.yes());
    }
    live
}

/// Decodes a catalog and a request of two impressions, and compares everything that an engine can be asked.
fn agrees(bytes: &[u8], share: &Share) {
    let choices = &mut Choices::new(bytes);
    let arena = Bump::new();
    // First, so that it is never empty for want of bytes.
    let first = generate::request(choices, &arena);
    let second = generate::other_impression(choices, &first, &arena);
    let impressions = [first, second];
    let contents = generate::lists(choices);
    let lists = model::lists(&contents);
    let items = line_items(choices, &impressions);
    let live = live_set(choices, &items);
    let question = Question { items: &items, lists: &lists, live: &live };
    for impression in &impressions {
        question.explains(impression, share);
    }
    // What an engine has learnt from must not matter: nothing, or just what comes.
    let observed = if choices.yes() { &impressions[..] } else { &[] };
    every_engine!(agrees_in(&question, &impressions, observed));
}

fn agrees_in<S: Subject>(
    question: &Question<'_>,
    [first, second]: &[Attributes<'_>; 2],
    observed: &[Attributes<'_>],
) {
    use tagbid_targeting::Engine;

    let (subject, refused) = S::build(question.items, question.lists, observed);
    assert!(refused.is_empty());
    let arena = Bump::new();
    let probe = subject.engine().probe(first, &arena);
    question.compare(subject.engine(), &probe, first);
    let probe = subject.engine().impression(&probe, second, &arena);
    question.compare(subject.engine(), &probe, second);
}

/// Whatever the catalog, the lists, the live set and the request: every engine finds what the oracle finds, in
/// falling order of bound, and an explanation is empty exactly for what matches.
#[test]
fn every_engine_gives_the_oracles_answers() {
    model::holds_for_bytes(3_000, 0..700, agrees);
}

#[test]
fn fuzzing_catalogs_finds_no_disagreement() {
    let share = Share::default();
    let bytes = model::fuzzed_bytes(1_000);
    bolero::check!().with_generator(bytes).with_iterations(1_000).for_each(|bytes| agrees(bytes, &share));
    share.assert_telling();
}

#[test]
fn items_that_cannot_be_served_are_refused_and_the_rest_is_served() {
    fn refuses<S: Subject>(items: &[LineItem]) {
        use tagbid_targeting::Engine;

        let (subject, refused) = S::build(items, &tagbid_targeting::Lists::default(), &[]);
        let mut refused: Vec<_> = refused.iter().map(|r| (r.slot.0, format!("{:?}", r.reason))).collect();
        refused.sort();
        assert_eq!(refused, [(0, "SlotTaken".into()), (1, "TooLarge".into())]);
        let arena = Bump::new();
        let probe = subject.engine().probe(&Attributes::default(), &arena);
        let live = LiveSet::all(3);
        let found: Vec<_> = subject.engine().candidates(&probe, &live, &arena).map(|c| c.slot.0).collect();
        assert_eq!(found, [0, 2]);
    }
    let deep = (0..20).fold(Expr::default(), |inner, _| Expr::Not(Box::new(inner)));
    let nothing = Expr::Any(Vec::new());
    let items = [(0, Expr::default()), (1, deep), (0, nothing), (2, Expr::default())];
    let items = items.map(|(slot, targeting)| LineItem::plain(slot, targeting));
    every_engine!(refuses(&items));
}
