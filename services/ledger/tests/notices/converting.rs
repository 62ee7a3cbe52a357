//! Conversions as shops and their pages really tell them.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tagbid_ledger::Options;
use tagbid_notice::{NoticeKind, Token};
use tagbid_tagset::{IdKind, MacKey, UserId};
use tagbid_types::Permission;
use tagbid_wire::pb::ledger as pb;

use crate::harness::{ACME, BIDDER, File, Ledger, OPERATOR, Reply, SHOP, bid, options};

const DAY: Duration = Duration::from_secs(24 * 3_600);

impl Ledger {
    /// Buys the bid, clicks, and follows the redirect as far as the id in the landing page's address.
    async fn click(&self, token: &Token) -> String {
        self.knows_the_creative().await;
        assert_eq!(self.send(NoticeKind::Bill, token, "price=1").await.status, StatusCode::OK);
        let reply = self.send(NoticeKind::Click, token, "").await;
        let to = reply.header("location").unwrap();
        to.strip_prefix(&format!("{SHOP}&tagbid_click=")).unwrap().to_owned()
    }

    async fn tell(&self, token: &str, body: Value) -> Reply {
        self.post("/conversion", token, &body.to_string()).await
    }

    async fn report(&self, token: &'static str) -> pb::ReportRow {
        let all = pb::GetReportRequest::default();
        let totals = self.reports(token).await.get_report(all).await.unwrap().into_inner().totals;
        assert!(totals.len() <= 1, "{totals:?}");
        totals.into_iter().next().unwrap_or_default()
    }
}

/// The status, and the answer as JSON.
fn told(reply: &Reply) -> (u16, Value) {
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
}

#[tokio::test]
async fn a_page_that_was_clicked_to_tells_what_was_bought() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let click = ledger.click(&bid(1, &ledger.clock)).await;
    ledger.clock.advance(Duration::from_secs(600));
    let lost = bid(2, &ledger.clock);
    ledger.send(NoticeKind::Loss, &lost, "").await;
    for kind in [NoticeKind::Imp, NoticeKind::Click] {
        ledger.send(kind, &lost, "").await;
    }

    let pixel = format!("/conversion/{click}/pixel.gif?name=purchase&reference=o-7&value=19.99&_=1234");
    let reply = ledger.get(&pixel).await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, Some("image/gif")));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let other = ledger.get(&format!("/conversion/{click}?name=purchase&reference=o-7&value=1999")).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert!(other.text().contains("reference of its own"), "{}", other.text());
    // The shop's server has the last word, and knows the click from the page.
    let order = json!({"name": "purchase", "reference": "o-7", "value": 18, "currency": "USD"});
    for status in ["recorded", "repeated"] {
        let again = ledger.tell(ACME, order.clone()).await;
        assert_eq!(told(&again), (200, json!({"status": status, "attribution": "click"})));
    }
    let page = ledger.get(&format!("/conversion/{click}?name=purchase&reference=o-7&value=19.99")).await;
    let superseded = json!({"status": "repeated", "attribution": "none", "reason": "superseded"});
    assert_eq!(told(&page), (200, superseded));

    let row = ledger.report(ACME).await;
    assert_eq!((row.clicks, row.conversions, row.view_conversions), (2, 1, 0));
    let stats = &ledger.service.stats().conversions;
    let counted = [&stats.by_click, &stats.repeats, &stats.conflicts].map(|counter| counter.get());
    assert_eq!(counted, [2, 2, 1]);
}

#[tokio::test]
async fn a_shop_tells_by_user_and_a_view_gets_the_credit() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let id = UserId { kind: IdKind::Ifa, source: "", id: "6d92078a-8246-4ba4-ae5b-76104861e7dc" };
    let key = MacKey::new(1, &[7; 32]).unwrap().user_key(&id.standard().unwrap());
    let mut token = bid(1, &ledger.clock);
    (token.user, token.permission) = (Some(key.0), Permission::ALL);
    ledger.send(NoticeKind::Imp, &token, "").await;
    ledger.send(NoticeKind::Bill, &token, "price=1").await;
    ledger.clock.advance(DAY / 2);

    let order = |reference: &str| json!({"reference": reference, "user": {"kind": "ifa", "id": id.id}});
    let recorded = json!({"status": "recorded", "attribution": "view"});
    assert_eq!(told(&ledger.tell(ACME, order("a")).await), (200, recorded));
    ledger.clock.advance(DAY);
    let nobody = json!({"status": "recorded", "attribution": "none", "reason": "no_click_or_view"});
    assert_eq!(told(&ledger.tell(ACME, order("b")).await), (200, nobody));
    let row = ledger.report(ACME).await;
    assert_eq!((row.conversions, row.view_conversions, row.cpa_nanos), (1, 1, Some(1_000_000)));
}

#[tokio::test]
async fn old_clicks_and_late_tellers_get_a_clear_answer() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let click = ledger.click(&bid(1, &ledger.clock)).await;
    let clicked = tagbid_types::Clock::now(&*ledger.clock).secs();
    ledger.clock.advance(8 * DAY);

    let because = |why: &str| json!({"status": "recorded", "attribution": "none", "reason": why});
    let expired = ledger.get(&format!("/conversion/{click}?reference=a")).await;
    assert_eq!(told(&expired), (200, because("click_expired")));
    let dated = ledger.get(&format!("/conversion/{click}?reference=b&time={}", clicked + 60)).await;
    assert_eq!(dated.status, StatusCode::BAD_REQUEST);
    assert!(dated.text().contains("times are taken with an advertiser's token alone"), "{}", dated.text());
    let order = |reference: &str, time: i64| json!({"click": click, "reference": reference, "time": time});
    let late = ledger.tell(ACME, order("b", clicked + 60)).await;
    assert_eq!(told(&late), (200, because("late")));
    let in_time = ledger.tell(ACME, order("c", clicked + 6 * 24 * 3_600)).await;
    assert_eq!(told(&in_time), (200, json!({"status": "recorded", "attribution": "click"})));
    let all = pb::GetReportRequest::default();
    let answer = ledger.reports(OPERATOR).await.get_report(all).await.unwrap().into_inner();
    let unattributed: Vec<_> =
        answer.unattributed.iter().map(|one| (one.reason.as_str(), one.conversions)).collect();
    assert_eq!(unattributed, [("click_expired", 1), ("late", 1)]);
}

#[tokio::test]
async fn a_forged_conversion_is_refused_and_leaves_no_trace() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let click = ledger.click(&bid(1, &ledger.clock)).await;
    let mut others = bid(2, &ledger.clock);
    others.advertiser = tagbid_types::AdvertiserId(9);
    let others = ledger.click(&others).await;
    // The token of the click's own URL is no id of a click.
    let public = ledger.path(NoticeKind::Click, &bid(1, &ledger.clock), "");
    let public = public.trim_start_matches("/notice/click/").trim_end_matches('?');

    // One character in the middle of what is sealed.
    let other = if &click[60..=60] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &click[..60], &click[61..]);
    let user = format!("/conversion/{click}?user_kind=ifa&user_id=6d92078a-8246-4ba4-ae5b-76104861e7dc");
    for (path, status, code) in [
        (format!("/conversion/{public}"), 400, "forged_token"),
        (format!("/conversion/{changed}"), 400, "forged_token"),
        (user, 400, "bad_field"),
        (format!("/conversion/{click}?value=-5"), 400, "bad_field"),
        (format!("/conversion/{click}?reference={}", "x".repeat(5_000)), 414, "url_too_long"),
        ("/conversion?reference=o".into(), 400, "bad_field"),
    ] {
        let reply = ledger.get(&path).await;
        assert_eq!((told(&reply).0, told(&reply).1["error"].as_str()), (status, Some(code)), "{path}");
    }
    for (token, body, status, code) in [
        (ACME, json!({"click": others}).to_string(), 403, "not_yours"),
        (ACME, json!({"reference": "o", "advertiser": 9}).to_string(), 403, "not_yours"),
        (BIDDER, json!({"reference": "o"}).to_string(), 403, "not_yours"),
        ("stranger-0123456789", json!({"click": click}).to_string(), 401, "unknown_token"),
        (ACME, json!({"refrence": "o"}).to_string(), 400, "bad_body"),
        (ACME, "x".repeat(20_000), 413, "body_too_long"),
    ] {
        let reply = ledger.post("/conversion", token, &body).await;
        assert_eq!((told(&reply).0, told(&reply).1["error"].as_str()), (status, Some(code)), "{body:.60}");
    }
    assert_eq!(ledger.request(Method::DELETE, "/conversion").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ledger.get("/conversion/a/b").await.status, StatusCode::NOT_FOUND);
    assert_eq!(ledger.report(OPERATOR).await.conversions, 0);
    assert_eq!(ledger.service.stats().conversions.refused.get(), 12);
}

#[tokio::test]
async fn ids_of_clicks_can_be_left_out() {
    let file = File::new();
    let ledger = Ledger::start(Options { click_id: String::new(), ..options(&file.url()) }).await;
    ledger.knows_the_creative().await;
    let reply = ledger.send(NoticeKind::Click, &bid(1, &ledger.clock), "").await;
    assert_eq!(reply.header("location"), Some(SHOP));
}

#[tokio::test]
async fn a_conversion_is_answered_when_it_is_on_disk() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let told_before = json!({"reference": "o-1"});
    assert_eq!(ledger.tell(ACME, told_before.clone()).await.status, StatusCode::OK);
    let service = ledger.service.clone();
    let clock = ledger.stop().await;
    let request = http::Request::post("/conversion").header("authorization", format!("Bearer {ACME}"));
    let body = http_body_util::Full::<bytes::Bytes>::from(told_before.to_string());
    assert_eq!(service.http(request.body(body).unwrap()).await.status(), StatusCode::SERVICE_UNAVAILABLE);

    let ledger = Ledger::start_at(options(&file.url()), clock).await;
    assert_eq!(told(&ledger.tell(ACME, told_before).await).1["status"], "repeated");
}
