//! What an operator may decide about consent. Everything else is law or specification and stands in the table.

use serde::{Deserialize, Deserializer, Serialize};

use crate::Purposes;

/// The operator's settings. The default is the strict reading of every signal, for a buyer without a place on the
/// Global Vendor List.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Our id on IAB Europe's Global Vendor List. Without one nobody can have consented to us, so that under GDPR
    /// only contextual bids are made. Default: none.
    pub vendor_id: Option<u16>,
    /// Whether GDPR applies when the request does not say. Default: [`GdprWhenAbsent::BySigns`].
    pub gdpr_when_absent: GdprWhenAbsent,
    /// Purposes that our Global Vendor List entry rests on legitimate interest; all others rest on consent. Only 2
    /// and 7 to 11 can be. Default: none.
    #[serde(deserialize_with = "may_rest_on_legitimate_interest")]
    pub legitimate_interest: Purposes,
    /// Purposes that our entry declares flexible: a publisher's restriction may switch their basis between consent
    /// and legitimate interest. For a purpose that is not flexible, a restriction to the other basis forbids it.
    /// Default: none.
    #[serde(deserialize_with = "may_rest_on_legitimate_interest")]
    pub flexible: Purposes,
    /// Whether GDPR's contextual bids need purpose 2 ("use limited data to select advertising"). Without it they
    /// are made on the page, the app and the coarse place alone, without any use of the user's id. Default: false.
    pub contextual_needs_purpose_2: bool,
    /// Whether `PurposeOneTreatment` (purpose 1 was not disclosed, because the publisher's country asks for no
    /// consent to storage) stands for consent to purpose 1. No country of the EEA is of that kind since Germany's
    /// TTDSG of December 2021. Default: false.
    pub honour_purpose_one_treatment: bool,
    /// Which GPP sections apply when `gpp_sid` is absent. Default: [`GppWithoutSid::EverySection`].
    pub gpp_without_sid: GppWithoutSid,
    /// Whether a user who opted out under US law is still counted for frequency caps. State laws leave counting
    /// reach and frequency out of "targeted advertising" (Virginia Code 59.1-575, and alike elsewhere), but an
    /// opt-out of sale needs a contract as service provider with the seller. Default: false.
    pub frequency_after_us_opt_out: bool,
    /// Whether a user whose device limits ad tracking is still counted for frequency caps, which the guidelines of
    /// the device makers allowed. Default: false.
    pub frequency_with_lmt: bool,
    /// Whether `device.dnt` is not looked at: browsers have given it up, and nothing obliges to honour it.
    /// Default: false, it is honoured.
    pub ignore_dnt: bool,
}

/// Whether GDPR applies to a request without `regs.gdpr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GdprWhenAbsent {
    /// It does where there is a sign of it: a TC string, or a device in the EEA or the United Kingdom.
    #[default]
    BySigns,
    /// It always does.
    Applies,
    /// It never does.
    DoesNotApply,
}

/// Which sections of a GPP string apply when the request does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GppWithoutSid {
    /// All that its header lists, but TCF EU not against an explicit `gdpr=0`.
    #[default]
    EverySection,
    /// None: the string is not read.
    Ignore,
}

/// A switch of [`Policy`] that opens or closes a cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// [`Policy::contextual_needs_purpose_2`].
    ContextualNeedsPurpose2,
    /// [`Policy::frequency_after_us_opt_out`].
    FrequencyAfterUsOptOut,
    /// [`Policy::frequency_with_lmt`].
    FrequencyWithLmt,
}

impl Policy {
    /// Whether the switch is on.
    pub fn is_set(&self, setting: Setting) -> bool {
        match setting {
            Setting::ContextualNeedsPurpose2 => self.contextual_needs_purpose_2,
            Setting::FrequencyAfterUsOptOut => self.frequency_after_us_opt_out,
            Setting::FrequencyWithLmt => self.frequency_with_lmt,
        }
    }

    /// The vendor id; 0 is nobody's.
    pub(crate) fn vendor(&self) -> Option<u16> {
        self.vendor_id.filter(|id| *id != 0)
    }
}

fn may_rest_on_legitimate_interest<'de, D: Deserializer<'de>>(from: D) -> Result<Purposes, D::Error> {
    let purposes = Purposes::deserialize(from)?;
    match purposes.without(Purposes::LEGITIMATE_INTEREST).iter().next() {
        Some(number) => Err(serde::de::Error::custom(format!(
            "TCF purpose {number} cannot rest on legitimate interest: use 2 and 7 to 11 only"
        ))),
        None => Ok(purposes),
    }
}
