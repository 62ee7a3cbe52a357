//! Video and audio markup: VAST 2 to 4, and DAAST 1, which shares its bones.

use roxmltree::{Document, Node};

use super::Markup;

/// A document of one of these roots with an ad that can be played: the elements that VAST 4.2, section 2.3, requires
/// of an inline ad or a wrapper.
pub(super) fn read(adm: &str, roots: &[&str]) -> Result<Markup, String> {
    let document = Document::parse(adm.trim()).map_err(|error| format!("not XML: {error}"))?;
    let root = document.root_element();
    let name = root.tag_name().name();
    if !roots.contains(&name) {
        return Err(format!("the root is {name}, not one of {roots:?}"));
    }
    if root.attribute("version").is_none() {
        return Err(format!("{name} has no version"));
    }
    let ad = root
        .descendants()
        .find(|node| matches!(node.tag_name().name(), "InLine" | "Wrapper"))
        .ok_or("neither InLine nor Wrapper")?;
    require(ad, &["AdSystem", "Impression"])?;
    if ad.tag_name().name() == "InLine" {
        require(ad, &["AdTitle", "Creatives", "Duration", "MediaFile"])?;
    } else if texts(ad, "VASTAdTagURI").is_empty() {
        return Err("a wrapper without VASTAdTagURI".to_owned());
    }
    let media = ad.descendants().filter(|node| node.has_tag_name("MediaFile"));
    Ok(Markup {
        impressions: texts(ad, "Impression"),
        clicks: [texts(ad, "ClickTracking"), texts(ad, "ClickThrough")].concat(),
        resources: texts(ad, "MediaFile"),
        media_types: media.filter_map(|node| node.attribute("type").map(str::to_owned)).collect(),
        duration_s: texts(ad, "Duration").first().map(|text| seconds(text)).transpose()?,
    })
}

fn require(ad: Node<'_, '_>, names: &[&str]) -> Result<(), String> {
    match names.iter().find(|name| texts_or_children(ad, name) == 0) {
        Some(name) => Err(format!("{} without {name}", ad.tag_name().name())),
        None => Ok(()),
    }
}

fn texts_or_children(ad: Node<'_, '_>, name: &str) -> usize {
    ad.descendants().filter(|node| node.tag_name().name() == name && node.has_children()).count()
}

/// The texts of all elements of a name.
fn texts(ad: Node<'_, '_>, name: &str) -> Vec<String> {
    ad.descendants()
        .filter(|node| node.tag_name().name() == name)
        .filter_map(|node| node.text())
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

/// "HH:MM:SS" or "HH:MM:SS.mmm" as seconds.
fn seconds(text: &str) -> Result<f64, String> {
    let parts: Option<Vec<f64>> = text.split(':').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([hours, minutes, seconds]) => Ok(hours * 3_600.0 + minutes * 60.0 + seconds),
        _ => Err(format!("Duration {text:?} is not HH:MM:SS")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const VAST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <VAST version="4.2"><Ad id="1"><InLine><AdSystem>x</AdSystem><AdTitle>t</AdTitle>
        <Impression><![CDATA[https://t.example/i?a=1&b=2]]></Impression>
        <Creatives><Creative><Linear><Duration>00:00:15.500</Duration>
        <MediaFiles><MediaFile type="video/mp4"> https://c.example/v.mp4 </MediaFile></MediaFiles>
        <VideoClicks><ClickThrough>https://t.example/c</ClickThrough></VideoClicks>
        </Linear></Creative></Creatives></InLine></Ad></VAST>"#;

    #[test]
    fn an_inline_ad_tells_what_it_loads() {
        let markup = read(VAST, &["VAST"]).unwrap();
        assert_eq!(markup.impressions, ["https://t.example/i?a=1&b=2"]);
        assert_eq!(markup.resources, ["https://c.example/v.mp4"]);
        assert_eq!(markup.clicks, ["https://t.example/c"]);
        assert_eq!(markup.duration_s, Some(15.5));
        assert_eq!(markup.media_types, ["video/mp4"]);
    }

    #[test]
    fn what_no_player_plays_is_refused() {
        let breaks: [(&str, &str); 6] = [
            ("</Ad>", ""),
            (" version=\"4.2\"", ""),
            ("Impression>", "Ignored>"),
            ("MediaFile>", "Other>"),
            ("00:00:15.500", "15"),
            ("<VAST", "<DAAST"),
        ];
        for (from, to) in breaks {
            assert!(read(&VAST.replace(from, to), &["VAST"]).is_err(), "{from} -> {to}");
        }
    }
}
