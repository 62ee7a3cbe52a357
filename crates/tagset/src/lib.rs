//! A user's tags and counts as compact blobs; user keys.
