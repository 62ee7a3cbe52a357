//! Frames of users by key, as bidders ask.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tagbid_ports::TagAnswer;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::tags as wire;
use tonic::{Status, Streaming};

use crate::lookup::DirectLookup;
use crate::service::Inner;

/// Frames of one stream that are answered at the same time; a client that sends more is slowed down by flow
/// control. Our own client keeps at most 4 in flight.
const FRAMES: usize = 16;

/// Longest that a frame is worked on: one that waits for a store that hangs keeps others from being read.
const MAX_BUDGET: Duration = Duration::from_secs(60);

/// Answers each frame by its deadline, whichever is ready first. Ends with the client's stream or with the drain,
/// which sends the client to another node. A frame that breaks the protocol ends the stream too.
pub(super) fn answers(
    inner: &Inner,
    frames: Streaming<pb::LookupFrame>,
) -> impl Stream<Item = Result<pb::AnswerFrame, Status>> + use<> {
    let (lookup, drain) = (inner.lookup.another(), inner.drain.clone());
    frames
        .take_until(async move { drain.wait().await })
        .map(move |frame| {
            let lookup = lookup.clone();
            async move {
                let frame = frame?;
                let answers = answer(&lookup, &frame).await?;
                Ok(wire::answer_frames(frame.sequence, answers))
            }
        })
        .buffer_unordered(FRAMES)
        .flat_map(|answered| {
            let parts = match answered {
                Ok(frames) => frames.into_iter().map(Ok).collect(),
                Err(status) => vec![Err(status)],
            };
            stream::iter(parts)
        })
}

/// One frame answered in one message.
pub(super) async fn batch(lookup: &DirectLookup, frame: &pb::LookupFrame) -> Result<pb::AnswerFrame, Status> {
    let answers = answer(lookup, frame).await?;
    Ok(wire::answer_frame(frame.sequence, answers))
}

/// Looks the users of one frame up. Its time runs from now: it has just been read.
async fn answer(lookup: &DirectLookup, frame: &pb::LookupFrame) -> Result<Vec<TagAnswer>, Status> {
    let refused = |problem| Status::invalid_argument(format!("frame {}: {problem}", frame.sequence));
    let users = wire::frame_users(frame).map_err(refused)?;
    let budget = Duration::from_micros(frame.budget_us.into()).min(MAX_BUDGET);
    let deadline = lookup.clock.monotonic().after(budget);
    Ok(lookup.many(&users, frame.frequency, deadline).await)
}
