//! Consent: what may be done for the user, decided once and before anything is looked up.

use tagbid_consent::{Decision, Policy, Signals, decide};
use tagbid_openrtb::Request;

/// Reads the request's privacy signals. A `gdpr` that is neither 0 nor 1 is taken for 1.
pub(crate) fn consent(request: &Request<'_>, policy: &Policy) -> Decision {
    let regs = request.regs;
    let places = [request.device.and_then(|d| d.geo), request.user.and_then(|u| u.geo)];
    let signals = Signals {
        gdpr: regs.and_then(|r| r.gdpr).map(|gdpr| gdpr != 0),
        tcf: request.user.and_then(|u| u.consent),
        gpp: regs.and_then(|r| r.gpp),
        gpp_sid: regs.map(|r| r.gpp_sid).unwrap_or_default(),
        us_privacy: regs.and_then(|r| r.us_privacy),
        countries: places.map(|geo| geo.and_then(|geo| geo.country)),
        coppa: regs.and_then(|r| r.coppa).unwrap_or(false),
        lmt: request.device.and_then(|d| d.lmt).unwrap_or(false),
        dnt: request.device.and_then(|d| d.dnt).unwrap_or(false),
    };
    decide(&signals, policy)
}
