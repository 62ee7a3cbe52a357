//! Requests are given as JSON and read as in production; creatives come from [`creatives`].

mod banner;
mod brand;
pub(crate) mod creatives;
mod media;
mod native;

use bumpalo::Bump;
use proptest::prelude::*;
use tagbid_catalog::{Approval, Creative};
use tagbid_openrtb::{Imp, Limits, Request, from_json};
use tagbid_types::{ExchangeName, NoBidReason};

use super::fit::Format;
use super::*;
use crate::settings::Exchange;
use creatives::{banner, native, spot, video};

/// Reads a request with these members and hands it over.
pub(crate) fn given<R>(members: &str, then: impl FnOnce(&Request<'_>, &Bump) -> R) -> R {
    let arena = Bump::new();
    let body = format!(r#"{{"id":"r1",{members}}}"#);
    let request = from_json(body.as_bytes(), &arena, Limits::default()).unwrap();
    then(&request, &arena)
}

/// Reads an impression with these members and hands it over.
pub(crate) fn given_imp<R>(members: &str, then: impl FnOnce(&Imp<'_>) -> R) -> R {
    given(&format!(r#""imp":[{{"id":"1",{members}}}]"#), |request, _| then(&request.imp[0]))
}

fn exchange() -> ExchangeName {
    "demo".parse().unwrap()
}

/// Fits, and makes sure that Explain would say the same, and that a search by shapes would have come so far.
fn try_on(creative: &Creative, imp: &str, settings: &Exchange) -> Result<Fit, NoBidReason> {
    given(&format!(r#""imp":[{{"id":"1",{imp}}}]"#), |request, arena| {
        let blocks = Blocks::new(request, arena);
        let fit = fit(creative, &request.imp[0], &exchange(), settings);
        let all = every_reason(creative, "", &blocks, &request.imp[0], &exchange(), settings);
        assert_eq!(all.first().map(|(reason, _)| *reason), fit.err(), "{all:?}");
        let has_place = Shape::of(creative).fits(&request.imp[0]);
        assert!(has_place || fit.is_err(), "a search would not have found what fits: {imp}");
        fit
    })
}

fn fitting(creative: &Creative, imp: &str) -> Result<Fit, NoBidReason> {
    try_on(creative, imp, &Exchange::default())
}

/// The sentences of Explain.
fn explained(creative: &Creative, request: &str) -> String {
    given(request, |request, arena| {
        let blocks = Blocks::new(request, arena);
        let settings = Exchange { requires_approval: true, ..Exchange::default() };
        let all = every_reason(creative, "acme.example", &blocks, &request.imp[0], &exchange(), &settings);
        all.into_iter().map(|(reason, text)| format!("{}: {text}\n", reason.as_str())).collect()
    })
}

#[test]
fn a_creative_answers_only_in_a_format_that_is_offered() {
    let video_only = r#""video":{"mimes":["video/mp4"]}"#;
    assert_eq!(fitting(&banner(), video_only), Err(NoBidReason::NoCreative));
    let both = r#""banner":{"w":300,"h":250},"video":{"mimes":["video/mp4"]}"#;
    assert_eq!(fitting(&banner(), both).unwrap().format, Format::Banner);
    assert_eq!(fitting(&video(), both).unwrap().format.mtype(), 2);
}

#[test]
fn secure_markup_is_demanded_only_where_it_must_be() {
    let mut loose = banner();
    loose.secure = false;
    assert_eq!(fitting(&loose, r#""secure":1,"banner":{}"#), Err(NoBidReason::NotSecure));
    assert!(fitting(&loose, r#""secure":0,"banner":{}"#).is_ok());
    assert!(fitting(&loose, r#""banner":{}"#).is_ok());
}

#[test]
fn approval_is_what_the_exchange_makes_of_it() {
    let strict = Exchange { requires_approval: true, ..Exchange::default() };
    let verdict = |approval: Option<Approval>, settings: &Exchange| {
        let mut creative = banner();
        creative.approvals = approval.map(|approval| (exchange(), approval)).into_iter().collect();
        try_on(&creative, r#""banner":{}"#, settings).err()
    };
    let refused = Some(NoBidReason::NotApproved);
    for (approval, when_strict, when_loose) in [
        (None, refused, None),
        (Some(Approval::Pending), refused, None),
        (Some(Approval::Approved), None, None),
        (Some(Approval::Rejected), refused, refused),
    ] {
        assert_eq!(verdict(approval, &strict), when_strict, "{approval:?}");
        assert_eq!(verdict(approval, &Exchange::default()), when_loose, "{approval:?}");
    }
}

#[test]
fn explain_says_everything_at_once_in_words() {
    let mut creative = banner();
    creative.secure = false;
    creative.attributes = vec![1];
    let text = explained(
        &creative,
        r#""badv":["acme.example"],"bcat":["IAB18"],"wlang":["de","fr"],
        "imp":[{"id":"1","secure":1,"banner":{"format":[{"w":728,"h":90},{"wratio":4,"hratio":1,"wmin":600}],
        "mimes":["image/png"],"battr":[1,2],"btype":[2]}}]"#,
    );
    let expected = "\
blocked_advertiser: badv: wanted is anything but acme.example; the creative has acme.example
blocked_category: bcat: wanted is anything but IAB18; the creative has IAB18-1
no_creative: wlang: wanted is one of de, fr; the creative has en
no_creative: imp.banner.format: wanted is size 728x90 or 4:1 from width 600; the creative has 300x250
no_creative: imp.banner.mimes: wanted is one of image/png; the creative has text/html
not_secure: imp.secure: wanted is everything over https; the creative has parts that load over http
blocked_attribute: imp.banner.btype: wanted is none of 2; the creative has 2
blocked_attribute: imp.banner.battr: wanted is none of 1, 2; the creative has 1
not_approved: approvals: wanted is the approval of demo; the creative has not been approved by it yet
";
    assert_eq!(text, expected);
}

/// Members of an impression, each of which some creatives meet and others do not.
fn any_imp() -> impl Strategy<Value = String> {
    let banner = prop::sample::subsequence(
        vec![
            r#""w":300"#,
            r#""h":250"#,
            r#""battr":[1]"#,
            r#""mimes":["image/png"]"#,
            r#""btype":[2]"#,
            r#""api":[5]"#,
        ],
        0..=6,
    );
    let video = prop::sample::subsequence(
        vec![
            r#""mimes":["video/mp4"]"#,
            r#""maxduration":15"#,
            r#""minduration":16"#,
            r#""protocols":[1,2,3]"#,
            r#""linearity":2"#,
            r#""skip":0"#,
            r#""battr":[16]"#,
            r#""maxbitrate":100"#,
        ],
        0..=8,
    );
    (banner, video, prop::option::of(Just(r#""secure":1,"#))).prop_map(|(banner, video, secure)| {
        let (banner, video) = (banner.join(","), video.join(","));
        format!(r#"{}"banner":{{{banner}}},"video":{{{video}}}"#, secure.unwrap_or_default())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A creative fits exactly when Explain finds nothing against it, and its reason is the first that Explain names.
    #[test]
    fn the_bid_path_and_explain_agree(
        imp in any_imp(),
        secure: bool,
        attributes in prop::sample::subsequence(vec![1_u16, 16], 0..=2),
        api in prop::option::of(Just(5_u16)),
        seconds in 10_u32..20,
    ) {
        for mut creative in [banner(), video(), spot(), native()] {
            creative.secure = secure;
            creative.attributes.clone_from(&attributes);
            creative.apis = api.into_iter().collect();
            if let tagbid_catalog::Markup::Video(markup) = &mut creative.markup {
                markup.duration_ms = seconds * 1_000;
            }
            // The assertion is inside.
            let _ = fitting(&creative, &imp);
        }
    }
}
