use proptest::prelude::*;

use super::super::tests::creative;
use super::*;
use crate::{BannerMarkup, NativeMarkup, VideoMarkup};

/// Fields with a problem, of an advertiser that owns acme.example.
fn fields(creative: &Creative, allowed: &[&str]) -> Vec<String> {
    let policy = CreativePolicy::allowing(allowed.iter().map(|d| (*d).to_owned())).unwrap();
    let mut report = Report::on("creative");
    policy.check(creative, "acme.example", &mut report);
    report.into_problems().into_iter().map(|p| p.field).collect()
}

fn banner(html: &str) -> Markup {
    Markup::Banner(BannerMarkup { width: 300, height: 250, html: html.into(), banner_type: 2 })
}

/// A creative in which every field that takes a URL has this one, a native and a video one.
fn everywhere(url: &str) -> [Creative; 2] {
    let video = VideoMarkup {
        media_url: url.into(),
        mime: "video/mp4".into(),
        duration_ms: 5_000,
        width: 640,
        height: 360,
        bitrate_kbps: 800,
        skip_after_s: None,
    };
    let image = NativeAsset::Image { kind: 3, url: url.into(), width: 1200, height: 628 };
    let native = NativeMarkup { title: "Shoes".into(), assets: vec![image] };
    [Markup::Video(video), Markup::Native(native)].map(|markup| {
        creative(|c| {
            c.click_url = url.into();
            c.preview_url = url.into();
            c.markup = markup;
        })
    })
}

#[test]
fn the_advertisers_domain_and_the_operators_list_are_allowed() {
    let foreign = creative(|c| c.preview_url = "https://cdn.other.example/p.png".into());
    assert_eq!(fields(&foreign, &[]), ["creative.preview_url"]);
    assert_eq!(fields(&foreign, &["example.other"]), ["creative.preview_url"]);
    assert!(fields(&foreign, &["other.example"]).is_empty());
    assert!(fields(&foreign, &["*"]).is_empty());

    // A name that merely ends like an allowed one is another domain.
    let lookalike = creative(|c| c.preview_url = "https://notacme.example/p.png".into());
    assert_eq!(fields(&lookalike, &[]), ["creative.preview_url"]);
}

#[test]
fn a_creative_cannot_allow_itself_a_domain() {
    let [video, native] = everywhere("https://evil.example/x").map(|mut creative| {
        creative.domains = vec!["evil.example".into()];
        creative
    });
    assert_eq!(
        fields(&video, &[]),
        ["creative.click_url", "creative.preview_url", "creative.video.media_url"]
    );
    assert_eq!(
        fields(&native, &[]),
        ["creative.click_url", "creative.preview_url", "creative.native.assets[0].image.url"]
    );
    let html = creative(|c| {
        c.domains = vec!["evil.example".into()];
        c.markup = banner("<a href=\"https://evil.example/\">Buy</a>");
    });
    assert_eq!(fields(&html, &[]), ["creative.banner.html"]);
    assert!(fields(&html, &["evil.example"]).is_empty());
}

#[test]
fn urls_name_one_host_for_every_reader() {
    for good in [
        "https://acme.example",
        "https://acme.example?from=ad",
        "https://www.ACME.example:8443/a/b.png?c={CACHEBUSTER}&d=https%3A%2F%2Fx#e",
    ] {
        for creative in everywhere(good) {
            assert!(fields(&creative, &[]).is_empty(), "{good}");
        }
    }
    for bad in [
        "//acme.example/",
        "/\\acme.example/",
        "http://acme.example/",
        "HTTP://acme.example/",
        "https:acme.example/",
        "https:/acme.example/",
        "https:///acme.example/",
        "https:\\\\acme.example\\",
        "https://acme.example\\@evil.example/",
        "https://user@acme.example/",
        "https://acme.example:443@evil.example/",
        "https://acme.example:/",
        "https://acme.example:0/",
        "https://acme.example:+443/",
        "https://acme.example:65536/",
        "https://acme.example./",
        "https://acme%2Eexample/",
        "https://acme.example%00.evil.example/",
        "https://acme.ex\u{e4}mple/",
        "https://acme.example\u{3002}evil.example/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://acme.0x7f/",
        "https://2130706433/",
        "https://[::1]/",
        "https://localhost/",
        " https://acme.example/",
        "https://acme.example/\n",
        "ht\ttps://acme.example/",
        "https://ac\tme.example/",
        "https://acme.example/a b",
        "https://acme.example/\u{e4}",
        "https://acme.example/\"><script>",
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "blob:https://acme.example/1",
        "wss://acme.example/",
        "ftp://acme.example/",
        "vbscript:x",
    ] {
        // Even who allows every domain allows no other URLs.
        for creative in everywhere(bad) {
            assert_eq!(fields(&creative, &["*"]).len(), 3, "{bad:?}");
        }
    }
}

proptest! {
    /// Whatever passes for a URL, browsers load over https from the host that was checked.
    #[test]
    fn browsers_see_the_host_that_was_checked(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("acme.example"), Just("evil.example"), Just("/"), Just("\\"), Just("@"), Just(":"), Just("443"),
                Just("."), Just("?"), Just("#"), Just("%2e"), Just("-"), Just("a"), Just("1"), Just("["), Just("]"),
                Just("\t"), Just(" "), Just("\u{3002}"), Just("{CACHEBUSTER}"), Just("'"),
            ],
            0..6,
        ),
    ) {
        let text = format!("https://{}", parts.concat());
        if let Ok(host) = text::https_host(&text) {
            let url = url::Url::parse(&text).unwrap();
            prop_assert_eq!((url.scheme(), url.host_str()), ("https", Some(host.as_str())), "{}", text);
        }
    }
}
