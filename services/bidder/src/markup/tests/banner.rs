use tagbid_catalog::{Creative, Markup};

use super::{CLICK, PIXEL, PIXEL_IN_HTML, written};
use crate::gates::tests::creatives::banner;

pub(super) fn html(text: &str) -> Creative {
    let mut creative = banner();
    if let Markup::Banner(markup) = &mut creative.markup {
        markup.html = text.into();
    }
    creative
}

fn shown(text: &str) -> String {
    written(&html(text), r#""banner":{}"#)
}

fn pixel() -> String {
    format!(r#"<img src="{PIXEL_IN_HTML}" width="1" height="1" alt="" style="display:none">"#)
}

#[test]
fn macros_are_filled_in_for_where_they_stand() {
    let click_in_html = CLICK.replace('&', "&amp;");
    for (html, expected) in [
        (r#"<a href="{CLICK_URL}">x</a>"#, format!(r#"<a href="{click_in_html}">x</a>"#)),
        (
            r#"<script>var u = "{CLICK_URL}";</script>"#,
            r#"<script>var u = "https:\u002f\u002fn.example\u002fnotice\u002fclick\u002ftok?a=1\u0026b=2";</script>"#.into(),
        ),
        (
            r#"<a href="https://t.example/?u={CLICK_URL_ENC}">x</a>"#,
            r#"<a href="https://t.example/?u=https%3A%2F%2Fn.example%2Fnotice%2Fclick%2Ftok%3Fa%3D1%26b%3D2">x</a>"#
                .into(),
        ),
        (
            r#"<img src="https://cdn.acme.example/a.png?{CACHEBUSTER}" id="{BID_ID}">"#,
            r#"<img src="https://cdn.acme.example/a.png?42" id="00000000000000000000000000000b1d">"#.into(),
        ),
        ("<p>{OTHER} {CLICK_URL and {}</p>", "<p>{OTHER} {CLICK_URL and {}</p>".into()),
    ] {
        assert_eq!(shown(html), format!("{expected}{}", pixel()), "{html}");
    }
}

#[test]
fn the_pixel_is_an_image_between_tags_and_a_url_inside_one() {
    assert_eq!(shown("<p>{IMPRESSION_PIXEL}</p>"), format!("<p>{}</p>", pixel()));
    let inside = r#"<img alt="a>b" src="{IMPRESSION_PIXEL}">"#;
    assert_eq!(shown(inside), format!(r#"<img alt="a>b" src="{PIXEL_IN_HTML}">"#));
    let script = shown("<SCRIPT async>new Image().src='{IMPRESSION_PIXEL}'</SCRIPT>");
    assert!(script.contains("price=${AUCTION_PRICE}\\u0026cur=${AUCTION_CURRENCY}'"), "{script}");
    let style = shown("<style>b{background:url({IMPRESSION_PIXEL})}</style>");
    assert!(style.contains(&format!("url({PIXEL})")), "{style}");
}

#[test]
fn the_pixel_is_loaded_whatever_the_html_looks_like() {
    assert_eq!(shown("<b>x</b>"), format!("<b>x</b>{}", pixel()));
    let commented = "<!-- {IMPRESSION_PIXEL} -->x";
    assert_eq!(shown(commented), format!("<!--  -->x{}", pixel()));
    for open in ["<!-- never closed", "<script>var a = '<b>';", "<a href='x"] {
        assert_eq!(shown(open), format!("{}{open}", pixel()));
    }
    let closed = "<script>if (a < b && '</b>') {}</script><!-- x --> 1 < 2";
    assert_eq!(shown(closed), format!("{closed}{}", pixel()));
}
