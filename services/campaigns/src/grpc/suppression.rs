//! `SuppressionService`.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tagbid_catalog::Report;
use tagbid_catalog::people::{MAX_IDS, PeopleChange};
use tagbid_runtime::auth::principal;
use tagbid_types::{Principal, Revision, Timestamp};
use tagbid_wire::campaigns::{IdKeys, links_from, people_change_from, time_to, user_from};
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::suppression_service_server::SuppressionService;
use tonic::{Request, Response, Status, Streaming};

use crate::error::CampaignsError;
use crate::rights::check_role;
use crate::service::Inner;
use crate::store::people::Entry;

/// Most users or persons in one request.
const MAX_USERS: usize = 1_000;

/// Most raw ids of a person in one request: each may have two keys.
const MAX_RAW: usize = MAX_IDS / 2;

/// The list of people for the operator and other roles.
#[derive(Clone)]
pub(crate) struct SuppressionGrpc(pub(crate) Arc<Inner>);

/// The remedy for a user who is none.
const SEND: &str = "send kind, source and id as exchanges do, or a key of 16 bytes";

impl SuppressionGrpc {
    /// All users; every problem at once, none of them with an id in it.
    fn users(&self, users: &[pb::SuppressionUser]) -> Result<Vec<IdKeys>, CampaignsError> {
        let mut report = Report::default();
        check_count("users", users.len(), &mut report);
        let mut keys = Vec::with_capacity(users.len());
        for (position, user) in users.iter().enumerate().take(MAX_USERS) {
            match user_from(user, &self.0.mac_keys) {
                Ok(found) => keys.push(found),
                Err(problem) => report.problem(format_args!("users[{position}]"), problem, SEND),
            }
        }
        if report.is_empty() { Ok(keys) } else { Err(CampaignsError::Invalid(report.into_problems())) }
    }

    async fn set(
        &self,
        who: Principal,
        users: &[pb::SuppressionUser],
        change: PeopleChange,
    ) -> Result<Revision, CampaignsError> {
        let entries =
            self.users(users)?.into_iter().map(|user| entry(change, vec![user])).collect::<Vec<_>>();
        Ok(self.0.core.change_people(&who, change, &entries).await?.revision)
    }

    /// The persons that can be changed, and those that cannot.
    fn persons(
        &self,
        change: PeopleChange,
        persons: &[pb::Person],
    ) -> (Vec<(u32, String, Entry)>, Vec<pb::RejectedPerson>) {
        let (mut good, mut rejects) = (Vec::with_capacity(persons.len()), Vec::new());
        for (place, person) in (0..).zip(persons) {
            let ids: Vec<_> = person.ids.iter().map(|id| user_from(id, &self.0.mac_keys)).collect();
            let usable = ids.iter().find_map(|id| id.as_ref().ok()?.used.first());
            let user_key = usable.map_or_else(String::new, |id| id.key.to_string());
            let problem = ids.iter().enumerate().find_map(|(at, id)| {
                let problem = id.as_ref().err()?;
                Some(format!("ids[{at}]: {problem}; {SEND}"))
            });
            let problem = match ids.len() {
                1..=MAX_RAW => problem,
                count => Some(format!("ids: has {count}; send 1 to {MAX_RAW}")),
            };
            match problem {
                Some(reason) => rejects.push(pb::RejectedPerson { person: place, reason, user_key }),
                None => good.push((place, user_key, entry(change, ids.into_iter().flatten().collect()))),
            }
        }
        (good, rejects)
    }

    async fn change_persons(
        &self,
        who: &Principal,
        request: pb::ChangeRequest,
    ) -> Result<pb::ChangeResponse, CampaignsError> {
        check_role(who)?;
        let mut report = Report::default();
        check_count("persons", request.persons.len(), &mut report);
        let change = people_change_from(request.action);
        let Some(change) = change.filter(|_| report.is_empty()) else {
            if change.is_none() {
                report.problem("action", "is not said", "send SUPPRESS, LIFT, ERASE, LINK or UNLINK");
            }
            return Err(CampaignsError::Invalid(report.into_problems()));
        };
        let (good, mut rejects) = self.persons(change, &request.persons);
        let entries: Vec<_> = good.iter().map(|(_, _, entry)| entry.clone()).collect();
        let done = self.0.core.change_people(who, change, &entries).await?;
        for (place, problem) in done.refused {
            if let Some((person, user_key, _)) = good.get(place) {
                let (reason, user_key) = (problem.to_string(), user_key.clone());
                rejects.push(pb::RejectedPerson { person: *person, reason, user_key });
            }
        }
        rejects.sort_by_key(|reject| reject.person);
        Ok(pb::ChangeResponse {
            sequence: request.sequence,
            revision: done.revision.0,
            changed: u32::try_from(done.changed).unwrap_or(u32::MAX),
            rejects,
        })
    }
}

fn check_count(field: &str, count: usize, report: &mut Report) {
    if !(1..=MAX_USERS).contains(&count) {
        report.problem(field, format!("has {count} entries"), format!("send 1 to {MAX_USERS}"));
    }
}

/// What is left under retired keys is erased whether or not the list knows it; all else rests on what the list knows.
fn entry(change: PeopleChange, ids: Vec<IdKeys>) -> Entry {
    let mut entry = Entry::default();
    for id in ids {
        entry.ids.extend(id.used);
        match change {
            PeopleChange::Erase => entry.ids.extend(id.retired),
            _ => entry.if_listed.extend(id.retired),
        }
    }
    entry
}

#[tonic::async_trait]
impl SuppressionService for SuppressionGrpc {
    type ChangeAllStream = BoxStream<'static, Result<pb::ChangeResponse, Status>>;

    async fn suppress(
        &self,
        request: Request<pb::SuppressRequest>,
    ) -> Result<Response<pb::SuppressResponse>, Status> {
        let who = principal(&request)?;
        let revision = self.set(who, &request.get_ref().users, PeopleChange::Suppress).await?;
        Ok(Response::new(pb::SuppressResponse { revision: revision.0 }))
    }

    async fn lift(&self, request: Request<pb::LiftRequest>) -> Result<Response<pb::LiftResponse>, Status> {
        let who = principal(&request)?;
        let revision = self.set(who, &request.get_ref().users, PeopleChange::Lift).await?;
        Ok(Response::new(pb::LiftResponse { revision: revision.0 }))
    }

    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        let who = principal(&request)?;
        check_role(&who)?;
        let problem = |problem: String| {
            let mut report = Report::default();
            report.problem("user", problem, SEND);
            CampaignsError::Invalid(report.into_problems())
        };
        let user = request.into_inner().user.ok_or_else(|| problem("is missing".into()))?;
        let user = user_from(&user, &self.0.mac_keys).map_err(|error| problem(error.to_string()))?;
        let ids = user.used.into_iter().chain(user.retired);
        let keys: BTreeSet<_> = ids.map(|id| id.key).collect();
        let known = self.0.core.known(&who, &keys.into_iter().collect::<Vec<_>>()).await?;
        let erased = i64::try_from(known.erased.0).ok().filter(|at| *at > 0);
        Ok(Response::new(pb::CheckResponse {
            suppressed: known.suppressed,
            ids: u32::try_from(known.ids).unwrap_or(u32::MAX),
            erased: erased.map(|at| time_to(Timestamp(at))),
        }))
    }

    async fn change(
        &self,
        request: Request<pb::ChangeRequest>,
    ) -> Result<Response<pb::ChangeResponse>, Status> {
        let who = principal(&request)?;
        Ok(Response::new(self.change_persons(&who, request.into_inner()).await?))
    }

    async fn change_all(
        &self,
        request: Request<Streaming<pb::ChangeRequest>>,
    ) -> Result<Response<Self::ChangeAllStream>, Status> {
        let who = principal(&request)?;
        check_role(&who)?;
        let drain = self.0.core.hub.drain().clone();
        // One at a time: flow control is the bound, and order is the caller's.
        let requests = request.into_inner().take_until(async move { drain.wait().await });
        let open = Some((self.clone(), who, requests.boxed()));
        let answers = stream::unfold(open, |open| async {
            let (service, who, mut requests) = open?;
            let done = match requests.next().await? {
                Ok(request) => service.change_persons(&who, request).await.map_err(Status::from),
                Err(broken) => Err(broken),
            };
            let open = done.is_ok().then_some((service, who, requests));
            Some((done, open))
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn link_keys(
        &self,
        request: Request<pb::LinkKeysRequest>,
    ) -> Result<Response<pb::LinkKeysResponse>, Status> {
        let who = principal(&request)?;
        let persons = links_from(request.get_ref()).filter(|all| (1..=MAX_USERS).contains(&all.len()));
        let persons = persons.ok_or_else(|| {
            Status::invalid_argument(format!("persons: send 1 to {MAX_USERS}, of keys of 16 bytes"))
        })?;
        let problems = self.0.core.link(&who, persons).await?;
        let problems = problems.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Response::new(pb::LinkKeysResponse { problems }))
    }
}
