//! Looking through all keys for what is left of somebody.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_tagset::UserKey;
use tagbid_wire::pb::tags as pb;
use tokio::time::Instant;
use tonic::Status;

use super::read::standard_id;
use super::refusal::{Violation, bad_request};
use super::write::MAX_USERS;
use crate::Service;
use crate::store::{Store, StoreError};

/// The share of time that it may take of the store: one in so many. Lookups come first.
const SHARE: u32 = 10;

/// Between messages, when nothing is found: the caller sees that it goes on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

type Found = Result<pb::FindKeysResponse, Status>;

/// Goes through the store, under every MAC key that there is.
pub(super) fn keys(
    service: &Service,
    request: &pb::FindKeysRequest,
) -> Result<BoxStream<'static, Found>, Status> {
    if !(1..=MAX_USERS).contains(&request.users.len()) {
        let what = format!("{} users: send 1 to {MAX_USERS}", request.users.len());
        return Err(Violation::new("users", what).into());
    }
    let (mut users, mut problems) = (HashSet::new(), Vec::new());
    for (place, user) in request.users.iter().enumerate() {
        match standard_id(Some(user)) {
            Ok(id) => users.extend(service.inner.keys.all().map(|key| key.user_key(&id))),
            Err(violation) => problems.push(violation.within(&format!("users[{place}]"))),
        }
    }
    if !problems.is_empty() {
        return Err(bad_request(problems));
    }
    let walk = Walk { store: Arc::clone(&service.inner.writer.store), users, position: Some(0) };
    let drain = service.inner.drain.clone();
    Ok(stream::unfold(walk, Walk::next).take_until(async move { drain.wait().await }).boxed())
}

struct Walk {
    store: Arc<dyn Store>,
    users: HashSet<UserKey>,
    /// None: it has come to the end.
    position: Option<u64>,
}

impl Walk {
    /// What is found next, or a sign of life.
    async fn next(mut self) -> Option<(Found, Self)> {
        let (began, mut keys) = (Instant::now(), Vec::new());
        while let Some(position) = self.position {
            let step = Instant::now();
            match self.store.find(position, &self.users).await {
                Ok((found, next)) => {
                    keys.extend(found);
                    self.position = next;
                }
                Err(error) => {
                    self.position = None;
                    return Some((Err(broken(&error)), self));
                }
            }
            if self.position.is_none() {
                return Some((Ok(pb::FindKeysResponse { keys, last: true }), self));
            }
            tokio::time::sleep(step.elapsed() * (SHARE - 1)).await;
            if !keys.is_empty() || began.elapsed() > SIGN_OF_LIFE {
                return Some((Ok(pb::FindKeysResponse { keys, last: false }), self));
            }
        }
        None
    }
}

fn broken(error: &StoreError) -> Status {
    Status::unavailable(format!("{error}; look again from the beginning"))
}
