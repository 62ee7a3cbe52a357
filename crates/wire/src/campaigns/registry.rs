//! Names of tags, and tags by the thousand.

use tagbid_catalog::{RegistryEpoch, Report, TagDefinition};
use tagbid_ports::{NameAnswer, NamesAnswer, NamesQuestion, TagsUpserted, UpsertOutcome};
use tagbid_types::{DatasetId, Revision, TagId};

use super::dataset::{tag_from, tag_to};
use crate::pb::campaigns as pb;

/// Writes a question.
pub fn names_question_to(question: NamesQuestion) -> pb::ResolveNamesRequest {
    pb::ResolveNamesRequest {
        dataset_id: question.dataset.0,
        names: question.names,
        register: question.register,
    }
}

/// Reads a question.
pub fn names_question_from(request: pb::ResolveNamesRequest) -> NamesQuestion {
    NamesQuestion { dataset: DatasetId(request.dataset_id), names: request.names, register: request.register }
}

/// Writes an answer.
pub fn names_answer_to(answer: &NamesAnswer) -> pb::ResolveNamesResponse {
    pb::ResolveNamesResponse {
        names: answer.names.iter().map(name_to).collect(),
        registry_epoch: answer.epoch.to_string(),
        revision: answer.revision.0,
    }
}

fn name_to(answer: &NameAnswer) -> pb::ResolvedName {
    use pb::NameStatus as S;
    let ids = |ids: &[TagId]| ids.iter().map(|id| id.0).collect();
    let (status, candidate_tag_ids, problem) = match answer {
        NameAnswer::Known(_) => (S::Known, vec![], String::new()),
        NameAnswer::Registered(_) => (S::Registered, vec![], String::new()),
        NameAnswer::Ambiguous(tags) => (S::Ambiguous, ids(tags), String::new()),
        NameAnswer::Unknown(elsewhere) => (S::Unknown, ids(elsewhere), String::new()),
        NameAnswer::OverLimit => (S::OverLimit, vec![], String::new()),
        NameAnswer::Invalid(problem) => (S::Invalid, vec![], problem.clone()),
    };
    let tag_id = answer.tag().map_or(0, |id| id.0);
    pb::ResolvedName { status: status.into(), tag_id, candidate_tag_ids, problem }
}

/// Reads an answer; none when it is none of this version.
pub fn names_answer_from(response: pb::ResolveNamesResponse) -> Option<NamesAnswer> {
    Some(NamesAnswer {
        names: response.names.into_iter().map(name_from).collect::<Option<_>>()?,
        epoch: response.registry_epoch.parse().ok()?,
        revision: Revision(response.revision),
    })
}

fn name_from(name: pb::ResolvedName) -> Option<NameAnswer> {
    use pb::NameStatus as S;
    let tag = TagId(name.tag_id);
    let candidates = name.candidate_tag_ids.into_iter().map(TagId).collect();
    Some(match S::try_from(name.status).ok()? {
        S::Known => NameAnswer::Known(tag),
        S::Registered => NameAnswer::Registered(tag),
        S::Ambiguous => NameAnswer::Ambiguous(candidates),
        S::Unknown => NameAnswer::Unknown(candidates),
        S::OverLimit => NameAnswer::OverLimit,
        S::Invalid => NameAnswer::Invalid(name.problem),
        S::Unspecified => return None,
    })
}

/// A request for these tags of a dataset.
pub fn upsert_to(dataset: DatasetId, tags: &[TagDefinition], request_id: &str) -> pb::UpsertTagsRequest {
    pb::UpsertTagsRequest {
        dataset_id: dataset.0,
        tags: tags.iter().map(tag_to).collect(),
        request_id: request_id.into(),
    }
}

/// The tags of a request. Owner and dataset that they name must be those of the request, or none.
pub fn upsert_from(request: &pb::UpsertTagsRequest, report: &mut Report) -> Vec<TagDefinition> {
    let read = |(position, message): (usize, &pb::TagDefinition)| {
        let other = message.dataset_id != 0 && message.dataset_id != request.dataset_id;
        if other {
            let field = format_args!("tags[{position}].dataset_id");
            report.problem(field, "is not the request's", "leave it out: one request is about one dataset");
        }
        tag_from(message)
    };
    request.tags.iter().enumerate().map(read).collect()
}

/// Writes what became of the tags.
pub fn upserted_to(upserted: &TagsUpserted) -> pb::UpsertTagsResponse {
    let outcome = |outcome| match outcome {
        UpsertOutcome::Created => pb::UpsertOutcome::Created,
        UpsertOutcome::Updated => pb::UpsertOutcome::Updated,
        UpsertOutcome::Unchanged => pb::UpsertOutcome::Unchanged,
    };
    let tag = |(id, became): &(TagId, UpsertOutcome)| pb::UpsertedTag {
        tag_id: id.0,
        outcome: outcome(*became).into(),
    };
    pb::UpsertTagsResponse {
        tags: upserted.tags.iter().map(tag).collect(),
        registry_epoch: upserted.epoch.to_string(),
        revision: upserted.revision.0,
    }
}

/// Reads what became of the tags; none when it is no answer of this version.
pub fn upserted_from(response: &pb::UpsertTagsResponse) -> Option<TagsUpserted> {
    let tag = |tag: &pb::UpsertedTag| {
        let outcome = match pb::UpsertOutcome::try_from(tag.outcome).ok()? {
            pb::UpsertOutcome::Created => UpsertOutcome::Created,
            pb::UpsertOutcome::Updated => UpsertOutcome::Updated,
            pb::UpsertOutcome::Unchanged => UpsertOutcome::Unchanged,
            pb::UpsertOutcome::Unspecified => return None,
        };
        Some((TagId(tag.tag_id), outcome))
    };
    Some(TagsUpserted {
        tags: response.tags.iter().map(tag).collect::<Option<_>>()?,
        epoch: response.registry_epoch.parse::<RegistryEpoch>().ok()?,
        revision: Revision(response.revision),
    })
}
