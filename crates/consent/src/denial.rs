//! Why a use was denied.

use thiserror::Error;

use crate::DecodeError;

/// Which signal denied a use, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Denial {
    /// GDPR applies and the request has no TC string.
    #[error("GDPR applies and there is no TC string")]
    TcStringMissing,
    /// GDPR applies and the TC string cannot be read.
    #[error("the TC string {0}")]
    TcStringUndecodable(DecodeError),
    /// GDPR applies and [`vendor_id`](crate::Policy::vendor_id) is not configured.
    #[error("GDPR applies and no vendor id is configured")]
    NoVendorId,
    /// The TC string is of March 2026 or later and lacks the disclosed vendors that TCF 2.3 requires.
    #[error("the TC string lacks the disclosed vendors that TCF 2.3 requires")]
    DisclosureMissing,
    /// Our vendor id is not among the disclosed vendors.
    #[error("we were not disclosed to the user")]
    NotDisclosed,
    /// The user did not consent to this purpose, or objected to it, for us.
    #[error("no consent to TCF purpose {0}")]
    Purpose(u8),
    /// The publisher restricts this purpose for us.
    #[error("the publisher restricts TCF purpose {0}")]
    Restricted(u8),
    /// A GPP string is needed and cannot be read.
    #[error("the GPP string {0}")]
    GppUndecodable(DecodeError),
    /// `gpp_sid` names this section and the GPP string does not hold it.
    #[error("GPP section {0} applies and is missing")]
    SectionMissing(i32),
    /// This section applies and we know no way to read it.
    #[error("GPP section {0} applies and is not supported")]
    SectionUnsupported(i32),
    /// This section applies and cannot be read. `us_privacy` counts as section 6.
    #[error("GPP section {0} {1}")]
    SectionUndecodable(u8, DecodeError),
    /// A US choice, in this GPP section. `us_privacy` counts as section 6.
    #[error("GPP section {0}: {1}")]
    Us(u8, UsReason),
    /// The user is a child by `regs.coppa`.
    #[error("COPPA applies")]
    Coppa,
    /// The device limits ad tracking.
    #[error("the device limits ad tracking")]
    Lmt,
    /// The browser asks not to be tracked.
    #[error("the browser asks not to be tracked")]
    Dnt,
}

/// What a US privacy signal says against a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UsReason {
    /// Opted out of sale, sharing or targeted advertising.
    #[error("the user opted out")]
    OptedOut,
    /// The browser sends the Global Privacy Control.
    #[error("Global Privacy Control is on")]
    Gpc,
    /// The user was not told of the right to opt out, so that silence means nothing.
    #[error("the user was given no notice")]
    NoNotice,
    /// The transaction is in the MSPA's service provider mode: first-party advertising only.
    #[error("MSPA service provider mode is on")]
    ServiceProvider,
    /// A known child, for whom consent was not given.
    #[error("a known child without consent")]
    KnownChild,
}

impl Denial {
    /// The metric label and trace field: one of a bounded set.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TcStringMissing => "tc_string_missing",
            Self::TcStringUndecodable(_) => "tc_string_undecodable",
            Self::NoVendorId => "no_vendor_id",
            Self::DisclosureMissing => "disclosure_missing",
            Self::NotDisclosed => "not_disclosed",
            Self::Purpose(_) => "purpose",
            Self::Restricted(_) => "restricted",
            Self::GppUndecodable(_) => "gpp_undecodable",
            Self::SectionMissing(_) => "gpp_section_missing",
            Self::SectionUnsupported(_) => "gpp_section_unsupported",
            Self::SectionUndecodable(..) => "gpp_section_undecodable",
            Self::Us(_, UsReason::OptedOut) => "us_opted_out",
            Self::Us(_, UsReason::Gpc) => "us_gpc",
            Self::Us(_, UsReason::NoNotice) => "us_no_notice",
            Self::Us(_, UsReason::ServiceProvider) => "us_service_provider",
            Self::Us(_, UsReason::KnownChild) => "us_known_child",
            Self::Coppa => "coppa",
            Self::Lmt => "lmt",
            Self::Dnt => "dnt",
        }
    }
}
