//! A process that goes away: callers are told to look elsewhere, and nobody loses a request over it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tagbid_testkit::{wait_for, wait_until};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::advertiser::{Shop, block_on, in_the_usa};
use crate::bidding::wait_for_bid;
use crate::exchange::banner;
use crate::stack::{SOON, START, Stack};

/// A deployment that serves on for three seconds after SIGTERM.
fn given_a_process_that_takes_leave() -> Stack {
    let mut stack = Stack::all();
    stack.bidder.terminate();
    stack.bidder.wait_exit(START);
    stack.restart_with(Some("listen.leave_s=3"));
    stack
}

/// An exchange's connection, kept alive between requests.
struct KeptAlive(TcpStream);

impl KeptAlive {
    fn open(to: SocketAddr) -> Self {
        let socket = TcpStream::connect(to).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(socket)
    }

    /// Sends a bid request and reads the whole answer, which must be a bid. Whether it says `connection: close`.
    fn bid(&mut self) -> bool {
        let body = banner("user-1").to_string();
        let head =
            format!("POST /openrtb2/demo HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
        self.0.write_all(format!("{head}{body}").as_bytes()).expect("a connection that was not closed");
        let mut answer = Vec::new();
        let (head, length) = loop {
            let mut piece = [0; 4096];
            let read = self.0.read(&mut piece).expect("an answer");
            assert_ne!(read, 0, "closed without an answer");
            answer.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&answer);
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                break (head.to_owned(), head.len() + 4 + length.map_or(0, |length| length.parse().unwrap()));
            }
        };
        let mut rest = vec![0; length.saturating_sub(answer.len())];
        self.0.read_exact(&mut rest).expect("the rest of the answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        head.contains("\r\nconnection: close")
    }
}

#[test]
fn no_request_on_a_kept_connection_is_lost_when_the_process_goes() {
    let stack = given_a_process_that_takes_leave();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    wait_for_bid(&stack, &banner("user-1"));
    let (answered, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut idle = KeptAlive::open(stack.http);
    assert!(!idle.bid());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = KeptAlive::open(stack.http);
                while !connection.bid() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                told.fetch_add(1, Ordering::Relaxed);
            });
        }
        wait_until("some bids", SOON, || answered.load(Ordering::Relaxed) > 40);
        stack.bidder.terminate();
        wait_until("the readiness to turn", START, || stack.admin_get("/readyz").0 == 503);
        assert!(idle.bid(), "a connection that was idle is told at its next request");
        assert!(KeptAlive::open(stack.http).bid(), "who comes back regardless is served and told again");
    });
    assert_eq!(told.load(Ordering::Relaxed), 4);
    assert_eq!(stack.bidder.wait_exit(START), 0);
}

#[test]
fn health_is_told_for_each_service_and_turns_when_the_process_goes() {
    let stack = given_a_process_that_takes_leave();
    let names = [
        "",
        "tagbid.bidding.v1.BiddingService",
        "tagbid.tags.v1.TagService",
        "tagbid.campaigns.v1.CampaignsService",
        "tagbid.campaigns.v1.CatalogStream",
        "tagbid.campaigns.v1.SuppressionService",
        "tagbid.ledger.v1.LedgerService",
    ];
    let asked = stack.bidding;
    let all_say = |status: ServingStatus| {
        block_on(async {
            let channel = tonic::transport::Endpoint::from_shared(format!("http://{asked}")).unwrap();
            let mut client = HealthClient::new(channel.connect().await.unwrap());
            for name in names {
                let check = HealthCheckRequest { service: name.into() };
                let answer = client.check(check).await;
                if !answer.is_ok_and(|answer| answer.into_inner().status() == status) {
                    return None;
                }
            }
            Some(())
        })
    };
    wait_for("every service to serve", SOON, || all_say(ServingStatus::Serving));
    stack.bidder.terminate();
    wait_for("every service to say that it goes", Duration::from_secs(3), || {
        all_say(ServingStatus::NotServing)
    });
    assert_eq!(stack.bidder.wait_exit(START), 0);
}
