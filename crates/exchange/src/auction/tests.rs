use super::*;
use crate::check::check_response;
use serde_json::json;

fn request() -> Value {
    json!({"id": "r1", "at": 1, "imp": [{
        "id": "1", "bidfloor": 0.5, "secure": 1, "banner": {"format": [{"w": 300, "h": 250}]},
        "pmp": {"deals": [{"id": "d1", "bidfloor": 0.9, "at": 3}]},
    }]})
}

fn response(price: f64) -> Value {
    json!({"id": "r1", "bidid": "x", "seatbid": [{"seat": "s1", "bid": [{
        "id": "b1", "impid": "1", "price": price, "crid": "c1", "adomain": ["a.example"], "w": 300, "h": 250,
        "nurl": "http://127.0.0.1:1/win?p=${AUCTION_PRICE}",
        "burl": "http://127.0.0.1:1/bill?p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}",
        "lurl": "http://127.0.0.1:1/loss?r=${AUCTION_LOSS}&m=${AUCTION_MIN_TO_WIN}",
        "adm": "<a href=\"http://127.0.0.1:1/click\"><img src=\"https://cdn.example/i.png\">\
                <img src=\"http://127.0.0.1:1/pixel?p=${AUCTION_PRICE}\"></a>",
    }]}]})
}

fn certain() -> Habits {
    Habits { competitors: 0, shown: 1.0, clicked: 1.0, repeated: 0.0, ..Habits::default() }
}

fn run(request: &Value, response: &Value, habits: Habits) -> Outcome {
    let violations = check_response(request, response);
    Auctions::new(habits, Rates::default(), 5).run(request, response, &violations)
}

fn urls(outcome: &Outcome) -> Vec<(NoticeKind, &str)> {
    outcome.notices.iter().map(|notice| (notice.kind, notice.url.as_str())).collect()
}

#[test]
fn a_win_is_told_billed_shown_and_clicked() {
    let outcome = run(&request(), &response(2.25), certain());
    let want = [
        (NoticeKind::Win, "http://127.0.0.1:1/win?p=2.25"),
        (NoticeKind::Billing, "http://127.0.0.1:1/bill?p=2.25&c=USD"),
        (NoticeKind::Impression, "http://127.0.0.1:1/pixel?p=2.25"),
        (NoticeKind::Click, "http://127.0.0.1:1/click"),
    ];
    assert_eq!(urls(&outcome), want);
    assert_eq!(outcome.wins[0].charged, Nanos(2_250_000));
}

#[test]
fn what_is_not_shown_is_not_charged() {
    let hidden = Habits { shown: 0.0, ..certain() };
    let outcome = run(&request(), &response(2.25), hidden);
    assert_eq!(urls(&outcome), [(NoticeKind::Win, "http://127.0.0.1:1/win?p=2.25")]);
    assert_eq!(outcome.wins[0].charged, Nanos::ZERO);
}

#[test]
fn a_bid_that_breaks_a_rule_loses_for_that_reason() {
    let outcome = run(&request(), &response(0.4), certain());
    assert_eq!(urls(&outcome), [(NoticeKind::Loss, "http://127.0.0.1:1/loss?r=100&m=")]);
    assert_eq!((outcome.wins.len(), outcome.losses), (0, 1));
}

#[test]
fn a_fixed_deal_costs_its_floor_and_beats_our_own_open_bid() {
    let mut both = response(2.25);
    let mut deal = both["seatbid"][0]["bid"][0].clone();
    deal["id"] = json!("b2");
    deal["dealid"] = json!("d1");
    both["seatbid"][0]["bid"].as_array_mut().unwrap().push(deal);
    let outcome = run(&request(), &both, certain());
    assert_eq!((outcome.wins.len(), outcome.losses), (1, 1));
    assert_eq!((outcome.wins[0].bid_id.as_str(), outcome.wins[0].price), ("b2", Cpm(900_000)));
    assert!(urls(&outcome).contains(&(NoticeKind::Loss, "http://127.0.0.1:1/loss?r=103&m=0.9")));
}

#[test]
fn a_screen_counts_for_many() {
    let mut request = request();
    request["imp"][0]["qty"] = json!({"multiplier": 12.5});
    let outcome = run(&request, &response(2.0), certain());
    assert_eq!(outcome.wins[0].charged, Nanos(25_000_000));
}

#[test]
fn against_competitors_some_are_won_and_some_lost_and_the_seed_repeats_it() {
    let play = || {
        let mut auctions = Auctions::new(Habits::default(), Rates::default(), 9);
        let (request, response) = (request(), response(1.5));
        (0..500).map(|_| auctions.run(&request, &response, &[])).collect::<Vec<_>>()
    };
    let outcomes = play();
    let wins = outcomes.iter().filter(|outcome| !outcome.wins.is_empty()).count();
    assert!((150..450).contains(&wins), "{wins} of 500");
    assert_eq!(outcomes, play());
}
