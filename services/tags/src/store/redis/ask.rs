//! Questions to whoever owns their slots: grouped by node, one pipeline each, redirections followed.

use std::sync::Arc;

use futures_util::future::join_all;
use redis::{Cmd, Pipeline, ServerError, ServerErrorKind, Value};
use tokio::time::{Duration, Instant, sleep_until};

use super::cluster::Cluster;
use super::node::Node;
use crate::store::StoreError;

/// How often one question is sent elsewhere: to the owner, to whom a slot is moved, and once more if it moved on.
const HOPS: usize = 4;

/// Between attempts at what waits for a slot to arrive.
const PAUSE: Duration = Duration::from_millis(10);

/// A command about keys of one slot.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) slot: usize,
    pub(super) command: Cmd,
}

pub(super) type Answer = Result<Value, StoreError>;

/// A question on its way to a node.
struct Sent {
    index: usize,
    node: Arc<Node>,
    /// The slot is on its way to that node, which answers only who says that they know.
    asking: bool,
}

/// Where a question goes next.
enum Next {
    Done(Answer),
    To { address: String, asking: bool },
}

impl Cluster {
    /// Answers in the order of the questions, each as soon as its node has answered or at that moment at the latest.
    /// `before` is what each node is told first, such as a script.
    pub(super) async fn ask(
        &self,
        questions: &[Question],
        before: Option<&Cmd>,
        until: Instant,
    ) -> Vec<Answer> {
        let map = self.map();
        let mut answers: Vec<Answer> = vec![Err(StoreError::Down); questions.len()];
        let owner = |(index, question): (usize, &Question)| {
            Some(Sent { index, node: Arc::clone(map.owner(question.slot)?), asking: false })
        };
        let mut sent: Vec<Sent> = questions.iter().enumerate().filter_map(owner).collect();
        for _ in 0..HOPS {
            let groups = by_node(sent);
            sent = Vec::new();
            let asked = groups.iter().map(|group| send(group, questions, before, until));
            for (group, values) in groups.iter().zip(join_all(asked).await) {
                for (one, value) in group.iter().zip(values) {
                    match self.next(value, one) {
                        Next::Done(answer) => put(&mut answers, one.index, answer),
                        Next::To { address, asking } => {
                            let node = map.at(&address).cloned();
                            sent.extend(node.map(|node| Sent { index: one.index, node, asking }));
                        }
                    }
                }
            }
            if sent.is_empty() {
                break;
            }
        }
        answers
    }

    /// [`Cluster::ask`] for writes: those whose slot is on its way are tried again until it has arrived.
    pub(super) async fn tell(&self, questions: &[Question], before: Option<&Cmd>) -> Vec<Answer> {
        let until = Instant::now() + self.timeout();
        let mut answers = self.ask(questions, before, until).await;
        loop {
            let waits = |answer: &Answer| matches!(answer, Err(StoreError::Moving));
            let waiting: Vec<usize> =
                (0..).zip(&answers).filter(|(_, one)| waits(one)).map(|(i, _)| i).collect();
            let next = Instant::now() + PAUSE;
            if waiting.is_empty() || next >= until {
                return answers;
            }
            sleep_until(next).await;
            let until = until.max(Instant::now() + PAUSE);
            let again: Vec<_> = waiting.iter().filter_map(|index| questions.get(*index).cloned()).collect();
            for (index, answer) in waiting.into_iter().zip(self.ask(&again, before, until).await) {
                put(&mut answers, index, answer);
            }
        }
    }

    /// One question of one slot.
    pub(super) async fn tell_one(&self, slot: usize, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        let questions: Vec<_> = commands.into_iter().map(|command| Question { slot, command }).collect();
        self.tell(&questions, None).await.into_iter().collect()
    }

    /// Whether an answer is one, or says where there is one.
    fn next(&self, value: Answer, from: &Sent) -> Next {
        let error = match value {
            Ok(Value::ServerError(error)) => error,
            other => return Next::Done(other),
        };
        let kind = error.kind();
        let asking = kind == Some(ServerErrorKind::Ask);
        if kind == Some(ServerErrorKind::Moved) || kind == Some(ServerErrorKind::ReadOnly) {
            self.signals.trouble.notify_one();
        }
        if !self.is_cluster() && kind == Some(ServerErrorKind::Moved) {
            let remedy =
                "it is a node of a Redis Cluster: name it in tags.redis_cluster instead of tags.redis_url";
            return Next::Done(Err(StoreError::Failed(remedy.into())));
        }
        if asking || kind == Some(ServerErrorKind::Moved) {
            let address = error.details().and_then(|details| details.split_ascii_whitespace().nth(1));
            return match address {
                // A node that does not know its own address leaves it out: it is the one that was asked.
                Some(address) if !address.starts_with(':') => {
                    Next::To { address: address.to_owned(), asking }
                }
                Some(port) => {
                    let host = from.node.address.rsplit_once(':').map_or("", |(host, _)| host);
                    Next::To { address: format!("{host}{port}"), asking }
                }
                None => Next::Done(Err(StoreError::Down)),
            };
        }
        Next::Done(Err(refusal(&error)))
    }
}

/// In words of ours.
fn refusal(error: &ServerError) -> StoreError {
    match error.kind() {
        Some(ServerErrorKind::TryAgain) => StoreError::Moving,
        Some(
            ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::ReadOnly,
        ) => StoreError::Down,
        _ if error.code() == "OOM" => StoreError::Full,
        _ => StoreError::Failed(error.to_string()),
    }
}

fn put(answers: &mut [Answer], index: usize, answer: Answer) {
    if let Some(place) = answers.get_mut(index) {
        *place = answer;
    }
}

/// In few nodes, which a search finds sooner than a table.
fn by_node(sent: Vec<Sent>) -> Vec<Vec<Sent>> {
    let mut groups: Vec<Vec<Sent>> = Vec::new();
    for one in sent {
        let of = |group: &Vec<Sent>| group.first().is_some_and(|first| Arc::ptr_eq(&first.node, &one.node));
        match groups.iter_mut().find(|group| of(group)) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// One pipeline; an answer for each of the group.
async fn send(group: &[Sent], questions: &[Question], before: Option<&Cmd>, until: Instant) -> Vec<Answer> {
    let Some(node) = group.first().map(|first| &first.node) else { return Vec::new() };
    let mut commands = Pipeline::with_capacity(group.len() + 1);
    let mut wanted = Vec::with_capacity(group.len());
    commands_of(group, questions, before, &mut commands, &mut wanted);
    match node.ask(&commands, until).await {
        Ok(values) => {
            let mut values = values.into_iter().enumerate();
            let mut answer = |place: usize| values.find(|(at, _)| *at == place).map(|(_, value)| value);
            wanted.into_iter().map(|place| answer(place).ok_or(StoreError::Down)).collect()
        }
        Err(error) => vec![Err(error); group.len()],
    }
}

fn commands_of(
    group: &[Sent],
    questions: &[Question],
    before: Option<&Cmd>,
    commands: &mut Pipeline,
    wanted: &mut Vec<usize>,
) {
    if let Some(before) = before {
        commands.add_command(before.clone());
    }
    for one in group {
        if one.asking {
            commands.cmd("ASKING");
        }
        if let Some(question) = questions.get(one.index) {
            wanted.push(commands.len());
            commands.add_command(question.command.clone());
        }
    }
}
