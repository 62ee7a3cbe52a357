use proptest::prelude::*;
use tagbid_types::Timestamp;

use super::frame::MAX_PAYLOAD;
use super::*;

const SALT: u64 = 0x1234_5678_9abc_def0;

fn segment(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let starts = (0..).zip(payloads).map(|(position, payload)| {
        let start = bytes.len();
        assert!(push(&mut bytes, SALT, FrameKind::Record, position, payload));
        start
    });
    let starts = starts.collect();
    (bytes, starts)
}

/// The positions of all whole frames, found one after the other, byte by byte where none stands.
fn positions(mut bytes: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let skip = match step(SALT, bytes) {
            Step::Whole { position, payload, .. } => {
                found.push(position);
                FRAME + payload.len()
            }
            Step::None => 1,
        };
        bytes = &bytes[skip..];
    }
    found
}

proptest! {
    /// Frames read back as they were written.
    #[test]
    fn frames_read_back(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let (bytes, starts) = segment(&payloads);
        for ((position, payload), start) in (0..).zip(&payloads).zip(&starts) {
            let expected = Step::Whole { kind: FrameKind::Record, position, payload };
            prop_assert_eq!(step(SALT, &bytes[*start..]), expected);
        }
    }

    /// Of a segment that ends anywhere, exactly the frames before the end are read.
    #[test]
    fn a_cut_costs_what_is_behind_it(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let (bytes, starts) = segment(&payloads);
        let cut = cut.index(bytes.len());
        let end = bytes.len();
        let ends = starts.iter().skip(1).chain([&end]);
        let whole = ends.filter(|end| **end <= cut).count() as u64;
        prop_assert_eq!(positions(&bytes[..cut]), (0..whole).collect::<Vec<_>>());
    }

    /// One changed byte costs the frame that it is in and no other.
    #[test]
    fn a_changed_byte_costs_one_frame(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12),
        at in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        let (mut bytes, starts) = segment(&payloads);
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let hit = starts.iter().rposition(|start| *start <= at).unwrap() as u64;
        let expected: Vec<u64> = (0..payloads.len() as u64).filter(|position| *position != hit).collect();
        prop_assert_eq!(positions(&bytes), expected);
    }

    /// A changed byte of the headers is noticed, and the other header is used.
    #[test]
    fn one_header_is_enough(at in 0..HEADERS, change in 1_u8..) {
        let header = Header { salt: SALT, first: 7, created: Timestamp(9) };
        let mut bytes = header.to_bytes();
        prop_assert_eq!(Header::from_bytes(&bytes), Ok((header, None)));
        bytes[at] ^= change;
        let damaged = if at < HEADER { 0 } else { HEADER as u64 };
        prop_assert_eq!(Header::from_bytes(&bytes), Ok((header, Some(damaged))));
    }
}

#[test]
fn a_frame_inside_a_payload_is_none_without_the_salt() {
    let (mut forged, mut bytes) = (Vec::new(), Vec::new());
    assert!(push(&mut forged, SALT + 1, FrameKind::Record, 99, b"forged"));
    assert!(push(&mut bytes, SALT, FrameKind::Record, 1, &forged));
    bytes[0] ^= 1;
    assert_eq!(positions(&bytes), [0_u64; 0]);
}

#[test]
fn what_is_too_long_is_not_written() {
    let mut bytes = Vec::new();
    assert!(!push(&mut bytes, SALT, FrameKind::Record, 1, &vec![0; MAX_PAYLOAD + 1]));
    assert!(bytes.is_empty());
    assert!(push(&mut bytes, SALT, FrameKind::Record, 1, &vec![0; MAX_PAYLOAD]));
    assert_eq!(bytes.len(), MAX_FRAME);
}

#[test]
fn another_version_is_told_from_damage() {
    let mut bytes = Header { salt: 1, first: 1, created: Timestamp(0) }.to_bytes();
    for start in [0, HEADER] {
        bytes[start + 14] = 2;
        let sum = crc32c::crc32c(&bytes[start..start + HEADER - 4]).to_le_bytes();
        bytes[start + HEADER - 4..start + HEADER].copy_from_slice(&sum);
    }
    assert_eq!(Header::from_bytes(&bytes), Err(HeaderError::Version(2)));
    assert_eq!(Header::from_bytes(b"something else"), Err(HeaderError::Damaged));
}

#[test]
fn a_summary_reads_back() {
    let mut summary = Summary::default();
    summary.add(Timestamp(5), false);
    summary.add(Timestamp(-3), true);
    let expected = Summary { records: 2, earliest: Timestamp(-3), latest: Timestamp(5), has_keys: true };
    assert_eq!(Summary::from_bytes(&summary.to_bytes()), Some(expected));
    assert_eq!(summary.to_bytes().len() + FRAME, END_FRAME);
}
