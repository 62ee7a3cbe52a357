use roxmltree::{Document, Node};
use tagbid_catalog::{Creative, Markup};

use super::{CLICK, PIXEL, written};
use crate::gates::tests::creatives::{spot, video};

const IAB: &str = "http://www.iab.com/VAST";

/// The markup of a creative for a player that knows one protocol.
fn spoken(creative: &Creative, protocol: i32) -> String {
    let object = match creative.markup {
        Markup::Audio(_) => "audio",
        _ => "video",
    };
    written(creative, &format!(r#""{object}":{{"protocols":[{protocol}]}}"#))
}

fn find<'a, 'd>(document: &'a Document<'d>, name: &str) -> Option<Node<'a, 'd>> {
    document.descendants().find(|node| node.tag_name().name() == name)
}

fn text<'a>(document: &'a Document<'_>, name: &str) -> &'a str {
    find(document, name).and_then(|node| node.text()).unwrap_or_default()
}

/// The names of an element's children.
fn children(document: &Document<'_>, name: &str) -> Vec<String> {
    let node = find(document, name).unwrap();
    node.children().map(|child| child.tag_name().name().to_owned()).collect()
}

#[test]
fn every_version_says_what_is_played_counted_and_clicked() {
    for (protocol, version) in [(2, "2.0"), (3, "3.0"), (7, "4.0"), (11, "4.1"), (13, "4.2"), (15, "4.3")] {
        let xml = spoken(&video(), protocol);
        let document = Document::parse(&xml).unwrap();
        let root = document.root_element();
        assert_eq!((root.tag_name().name(), root.attribute("version")), ("VAST", Some(version)));
        assert_eq!(text(&document, "Impression"), PIXEL);
        assert_eq!(text(&document, "ClickThrough"), CLICK);
        assert_eq!(text(&document, "Duration"), "00:00:15");
        assert_eq!(text(&document, "MediaFile"), "https://cdn.acme.example/a.mp4");
        let media = find(&document, "MediaFile").unwrap();
        let attributes =
            ["delivery", "type", "width", "height", "bitrate"].map(|name| media.attribute(name).unwrap());
        assert_eq!(attributes, ["progressive", "video/mp4", "1280", "720", "2000"]);
        let skip = find(&document, "Linear").unwrap().attribute("skipoffset");
        assert_eq!(skip, (protocol != 2).then_some("00:00:05"), "VAST 2 knows no skipping");
    }
}

/// The order of `xs:sequence` in the schemas of the IAB (github.com/InteractiveAdvertisingBureau/vast): vast_2.0.1.xsd
/// and vast3_draft.xsd; from 4.0 on vast_4.0_schema.xsd, vast_4.1_schema.xsd and vast_4.2.xsd, where `Inline_type` adds
/// to `AdDefinitionBase_type` and `Linear_Inline_type` to `Linear_Base_type`. 4.3 has no other elements.
#[test]
fn elements_stand_in_the_order_of_their_versions_schema() {
    for protocol in [2, 3] {
        let xml = spoken(&video(), protocol);
        let document = Document::parse(&xml).unwrap();
        assert_eq!(children(&document, "InLine"), ["AdSystem", "AdTitle", "Impression", "Creatives"]);
        assert_eq!(children(&document, "Linear"), ["Duration", "VideoClicks", "MediaFiles"]);
        assert_eq!(children(&document, "Creative"), ["Linear"]);
    }
    for protocol in [7, 11, 13, 15] {
        let xml = spoken(&video(), protocol);
        let document = Document::parse(&xml).unwrap();
        let mut inline = vec!["AdSystem", "Impression", "AdServingId", "AdTitle", "Category", "Creatives"];
        inline.retain(|name| protocol != 7 || *name != "AdServingId");
        assert_eq!(children(&document, "InLine"), inline);
        assert_eq!(children(&document, "Linear"), ["Duration", "MediaFiles", "VideoClicks"]);
        assert_eq!(children(&document, "Creative"), ["Linear", "UniversalAdId"]);
        let id = find(&document, "UniversalAdId").unwrap();
        assert_eq!((id.text(), id.attribute("idRegistry")), (Some("7"), Some("unknown")));
        assert_eq!(id.attribute("idValue"), (protocol == 7).then_some("7"));
        let media: Vec<_> = find(&document, "MediaFile").unwrap().attributes().map(|a| a.name()).collect();
        let known = ["delivery", "type", "width", "height", "bitrate", "scalable", "maintainAspectRatio"];
        assert_eq!(media, known);
    }
}

/// The schemas' namespace since 4.0; those before it have none.
#[test]
fn documents_are_in_the_namespace_of_their_versions_schema() {
    for (protocol, namespace) in [(2, None), (3, None), (7, Some(IAB)), (11, Some(IAB)), (15, Some(IAB))] {
        let xml = spoken(&video(), protocol);
        let document = Document::parse(&xml).unwrap();
        assert!(
            document.descendants().filter(Node::is_element).all(|n| n.tag_name().namespace() == namespace)
        );
    }
}

#[test]
fn lengths_are_exact_where_the_version_can_say_them() {
    let mut creative = video();
    if let Markup::Video(markup) = &mut creative.markup {
        markup.duration_ms = 3_600_000 + 62_500;
    }
    assert!(spoken(&creative, 3).contains("<Duration><![CDATA[01:01:02.500]]>"));
    assert!(spoken(&creative, 2).contains("<Duration><![CDATA[01:01:03]]>"));
}

#[test]
fn audio_is_marked_as_such_where_the_version_can_say_it() {
    for (protocol, ad_type) in [(2, None), (7, None), (11, Some("audio")), (13, Some("audio"))] {
        let xml = spoken(&spot(), protocol);
        let document = Document::parse(&xml).unwrap();
        assert_eq!(find(&document, "Ad").unwrap().attribute("adType"), ad_type);
        let media = find(&document, "MediaFile").unwrap();
        assert_eq!((media.attribute("type"), media.attribute("width")), (Some("audio/mpeg"), Some("0")));
    }
}

#[test]
fn daast_says_the_same_in_its_own_words() {
    let xml = spoken(&spot(), 9);
    let document = Document::parse(&xml).unwrap();
    assert_eq!(document.root_element().tag_name().name(), "DAAST");
    assert_eq!(children(&document, "InLine"), ["AdSystem", "AdTitle", "Category", "Impression", "Creatives"]);
    assert_eq!(children(&document, "Linear"), ["Duration", "MediaFiles", "AdInteractions"]);
    assert_eq!(text(&document, "Category"), "IAB18-1");
    assert_eq!(text(&document, "Impression"), PIXEL);
    assert_eq!(text(&document, "ClickThrough"), CLICK);
    assert_eq!(text(&document, "Duration"), "00:00:30");
    let media = find(&document, "MediaFile").unwrap();
    assert_eq!(
        (media.attribute("id"), media.attribute("width")),
        (Some("7"), None),
        "the schema requires an id"
    );
}
