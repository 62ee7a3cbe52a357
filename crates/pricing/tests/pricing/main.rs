//! What money does, told as stories, and what it never does, as properties.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so loudly")]

mod properties;
mod stories;
