//! Lists. One value where a list belongs is a list of one. A string, there or as an element, is separated by commas: no
//! code, domain or seat has one, and a block list must not block less for how it was put together.

use bumpalo::collections::Vec;

use super::field::{Field, Scalar, json_scalar, json_value, proto_scalar};
use crate::NoteKind;
use crate::error::Fail;
use crate::json::{self, Token};
use crate::proto::{self, Wire};
use crate::reading::Reading;

/// A list while it is being read.
pub(super) type Growing<'a, T> = Vec<'a, T>;

/// What a list can hold.
pub(crate) trait Element<'a>: Copy {
    /// Takes one JSON value and appends what it holds.
    fn json(list: &mut Growing<'a, Self>, r: &mut json::Reader<'a, '_>) -> Result<(), Fail>;

    /// Takes the JSON value that stands where the list belongs.
    fn json_alone(list: &mut Growing<'a, Self>, r: &mut json::Reader<'a, '_>) -> Result<(), Fail>;

    /// Appends what one protobuf value holds: several elements when it is packed.
    fn proto(list: &mut Growing<'a, Self>, wire: Wire<'a>, r: &mut proto::Reader<'a, '_>)
    -> Result<(), Fail>;
}

impl<'a, T: Element<'a>> Field<'a> for &'a [T] {
    fn json(&mut self, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
        let mut list = Vec::new_in(r.reading.arena);
        if r.peek() == b'[' {
            r.open()?;
            let mut first = true;
            while r.next_element(first)? {
                T::json(&mut list, r)?;
                first = false;
            }
        } else {
            T::json_alone(&mut list, r)?;
        }
        *self = list.into_bump_slice();
        Ok(())
    }

    fn proto(&mut self, number: u32, wire: Wire<'a>, r: &mut proto::Reader<'a, '_>) -> Result<(), Fail> {
        let mut list = Vec::new_in(r.reading.arena);
        if !self.is_empty() {
            r.reading.copy(self.len())?;
            list.extend_from_slice_copy(self);
        }
        T::proto(&mut list, wire, r)?;
        while let Some(wire) = r.next_if(number)? {
            T::proto(&mut list, wire, r)?;
        }
        *self = list.into_bump_slice();
        Ok(())
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// Appends a scalar. Lists of scalars are refused when too long: half a block list lets blocked ads through.
fn push<'a, T>(list: &mut Growing<'a, T>, value: T, reading: &Reading<'a>) -> Result<(), Fail> {
    if list.len() >= reading.limits.list {
        return Err(reading.too_many(reading.limits.list, "elements"));
    }
    list.push(value);
    Ok(())
}

/// Takes one JSON value of a list of scalars. A list inside the list is not flattened: no exchange means it.
fn one<'a, T: Scalar<'a>>(list: &mut Growing<'a, T>, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
    if r.peek() == b'[' {
        r.reading.note(NoteKind::WrongType);
        return r.skip();
    }
    if r.peek() == b'"' {
        let text = json_scalar(r)?.unwrap_or_default();
        return parts(list, text, r.reading);
    }
    match json_value(r, T::from_element)? {
        Some(value) => push(list, value, r.reading),
        None => Ok(()),
    }
}

/// Appends what a string holds.
fn parts<'a, T: Scalar<'a>>(
    list: &mut Growing<'a, T>,
    text: &'a str,
    reading: &mut Reading<'a>,
) -> Result<(), Fail> {
    for part in text.split(',').map(str::trim) {
        match T::from_token(Token::Text(Some(part))) {
            Ok(Some(value)) => push(list, value, reading)?,
            Ok(None) => {}
            Err(kind) => reading.note(kind),
        }
    }
    Ok(())
}

impl<'a> Element<'a> for &'a str {
    fn json(list: &mut Growing<'a, Self>, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
        one(list, r)
    }

    fn json_alone(list: &mut Growing<'a, Self>, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
        one(list, r)
    }

    fn proto(
        list: &mut Growing<'a, Self>,
        wire: Wire<'a>,
        r: &mut proto::Reader<'a, '_>,
    ) -> Result<(), Fail> {
        match proto_scalar(wire, r) {
            Some(text) => parts(list, text, r.reading),
            None => Ok(()),
        }
    }
}

impl<'a> Element<'a> for i32 {
    fn json(list: &mut Growing<'a, Self>, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
        one(list, r)
    }

    fn json_alone(list: &mut Growing<'a, Self>, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
        one(list, r)
    }

    /// Packed or one by one: readers must take both, whatever the file says.
    fn proto(
        list: &mut Growing<'a, Self>,
        wire: Wire<'a>,
        r: &mut proto::Reader<'a, '_>,
    ) -> Result<(), Fail> {
        let Wire::Bytes(packed) = wire else {
            return match proto_scalar(wire, r) {
                Some(value) => push(list, value, r.reading),
                None => Ok(()),
            };
        };
        let mut packed = proto::Reader::new(packed, r.reading);
        while !packed.at_end() {
            let value = packed.varint()? as i32;
            push(list, value, packed.reading)?;
        }
        Ok(())
    }
}
