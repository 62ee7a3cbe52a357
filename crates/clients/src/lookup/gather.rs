//! Natural batching as a state machine: no clock, no socket.

use std::collections::VecDeque;

use tagbid_ports::{Datasets, TagAnswer, UserKeys};
use tagbid_types::{Monotonic, TraceContext};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::tags::{self as wire, MAX_FRAME_USERS};

/// Most frames that are unanswered at one time.
pub(super) const MAX_IN_FLIGHT: usize = 4;

/// So many go with one user alone; more only when they are half full. A frame costs both sides and the store some 60 µs
/// beside what its users cost, and where so many are under way the next answer is near.
const EAGER: usize = 2;

/// Most users that wait for a frame to become free: as many as the next answers of all frames take along. Beyond
/// them a newcomer would wait for a second round, and is late at once instead.
pub(super) const MAX_WAITING: usize = MAX_IN_FLIGHT * MAX_FRAME_USERS;

/// The part of the time left that the node gets; the rest is for the way back.
const BUDGET: (u64, u64) = (7, 8);

/// One user to be looked up; `reply` is where the answer goes.
pub(super) struct Waiter<R> {
    pub(super) keys: UserKeys,
    pub(super) frequency: bool,
    pub(super) datasets: Datasets,
    pub(super) deadline: Monotonic,
    /// The span that asks, if it is traced.
    pub(super) trace: Option<TraceContext>,
    pub(super) reply: R,
}

/// A frame that has been sent and not wholly answered.
struct Flight<R> {
    sequence: u64,
    sent: Monotonic,
    /// The latest of its users' deadlines: from then on nobody waits for it.
    deadline: Monotonic,
    /// Some of it was answered.
    heard: bool,
    replies: Vec<Option<R>>,
}

/// A frame of which nothing came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) sent: Monotonic,
    pub(super) deadline: Monotonic,
}

/// The users of one stream.
pub(super) struct Gather<R> {
    sequence: u64,
    flights: Vec<Flight<R>>,
    waiting: VecDeque<Waiter<R>>,
    /// Since it was last asked for.
    missed: Vec<Missed>,
}

impl<R> Default for Gather<R> {
    fn default() -> Self {
        let (flights, missed) = (Vec::with_capacity(MAX_IN_FLIGHT), Vec::new());
        Self { sequence: 0, flights, waiting: VecDeque::new(), missed }
    }
}

impl<R> Gather<R> {
    /// Takes a user in, to go with the next frame. False: too many wait already, and its `reply` has been dropped.
    pub(super) fn join(&mut self, waiter: Waiter<R>, now: Monotonic) -> bool {
        self.forget_overdue(now);
        if self.waiting.len() >= MAX_WAITING {
            return false;
        }
        self.waiting.push_back(waiter);
        true
    }

    /// The next frame to send, if there is somebody to ask for and a frame is free.
    pub(super) fn next_frame(&mut self, now: Monotonic) -> Option<pb::LookupFrame> {
        self.forget_overdue(now);
        if !self.may_send() {
            return None;
        }
        let users = self.waiting.len().min(MAX_FRAME_USERS);
        let users: Vec<_> = self.waiting.drain(..users).collect();
        let deadline = users.iter().map(|user| user.deadline).max()?;
        let keys: Vec<_> = users.iter().map(|user| user.keys).collect();
        let frequency = users.iter().any(|user| user.frequency);
        let datasets = users.iter().fold(Datasets::NONE, |all, user| all.with(&user.datasets));
        let traced = users.iter().any(|user| user.trace.is_some());
        let traces: Vec<_> = users.iter().map(|user| user.trace).filter(|_| traced).collect();
        self.sequence += 1;
        let left = deadline.since(now).as_micros() as u64 * BUDGET.0 / BUDGET.1;
        let budget_us = u32::try_from(left).unwrap_or(u32::MAX);
        self.flights.push(Flight {
            sequence: self.sequence,
            sent: now,
            deadline,
            heard: false,
            replies: users.into_iter().map(|user| Some(user.reply)).collect(),
        });
        let mut frame = wire::frame(self.sequence, &keys, budget_us, (frequency, datasets));
        wire::trace_users(&mut frame, traces.into_iter());
        Some(frame)
    }

    /// Whether there is a frame to send now.
    pub(super) fn may_send(&self) -> bool {
        let enough = if self.flights.len() < EAGER { 1 } else { MAX_FRAME_USERS / 2 };
        self.flights.len() < MAX_IN_FLIGHT && self.waiting.len() >= enough
    }

    /// Whether it would be a full one.
    pub(super) fn may_send_full(&self) -> bool {
        self.may_send() && self.waiting.len() >= MAX_FRAME_USERS
    }

    /// Takes answers in and gives each to `deliver`. Answers that nobody asked for, or that came before, are ignored.
    /// Whether the frame was still waited for.
    pub(super) fn answer(
        &mut self,
        frame: pb::AnswerFrame,
        mut deliver: impl FnMut(R, TagAnswer),
    ) -> Option<Monotonic> {
        let position = self.flights.iter().position(|one| one.sequence == frame.sequence)?;
        let flight = self.flights.get_mut(position)?;
        let sent = flight.sent;
        flight.heard = true;
        for answer in frame.answers {
            let slot = flight.replies.get_mut(answer.index as usize);
            if let Some(reply) = slot.and_then(Option::take) {
                deliver(reply, wire::from_answer(answer));
            }
        }
        // Users that the last message leaves out stay without an answer: dropping their replies says so.
        if frame.last || flight.replies.iter().all(Option::is_none) {
            self.flights.swap_remove(position);
        }
        Some(sent)
    }

    /// Frames of which nothing came in time, each told once.
    pub(super) fn missed(&mut self, now: Monotonic) -> Vec<Missed> {
        self.forget_overdue(now);
        std::mem::take(&mut self.missed)
    }

    /// Frames that are unanswered, and users that wait for one to become free.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.flights.len(), self.waiting.len())
    }

    /// Gives up on everybody.
    pub(super) fn clear(&mut self) {
        self.flights.clear();
        self.waiting.clear();
    }

    /// A frame whose last user has left is as good as answered; waiters that have left are not worth asking for.
    fn forget_overdue(&mut self, now: Monotonic) {
        let missed = &mut self.missed;
        self.flights.retain(|flight| {
            let stays = flight.deadline > now;
            if !stays && !flight.heard {
                missed.push(Missed { sent: flight.sent, deadline: flight.deadline });
            }
            stays
        });
        // Whoever is late for a word of each is told of the last ones.
        missed.drain(..missed.len().saturating_sub(MAX_IN_FLIGHT));
        self.waiting.retain(|waiter| waiter.deadline > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tagbid_tagset::UserKey;
    use tagbid_types::DatasetId;

    fn waiter(n: u32, deadline: u64) -> Waiter<u32> {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&n.to_le_bytes());
        let datasets = [DatasetId(n)].into_iter().collect();
        Waiter {
            keys: UserKeys::only(UserKey(key)),
            frequency: false,
            datasets,
            deadline: Monotonic(deadline),
            trace: None,
            reply: n,
        }
    }

    fn users(frame: &pb::LookupFrame) -> usize {
        wire::frame_users(frame).unwrap().len()
    }

    fn answer_all(frame: &pb::LookupFrame) -> pb::AnswerFrame {
        wire::answer_frame(frame.sequence, vec![TagAnswer::default(); users(frame)])
    }

    #[derive(Clone, Debug)]
    enum Step {
        Join { lives: u64 },
        Send,
        Answer { which: usize },
        Wait { micros: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1..2_000_u64).prop_map(|lives| Step::Join { lives }),
            1 => Just(Step::Send),
            1 => (0..8_usize).prop_map(|which| Step::Answer { which }),
            1 => (0..300_u64).prop_map(|micros| Step::Wait { micros }),
        ]
    }

    proptest! {
        /// Whatever happens: at most four frames of at most 64 users are in flight, everybody is answered at most
        /// once, after sending nobody waits while fewer than two are in flight or half a frame's users wait, and who is neither
        /// sent nor waiting was refused or has left.
        #[test]
        fn the_bounds_hold(steps in proptest::collection::vec(step(), 0..600)) {
            let mut gather = Gather::default();
            let mut sent: Vec<pb::LookupFrame> = Vec::new();
            let mut answered = std::collections::HashSet::new();
            let (mut now, mut next) = (1_u64, 0_u32);
            for step in steps {
                match step {
                    Step::Wait { micros } => now += micros,
                    Step::Join { lives } => {
                        next += 1;
                        let joined = gather.join(waiter(next, now + lives), Monotonic(now));
                        prop_assert!(joined || gather.waiting.len() == MAX_WAITING);
                    }
                    Step::Send => {
                        while let Some(frame) = gather.next_frame(Monotonic(now)) {
                            sent.push(frame);
                        }
                        prop_assert!(
                            gather.waiting.is_empty()
                                || gather.flights.len() >= EAGER && gather.waiting.len() < MAX_FRAME_USERS / 2
                                || gather.flights.len() == MAX_IN_FLIGHT
                        );
                    }
                    Step::Answer { which } => {
                        let Some(frame) = sent.get(which) else { continue };
                        let mut twice = false;
                        gather.answer(answer_all(frame), |reply, _| twice |= !answered.insert(reply));
                        prop_assert!(!twice);
                    }
                }
                prop_assert!(gather.flights.len() <= MAX_IN_FLIGHT);
                prop_assert!(gather.flights.iter().all(|flight| flight.replies.len() <= MAX_FRAME_USERS));
                prop_assert!(gather.waiting.len() <= MAX_WAITING);
            }
        }
    }

    /// One after the other, each with whom the next frame takes.
    fn sizes(gather: &mut Gather<u32>, waiters: std::ops::Range<u32>) -> Vec<(u32, usize)> {
        let mut sizes = Vec::new();
        for n in waiters {
            assert!(gather.join(waiter(n, 100), Monotonic(1)));
            sizes.extend(gather.next_frame(Monotonic(1)).map(|frame| (n, users(&frame))));
        }
        sizes
    }

    #[test]
    fn the_first_two_go_alone_and_those_after_them_together() {
        let mut gather = Gather::default();
        // Two alone, then half a frame's, twice.
        assert_eq!(sizes(&mut gather, 0..66), [(0, 1), (1, 1), (33, 32), (65, 32)]);
        assert_eq!(sizes(&mut gather, 66..166), []);
        let mut delivered = Vec::new();
        gather.answer(wire::answer_frame(2, vec![TagAnswer::default()]), |reply, _| delivered.push(reply));
        assert_eq!(delivered, [1]);
        assert_eq!(gather.next_frame(Monotonic(1)).map(|frame| users(&frame)), Some(64));
        assert!(gather.next_frame(Monotonic(1)).is_none(), "four are in flight again");
    }

    #[test]
    fn whoever_joins_before_a_frame_is_sent_goes_with_it() {
        let mut gather = Gather::default();
        assert!((0..63).all(|n| gather.join(waiter(n, 100), Monotonic(1))));
        assert!(gather.may_send() && !gather.may_send_full());
        assert!((63..70).all(|n| gather.join(waiter(n, 100), Monotonic(1))));
        assert!(gather.may_send_full());
        let sent = [(); 3].map(|()| gather.next_frame(Monotonic(1)).map(|frame| users(&frame)));
        assert_eq!(sent, [Some(64), Some(6), None]);
        assert!(!gather.may_send());
    }

    #[test]
    fn frames_that_nobody_answers_are_forgotten_at_their_deadline() {
        let mut gather = Gather::default();
        assert_eq!(sizes(&mut gather, 0..2).len(), 2);
        assert!(gather.join(waiter(4, 300), Monotonic(99)) && gather.next_frame(Monotonic(99)).is_none());
        assert!(gather.join(waiter(5, 300), Monotonic(100)));
        assert_eq!(gather.next_frame(Monotonic(100)).map(|frame| users(&frame)), Some(2));
    }

    #[test]
    fn only_a_frame_of_which_nothing_came_is_missed() {
        let mut gather = Gather::default();
        let mut sent = |n| {
            assert!(gather.join(waiter(n, 100), Monotonic(1)));
            gather.next_frame(Monotonic(1)).unwrap()
        };
        let (heard, _silent) = (sent(0), sent(1));
        // Nothing of its only user yet, but the node is there.
        gather.answer(pb::AnswerFrame { sequence: heard.sequence, answers: vec![], last: false }, |_, _| {});
        assert_eq!(gather.missed(Monotonic(99)), []);
        let missed = Missed { sent: Monotonic(1), deadline: Monotonic(100) };
        assert_eq!((gather.missed(Monotonic(101)), gather.missed(Monotonic(102))), (vec![missed], vec![]));
    }

    #[test]
    fn a_frame_may_be_answered_in_parts() {
        let mut gather = Gather::default();
        assert_eq!(sizes(&mut gather, 0..2).len(), 2);
        assert_eq!(sizes(&mut gather, 4..6), []);
        gather.answer(wire::answer_frame(1, vec![TagAnswer::default()]), |_, _| {});
        let frame = gather.next_frame(Monotonic(1)).unwrap();

        let whole = answer_all(&frame);
        let mut delivered = Vec::new();
        for index in [1, 0] {
            let part = pb::AnswerFrame {
                answers: whole.answers.iter().filter(|one| one.index == index).cloned().collect(),
                last: false,
                ..whole.clone()
            };
            gather.answer(part, |reply, _| delivered.push(reply));
        }
        assert_eq!(delivered, [5, 4]);
        assert_eq!(gather.flights.len(), 1, "the frame ends with its last user, said or not");
    }
}
