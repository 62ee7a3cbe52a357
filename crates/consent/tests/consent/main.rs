//! The crate as its callers see it.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod encoder;
mod gdpr_rules;
mod gpp_strings;
mod hostile;
mod rules;
mod tc_strings;
mod us_rules;
mod us_sections;
