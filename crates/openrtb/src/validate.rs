//! What a request means, held against OpenRTB after either reader: leniency in form ends here.
//!
//! The readers pass each object through its check as they finish it; [`request`] comes last and decides what is
//! served, dropped or refused.

use crate::DecodeError;
use crate::reading::Reading;
use crate::request::{
    Banner, Deal, Device, DropReason, DroppedImp, Dsa, Format, Geo, Imp, NoteKind, Pmp, Quantity, Regs,
    Request, User,
};
use crate::restriction::Restrictions;

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

/// The floor of what has terms that cannot be read, until it is left out. No reader gives such a number.
const OUT_OF_REACH: f64 = f64::INFINITY;

/// A negative floor forbids nothing: it is no floor. One that cannot be read forbids everything, and so does a block
/// list of which a part cannot be read.
pub(crate) fn imp<'a>(imp: &mut Imp<'a>, reading: &mut Reading<'a>) {
    imp.bidfloor = floor(imp.bidfloor, Restrictions::FLOOR, reading);
    imp.unreadable_blocks = reading.take_unreadable(Restrictions::IMP_BLOCKS);
    if reading.take_unreadable(Restrictions::SECURE) {
        imp.secure = Some(true);
    }
    if reading.take_unreadable(Restrictions::PRIVATE) {
        let pmp = imp.pmp.copied().unwrap_or_default();
        imp.pmp = Some(reading.arena.alloc(Pmp { private_auction: true, ..pmp }));
    }
}

/// The width and height that stand for those that cannot be read: nothing has them.
const NO_SIZE: u32 = u32::MAX;

/// A size that cannot be read fits nothing, unless `format` or `w` and `h` say one that can.
pub(crate) fn banner(banner: &mut Banner<'_>, reading: &mut Reading<'_>) {
    if reading.take_unreadable(Restrictions::SIZE) {
        (banner.w, banner.h) = (banner.w.or(Some(NO_SIZE)), banner.h.or(Some(NO_SIZE)));
    }
}

/// As for a banner.
pub(crate) fn format(format: &mut Format, reading: &mut Reading<'_>) {
    if reading.take_unreadable(Restrictions::FORMAT) {
        (format.w, format.h) = (format.w.or(Some(NO_SIZE)), format.h.or(Some(NO_SIZE)));
    }
}

/// As for an impression.
pub(crate) fn deal(deal: &mut Deal<'_>, reading: &mut Reading<'_>) {
    deal.bidfloor = floor(deal.bidfloor, Restrictions::DEAL, reading);
}

fn floor(floor: f64, terms: Restrictions, reading: &mut Reading<'_>) -> f64 {
    if reading.take_unreadable(terms) {
        return OUT_OF_REACH;
    }
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

/// A deal without an id cannot be bid on: the answer could not name it. Nor can one whose terms cannot be read.
pub(crate) fn pmp<'a>(pmp: &mut Pmp<'a>, reading: &mut Reading<'a>) {
    let usable = |deal: &Deal<'_>| !deal.id.is_empty() && deal.bidfloor < OUT_OF_REACH;
    if !pmp.deals.iter().all(usable) {
        reading.at(b"deals");
        reading.note(NoteKind::WrongType);
        let kept = pmp.deals.iter().copied().filter(usable);
        pmp.deals = bumpalo::collections::Vec::from_iter_in(kept, reading.arena).into_bump_slice();
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
    if reading.unreadable() != Restrictions::NONE {
        restrict(&mut request, &reading);
    }
    request.unreadable_blocks = reading.unreadable_block_list();
    request.notes = reading.into_notes();
    Ok(request)
}

/// The consent or privacy string that stands for one that could not be read: it decodes as nothing, so nothing is
/// allowed.
const UNREADABLE: &str = "?";
/// The taxonomy that stands for one that could not be read: AdCOM's list "Category Taxonomies" starts at 1.
const NO_TAXONOMY: i32 = 0;
/// `dsarequired`: the transparency object is required.
const DSA_REQUIRED: i32 = 2;

/// Takes what could not be read as set. What the same member says at another place stands.
#[cold]
fn restrict<'a>(request: &mut Request<'a>, reading: &Reading<'a>) {
    let lost = |restriction| reading.unreadable().has(restriction);
    let (lmt, dnt) = (lost(Restrictions::LMT), lost(Restrictions::DNT));
    if lmt || dnt {
        let device = request.device.copied().unwrap_or_default();
        request.device = Some(reading.arena.alloc(Device {
            lmt: device.lmt.or(lmt.then_some(true)),
            dnt: device.dnt.or(dnt.then_some(true)),
            ..device
        }));
    }
    if lost(Restrictions::CONSENT) {
        let user = request.user.copied().unwrap_or_default();
        let consent = user.consent.or(Some(UNREADABLE));
        request.user = Some(reading.arena.alloc(User { consent, ..user }));
    }
    if lost(Restrictions::TAXONOMY) {
        request.cattax = request.cattax.or(Some(NO_TAXONOMY));
    }
    let sent = request.regs.copied().unwrap_or_default();
    let regs = required(sent, reading);
    if regs != sent {
        request.regs = Some(reading.arena.alloc(regs));
    }
}

/// As above. A section of the GPP string that applies and is not known may deny more than a readable `us_privacy` or
/// `gdpr` does, so those do not stand.
fn required<'a>(regs: Regs<'a>, reading: &Reading<'a>) -> Regs<'a> {
    let lost = |restriction| reading.unreadable().has(restriction);
    let text = |restriction, value: Option<&'a str>| value.or(lost(restriction).then_some(UNREADABLE));
    let regs = if lost(Restrictions::GPP_SID) {
        Regs { gdpr: Some(1), us_privacy: Some(UNREADABLE), ..regs }
    } else {
        regs
    };
    let dsa = lost(Restrictions::DSA).then(|| {
        let dsa = regs.dsa.copied().unwrap_or_default();
        &*reading.arena.alloc(Dsa { dsarequired: dsa.dsarequired.or(Some(DSA_REQUIRED)), ..dsa })
    });
    Regs {
        coppa: regs.coppa.or(lost(Restrictions::COPPA).then_some(true)),
        gdpr: regs.gdpr.or(lost(Restrictions::GDPR).then_some(1)),
        us_privacy: text(Restrictions::US_PRIVACY, regs.us_privacy),
        gpp: text(Restrictions::GPP, regs.gpp),
        dsa: dsa.or(regs.dsa),
        ..regs
    }
}

/// Signals that are said twice, as one member twice or in `ext` too: what restricts more stands. Of two texts that differ
/// neither can be told to restrict more, so they count as one that cannot be read.
pub(crate) fn regs<'a>(regs: &mut Regs<'a>, other: &Regs<'a>) {
    let text = |own: Option<&'a str>, other: Option<&'a str>| match (own, other) {
        (Some(own), Some(other)) if own != other => Some(UNREADABLE),
        (own, other) => own.or(other),
    };
    regs.coppa = regs.coppa.max(other.coppa);
    regs.gdpr = match (regs.gdpr, other.gdpr) {
        (None | Some(0), Some(gdpr)) => Some(gdpr),
        (own, _) => own,
    };
    regs.us_privacy = text(regs.us_privacy, other.us_privacy);
    regs.gpp = text(regs.gpp, other.gpp);
    if regs.gpp_sid.is_empty() {
        regs.gpp_sid = other.gpp_sid;
    } else if !other.gpp_sid.is_empty() && regs.gpp_sid != other.gpp_sid {
        (regs.gdpr, regs.us_privacy) = (Some(1), Some(UNREADABLE));
    }
    let required = |dsa: Option<&Dsa>| dsa.and_then(|dsa| dsa.dsarequired);
    if required(other.dsa) > required(regs.dsa) {
        regs.dsa = other.dsa;
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
    if imp.bidfloor >= OUT_OF_REACH {
        return Some(DropReason::Floor);
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
