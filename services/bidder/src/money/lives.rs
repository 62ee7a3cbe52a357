//! How long a bid holds its money: the one place where that is decided.
//!
//! The larger of what the impression says (`exp`) and what nearly all billing takes: as the settings say for the exchange, else as
//! the ledger has learnt, else what is usual for the kind of place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tagbid_budget::life::{Cell, HoldLives};
use tagbid_openrtb::{Imp, Request};
use tagbid_types::{ExchangeName, PlaceKind};

use crate::settings::{Exchange, Options};

/// What kind of place an impression is in.
pub(crate) fn place(request: &Request<'_>, imp: &Imp<'_>) -> PlaceKind {
    if request.site.is_some() {
        PlaceKind::Page
    } else if imp.instl || request.dooh.is_some() {
        PlaceKind::FullScreen
    } else if imp.native.is_some() {
        PlaceKind::AppNative
    } else {
        PlaceKind::App
    }
}

/// How long billing takes, in seconds, where nothing is known of the exchange: on a page 90 s; in an app, which loads ads ahead, banners
/// 7 minutes and native ads 12; what fills a screen or plays on one in public 35.
pub(crate) const fn usual_hold_s(place: PlaceKind) -> u32 {
    match place {
        PlaceKind::Page => 90,
        PlaceKind::App => 7 * 60,
        PlaceKind::AppNative => 12 * 60,
        PlaceKind::FullScreen => 35 * 60,
    }
}

/// What the ledger has learnt of one exchange, as a request found it: by kind of place in seconds; 0: nothing yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Learnt([u32; PlaceKind::ALL.len()]);

impl Learnt {
    /// How long a bid holds its money, before what leases allow.
    pub(crate) fn hold_s(&self, settings: &Exchange, place: PlaceKind, exp: Option<u32>) -> u32 {
        let learnt = self.0.get(place as usize).copied().filter(|life| *life > 0 && settings.learn_holds);
        let usual = settings.pinned_hold_s(place).or(learnt).unwrap_or(usual_hold_s(place));
        usual.max(exp.unwrap_or(0))
    }
}

/// What the ledger has learnt, for all workers. The keeper writes it when the ledger says so.
#[derive(Debug)]
pub(crate) struct Lives {
    by_exchange: HashMap<ExchangeName, [AtomicU32; PlaceKind::ALL.len()]>,
    version: AtomicU64,
    /// The longest that a hold may have to last, in seconds, without and with what is learnt.
    configured_longest_s: u32,
    longest_s: AtomicU32,
}

impl Lives {
    /// Nothing is learnt of these exchanges.
    pub(crate) fn new(options: &Options) -> Self {
        let configured_longest_s = options.longest_hold_s();
        Self {
            by_exchange: options.exchanges.keys().map(|name| (name.clone(), Default::default())).collect(),
            version: AtomicU64::new(0),
            configured_longest_s,
            longest_s: AtomicU32::new(configured_longest_s),
        }
    }

    /// What is learnt of an exchange now.
    pub(crate) fn of(&self, exchange: &ExchangeName) -> Learnt {
        let lives = self.by_exchange.get(exchange);
        let seconds = |lives: &[AtomicU32; _]| lives.each_ref().map(|life| life.load(Ordering::Relaxed));
        Learnt(lives.map(seconds).unwrap_or_default())
    }

    /// The longest that any bid may hold its money, in seconds, whatever its request asks for.
    pub(crate) fn longest_s(&self) -> u32 {
        self.longest_s.load(Ordering::Relaxed)
    }

    /// Which version was heard in this session.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// A session has begun, perhaps with another ledger: until it says otherwise things are as they were.
    pub(crate) fn begin(&self) {
        self.version.store(0, Ordering::Relaxed);
    }

    /// The ledger says what it has learnt: all of it.
    pub(crate) fn hear(&self, heard: &HoldLives) {
        let mut longest = self.configured_longest_s;
        for (exchange, lives) in &self.by_exchange {
            for (place, life) in PlaceKind::ALL.into_iter().zip(lives) {
                let learnt = heard.lives.get(&Cell { exchange: exchange.clone(), place }).copied();
                life.store(learnt.unwrap_or(0), Ordering::Relaxed);
                longest = longest.max(learnt.unwrap_or(0));
            }
        }
        self.longest_s.store(longest, Ordering::Relaxed);
        self.version.store(heard.version, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(settings: Exchange) -> (Options, ExchangeName) {
        let name: ExchangeName = "demo".parse().unwrap();
        (Options { exchanges: [(name.clone(), settings)].into(), ..Options::default() }, name)
    }

    fn heard(place: PlaceKind, hold_s: u32) -> HoldLives {
        HoldLives { version: 3, lives: [(Cell { exchange: "demo".parse().unwrap(), place }, hold_s)].into() }
    }

    #[test]
    fn what_is_learnt_takes_the_place_of_what_is_usual_until_it_is_gone() {
        let settings = Exchange::default();
        let (options, name) = options(settings.clone());
        let lives = Lives::new(&options);
        let holds = || PlaceKind::ALL.map(|place| lives.of(&name).hold_s(&settings, place, None));
        assert_eq!(holds(), [90, 420, 720, 2_100]);
        lives.hear(&heard(PlaceKind::App, 12));
        assert_eq!((holds(), lives.version()), ([90, 12, 720, 2_100], 3));
        lives.begin();
        assert_eq!((holds(), lives.version()), ([90, 12, 720, 2_100], 0));
        lives.hear(&HoldLives { version: 4, ..HoldLives::default() });
        assert_eq!(holds(), [90, 420, 720, 2_100]);
    }

    #[test]
    fn the_impression_may_ask_for_more_and_not_for_less() {
        let settings = Exchange::default();
        let (options, name) = options(settings.clone());
        let lives = Lives::new(&options);
        lives.hear(&heard(PlaceKind::Page, 12));
        let hold = |exp| lives.of(&name).hold_s(&settings, PlaceKind::Page, exp);
        assert_eq!([hold(None), hold(Some(5)), hold(Some(60))], [12, 12, 60]);
    }

    #[test]
    fn what_is_set_by_hand_wins() {
        let by_place = [(PlaceKind::Page, 30)].into();
        let settings = Exchange { hold_s: Some(60), hold_s_by_place: by_place, ..Exchange::default() };
        let (options, name) = options(settings.clone());
        let lives = Lives::new(&options);
        lives.hear(&heard(PlaceKind::Page, 12));
        let of = |settings: &Exchange, place| lives.of(&name).hold_s(settings, place, None);
        assert_eq!((of(&settings, PlaceKind::Page), of(&settings, PlaceKind::App)), (30, 60));
        let alone = Exchange { learn_holds: false, ..Exchange::default() };
        assert_eq!(of(&alone, PlaceKind::Page), 90);
    }

    #[test]
    fn leases_are_asked_to_allow_the_longest() {
        let (options, _) = options(Exchange::default());
        let lives = Lives::new(&options);
        assert_eq!(lives.longest_s(), 2_100);
        lives.hear(&heard(PlaceKind::FullScreen, 3_000));
        assert_eq!(lives.longest_s(), 3_000);
        lives.hear(&HoldLives::default());
        assert_eq!(lives.longest_s(), 2_100);
    }
}
