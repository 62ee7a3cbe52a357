//! Time to decode a request and to write a response, on one core. The headline figures stand in the doc comment of
//! the crate's `json` module.

use std::hint::black_box;

use bumpalo::Bump;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tagbid_openrtb::{Bid, Limits, Response, SeatBid, from_json};
use tagbid_types::Cpm;

const FIXTURES: [(&str, &str); 3] = [
    ("banner_web", include_str!("../fixtures/banner_web.json")),
    ("native_app", include_str!("../fixtures/native_app.json")),
    ("video_dooh", include_str!("../fixtures/video_dooh.json")),
];

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("json");
    for (name, body) in FIXTURES {
        group.throughput(Throughput::Bytes(body.len() as u64));
        let mut arena = Bump::with_capacity(64 * 1024);
        group.bench_function(name, |b| {
            b.iter(|| {
                arena.reset();
                let request = from_json(black_box(body.as_bytes()), &arena, Limits::default());
                request.is_ok_and(|request| !request.imp.is_empty())
            });
        });
        group.bench_function(format!("{name}/serde_json::Value"), |b| {
            b.iter(|| serde_json::from_str::<serde_json::Value>(black_box(body)).is_ok());
        });
    }
    group.finish();
}

fn respond(c: &mut Criterion) {
    let markup =
        "<a href=\"https://click.example/?t=1\"><img src=\"https://cdn.example/a.png\"></a>".repeat(8);
    let bids = [Bid {
        id: "b-1",
        impid: "1",
        price: Cpm(1_234_500),
        adm: Some(&markup),
        adomain: &["shop.example"],
        crid: Some("c-1"),
        w: Some(300),
        h: Some(250),
        mtype: Some(1),
        ..Bid::default()
    }];
    let seats = [SeatBid { seat: Some("s-1"), bid: &bids }];
    let response = Response { id: "r-1", cur: Some("USD"), seatbid: &seats, ..Response::default() };
    let mut out = Vec::with_capacity(4096);
    let mut group = c.benchmark_group("response");
    group.bench_function("json", |b| {
        b.iter(|| {
            out.clear();
            black_box(&response).write_json(&mut out);
            out.len()
        });
    });
    group.bench_function("protobuf", |b| {
        b.iter(|| {
            out.clear();
            black_box(&response).write_protobuf(&mut out);
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, decode, respond);
criterion_main!(benches);
