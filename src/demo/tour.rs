//! What to try next, ready to paste. The requests are sent before they are shown, so that what is said of them is what
//! happened.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde_json::Value;
use tagbid_catalog::LineItem;
use tagbid_consent::tcf::TcString;
use tagbid_exchange::Generator;
use tagbid_exchange::net::{Answer, Connection};
use tagbid_exchange::world::{VENDOR_ID, World};
use tagbid_types::{CreativeId, LineItemId};
use tokio::time::{Instant, sleep};

use super::catalog::{BILLBOARD, DEMO_EXCHANGE, IN_MARKET, customer, intent};
use super::report::Page;
use super::seed::Seeded;
use super::settings::{ADVERTISER_TOKEN, OPERATOR_TOKEN, TOUR_ADVERTISER};
use super::users::Profile;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Purposes of TCF: consent to all of them is consent to everything we do.
const PURPOSES: usize = 11;
/// How long the tour's line item may take to have money to bid with.
const LEASED_WITHIN: Duration = Duration::from_secs(5);

/// The tour.
pub(super) struct Tour {
    http: SocketAddr,
    grpc: SocketAddr,
    admin: SocketAddr,
    user: String,
    request: String,
}

impl Tour {
    /// A tour for this demo: for a user who is in the market for what the first advertiser sells.
    pub(super) fn new(
        (http, grpc, admin): (SocketAddr, SocketAddr, SocketAddr),
        users: u32,
        generator: Generator,
    ) -> anyhow::Result<Self> {
        let number = (1..=users).find(|number| is_buyer(&Profile::of(*number)));
        let user =
            World::buyer_uid(number.context("no user is in the market for anything: use more --users")?);
        let consent =
            full_consent(generator).context("the generator writes no TC string with full consent")?;
        let request = request(&user, &consent);
        Ok(Self { http, grpc, admin, user, request })
    }

    /// Sends the requests and prints the tour. An error when the request that it is about got no bid: what it goes on to
    /// show would show nothing.
    pub(super) async fn print<W: Write>(&self, seeded: &Seeded, page: &mut Page<W>) -> anyhow::Result<()> {
        let known = self.until_bid(&self.request).await?;
        let unknown = self.send(&without_consent(&self.request)).await?;
        page.heading("Try it (paste into a shell)");
        page.line(format_args!(
            "# A billboard in Berlin for {}, who is about to buy an electric car.",
            self.user
        ));
        page.command(&format!("REQUEST='{}'", self.request));
        let post = format!(
            "curl -si http://{}/openrtb2/{DEMO_EXCHANGE} \\\n  \
             -H 'content-type: application/json' -H 'x-tagbid-debug: 1' \\\n  -d",
            self.http
        );
        page.gap();
        page.line(format_args!("# It just got: {}", said(&known, seeded)));
        page.line(format_args!(
            "# (Should it say no_budget: nobody asked for it for seconds, so its money went back. Send it again.)"
        ));
        page.command(&format!("{post} \"$REQUEST\""));
        page.gap();
        page.line(format_args!("# Without consent nobody may look up the user's tags, and it just got:"));
        page.line(format_args!("# {}", said(&unknown, seeded)));
        page.command(&format!(
            "{post} \"$(printf %s \"$REQUEST\" | sed 's/\"consent\": \"[^\"]*\"/\"consent\": \"\"/')\""
        ));
        self.print_grpc(seeded, page);
        ensure!(
            known.status == StatusCode::OK,
            "the tour's request got {}; with fewer than {} line items (--line-items) nobody wants it",
            said(&known, seeded),
            super::LINE_ITEMS
        );
        Ok(())
    }

    /// Until there is a bid, or some seconds have passed: the first request of a line item finds no money leased.
    async fn until_bid(&self, request: &str) -> anyhow::Result<Answer> {
        let deadline = Instant::now() + LEASED_WITHIN;
        loop {
            let answer = self.send(request).await?;
            if answer.status == StatusCode::OK || Instant::now() >= deadline {
                return Ok(answer);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn print_grpc<W: Write>(&self, seeded: &Seeded, page: &mut Page<W>) {
        let advertiser = Caller { token: ADVERTISER_TOKEN, grpc: self.grpc };
        let operator = Caller { token: OPERATOR_TOKEN, grpc: self.grpc };
        let item = billboard_of_tour(seeded.line_items()).unwrap_or(LineItemId(1));
        page.heading("Over gRPC (reflection is on; grpcurl needs no files)");
        page.line(format_args!("# Three of the advertiser's line items."));
        page.command(&advertiser.call(r#"{"page_size": 3}"#, "campaigns.v1.CampaignsService/ListLineItems"));
        page.line(format_args!(
            "# What line item {item} spent; then paused: the request above gets another answer at once."
        ));
        let spend = format!(r#"{{"line_item_ids": [{item}]}}"#);
        page.command(&advertiser.call(&spend, "ledger.v1.LedgerService/GetSpend"));
        let pause = format!(
            r#"{{"line_item": {{"id": {item}, "status": "STATUS_PAUSED"}}, "update_mask": "status"}}"#
        );
        page.command(&advertiser.call(&pause, "campaigns.v1.CampaignsService/UpdateLineItem"));
        page.line(format_args!("# Why line item {item} would or would not bid on the request above."));
        let explain = format!(
            r#"{{"line_item_id": {item}, "exchange": "{DEMO_EXCHANGE}", "openrtb_json": "'"$(printf %s "$REQUEST" | base64 | tr -d '\n')"'"}}"#
        );
        page.command(&advertiser.call(&explain, "campaigns.v1.CampaignsService/Explain"));
        page.line(format_args!("# How far it came on a sample of all requests, and what it lost them to."));
        let funnel = format!(r#"{{"line_item_ids": [{item}]}}"#);
        page.command(&advertiser.call(&funnel, "campaigns.v1.CampaignsService/GetFunnel"));
        page.line(format_args!(
            "# Whom the advertiser would reach in Germany: people in the market for what it sells."
        ));
        page.command(&advertiser.call(&reach_of(seeded), "campaigns.v1.CampaignsService/EstimateReach"));
        page.line(format_args!(
            "# What is known of the user; as the operator, who sees every advertiser's tags."
        ));
        let lookup = format!(r#"{{"user": {{"kind": "ID_KIND_BUYERUID", "id": "{}"}}}}"#, self.user);
        page.command(&operator.call(&lookup, "tags.v1.TagService/Lookup"));
        self.print_rest(page);
    }

    fn print_rest<W: Write>(&self, page: &mut Page<W>) {
        let Self { http, grpc, admin, .. } = self;
        page.heading("From Python, and for operators");
        page.line(format_args!("# A new campaign that bids within a second (in a checkout of the project)."));
        page.command(&format!(
            "cargo xtask setup\n${{CARGO_TARGET_DIR:-target}}/venv/bin/python tests/python/campaign_client.py \\\n  --grpc {grpc} \
             --bid-url http://{http}/openrtb2/{DEMO_EXCHANGE} --token {OPERATOR_TOKEN}"
        ));
        page.line(format_args!("# Bids, and no-bids by reason."));
        page.command(&format!("curl -s http://{admin}/metrics | grep -E '^tagbid_(no_)?bids'"));
    }

    async fn send(&self, body: &str) -> anyhow::Result<Answer> {
        let host = self.http.to_string();
        let request = Request::post(format!("/openrtb2/{DEMO_EXCHANGE}"))
            .header(header::HOST, &host)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-tagbid-debug", "1")
            .body(Bytes::from(body.to_owned()))?;
        let mut connection = Connection::new(host.parse()?, TIMEOUT);
        Ok(connection.send(&request).await?)
    }
}

/// The line item of the tour's advertiser that bids on the tour's request, at any hour: its first for an in-market
/// audience.
fn billboard_of_tour<'i>(items: impl Iterator<Item = &'i LineItem>) -> Option<LineItemId> {
    let own = items.filter(|item| item.advertiser.0 == TOUR_ADVERTISER);
    own.filter(|item| item.name.contains(IN_MARKET)).map(|item| item.id).min()
}

/// A question for the reach of the tour's audience in one country.
fn reach_of(seeded: &Seeded) -> String {
    let tag = seeded.ids.tag(intent(0));
    format!(
        r#"{{"targeting": {{"all_of": {{"parts": [
    {{"leaf": {{"tag": {{"any_of_tag_ids": [{tag}]}}}}}},
    {{"leaf": {{"value_in": {{"dimension": "DIMENSION_COUNTRY", "values": ["DEU"]}}}}}}]}}}}}}"#
    )
}

/// Who calls, and where.
struct Caller {
    token: &'static str,
    grpc: SocketAddr,
}

impl Caller {
    fn call(&self, body: &str, method: &str) -> String {
        let Self { token, grpc } = self;
        format!(
            "grpcurl -plaintext -H 'authorization: Bearer {token}' \\\n  -d '{body}' \\\n  {grpc} tagbid.{method}"
        )
    }
}

fn is_buyer(profile: &Profile) -> bool {
    let wants = profile.intents.iter().any(|(tag, weight)| *tag == intent(0) && *weight >= 200);
    wants && !profile.customer.iter().any(|(tag, _)| *tag == customer(0))
}

/// A TC string of the generator's by which a person allows everything.
fn full_consent(generator: Generator) -> Option<String> {
    generator.take(2_000).find_map(|request| {
        let request: Value = serde_json::from_slice(&request.body).ok()?;
        let text = request.pointer("/user/consent")?.as_str()?;
        let read = TcString::read(text, VENDOR_ID).ok()?;
        (read.vendor.consent && read.consent.iter().count() >= PURPOSES).then(|| text.to_owned())
    })
}

/// Broken into lines that a page holds; the shell does not mind.
fn request(user: &str, consent: &str) -> String {
    let (width, height) = BILLBOARD;
    format!(
        r#"{{"id": "tour-1", "at": 1, "tmax": 500, "cur": ["USD"],
  "imp": [{{"id": "1", "secure": 1, "bidfloor": 0.5,
    "banner": {{"format": [{{"w": {width}, "h": {height}}}], "pos": 1}}}}],
  "site": {{"id": "site-001", "domain": "daily-news.example", "cat": ["IAB12"],
    "page": "https://www.daily-news.example/", "publisher": {{"id": "pub-001"}}}},
  "device": {{"ua": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "ip": "203.0.113.0", "devicetype": 2, "os": "Linux", "language": "de",
    "geo": {{"country": "DEU", "region": "BE", "city": "Berlin", "utcoffset": 60}}}},
  "regs": {{"gdpr": 1}},
  "user": {{"buyeruid": "{user}",
    "consent": "{consent}"}}}}"#
    )
}

fn without_consent(request: &str) -> String {
    let Some((before, after)) = request.split_once("\"consent\": \"") else {
        return request.to_owned();
    };
    let after = after.split_once('"').map_or("", |(_, after)| after);
    format!("{before}\"consent\": \"\"{after}")
}

/// An answer in a few words.
fn said(answer: &Answer, seeded: &Seeded) -> String {
    let status = answer.status;
    if status != StatusCode::OK {
        let reason = answer.headers.get("x-tagbid-no-bid").and_then(|value| value.to_str().ok());
        return format!("{} and no bid ({})", status.as_u16(), reason.unwrap_or("no reason given"));
    }
    let response: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let bid = response.pointer("/seatbid/0/bid/0");
    let text = |key: &str| bid.and_then(|bid| bid.get(key));
    let price = text("price").and_then(Value::as_f64).unwrap_or_default();
    let creative = text("crid").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let shown = creative.and_then(|id: CreativeId| seeded.entities.get(&id.into()));
    format!("200 and a bid of {price:.3} USD for {:?}", shown.map_or("?", |creative| creative.name()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tagbid_catalog::schedule::{Calendar, Liveness, is_live};
    use tagbid_catalog::{Entity, EntityKey};
    use tagbid_exchange::Traffic;
    use tagbid_types::Timestamp;

    use super::super::catalog::catalog;
    use super::*;

    #[test]
    fn the_request_is_json_and_consent_can_be_taken_out_of_it() {
        let world = Arc::new(World::standard());
        let consent = full_consent(Generator::new(world, Traffic::default(), 1)).unwrap();
        let request = request("user-000007", &consent);
        let with: Value = serde_json::from_str(&request).unwrap();
        assert_eq!(with.pointer("/user/consent").and_then(Value::as_str), Some(&*consent));
        let without: Value = serde_json::from_str(&without_consent(&request)).unwrap();
        assert_eq!(without.pointer("/user/consent").and_then(Value::as_str), Some(""));
        assert_eq!(without.get("imp"), with.get("imp"));
        assert!(!request.contains('\''), "it stands in single quotes");
        assert!(request.lines().all(|line| line.chars().count() <= 100), "{request}");
    }

    #[test]
    fn the_line_item_of_the_tour_bids_at_every_hour_of_a_week() {
        let plan = catalog(&World::standard(), super::super::LINE_ITEMS, Default::default());
        let entity = |key: EntityKey| plan.entities.iter().find(|entity| entity.key() == key).unwrap();
        let items = plan.entities.iter().filter_map(|entity| match entity {
            Entity::LineItem(item) => Some(&**item),
            _ => None,
        });
        let id = billboard_of_tour(items).unwrap();
        let (Entity::LineItem(item), Entity::Advertiser(advertiser)) =
            (entity(id.into()), entity(EntityKey::from(tagbid_types::AdvertiserId(TOUR_ADVERTISER))))
        else {
            panic!("keys of other kinds");
        };
        let Entity::Campaign(campaign) = entity(item.campaign.into()) else { panic!("no campaign") };
        assert!(
            !format!("{:?}", item.targeting).contains("Hour("),
            "it asks for no hour: {:?}",
            item.targeting
        );
        let calendar = Calendar::named(&advertiser.time_zone).unwrap();
        // 2026-06-01T00:00Z, a Monday.
        for hour in 0..168 {
            let now = Timestamp::from_secs(1_780_272_000 + hour * 3_600);
            let live = is_live(item, campaign, advertiser, &calendar, now);
            assert_eq!(live, Liveness::Live, "{} at hour {hour}", item.name);
        }
    }

    #[test]
    fn among_a_hundred_users_somebody_wants_a_car() {
        assert!((1..=100).any(|number| is_buyer(&Profile::of(number))));
    }
}
