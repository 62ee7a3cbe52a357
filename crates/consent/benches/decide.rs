//! Time of one decision, for the two kinds of request that carry the longest strings.

#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/consent/encoder.rs"]
mod encoder;

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use encoder::{Tc, Vendors, gpp, us};
use tagbid_consent::{Policy, Signals, decide};

fn decisions(c: &mut Criterion) {
    let policy = Policy { vendor_id: Some(755), ..Policy::default() };

    let half: BTreeSet<u32> = (1..=900).filter(|vendor| vendor % 2 == 1).collect();
    let mut tc = Tc::consenting(&[1, 2, 3, 4, 7, 9, 10], &[]).with_interest(&[2, 7, 9, 10], &[]);
    tc.vendor_consent.members = half.clone();
    tc.vendor_interest.members = half.clone();
    tc.restrictions = vec![(2, 1, (1..=40).map(|range| range * 20).collect())];
    tc.disclosed = Some(Vendors { members: half, as_ranges: false });
    let tc = tc.text();
    let eu = Signals { gdpr: Some(true), tcf: Some(&tc), ..Signals::default() };
    c.bench_function("eu_tcf", |b| b.iter(|| decide(black_box(&eu), &policy)));

    let california = us(1, "111 22 000000000 00 0 200") + ".QA";
    let string = gpp(&[(8, &california)]);
    let us = Signals { gpp: Some(&string), gpp_sid: &[8], ..Signals::default() };
    c.bench_function("california_gpp", |b| b.iter(|| decide(black_box(&us), &policy)));
}

criterion_group!(benches, decisions);
criterion_main!(benches);
