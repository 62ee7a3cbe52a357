//! Which trace a request belongs to, as W3C Trace Context says it (<https://www.w3.org/TR/trace-context/>).

use std::fmt;

/// The header that carries it, over HTTP and gRPC.
pub const TRACEPARENT: &str = "traceparent";

/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// A span of a trace that is recorded: the one that whatever comes next is a part of. Written as the `traceparent` of a
/// sampled request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace, in all processes that it passes through. Never all zeros.
    pub trace: [u8; 16],
    /// The span in it. Never all zeros.
    pub span: [u8; 8],
}

/// What a caller's `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The caller's span.
    pub context: TraceContext,
    /// Whether the caller records it.
    pub sampled: bool,
}

impl Traceparent {
    /// Reads a header; none when it is not one, and then it is to be ignored (section 3.2.2.5 of the specification). Of a later
    /// version than 00 what it has in common with that is read.
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (head, rest) = header.split_at_checked(LENGTH)?;
        let mut parts = head.split(|byte| *byte == b'-');
        let [version] = hex(parts.next()?)?;
        let context = TraceContext { trace: hex(parts.next()?)?, span: hex(parts.next()?)? };
        let [flags] = hex(parts.next()?)?;
        let ends = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let is_one = ends && context.trace != [0; 16] && context.span != [0; 8];
        is_one.then_some(Self { context, sampled: flags & 1 == 1 })
    }
}

/// As many bytes as fit, of exactly as many lower-case digits.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-01")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_specifications_example_is_read_and_written() {
        let read = Traceparent::parse(EXAMPLE.as_bytes()).unwrap();
        assert!(read.sampled);
        assert_eq!(read.context.trace[..2], [0x4b, 0xf9]);
        assert_eq!(read.context.span[7], 0xb7);
        assert_eq!(read.context.to_string(), EXAMPLE);
        let other = EXAMPLE.replace("-01", "-02");
        assert!(!Traceparent::parse(other.as_bytes()).unwrap().sampled, "only the last bit says so");
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        assert!(Traceparent::parse(later.as_bytes()).is_some());
        assert!(Traceparent::parse(format!("{later}-what-the-future-brings").as_bytes()).is_some());
        assert!(Traceparent::parse(format!("{later}.what").as_bytes()).is_none());
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        let zeros = |from: usize, to: usize| {
            let mut text = EXAMPLE.to_owned();
            text.replace_range(from..to, &"0".repeat(to - from));
            text
        };
        for bad in [
            String::new(),
            "00".into(),
            EXAMPLE[..54].into(),
            format!("{EXAMPLE}-"),
            EXAMPLE.replacen("00", "ff", 1),
            EXAMPLE.replace('f', "F"),
            EXAMPLE.replace("4bf9", "4bg9"),
            EXAMPLE.replace("-00f0", "_00f0"),
            zeros(3, 35),
            zeros(36, 52),
            "ä".repeat(40),
        ] {
            assert_eq!(Traceparent::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
