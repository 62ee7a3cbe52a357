//! The settings of the whole binary: one TOML table a role, and what all roles share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use tagbid_clients::Endpoint;
use tagbid_notice::{Keys, TokenKey};
use tagbid_runtime::auth::{Secret, TokenConfig, Tokens};
use tagbid_runtime::limits::LimitOptions;
use tagbid_runtime::telemetry::LogOptions;
use tagbid_runtime::trace::TraceOptions;
use tagbid_tagset::{KeyRing, MacKey, MacKeys};

/// All settings. `tagbid --dump-config` prints them with secrets masked.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where this process listens.
    pub(crate) listen: Listen,
    /// Where the other roles are, for a process that runs one.
    pub(crate) peers: Peers,
    /// Who may call over gRPC.
    pub(crate) auth: Auth,
    /// Keys that several roles share.
    pub(crate) keys: SharedKeys,
    /// Logs.
    pub(crate) log: LogOptions,
    /// Traces.
    pub(crate) traces: TraceOptions,
    /// The bidder role.
    pub(crate) bidder: tagbid_bidder::Options,
    /// The tags role.
    pub(crate) tags: tagbid_tags::Options,
    /// The campaigns role.
    pub(crate) campaigns: tagbid_campaigns::Options,
    /// The ledger role.
    pub(crate) ledger: tagbid_ledger::Options,
    /// The event log of a process with a bidder or a ledger.
    pub(crate) events: tagbid_eventlog::Options,
}

/// Addresses to listen on. Port 0 takes a free one; the log says which.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    /// Bid requests and notices.
    pub(crate) http: SocketAddr,
    /// gRPC of every role in this process.
    pub(crate) grpc: SocketAddr,
    /// Metrics, health and settings; keep it off public addresses.
    pub(crate) admin: SocketAddr,
    /// Seconds that a process goes on serving after SIGTERM while `/readyz` says that it is leaving: as long as load
    /// balancers need to notice. 0: it drains at once.
    pub(crate) leave_s: u64,
    /// What peers may make the HTTP port and the gRPC port hold.
    pub(crate) limits: LimitOptions,
}

impl Default for Listen {
    fn default() -> Self {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            http: local(8080),
            grpc: local(8081),
            admin: local(9090),
            leave_s: 0,
            limits: LimitOptions::default(),
        }
    }
}

/// gRPC addresses of the other roles, such as "http://tags-1:8081".
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Peers {
    /// Nodes of the tags role; a user's node is chosen by rendezvous hash. The campaigns role asks the first that
    /// answers how many users an expression reaches, and the ledger tells one of them what users were shown.
    pub(crate) tags: Vec<String>,
    /// The campaigns role.
    pub(crate) campaigns: String,
    /// A bidder, to be asked for explanations and which share of its requests an expression reaches.
    pub(crate) bidder: String,
    /// Every bidder: their funnels are added up. Empty: `bidder` alone.
    pub(crate) bidders: Vec<String>,
    /// The ledger, to be asked for the wins of a funnel.
    pub(crate) ledger: String,
    /// The token that this process shows to other roles; its scope there must be "role".
    pub(crate) token: Secret,
}

/// Credentials.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    /// Static tokens.
    pub(crate) tokens: Vec<TokenConfig>,
}

/// Keys. The same on every process that has the roles named.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SharedKeys {
    /// Makes user keys of user ids (bidder, tags, campaigns): `VERSION:SECRET`, the version 0 to 255 and the secret at
    /// least 32 bytes of text, such as `openssl rand -base64 33` prints.
    pub(crate) user: Secret,
    /// The other user key while keys rotate, read beside the first; empty: none. To rotate, first make the new key the
    /// previous one on all processes, then exchange the two, and when what was written under the old one has expired, move
    /// that to `user_retired`.
    pub(crate) user_previous: Secret,
    /// User keys of earlier rotations, for as long as users are suppressed under them: the campaigns role does not start
    /// without one that it needs.
    pub(crate) user_retired: Vec<Secret>,
    /// Seals notice tokens (bidder, ledger): `ID:KEY`, the id 0 to 255 and the key 32 bytes in base64url without
    /// padding, as `openssl rand -base64 32 | tr '+/' '-_' | tr -d =` prints.
    pub(crate) notice: Secret,
    /// The notice key's predecessor; empty: none.
    pub(crate) notice_previous: Secret,
}

impl Peers {
    /// Names an address that is none, also one that this process has no use for.
    pub(crate) fn check(&self) -> Result<(), String> {
        let single = [("campaigns", &self.campaigns), ("bidder", &self.bidder), ("ledger", &self.ledger)];
        let single =
            single.into_iter().filter(|(_, url)| !url.is_empty()).map(|(key, url)| (key.into(), url));
        let several =
            [("tags", &self.tags), ("bidders", &self.bidders)].into_iter().flat_map(|(key, urls)| {
                urls.iter().enumerate().map(move |(position, url)| (format!("{key}[{position}]"), url))
            });
        for (key, url) in single.chain(several) {
            Endpoint::new(url, &self.token).map_err(|problem| format!("peers.{key} {url:?}: {problem}"))?;
        }
        Ok(())
    }
}

impl SharedKeys {
    /// The keys of user ids.
    pub(crate) fn user_keys(&self) -> Result<MacKeys, String> {
        let current = mac_key(&self.user).map_err(|problem| format!("keys.user: {problem}"))?;
        let previous = optional(&self.user_previous, mac_key);
        let previous = previous.map_err(|problem| format!("keys.user_previous: {problem}"))?;
        let retired = self.user_retired.iter().enumerate().map(|(place, secret)| {
            mac_key(secret).map_err(|problem| format!("keys.user_retired[{place}]: {problem}"))
        });
        let keys = MacKeys { current, previous, retired: retired.collect::<Result<_, _>>()? };
        let versions: Vec<u8> = keys.all().map(MacKey::version).collect();
        let twice = versions
            .iter()
            .enumerate()
            .find(|(place, one)| versions.iter().take(*place).any(|other| other == *one));
        match twice {
            Some((_, version)) => Err(format!(
                "keys: version {version} stands twice among user, user_previous and user_retired: give each key its own"
            )),
            None => Ok(keys),
        }
    }

    /// What other processes are told of the keys of user ids; none where this process has none.
    pub(crate) fn ring(&self) -> Option<KeyRing> {
        self.user_keys().ok().map(|keys| keys.ring())
    }

    /// The keys of notice tokens.
    pub(crate) fn notice_keys(&self) -> Result<Keys, String> {
        let parse = |secret: &Secret| TokenKey::parse(secret.expose()).map_err(|error| error.to_string());
        let newest = parse(&self.notice).map_err(|problem| format!("keys.notice: {problem}"))?;
        let previous = optional(&self.notice_previous, parse);
        let previous = previous.map_err(|problem| format!("keys.notice_previous: {problem}"))?;
        Keys::new(newest, previous).map_err(|error| format!("keys.notice: {error}"))
    }
}

impl Auth {
    /// The tokens, checked.
    pub(crate) fn tokens(&self) -> Result<Tokens, String> {
        Tokens::new(&self.tokens)
    }
}

fn optional<K>(secret: &Secret, parse: impl Fn(&Secret) -> Result<K, String>) -> Result<Option<K>, String> {
    if secret.expose().is_empty() { Ok(None) } else { parse(secret).map(Some) }
}

fn mac_key(secret: &Secret) -> Result<MacKey, String> {
    let text = secret.expose();
    let (version, key) = text.split_once(':').ok_or("write it as VERSION:SECRET, such as 1:...")?;
    let version = version.parse().map_err(|_| "the version before ':' is a number from 0 to 255")?;
    MacKey::new(version, key.as_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tagbid_runtime::settings::Sources;

    use super::*;

    #[test]
    fn keys_that_are_none_are_named() {
        let keys = SharedKeys { user: Secret::new("1:short"), ..SharedKeys::default() };
        assert!(keys.user_keys().err().is_some_and(|problem| problem.contains("keys.user")));
        assert!(keys.notice_keys().err().is_some_and(|problem| problem.contains("keys.notice")));
        let secret = |version: u8| Secret::new(format!("{version}:{}", "s".repeat(32)));
        let retired =
            |retired| SharedKeys { user: secret(3), user_retired: retired, ..SharedKeys::default() };
        let problem = retired(vec![secret(1), Secret::new("x")]).user_keys().err().unwrap();
        assert!(problem.contains("keys.user_retired[1]"), "{problem}");
        let problem = retired(vec![secret(1), secret(3)]).user_keys().err().unwrap();
        assert!(problem.contains("version 3 stands twice"), "{problem}");
        let keys = retired(vec![secret(1), secret(2)]).user_keys().unwrap();
        assert_eq!(keys.all().map(MacKey::version).collect::<Vec<_>>(), [3, 1, 2]);
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let good = || "http://tags-1:8081".to_owned();
        let peers = Peers { tags: vec![good(), "nonsense".into()], ..Peers::default() };
        let problem = peers.check().unwrap_err();
        assert!(problem.starts_with("peers.tags[1] \"nonsense\": use an address"), "{problem}");
        let peers = Peers { campaigns: "tags:8081".into(), ..Peers::default() };
        assert!(peers.check().unwrap_err().starts_with("peers.campaigns"));
        assert_eq!(Peers { tags: vec![good()], bidder: good(), ..Peers::default() }.check(), Ok(()));
    }

    #[test]
    fn the_example_can_be_used_once_its_secrets_are_replaced() {
        let example = include_str!("../tagbid.example.toml");
        let load = |text: &str| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let sources = Sources { files: vec![file.path().into()], ..Sources::default() };
            sources.load::<Settings>().unwrap()
        };
        let raw = load(example);
        assert!(
            raw.auth.tokens().is_err() && raw.keys.user_keys().is_err() && raw.keys.notice_keys().is_err()
        );

        // As many letters as base64url makes of 32 bytes.
        let secret = "A".repeat(43);
        let names = ["@USER_KEY@", "@NOTICE_KEY@", "@ROLE@", "@OPERATOR@", "@EXCHANGE_KEY@"];
        let text = names.iter().fold(example.to_owned(), |text, name| text.replace(name, &secret));
        assert!(!text.contains(": @") && !text.contains("\"@"), "every secret of it is known here");
        let mut settings = load(&text);
        let files = tempfile::tempdir().unwrap();
        settings.bidder.catalog_copy = files.path().join("copy").display().to_string();
        assert_eq!(settings.bidder.problems(), Vec::<String>::new());
        assert_eq!(settings.peers.check(), Ok(()));
        assert!(settings.auth.tokens().is_ok());
        assert!(settings.keys.user_keys().is_ok() && settings.keys.notice_keys().is_ok());
    }

    #[test]
    fn settings_survive_a_dump() {
        let dumped = tagbid_runtime::settings::dump(&Settings::default());
        assert!(dumped.contains("[listen]"), "{dumped}");
    }
}
