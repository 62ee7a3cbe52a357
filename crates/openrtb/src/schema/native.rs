//! Native: the object, and the request of the Native Ads specification that travels inside it as a string.

use super::field::Field;
use super::message::{Message, json_object, not_an_object, proto_member};
use super::table::{member, message};
use crate::error::Fail;
use crate::json::{self, Token};
use crate::proto::{self, Wire};
use crate::{
    Asset, DataAsset, EventTracker, ImageAsset, Native, NativeRequest, NoteKind, TitleAsset, VideoAsset,
};

/// Protobuf's number of the request as a message of its own; `request` as a string has 1.
const REQUEST_NATIVE: u32 = 50;

message! {
    Native<'a> {
        b"request" request = 1,
        b"ver" ver = 2,
        b"api" api = 3,
        b"battr" battr = 4,
    }
    also { request = 50 }
}

message! {
    NativeRequest<'a> {
        b"ver" ver = 1,
        b"layout" layout = 2,
        b"adunit" adunit = 3,
        b"context" context = 7,
        b"contextsubtype" contextsubtype = 8,
        b"plcmttype" plcmttype = 9,
        b"plcmtcnt" plcmtcnt = 4,
        b"seq" seq = 5,
        b"assets" assets = 6,
        b"aurlsupport" aurlsupport = 11,
        b"durlsupport" durlsupport = 12,
        b"eventtrackers" eventtrackers = 13,
        b"privacy" privacy = 14,
    }
}

message! {
    Asset<'a> {
        b"id" id = 1,
        b"required" required = 2,
        b"title" title = 3,
        b"img" img = 4,
        b"video" video = 5,
        b"data" data = 6,
    }
}

message! {
    TitleAsset {
        b"len" len = 1,
    }
}

message! {
    ImageAsset<'a> {
        b"type" r#type = 1,
        b"w" w = 2,
        b"h" h = 3,
        b"wmin" wmin = 4,
        b"hmin" hmin = 5,
        b"mimes" mimes = 6,
    }
}

// The IAB's file uses the impression's Video here, hence its numbers.
message! {
    VideoAsset<'a> {
        b"mimes" mimes = 1,
        b"minduration" minduration = 3,
        b"maxduration" maxduration = 4,
        b"protocols" protocols = 21,
    }
}

message! {
    DataAsset {
        b"type" r#type = 1,
        b"len" len = 2,
    }
}

message! {
    EventTracker<'a> {
        b"event" event = 1,
        b"methods" methods = 2,
    }
}

member!(Native<'a>, TitleAsset, ImageAsset<'a>, VideoAsset<'a>, DataAsset);

impl<'a> Field<'a> for Option<&'a NativeRequest<'a>> {
    /// By the specification a string of JSON; some exchanges send the object itself.
    fn json(&mut self, r: &mut json::Reader<'a, '_>) -> Result<(), Fail> {
        *self = None;
        if r.peek() == b'{' {
            let request = enveloped(r)?;
            *self = Some(r.reading.arena.alloc(request));
            return Ok(());
        }
        if r.peek() != b'"' {
            return not_an_object(r);
        }
        if let Token::Text(Some(text)) = r.token()? {
            let depth = r.depth();
            *self = from_text(&mut json::Reader::new(text.as_bytes(), depth, r.reading));
        }
        Ok(())
    }

    fn proto(&mut self, number: u32, wire: Wire<'a>, r: &mut proto::Reader<'a, '_>) -> Result<(), Fail> {
        match wire {
            Wire::Bytes(text) if number != REQUEST_NATIVE => {
                *self = from_text(&mut json::Reader::new(text, 0, r.reading));
                Ok(())
            }
            _ => proto_member(self, wire, r),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// Reads the string. Garbage in it says nothing of the rest of the request, so it is noted and left out.
fn from_text<'a>(r: &mut json::Reader<'a, '_>) -> Option<&'a NativeRequest<'a>> {
    let level = r.reading.level();
    let request =
        if r.peek() == b'{' { enveloped(r).and_then(|request| r.end().map(|()| request)).ok() } else { None };
    r.reading.back_to(level);
    if request.is_none() {
        r.reading.note(NoteKind::Native);
    }
    request.map(|request| &*r.reading.arena.alloc(request))
}

/// Takes a native request object. Native 1.0 wraps it in an object with the one member `native`.
fn enveloped<'a>(r: &mut json::Reader<'a, '_>) -> Result<NativeRequest<'a>, Fail> {
    let (mut request, mut wrapped) = (NativeRequest::default(), None);
    r.open()?;
    r.reading.enter()?;
    let mut first = true;
    while let Some(key) = r.next_key(first)? {
        first = false;
        if key == b"native" && r.peek() == b'{' {
            json_object(wrapped.insert(NativeRequest::default()), r)?;
        } else if !request.json_own(key, r)? {
            r.skip_member(key)?;
        }
    }
    r.reading.leave();
    Ok(wrapped.unwrap_or(request))
}
