//! The rows that need no string to be read, and what the rows have in common.

use tagbid_consent::{
    Decision, DecodeError, Denial, Need, Policy, Purposes, Signal, Signals, TABLE, UsReason, decide,
};
use tagbid_types::{Permission, Use};

use crate::encoder::Tc;

const OURS: u16 = 755;
pub(crate) const VENDOR: u32 = OURS as u32;

pub(crate) fn listed() -> Policy {
    Policy { vendor_id: Some(OURS), ..Policy::default() }
}

pub(crate) fn under_gdpr(tcf: &str) -> Signals<'_> {
    Signals { gdpr: Some(true), tcf: Some(tcf), ..Signals::default() }
}

pub(crate) fn names(decision: &Decision) -> Vec<&'static str> {
    let allowed = Use::ALL.into_iter().filter(|one| decision.allowed.allows(*one));
    allowed.map(Use::as_str).collect()
}

pub(crate) fn contextual_only(decision: &Decision, why: Denial) {
    assert_eq!(names(decision), ["contextual_bid"]);
    assert_eq!(decision.why, [None, Some(why), Some(why), Some(why), Some(why)]);
}

#[test]
fn the_table_has_one_row_for_each_signal_and_leaves_contextual_bids_open() {
    use Signal::{Coppa, Dnt, Gdpr, KnownChild, Lmt, Unreadable, UsOptOut};
    let rows: Vec<Signal> = TABLE.iter().map(|row| row.signal).collect();
    assert_eq!(rows, [Gdpr, UsOptOut, KnownChild, Coppa, Lmt, Dnt, Unreadable]);
    for row in &TABLE {
        let [contextual, user_data @ ..] = row.needs;
        assert!(matches!(contextual, Need::Nothing | Need::PurposesIf(..)), "{:?}", row.signal);
        assert!(!user_data.contains(&Need::Nothing), "{:?} must not leave user data free", row.signal);
    }
}

#[test]
fn without_any_signal_everything_is_allowed() {
    let decision = decide(&Signals::default(), &Policy::default());
    assert_eq!(decision.allowed, Permission::ALL);
    assert_eq!(decision.why, [None; 5]);
    let empty = Signals { tcf: Some(""), gpp: Some(""), us_privacy: Some(""), ..Signals::default() };
    assert_eq!(decide(&empty, &Policy::default()), decision, "empty strings are absent");
}

#[test]
fn coppa_lmt_and_dnt_leave_context_alone() {
    let base = Signals::default();
    for (signals, denial) in [
        (Signals { coppa: true, ..base }, Denial::Coppa),
        (Signals { lmt: true, ..base }, Denial::Lmt),
        (Signals { dnt: true, ..base }, Denial::Dnt),
    ] {
        contextual_only(&decide(&signals, &listed()), denial);
    }
    let lmt = Policy { frequency_with_lmt: true, ..listed() };
    let limited = decide(&Signals { lmt: true, ..base }, &lmt);
    assert_eq!(names(&limited), ["contextual_bid", "frequency"]);
    let dnt = Policy { ignore_dnt: true, ..listed() };
    assert_eq!(decide(&Signals { dnt: true, ..base }, &dnt).allowed, Permission::ALL);
}

#[test]
fn consent_does_not_outweigh_an_opt_out() {
    let yes = Tc::consenting(&[1, 2, 3, 4, 7], &[VENDOR]).text();
    let signals = Signals { lmt: true, us_privacy: Some("1YYN"), ..under_gdpr(&yes) };
    contextual_only(&decide(&signals, &listed()), Denial::Us(6, UsReason::OptedOut));
}

#[test]
fn a_policy_is_read_from_configuration() {
    fn read(text: &str) -> serde_json::Result<Policy> {
        serde_json::from_str(text)
    }
    assert_eq!(read("{}").unwrap(), Policy::default());
    let policy =
        read(r#"{"vendor_id": 755, "legitimate_interest": [2, 7], "gdpr_when_absent": "applies"}"#).unwrap();
    assert_eq!(policy.legitimate_interest, Purposes::of(&[2, 7]));
    assert_eq!(read(&serde_json::to_string(&policy).unwrap()).unwrap(), policy);
    for (bad, said) in [
        (r#"{"legitimate_interest": [3]}"#, "TCF purpose 3 cannot rest on legitimate interest"),
        (r#"{"flexible": [25]}"#, "25 is no TCF purpose: use numbers from 1 to 24"),
        (r#"{"vendor": 1}"#, "unknown field `vendor`"),
    ] {
        let error = read(bad).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_denial_explains_itself() {
    let cases = [
        (
            Denial::TcStringUndecodable(DecodeError::Version(1)),
            "the TC string has version 1, which is not supported",
        ),
        (Denial::Us(8, UsReason::Gpc), "GPP section 8: Global Privacy Control is on"),
        (Denial::SectionUndecodable(9, DecodeError::Truncated), "GPP section 9 ends before its last field"),
    ];
    for (denial, text) in cases {
        assert_eq!(denial.to_string(), text);
    }
    assert_eq!(Denial::Us(8, UsReason::Gpc).as_str(), "us_gpc");
}
