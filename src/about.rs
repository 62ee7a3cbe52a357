//! What a process tells of itself beside what its roles do: its build, its disks, its traces, how old its catalog is.

use std::path::PathBuf;
use std::sync::Arc;

use tagbid_clients::CatalogFollower;
use tagbid_runtime::Tasks;
use tagbid_runtime::admin::Admin;
use tagbid_runtime::process::{BuildInfo, Disks};
use tagbid_runtime::trace::Tracer;
use tagbid_types::Clock;

use crate::compose::{Roles, StartError};
use crate::settings::Settings;

/// This build.
const BUILD: BuildInfo = BuildInfo {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("TAGBID_COMMIT"),
    rustc: env!("TAGBID_RUSTC"),
};

/// Tells of the process as a whole, and starts to trace.
pub(crate) fn process(
    roles: Roles,
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    tasks: &Tasks,
    admin: &Admin,
) -> Result<(), StartError> {
    let tracer = Tracer::start(&settings.traces, Arc::clone(clock), tasks).map_err(StartError::Settings)?;
    admin.register(|registry| {
        registry.register_collector(Box::new(BUILD));
        registry.register_collector(Box::new(Disks::of(data_of(roles, settings))));
        registry.register_collector(tracer.collector());
    });
    tracer.install();
    Ok(())
}

/// Tells how much of the catalog a role has that follows it with this, and how old that is.
pub(crate) fn follower(admin: &Admin, role: &'static str, follower: CatalogFollower, clock: &Arc<dyn Clock>) {
    let (aging, clock) = (follower.clone(), Arc::clone(clock));
    let help = "The revision of the catalog that the role works with";
    let revision = move || {
        let view = follower.view();
        view.is_loaded().then_some(view.catalog.revision.0 as f64)
    };
    admin.gauge_of_role("tagbid_catalog_followed_revision", help, role, Box::new(revision));
    let help = "How long ago the role's catalog was last known to be up to date";
    let age = move || aging.age(clock.now()).map(|age| age.as_secs_f64());
    admin.gauge_of_role("tagbid_catalog_age_seconds", help, role, Box::new(age));
}

/// The files and directories that these roles write, by whose they are.
fn data_of(roles: Roles, settings: &Settings) -> Vec<(&'static str, PathBuf)> {
    let sqlite = |url: &str| {
        let path = url.strip_prefix("sqlite:")?.split('?').next()?;
        Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
    };
    let copy = |path: &str| (!path.is_empty()).then(|| path.into());
    let (bidders, ledgers) = (copy(&settings.bidder.catalog_copy), copy(&settings.ledger.catalog_copy));
    let data = [
        (roles.campaigns, "campaigns", sqlite(settings.campaigns.database.expose())),
        (roles.ledger, "ledger", sqlite(settings.ledger.database.expose())),
        (roles.tags, "tags", settings.tags.memory_file.clone()),
        (roles.bidder, "catalog_copy", bidders),
        (roles.ledger, "ledger_catalog_copy", ledgers),
        (roles.bidder || roles.ledger, "events", settings.events.dir.clone()),
    ];
    data.into_iter().filter_map(|(runs, name, path)| Some((name, path.filter(|_| runs)?))).collect()
}

#[cfg(test)]
mod tests {
    use tagbid_runtime::auth::Secret;

    use super::*;

    #[test]
    fn only_what_its_roles_write_is_a_processs_data() {
        let mut settings = Settings::default();
        settings.campaigns.database = Secret::new("sqlite://catalog.db?mode=rwc");
        settings.ledger.database = Secret::new("postgres://tagbid:secret@db/ledger");
        settings.events.dir = Some("events".into());
        settings.bidder.catalog_copy = "data/copy".into();
        settings.tags.memory_file = None;
        let of = |roles| data_of(roles, &settings);
        assert_eq!(of(Roles { campaigns: true, ..Roles::NONE }), [("campaigns", "catalog.db".into())]);
        assert_eq!(of(Roles { ledger: true, ..Roles::NONE }), [("events", "events".into())]);
        assert_eq!(of(Roles { tags: true, ..Roles::NONE }), []);
        assert_eq!(of(Roles::ALL).len(), 3);
    }
}
