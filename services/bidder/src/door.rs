//! The door of each exchange: who may call its bid URL, and how often. A fake request would lock budgets and learn
//! prices.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use tagbid_runtime::auth::Secret;
use tagbid_types::Monotonic;

use crate::settings::Exchange;
use crate::traffic::Ranges;

/// What an exchange's caller must show.
#[derive(Debug)]
pub(crate) struct Door {
    key: Secret,
    networks: Option<Ranges>,
    rate: Option<RateLimit>,
}

/// By what a caller says that it is the exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown<'a> {
    /// The last segment of the bid URL; empty: none.
    Key(&'a str),
    /// A token of the exchange, which has been checked.
    Token,
}

pub(crate) use crate::metrics::Shut;

impl Door {
    /// The door that the settings describe.
    pub(crate) fn new(settings: &Exchange) -> Result<Self, String> {
        let networks = Ranges::parse(&settings.networks)?;
        Ok(Self {
            key: settings.key.clone(),
            networks: (!settings.networks.is_empty()).then_some(networks),
            rate: (settings.max_rate > 0).then(|| RateLimit::new(settings.max_rate)),
        })
    }

    /// Whether a caller who shows this from this address gets in now.
    pub(crate) fn admit(&self, shown: Shown<'_>, peer: Option<IpAddr>, now: Monotonic) -> Result<(), Shut> {
        let at_home = self.networks.as_ref().is_none_or(|own| peer.is_some_and(|peer| own.contains(peer)));
        let known = match shown {
            Shown::Key(key) => self.key.matches(key),
            Shown::Token => true,
        };
        if !at_home || !known {
            return Err(Shut::Stranger);
        }
        match &self.rate {
            Some(rate) if !rate.allow(now) => Err(Shut::TooOften),
            _ => Ok(()),
        }
    }
}

/// A rate over all workers: the generic cell rate algorithm (ITU-T I.371), one compare-and-swap a request.
#[derive(Debug)]
struct RateLimit {
    /// Nanoseconds between requests at the full rate.
    interval: u64,
    /// When the next request would be due if all came at the full rate.
    due: AtomicU64,
}

/// Requests may come this much ahead of the rate, in nanoseconds: a tenth of a second's worth at once.
const BURST: u64 = 100_000_000;

impl RateLimit {
    fn new(per_second: u32) -> Self {
        Self { interval: 1_000_000_000 / u64::from(per_second.max(1)), due: AtomicU64::new(0) }
    }

    fn allow(&self, now: Monotonic) -> bool {
        let now = now.0.saturating_mul(1_000);
        let next = |due: u64| {
            let due = due.max(now);
            (due - now <= BURST).then(|| due + self.interval)
        };
        self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(key: &str, networks: &[&str], max_rate: u32) -> Door {
        let networks = networks.iter().map(ToString::to_string).collect();
        Door::new(&Exchange { key: Secret::new(key), networks, max_rate, ..Exchange::default() }).unwrap()
    }

    #[test]
    fn only_the_exchange_itself_gets_in() {
        let door = door("a-long-secret-path", &["192.0.2.0/24"], 0);
        let (home, elsewhere) = ("192.0.2.7".parse().ok(), "198.51.100.1".parse().ok());
        let now = Monotonic(5);
        let with = |key, peer| door.admit(Shown::Key(key), peer, now);
        assert_eq!(with("a-long-secret-path", home), Ok(()));
        assert_eq!(with("a-long-secret-path", elsewhere), Err(Shut::Stranger));
        assert_eq!(with("a-long-secret-path", None), Err(Shut::Stranger));
        assert_eq!(with("a-long-secret-patH", home), Err(Shut::Stranger));
        assert_eq!(with("", home), Err(Shut::Stranger));
        assert_eq!(door.admit(Shown::Token, home, now), Ok(()));
        assert_eq!(door.admit(Shown::Token, elsewhere, now), Err(Shut::Stranger));
    }

    #[test]
    fn an_open_door_asks_nothing() {
        assert_eq!(door("", &[], 0).admit(Shown::Key(""), None, Monotonic(0)), Ok(()));
    }

    #[test]
    fn the_rate_holds_over_time_and_allows_a_burst() {
        let door = door("", &[], 100);
        let let_in = |from: u64, to: u64, step: usize| {
            let times = (from..to).step_by(step);
            times.filter(|at| door.admit(Shown::Key(""), None, Monotonic(*at)).is_ok()).count()
        };
        // A second at ten times the rate: the rate and the burst.
        let first = let_in(1_000_000, 2_000_000, 1_000);
        assert!((105..=112).contains(&first), "{first}");
        let second = let_in(2_000_000, 3_000_000, 1_000);
        assert!((99..=101).contains(&second), "{second}");
    }
}
