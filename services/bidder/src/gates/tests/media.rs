use tagbid_catalog::{AudioMarkup, Creative, Markup, VideoMarkup};
use tagbid_types::NoBidReason;

use super::creatives::{spot, video};
use super::{Fit, fitting};

const NO: Option<NoBidReason> = Some(NoBidReason::NoCreative);

fn video_with(change: impl FnOnce(&mut VideoMarkup)) -> Creative {
    let mut creative = video();
    if let Markup::Video(markup) = &mut creative.markup {
        change(markup);
    }
    creative
}

fn lasting(duration_ms: u32) -> Creative {
    video_with(|video| video.duration_ms = duration_ms)
}

/// A creative against a video object with these members.
fn played(creative: &Creative, members: &str) -> Result<Fit, NoBidReason> {
    fitting(creative, &format!(r#""video":{{{members}}}"#))
}

fn heard(members: &str) -> Result<Fit, NoBidReason> {
    fitting(&spot(), &format!(r#""audio":{{{members}}}"#))
}

#[test]
fn the_length_is_within_the_bounds() {
    let bounds = r#""minduration":10,"maxduration":15"#;
    assert_eq!(played(&lasting(15_000), bounds).unwrap().duration_s, Some(15));
    assert_eq!(played(&lasting(10_000), bounds).err(), None);
    assert_eq!(played(&lasting(9_800), bounds).err(), NO);
    assert_eq!(played(&lasting(15_400), bounds).err(), NO);
    assert_eq!(played(&lasting(14_500), bounds).unwrap().duration_s, Some(15));
    assert_eq!(played(&lasting(90_000), r#""maxduration":0"#).err(), None);
}

#[test]
fn a_file_that_ends_on_a_frame_counts_as_whole_seconds() {
    assert_eq!(played(&lasting(15_030), r#""maxduration":15"#).unwrap().duration_s, Some(15));
    assert_eq!(played(&lasting(14_970), r#""minduration":15"#).unwrap().duration_s, Some(15));
    assert_eq!(played(&lasting(15_101), r#""maxduration":15"#).err(), NO);
}

#[test]
fn extension_is_allowed_as_far_as_it_says() {
    assert_eq!(played(&lasting(20_000), r#""maxduration":15,"maxextended":5"#).err(), None);
    assert_eq!(played(&lasting(21_000), r#""maxduration":15,"maxextended":5"#).err(), NO);
    assert_eq!(played(&lasting(20_000), r#""maxduration":15,"maxextended":0"#).err(), NO);
    assert_eq!(played(&lasting(99_000), r#""maxduration":15,"maxextended":-1"#).err(), None);
}

#[test]
fn exact_lengths_stand_above_bounds() {
    assert_eq!(played(&lasting(15_020), r#""rqddurs":[10,15,30]"#).err(), None);
    assert_eq!(played(&lasting(20_000), r#""rqddurs":[15,30],"maxduration":60"#).err(), NO);
    assert_eq!(played(&lasting(15_000), r#""rqddurs":[-15]"#).err(), NO);
}

#[test]
fn one_ad_may_fill_a_part_of_a_pod_and_knows_its_price_per_second() {
    let pod = r#""poddur":60,"maxseq":4,"maxduration":90,"mincpmpersec":0.25"#;
    assert_eq!(played(&lasting(30_000), pod).unwrap().min_cpm_per_s, Some(0.25));
    assert_eq!(played(&lasting(75_000), pod).err(), NO);
    assert_eq!(played(&lasting(30_000), "").unwrap().min_cpm_per_s, None);
}

#[test]
fn the_best_version_that_both_know_is_chosen() {
    let protocol = |members: &str| played(&video(), members).map(|fit| fit.protocol);
    assert_eq!(protocol(r#""protocols":[2,3,5,6,7,8]"#), Ok(Some(7)));
    assert_eq!(protocol(r#""protocols":[1,2,4,5]"#), Ok(Some(2)));
    assert_eq!(protocol(r#""protocols":[11,2,13,12]"#), Ok(Some(13)));
    assert_eq!(protocol(""), Ok(Some(3)));
    // Wrappers alone, VAST 1 and audio's DAAST are not what is sent for a video.
    assert_eq!(protocol(r#""protocols":[1,4,5,6,9]"#), Err(NoBidReason::NoCreative));
}

#[test]
fn audio_goes_as_vast_4_or_daast_and_only_then_as_older_vast() {
    let protocol = |members: &str| heard(members).map(|fit| fit.protocol);
    assert_eq!(protocol(r#""protocols":[2,3,7,8]"#), Ok(Some(7)));
    assert_eq!(protocol(r#""protocols":[7,8,9,10]"#), Ok(Some(9)));
    assert_eq!(protocol(r#""protocols":[9,11]"#), Ok(Some(11)));
    assert_eq!(protocol(r#""protocols":[2]"#), Ok(Some(2)));
    assert_eq!(protocol(""), Ok(Some(11)));
    assert_eq!(protocol(r#""protocols":[10]"#), Err(NoBidReason::NoCreative));
}

#[test]
fn audio_is_held_to_its_own_bounds() {
    assert_eq!(heard(r#""mimes":["audio/mp3"],"maxduration":30,"minbitrate":64"#).err(), None);
    assert_eq!(heard(r#""mimes":["audio/mp4"]"#).err(), NO);
    assert_eq!(heard(r#""maxduration":29"#).err(), NO);
    assert_eq!(heard(r#""minbitrate":192"#).err(), NO);
    assert_eq!(heard(r#""maxbitrate":96"#).err(), NO);
    let packed = Creative {
        markup: Markup::Audio(AudioMarkup {
            media_url: "https://cdn.acme.example/a.m3u8".into(),
            mime: "application/x-mpegURL".into(),
            duration_ms: 30_000,
            bitrate_kbps: 128,
        }),
        ..spot()
    };
    assert_eq!(fitting(&packed, r#""audio":{"delivery":[2]}"#).err(), NO);
    assert_eq!(fitting(&packed, r#""audio":{"delivery":[1]}"#).err(), None);
}

#[test]
fn mime_type_bitrate_delivery_and_linearity_are_honoured() {
    assert_eq!(played(&video(), r#""mimes":["video/webm"]"#).err(), NO);
    assert_eq!(played(&video(), r#""minbitrate":2000,"maxbitrate":2000"#).err(), None);
    assert_eq!(played(&video(), r#""maxbitrate":1999"#).err(), NO);
    assert_eq!(played(&video(), r#""delivery":[1]"#).err(), NO);
    assert_eq!(played(&video(), r#""delivery":[1,2]"#).err(), None);
    assert_eq!(played(&video(), r#""delivery":[3]"#).err(), None);
    assert_eq!(played(&video(), r#""linearity":2"#).err(), NO);
    assert_eq!(played(&video(), r#""linearity":1"#).err(), None);
}

#[test]
fn players_scale_but_do_not_box_where_that_is_forbidden() {
    assert_eq!(played(&video(), r#""w":640,"h":480"#).err(), None);
    assert_eq!(played(&video(), r#""w":640,"h":480,"boxingallowed":0"#).err(), NO);
    assert_eq!(played(&video(), r#""w":854,"h":480,"boxingallowed":0"#).err(), None);
    assert_eq!(played(&video(), r#""boxingallowed":0"#).err(), None);
}

#[test]
fn skipping_happens_only_where_both_sides_agree() {
    let skip = |members: &str| played(&video(), members).unwrap().skip_after_s;
    assert_eq!(skip(""), Some(5));
    assert_eq!(skip(r#""skip":1,"skipafter":8"#), Some(8));
    assert_eq!(skip(r#""skip":1,"skipafter":3"#), Some(5));
    // Given whole: the player forbids it, the ad is too short for it, or the markup cannot say it.
    assert_eq!(skip(r#""skip":0"#), None);
    assert_eq!(skip(r#""skip":1,"skipmin":15"#), None);
    assert_eq!(skip(r#""skip":1,"skipafter":15"#), None);
    assert_eq!(skip(r#""battr":[16]"#), None);
    assert_eq!(skip(r#""protocols":[2]"#), None);
    let whole = video_with(|video| video.skip_after_s = None);
    assert!(!played(&whole, r#""skip":1"#).unwrap().skippable());
}

#[test]
fn an_ad_with_its_own_skip_button_stays_away_from_players_that_forbid_it() {
    let button = Creative { attributes: vec![16], ..video() };
    assert_eq!(played(&button, r#""skip":0"#).err(), NO);
    assert_eq!(played(&button, r#""battr":[16]"#).err(), Some(NoBidReason::BlockedAttribute));
    assert_eq!(played(&button, r#""skip":1"#).err(), None);
}
