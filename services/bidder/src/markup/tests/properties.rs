//! Whatever an advertiser writes, the markup is well-formed and means what was written.

use proptest::prelude::*;
use roxmltree::Document;
use tagbid_catalog::{Creative, Markup, NativeAsset, NativeMarkup};

use super::banner::html;
use super::{PIXEL_IN_HTML, written};
use crate::gates::tests::creatives::{native, spot, video};

/// Text with everything that markup could stumble over; never empty, as an empty asset is none.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[ -~]{1,6}",
        prop::sample::select(vec![
            "]]>",
            "]]",
            "<![CDATA[",
            "&amp;",
            "\"",
            "'",
            "\u{0}",
            "\r\n",
            "\u{FFFE}",
            "\u{2028}"
        ])
        .prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

/// Pieces of HTML in any order.
fn any_html() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<!--",
        "-->",
        "<a href=",
        "\"",
        "'",
        ">",
        "<",
        "text",
        "{BID_ID}",
        "{",
        "}",
        "-",
        "ä",
        "</a>",
        "<scripted>",
    ]);
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// What XML makes of a text: characters that it cannot hold are replaced, line ends are unified (section 2.11).
fn as_xml(text: &str) -> String {
    let held = |c: char| match c {
        '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'.. => c,
        _ => '\u{FFFD}',
    };
    text.chars().map(held).collect::<String>().replace("\r\n", "\n").replace('\r', "\n")
}

fn titled(xml: &str) -> String {
    let document = Document::parse(xml).unwrap();
    let title = document.descendants().find(|node| node.tag_name().name() == "AdTitle");
    title.unwrap().descendants().filter(|node| node.is_text()).filter_map(|node| node.text()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Any name, URL and MIME type of a creative gives well-formed XML from which the name is read back.
    #[test]
    fn xml_holds_any_text(name in any_text(), url in any_text(), mime in any_text(), which in 0_usize..7) {
        let protocol = [2, 3, 7, 11, 13, 15, 9][which];
        let mut creative = if protocol == 9 { spot() } else { video() };
        creative.name.clone_from(&name);
        creative.categories = vec![mime.clone()];
        match &mut creative.markup {
            Markup::Video(markup) => (markup.media_url, markup.mime) = (url, mime),
            Markup::Audio(markup) => (markup.media_url, markup.mime) = (url, mime),
            _ => {}
        }
        let object = if protocol == 9 { "audio" } else { "video" };
        let xml = written(&creative, &format!(r#""{object}":{{"protocols":[{protocol}]}}"#));
        prop_assert_eq!(titled(&xml), as_xml(&name));
    }

    /// Any text and URL of native assets gives JSON from which it is read back unchanged.
    #[test]
    fn json_holds_any_text(title in any_text(), url in any_text(), value in any_text()) {
        let assets = vec![
            NativeAsset::Image { kind: 3, url: url.clone(), width: 1, height: 1 },
            NativeAsset::Data { kind: 2, value: value.clone() },
        ];
        let creative = Creative {
            markup: Markup::Native(NativeMarkup { title: title.clone(), assets }),
            ..native()
        };
        let request = r#"{\"assets\":[{\"id\":1,\"title\":{}},{\"id\":2,\"img\":{}},{\"id\":3,\"data\":{\"type\":2}}]}"#;
        let json = written(&creative, &format!(r#""native":{{"request":"{request}"}}"#));
        let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&answer["assets"][0]["title"]["text"], &title);
        prop_assert_eq!(&answer["assets"][1]["img"]["url"], &url);
        prop_assert_eq!(&answer["assets"][2]["data"]["value"], &value);
    }

    /// Html without the pixel gets it exactly once, at its start or end, and is otherwise changed by macros alone.
    #[test]
    fn html_always_counts_its_impression(text in any_html()) {
        let out = written(&html(&text), r#""banner":{}"#);
        let filled = text.replace("{BID_ID}", "00000000000000000000000000000b1d");
        let at_end = out.strip_prefix(&filled).unwrap_or_default();
        let at_start = out.strip_suffix(&filled).unwrap_or_default();
        let is_pixel = |added: &str| added.starts_with("<img src") && added.matches(PIXEL_IN_HTML).count() == 1;
        prop_assert!(is_pixel(at_end) || is_pixel(at_start), "{out}");
    }
}
