//! Scalars, read leniently.
//!
//! Numbers may come as strings, integers as floats (the fraction is cut off), flags as 0, 1, true, false or
//! their strings, strings as numbers or as lists (joined by commas); in lists of strings, flags as text. `null` and the empty string are absent.
//! Anything else is absent too, with a note.

use crate::NoteKind;
use crate::error::Fail;
use crate::json::{self, Token, in_text, to_f64, to_i64};
use crate::proto::{self, Wire};

/// A field of a message: reads its own value from either format.
pub(crate) trait Field<'a> {
    /// Takes one JSON value. A later value of the same member replaces an earlier one.
    fn json(&mut self, r: &mut json::Reader<'a, '_>) -> Result<(), Fail>;

    /// Takes the value of field `number`, and the rest of its run if it is a list.
    fn proto(&mut self, number: u32, wire: Wire<'a>, r: &mut proto::Reader<'a, '_>) -> Result<(), Fail>;

    /// Whether an older place may fill it. A plain value that equals its default counts as absent.
    fn is_absent(&self) -> bool;
}

/// What became of a value: had, absent, or not to be had.
pub(super) type Had<T> = Result<Option<T>, NoteKind>;

/// A value without members.
pub(super) trait Scalar<'a>: Copy {
    /// From JSON; never called with a null, list or object.
    fn from_token(token: Token<'a>) -> Had<Self>;

    /// From JSON as an element of a list; the same unless there is more to forgive.
    fn from_element(token: Token<'a>) -> Had<Self> {
        Self::from_token(token)
    }

    /// From protobuf.
    fn from_wire(wire: Wire<'a>, r: &mut proto::Reader<'a, '_>) -> Had<Self>;

    /// Takes a JSON list where this was expected.
    fn from_list(r: &mut json::Reader<'a, '_>) -> Result<Option<Self>, Fail> {
        r.reading.note(NoteKind::WrongType);
        r.skip().map(|()| None)
    }
}

/// Takes one JSON value as a scalar.
pub(super) fn json_scalar<'a, T: Scalar<'a>>(r: &mut json::Reader<'a, '_>) -> Result<Option<T>, Fail> {
    json_value(r, T::from_token)
}

/// The same with a reading of one's own for what is neither null, list nor object.
pub(super) fn json_value<'a, T: Scalar<'a>>(
    r: &mut json::Reader<'a, '_>,
    read: impl FnOnce(Token<'a>) -> Had<T>,
) -> Result<Option<T>, Fail> {
    match r.token()? {
        Token::Null => Ok(None),
        Token::List => T::from_list(r),
        Token::Object => {
            r.reading.note(NoteKind::WrongType);
            r.skip().map(|()| None)
        }
        token => Ok(read(token).unwrap_or_else(|kind| {
            r.reading.note(kind);
            None
        })),
    }
}

/// Takes one protobuf value as a scalar.
pub(super) fn proto_scalar<'a, T: Scalar<'a>>(wire: Wire<'a>, r: &mut proto::Reader<'a, '_>) -> Option<T> {
    T::from_wire(wire, r).unwrap_or_else(|kind| {
        r.reading.note(kind);
        None
    })
}

impl<'a> Scalar<'a> for &'a str {
    fn from_token(token: Token<'a>) -> Had<Self> {
        match token {
            Token::Text(text) => Ok(text.filter(|text| !text.is_empty())),
            Token::Number(number) => Ok(Some(number)),
            _ => Err(NoteKind::WrongType),
        }
    }

    /// A flag among strings is text: an entry of a block list must not make the list unreadable.
    fn from_element(token: Token<'a>) -> Had<Self> {
        match token {
            Token::Bool(flag) => Ok(Some(if flag { "true" } else { "false" })),
            token => Self::from_token(token),
        }
    }

    fn from_wire(wire: Wire<'a>, r: &mut proto::Reader<'a, '_>) -> Had<Self> {
        let Wire::Bytes(bytes) = wire else {
            return Err(NoteKind::WrongType);
        };
        if bytes.len() > r.reading.limits.string {
            return Err(NoteKind::TooLong);
        }
        let text = std::str::from_utf8(bytes).unwrap_or_else(|_| {
            r.reading.note(NoteKind::Utf8);
            r.reading.arena.alloc_str(&String::from_utf8_lossy(bytes))
        });
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// OpenRTB 2.2 allowed keywords as a list; 2.3 and later separate them by commas.
    fn from_list(r: &mut json::Reader<'a, '_>) -> Result<Option<Self>, Fail> {
        let mut list: &[&str] = &[];
        list.json(r)?;
        Ok((!list.is_empty()).then(|| &*r.reading.arena.alloc_str(&list.join(","))))
    }
}

impl<'a> Scalar<'a> for bool {
    fn from_token(token: Token<'a>) -> Had<Self> {
        match token {
            Token::Bool(flag) => Ok(Some(flag)),
            Token::Number("0") => Ok(Some(false)),
            Token::Number("1") => Ok(Some(true)),
            Token::Number(number) => to_f64(number).map(|n| Some(n != 0.0)).ok_or(NoteKind::OutOfRange),
            Token::Text(None) => Ok(None),
            Token::Text(Some(text)) => match text.trim() {
                "" => Ok(None),
                "true" | "True" | "TRUE" => Ok(Some(true)),
                "false" | "False" | "FALSE" => Ok(Some(false)),
                text => in_text(text).and_then(to_f64).map(|n| Some(n != 0.0)).ok_or(NoteKind::WrongType),
            },
            _ => Err(NoteKind::WrongType),
        }
    }

    fn from_wire(wire: Wire<'a>, _: &mut proto::Reader<'a, '_>) -> Had<Self> {
        match wire {
            Wire::Varint(value) => Ok(Some(value != 0)),
            _ => Err(NoteKind::WrongType),
        }
    }
}

impl<'a> Scalar<'a> for f64 {
    fn from_token(token: Token<'a>) -> Had<Self> {
        match token {
            Token::Number(number) => to_f64(number).map(Some).ok_or(NoteKind::OutOfRange),
            Token::Text(text) => match text.map(str::trim) {
                None | Some("") => Ok(None),
                Some(text) => in_text(text).and_then(to_f64).map(Some).ok_or(NoteKind::WrongType),
            },
            _ => Err(NoteKind::WrongType),
        }
    }

    fn from_wire(wire: Wire<'a>, _: &mut proto::Reader<'a, '_>) -> Had<Self> {
        let value = match wire {
            Wire::Fixed64(bits) => f64::from_bits(bits),
            Wire::Fixed32(bits) => f64::from(f32::from_bits(bits)),
            _ => return Err(NoteKind::WrongType),
        };
        if value.is_finite() { Ok(Some(value)) } else { Err(NoteKind::OutOfRange) }
    }
}

/// The integer of a JSON scalar.
fn integer(token: Token<'_>) -> Had<i64> {
    match token {
        Token::Number(number) => to_i64(number).map(Some).ok_or(NoteKind::OutOfRange),
        Token::Bool(flag) => Ok(Some(flag.into())),
        Token::Text(text) => match text.map(str::trim) {
            None | Some("") => Ok(None),
            Some("true") => Ok(Some(1)),
            Some("false") => Ok(Some(0)),
            Some(text) => in_text(text).and_then(to_i64).map(Some).ok_or(NoteKind::WrongType),
        },
        _ => Err(NoteKind::WrongType),
    }
}

macro_rules! integer_scalar {
    ($($type:ty),*) => {$(
        impl<'a> Scalar<'a> for $type {
            fn from_token(token: Token<'a>) -> Had<Self> {
                let Some(value) = integer(token)? else { return Ok(None) };
                Self::try_from(value).map(Some).map_err(|_| NoteKind::OutOfRange)
            }

            /// The IAB's file has int32 throughout: 32 bits count, the rest is sign.
            fn from_wire(wire: Wire<'a>, _: &mut proto::Reader<'a, '_>) -> Had<Self> {
                let Wire::Varint(value) = wire else { return Err(NoteKind::WrongType) };
                Self::try_from(value as i32).map(Some).map_err(|_| NoteKind::OutOfRange)
            }
        }
    )*};
}

integer_scalar!(i32, u32);

macro_rules! scalar_fields {
    ($($type:ty),*) => {$(
        impl<'a> Field<'a> for Option<$type> {
            fn json(&mut self, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
                *self = json_scalar(r)?;
                Ok(())
            }

            fn proto(
                &mut self,
                _: u32,
                wire: Wire<'a>,
                r: &mut proto::Reader<'a, '_>,
            ) -> Result<(), Fail> {
                *self = proto_scalar(wire, r);
                Ok(())
            }

            fn is_absent(&self) -> bool {
                self.is_none()
            }
        }

        /// A field with a default, which an absent value leaves alone.
        impl<'a> Field<'a> for $type {
            fn json(&mut self, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
                if let Some(value) = json_scalar(r)? {
                    *self = value;
                }
                Ok(())
            }

            fn proto(
                &mut self,
                _: u32,
                wire: Wire<'a>,
                r: &mut proto::Reader<'a, '_>,
            ) -> Result<(), Fail> {
                if let Some(value) = proto_scalar(wire, r) {
                    *self = value;
                }
                Ok(())
            }

            fn is_absent(&self) -> bool {
                *self == <$type>::default()
            }
        }
    )*};
}

scalar_fields!(&'a str, bool, f64, i32, u32);
