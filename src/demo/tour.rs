//! What to try next, ready to paste. The requests are sent before they are shown, so that what is said of them is what
//! happened.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde_json::Value;
use tagbid_consent::tcf::TcString;
use tagbid_exchange::Generator;
use tagbid_exchange::net::{Answer, Connection};
use tagbid_exchange::world::{VENDOR_ID, World};

use super::catalog::{BILLBOARD, DEMO_EXCHANGE, customer, intent};
use super::report::Page;
use super::seed::Seeded;
use super::settings::{ADVERTISER_TOKEN, OPERATOR_TOKEN};
use super::users::Profile;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Purposes of TCF: consent to all of them is consent to everything we do.
const PURPOSES: usize = 11;

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
        let user = World::buyer_uid(number.context("no user is in the market for anything: use more --users")?);
        let consent = full_consent(generator).context("the generator writes no TC string with full consent")?;
        let request = request(&user, &consent);
        Ok(Self { http, grpc, admin, user, request })
    }

    /// Sends the requests and prints the tour.
    pub(super) async fn print<W: Write>(&self, seeded: &Seeded, page: &mut Page<W>) -> anyhow::Result<()> {
        let known = self.send(&self.request).await?;
        let unknown = self.send(&without_consent(&self.request)).await?;
        page.heading("Try it (paste into a shell)");
        page.line(format_args!("# A billboard in Berlin for {}, whom a model thinks about to buy a car.", self.user));
        page.command(&format!("REQUEST='{}'", self.request));
        page.gap();
        page.line(format_args!("# It just got: {}", said(&known, seeded)));
        let url = format!("http://{}/openrtb2/{DEMO_EXCHANGE}", self.http);
        page.command(&format!("curl -si {url} -H 'content-type: application/json' -H 'x-tagbid-debug: 1' -d \"$REQUEST\""));
        page.gap();
        page.line(format_args!("# The same without consent, so without tags, just got: {}", said(&unknown, seeded)));
        page.command(&format!(
            "curl -si {url} -H 'content-type: application/json' -H 'x-tagbid-debug: 1' \\\n  \
             -d \"$(printf %s \"$REQUEST\" | sed 's/\"consent\": \"[^\"]*\"/\"consent\": \"\"/')\""
        ));
        self.print_grpc(page);
        Ok(())
    }

    fn print_grpc<W: Write>(&self, page: &mut Page<W>) {
        let advertiser = Caller { token: ADVERTISER_TOKEN, grpc: self.grpc };
        let operator = Caller { token: OPERATOR_TOKEN, grpc: self.grpc };
        page.heading("Over gRPC (reflection is on; grpcurl needs no files)");
        page.line(format_args!("# The advertiser's line items; what one of them spent; its price, raised."));
        page.command(&advertiser.call(r#"{"page_size": 3}"#, "campaigns.v1.CampaignsService/ListLineItems"));
        page.command(&advertiser.call(r#"{"line_item_ids": [1]}"#, "ledger.v1.LedgerService/GetSpend"));
        page.command(&advertiser.call(
            r#"{"line_item": {"id": 1, "bid": {"max_cpm_micros": 9000000}}, "update_mask": "bid.max_cpm_micros"}"#,
            "campaigns.v1.CampaignsService/UpdateLineItem",
        ));
        page.line(format_args!("# Why line item 1 would or would not bid on the request above."));
        page.command(&advertiser.call(
            &format!(
                r#"{{"line_item_id": 1, "exchange": "{DEMO_EXCHANGE}", "openrtb_json": "'"$(printf %s "$REQUEST" | base64 | tr -d '\n')"'"}}"#
            ),
            "campaigns.v1.CampaignsService/Explain",
        ));
        page.line(format_args!("# What is known of the user; as the operator, who sees every advertiser's tags."));
        page.command(&operator.call(
            &format!(r#"{{"user": {{"kind": "ID_KIND_BUYERUID", "id": "{}"}}}}"#, self.user),
            "tags.v1.TagService/Lookup",
        ));
        page.gap();
        page.line(format_args!("# Metrics, health, settings in force."));
        page.command(&format!("curl -s http://{}/metrics | grep tagbid_no_bids", self.admin));
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

/// Who calls, and where.
struct Caller {
    token: &'static str,
    grpc: SocketAddr,
}

impl Caller {
    fn call(&self, body: &str, method: &str) -> String {
        let Self { token, grpc } = self;
        format!("grpcurl -plaintext -H 'authorization: Bearer {token}' \\\n  -d '{body}' \\\n  {grpc} tagbid.{method}")
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
    let Some((before, after)) = request.split_once("\"consent\": \"") else { return request.to_owned() };
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
    let shown = creative.and_then(|id: tagbid_types::CreativeId| seeded.entities.get(&id.into()));
    format!("200 and a bid of {price:.3} USD for {:?}", shown.map_or("?", |creative| creative.name()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tagbid_exchange::Traffic;

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
    fn among_a_hundred_users_somebody_wants_a_car() {
        assert!((1..=100).any(|number| is_buyer(&Profile::of(number))));
    }
}
