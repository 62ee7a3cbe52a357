//! What a request means, held against OpenRTB after either reader: leniency in form ends here.
//!
//! The readers pass each object through its check as they finish it; [`request`] comes last and decides what is
//! served, dropped or refused.

use crate::DecodeError;
use crate::reading::Reading;
use crate::request::{
    Deal, Device, DropReason, DroppedImp, Geo, Imp, NoteKind, Pmp, Quantity, Regs, Request,
};

/// Coordinates off the globe would put the user anywhere, so they count as absent.
pub(crate) fn geo(geo: &mut Geo<'_>, reading: &mut Reading<'_>) {
    if geo.lat.is_some_and(|lat| !(-90.0..=90.0).contains(&lat)) {
        reading.at(b"lat");
        reading.note(NoteKind::OutOfRange);
        geo.lat = None;
    }
    if geo.lon.is_some_and(|lon| !(-180.0..=180.0).contains(&lon)) {
        reading.at(b"lon");
        reading.note(NoteKind::OutOfRange);
        geo.lon = None;
    }
}

/// A negative floor forbids nothing: it is no floor.
pub(crate) fn imp(imp: &mut Imp<'_>, reading: &mut Reading<'_>) {
    imp.bidfloor = floor(imp.bidfloor, reading);
}

/// As for an impression.
pub(crate) fn deal(deal: &mut Deal<'_>, reading: &mut Reading<'_>) {
    deal.bidfloor = floor(deal.bidfloor, reading);
}

fn floor(floor: f64, reading: &mut Reading<'_>) -> f64 {
    if floor < 0.0 {
        reading.at(b"bidfloor");
        reading.note(NoteKind::OutOfRange);
    }
    floor.max(0.0)
}

/// A play that nobody sees cannot be sold: a multiplier must be positive.
pub(crate) fn quantity(quantity: &mut Quantity<'_>, reading: &mut Reading<'_>) {
    if quantity.multiplier.is_some_and(|multiplier| multiplier <= 0.0) {
        reading.at(b"multiplier");
        reading.note(NoteKind::OutOfRange);
        quantity.multiplier = None;
    }
}

/// A deal without an id cannot be bid on: the answer could not name it.
pub(crate) fn pmp<'a>(pmp: &mut Pmp<'a>, reading: &mut Reading<'a>) {
    if pmp.deals.iter().any(|deal| deal.id.is_empty()) {
        reading.at(b"deals");
        reading.note(NoteKind::WrongType);
        let named = pmp.deals.iter().copied().filter(|deal| !deal.id.is_empty());
        pmp.deals = bumpalo::collections::Vec::from_iter_in(named, reading.arena).into_bump_slice();
    }
}

/// Decides what of the request is served. OpenRTB 2.6 sections 3.2.1 and 3.2.4.
pub(crate) fn request<'a>(
    mut request: Request<'a>,
    reading: Reading<'a>,
) -> Result<Request<'a>, DecodeError> {
    if request.id.is_empty() {
        return Err(DecodeError::MissingId);
    }
    one_channel(&request)?;
    unique_ids(request.imp)?;
    drop_imps(&mut request, &reading)?;
    if reading.any_unreadable() {
        restrict(&mut request, &reading);
    }
    request.notes = reading.into_notes();
    Ok(request)
}

/// The privacy string that stands for one that could not be read: it decodes as nothing, so nothing is allowed.
const UNREADABLE: &str = "?";

/// Takes privacy signals that could not be read as set.
#[cold]
fn restrict<'a>(request: &mut Request<'a>, reading: &Reading<'a>) {
    if let Some(regs) = request.regs {
        let text =
            |name: &[u8], value: Option<&'a str>| value.or(reading.unreadable(name).then_some(UNREADABLE));
        request.regs = Some(reading.arena.alloc(Regs {
            coppa: regs.coppa.or(reading.unreadable(b"coppa").then_some(true)),
            gdpr: regs.gdpr.or(reading.unreadable(b"gdpr").then_some(1)),
            us_privacy: text(b"us_privacy", regs.us_privacy),
            gpp: text(b"gpp", regs.gpp),
            ..*regs
        }));
    }
    if let Some(device) = request.device {
        request.device = Some(reading.arena.alloc(Device {
            lmt: device.lmt.or(reading.unreadable(b"lmt").then_some(true)),
            dnt: device.dnt.or(reading.unreadable(b"dnt").then_some(true)),
            ..*device
        }));
    }
}

fn one_channel(request: &Request<'_>) -> Result<(), DecodeError> {
    let present =
        [("site", request.site.is_some()), ("app", request.app.is_some()), ("dooh", request.dooh.is_some())];
    let mut names = present.iter().filter(|(_, there)| *there).map(|(name, _)| *name);
    match (names.next(), names.next()) {
        (Some(first), Some(second)) => Err(DecodeError::Channels { first, second }),
        _ => Ok(()),
    }
}

/// Compares all pairs: impressions are few, and their number is bounded.
fn unique_ids(imps: &[Imp<'_>]) -> Result<(), DecodeError> {
    let mut rest = imps;
    while let [imp, after @ ..] = rest {
        if !imp.id.is_empty() && after.iter().any(|other| other.id == imp.id) {
            return Err(DecodeError::DuplicateImp { id: imp.id.into() });
        }
        rest = after;
    }
    Ok(())
}

/// Why an impression cannot be served, if so.
fn flaw(imp: &Imp<'_>) -> Option<DropReason> {
    if imp.id.is_empty() {
        return Some(DropReason::MissingId);
    }
    let offered = imp.banner.is_some() || imp.video.is_some() || imp.audio.is_some() || imp.native.is_some();
    (!offered).then_some(DropReason::NoMedia)
}

fn drop_imps<'a>(request: &mut Request<'a>, reading: &Reading<'a>) -> Result<(), DecodeError> {
    if request.imp.iter().all(|imp| flaw(imp).is_none()) && !request.imp.is_empty() {
        return Ok(());
    }
    let flaws = request
        .imp
        .iter()
        .enumerate()
        .filter_map(|(index, imp)| flaw(imp).map(|reason| DroppedImp { index, id: imp.id, reason }));
    let flaws = flaws.take(reading.limits.notes);
    request.dropped = bumpalo::collections::Vec::from_iter_in(flaws, reading.arena).into_bump_slice();
    let usable = request.imp.iter().copied().filter(|imp| flaw(imp).is_none());
    request.imp = bumpalo::collections::Vec::from_iter_in(usable, reading.arena).into_bump_slice();
    if request.imp.is_empty() {
        let reason = match request.dropped.first() {
            Some(dropped) => dropped.to_string(),
            None => "send at least one imp object with an id".into(),
        };
        return Err(DecodeError::NoImp { reason });
    }
    Ok(())
}
