//! `tagbid.tags.v1` to and from the plain types of `ports` and `tagset`.

use bytes::Bytes;
use tagbid_ports::{DatasetTags, Datasets, OtherKeys, SourceStatus, TagAnswer, UserKeys};
use tagbid_tagset::{IdKind, UserId, UserKey};
use tagbid_types::{DatasetId, Timestamp, TraceContext};
use thiserror::Error;

use crate::pb::tags as pb;

/// Most users in one frame.
pub const MAX_FRAME_USERS: usize = 64;

/// Bytes of blobs after which a message of answers ends.
pub const SPLIT_BYTES: usize = 256 * 1024;

/// Bytes of a key in a frame.
const KEY: usize = 16;

/// A frame that breaks the protocol. Its sequence is still good to answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Not whole keys.
    #[error("keys: {0} bytes; send 16 for each user")]
    Keys(usize),
    /// More users than fit, or none.
    #[error("keys: {0} users; send 1 to {MAX_FRAME_USERS}")]
    Users(usize),
    /// Not as many as there are users.
    #[error("previous_keys: {0} bytes; send as many as in keys, or none")]
    Previous(usize),
    /// Not as many as the counts say, or too many.
    #[error(
        "other_keys: {0} bytes; send 16 for each that other_counts says, which has a byte for each user, 32 at most"
    )]
    Others(usize),
}

/// The frame that asks for these users. `wanted`: whether counts, and which datasets.
pub fn frame(sequence: u64, users: &[UserKeys], budget_us: u32, wanted: (bool, Datasets)) -> pb::LookupFrame {
    let mut keys = Vec::with_capacity(users.len() * KEY);
    for one in users {
        keys.extend_from_slice(&one.user.0);
    }
    let mut previous_keys = Vec::new();
    if users.iter().any(|one| one.previous.is_some()) {
        for one in users {
            previous_keys.extend_from_slice(&one.previous.map_or([0; KEY], |key| key.0));
        }
    }
    let (frequency, datasets) = wanted;
    let ids = || datasets.named().iter().map(|one| one.0).collect();
    let (mut other_keys, mut other_counts) = (Vec::new(), Vec::new());
    if users.iter().any(|one| one.others != OtherKeys::NONE) {
        for one in users {
            let others = one.others.as_slice();
            other_counts.push(others.len() as u8);
            others.iter().for_each(|key| other_keys.extend_from_slice(&key.0));
        }
    }
    pb::LookupFrame {
        sequence,
        keys: keys.into(),
        previous_keys: previous_keys.into(),
        budget_us,
        frequency,
        datasets: (!datasets.is_all()).then(|| pb::DatasetList { ids: ids() }),
        other_keys: other_keys.into(),
        other_counts: other_counts.into(),
        traced: Vec::new(),
    }
}

/// Names the spans that ask for users, by their places in the frame.
pub fn trace_users(frame: &mut pb::LookupFrame, spans: impl Iterator<Item = Option<TraceContext>>) {
    let traced = (0..).zip(spans).filter_map(|(user, span)| Some((user, span?)));
    frame.traced = traced
        .map(|(user, TraceContext { trace, span })| pb::TracedUser {
            user,
            trace: trace.to_vec().into(),
            span: span.to_vec().into(),
        })
        .collect();
}

/// The spans that ask for users of a frame, with the users' places in it. A client that names more than there are users is
/// not believed further than that.
pub fn traced_users(frame: &pb::LookupFrame) -> impl Iterator<Item = (u32, TraceContext)> {
    let read = |one: &pb::TracedUser| {
        let (trace, span) = (one.trace.as_ref().try_into().ok()?, one.span.as_ref().try_into().ok()?);
        Some((one.user, TraceContext { trace, span }))
    };
    frame.traced.iter().take(MAX_FRAME_USERS).filter_map(read)
}

/// The datasets that a frame asks for.
pub fn frame_datasets(frame: &pb::LookupFrame) -> Datasets {
    let ids = frame.datasets.as_ref().map(|list| list.ids.iter().map(|id| DatasetId(*id)));
    ids.map_or(Datasets::ALL, Iterator::collect)
}

/// The users that a frame asks for.
pub fn frame_users(frame: &pb::LookupFrame) -> Result<Vec<UserKeys>, FrameError> {
    let (keys, rest) = frame.keys.as_chunks::<KEY>();
    if !rest.is_empty() {
        return Err(FrameError::Keys(frame.keys.len()));
    }
    if keys.is_empty() || keys.len() > MAX_FRAME_USERS {
        return Err(FrameError::Users(keys.len()));
    }
    let mut users: Vec<_> = keys.iter().copied().map(UserKey).map(UserKeys::only).collect();
    let (previous, rest) = frame.previous_keys.as_chunks::<KEY>();
    if !rest.is_empty() || !previous.is_empty() && previous.len() != keys.len() {
        return Err(FrameError::Previous(frame.previous_keys.len()));
    }
    for (user, previous) in users.iter_mut().zip(previous) {
        user.previous = (*previous != [0; KEY]).then_some(UserKey(*previous));
    }
    add_others(frame, &mut users).ok_or(FrameError::Others(frame.other_keys.len()))?;
    Ok(users)
}

/// None when they are not as many as is said.
fn add_others(frame: &pb::LookupFrame, users: &mut [UserKeys]) -> Option<()> {
    let (others, rest) = frame.other_keys.as_chunks::<KEY>();
    let counted: usize = frame.other_counts.iter().map(|count| usize::from(*count)).sum();
    let counts = frame.other_counts.len();
    if !rest.is_empty() || counted != others.len() || counts != 0 && counts != users.len() {
        return None;
    }
    let mut others = others.iter().copied().map(UserKey);
    for (user, count) in users.iter_mut().zip(&frame.other_counts) {
        let mut of_user = others.by_ref().take((*count).into());
        if !of_user.all(|key| user.others.push(key)) {
            return None;
        }
    }
    Some(())
}

/// The whole answer to a frame, in the order of its users, as one message.
pub fn answer_frame(sequence: u64, answers: Vec<TagAnswer>) -> pb::AnswerFrame {
    let answers = (0..).zip(answers).map(|(index, answer)| to_answer(index, answer));
    pb::AnswerFrame { sequence, answers: answers.collect(), last: true }
}

/// Answers by the place of their users in the frame, the last of them or not, as messages that end soon after
/// [`SPLIT_BYTES`]: 64 users at their caps are 5 MiB, over every gRPC client's default.
pub fn answer_frames(sequence: u64, answers: Vec<(u32, TagAnswer)>, last: bool) -> Vec<pb::AnswerFrame> {
    let mut frames = Vec::with_capacity(1);
    let mut frame = pb::AnswerFrame { sequence, ..pb::AnswerFrame::default() };
    let mut bytes = 0;
    for (index, answer) in answers {
        bytes += blob_bytes(&answer);
        frame.answers.push(to_answer(index, answer));
        if bytes >= SPLIT_BYTES {
            let full = std::mem::take(&mut frame.answers);
            frames.push(pb::AnswerFrame { answers: full, ..frame });
            bytes = 0;
        }
    }
    frame.last = last;
    frames.push(frame);
    frames
}

fn blob_bytes(answer: &TagAnswer) -> usize {
    let offline = answer.offline.iter().map(|one| &one.blob);
    let others = [&answer.realtime, &answer.frequency];
    offline.chain(others).flatten().map(Bytes::len).sum()
}

fn to_answer(index: u32, answer: TagAnswer) -> pb::UserAnswer {
    let offline = answer.offline.into_iter().map(|one| pb::OfflineTags {
        dataset: one.dataset.0,
        version: one.version,
        blob: one.blob,
        status: to_status(one.status).into(),
        as_of_us: one.as_of.map(|at| at.0),
    });
    pb::UserAnswer {
        index,
        suppressed: answer.suppressed,
        offline_status: to_status(answer.offline_status).into(),
        offline: offline.collect(),
        realtime_status: to_status(answer.realtime_status).into(),
        realtime: answer.realtime,
        frequency_status: to_status(answer.frequency_status).into(),
        frequency: answer.frequency,
    }
}

/// One user's answer. Suppressed users come without anything else, whatever was sent.
pub fn from_answer(answer: pb::UserAnswer) -> TagAnswer {
    let suppressed = answer.suppressed;
    let kept = |blob: Option<Bytes>| blob.filter(|_| !suppressed);
    let offline = answer.offline.into_iter().map(|one| DatasetTags {
        dataset: DatasetId(one.dataset),
        version: one.version,
        as_of: one.as_of_us.map(Timestamp),
        status: from_status(one.status),
        blob: one.blob,
    });
    TagAnswer {
        suppressed,
        offline_status: from_status(answer.offline_status),
        offline: if suppressed { Vec::new() } else { offline.collect() },
        realtime_status: from_status(answer.realtime_status),
        realtime: kept(answer.realtime),
        frequency_status: from_status(answer.frequency_status),
        frequency: kept(answer.frequency),
    }
}

fn to_status(status: SourceStatus) -> pb::Status {
    match status {
        SourceStatus::Known => pb::Status::Known,
        SourceStatus::Late => pb::Status::Late,
        SourceStatus::Failed => pb::Status::Failed,
        SourceStatus::Uncertain => pb::Status::Uncertain,
        SourceStatus::Stale => pb::Status::Stale,
    }
}

/// A status that this version does not know is no knowledge.
fn from_status(status: i32) -> SourceStatus {
    match pb::Status::try_from(status) {
        Ok(pb::Status::Known) => SourceStatus::Known,
        Ok(pb::Status::Late) => SourceStatus::Late,
        Ok(pb::Status::Uncertain) => SourceStatus::Uncertain,
        Ok(pb::Status::Stale) => SourceStatus::Stale,
        Ok(pb::Status::Failed | pb::Status::Unspecified) | Err(_) => SourceStatus::Failed,
    }
}

/// A raw id; none when its kind is not said.
pub fn user_id(user: &pb::UserId) -> Option<UserId<'_>> {
    let kind = match user.kind() {
        pb::IdKind::Buyeruid => IdKind::BuyerUid,
        pb::IdKind::Eid => IdKind::Eid,
        pb::IdKind::Ifa => IdKind::Ifa,
        pb::IdKind::ExchangeUser => IdKind::ExchangeUser,
        pb::IdKind::Unspecified => return None,
    };
    Some(UserId { kind, source: &user.source, id: &user.id })
}

/// From protobuf's time; none when it is not one.
pub fn timestamp(at: &prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..1_000_000_000).contains(&at.nanos) {
        return None;
    }
    let micros = at.seconds.checked_mul(1_000_000)?;
    micros.checked_add((at.nanos / 1_000).into()).map(Timestamp)
}

/// To protobuf's time.
pub fn to_timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.secs(), nanos: (at.0.rem_euclid(1_000_000) * 1_000) as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> UserKey {
        UserKey([n; KEY])
    }

    #[test]
    fn a_frame_brings_the_users_that_were_asked_for() {
        let only = UserKeys::only;
        let mut others = OtherKeys::NONE;
        assert!((20..52).all(|n| others.push(key(n))) && !others.push(key(52)) && others.push(key(20)));
        for users in [
            vec![only(key(1)), only(key(2))],
            vec![UserKeys { previous: Some(key(9)), ..only(key(1)) }, only(key(2))],
            vec![only(key(1)), UserKeys { others, ..only(key(2)) }, UserKeys { others, ..only(key(3)) }],
        ] {
            let frame = frame(7, &users, 4_000, (true, Datasets::ALL));
            assert_eq!((frame.sequence, frame.budget_us, frame.frequency), (7, 4_000, true));
            assert_eq!(frame_users(&frame), Ok(users));
        }
        for datasets in [Datasets::ALL, Datasets::NONE, [DatasetId(3), DatasetId(9)].into_iter().collect()] {
            let frame = frame(7, &[only(key(1))], 1, (false, datasets));
            assert!(frame.previous_keys.is_empty());
            assert!(frame.other_keys.is_empty() && frame.other_counts.is_empty());
            assert_eq!(frame_datasets(&frame), datasets);
        }
    }

    #[test]
    fn a_frame_names_the_spans_that_ask() {
        let users: Vec<_> = (1..4).map(|n| UserKeys::only(key(n))).collect();
        let mut frame = frame(7, &users, 1, (false, Datasets::ALL));
        let context = TraceContext { trace: [5; 16], span: [6; 8] };
        trace_users(&mut frame, [None, Some(context), None].into_iter());
        assert_eq!(traced_users(&frame).collect::<Vec<_>>(), [(1, context)]);
        frame.traced[0].span = Bytes::from_static(b"short");
        assert_eq!(traced_users(&frame).count(), 0);
    }

    #[test]
    fn frames_that_break_the_protocol_are_refused() {
        let with = |keys: usize, previous: usize| pb::LookupFrame {
            keys: vec![1; keys].into(),
            previous_keys: vec![1; previous].into(),
            ..pb::LookupFrame::default()
        };
        assert_eq!(frame_users(&with(17, 0)), Err(FrameError::Keys(17)));
        assert_eq!(frame_users(&with(0, 0)), Err(FrameError::Users(0)));
        assert_eq!(frame_users(&with(65 * KEY, 0)), Err(FrameError::Users(65)));
        assert_eq!(frame_users(&with(32, 16)), Err(FrameError::Previous(16)));
        let others = |others: usize, counts: &[u8]| pb::LookupFrame {
            other_keys: (0..others * KEY).map(|n| (n / KEY) as u8).collect::<Vec<_>>().into(),
            other_counts: counts.to_vec().into(),
            ..with(32, 0)
        };
        assert!(frame_users(&others(3, &[1, 2])).is_ok());
        for (keys, counts) in [(3, vec![1, 1]), (1, vec![1]), (1, vec![]), (33, vec![33, 0])] {
            assert_eq!(
                frame_users(&others(keys, &counts)),
                Err(FrameError::Others(keys * KEY)),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn answers_survive_the_wire() {
        let (known, failed) = (SourceStatus::Known, SourceStatus::Failed);
        let tags = |dataset, status, as_of, blob| DatasetTags {
            dataset: DatasetId(dataset),
            version: 2,
            as_of,
            status,
            blob,
        };
        let answer = TagAnswer {
            suppressed: false,
            offline_status: known,
            offline: vec![
                tags(3, known, Some(Timestamp(77)), Some(Bytes::from_static(b"o"))),
                tags(4, known, None, None),
                tags(9, failed, None, None),
            ],
            realtime_status: SourceStatus::Late,
            realtime: None,
            frequency_status: SourceStatus::Failed,
            frequency: Some(Bytes::from_static(b"f")),
        };
        let frame = answer_frame(1, vec![TagAnswer::unknown(SourceStatus::Late), answer.clone()]);
        let second = frame.answers.into_iter().find(|one| one.index == 1).unwrap();
        assert_eq!(from_answer(second), answer);
    }

    #[test]
    fn large_answers_are_split_and_small_ones_are_not() {
        let large = TagAnswer { realtime: Some(vec![0; SPLIT_BYTES / 2].into()), ..TagAnswer::default() };
        let shape = |answers: Vec<TagAnswer>| -> Vec<(usize, bool)> {
            let frames = answer_frames(9, (0..).zip(answers).collect(), true);
            assert!(frames.iter().all(|frame| frame.sequence == 9));
            let indices = frames.iter().flat_map(|frame| frame.answers.iter().map(|one| one.index));
            assert!(indices.clone().eq(0..indices.count() as u32), "everybody once, in order");
            frames.iter().map(|frame| (frame.answers.len(), frame.last)).collect()
        };
        assert_eq!(shape(vec![TagAnswer::default(); 64]), [(64, true)]);
        assert_eq!(shape(vec![large; 5]), [(2, false), (2, false), (1, true)]);
    }

    #[test]
    fn nothing_of_a_suppressed_user_gets_through_and_unknown_statuses_are_failures() {
        let sent = pb::UserAnswer {
            suppressed: true,
            realtime: Some(Bytes::from_static(b"r")),
            offline: vec![pb::OfflineTags::default()],
            offline_status: 77,
            ..pb::UserAnswer::default()
        };
        let read = from_answer(sent);
        assert_eq!((read.suppressed, read.realtime, read.offline.len()), (true, None, 0));
        assert_eq!(read.offline_status, SourceStatus::Failed);
        assert_eq!(read.realtime_status, SourceStatus::Failed);
    }

    #[test]
    fn times_survive_the_wire() {
        for at in [Timestamp(0), Timestamp(-1), Timestamp(1_735_689_600_123_456)] {
            assert_eq!(timestamp(&to_timestamp(at)), Some(at));
        }
        let bad = prost_types::Timestamp { seconds: 0, nanos: -1 };
        assert_eq!(timestamp(&bad), None);
    }
}
