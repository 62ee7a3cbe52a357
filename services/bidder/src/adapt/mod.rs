//! From an OpenRTB request to what targeting reads: values normalised, names of devices and browsers put into our
//! words. Strings are borrowed from the request or put into its arena.

mod agent;
mod device;
mod hour;
mod imp;
mod place;
#[cfg(test)]
mod tests;
mod zones;

use bumpalo::Bump;
use tagbid_openrtb::Request;
use tagbid_targeting::{Attributes, Collector, Dimension};
use tagbid_types::{ExchangeName, Timestamp};

pub(crate) use hour::prepare;
pub(crate) use imp::with_imp;

/// Collects the request's own attributes; tags and the impression's dimensions are set later.
pub(crate) fn attributes<'a>(
    request: &Request<'a>,
    exchange: &'a ExchangeName,
    now: Timestamp,
    arena: &'a Bump,
) -> Attributes<'a> {
    let mut to = Attributes::default();
    let mut values = Collector::new(arena);
    values.push(Dimension::Exchange, exchange.as_str());
    device::collect(request, now, &mut values, &mut to, arena);
    place::collect(request, &mut values, arena);
    values.finish(&mut to);
    to
}

/// Adds a value where there is one.
fn add<'a>(values: &mut Collector<'a>, dimension: Dimension, value: Option<&'a str>) {
    if let Some(value) = value {
        values.add(dimension, value);
    }
}

/// Adds what is said of a device or a place, unless it says that nothing is known.
fn add_word<'a>(values: &mut Collector<'a>, dimension: Dimension, value: Option<&'a str>) {
    add(values, dimension, value.filter(|text| says_something(text)));
}

/// What SDKs write for want of an answer is none: it is absent.
fn says_something(text: &str) -> bool {
    const NOTHING: [&str; 6] = ["unknown", "null", "(null)", "undefined", "n/a", "-"];
    let text = text.trim();
    !NOTHING.iter().any(|nothing| text.eq_ignore_ascii_case(nothing))
}

/// Adds a value in its normal form where there is one.
fn push<'a>(values: &mut Collector<'a>, dimension: Dimension, value: Option<&'a str>) {
    if let Some(value) = value {
        values.push(dimension, value);
    }
}
