//! Objects, and the macro that makes their tables.

use super::list::{Element, Growing};
use crate::error::Fail;
use crate::json::{self, Token};
use crate::proto::{self, Wire};
use crate::reading::Reading;
use crate::{Limits, NoteKind};

/// An object of OpenRTB that is read into a struct.
///
/// A member may also be found at an older place: under another name, or in `ext`. What is found there is kept
/// aside and used only if the member itself is absent, whatever the order in the body.
pub(crate) trait Message<'a>: Copy + Default {
    /// Protobuf's number of the extension that stands for `ext`, where the IAB defines one.
    const EXT: Option<u32> = None;

    /// Takes the value of a member by its own name. False when it is not known.
    fn json_own(&mut self, key: &[u8], r: &mut json::Reader<'a, '_>) -> Result<bool, Fail>;

    /// Takes the value of a member by an older name.
    fn json_older(&mut self, _: &[u8], _: &mut json::Reader<'a, '_>) -> Result<bool, Fail> {
        Ok(false)
    }

    /// Takes the value of a member inside `ext`.
    fn json_ext(&mut self, _: &[u8], _: &mut json::Reader<'a, '_>) -> Result<bool, Fail> {
        Ok(false)
    }

    /// The same three for protobuf.
    fn proto_own(&mut self, number: u32, wire: Wire<'a>, r: &mut proto::Reader<'a, '_>)
    -> Result<bool, Fail>;

    fn proto_older(&mut self, _: u32, _: Wire<'a>, _: &mut proto::Reader<'a, '_>) -> Result<bool, Fail> {
        Ok(false)
    }

    fn proto_ext(&mut self, _: u32, _: Wire<'a>, _: &mut proto::Reader<'a, '_>) -> Result<bool, Fail> {
        Ok(false)
    }

    /// Whether anything is ever read from `ext`.
    const READS_EXT: bool = false;

    /// Whether any member has an older name.
    const READS_OLDER: bool = false;

    /// Fills what is absent from what was found at older places.
    fn adopt(&mut self, _: &Self) {}

    /// Whether of a member that is said twice the later does not simply stand.
    const MERGES: bool = false;

    /// Takes what was said of the same object before, or at an older place.
    fn merge(&mut self, _: &Self) {}

    /// Holds the members against what they mean; see `validate`.
    fn check(&mut self, _: &mut Reading<'a>) {}

    /// How many of them a list keeps.
    fn most(_: &Limits) -> usize {
        usize::MAX
    }
}

/// Takes a JSON object, which comes next, into a fresh message: in place, since some are hundreds of bytes.
pub(crate) fn json_object<'a, M: Message<'a>>(
    message: &mut M,
    r: &mut json::Reader<'a, '_>,
) -> Result<(), Fail> {
    let mut older = None;
    r.open()?;
    r.reading.enter()?;
    let mut first = true;
    while let Some(key) = r.next_key(first)? {
        first = false;
        let before = M::MERGES.then_some(*message);
        if message.json_own(key, r)? {
            merge(message, before);
            continue;
        }
        if M::READS_EXT && key == b"ext" {
            json_ext(older.get_or_insert_with(M::default), r)?;
        } else if !(M::READS_OLDER && older.get_or_insert_with(M::default).json_older(key, r)?) {
            r.skip_member(key)?;
        }
    }
    if let Some(older) = &older {
        message.adopt(older);
        message.merge(older);
    }
    message.check(r.reading);
    r.reading.leave();
    Ok(())
}

fn merge<'a, M: Message<'a>>(message: &mut M, before: Option<M>) {
    if let Some(before) = before {
        message.merge(&before);
    }
}

/// Takes the value of `ext`, which comes next.
fn json_ext<'a, M: Message<'a>>(older: &mut M, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
    r.reading.at(b"ext");
    if r.peek() != b'{' {
        return not_an_object(r);
    }
    r.open()?;
    r.reading.enter()?;
    let mut first = true;
    while let Some(key) = r.next_key(first)? {
        first = false;
        let before = M::MERGES.then_some(*older);
        if older.json_ext(key, r)? {
            merge(older, before);
        } else {
            r.skip_member(key)?;
        }
    }
    r.reading.leave();
    Ok(())
}

/// Reads a protobuf message into one that holds what earlier parts of the same message said: protobuf lets a sender
/// split a message, and merges the parts.
pub(crate) fn proto_message<'a, M: Message<'a>>(
    message: &mut M,
    bytes: &'a [u8],
    reading: &mut Reading<'a>,
) -> Result<(), Fail> {
    let mut older = None;
    reading.enter()?;
    let mut r = proto::Reader::new(bytes, reading);
    while let Some((number, wire)) = r.next()? {
        let before = M::MERGES.then_some(*message);
        if message.proto_own(number, wire, &mut r)? {
            merge(message, before);
            continue;
        }
        match wire {
            Wire::Bytes(ext) if M::EXT == Some(number) => {
                proto_ext(older.get_or_insert_with(M::default), ext, r.reading)?;
            }
            _ if M::EXT == Some(number) => {
                r.reading.at(b"ext");
                r.reading.note(NoteKind::WrongType);
            }
            _ if M::READS_OLDER => {
                older.get_or_insert_with(M::default).proto_older(number, wire, &mut r)?;
            }
            _ => {}
        }
    }
    if let Some(older) = &older {
        message.adopt(older);
        message.merge(older);
    }
    message.check(reading);
    reading.leave();
    Ok(())
}

fn proto_ext<'a, M: Message<'a>>(
    older: &mut M,
    bytes: &'a [u8],
    reading: &mut Reading<'a>,
) -> Result<(), Fail> {
    reading.at(b"ext");
    reading.enter()?;
    let mut r = proto::Reader::new(bytes, reading);
    while let Some((number, wire)) = r.next()? {
        let before = M::MERGES.then_some(*older);
        older.proto_ext(number, wire, &mut r)?;
        merge(older, before);
    }
    reading.leave();
    Ok(())
}

impl<'a, M: Message<'a>> Element<'a> for M {
    fn json(list: &mut Growing<'a, Self>, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
        if r.peek() != b'{' {
            return not_an_object(r);
        }
        if list.len() >= M::most(&r.reading.limits) {
            r.reading.note(NoteKind::TooMany);
            return r.skip();
        }
        list.push(M::default());
        list.last_mut().map_or(Ok(()), |message| json_object(message, r))
    }

    fn json_alone(list: &mut Growing<'a, Self>, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
        Self::json(list, r)
    }

    fn proto(
        list: &mut Growing<'a, Self>,
        wire: Wire<'a>,
        r: &mut proto::Reader<'a, '_>,
    ) -> Result<(), Fail> {
        let Wire::Bytes(bytes) = wire else {
            r.reading.note(NoteKind::WrongType);
            return Ok(());
        };
        if list.len() >= M::most(&r.reading.limits) {
            r.reading.note(NoteKind::TooMany);
            return Ok(());
        }
        list.push(M::default());
        list.last_mut().map_or(Ok(()), |message| proto_message(message, bytes, r.reading))
    }
}

/// Takes a JSON value of another type than the member's. An empty list, which PHP writes for an empty object, and an
/// empty string are no loss: they hold nothing.
pub(super) fn not_an_object(r: &mut json::Reader<'_, '_>) -> Result<(), Fail> {
    let token = r.token()?;
    if matches!(token, Token::List) {
        r.open()?;
        let mut first = true;
        while r.next_element(first)? {
            if first {
                r.reading.note(NoteKind::WrongType);
            }
            first = false;
            r.skip()?;
        }
    } else if !matches!(token, Token::Null | Token::Text(None | Some(""))) {
        r.reading.note(NoteKind::WrongType);
    }
    Ok(())
}

/// A field that holds an object.
pub(super) fn json_member<'a, M: Message<'a>>(
    field: &mut Option<&'a M>,
    r: &mut json::Reader<'a, '_>,
) -> Result<(), Fail> {
    let earlier = field.take();
    if M::MERGES {
        *field = earlier;
    }
    if r.peek() != b'{' {
        return not_an_object(r);
    }
    let message = r.reading.arena.alloc(M::default());
    json_object(message, r)?;
    if let Some(earlier) = earlier {
        message.merge(earlier);
    }
    *field = Some(message);
    Ok(())
}

/// The same for protobuf.
pub(super) fn proto_member<'a, M: Message<'a>>(
    field: &mut Option<&'a M>,
    wire: Wire<'a>,
    r: &mut proto::Reader<'a, '_>,
) -> Result<(), Fail> {
    let Wire::Bytes(bytes) = wire else {
        r.reading.note(NoteKind::WrongType);
        return Ok(());
    };
    let message = r.reading.arena.alloc(field.copied().unwrap_or_default());
    proto_message(message, bytes, r.reading)?;
    *field = Some(message);
    Ok(())
}
