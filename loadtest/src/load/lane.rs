//! One place for a request under way: takes the next that is due, sends it, judges the answer.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::message::Message;
use crate::record::{Outcome, Seen};

use super::answer::{self, Reply};
use super::client::{Client, NoReply};
use super::queue::Due;
use super::{Pace, Shared};

/// What is said of a request for which no connection became free before its time-out.
const NO_CONNECTION: &str = "no connection free in time";

pub(super) async fn run(shared: Rc<Shared>, mut client: Client) {
    while let Some(due) = next(&shared).await {
        let taken = Instant::now();
        let waited = taken.saturating_duration_since(due.at);
        let left = shared.plan.timeout.checked_sub(waited).filter(|left| !left.is_zero());
        let (outcome, raw) = match left {
            // An exchange would have given it up: sending it now would only keep others waiting.
            None => (fail(&shared, &due, NO_CONNECTION), Duration::ZERO),
            Some(left) => send(&shared, &mut client, &due, left, taken).await,
        };
        let corrected = due.at.elapsed();
        shared.queue.done();
        shared.live.borrow_mut().see(outcome, corrected);
        if let Some(measured) = due.measured {
            let mut record = shared.record.borrow_mut();
            record.wait.record(waited);
            record.see(Seen { due: measured, corrected, raw, outcome }, shared.window);
        }
    }
}

async fn next(shared: &Shared) -> Option<Due> {
    if shared.plan.pace != Pace::Saturate {
        return shared.queue.next().await;
    }
    let at = Instant::now();
    if at >= shared.ends() {
        return None;
    }
    let number = shared.sent.replace(shared.sent.get() + 1);
    let measured = shared.measured(at);
    if let Some(measured) = measured {
        shared.record.borrow_mut().plan(measured, Duration::ZERO, false, shared.window);
    }
    shared.live.borrow_mut().plan(false);
    Some(Due { number, at, measured })
}

/// Gives the outcome and the time since `sent`.
async fn send(
    shared: &Shared,
    client: &mut Client,
    due: &Due,
    left: Duration,
    sent: Instant,
) -> (Outcome, Duration) {
    let list = &shared.plan.messages.list;
    let position = usize::try_from(due.number).unwrap_or(0) % list.len().max(1);
    let Some(message) = list.get(position) else {
        return (fail(shared, due, "no request"), Duration::ZERO);
    };
    let answer = client.send(&shared.calls, position, left).await;
    let (raw, corrected) = (sent.elapsed(), due.at.elapsed());
    let outcome = match answer {
        Err(NoReply(word)) => fail(shared, due, word),
        Ok(reply) => judge(shared, due, message, reply, corrected),
    };
    (outcome, raw)
}

fn judge(shared: &Shared, due: &Due, message: &Message, reply: Reply, corrected: Duration) -> Outcome {
    let plan = &shared.plan;
    let read = answer::read(&reply, plan.reading, plan.encoding);
    let in_time = corrected <= message.tmax.unwrap_or(plan.tmax);
    let outcome = if read.outcome.is_served() && !in_time { Outcome::Late } else { read.outcome };
    if due.measured.is_some() {
        let mut record = shared.record.borrow_mut();
        *record.statuses.entry(reply.status).or_default() += 1;
        if let Some(reason) = &read.reason {
            record.reason(reason);
        }
        if let Some(error) = &read.error {
            record.error(error);
        }
        let every = plan.sample_every.filter(|_| read.outcome == Outcome::Bid);
        if every.is_some_and(|every| due.number.is_multiple_of(every)) {
            record.samples.push((message.body.clone(), reply.body.clone()));
        }
    }
    if outcome == Outcome::Bid
        && let Some(notices) = &plan.notices
    {
        notices.bid(message.json.clone(), reply.body);
    }
    outcome
}

fn fail(shared: &Shared, due: &Due, word: &str) -> Outcome {
    if due.measured.is_some() {
        shared.record.borrow_mut().error(word);
    }
    Outcome::Error
}
