//! From the signals of a request to what is allowed.

use tagbid_types::{Permission, Use};

use crate::gpp::{Gpp, SECTION_TCF_EU, SECTION_US_PRIVACY};
use crate::jurisdiction::is_under_gdpr;
use crate::table::{Need, Signal, needs};
use crate::tcf::TcString;
use crate::us::{UsChoices, is_us_section, read_section, read_us_privacy};
use crate::{DecodeError, Denial, GdprWhenAbsent, GppWithoutSid, Policy, Purposes, UsReason};

/// The privacy signals of a bid request. An empty string counts as absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals<'a> {
    /// `regs.gdpr` (2.5: `regs.ext.gdpr`).
    pub gdpr: Option<bool>,
    /// `user.consent` (2.5: `user.ext.consent`): a TC string.
    pub tcf: Option<&'a str>,
    /// `regs.gpp`.
    pub gpp: Option<&'a str>,
    /// `regs.gpp_sid`: the sections of the GPP string that apply. 0 and below stand for "none" and "unknown".
    pub gpp_sid: &'a [i32],
    /// `regs.us_privacy` (2.5: `regs.ext.us_privacy`).
    pub us_privacy: Option<&'a str>,
    /// `device.geo.country` and `user.geo.country`, alpha-3 or alpha-2: looked at only where `gdpr` is absent. The law
    /// applies if it applies in either.
    pub countries: [Option<&'a str>; 2],
    /// `regs.coppa`.
    pub coppa: bool,
    /// `device.lmt`.
    pub lmt: bool,
    /// `device.dnt`.
    pub dnt: bool,
}

/// What is allowed, and what denied the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The uses that every signal allows.
    pub allowed: Permission,
    /// For each use in the order of [`Use::ALL`], the first denial; none where it is allowed.
    pub why: [Option<Denial>; Use::ALL.len()],
}

impl Decision {
    /// What denied `one`; none where it is allowed.
    pub fn denial(&self, one: Use) -> Option<Denial> {
        let mut answers = Use::ALL.iter().zip(self.why);
        answers.find_map(|(listed, denial)| if *listed == one { denial } else { None })
    }
}

/// What the signals allow under the policy. See [`TABLE`](crate::TABLE) for the rules.
pub fn decide(signals: &Signals<'_>, policy: &Policy) -> Decision {
    let mut ballot = Ballot { policy, why: [None; Use::ALL.len()] };
    if signals.coppa {
        ballot.raise(Signal::Coppa, Denial::Coppa);
    }
    let gpp = Sections::of(signals, policy);
    gdpr(signals, &gpp, &mut ballot);
    us(signals, &gpp, &mut ballot);
    if signals.lmt {
        ballot.raise(Signal::Lmt, Denial::Lmt);
    }
    if signals.dnt && !policy.ignore_dnt {
        ballot.raise(Signal::Dnt, Denial::Dnt);
    }
    ballot.count()
}

/// Gathers the denials; the first of each use is kept.
struct Ballot<'p> {
    policy: &'p Policy,
    why: [Option<Denial>; Use::ALL.len()],
}

impl Ballot<'_> {
    /// A signal that says no by itself: `denial` goes to each use that needs more than nothing.
    fn raise(&mut self, signal: Signal, denial: Denial) {
        self.consult(signal, |_| Some(denial));
    }

    /// A signal that says no purpose by purpose.
    fn consult(&mut self, signal: Signal, refusal: impl Fn(Purposes) -> Option<Denial>) {
        for (need, why) in needs(signal).into_iter().zip(&mut self.why) {
            let denial = match need {
                Need::Nothing => None,
                Need::Silence => refusal(Purposes::NONE),
                Need::Setting(setting) if self.policy.is_set(setting) => None,
                Need::Setting(_) => refusal(Purposes::NONE),
                Need::Purposes(purposes) => refusal(purposes),
                Need::PurposesIf(setting, purposes) if self.policy.is_set(setting) => refusal(purposes),
                Need::PurposesIf(..) => None,
            };
            *why = why.or(denial);
        }
    }

    fn count(self) -> Decision {
        let open = Use::ALL.into_iter().zip(self.why).filter(|(_, why)| why.is_none());
        Decision {
            allowed: open.fold(Permission::NONE, |allowed, (one, _)| allowed.with(one)),
            why: self.why,
        }
    }
}

/// The GPP string and which of its sections apply.
struct Sections<'a> {
    string: Option<Result<Gpp<'a>, DecodeError>>,
    /// The request's own list; none where it has none and the header's sections stand in for it.
    listed: Option<&'a [i32]>,
}

impl<'a> Sections<'a> {
    fn of(signals: &Signals<'a>, policy: &Policy) -> Self {
        let unlisted = signals.gpp_sid.is_empty();
        let ignored = unlisted && policy.gpp_without_sid == GppWithoutSid::Ignore;
        Self {
            string: present(signals.gpp).filter(|_| !ignored).map(Gpp::read),
            listed: (!unlisted).then_some(signals.gpp_sid),
        }
    }

    /// Whether the request itself says that `id` applies.
    fn lists(&self, id: u8) -> bool {
        self.listed.is_some_and(|ids| ids.contains(&i32::from(id)))
    }

    /// The text of a section that applies.
    fn text(&self, id: i32) -> Result<&'a str, Denial> {
        match &self.string {
            Some(Ok(gpp)) => gpp.section(id).ok_or(Denial::SectionMissing(id)),
            Some(Err(error)) => Err(Denial::GppUndecodable(*error)),
            None => Err(Denial::SectionMissing(id)),
        }
    }

    /// Calls `visit` with each section that applies. The header (3) and signal integrity (4) are no sections of a
    /// law; 0 and below are words for "none".
    fn each(&self, mut visit: impl FnMut(i32)) {
        // A hostile list that repeats one section must not have it read each time. Ids from 63 share a bit: none of
        // them is known, and one denial says as much as many.
        let mut seen = 0u64;
        let mut once = |id: i32| {
            let bit = 1 << id.clamp(0, 63);
            if id > 0 && !matches!(id, 3 | 4) && seen & bit == 0 {
                seen |= bit;
                visit(id);
            }
        };
        match (self.listed, &self.string) {
            (Some(ids), _) => ids.iter().for_each(|id| once(*id)),
            (None, Some(Ok(gpp))) => gpp.sections().for_each(|(id, _)| once(id)),
            (None, _) => {}
        }
    }
}

fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// GDPR. A TC string may come in `user.consent` and in the GPP string; where both do, both must agree.
fn gdpr(signals: &Signals<'_>, gpp: &Sections<'_>, ballot: &mut Ballot<'_>) {
    let own = present(signals.tcf);
    let listed = gpp.lists(SECTION_TCF_EU);
    let sectioned = gpp.text(i32::from(SECTION_TCF_EU));
    let unlisted = gpp.listed.is_none() && sectioned.is_ok();
    let applies = listed
        || signals.gdpr.unwrap_or(match ballot.policy.gdpr_when_absent {
            GdprWhenAbsent::Applies => true,
            GdprWhenAbsent::DoesNotApply => false,
            GdprWhenAbsent::BySigns => {
                own.is_some() || unlisted || signals.countries.into_iter().flatten().any(is_under_gdpr)
            }
        });
    if !applies {
        return;
    }
    let mut read = false;
    if let Some(text) = own {
        tc_string(text, ballot);
        read = true;
    }
    match sectioned {
        Ok(text) if listed || unlisted => {
            tc_string(text, ballot);
            read = true;
        }
        Err(denial @ Denial::GppUndecodable(_)) if listed => ballot.raise(Signal::Gdpr, denial),
        _ => {}
    }
    if !read {
        ballot.raise(Signal::Gdpr, Denial::TcStringMissing);
    }
}

fn tc_string(text: &str, ballot: &mut Ballot<'_>) {
    let policy = ballot.policy;
    let Some(vendor) = policy.vendor() else {
        return ballot.raise(Signal::Gdpr, Denial::NoVendorId);
    };
    match TcString::read(text, vendor) {
        Err(error) => ballot.raise(Signal::Gdpr, Denial::TcStringUndecodable(error)),
        Ok(string) if string.lacks_disclosure() => ballot.raise(Signal::Gdpr, Denial::DisclosureMissing),
        Ok(string) if string.vendor.disclosed == Some(false) => {
            ballot.raise(Signal::Gdpr, Denial::NotDisclosed)
        }
        Ok(string) => ballot.consult(Signal::Gdpr, |purposes| {
            purposes.iter().find_map(|purpose| refusal(&string, policy, purpose))
        }),
    }
}

/// What keeps us from `purpose`, if anything.
///
/// The basis is the one that our vendor list entry declares. A publisher's restriction to the other basis moves a
/// flexible purpose and forbids any other; restrictions to both forbid.
fn refusal(string: &TcString, policy: &Policy, purpose: u8) -> Option<Denial> {
    let vendor = &string.vendor;
    let declared = policy.legitimate_interest.and(Purposes::LEGITIMATE_INTEREST);
    let by_interest = declared.has(purpose);
    let flexible = policy.flexible.and(Purposes::LEGITIMATE_INTEREST).has(purpose);
    let (consent_only, interest_only) =
        (vendor.require_consent.has(purpose), vendor.require_legitimate_interest.has(purpose));
    let moved = if by_interest { consent_only } else { interest_only };
    if vendor.forbidden.has(purpose) || (consent_only && interest_only) || (moved && !flexible) {
        return Some(Denial::Restricted(purpose));
    }
    let granted = if by_interest != moved {
        vendor.legitimate_interest && string.legitimate_interest.has(purpose)
    } else {
        let undisclosed = purpose == 1 && string.purpose_one_treatment && policy.honour_purpose_one_treatment;
        vendor.consent && (string.consent.has(purpose) || undisclosed)
    };
    (!granted).then_some(Denial::Purpose(purpose))
}

/// US laws, and whatever else a GPP string brings.
fn us(signals: &Signals<'_>, gpp: &Sections<'_>, ballot: &mut Ballot<'_>) {
    if let Some(text) = present(signals.us_privacy) {
        us_choices(SECTION_US_PRIVACY, read_us_privacy(text), ballot);
    }
    if let (None, Some(Err(error))) = (gpp.listed, &gpp.string) {
        ballot.raise(Signal::Unreadable, Denial::GppUndecodable(*error));
    }
    gpp.each(|id| match (u8::try_from(id), gpp.text(id)) {
        // `gdpr` has seen to it.
        (Ok(SECTION_TCF_EU), _) => {}
        (_, Err(denial)) => ballot.raise(Signal::Unreadable, denial),
        (Ok(SECTION_US_PRIVACY), Ok(text)) => us_choices(SECTION_US_PRIVACY, read_us_privacy(text), ballot),
        (Ok(section), Ok(text)) if is_us_section(id) => {
            us_choices(section, read_section(section, text), ballot)
        }
        _ => ballot.raise(Signal::Unreadable, Denial::SectionUnsupported(id)),
    });
}

fn us_choices(section: u8, read: Result<UsChoices, DecodeError>, ballot: &mut Ballot<'_>) {
    match read {
        Ok(choices) => {
            if choices.known_child {
                ballot.raise(Signal::KnownChild, Denial::Us(section, UsReason::KnownChild));
            }
            if let Some(reason) = choices.opt_out() {
                ballot.raise(Signal::UsOptOut, Denial::Us(section, reason));
            }
        }
        Err(error) => ballot.raise(Signal::Unreadable, Denial::SectionUndecodable(section, error)),
    }
}
