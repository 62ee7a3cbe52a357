//! What one request may be at most. The caller bounds the body itself before it reads one.

/// Bounds of one request. What is over a bound is refused or left out as each says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Impressions read; the rest are left out and noted.
    pub imps: usize,
    /// Nesting of objects and lists, read or skipped; at most 128. Deeper requests are refused.
    pub depth: usize,
    /// Elements of one list of strings or numbers. Longer ones are refused: half a block list would let blocked
    /// ads through.
    pub list: usize,
    /// Objects of a request, so that `[{},{},...` cannot turn a small body into much memory. More are refused.
    pub objects: usize,
    /// Bytes of one string. Longer ones are taken as absent and noted; a block list with one counts as unreadable.
    pub string: usize,
    /// Notes kept, and dropped impressions kept; further ones are not recorded.
    pub notes: usize,
}

impl Default for Limits {
    /// 64 impressions and 32 levels; the others leave room above anything exchanges send.
    fn default() -> Self {
        Self { imps: 64, depth: 32, list: 16_384, objects: 8_192, string: 64 * 1024, notes: 32 }
    }
}
