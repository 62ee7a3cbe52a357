//! A user's tags and counts as compact blobs, and the keyed hash that stands for the user everywhere.

mod key;

pub use key::UserKey;
