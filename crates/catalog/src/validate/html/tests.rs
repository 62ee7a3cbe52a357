use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Checks html of which only acme.example and what is below it may be named.
fn checked(html: &str) -> Result<(), Refusal> {
    check(html, Hosts::Only(&|host| text::is_within(host, "acme.example")))
}

#[test]
fn ordinary_markup_is_accepted() {
    for html in [
        r#"<a href="{CLICK_URL}" target="_blank"><img src="https://cdn.acme.example/a.png?{CACHEBUSTER}"></a>{IMPRESSION_PIXEL}"#,
        r#"<a href={CLICK_URL}><img src='HTTPS://ACME.example/a.png' alt="50% off: now & here; 3/4 &frac34;"></a>"#,
        r#"<a href="https://acme.example">Mail shop@acme.example</a>"#,
        r#"<a href="https://r.acme.example/?to={CLICK_URL_ENC}&b={BID_ID}">x</a>"#,
        r#"<img src="//cdn.acme.example:8443/a.png"><img src="a.png"><img src="/a/b.png">"#,
        r#"<img srcset="https://cdn.acme.example/1.png 1x, https://cdn.acme.example/2.png 2x">"#,
        r##"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink='http://www.w3.org/1999/xlink'><use xlink:href="#a"/></svg>"##,
        r#"<script>document.createElementNS("http://www.w3.org/2000/svg", "svg"); // made here
           var u = "https:\/\/cdn.acme.example\/x", v = {a: 1}; a = b / c / d; f('it\'s\n');</script>"#,
        r#"<script><!--//<![CDATA[
           go("https://cdn.acme.example/go.js"); //]]></script>"#,
        r#"<style>a:hover{background:url(https://cdn.acme.example/b.png)} b::after{content:"\201C"} /* c */</style>"#,
        r#"<div style="background:url(&quot;https://cdn.acme.example/b.png&quot;)" onclick="go(&#39;x&#39;)">"#,
        r#"<img src="data:image/png;base64,iVBORw0KGgo//8AA//+x/w=="><a href="tel:+491">call</a><a href="mailto:a@b.example">"#,
        r#"<img src="https://cdn.acme.example/a//b.png"><script>go();x//y
           </script>"#,
        r#"<p>Opening hours: 9/10/11, see news: data plan, ratio 3:4</p>"#,
        r#"<img src="https://ad.acme.example/win?p=${AUCTION_PRICE}&l=${AUCTION_LOSS}">"#,
    ] {
        assert_eq!(checked(html), Ok(()), "{html}");
    }
}

/// URLs that lead or load elsewhere, or run something, in whichever attribute they stand.
const BAD_URLS: [&str; 51] = [
    "https://evil.example/x",
    "https://evil.example",
    "hTTpS://EVIL.example/x",
    "//evil.example/x",
    "///evil.example/x",
    "/\\evil.example/x",
    "\\/evil.example/x",
    "\\\\evil.example\\x",
    "https:/evil.example/x",
    "https:evil.example/x",
    "https:///evil.example/x",
    "https:\\\\evil.example/x",
    "https:/\\evil.example/x",
    "https://acme.example@evil.example/",
    "https://acme.example:443@evil.example/",
    "https://acme.example:@evil.example/",
    "https:// @evil.example/",
    "// <@evil.example/",
    "https://acme.example'@evil.example/",
    "https://acme.example'.evil.example/",
    "//'.evil.example/",
    "https://acme.example.evil.example/",
    "https://notacme.example/",
    "https://acme.example./",
    "https://acme.example%2eevil.example/",
    "https://%65vil.example/",
    "https://evil%2Eexample/",
    "https://xn--vil-9oa.example/",
    "https://\u{435}vil.example/",
    "https://acme.example\u{3002}evil.example/",
    "https://acme.example&shy;.evil.example/",
    "https://evil.example:8443/",
    "https://acme.example:99999/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://[::1]/",
    "//[2001:db8::1]:443/",
    "http://acme.example/",
    "http:evil.example",
    "ht\ntp:evil.example",
    "\thttps:evil.example",
    "/\n/evil.example/",
    "/\t/\r\nevil.example/",
    "wss://acme.example/",
    "ftp://acme.example/",
    "blob:https://acme.example/1",
    "\x01javascript:alert(1)",
    "java\nscript:alert(1)",
    "VBScript:x",
    "data:text/html;base64,PHNjcmlwdD4=",
    "data:image/svg+xml;base64,PHN2Zz4=",
];

#[test]
fn urls_that_lead_elsewhere_are_refused_in_every_attribute() {
    for url in BAD_URLS {
        for html in [
            format!("<img src=\"{url}\">"),
            format!("<IMG\nSRC = \"\n {url}\" alt='https://acme.example/'>"),
            format!("<iframe src={url}></iframe>"),
            format!("<base href=\"{url}\"><img src=\"a.png\">"),
            format!("<meta http-equiv=\"refresh\" content=\"0;url={url}\">"),
            format!("<meta http-equiv=refresh content=\"0\n{url}\">"),
            format!("<img srcset=\"https://acme.example/a.png 1x, {url} 2x\">"),
            format!("<a href=\"{{CLICK_URL}}\" ping=\"https://acme.example/ {url}\">x</a>"),
            format!("<div style=\"background:url({url})\">"),
            format!("<style>@import \"{url}\";</style>"),
            format!("<script>new Image().src = \"{url}\";</script>"),
            format!("<!--><img src=\"{url}\">-->"),
        ] {
            assert!(checked(&html).is_err(), "{html}");
        }
        let single = url.replace('\'', "\"");
        assert!(checked(&format!("<img src='{single}'>")).is_err(), "{single}");
    }
}

#[test]
fn escapes_hide_nothing() {
    for html in [
        r#"<img src="&#x2f;&#47;evil.example/x">"#,
        r#"<img src="&#X2F&#0000047evil.example/x">"#,
        r#"<img src="&sol;&sol;evil&period;example&sol;x">"#,
        r#"<img src="/&Tab;/evil.example/x">"#,
        r#"<img src="&bsol;&NewLine;/evil.example/x">"#,
        r#"<img src="https&colon;evil.example/x">"#,
        r#"<img src="https://acme.example&commat;evil.example/">"#,
        r#"<img src="https://acme.example&period;evil.example/">"#,
        r#"<a href="javascript&colon;alert(1)">"#,
        r#"<a href="&#106;ava&#115cript&#58;alert(1)">"#,
        r#"<iframe srcdoc="<img src='&amp;#47;/evil.example/'>">"#,
        r#"<iframe srcdoc="<img src='&amp#47;/evil.example/'>">"#,
        r#"<script>x.src = "\x2f\u002fevil.example/"</script>"#,
        r#"<script>x.src = "\57\057evil.example/"</script>"#,
        r#"<script>x.src = "\u{2f}\u{0002f}evil.example/"</script>"#,
        r#"<script>x.src = "https:\/\/evil.example\/x"</script>"#,
        r#"<script>x.src = "https://acme.example\x2eevil.example/"</script>"#,
        "<script>x.src = \"/\\\n/evil.example/\"</script>",
        r#"<script>document.write("<img src='&#\x34\x37;/evil.example/'>")</script>"#,
        r#"<b onclick="x.src = &quot;\x2f/evil.example/&quot;">"#,
        r#"<b onclick="x.src = '&bsol;x2f/evil.example/'">"#,
        r#"<style>b{background:url(\2f\2f evil.example/x)}</style>"#,
        r#"<style>b{background:url(/\00002Fevil.example/x)}</style>"#,
        r#"<style>b{background:url("https://acme.example\2e evil.example/")}</style>"#,
        r#"<style>@\69mport "ht\74ps:evil.example/x";</style>"#,
        r#"<b style="background:url(&#x5c;2f/evil.example/x)">"#,
    ] {
        assert!(checked(html).is_err(), "{html}");
    }
    let nested = format!("<iframe srcdoc=\"&{}#47;/evil.example/\">", "amp;".repeat(9));
    assert_eq!(checked(&nested), Err(Refusal::Depth));
}

#[test]
fn macros_that_vanish_join_nothing() {
    for html in [
        r#"<!--><img src="/{IMPRESSION_PIXEL}/evil.example/x">"#,
        r#"<a href="java{IMPRESSION_PIXEL}script:alert(1)">"#,
        r#"<img src="/${AUCTION_LOSS}/evil.example/x">"#,
        r#"<img src="${AUCTION_ /${AUCTION_MBR:B64}/evil.example/x">"#,
        r#"<img src="https://${AUCTION_SEAT_ID}/x">"#,
        r#"<img src="https://acme.example{CACHEBUSTER}.evil.example/">"#,
    ] {
        assert!(checked(html).is_err(), "{html}");
    }
}

#[test]
fn what_may_stand_in_the_html_is_no_cover() {
    for html in [
        // Lists end their items at the newline that URLs drop.
        "<img srcset=\"data:image/png;base64,\n//evil.example/x 1x\">",
        r#"<img src="//data:image/png;base64,x@evil.example/">"#,
        r#"<img src='//"http://www.w3.org/2000/svg".evil.example/'>"#,
        r#"<img src="http://www.w3.org/2000/svg.evil.example/">"#,
        r#"<img src="http://www.w3.org/x.png">"#,
        r#"<img src='"https://acme.example"' alt="//evil.example/">"#,
        "<script>// mail me@evil.example/\n</script>",
    ] {
        assert!(checked(html).is_err(), "{html}");
    }
}

#[test]
fn refusals_show_the_text_that_is_to_blame() {
    assert_eq!(checked("<img src='//Evil.example/x'>"), Err(Refusal::Host("evil.example".into())));
    let scheme = checked("<a href='JavaScript:x()'>").unwrap_err();
    assert_eq!(scheme.to_string(), r#""javascript:x()'>" is not an https URL"#);
    let open = checked("<script>//note\n</script>").unwrap_err();
    assert_eq!(open, Refusal::Authority("//note\n</".into()));
    assert!(open.remedy().contains("a space after the // of a comment"));
}

#[test]
fn who_allows_every_host_still_allows_https_only() {
    assert_eq!(check("<img src='https://any.example/'><script>//x\n</script>", Hosts::Any), Ok(()));
    for html in ["<img src='http://any.example/'>", "<a href='java&#115;cript:x()'>"] {
        assert!(matches!(check(html, Hosts::Any), Err(Refusal::Scheme(_))), "{html}");
    }
}

/// A character as html may write it in an attribute's value.
fn spelled(c: char) -> impl Strategy<Value = String> {
    let code = u32::from(c);
    let name = match c {
        ':' => "&colon;".to_owned(),
        '/' => "&sol;".to_owned(),
        '.' => "&period;".to_owned(),
        other => other.to_ascii_uppercase().to_string(),
    };
    select(vec![
        c.to_string(),
        c.to_string(),
        name,
        format!("&#{code};"),
        format!("&#X{code:x};"),
        format!("{c}\n"),
    ])
}

fn spelled_out(text: &str) -> impl Strategy<Value = String> {
    text.chars().map(spelled).collect::<Vec<_>>().prop_map(|parts| parts.concat())
}

proptest! {
    /// However the URL of a foreign host is quoted, capitalised or escaped, html with it is refused.
    #[test]
    fn foreign_hosts_are_found_in_every_spelling(
        url in spelled_out("https://evil.example/x.png"),
        (before, after) in select(vec![
            ("<img src=\"", "\">"), ("<img src='", "'>"), ("<IMG alt=a SRC=", ">"), ("<style>b{background:url(", ")}"),
            ("<a href=\"{CLICK_URL}\"><img src=\"https://acme.example/\" data-x='", "'></a>"),
        ]),
    ) {
        let html = format!("{before}{url}{after}");
        prop_assert!(checked(&html).is_err(), "{}", html);
    }

    /// Html that passes leads a browser to no other host than the page's and the allowed, and runs nothing.
    #[test]
    fn browsers_find_no_other_host_in_what_passes(
        parts in proptest::collection::vec(
            select(vec![
                "https", "http", "data", "javascript", "x", ":", "/", "/", "/", "\\", "@", "acme.example", "acme.example/",
                "evil.example", ".", "443", "?", "#", "%2e", "-", "'", "[", "]", "<", " ", "\t", "\n", "\u{3002}",
                "{IMPRESSION_PIXEL}", "//", "https://", "https://acme.example",
            ]),
            1..7,
        ),
    ) {
        let value = parts.concat();
        if checked(&format!("<img src=\"{value}\">")).is_ok() {
            for page in ["https://page.example/a/b", "http://page.example/", "file:///a/b"] {
                let page = url::Url::parse(page).unwrap();
                let Ok(url) = page.join(&value.replace("{IMPRESSION_PIXEL}", "")) else {
                    continue;
                };
                let same = url.scheme() == page.scheme() && url.host() == page.host();
                let named = url.host_str().is_some_and(|host| text::is_within(host, "acme.example"));
                // Schemes such as "mailto" name something, but no host.
                let inert = url.host().is_none() && !REFUSED.contains(&url.scheme());
                prop_assert!(same || named || inert, "{:?} leads to {}", value, url);
            }
        }
    }
}
