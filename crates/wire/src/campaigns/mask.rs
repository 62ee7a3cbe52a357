//! Field masks: which fields of an update count. Works on any resource through its descriptor, so that a new field
//! needs no new code here.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, ReflectMessage, Value};
use prost_types::FieldMask;
use tagbid_catalog::FieldProblem;
use thiserror::Error;

use super::Resource;
use crate::DESCRIPTORS;

static POOL: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).ok());

/// Why a mask was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MaskError {
    /// The mask or a field it names cannot be accepted.
    #[error("the update mask cannot be applied")]
    Refused(Vec<FieldProblem>),
    /// The built-in descriptors do not describe the message: a fault of ours.
    #[error("no descriptor for {0}")]
    Descriptor(&'static str),
}

/// An entity after an update.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged<R> {
    /// The new state.
    pub resource: R,
    /// The paths that were copied, for the audit log.
    pub paths: Vec<String>,
}

/// `current` with the fields that `mask` names taken from `update`. An empty mask names every field that is set in
/// `update`, `*` all of them. A field that the update leaves out is cleared.
pub fn merge<R: Resource>(current: &R, update: &R, mask: Option<&FieldMask>) -> Result<Merged<R>, MaskError> {
    let mut target = dynamic(current)?;
    let source = dynamic(update)?;
    let named = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    let explicit = !named.is_empty() && named != ["*"];
    let paths = match named {
        [] => populated(&source),
        [all] if all == "*" => every(&source),
        named => named.to_vec(),
    };
    let mut problems = Vec::new();
    let mut copied = Vec::new();
    for path in paths {
        match step::<R>(&mut target, &source, &path, explicit) {
            Step::Copied => copied.push(path),
            Step::Kept => {}
            Step::Refused(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(MaskError::Refused(problems));
    }
    let resource = target.transcode_to().map_err(|_| MaskError::Descriptor(R::NAME))?;
    Ok(Merged { resource, paths: copied })
}

enum Step {
    Copied,
    /// Not the caller's to change, and not asked for by name.
    Kept,
    Refused(FieldProblem),
}

fn step<R: Resource>(
    target: &mut DynamicMessage,
    source: &DynamicMessage,
    path: &str,
    explicit: bool,
) -> Step {
    let top = path.split('.').next().unwrap_or_default();
    if top == "id" || top == "metadata" {
        return if explicit { immutable::<R>(path) } else { Step::Kept };
    }
    if R::IMMUTABLE.contains(&top) {
        // Sending back what was read is no attempt to change it.
        let said = source.has_field_by_name(top);
        let same = source.get_field_by_name(top) == target.get_field_by_name(top);
        return if same || (!said && !explicit) { Step::Kept } else { immutable::<R>(path) };
    }
    let parts: Vec<&str> = path.split('.').collect();
    match copy(target, source, &parts) {
        Some(()) => Step::Copied,
        None => Step::Refused(FieldProblem {
            field: "update_mask".into(),
            problem: format!("{path:?} is not a field of {}", R::KIND.as_str()),
            remedy: "use paths such as \"name\"; fields of repeated fields cannot be named".into(),
        }),
    }
}

fn immutable<R: Resource>(path: &str) -> Step {
    Step::Refused(FieldProblem {
        field: format!("{}.{path}", R::KIND.as_str()),
        problem: "never changes".into(),
        remedy: "leave it out of the update".into(),
    })
}

fn dynamic<R: Resource>(message: &R) -> Result<DynamicMessage, MaskError> {
    let descriptor = POOL.as_ref().and_then(|pool| pool.get_message_by_name(R::NAME));
    let descriptor = descriptor.ok_or(MaskError::Descriptor(R::NAME))?;
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
        .map_err(|_| MaskError::Descriptor(R::NAME))
}

fn populated(message: &DynamicMessage) -> Vec<String> {
    message.fields().map(|(field, _)| field.name().to_owned()).collect()
}

/// Every field that is set; of those that are not, members of a oneof are left to the member that is.
fn every(message: &DynamicMessage) -> Vec<String> {
    let superseded = |field: &FieldDescriptor| {
        let oneof = field.containing_oneof();
        oneof.is_some_and(|o| o.fields().any(|other| other != *field && message.has_field(&other)))
    };
    let descriptor = message.descriptor();
    let fields = descriptor.fields().filter(|field| !superseded(field));
    fields.map(|field| field.name().to_owned()).collect()
}

/// None when there is no such field.
fn copy(target: &mut DynamicMessage, source: &DynamicMessage, path: &[&str]) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let field = target.descriptor().get_field_by_name(first)?;
    if rest.is_empty() {
        if source.has_field(&field) {
            target.set_field(&field, source.get_field(&field).into_owned());
        } else {
            target.clear_field(&field);
        }
        return Some(());
    }
    if field.is_list() || field.is_map() {
        return None;
    }
    let value = source.get_field(&field);
    let Value::Message(inner) = value.as_ref() else {
        return None;
    };
    // Looked up before it is created: a wrong path must not leave an empty message behind.
    let mut changed = match target.get_field(&field).into_owned() {
        Value::Message(message) => message,
        _ => return None,
    };
    copy(&mut changed, inner, rest)?;
    target.set_field(&field, Value::Message(changed));
    Some(())
}
