use super::*;
use serde_json::json;

fn request() -> Value {
    json!({
        "id": "r1", "at": 1, "cur": ["USD", "EUR"], "wseat": ["s1"], "badv": ["bad.example"],
        "bcat": ["IAB25"], "bapp": ["com.bad"],
        "imp": [{
            "id": "1", "secure": 1, "bidfloor": 1.08,
            "banner": {"format": [{"w": 300, "h": 250}, {"wratio": 2, "hratio": 1, "wmin": 100}], "battr": [6]},
            "video": {"mimes": ["video/mp4"], "protocols": [3], "minduration": 5, "maxduration": 30},
            "pmp": {"deals": [
                {"id": "d1", "bidfloor": 5, "bidfloorcur": "EUR", "wseat": ["s1"]},
                {"id": "d2", "wseat": ["s2"], "wadomain": ["good.example"]},
            ]},
        }],
    })
}

fn response() -> Value {
    json!({"id": "r1", "cur": "USD", "seatbid": [{"seat": "s1", "bid": [{
        "id": "b1", "impid": "1", "price": 1.08, "crid": "c1", "adomain": ["shop.good.example"], "cat": ["IAB2-3"],
        "w": 300, "h": 250, "mtype": 1, "burl": "https://t.example/b?p=${AUCTION_PRICE}",
        "adm": "<a href=\"https://t.example/c\"><img src=\"https://c.example/i.png\"></a>",
    }]}]})
}

/// The rules that the good response breaks after a change of one member.
fn broken_by(pointer: &str, member: &str, value: Value) -> Vec<Rule> {
    let mut response = response();
    response.pointer_mut(pointer).unwrap()[member] = value;
    check_response(&request(), &response).into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn a_good_response_breaks_nothing() {
    assert_eq!(check_response(&request(), &response()), []);
    assert_eq!(check_response(&request(), &json!({"id": "r1", "nbr": 2})), []);
}

#[test]
fn each_broken_rule_is_named() {
    let bid = "/seatbid/0/bid/0";
    let cases = [
        ("", "id", json!("r2"), Rule::RequestId),
        ("", "cur", json!("GBP"), Rule::Currency),
        ("", "seatbid", json!({}), Rule::Shape),
        ("/seatbid/0", "seat", json!("s9"), Rule::Seat),
        (bid, "id", json!(""), Rule::BidId),
        (bid, "impid", json!("2"), Rule::ImpId),
        (bid, "price", json!(0), Rule::Price),
        (bid, "price", json!(1.07), Rule::Floor),
        (bid, "dealid", json!("d9"), Rule::Deal),
        (bid, "dealid", json!("d1"), Rule::Floor),
        (bid, "dealid", json!("d2"), Rule::Seat),
        (bid, "adomain", json!([]), Rule::Advertiser),
        (bid, "adomain", json!(["www.BAD.example"]), Rule::Advertiser),
        (bid, "cat", json!(["IAB25-3"]), Rule::Category),
        (bid, "bundle", json!("com.bad"), Rule::App),
        (bid, "attr", json!([6]), Rule::Attribute),
        (bid, "apis", json!([7]), Rule::Player),
        (bid, "w", json!(320), Rule::Size),
        (bid, "mtype", json!(4), Rule::Format),
        (bid, "mtype", json!(2), Rule::Markup),
        (bid, "adm", json!("<img src=\"http://c.example/i.png\">"), Rule::Secure),
        (bid, "adm", json!("<img src=\"x"), Rule::Markup),
        (bid, "adm", json!("<b>{CLICK_URL}</b>"), Rule::Macro),
        (bid, "burl", json!("http://t.example/b"), Rule::NoticeUrl),
        (bid, "crid", json!(7), Rule::Creative),
        (bid, "exp", json!("60"), Rule::Shape),
    ];
    for (pointer, member, value, rule) in cases {
        let broken = broken_by(pointer, member, value.clone());
        assert_eq!(broken, [rule], "{member} = {value}");
    }
}

#[test]
fn a_floor_in_another_currency_is_converted() {
    // 1.08 dollars are 1 euro at the world's rate.
    assert_eq!(broken_by("", "cur", json!("EUR")), []);
    let mut cheap = response();
    cheap["cur"] = json!("EUR");
    cheap["seatbid"][0]["bid"][0]["price"] = json!(0.99);
    assert_eq!(check_response(&request(), &cheap)[0].rule, Rule::Floor);
}

#[test]
fn a_flexible_size_is_a_ratio() {
    let mut response = response();
    for (w, h, fits) in [(200, 100, true), (80, 40, false), (200, 101, false)] {
        response["seatbid"][0]["bid"][0]["w"] = json!(w);
        response["seatbid"][0]["bid"][0]["h"] = json!(h);
        assert_eq!(check_response(&request(), &response).is_empty(), fits, "{w}x{h}");
    }
}

#[test]
fn a_private_auction_wants_a_deal() {
    let mut request = request();
    request["imp"][0]["pmp"]["private_auction"] = json!(1);
    assert_eq!(check_response(&request, &response())[0].rule, Rule::Deal);
}

#[test]
fn an_id_twice_is_one_too_many() {
    let mut response = response();
    let bid = response["seatbid"][0]["bid"][0].clone();
    response["seatbid"][0]["bid"].as_array_mut().unwrap().push(bid);
    let violations = check_response(&request(), &response);
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].to_string(), "bid_id: seatbid[0].bid[1]: id \"b1\" occurs twice");
}
