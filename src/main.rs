//! tagbid.
fn main() {}
