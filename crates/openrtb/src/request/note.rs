//! What the readers forgave, and which impressions they could not save.

use std::fmt;

/// A member that was not read as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// Where: member names joined by dots, such as `imp.banner.w`.
    pub path: &'a str,
    /// What was wrong.
    pub kind: NoteKind,
}

impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind.as_str())
    }
}

/// Why a member was not read as sent. What would be taken as absent and may restrict is taken as set instead, since
/// absence would lift the restriction: a privacy signal (`regs.coppa`, `gdpr`, `us_privacy`, `gpp`, `user.consent`,
/// `device.lmt`, `dnt`) or the object around it; `imp.secure` and `pmp.private_auction`; a size fits nothing, a floor drops its impression or deal, and a block list (`Request::unreadable_blocks`,
/// `Imp::unreadable_blocks`) keeps bids off its impression or the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// Of a type from which the value cannot be had; taken as absent.
    WrongType,
    /// A number outside its range; taken as absent.
    OutOfRange,
    /// A string over the limit; taken as absent.
    TooLong,
    /// Not UTF-8, or half of a surrogate pair; the bad part became U+FFFD.
    Utf8,
    /// A list of objects over the limit; the rest was left out.
    TooMany,
    /// A native request that is no JSON object of the Native Ads specification; taken as absent.
    Native,
}

impl NoteKind {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongType => "wrong type, taken as absent",
            Self::OutOfRange => "number out of range, taken as absent",
            Self::TooLong => "string too long, taken as absent",
            Self::Utf8 => "invalid text, replaced by U+FFFD",
            Self::TooMany => "too many elements, the rest left out",
            Self::Native => "unreadable native request, taken as absent",
        }
    }
}

/// An impression of the request that cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DroppedImp<'a> {
    /// Its position among the objects of the request's `imp`, from 0.
    pub index: usize,
    /// Its id, where it has one.
    pub id: &'a str,
    /// Why.
    pub reason: DropReason,
}

impl fmt::Display for DroppedImp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "imp[{}]: {}", self.index, self.reason.as_str())
    }
}

/// Why an impression cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// `id` is required and missing, so no bid could name the impression.
    MissingId,
    /// None of banner, video, audio and native is offered.
    NoMedia,
    /// Its floor is there and cannot be read, so any bid might be under it.
    Floor,
}

impl DropReason {
    /// In words, with the remedy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingId => "has no id: give each imp a unique string id",
            Self::NoMedia => "offers no banner, video, audio or native: include at least one as an object",
            Self::Floor => {
                "has a floor that cannot be read: send bidfloor as a number, bidfloorcur as a string"
            }
        }
    }
}
