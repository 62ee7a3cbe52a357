//! Frames of users by key, as bidders ask.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, FuturesUnordered};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use tagbid_ports::{TagAnswer, UserKeys};
use tagbid_runtime::trace::{Begun, tracer};
use tagbid_types::Monotonic;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::tags as wire;
use tonic::{Status, Streaming};

use crate::lookup::{DirectLookup, Wanted};
use crate::service::Inner;

/// Frames of one stream that are answered at the same time; a client that sends more is slowed down by flow
/// control. Our own client keeps at most 4 in flight.
const FRAMES: usize = 16;

/// Longest that a frame is worked on: one that waits for a store that hangs keeps others from being read.
const MAX_BUDGET: Duration = Duration::from_secs(60);

/// How long answers of one part of the store wait for those of another, to share a message.
const GATHER: Duration = Duration::from_millis(1);

type Parts = BoxStream<'static, Result<pb::AnswerFrame, Status>>;

/// Answers each frame by its deadline, whichever is ready first, and of a frame those users first whose part of the
/// store answers. Ends with the client's stream or with the drain, which sends the client to another node. A frame that
/// breaks the protocol ends the stream too.
pub(super) fn answers(
    inner: &Inner,
    frames: Streaming<pb::LookupFrame>,
) -> impl Stream<Item = Result<pb::AnswerFrame, Status>> + use<> {
    let (lookup, drain) = (inner.lookup.another(), inner.drain.clone());
    frames.take_until(async move { drain.wait().await }).flat_map_unordered(FRAMES, move |frame| -> Parts {
        match frame.and_then(|frame| Ok((ask(&lookup, &frame)?, frame.sequence))) {
            Ok((asked, sequence)) => gathered(asked, sequence).boxed(),
            Err(status) => stream::iter([Err(status)]).boxed(),
        }
    })
}

/// Users of a frame, by their place in it, and what is known of them.
type Part = (Vec<u32>, Vec<TagAnswer>);

/// Asks for the users of a frame, those of each part of the store apart. Its time runs from now: it has just been read.
fn ask(
    lookup: &DirectLookup,
    frame: &pb::LookupFrame,
) -> Result<FuturesUnordered<BoxFuture<'static, Part>>, Status> {
    let (users, deadline) = users_of(lookup, frame)?;
    let asked = by_part(lookup, users).into_iter().map(|(places, users)| {
        let (lookup, wanted, spans) = (lookup.clone(), wanted(frame), spans(frame, &places));
        async move { (places, lookup.many_traced(&users, wanted, deadline, &spans).await) }.boxed()
    });
    Ok(asked.collect())
}

/// Spans for the users of a part who are asked for by one: those of the frame that are traced, as a rule none.
fn spans(frame: &pb::LookupFrame, places: &[u32]) -> Vec<Begun> {
    let traced = wire::traced_users(frame).filter(|(place, _)| places.contains(place));
    traced.filter_map(|(_, asks)| tracer().join(asks, 1, || tracer().draw())).collect()
}

/// Users with their places, those of each part of the store apart.
fn by_part(lookup: &DirectLookup, users: Vec<UserKeys>) -> Vec<(Vec<u32>, Vec<UserKeys>)> {
    let part_of = |user: &UserKeys| lookup.store.part_of(user.user);
    if users.is_sorted_by(|one, other| part_of(one) == part_of(other)) {
        // As a rule: there is one part.
        return vec![((0..).take(users.len()).collect(), users)];
    }
    let mut parts: BTreeMap<usize, (Vec<u32>, Vec<UserKeys>)> = BTreeMap::new();
    for (index, user) in (0..).zip(users) {
        let part = parts.entry(part_of(&user)).or_default();
        part.0.push(index);
        part.1.push(user);
    }
    parts.into_values().collect()
}

/// The messages that answer a frame.
fn gathered(
    asked: FuturesUnordered<BoxFuture<'static, Part>>,
    sequence: u64,
) -> impl Stream<Item = Result<pb::AnswerFrame, Status>> + Send {
    let messages = stream::unfold(Some(asked), move |asked: Option<_>| async move {
        let mut asked: FuturesUnordered<BoxFuture<'static, Part>> = asked?;
        let mut answers: Vec<(u32, TagAnswer)> = Vec::new();
        if let Some((places, part)) = asked.next().await {
            answers.extend(places.into_iter().zip(part));
        }
        if !asked.is_empty() {
            let others = async {
                while let Some((places, part)) = asked.next().await {
                    answers.extend(places.into_iter().zip(part));
                }
            };
            // Those who take longer come in another message.
            let _later = tokio::time::timeout(GATHER, others).await;
        }
        let last = asked.is_empty();
        let messages = wire::answer_frames(sequence, answers, last).into_iter().map(Ok);
        Some((stream::iter(messages), (!last).then_some(asked)))
    });
    messages.flatten()
}

/// One frame answered in one message.
pub(super) async fn batch(lookup: &DirectLookup, frame: &pb::LookupFrame) -> Result<pb::AnswerFrame, Status> {
    let answers = answer(lookup, frame).await?;
    Ok(wire::answer_frame(frame.sequence, answers))
}

/// Looks the users of one frame up.
async fn answer(lookup: &DirectLookup, frame: &pb::LookupFrame) -> Result<Vec<TagAnswer>, Status> {
    let (users, deadline) = users_of(lookup, frame)?;
    Ok(lookup.many(&users, wanted(frame), deadline).await)
}

fn wanted(frame: &pb::LookupFrame) -> Wanted {
    Wanted { frequency: frame.frequency, datasets: wire::frame_datasets(frame) }
}

/// The users of a frame that has just been read, and until when they are to be answered.
fn users_of(lookup: &DirectLookup, frame: &pb::LookupFrame) -> Result<(Vec<UserKeys>, Monotonic), Status> {
    let refused = |problem| Status::invalid_argument(format!("frame {}: {problem}", frame.sequence));
    let users = wire::frame_users(frame).map_err(refused)?;
    let budget = Duration::from_micros(frame.budget_us.into()).min(MAX_BUDGET);
    Ok((users, lookup.clock.monotonic().after(budget)))
}
