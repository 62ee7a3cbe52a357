use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use tagbid_types::Timestamp;

use super::*;

/// An answer is of use for so long: 100 ms less a margin of 5.
const USABLE: Duration = Duration::from_millis(95);

/// One server with a queue, first in, first out, in virtual time.
struct Server {
    admission: Admission,
    /// Microseconds of a request that is served, and of one that is turned away.
    costs: (u64, u64),
    free_at: u64,
    served: u64,
    shed: u64,
    /// The longest time from an arrival to its answer, of those served.
    slowest: u64,
}

impl Server {
    fn new(costs: (u64, u64)) -> Self {
        let admission = Admission::new(Patience::default());
        Self { admission, costs, free_at: 0, served: 0, shed: 0, slowest: 0 }
    }

    fn arrive(&mut self, at: u64) {
        let turn = self.free_at.max(at);
        if self.admission.judge(Monotonic(at), Monotonic(turn), USABLE).is_ok() {
            self.free_at = turn + self.costs.0;
            self.served += 1;
            self.slowest = self.slowest.max(self.free_at - at);
        } else {
            self.free_at = turn + self.costs.1;
            self.shed += 1;
        }
    }

    /// Requests at so many times what it can serve, at random, for so many microseconds from `from` on. Gives how many came.
    fn load(&mut self, times: f64, from: u64, length: u64, dice: &mut u64) -> u64 {
        let mean = self.costs.0 as f64 / times;
        let (mut at, mut came) = (from as f64, 0);
        while at < (from + length) as f64 {
            self.arrive(at as u64);
            came += 1;
            at += -mean * uniform(dice).ln();
        }
        came
    }
}

/// Above 0, at most 1 (a linear congruential generator, Knuth's MMIX constants).
fn uniform(dice: &mut u64) -> f64 {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*dice >> 11) + 1) as f64 / (1u64 << 53) as f64
}

const SECOND: u64 = 1_000_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Goodput under k times the load is at least 95 % of what the costs leave, and whoever is served is served in time; under much more
    /// than can be served, soon.
    #[test]
    fn goodput_is_a_plateau(
        serve in 40_u64..400,
        shed_percent in 3_u64..25,
        times in 1.2_f64..3.5,
        seed: u64,
    ) {
        let (mut dice, shed) = (seed, (serve * shed_percent / 100).max(1));
        let mut server = Server::new((serve, shed));
        server.load(times, 0, 2 * SECOND, &mut dice);
        // Of what comes in a second g are served and the others shed: g c + (k / c - g) s = 1.
        let ratio = shed as f64 / serve as f64;
        let possible = (1.0 - times * ratio) / (1.0 - ratio) * SECOND as f64 / serve as f64;
        let (before, slowest_at_first) = (server.served, server.slowest);
        server.slowest = 0;
        server.load(times, 2 * SECOND, 5 * SECOND, &mut dice);
        let goodput = (server.served - before) as f64 / 5.0;
        prop_assert!(goodput >= 0.95 * possible, "{goodput} of {possible} a second");
        // What comes first is served until a queue counts as standing; so it is again where the load is so little above what can
        // be served that the queue is gone by chance.
        prop_assert!(slowest_at_first.max(server.slowest) <= 95_000 / 2 + serve);
        prop_assert!(times < 1.6 || server.slowest <= 10_000 + 2 * serve, "{} µs", server.slowest);
    }

    /// What can be served is served again within a second of the end of an overload, and bursts are as well.
    #[test]
    fn it_recovers(serve in 40_u64..400, times in 1.2_f64..3.0, seed: u64) {
        let mut dice = seed;
        let mut server = Server::new((serve, serve / 10));
        server.load(times, 0, 3 * SECOND, &mut dice);
        server.load(0.7, 3 * SECOND, SECOND, &mut dice);
        let shed = server.shed;
        server.load(0.7, 4 * SECOND, 5 * SECOND, &mut dice);
        // A burst of 30 ms.
        (0..30_000 / serve).for_each(|_| server.arrive(9 * SECOND));
        prop_assert_eq!(server.shed, shed);
    }

    /// Nobody is turned away who waited for less than the target, and nobody is served who waited for half of the usable time.
    #[test]
    fn the_bounds_hold_whatever_came_before(
        turns in prop::collection::vec((0_u64..30_000, 0_u64..80_000), 1..200),
    ) {
        let (mut admission, mut now) = (Admission::new(Patience::default()), 100_000);
        for (step, wait) in turns {
            now += step;
            let verdict = admission.judge(Monotonic(now - wait), Monotonic(now), USABLE);
            prop_assert!(wait > 10_000 || verdict == Ok(()), "{wait}");
            prop_assert!(wait <= 47_500 || verdict == Err(Why::TooOld), "{wait}");
        }
    }

    /// Over any time background work gets no more than its share and what it had saved up, as long as it asks first; and it
    /// gets that.
    #[test]
    fn a_share_is_kept_and_given(percent in 1_u32..=100, pieces in prop::collection::vec(10_u64..3_000, 1..50)) {
        let (mut share, mut now, mut used) = (Share::new(percent, Monotonic(0)), 0, 0);
        for piece in pieces.iter().cycle().take(20_000) {
            match share.wait(Monotonic(now)) {
                Some(wait) => now += u64::try_from(wait.as_micros()).unwrap(),
                None => {
                    now += piece;
                    used += piece;
                    share.spend(Duration::from_micros(*piece), Monotonic(now));
                }
            }
        }
        let entitled = now * u64::from(percent) / 100;
        prop_assert!(used <= entitled + 250_000 * u64::from(percent) / 100 + 3_000, "{used} of {entitled}");
        prop_assert!(used + now / 10 + 3_000 >= entitled, "{used} of {entitled}");
    }
}

#[test]
fn a_stall_turns_nobody_away_who_can_still_be_answered() {
    let mut admission = Admission::new(Patience::default());
    // A second apart, each held up for 40 ms by something that is no request.
    for turn in 1..20 {
        let now = Monotonic(turn * SECOND);
        assert_eq!(admission.judge(Monotonic(now.0 - 40_000), now, USABLE), Ok(()));
    }
    assert!(!admission.is_standing());
}

/// Turned by hand.
#[derive(Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::Relaxed))
    }
}

#[test]
fn background_work_is_held_back_only_while_requests_wait() {
    let clock = Arc::new(HandClock::default());
    let gate = Gate::new(Arc::clone(&clock) as Arc<dyn Clock>, GateOptions::default());
    let work = |micros: u64| gate.meter(|| clock.0.fetch_add(micros, Ordering::Relaxed), || true);
    (0..1_000).for_each(|_| _ = work(1_000));
    assert_eq!(gate.background_wait(), None, "nobody waits");
    let now = clock.monotonic();
    assert_eq!(gate.admit(Monotonic(now.0 - 20_000), USABLE), Ok(()));
    let wait = gate.background_wait().expect("its share is spent");
    clock.0.fetch_add(u64::try_from(wait.as_micros()).unwrap(), Ordering::Relaxed);
    assert!(gate.background_wait().is_none_or(|wait| wait <= Duration::from_millis(1)), "it gets its share");
}

#[test]
fn places_are_as_many_as_may_be_under_way() {
    let options = GateOptions { under_way: 2, ..GateOptions::default() };
    let gate = Gate::new(Arc::new(HandClock::default()), options);
    let places = (gate.enter(), gate.enter());
    assert!(places.0.is_ok() && places.1.is_ok());
    assert_eq!(gate.enter().err(), Some(Why::Full));
    drop(places.0);
    assert!(gate.enter().is_ok());
}
