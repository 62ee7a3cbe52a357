//! A copy of a request, taken when its answer was written.

use std::sync::Arc;

use tagbid_tagset::frequency::Shown;
use tagbid_targeting::{Knowledge, UserTag};
use tagbid_types::{Monotonic, NoBidReason};

use crate::book::Book;
use crate::caps::{Counts, Seen};
use crate::path::{Call, Context, Known, Lost, Settled};
use crate::worker::Incoming;

/// How often a user was shown what, and what is under way for them.
type Copied = (Box<[Shown]>, Box<[Counts]>);

/// All that it takes to decide the same again.
pub(crate) struct Sample {
    pub(super) incoming: Incoming,
    /// The book that it was answered from.
    pub(super) book: Arc<Book>,
    /// Without the user, and without a deadline.
    pub(super) settled: Settled<'static>,
    /// How often the user was shown what; none where that was not known.
    pub(super) seen: Option<Copied>,
    pub(super) tags: Box<[UserTag]>,
    pub(super) knowledge: Knowledge,
    pub(super) lost: Lost,
    /// Why it was answered without a bid.
    pub(super) stopped: Option<NoBidReason>,
}

impl Sample {
    /// Copies a request. The body is shared, not copied; the user's key is left out.
    pub(crate) fn copy(
        call: &Call<'_>,
        book: &Arc<Book>,
        context: &Context<'_>,
        known: &Known<'_>,
        stopped: Option<NoBidReason>,
    ) -> Self {
        Self {
            incoming: Incoming {
                exchange: call.exchange.clone(),
                body: call.body.clone(),
                format: call.format,
                encoding: call.encoding,
                arrival: call.arrival,
                trace: None,
            },
            book: Arc::clone(book),
            settled: Settled {
                permission: context.permission,
                user: None,
                now: context.now,
                deadline: Monotonic(u64::MAX),
                rotation: context.rotation,
                draw: context.draw,
                seen: None,
            },
            seen: context.room.seen.map(|seen| (seen.shown.into(), seen.under_way.into())),
            tags: known.tags.into(),
            knowledge: known.knowledge,
            lost: known.lost,
            stopped,
        }
    }

    /// What was settled, with what the user had seen.
    pub(super) fn settled(&self) -> Settled<'_> {
        let seen = self.seen.as_ref().map(|(shown, under_way)| Seen { shown, under_way, counted: &[] });
        Settled { seen, ..self.settled }
    }
}
