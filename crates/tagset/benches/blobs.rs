//! What a lookup costs after the bytes have come: key, checksum, decode, decay.
//!
//! Run with `cargo bench -p tagbid-tagset`. Headline figures stand in the crate's own documentation.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tagbid_tagset::frequency::{Counted, Counts, Frequency};
use tagbid_tagset::offline::{self, Offline, OfflineTag};
use tagbid_tagset::realtime::{self, Realtime, RealtimeTag};
use tagbid_tagset::{BlobError, IdKind, MacKey, UserId};
use tagbid_types::{LineItemId, TagId, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(1_735_689_600);

/// Ids spread over a registry of a million, as a hash would spread them.
fn ids(count: u32) -> impl Iterator<Item = TagId> {
    (0..count).map(|n| TagId(n.wrapping_mul(2_654_435_761) % 1_000_000))
}

fn offline_tags(count: u32) -> Vec<OfflineTag> {
    let tag = |id| OfflineTag { id, weight: 200, ttl_s: 30 * 86_400 };
    ids(count).map(tag).collect()
}

fn realtime_tags(count: u32) -> Vec<RealtimeTag> {
    let tag = |id: TagId| RealtimeTag {
        id,
        weight: 200,
        event: Timestamp(NOW.0 - i64::from(id.0) * 3_000),
        half_life_s: 1_800,
        ttl_s: 86_400,
    };
    ids(count).map(tag).collect()
}

fn tags(c: &mut Criterion) -> Result<(), BlobError> {
    for count in [60, 200] {
        let blob = offline::encode(NOW, &offline_tags(count))?;
        c.bench_function(&format!("offline/{count} tags/{} bytes/live", blob.len()), |b| {
            b.iter(|| {
                let mut sum = 0_u32;
                let read = Offline::parse(black_box(&blob)).and_then(|blob| {
                    blob.live(NOW, |tag| sum = sum.wrapping_add(tag.id.0 ^ u32::from(tag.weight)))
                });
                (read, sum)
            });
        });
    }
    let (one, other) = (realtime::encode(&realtime_tags(20))?, realtime::encode(&realtime_tags(5))?);
    c.bench_function(&format!("realtime/20 tags/{} bytes/live", one.len()), |b| {
        b.iter(|| {
            let mut sum = 0_u32;
            let read = Realtime::parse(black_box(&one))
                .and_then(|blob| blob.live(NOW, |tag| sum = sum.wrapping_add(u32::from(tag.weight))));
            (read, sum)
        });
    });
    c.bench_function("realtime/merge 5 tags into 20", |b| {
        b.iter(|| realtime::merge(black_box(&one), black_box(&other), NOW));
    });
    Ok(())
}

fn counts(c: &mut Criterion) -> Result<(), BlobError> {
    let mut counts = Frequency::default();
    for n in 0..60_u32 {
        let entity = Counted::LineItem(LineItemId((n % 20).into()));
        counts.record(n.into(), Timestamp(NOW.0 - i64::from(n) * 600_000_000), &[entity])?;
    }
    let blob = counts.encode(NOW)?;
    let day = Some(Duration::from_secs(86_400));
    c.bench_function(&format!("frequency/20 entities/{} bytes/count one", blob.len()), |b| {
        b.iter(|| {
            Counts::parse(black_box(&blob))
                .and_then(|counts| counts.count(Counted::LineItem(LineItemId(10)), day, NOW))
        });
    });
    Ok(())
}

#[expect(clippy::unwrap_used, reason = "a bench that cannot set up has failed")]
fn all(c: &mut Criterion) {
    let key = MacKey::new(1, &[7; 32]).unwrap();
    let id = UserId { kind: IdKind::Ifa, source: "", id: "6D92078A-8246-4BA4-AE5B-76104861E7DC" };
    c.bench_function("user key of an ifa", |b| {
        b.iter(|| black_box(&id).standard().map(|id| key.user_key(&id)));
    });
    tags(c).unwrap();
    counts(c).unwrap();
}

criterion_group!(benches, all);
criterion_main!(benches);
