//! What the demo sets before the roles start: an exchange, rates, tokens, keys, and files that go away with it. What
//! the user has set stays.

use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tagbid_bidder::settings::Exchange;
use tagbid_exchange::world::{EXCHANGE_DOMAIN, RATES, SEAT, VENDOR_ID};
use tagbid_runtime::auth::{Secret, TokenConfig};
use tagbid_runtime::telemetry::LogOptions;
use tempfile::TempDir;

use super::catalog::DEMO_EXCHANGE;
use crate::settings::Settings;

/// The demo's tokens are in its output and in the README: good for nothing but a demo on one's own machine.
pub(super) const OPERATOR_TOKEN: &str = "demo-operator-token";
/// Of the first advertiser.
pub(super) const ADVERTISER_TOKEN: &str = "demo-advertiser-token";
/// Of the demo's exchange, for `BiddingService.Bid`.
pub(super) const EXCHANGE_TOKEN: &str = "demo-exchange-token";

/// The advertiser that [`ADVERTISER_TOKEN`] belongs to: a fresh catalog numbers from 1.
pub(super) const TOUR_ADVERTISER: u64 = 1;

/// Fills in what a demo needs. The directory holds its databases and lives as long as the value; none: they are in `fill`, and stay.
pub(super) fn prepare(
    settings: &mut Settings,
    events: bool,
    fill: Option<&Path>,
) -> anyhow::Result<Option<TempDir>> {
    listen(settings)?;
    if settings.log.filter == LogOptions::default().filter {
        // The demo talks on standard output; the log is for what goes wrong.
        settings.log.filter = "warn".into();
    }
    exchange(settings)?;
    tokens(settings);
    keys(settings)?;
    if let Some(dir) = fill {
        databases(settings, events, dir)?;
        return Ok(None);
    }
    let directory =
        tempfile::Builder::new().prefix("tagbid-demo-").tempdir().context("a directory for databases")?;
    databases(settings, events, directory.path())?;
    Ok(Some(directory))
}

fn listen(settings: &mut Settings) -> anyhow::Result<()> {
    let listen = &mut settings.listen;
    if !(listen.http.ip().is_loopback() && listen.grpc.ip().is_loopback() && listen.admin.ip().is_loopback())
    {
        bail!("listen: the demo's tokens are public, so it listens on 127.0.0.1 only");
    }
    if listen.http.port() == 0 {
        // Bids name the notice URL, so the port has to be known before the bidder starts.
        let probe = TcpListener::bind(listen.http).context("looking for a free port")?;
        listen.http = probe.local_addr().context("looking for a free port")?;
    }
    settings.bidder.notice_url = format!("http://{}", listen.http);
    Ok(())
}

fn exchange(settings: &mut Settings) -> anyhow::Result<()> {
    let bidder = &mut settings.bidder;
    for (code, rate) in RATES {
        // Six decimals, exact in a double.
        bidder.fx.entry(code.parse()?).or_insert(rate.0 as f64 / 1e6);
    }
    bidder.consent.vendor_id.get_or_insert(VENDOR_ID);
    if bidder.funnel_every == tagbid_bidder::Options::default().funnel_every {
        // A short run: the usual sample would be a dozen requests.
        bidder.funnel_every = 5;
    }
    let name = DEMO_EXCHANGE.parse().map_err(anyhow::Error::msg)?;
    bidder.exchanges.entry(name).or_insert_with(|| Exchange {
        seat: SEAT.into(),
        supply_chain_asi: EXCHANGE_DOMAIN.into(),
        ..Exchange::default()
    });
    Ok(())
}

fn tokens(settings: &mut Settings) {
    let token = |name: &str, token: &str, scope: String| TokenConfig {
        name: name.into(),
        token: Secret::new(token),
        scope,
    };
    settings.auth.tokens.extend([
        token("demo operator", OPERATOR_TOKEN, "operator".into()),
        token("demo advertiser", ADVERTISER_TOKEN, format!("advertiser:{TOUR_ADVERTISER}")),
        token("demo exchange", EXCHANGE_TOKEN, format!("exchange:{DEMO_EXCHANGE}")),
    ]);
}

/// Keys of this run alone: what it makes of user ids is worth nothing to anybody else.
fn keys(settings: &mut Settings) -> anyhow::Result<()> {
    let random = || -> anyhow::Result<String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness for keys: {error}"))?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    };
    for key in [&mut settings.keys.user, &mut settings.keys.notice] {
        if key.expose().is_empty() {
            *key = Secret::new(format!("1:{}", random()?));
        }
    }
    Ok(())
}

fn databases(settings: &mut Settings, events: bool, directory: &Path) -> anyhow::Result<()> {
    let file = |name: &str| Secret::new(format!("sqlite:{}", directory.join(name).display()));
    let own = [
        ("campaigns", &mut settings.campaigns.database, tagbid_campaigns::Options::default().database),
        ("ledger", &mut settings.ledger.database, tagbid_ledger::Options::default().database),
    ];
    for (role, database, default) in own {
        if database.expose() != default.expose() {
            bail!("{role}.database: the demo fills databases of its own; leave it out, or use `tagbid all`");
        }
        *database = file(&format!("{role}.db"));
    }
    if events && settings.events.dir.is_none() {
        settings.events.dir = Some(directory.join("events"));
        // A short run: of the usual sample little would be seen.
        settings.events.bid_sample = 1.0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    fn prepared(change: impl FnOnce(&mut Settings)) -> anyhow::Result<(Settings, TempDir)> {
        let mut settings = Settings::default();
        change(&mut settings);
        let directory = prepare(&mut settings, true, None)?.context("a directory")?;
        Ok((settings, directory))
    }

    #[test]
    fn the_demos_settings_can_be_used_and_leave_nothing_behind() {
        let (settings, directory) = prepared(|_| {}).unwrap();
        assert_eq!(settings.bidder.problems(), Vec::<String>::new());
        assert!(settings.keys.user_keys().is_ok() && settings.keys.notice_keys().is_ok());
        assert!(settings.auth.tokens().is_ok());
        let path = directory.path().to_owned();
        assert!(settings.campaigns.database.expose().contains(&*path.to_string_lossy()));
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn what_the_user_set_stays() {
        let (settings, _directory) = prepared(|settings| {
            settings.listen.http = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            settings.bidder.consent.vendor_id = Some(7);
            settings.keys.user = Secret::new("3:0123456789abcdef0123456789abcdef");
        })
        .unwrap();
        assert_ne!(settings.listen.http.port(), 0, "the notice URL needs a port");
        assert!(settings.bidder.notice_url.ends_with(&settings.listen.http.to_string()));
        assert_eq!(settings.bidder.consent.vendor_id, Some(7));
        assert!(settings.keys.user.expose().starts_with("3:"));
    }

    #[test]
    fn public_tokens_stay_on_this_machine() {
        let refused =
            prepared(|settings| settings.listen.grpc = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        assert!(refused.unwrap_err().to_string().contains("127.0.0.1"));
        let refused = prepared(|settings| settings.ledger.database = Secret::new("postgres://db/ledger"));
        assert!(refused.unwrap_err().to_string().contains("ledger.database"));
    }
}
