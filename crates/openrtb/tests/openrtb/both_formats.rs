//! Both formats against each other, over every field of the IAB's protobuf file. The messages are encoded by
//! prost-reflect from the file itself, so our table of numbers is held to it.

use std::sync::LazyLock;

use bumpalo::Bump;
use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::{Map, Value as Json, json};
use tagbid_openrtb::{Bid, Limits, Request, Response, SeatBid, from_json, from_protobuf};
use tagbid_types::Cpm;

static FILE: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    let file = protox::compile(["openrtb/v2/openrtb.proto"], [root]).unwrap();
    DescriptorPool::from_file_descriptor_set(file).unwrap()
});

fn message(name: &str) -> MessageDescriptor {
    FILE.get_message_by_name(&format!("com.iabtechlab.openrtb.v2.{name}")).unwrap()
}

/// A source of choices that shrinks: bytes, and zeros when they are used up, which choose nothing.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self, below: u8) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                byte % below
            }
            None => 0,
        }
    }
}

/// A message and the JSON object that means the same.
fn generate(of: &MessageDescriptor, choices: &mut Choices<'_>) -> (DynamicMessage, Json) {
    let (mut message, mut object) = (DynamicMessage::new(of.clone()), Map::new());
    for field in of.fields() {
        let taken =
            field.containing_oneof().is_some_and(|one| one.fields().any(|other| message.has_field(&other)));
        if taken || choices.next(3) == 0 {
            continue;
        }
        let (value, json) = if field.is_list() {
            let (values, jsons): (Vec<_>, Vec<_>) =
                (0..choices.next(4)).map(|_| one(&field, choices)).unzip();
            (Value::List(values), Json::from(jsons))
        } else {
            one(&field, choices)
        };
        message.set_field(&field, value);
        let name = if field.name() == "request_native" { "request" } else { field.name() };
        object.insert(name.to_owned(), json);
    }
    (message, Json::Object(object))
}

fn one(field: &FieldDescriptor, choices: &mut Choices<'_>) -> (Value, Json) {
    match field.kind() {
        Kind::Bool => {
            let flag = choices.next(2) == 1;
            let forms = [json!(flag), json!(u8::from(flag)), json!(u8::from(flag).to_string())];
            (Value::Bool(flag), forms[usize::from(choices.next(3))].clone())
        }
        Kind::Int32 => {
            let number = [0, 1, 2, 300, -1, i32::MAX, i32::MIN][usize::from(choices.next(7))];
            let forms = [json!(number), json!(f64::from(number)), json!(number.to_string())];
            (Value::I32(number), forms[usize::from(choices.next(3))].clone())
        }
        Kind::Double => {
            let number = f64::from(choices.next(255)) / 7.0 - 10.0;
            (Value::F64(number), json!(number))
        }
        Kind::String if field.full_name().ends_with("Native.request") => {
            let text = if choices.next(3) == 0 {
                "{]".into()
            } else {
                generate(&self::message("NativeRequest"), choices).1.to_string()
            };
            (Value::String(text.clone()), json!(text))
        }
        Kind::String => {
            let text = ["x", "a,b", "\"q\\", "é😀\n", "", "1"][usize::from(choices.next(6))];
            (Value::String(text.to_owned()), json!(text))
        }
        Kind::Message(of) => {
            let (inner, json) = generate(&of, choices);
            (Value::Message(inner), json)
        }
        other => unreachable!("the file has a field of kind {other:?}"),
    }
}

/// A request that has what every request must have.
fn request(choices: &mut Choices<'_>) -> (DynamicMessage, Json) {
    let (mut request, mut json) = generate(&message("BidRequest"), choices);
    request.set_field_by_name("id", Value::String("r".into()));
    json["id"] = json!("r");
    let (mut imp, mut imp_json) = generate(&message("BidRequest.Imp"), choices);
    imp.set_field_by_name("id", Value::String("own".into()));
    imp_json["id"] = json!("own");
    let (banner, banner_json) = generate(&message("BidRequest.Imp.Banner"), choices);
    imp.set_field_by_name("banner", Value::Message(banner));
    imp_json["banner"] = banner_json;
    request.set_field_by_name("imp", Value::List(vec![Value::Message(imp)]));
    json["imp"] = json!([imp_json]);
    (request, json)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The same request in JSON and in protobuf decodes to equal requests.
    #[test]
    fn both_formats_mean_the_same(choices in prop::collection::vec(any::<u8>(), 0..3000)) {
        let (message, json) = request(&mut Choices(&choices));
        let (binary, text, arena) = (message.encode_to_vec(), json.to_string(), Bump::new());
        let from_text = from_json(text.as_bytes(), &arena, Limits::default()).unwrap();
        let from_binary = from_protobuf(&binary, &arena, Limits::default()).unwrap();
        // Notes may name a native request by its way of travelling.
        let (one, other) = (Request { notes: &[], ..from_text }, Request { notes: &[], ..from_binary });
        prop_assert!(one == other, "{}\n{}", difference(&one, &other), text);
    }

    /// A response in protobuf is what prost reads from the IAB's file, and says what the JSON says.
    #[test]
    fn responses_mean_the_same_in_both_formats(
        text in ".{0,20}",
        micros in 0i64..2_000_000_000_000,
        number in any::<u32>().prop_map(|n| n & 0x7FFF_FFFF),
        lists in prop::collection::vec(any::<i32>(), 0..4),
        bids in 0usize..4,
    ) {
        let (signed, some) = (number as i32, Some(text.as_str()));
        let bid = Bid {
            id: &text, impid: &text, price: Cpm(micros), adid: some, nurl: some, burl: some, lurl: some, adm: some,
            adomain: &[&text, "x"], bundle: some, iurl: some, cid: some, crid: some, cattax: Some(signed),
            cat: &[&text], attr: &lists, api: Some(signed), apis: &lists, protocol: Some(-signed),
            qagmediarating: Some(signed), language: some, dealid: some, w: Some(number), h: Some(number),
            exp: Some(number), dur: Some(number), mtype: Some(signed), slotinpod: Some(-1),
        };
        let (bids, seats): (Vec<_>, &mut [_; 1]) = (vec![bid; bids], &mut [SeatBid::default()]);
        seats[0] = SeatBid { seat: some, bid: &bids };
        let response = Response { id: &text, bidid: some, cur: some, seatbid: seats, nbr: Some(signed) };
        let (mut binary, mut json) = (Vec::new(), Vec::new());
        response.write_protobuf(&mut binary);
        response.write_json(&mut json);
        let decoded = DynamicMessage::decode(message("BidResponse"), binary.as_slice()).unwrap();
        prop_assert_eq!(decoded.unknown_fields().count(), 0);
        let json: Json = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(to_json(&decoded), json);
    }
}

/// The lines in which two requests differ.
fn difference(one: &Request<'_>, other: &Request<'_>) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let differ = one.lines().zip(other.lines()).filter(|(one, other)| one != other);
    differ.map(|(one, other)| format!("{one} / {other}\n")).take(5).collect()
}

/// What a decoded message says, in JSON as OpenRTB writes it.
fn to_json(message: &DynamicMessage) -> Json {
    let members = message.fields().map(|(field, value)| (field.name().to_owned(), value_to_json(value)));
    Json::Object(members.collect())
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::String(text) => json!(text),
        Value::I32(number) => json!(number),
        // The JSON writer prints whole prices without a point.
        Value::F64(price) if price.fract() == 0.0 => json!(*price as i64),
        Value::F64(price) => json!(price),
        Value::Message(message) => to_json(message),
        Value::List(values) => values.iter().map(value_to_json).collect(),
        other => unreachable!("a response has no {other:?}"),
    }
}
