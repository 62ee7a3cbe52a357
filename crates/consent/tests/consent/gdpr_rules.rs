//! The row of GDPR: what a TC string allows, and when one is needed.

use tagbid_consent::{DecodeError, Denial, GdprWhenAbsent, Policy, Purposes, Signals, decide};
use tagbid_types::{Permission, Use};

use crate::encoder::{Tc, Vendors, gpp};
use crate::rules::{VENDOR, contextual_only, listed, names, under_gdpr};

#[test]
fn gdpr_without_a_readable_string_leaves_context_alone() {
    let missing = Signals { gdpr: Some(true), ..Signals::default() };
    contextual_only(&decide(&missing, &listed()), Denial::TcStringMissing);
    let broken = decide(&under_gdpr("not base64!"), &listed());
    contextual_only(&broken, Denial::TcStringUndecodable(DecodeError::Alphabet));
    let old = decide(&under_gdpr("BOO00000000000000"), &listed());
    contextual_only(&old, Denial::TcStringUndecodable(DecodeError::Version(1)));
}

#[test]
fn each_use_rests_on_its_own_purposes() {
    let cases: [(&[u32], &[&str]); 7] = [
        (
            &[1, 2, 3, 4, 7],
            &["contextual_bid", "tag_lookup", "frequency", "profile_write", "user_key_in_events"],
        ),
        (&[1, 2], &["contextual_bid", "frequency"]),
        (&[1, 2, 4], &["contextual_bid", "tag_lookup", "frequency"]),
        (&[1, 4], &["contextual_bid"]),
        (&[1, 3], &["contextual_bid", "profile_write"]),
        (&[1, 7], &["contextual_bid", "user_key_in_events"]),
        (&[2, 3, 4, 5, 6, 7, 8, 9, 10, 11], &["contextual_bid"]),
    ];
    for (purposes, wanted) in cases {
        let string = Tc::consenting(purposes, &[VENDOR]).text();
        assert_eq!(names(&decide(&under_gdpr(&string), &listed())), wanted, "purposes {purposes:?}");
    }
    let string = Tc::consenting(&[1, 2], &[VENDOR]).text();
    let decision = decide(&under_gdpr(&string), &listed());
    assert_eq!(decision.denial(Use::TagLookup), Some(Denial::Purpose(4)));
    assert_eq!(decision.denial(Use::Frequency), None);
}

#[test]
fn consent_to_others_is_no_consent_to_us() {
    let string = Tc::consenting(&[1, 2, 3, 4, 7], &[VENDOR - 1, VENDOR + 1]).text();
    contextual_only(&decide(&under_gdpr(&string), &listed()), Denial::Purpose(1));
    let unlisted = decide(&under_gdpr(&string), &Policy::default());
    contextual_only(&unlisted, Denial::NoVendorId);
    let zero = Policy { vendor_id: Some(0), ..Policy::default() };
    contextual_only(&decide(&under_gdpr(&string), &zero), Denial::NoVendorId);
}

#[test]
fn a_vendor_that_was_not_disclosed_has_no_consent() {
    let mut string = Tc::consenting(&[1, 2, 3, 4, 7], &[VENDOR]);
    string.disclosed = Some(Vendors::of(&[VENDOR]));
    assert_eq!(decide(&under_gdpr(&string.text()), &listed()).allowed, Permission::ALL);
    string.disclosed = Some(Vendors { as_ranges: true, ..Vendors::of(&[1, VENDOR + 1]) });
    contextual_only(&decide(&under_gdpr(&string.text()), &listed()), Denial::NotDisclosed);
    string.disclosed = None;
    string.created = 17_900_000_000;
    contextual_only(&decide(&under_gdpr(&string.text()), &listed()), Denial::DisclosureMissing);
}

#[test]
fn legitimate_interest_serves_the_purposes_that_we_declare_under_it() {
    let string = Tc::consenting(&[1], &[VENDOR]).with_interest(&[2, 4, 7], &[VENDOR]).text();
    let by_consent = decide(&under_gdpr(&string), &listed());
    assert_eq!(names(&by_consent), ["contextual_bid"]);
    let declared = Policy { legitimate_interest: Purposes::of(&[2, 4, 7]), ..listed() };
    let by_interest = decide(&under_gdpr(&string), &declared);
    assert_eq!(names(&by_interest), ["contextual_bid", "frequency", "user_key_in_events"]);
    // Purpose 4 was declared in vain: TCF 2.2 took it from legitimate interest.
    assert_eq!(by_interest.denial(Use::TagLookup), Some(Denial::Purpose(4)));
    let objected = Tc::consenting(&[1, 2], &[VENDOR]).with_interest(&[2], &[]).text();
    assert_eq!(names(&decide(&under_gdpr(&objected), &declared)), ["contextual_bid"]);
}

#[test]
fn publisher_restrictions_bind_the_basis() {
    let string = Tc::consenting(&[1, 2], &[VENDOR]).with_interest(&[2], &[VENDOR]);
    let (none, two) = (Purposes::NONE, Purposes::of(&[2]));
    // Restriction on purpose 2, what we declare under legitimate interest, what is flexible; is frequency allowed?
    let cases: [(&[u64], Purposes, Purposes, bool); 11] = [
        (&[], none, none, true),
        (&[0], none, two, false),
        (&[0], two, two, false),
        (&[1], none, none, true),
        (&[1], two, none, false),
        (&[1], two, two, true),
        (&[2], two, none, true),
        (&[2], none, none, false),
        (&[2], none, two, true),
        (&[1, 2], two, two, false),
        (&[2, 0], two, two, false),
    ];
    for (kinds, legitimate_interest, flexible, allowed) in cases {
        let restricted =
            kinds.iter().fold(string.clone(), |string, kind| string.with_restriction(2, *kind, &[VENDOR]));
        let policy = Policy { legitimate_interest, flexible, ..listed() };
        let decision = decide(&under_gdpr(&restricted.text()), &policy);
        let wanted = (!allowed).then_some(Denial::Restricted(2));
        assert_eq!(decision.denial(Use::Frequency), wanted, "{kinds:?} {legitimate_interest:?} {flexible:?}");
    }
    let others = string.with_restriction(2, 0, &[VENDOR + 1]).text();
    assert_eq!(decide(&under_gdpr(&others), &listed()).denial(Use::Frequency), None);
}

#[test]
fn a_restriction_moves_a_flexible_purpose_and_then_the_other_basis_counts() {
    let policy = Policy { flexible: Purposes::of(&[2]), ..listed() };
    let string = Tc::consenting(&[1, 2], &[VENDOR]).with_restriction(2, 2, &[VENDOR]).text();
    let decision = decide(&under_gdpr(&string), &policy);
    assert_eq!(decision.denial(Use::Frequency), Some(Denial::Purpose(2)), "consent no longer serves");
}

#[test]
fn an_undisclosed_purpose_1_counts_only_where_the_operator_says_so() {
    let mut string = Tc::consenting(&[2], &[VENDOR]);
    string.purpose_one_treatment = true;
    let string = string.text();
    assert_eq!(names(&decide(&under_gdpr(&string), &listed())), ["contextual_bid"]);
    let policy = Policy { honour_purpose_one_treatment: true, ..listed() };
    assert_eq!(names(&decide(&under_gdpr(&string), &policy)), ["contextual_bid", "frequency"]);
}

#[test]
fn contextual_bids_need_purpose_2_only_where_the_operator_says_so() {
    let policy = Policy { contextual_needs_purpose_2: true, ..listed() };
    let missing = Signals { gdpr: Some(true), ..Signals::default() };
    assert_eq!(decide(&missing, &policy).allowed, Permission::NONE);
    let string = Tc::consenting(&[2], &[VENDOR]).text();
    assert_eq!(names(&decide(&under_gdpr(&string), &policy)), ["contextual_bid"]);
}

#[test]
fn gdpr_that_nobody_mentions_applies_by_its_signs() {
    let refused = Tc::default().text();
    let (section, in_france) = (gpp(&[(2, &refused)]), Some("fra"));
    let base = Signals::default();
    let signs = [
        Signals { tcf: Some(&refused), ..base },
        Signals { countries: [in_france, None], ..base },
        Signals { countries: [Some("USA"), Some(" deu ")], ..base },
        Signals { countries: [None, Some("GB")], ..base },
        Signals { gpp: Some(&section), ..base },
    ];
    for signals in signs {
        assert_eq!(names(&decide(&signals, &listed())), ["contextual_bid"], "{signals:?}");
        let out = Policy { gdpr_when_absent: GdprWhenAbsent::DoesNotApply, ..listed() };
        assert_eq!(decide(&signals, &out).allowed, Permission::ALL, "{signals:?}");
        let told = Signals { gdpr: Some(false), ..signals };
        assert_eq!(decide(&told, &listed()).allowed, Permission::ALL, "{told:?}");
    }
    let abroad = Signals { countries: [Some("USA"), None], ..base };
    assert_eq!(decide(&abroad, &listed()).allowed, Permission::ALL);
    let always = Policy { gdpr_when_absent: GdprWhenAbsent::Applies, ..listed() };
    contextual_only(&decide(&abroad, &always), Denial::TcStringMissing);
}

#[test]
fn a_gpp_section_that_is_listed_applies_whatever_gdpr_says() {
    let full = Tc::consenting(&[1, 2, 3, 4, 7], &[VENDOR]).text();
    let section = gpp(&[(2, &full)]);
    let listing = Signals { gdpr: Some(false), gpp: Some(&section), gpp_sid: &[2], ..Signals::default() };
    assert_eq!(decide(&listing, &listed()).allowed, Permission::ALL);
    contextual_only(&decide(&listing, &Policy::default()), Denial::NoVendorId);
    let nothing = Signals { gpp: None, ..listing };
    contextual_only(&decide(&nothing, &listed()), Denial::TcStringMissing);
    let elsewhere = Signals { gpp: None, tcf: Some(&full), ..listing };
    assert_eq!(decide(&elsewhere, &listed()).allowed, Permission::ALL, "user.consent has it");
    let broken = Signals { gpp: Some("D"), tcf: Some(&full), ..listing };
    contextual_only(&decide(&broken, &listed()), Denial::GppUndecodable(DecodeError::Truncated));
}

#[test]
fn two_tc_strings_must_agree() {
    let (yes, no) = (Tc::consenting(&[1, 2, 3, 4, 7], &[VENDOR]).text(), Tc::default().text());
    let section = gpp(&[(2, &no)]);
    let both = Signals { gpp: Some(&section), gpp_sid: &[2], ..under_gdpr(&yes) };
    contextual_only(&decide(&both, &listed()), Denial::Purpose(1));
}
