//! Checks of an entity within a session: what it says, what it refers to, what it must not share with others.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tagbid_catalog::validate::{
    Context, CreativePolicy, References, references_of, references_of_targeting, validate, validate_targeting,
};
use tagbid_catalog::{Entity, EntityKey, Registry, Report, TagDefinition};
use tagbid_pricing::Fx;
use tagbid_targeting::Expr;
use tagbid_types::{AdvertiserId, ExchangeName};

use crate::store::{Session, StoreError, entities};

/// What the operator allows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) creatives: CreativePolicy,
    pub(crate) fx: Option<Arc<Fx>>,
    pub(crate) exchanges: Option<BTreeSet<ExchangeName>>,
}

impl Policy {
    fn context<'a>(&'a self, loaded: &'a Loaded) -> Context<'a> {
        Context {
            references: loaded,
            creatives: &self.creatives,
            fx: self.fx.as_deref(),
            exchanges: self.exchanges.as_ref(),
        }
    }
}

/// Entities loaded for a check.
struct Loaded(HashMap<EntityKey, Entity>);

impl References for Loaded {
    fn entity(&self, key: EntityKey) -> Option<&Entity> {
        self.0.get(&key)
    }
}

/// Notes everything that is wrong with `new`. `registry`: of the session's moment, for tags. On an update, what was the same with `old` is not held against it: the
/// creative that was archived since does not stand in the way of another name.
pub(crate) async fn check(
    session: &mut dyn Session,
    policy: &Policy,
    registry: Option<&Registry>,
    old: Option<&Entity>,
    new: &Entity,
    report: &mut Report,
) -> Result<(), StoreError> {
    let loaded = load(session, old.into_iter().chain([new]).flat_map(references_of)).await?;
    report.merge(problems(&loaded, policy, old, new));
    if let (Entity::Tag(tag), Some(registry)) = (new, registry) {
        clashes(registry, old, tag, report);
        return Ok(());
    }
    // PostgreSQL knows no text with NUL: it was refused above, and nothing that is kept can have it.
    if let Some((field, _)) = new.unique().filter(|(_, key)| !key.contains('\0'))
        && let Some(twin) = entities::twin(session, new).await?
    {
        report.problem(field, format!("{} {twin} has the same", new.kind()), "use another, or that one");
    }
    Ok(())
}

/// Notes the names of a tag that another of its dataset has; not those that both had before.
pub(crate) fn clashes(registry: &Registry, old: Option<&Entity>, tag: &TagDefinition, report: &mut Report) {
    let before = match old {
        Some(Entity::Tag(old)) => registry.clashes(old),
        _ => Vec::new(),
    };
    for (field, other) in registry.clashes(tag).into_iter().filter(|clash| !before.contains(clash)) {
        report.problem(field, format!("tag definition {other} has the same"), "use another, or that one");
    }
}

/// Notes everything that is wrong with a targeting expression of this advertiser.
pub(crate) async fn check_targeting(
    session: &mut dyn Session,
    policy: &Policy,
    targeting: &Expr,
    owner: AdvertiserId,
    report: &mut Report,
) -> Result<(), StoreError> {
    let loaded = load(session, references_of_targeting(targeting, owner).into_iter()).await?;
    validate_targeting(targeting, owner, &policy.context(&loaded), report);
    Ok(())
}

fn problems(loaded: &Loaded, policy: &Policy, old: Option<&Entity>, new: &Entity) -> Report {
    let context = policy.context(loaded);
    let mut found = Report::on(new.kind().as_str());
    validate(new, &context, &mut found);
    if let (Some(old), false) = (old, found.is_empty()) {
        let mut before = Report::on(new.kind().as_str());
        validate(old, &context, &mut before);
        found.retain(|problem| !before.problems().contains(problem));
    }
    found
}

/// Loads entities, and the datasets of tags among them: those say who may use the tags.
async fn load(
    session: &mut dyn Session,
    keys: impl Iterator<Item = EntityKey>,
) -> Result<Loaded, StoreError> {
    let mut loaded = HashMap::new();
    let mut wanted: Vec<EntityKey> = keys.collect();
    while let Some(key) = wanted.pop() {
        if loaded.contains_key(&key) {
            continue;
        }
        if let Some(entity) = entities::get(session, key).await? {
            if let Entity::Tag(tag) = &entity {
                wanted.extend(tag.dataset.map(EntityKey::from));
            }
            loaded.insert(key, entity);
        }
    }
    Ok(Loaded(loaded))
}
