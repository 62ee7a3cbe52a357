//! Pace: what was learnt outlives the ledger that learnt it.

use tagbid_budget::pace::{Plan, Profile, Rate, Span, Want};
use tagbid_budget::{Beat, Epoch, Line, Owner, Second};
use tagbid_catalog::{Budget, Pacing};
use tagbid_types::{AdvertiserId, CampaignId, Clock, LineItemId, Nanos, Timestamp};

use super::*;

const LINE: Line = Line { advertiser: AdvertiserId(1), campaign: CampaignId(2), line_item: LineItemId(3) };

/// What a bid of these tests holds; the budget is one a second.
const COIN: i64 = 1_000_000;

/// When the day after that of the databases' clock begins.
const MIDNIGHT: i64 = 20_718 * 86_400;

/// A ledger, and a bidder of it.
struct Scene {
    database: Database,
    store: SqlStore,
    epoch: Epoch,
    want: Want,
}

impl Scene {
    async fn of(database: Database, pacing: Pacing) -> Self {
        database.limits.flights.set(LINE, pacing);
        let budget = Budget { daily: Some(Nanos(86_400 * COIN)), lifetime: None };
        database.limits.set(Owner::LineItem(LINE.line_item), budget);
        let store = database.open().await;
        let (none, unit) = (Nanos::ZERO, Nanos(COIN));
        let want = Want { line_item: LINE.line_item, wanted: none, made: none, unit, hold_s: 420 };
        let mut scene = Self { database, store, epoch: Epoch(0), want };
        scene.open().await;
        scene
    }

    async fn open(&mut self) {
        match self.store.commit(&[Work::Open]).await.unwrap().pop() {
            Some(Done::Opened(opened)) => self.epoch = opened.epoch,
            other => panic!("{other:?}"),
        }
    }

    /// The process ends, and another begins. The bidder's session goes on.
    async fn restart(&mut self) {
        self.store = self.database.open().await;
    }

    /// So many seconds, each with a beat and a move of the watermark, in which bids want and hold so much more. The last rate
    /// that the bidder was told in them.
    async fn live(&mut self, seconds: u64, wanted: i64, made: i64) -> Option<Rate> {
        let mut rate = None;
        for _ in 0..seconds {
            self.database.clock.advance(Duration::from_secs(1));
            self.want.wanted.0 += wanted * COIN;
            self.want.made.0 += made * COIN;
            let beat = Beat {
                epoch: self.epoch,
                applied: Second(i64::MIN),
                leases: vec![],
                wants: vec![self.want],
                lives: 0,
            };
            let done = self.store.commit(&[Work::Beat(beat), Work::Advance]).await.unwrap();
            match &done[0] {
                Done::Beaten(Ok(beaten)) => rate = beaten.rates.first().map(|(_, rate)| *rate).or(rate),
                other => panic!("{other:?}"),
            }
        }
        rate
    }
}

impl Scene {
    /// A session begins at this quarter of the day: the one before was over long ago.
    async fn go_on(&mut self, quarter: i64) {
        let begins = Timestamp::from_secs(MIDNIGHT + quarter * 900);
        self.database.clock.advance(begins.since(self.database.clock.now()));
        self.open().await;
        self.want.wanted = Nanos::ZERO;
    }

    /// The same of a ledger.
    async fn go_to(&mut self, quarter: i64) {
        self.restart().await;
        self.go_on(quarter).await;
    }

    /// Bids want so much in these quarters.
    async fn want_in(&mut self, quarters: std::ops::Range<i64>, wanted: impl Fn(i64) -> i64) {
        for quarter in quarters {
            self.go_on(quarter).await;
            self.live(1, 0, 0).await;
            self.live(2, wanted(quarter), 0).await;
            // What is learnt is written every ten seconds.
            self.database.clock.advance(Duration::from_secs(8));
            self.live(1, 0, 0).await;
        }
    }

    async fn learnt(&mut self) -> Option<Profile> {
        self.live(3, 1, 0).await;
        self.store.profile(LINE.line_item).await
    }
}

pub(super) async fn a_pace_goes_on_where_it_was_after_a_restart(database: Database) {
    let mut scene = Scene::of(database, Pacing::Even).await;
    let before = scene.live(60, 10, 5).await.unwrap();
    assert!(
        before > Rate::from_picos(2 * COIN * 1_000),
        "nothing of what is held is ever charged: {before:?}"
    );
    scene.restart().await;
    assert_eq!(scene.live(3, 0, 0).await, None, "bidders go on at the rate that they know");
    let after = scene.live(3, 0, 0).await.unwrap();
    let (before, after) = (before.picos(), after.picos());
    assert!((before - after).abs() < before / 4, "{before} and {after}: what was learnt was kept");
}

pub(super) async fn another_ledger_goes_on_with_what_one_has_learnt(database: Database) {
    let mut scene = Scene::of(database, Pacing::Even).await;
    let other = scene.database.open().await;
    let mut before = Rate::ZERO;
    for _ in 0..60 {
        before = scene.live(1, 10, 5).await.unwrap_or(before);
        other.commit(&[Work::Advance]).await.unwrap();
    }
    // What was learnt is written every ten seconds.
    assert!(before > Rate::from_picos(2 * COIN * 1_000), "{before:?}");
    scene.store = other;
    let after = scene.live(3, 0, 0).await.unwrap();
    let (before, after) = (before.picos(), after.picos());
    assert!((before - after).abs() < before / 4, "{before} and {after}");
}

pub(super) async fn a_day_is_shaped_as_the_traffic_of_the_day_before(database: Database) {
    let mut scene = Scene::of(database, Pacing::TrafficShaped).await;
    scene.live(5, 1, 0).await;
    assert_eq!(scene.store.profile(LINE.line_item).await, Some(Profile::EVEN));
    // A whole day, of which the second half has three times as much.
    scene.want_in(0..96, |quarter| if quarter < 48 { 1 } else { 3 }).await;
    scene.go_to(96).await;
    scene.live(3, 1, 0).await;
    let profile = scene.store.profile(LINE.line_item).await.unwrap();
    let (from, until) = (Timestamp::from_secs(MIDNIGHT), Timestamp::from_secs(MIDNIGHT + 86_400));
    let plan = Plan::new(Span { from, until }, Span::EVER, &profile);
    let noon = plan.part_at(Timestamp::from_secs(MIDNIGHT + 43_200));
    assert!((noon - 0.25).abs() < 0.01, "{noon} by noon");
}

pub(super) async fn a_quiet_night_that_a_ledger_watched_is_learnt(database: Database) {
    let mut scene = Scene::of(database, Pacing::TrafficShaped).await;
    scene.live(2, 1, 0).await;
    scene.live(28, 0, 0).await;
    let watched: (i64,) = sqlx::query_as("SELECT CAST(SUM(micros) AS BIGINT) FROM watched")
        .fetch_one(scene.store.pool())
        .await
        .unwrap();
    assert!((19_000_000..30_000_000).contains(&watched.0), "{watched:?}");
    // Nobody wants anything before six and after ten in the evening.
    scene.want_in(24..88, |_| 1).await;
    scene.go_to(96).await;
    assert_eq!(scene.learnt().await, Some(Profile::EVEN), "and nobody looked");
    let first = MIDNIGHT / 900;
    for quarter in first..first + 96 {
        let sql = "INSERT INTO watched (quarter, micros) VALUES ($1, 900000000) \
                   ON CONFLICT (quarter) DO UPDATE SET micros = excluded.micros";
        sqlx::query(sql).bind(quarter).execute(scene.store.pool()).await.unwrap();
    }
    scene.go_to(97).await;
    let profile = scene.learnt().await.unwrap();
    let (from, until) = (Timestamp::from_secs(MIDNIGHT), Timestamp::from_secs(MIDNIGHT + 86_400));
    let plan = Plan::new(Span { from, until }, Span::EVER, &profile);
    let parts = [6, 14, 22].map(|hour| plan.part_at(Timestamp::from_secs(MIDNIGHT + hour * 3_600)));
    assert!(parts[0] < 0.01 && (parts[1] - 0.5).abs() < 0.03 && parts[2] > 0.97, "{parts:?}");
}
