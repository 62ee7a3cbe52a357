//! `tagbid demo --fill DIR`: the demo's catalog and people in databases that stay, and the settings that roles of their own
//! need to serve them. What load tests of a real deployment begin with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tagbid_runtime::settings::dump;
use tagbid_tags::StoreKind;

use super::catalog::DEMO_EXCHANGE;
use super::settings::{ADVERTISER_TOKEN, EXCHANGE_TOKEN, OPERATOR_TOKEN, TOUR_ADVERTISER};
use crate::settings::Settings;

/// What roles show each other; as public as the demo's other tokens.
const ROLE_TOKEN: &str = "demo-token-of-the-roles";

/// Makes the folder and puts into the settings what is to stay in it. The folder, by its full name.
pub(super) fn prepare(dir: &Path, settings: &mut Settings) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("--fill {}: cannot be made", dir.display()))?;
    ensure!(
        !file(dir).exists(),
        "--fill {}: it was filled before; give another folder, or remove it",
        dir.display()
    );
    let dir = dir.canonicalize().with_context(|| format!("--fill {}", dir.display()))?;
    if settings.tags.store == StoreKind::Memory && settings.tags.memory_file.is_none() {
        settings.tags.memory_file = Some(dir.join("tags"));
    }
    Ok(dir)
}

fn file(dir: &Path) -> PathBuf {
    dir.join("tagbid.toml")
}

/// Writes what roles need: to be read by nobody else, as there are keys in it.
pub(super) fn write(dir: &Path, settings: &Settings) -> anyhow::Result<PathBuf> {
    let path = file(dir);
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let written = opened.and_then(|mut file| file.write_all(dump(&lasting(settings)).as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What has to be the same for every role. Addresses are not among it.
fn lasting(settings: &Settings) -> Value {
    let token =
        |name: &str, token: &str, scope: String| json!({"name": name, "token": token, "scope": scope});
    let tokens = [
        token("demo operator", OPERATOR_TOKEN, "operator".into()),
        token("demo advertiser", ADVERTISER_TOKEN, format!("advertiser:{TOUR_ADVERTISER}")),
        token("demo exchange", EXCHANGE_TOKEN, format!("exchange:{DEMO_EXCHANGE}")),
        token("demo role", ROLE_TOKEN, "role".into()),
    ];
    let exchanges = settings.bidder.exchanges.iter().map(|(name, exchange)| {
        let own = json!({"seat": exchange.seat, "supply_chain_asi": exchange.supply_chain_asi});
        (name.as_str().to_owned(), own)
    });
    let tags = match settings.tags.store {
        StoreKind::Memory => json!({"store": "memory", "memory_file": settings.tags.memory_file}),
        StoreKind::Redis => json!({
            "store": "redis",
            "redis_url": settings.tags.redis_url.expose(),
            "redis_cluster": settings.tags.redis_cluster.iter().map(|url| url.expose()).collect::<Vec<_>>(),
        }),
    };
    json!({
        "auth": {"tokens": tokens},
        "peers": {"token": ROLE_TOKEN},
        "keys": {"user": settings.keys.user.expose(), "notice": settings.keys.notice.expose()},
        "bidder": {
            "fx": settings.bidder.fx,
            "consent": {"vendor_id": settings.bidder.consent.vendor_id},
            "exchanges": exchanges.collect::<serde_json::Map<_, _>>(),
        },
        "tags": tags,
        "campaigns": {"database": settings.campaigns.database.expose()},
        "ledger": {"database": settings.ledger.database.expose()},
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tagbid_runtime::settings::Sources;

    use super::*;
    use crate::demo::settings;

    #[test]
    fn what_is_written_are_the_settings_that_it_was_filled_with() {
        let dir = tempfile::tempdir().unwrap();
        let into = dir.path().join("load-test");
        let mut filled = Settings::default();
        let into = prepare(&into, &mut filled).unwrap();
        let databases = settings::prepare(&mut filled, false, Some(&into)).unwrap();
        assert!(databases.is_none(), "they stay");
        let path = write(&into, &filled).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        let read: Settings = Sources { files: vec![path], ..Sources::default() }.load().unwrap();
        assert_eq!(read.bidder.problems(), Vec::<String>::new());
        assert_eq!(read.keys.user.expose(), filled.keys.user.expose());
        assert_eq!(read.ledger.database.expose(), filled.ledger.database.expose());
        assert_eq!((read.tags.memory_file, read.bidder.fx), (filled.tags.memory_file, filled.bidder.fx));
        assert!(read.auth.tokens().is_ok());
        let again = prepare(&into, &mut Settings::default());
        assert!(again.unwrap_err().to_string().contains("it was filled before"));
    }
}
