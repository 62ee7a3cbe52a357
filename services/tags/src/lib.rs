//! The tags role: what is known of a user.
