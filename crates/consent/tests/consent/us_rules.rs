//! The rows of US choices, known children and sections that cannot be told.

use tagbid_consent::{DecodeError, Denial, GppWithoutSid, Policy, Signals, UsReason, decide};
use tagbid_types::{Permission, Use};

use crate::encoder::{gpp, us};
use crate::rules::{contextual_only, listed};

/// Virginia with nothing against it, and with one field of it raised.
const VIRGINIA_CLEAR: &str = "111 22 00000000 0 222";

#[test]
fn us_choices_leave_context_alone() {
    let cases = [
        ("111 12 00000000 0 222", UsReason::OptedOut),
        ("111 21 00000000 0 222", UsReason::OptedOut),
        ("121 22 00000000 0 222", UsReason::NoNotice),
        ("111 22 00000000 0 221", UsReason::ServiceProvider),
        ("111 22 00000000 1 222", UsReason::KnownChild),
    ];
    for (fields, reason) in cases {
        let string = gpp(&[(9, &us(1, fields))]);
        let signals = Signals { gpp: Some(&string), gpp_sid: &[9], ..Signals::default() };
        contextual_only(&decide(&signals, &listed()), Denial::Us(9, reason));
        let child = reason == UsReason::KnownChild;
        let lenient = Policy { frequency_after_us_opt_out: true, ..listed() };
        assert_eq!(decide(&signals, &lenient).allowed.allows(Use::Frequency), !child, "{reason:?}");
    }
    let clear = gpp(&[(9, &us(1, VIRGINIA_CLEAR))]);
    let signals = Signals { gpp: Some(&clear), gpp_sid: &[9], ..Signals::default() };
    assert_eq!(decide(&signals, &listed()).allowed, Permission::ALL);
}

#[test]
fn global_privacy_control_is_an_opt_out() {
    let california = us(1, "111 22 000000000 00 0 200") + ".YA";
    let string = gpp(&[(8, &california)]);
    let signals = Signals { gpp: Some(&string), gpp_sid: &[8], ..Signals::default() };
    contextual_only(&decide(&signals, &listed()), Denial::Us(8, UsReason::Gpc));
}

#[test]
fn us_privacy_counts_wherever_it_stands() {
    for (text, denial) in [
        ("1YYN", Denial::Us(6, UsReason::OptedOut)),
        ("1NN-", Denial::Us(6, UsReason::NoNotice)),
        ("what", Denial::SectionUndecodable(6, DecodeError::Version(b'w' - b'0'))),
    ] {
        let plain = Signals { us_privacy: Some(text), ..Signals::default() };
        contextual_only(&decide(&plain, &listed()), denial);
        let string = gpp(&[(6, text)]);
        let section = Signals { gpp: Some(&string), gpp_sid: &[6], ..Signals::default() };
        contextual_only(&decide(&section, &listed()), denial);
    }
    for clear in ["1---", "1YNN"] {
        let signals = Signals { us_privacy: Some(clear), ..Signals::default() };
        assert_eq!(decide(&signals, &listed()).allowed, Permission::ALL, "{clear}");
    }
}

#[test]
fn only_the_listed_sections_apply() {
    let opted_out = us(1, "111 11 00000000 0 222");
    let string = gpp(&[(7, "not read"), (9, &opted_out)]);
    let with = |gpp_sid| decide(&Signals { gpp: Some(&string), gpp_sid, ..Signals::default() }, &listed());
    contextual_only(&with(&[9]), Denial::Us(9, UsReason::OptedOut));
    contextual_only(&with(&[7]), Denial::SectionUndecodable(7, DecodeError::Alphabet));
    contextual_only(&with(&[8]), Denial::SectionMissing(8));
    contextual_only(&with(&[5]), Denial::SectionMissing(5));
    for none in [&[-1][..], &[0], &[3, 4]] {
        assert_eq!(with(none).allowed, Permission::ALL, "{none:?}");
    }
    let canada = gpp(&[(5, "COvFyGB")]);
    let signals = Signals { gpp: Some(&canada), gpp_sid: &[5], ..Signals::default() };
    contextual_only(&decide(&signals, &listed()), Denial::SectionUnsupported(5));
}

#[test]
fn an_unlisted_string_applies_as_the_operator_says() {
    let string = gpp(&[(9, &us(1, "111 11 00000000 0 222"))]);
    for (text, denial) in [
        (string.as_str(), Denial::Us(9, UsReason::OptedOut)),
        ("rubbish", Denial::GppUndecodable(DecodeError::Value)),
    ] {
        let signals = Signals { gpp: Some(text), ..Signals::default() };
        contextual_only(&decide(&signals, &listed()), denial);
        let ignoring = Policy { gpp_without_sid: GppWithoutSid::Ignore, ..listed() };
        assert_eq!(decide(&signals, &ignoring).allowed, Permission::ALL);
    }
}
