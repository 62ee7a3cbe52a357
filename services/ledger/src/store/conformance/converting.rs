//! Conversions, and what they are attributed to.

use std::time::Duration;

use tagbid_notice::{Click, NoticeKind};
use tagbid_tagset::UserKey;
use tagbid_types::{AdvertiserId, Currency, Nanos, Permission, Timestamp};

use super::Database;
use crate::conversion::{Conversion, Converted, Kept, Kind, MOST_PUBLIC, Uncredited};
use crate::judge::Record;
use crate::store::connect::connect_before;
use crate::store::fixture::{billed, converted, seen, token};
use crate::store::report::{ReportQuery, Reports, Sold};
use crate::store::{SqlStore, Store, StoreError};
use crate::work::{Done, Work};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn at(after: Duration) -> Timestamp {
    token(0).issued.after(after)
}

/// A click or a view of bid `bid`, by user 7, so long after the bid.
fn touch(bid: u128, kind: NoticeKind, after: Duration) -> Record {
    let mut record = seen(bid, kind);
    (record.token.user, record.token.permission) = (Some([7; 16]), Permission::ALL);
    record.received = at(after);
    record
}

/// A conversion of user 7.
fn by_user(reference: &str, after: Duration) -> Conversion {
    Conversion { users: vec![UserKey([9; 16]), UserKey([7; 16])], ..converted(reference, at(after)) }
}

/// A conversion with the id of a click on bid `bid`.
fn by_click(reference: &str, bid: u128, after: Duration) -> Conversion {
    let click = Some(Click::new(&token(bid), at(Duration::ZERO)));
    Conversion { click, ..converted(reference, at(after)) }
}

/// The same, told by whoever clicked.
fn claimed(reference: &str, bid: u128, after: Duration) -> Conversion {
    let (reference, claimed) = (format!(":public:{bid:032x}:{reference}"), Some(reference.to_owned()));
    Conversion { reference, claimed, ..by_click("", bid, after) }
}

impl SqlStore {
    /// Bills these bids.
    async fn sell(&self, bids: impl IntoIterator<Item = u128>) {
        let bills: Vec<Record> = bids.into_iter().map(|bid| billed(bid, 1_000)).collect();
        self.record(&bills).await.unwrap();
    }

    pub(super) async fn convert(&self, batch: &[Conversion]) -> Result<Vec<Converted>, StoreError> {
        let works: Vec<Work> = batch.iter().map(|one| Work::Conversion(Box::new(one.clone()))).collect();
        let told = |done| match done {
            Done::Converted(converted) => converted,
            other => panic!("{other:?}"),
        };
        Ok(self.commit(&works).await?.into_iter().map(told).collect())
    }
}

fn new(credit: Result<Kind, Uncredited>) -> Converted {
    Converted { kept: Kept::New, credit }
}

pub(super) async fn sold(store: &SqlStore) -> Sold {
    let sums = store.sums(&ReportQuery::default()).await.unwrap();
    assert!(sums.len() <= 1, "{sums:?}");
    sums.into_iter().next().map(|(_, sold)| sold).unwrap_or_default()
}

pub(super) async fn a_conversion_counts_once_however_often_it_is_told(database: Database) {
    let store = database.open().await;
    store.sell([1]).await;
    let told = by_click("o-7", 1, HOUR);
    let first = store.convert(&[told.clone(), told.clone()]).await.unwrap();
    let repeated = Converted { kept: Kept::Repeat, credit: Ok(Kind::Click) };
    assert_eq!(first, [new(Ok(Kind::Click)), repeated]);
    let store = database.open().await;
    // By a server, without the click, and later.
    let by_server = converted("o-7", at(2 * HOUR));
    let other_value = Conversion { value: Some((Nanos(1), Currency::USD)), ..told.clone() };
    let other_shop = Conversion { advertiser: AdvertiserId(2), ..converted("o-7", at(HOUR)) };
    let again = store.convert(&[by_server, other_value, other_shop]).await.unwrap();
    let conflict = Converted { kept: Kept::Conflict, credit: Ok(Kind::Click) };
    assert_eq!(again, [repeated, conflict, new(Err(Uncredited::Untouched))]);
    let sold = sold(&store).await;
    assert_eq!((sold.conversions, sold.by_view), (1, 0));
    let counted: (i64, i64) = sqlx::query_as(
        "SELECT CAST(SUM(repeats) AS BIGINT), CAST(SUM(conflicts) AS BIGINT) FROM conversions",
    )
    .fetch_one(store.pool())
    .await
    .unwrap();
    assert_eq!(counted, (2, 1));
}

pub(super) async fn the_last_click_of_a_user_gets_the_credit_else_the_last_view(database: Database) {
    let store = database.open().await;
    let mut test = touch(8, NoticeKind::Click, 3 * HOUR);
    test.outcome = crate::judge::Outcome::Test;
    let mut other_shop = touch(9, NoticeKind::Click, 3 * HOUR);
    other_shop.token.advertiser = AdvertiserId(2);
    let shown = [
        touch(1, NoticeKind::Imp, Duration::ZERO),
        touch(1, NoticeKind::Click, HOUR),
        touch(2, NoticeKind::Imp, 2 * HOUR),
        touch(3, NoticeKind::Click, 4 * HOUR),
        test,
        other_shop,
    ];
    store.record(&shown).await.unwrap();
    store.sell([1, 2, 3]).await;
    let convert = async |reference: &str, after| {
        store.convert(&[by_user(reference, after)]).await.unwrap().remove(0).credit
    };
    assert_eq!(convert("before", Duration::ZERO).await, Ok(Kind::View));
    assert_eq!(convert("clicked", 3 * HOUR).await, Ok(Kind::Click));
    assert_eq!(convert("clicked again", 4 * HOUR + 7 * DAY).await, Ok(Kind::Click));
    assert_eq!(convert("long after", 4 * HOUR + 7 * DAY + HOUR).await, Err(Uncredited::Untouched));
    let of = async |reference: &str| -> (String, i64) {
        let sql = "SELECT bid, touched FROM conversions WHERE reference = $1";
        sqlx::query_as(sql).bind(reference.to_owned()).fetch_one(store.pool()).await.unwrap()
    };
    assert_eq!(of("clicked").await, (format!("{:032x}", 1), at(HOUR).0));
    assert_eq!(of("clicked again").await, (format!("{:032x}", 3), at(4 * HOUR).0));
    let sold = sold(&store).await;
    assert_eq!((sold.conversions, sold.by_view), (3, 1));
}

pub(super) async fn a_view_gets_the_credit_for_a_day(database: Database) {
    let store = database.open().await;
    store.record(&[touch(2, NoticeKind::Imp, Duration::ZERO)]).await.unwrap();
    store.sell([2, 5]).await;
    let batch = [by_user("a", DAY), by_user("b", DAY + Duration::from_micros(1)), by_click("c", 5, 8 * DAY)];
    let told = store.convert(&batch).await.unwrap();
    let want = [Ok(Kind::View), Err(Uncredited::Untouched), Err(Uncredited::Expired)];
    assert_eq!(told, want.map(new));
}

pub(super) async fn what_no_ad_is_credited_for_is_kept_and_counted(database: Database) {
    let store = database.open().await;
    let mut test = by_click("t", 5, HOUR);
    test.click.as_mut().unwrap().token.test = true;
    let late = Conversion { late: true, ..by_click("l", 5, HOUR) };
    let nobody = converted("n", at(HOUR));
    store.convert(&[test, late, nobody.clone(), nobody, by_click("e", 5, 8 * DAY)]).await.unwrap();
    let query = ReportQuery { advertiser: Some(AdvertiserId(1)), ..ReportQuery::default() };
    let counted = store.unattributed(&query).await.unwrap();
    let want = [("click_expired", 1), ("late", 1), ("no_click_or_view", 1), ("test", 1)];
    assert_eq!(counted, want.map(|(why, count)| (why.to_owned(), count)));
    let hour = at(HOUR).0 / 3_600_000_000;
    let soon = ReportQuery { from_hour: Some(hour), until_hour: Some(hour + 1), ..query.clone() };
    assert_eq!(store.unattributed(&soon).await.unwrap().len(), 3);
    let other = ReportQuery { advertiser: Some(AdvertiserId(2)), ..ReportQuery::default() };
    assert_eq!(store.unattributed(&other).await.unwrap(), []);
    assert_eq!(sold(&store).await, Sold::default());
}

pub(super) async fn a_click_alone_tells_only_so_many(database: Database) {
    let store = database.open().await;
    store.sell([1, 2]).await;
    let public = |number: i64| claimed(&format!("o-{number}"), 1, HOUR);
    let told: Vec<Conversion> = (0..MOST_PUBLIC - 1).map(public).collect();
    store.convert(&told).await.unwrap();
    let store = database.open().await;
    let known = by_click("with a token", 1, HOUR);
    let other = claimed("other", 2, HOUR);
    let more = [public(MOST_PUBLIC), public(MOST_PUBLIC + 1), public(0), known, other];
    let kept: Vec<Kept> = store.convert(&more).await.unwrap().iter().map(|told| told.kept).collect();
    assert_eq!(kept, [Kept::New, Kept::TooMany, Kept::Repeat, Kept::New, Kept::New]);
    assert_eq!(sold(&store).await.conversions, MOST_PUBLIC + 2);
}

pub(super) async fn a_claim_takes_nobodys_reference(database: Database) {
    let store = database.open().await;
    store.sell([1, 2]).await;
    let cheap = |bid| Conversion { value: None, ..claimed("o-7", bid, HOUR) };
    assert_eq!(store.convert(&[cheap(1)]).await.unwrap(), [new(Ok(Kind::Click))]);
    assert_eq!(sold(&store).await.conversions, 1);
    let store = database.open().await;
    // The shop's server names another click, and the order counts there, once.
    let shops = by_click("o-7", 2, HOUR);
    let repeated = |credit| Converted { kept: Kept::Repeat, credit };
    let told = store.convert(&[shops.clone(), shops, cheap(1), cheap(2)]).await.unwrap();
    let superseded = repeated(Err(Uncredited::Superseded));
    assert_eq!(told, [new(Ok(Kind::Click)), repeated(Ok(Kind::Click)), superseded, superseded]);
    assert_eq!(sold(&store).await.conversions, 1);
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT bid, outcome, CAST(COALESCE(value, 0) AS BIGINT) FROM conversions ORDER BY seq",
    )
    .fetch_all(store.pool())
    .await
    .unwrap();
    let row = |bid: u128, outcome: &str, value| (format!("{bid:032x}"), outcome.to_owned(), value);
    assert_eq!(rows, [row(1, "superseded", 0), row(2, "credited", 19_990_000_000)]);
    let query = ReportQuery { advertiser: Some(AdvertiserId(1)), ..ReportQuery::default() };
    assert_eq!(store.unattributed(&query).await.unwrap(), [], "it is told once");
}

pub(super) async fn a_claim_is_evidence_where_the_shop_names_no_click(database: Database) {
    let store = database.open().await;
    store.sell([1, 2]).await;
    // Both in one transaction, and over two.
    let batch = [claimed("o-7", 1, HOUR), converted("o-7", at(HOUR)), claimed("o-8", 2, HOUR)];
    assert_eq!(store.convert(&batch).await.unwrap(), [new(Ok(Kind::Click)); 3]);
    assert_eq!(store.convert(&[converted("o-8", at(HOUR))]).await.unwrap(), [new(Ok(Kind::Click))]);
    assert_eq!(sold(&store).await.conversions, 2);
    // Told too late, it takes nothing back.
    let late = Conversion { late: true, ..converted("o-9", at(HOUR)) };
    let told = store.convert(&[claimed("o-9", 1, HOUR), late]).await.unwrap();
    assert_eq!(told, [new(Ok(Kind::Click)), new(Err(Uncredited::Late))]);
    assert_eq!(sold(&store).await.conversions, 3);
}

pub(super) async fn only_bids_that_were_sold_get_the_credit(database: Database) {
    let store = database.open().await;
    let shown = [
        seen(1, NoticeKind::Loss),
        touch(1, NoticeKind::Imp, Duration::ZERO),
        touch(1, NoticeKind::Click, Duration::ZERO),
        touch(2, NoticeKind::Click, Duration::ZERO),
    ];
    store.record(&shown).await.unwrap();
    let convert = async |one: Conversion| store.convert(&[one]).await.unwrap().remove(0).credit;
    assert_eq!(convert(by_click("lost", 1, HOUR)).await, Err(Uncredited::Unsold));
    assert_eq!(convert(claimed("lost too", 1, HOUR)).await, Err(Uncredited::Unsold));
    assert_eq!(convert(by_click("not billed", 2, HOUR)).await, Err(Uncredited::Unsold));
    assert_eq!(convert(by_user("nothing sold", HOUR)).await, Err(Uncredited::Untouched));
    // Billed although a loss was told: the exchange contradicts itself.
    store.sell([1, 2]).await;
    assert_eq!(convert(by_click("lost and billed", 1, HOUR)).await, Err(Uncredited::Unsold));
    assert_eq!(convert(by_user("sold", HOUR)).await, Ok(Kind::Click));
    let of: (String,) = sqlx::query_as("SELECT bid FROM conversions WHERE reference = 'sold'")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert_eq!(of.0, format!("{:032x}", 2));
}

pub(super) async fn claims_of_before_are_within_their_clicks(database: Database) {
    let before = connect_before(&database.url, 9).await;
    let told = format!(
        "INSERT INTO conversions (advertiser, reference, name, happened, received, outcome, attribution, told_by) \
         VALUES (1, 'o-7', 'x', {0}, {0}, 'no_click_or_view', 'none', '{1:032x}')",
        at(HOUR).0,
        1
    );
    sqlx::query(sqlx::AssertSqlSafe(told)).execute(&before).await.unwrap();
    before.close().await;
    let store = database.open().await;
    store.sell([1]).await;
    let shops = store.convert(&[by_click("o-7", 1, HOUR), claimed("o-7", 1, HOUR)]).await.unwrap();
    let kept: Vec<Kept> = shops.iter().map(|told| told.kept).collect();
    assert_eq!(kept, [Kept::New, Kept::Conflict]);
}
