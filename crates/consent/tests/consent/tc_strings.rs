//! TC strings are read as they were written.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use tagbid_consent::tcf::TcString;
use tagbid_consent::{DecodeError, Purposes};

use crate::encoder::{Tc, Vendors, Writer};

/// From the test suite of the IAB Tech Lab's GPP library: CMP 27, purposes 1 to 3, vendors 2, 6 and 8 with both
/// consent and legitimate interest; disclosed vendors from 2 to 720.
const PUBLISHED: &str = "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw";

/// From the GPP specification, "GPP String Example 1": nothing is consented to.
const PUBLISHED_EMPTY: &str = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA";

#[test]
fn the_published_string_says_what_its_publishers_say() {
    for vendor in 0..=800 {
        let string = TcString::read(PUBLISHED, vendor).unwrap();
        let consented = [2, 6, 8].contains(&vendor);
        assert_eq!(string.vendor.consent, consented, "vendor {vendor}");
        assert_eq!(string.vendor.legitimate_interest, consented, "vendor {vendor}");
    }
    let string = TcString::read(PUBLISHED, 720).unwrap();
    assert_eq!((string.created, string.last_updated), (15_822_430_593, 15_822_430_593));
    assert_eq!((string.cmp_id, string.vendor_list_version, string.policy_version), (27, 15, 2));
    assert_eq!(string.language, 4 << 6 | 13, "EN");
    assert_eq!(string.consent, Purposes::of(&[1, 2, 3]));
    assert_eq!(string.legitimate_interest, Purposes::NONE);
    assert_eq!(string.vendor.disclosed, Some(true));
    for (vendor, disclosed) in [(1, false), (2, true), (719, true), (718, false), (721, false)] {
        let string = TcString::read(PUBLISHED, vendor).unwrap();
        assert_eq!(string.vendor.disclosed, Some(disclosed), "vendor {vendor}");
    }
}

#[test]
fn the_example_of_the_gpp_specification_consents_to_nothing() {
    let string = TcString::read(PUBLISHED_EMPTY, 1).unwrap();
    assert_eq!((string.cmp_id, string.vendor_list_version), (31, 126));
    assert_eq!(string.consent, Purposes::NONE);
    assert!(string.service_specific && !string.vendor.consent && string.vendor.disclosed.is_none());
}

#[test]
fn a_string_of_tcf_1_is_refused_by_its_version() {
    let old = Writer::default().number(6, 1).number(36, 0).number(36, 0).number(36, 0).text();
    assert_eq!(TcString::read(&old, 1), Err(DecodeError::Version(1)));
}

#[test]
fn a_string_cut_anywhere_is_refused() {
    let whole = Tc::consenting(&[1, 2], &[5, 9]).with_restriction(2, 1, &[5, 9]).text();
    assert!(TcString::read(&whole, 9).is_ok());
    for length in 0..whole.len() {
        let cut: String = whole.chars().take(length).collect();
        assert_eq!(TcString::read(&cut, 9), Err(DecodeError::Truncated), "{length} characters");
    }
}

#[test]
fn the_disclosed_vendors_are_required_by_the_date_of_the_string() {
    let mut string = Tc::default();
    for (created, required) in [(17_723_231_999, false), (17_723_232_000, true)] {
        string.created = created;
        string.disclosed = None;
        assert_eq!(TcString::read(&string.text(), 1).unwrap().lacks_disclosure(), required);
        string.disclosed = Some(Vendors::of(&[2]));
        assert!(!TcString::read(&string.text(), 1).unwrap().lacks_disclosure());
    }
}

#[test]
fn an_undefined_restriction_of_our_purpose_makes_the_string_unreadable() {
    let string = Tc::default().with_restriction(2, 3, &[5]).text();
    assert_eq!(TcString::read(&string, 5), Err(DecodeError::Value));
    assert!(TcString::read(&string, 6).is_ok(), "it concerns vendor 5 alone");
}

fn vendors() -> impl Strategy<Value = Vendors> {
    (btree_set(1..1200u32, 0..60), any::<bool>())
        .prop_map(|(members, as_ranges)| Vendors { members, as_ranges })
}

fn purposes() -> impl Strategy<Value = BTreeSet<u32>> {
    btree_set(1..=24u32, 0..24)
}

fn tc() -> impl Strategy<Value = Tc> {
    let head = (0..1u64 << 36, 0..4096u64, 0..64u64, 0..4096u64, any::<bool>());
    let body = (purposes(), purposes(), vendors(), vendors());
    let tail =
        (vec((1..=24u32, 0..3u64, btree_set(1..1200u32, 0..60)), 0..6), proptest::option::of(vendors()));
    (head, body, tail).prop_map(|(head, body, (restrictions, disclosed))| Tc {
        created: head.0,
        cmp_id: head.1,
        policy_version: head.2,
        special_features: head.3,
        purpose_one_treatment: head.4,
        consent: body.0,
        interest: body.1,
        vendor_consent: body.2,
        vendor_interest: body.3,
        restrictions,
        disclosed,
    })
}

fn as_set(purposes: Purposes) -> BTreeSet<u32> {
    purposes.iter().map(u32::from).collect()
}

proptest! {
    /// For every vendor, reading gives back what was written.
    #[test]
    fn reading_undoes_writing(written in tc(), vendor in 1..1300u16) {
        let id = u32::from(vendor);
        let read = TcString::read(&written.text(), vendor).unwrap();
        prop_assert_eq!(read.created, written.created);
        prop_assert_eq!(u64::from(read.cmp_id), written.cmp_id);
        prop_assert_eq!(u64::from(read.policy_version), written.policy_version);
        prop_assert_eq!(u64::from(read.special_features), written.special_features);
        prop_assert_eq!(read.purpose_one_treatment, written.purpose_one_treatment);
        prop_assert_eq!(as_set(read.consent), written.consent);
        prop_assert_eq!(as_set(read.legitimate_interest), written.interest);
        prop_assert_eq!(read.vendor.consent, written.vendor_consent.members.contains(&id));
        prop_assert_eq!(read.vendor.legitimate_interest, written.vendor_interest.members.contains(&id));
        prop_assert_eq!(read.vendor.disclosed, written.disclosed.map(|vendors| vendors.members.contains(&id)));
        let found = [read.vendor.forbidden, read.vendor.require_consent, read.vendor.require_legitimate_interest];
        for (kind, found) in (0u64..).zip(found) {
            let ours = written.restrictions.iter().filter(|(_, k, vendors)| *k == kind && vendors.contains(&id));
            prop_assert_eq!(as_set(found), ours.map(|(purpose, ..)| *purpose).collect());
        }
    }
}
