//! Where records go: under keys, or into blocks.

use super::access::Access;
use super::drafts::{DraftRecord, Drafts};
use super::keys::Key;

/// What goes into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filing {
    /// What is broad, where that pays.
    ByTraffic,
    /// Every other record that can: for tests.
    InBlocks,
    /// Nothing; and all records are under the key that every request has.
    Together,
}

/// Where a record is filed.
pub(super) struct Filed {
    pub(super) keys: (usize, usize),
    /// The literal that being found proves.
    pub(super) proven: Option<usize>,
    /// Among the blocks and not under keys.
    pub(super) broad: bool,
}

/// A record that a larger share of requests comes to, before tags are looked at, is broad: to decide a place in the
/// columns takes a nanosecond, to look at a record and its tags some hundreds.
const BROAD: f32 = 0.002;
/// Blocks pay where that many records come to a request: to look up its rows takes some microseconds.
const LEAST_COMING: f32 = 64.0;
/// And where it is this share of all: a search for the best few looks at few records, and pays the rows all the same.
const LEAST_SHARE: f32 = 0.01;

/// Where every record goes, and the keys of all, in one run.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(super) fn file(drafts: &Drafts, access: &Access<'_>, filing: Filing) -> (Vec<Filed>, Vec<Key>) {
    if filing == Filing::Together {
        return together(drafts.records.len());
    }
    let breadth = |(number, draft): (usize, &DraftRecord)| match (draft.program, filing) {
        (Some(_), _) | (None, Filing::Together) => 0.0,
        (None, Filing::InBlocks) => {
            if number % 2 == 0 {
                f32::INFINITY
            } else {
                0.0
            }
        }
        (None, Filing::ByTraffic) => access.breadth(draft.literals(drafts)),
    };
    let breadths: Vec<_> = drafts.records.iter().enumerate().map(breadth).collect();
    let broad = |breadth: f32| breadth > BROAD;
    let coming: f32 = breadths.iter().filter(|breadth| broad(**breadth)).sum();
    let blocks = coming > LEAST_COMING.max(LEAST_SHARE * breadths.len() as f32);
    let mut keys = Vec::new();
    let filed = drafts.records.iter().zip(breadths).map(|(draft, breadth)| {
        let first = keys.len();
        let broad = blocks && broad(breadth);
        let proven = match draft.program.and_then(|at| drafts.programs.get(at)) {
            Some(whole) => {
                access.expression(&whole.node, &mut keys);
                None
            }
            None if broad => None,
            None => access.conjunction(draft.literals(drafts), &mut keys),
        };
        Filed { keys: (first, keys.len()), proven, broad }
    });
    (filed.collect(), keys)
}

/// One key for all records.
fn together(records: usize) -> (Vec<Filed>, Vec<Key>) {
    let filed = (0..records).map(|at| Filed { keys: (at, at + 1), proven: None, broad: false });
    (filed.collect(), vec![Key::Always; records])
}
