//! The table of consent: what each use needs under each signal.

use tagbid_types::Use;

use crate::{Purposes, Setting};

/// A signal that takes uses away once it is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// GDPR applies: `regs.gdpr`, GPP section 2, or what the policy makes of their absence.
    Gdpr,
    /// An opt-out (of sale, sharing, targeted advertising), GPC, a notice not given, or MSPA service provider
    /// mode: GPP sections 7 to 27, `us_privacy`.
    UsOptOut,
    /// A known child whose data may not be processed: GPP sections 7 to 27.
    KnownChild,
    /// `regs.coppa`: the audience is under 13 (16 CFR 312).
    Coppa,
    /// `device.lmt`: the user limits ad tracking in the device's settings.
    Lmt,
    /// `device.dnt`: the browser asks not to be tracked.
    Dnt,
    /// A GPP string or section that applies and cannot be told: unreadable, missing, or of a framework that we
    /// have no layout for.
    Unreadable,
}

/// What a use needs while a signal is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it is allowed.
    Nothing,
    /// That the signal were not raised: it is denied.
    Silence,
    /// This setting of the operator.
    Setting(Setting),
    /// A legal basis for each of these TCF purposes, for our vendor id.
    Purposes(Purposes),
    /// The same where this setting is on; otherwise nothing.
    PurposesIf(Setting, Purposes),
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The signal that is raised.
    pub signal: Signal,
    /// What each use then needs, in the order of [`Use::ALL`].
    pub needs: [Need; Use::ALL.len()],
}

use Need::{Nothing, Silence};
use Signal::{Coppa, Dnt, Gdpr, KnownChild, Lmt, Unreadable, UsOptOut};

const CONTEXT: Need = Need::PurposesIf(Setting::ContextualNeedsPurpose2, Purposes::of(&[2]));
const US_COUNT: Need = Need::Setting(Setting::FrequencyAfterUsOptOut);
const LMT_COUNT: Need = Need::Setting(Setting::FrequencyWithLmt);

const fn tcf(purposes: &[u8]) -> Need {
    Need::Purposes(Purposes::of(purposes))
}

const fn row(signal: Signal, needs: [Need; Use::ALL.len()]) -> Row {
    Row { signal, needs }
}

/// Signal x use: what is needed. A use is allowed when it gets what it needs from every raised signal.
///
/// **GDPR** (IAB Europe TCF policies, appendix A):
/// - Every use of the user's id rests on *purpose 1*, storing and reading on the device, because that is where the
///   id comes from.
/// - *Contextual bid*: uses no id; TCF calls the use of limited data for it purpose 2, which an operator can ask for.
/// - *Tag lookup*: *purpose 4*, profiles used to select advertising, and *purpose 2* for the selection itself.
/// - *Frequency*: *purpose 2*, whose text names limiting how often an ad is shown.
/// - *Profile write*: *purpose 3*, making profiles for advertising.
/// - *User key in events*: *purpose 7*, measuring advertising.
///
/// **US opt-out** (state laws through GPP and the MSPA; CCPA through `us_privacy`): the laws leave contextual
/// advertising free, forbid profiles from other contexts, and leave frequency counts to the contract between the
/// parties, hence to the operator.
///
/// **Children** (COPPA, 16 CFR 312.2 "support for the internal operations"; known-child fields of GPP): contextual
/// advertising is allowed, a profile of a child is not; we keep no counts either.
///
/// **lmt, dnt** (OpenRTB 2.6, object Device): no tracking, that is no profile and no history under an id.
#[rustfmt::skip]
pub const TABLE: [Row; 7] = [
    //               contextual  tag lookup       frequency       profile write   user key in events
    row(Gdpr,       [CONTEXT,   tcf(&[1, 2, 4]), tcf(&[1, 2]),   tcf(&[1, 3]),   tcf(&[1, 7])]),
    row(UsOptOut,   [Nothing,   Silence,         US_COUNT,       Silence,        Silence]),
    row(KnownChild, [Nothing,   Silence,         Silence,        Silence,        Silence]),
    row(Coppa,      [Nothing,   Silence,         Silence,        Silence,        Silence]),
    row(Lmt,        [Nothing,   Silence,         LMT_COUNT,      Silence,        Silence]),
    row(Dnt,        [Nothing,   Silence,         Silence,        Silence,        Silence]),
    row(Unreadable, [Nothing,   Silence,         Silence,        Silence,        Silence]),
];

/// What each use needs while `signal` is raised.
pub(crate) fn needs(signal: Signal) -> [Need; Use::ALL.len()] {
    TABLE
        .iter()
        .find(|row| row.signal == signal)
        // A row was left out: then nothing is allowed. A test holds that none is.
        .map_or([Silence; Use::ALL.len()], |row| row.needs)
}
