//! Whatever is sent, the answer is an answer.

use proptest::prelude::*;
use tagbid_consent::{Decision, DecodeError, Denial, Policy, Signals, decide};
use tagbid_types::{Permission, Use};

use crate::encoder::Writer;

fn policy() -> Policy {
    Policy { vendor_id: Some(5), ..Policy::default() }
}

/// The reasons and the permission tell the same, and context stays open.
fn is_sound(decision: &Decision) -> bool {
    let agree =
        Use::ALL.iter().zip(decision.why).all(|(one, why)| decision.allowed.allows(*one) == why.is_none());
    agree && decision.allowed.allows(Use::ContextualBid)
}

#[test]
fn any_bytes_in_any_string() {
    bolero::check!().with_type::<(Vec<u8>, Vec<u8>, Vec<u8>, Vec<i32>, Option<bool>)>().for_each(
        |(tcf, gpp, us_privacy, gpp_sid, gdpr)| {
            let [tcf, gpp, us_privacy] = [tcf, gpp, us_privacy].map(|bytes| String::from_utf8_lossy(bytes));
            let signals = Signals {
                gdpr: *gdpr,
                tcf: Some(&tcf),
                gpp: Some(&gpp),
                gpp_sid,
                us_privacy: Some(&us_privacy),
                ..Signals::default()
            };
            assert!(is_sound(&decide(&signals, &policy())));
        },
    );
}

proptest! {
    /// Strings that begin well and go on with any base64url, tildes and dots: deeper than bytes at random reach.
    #[test]
    fn well_begun_strings(
        tcf in "C[A-Za-z0-9_-]{34,60}[A-Za-z0-9_.-]{0,80}",
        gpp in "DB[A-D][A-Za-z0-9_-]{1,6}(~[BC][A-Za-z0-9_.-]{0,20}){0,6}",
        gpp_sid in proptest::collection::vec(-2..30i32, 0..5),
    ) {
        let signals = Signals { tcf: Some(&tcf), gpp: Some(&gpp), gpp_sid: &gpp_sid, ..Signals::default() };
        prop_assert!(is_sound(&decide(&signals, &policy())));
    }

    /// One more signal never allows more.
    #[test]
    fn signals_only_take_away(
        tcf in proptest::option::of("C[A-Za-z0-9_-]{60}"),
        us_privacy in proptest::option::of("1[YN-]{3}"),
        gpp_sid in proptest::collection::vec(-1..30i32, 0..3),
        (coppa, lmt, dnt) in any::<(bool, bool, bool)>(),
        more in 0..5,
    ) {
        let signals = Signals {
            tcf: tcf.as_deref(), us_privacy: us_privacy.as_deref(), gpp_sid: &gpp_sid, coppa, lmt, dnt,
            ..Signals::default()
        };
        let stricter = match more {
            0 => Signals { coppa: true, ..signals },
            1 => Signals { lmt: true, ..signals },
            2 => Signals { dnt: true, ..signals },
            3 => Signals { us_privacy: Some("1YYN"), ..signals },
            _ => Signals { gdpr: Some(true), ..signals },
        };
        let (before, after) = (decide(&signals, &policy()).allowed, decide(&stricter, &policy()).allowed);
        prop_assert_eq!(after.and(before), after);
    }
}

#[test]
fn the_longest_lists_end_with_their_string() {
    // Given a string that promises 4095 restrictions of 4095 ranges each and holds 200 KiB of them,
    let mut hostile = Writer::default().number(6, 2).number(36, 0).number(36, 0).number(36, 0).number(36, 0);
    hostile = hostile.number(36, 0).number(27, 0).number(17, 0).number(17, 0).number(12, 4095);
    let text = hostile.text() + &"_".repeat(200 * 1024);
    // when it is read among a thousand sections that do not exist,
    let gpp_sid: Vec<i32> = (0..1000).chain([2; 1000]).collect();
    let signals = Signals { gdpr: Some(true), tcf: Some(&text), gpp_sid: &gpp_sid, ..Signals::default() };
    let decision = decide(&signals, &policy());
    // then the reading stopped where the string did, and nothing of the user is allowed.
    assert_eq!(decision.allowed, Permission::NONE.with(Use::ContextualBid));
    let cut = Denial::TcStringUndecodable(DecodeError::Truncated);
    assert_eq!(decision.denial(Use::TagLookup), Some(cut));
}
