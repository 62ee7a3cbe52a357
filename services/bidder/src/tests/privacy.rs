//! What a request's privacy signals and the tag store's answer let out of the bidder.

use tagbid_notice::{Audience, Opener};
use tagbid_ports::SourceStatus;

use super::*;

/// Whether the bid's notice token names the user, where the tag store answers like this.
fn names_the_user(answer: TagAnswer, body: &str) -> bool {
    let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_750_000_000)));
    let anywhere = super::reasons::catalog_with(|item, _| item.targeting = Expr::All(vec![]));
    let worker = given_a_world(anywhere, clock, Same(answer), Exchange::default());
    let Answer::Bids(body) = ask(&worker, body.to_owned()) else { panic!("no bid") };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let burl = answer["seatbid"][0]["bid"][0]["burl"].as_str().unwrap();
    let token = burl.split(['/', '?']).skip_while(|part| *part != "bill").nth(1).unwrap();
    let opened = Opener::new(&token_keys()).unwrap().open(token, Audience::Exchange).unwrap();
    opened.user.is_some()
}

fn known() -> TagAnswer {
    TagAnswer::unknown(SourceStatus::Known)
}

#[test]
fn a_user_is_named_only_where_it_is_certain_that_they_are_not_suppressed() {
    assert!(names_the_user(known(), REQUEST));
    let no_offline = TagAnswer { offline_status: SourceStatus::Failed, ..known() };
    assert!(names_the_user(no_offline, REQUEST), "the mark was read");
    assert!(!names_the_user(TagAnswer { suppressed: true, ..known() }, REQUEST));
    for status in [SourceStatus::Late, SourceStatus::Failed, SourceStatus::Uncertain] {
        assert!(!names_the_user(TagAnswer::unknown(status), REQUEST), "{status:?}");
    }
}

#[test]
fn gdpr_applies_where_either_place_says_so() {
    let at = |device: &str, user: &str| {
        let body = REQUEST.replace(r#""geo":{"country":"USA"}"#, &format!(r#""geo":{device}"#));
        let body = body.replace(r#""buyeruid""#, &format!(r#""geo":{user},"buyeruid""#));
        !names_the_user(known(), &body)
    };
    assert!(at("{}", r#"{"country":"DEU"}"#));
    assert!(at(r#"{"country":"USA"}"#, r#"{"country":" deu "}"#));
    assert!(at(r#"{"country":"FRA"}"#, r#"{"country":"USA"}"#));
    assert!(!at("{}", r#"{"country":"USA"}"#));
    assert!(!at(r#"{"country":"USA"}"#, "{}"));
}
